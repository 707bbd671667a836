"""tinyconv.cuda on the stand-in: devices, streams, events, memory, random numbers."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
import standin

import tinyconv as tc
from tinyconv.errors import DeviceError

MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def cuda(device):
    tc.cuda.init()
    return tc.cuda


# ── devices ───────────────────────────────────────────────────────────────────────────────────


def test_the_device():
    assert tc.cuda.is_available()
    assert tc.cuda.is_initialized()
    assert tc.cuda.device_count() == 1
    assert tc.cuda.current_device() == 0
    assert tc.cuda.get_device_name() == tc.cuda.get_device_name("cuda:0") == "Stand-in"
    assert tc.cuda.get_device_capability(tc.device("cuda")) == (9, 0)
    assert tc.cuda.get_arch_list() == ["sm_90"]
    assert tc.cuda.is_bf16_supported()
    assert tc.cuda.is_tf32_supported()
    about = tc.cuda.get_device_properties(0)
    assert (about.total_memory, about.multi_processor_count) == (1 << 30, 132)
    assert (
        "name='Stand-in', major=9, minor=0, total_memory=1024MB, multi_processor_count=132"
        in repr(about)
    )


@pytest.mark.parametrize("where", [0, "cuda", "cuda:0", tc.device("cuda", 0), None, -1])
def test_a_device_for_a_while(where):
    with tc.cuda.device(where):
        assert tc.cuda.current_device() == 0


def test_the_device_of_a_tensor():
    for x in (tc.ones(1), tc.ones(1).cuda()):
        with tc.cuda.device_of(x):
            assert tc.cuda.current_device() == 0
    tc.cuda.set_device(0)
    tc.cuda.set_device(-1)


def test_a_device_that_is_no_gpu():
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        tc.cuda.get_device_name("cpu")


# ── streams and events ────────────────────────────────────────────────────────────────────────


def test_streams_compare_by_what_they_are():
    default, side = tc.cuda.default_stream(), tc.cuda.Stream()
    assert tc.cuda.current_stream() == default
    assert default.cuda_stream == 0
    assert side != default
    assert side.device == tc.device("cuda:0")
    with tc.cuda.stream(side):
        assert tc.cuda.current_stream() == side
        assert hash(tc.cuda.current_stream()) == hash(side)
        with tc.cuda.stream(None):
            assert tc.cuda.current_stream() == side
    with side:
        assert tc.cuda.current_stream() == side
    assert tc.cuda.current_stream() == default
    tc.cuda.set_stream(side)
    assert tc.cuda.current_stream() == side
    tc.cuda.set_stream(default)
    assert "cuda_stream=0x0" in repr(default)
    assert tc.cuda.ExternalStream(side.cuda_stream) == side


def test_work_on_a_side_stream():
    side = tc.cuda.Stream()
    x = tc.ones(4).cuda()
    side.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(side):
        y = x * 2
    tc.cuda.current_stream().wait_stream(side)
    assert (y + x).tolist() == [3] * 4


def write_early(side, x):
    with tc.cuda.stream(side):
        y = x * 2
    return y + 1


def read_early(side, x):
    y = x * 2
    with tc.cuda.stream(side):
        return y + 1


def overwrite_early(side, x):
    x = x * 1
    side.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(side):
        y = x * 2
    x.add_(1)
    return y


@pytest.mark.parametrize("f", [write_early, read_early, overwrite_early])
def test_a_stream_that_does_not_wait_is_found_out(f):
    tc.cuda.synchronize()  # memory of the last test may be used again
    x, side = tc.ones(4).cuda(), tc.cuda.Stream()
    tc.cuda.synchronize()
    with pytest.raises(AssertionError, match="does not wait for"):
        f(side, x)


def test_waiting_for_an_event_is_enough():
    x, side, done = tc.ones(4).cuda(), tc.cuda.Stream(), tc.cuda.Event()
    assert done.query()
    done.synchronize()
    done.wait()  # of no effect before it is recorded
    x.mul_(2)
    done.record()
    done.wait(side)
    with tc.cuda.stream(side):
        y = x + 1
        done.record()
    assert done.query()
    tc.cuda.current_stream().wait_event(done)
    assert (y + 0).tolist() == [3] * 4


@pytest.mark.parametrize("wait", [tc.cuda.synchronize, lambda: None])
def test_the_host_waits(counts, wait):
    x, side = tc.ones(4).cuda(), tc.cuda.Stream()
    side.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(side):
        x.mul_(2)
    wait()
    if not counts["syncs"]:
        side.synchronize()
    assert (x + 0).tolist() == [2] * 4
    assert side.query()


def test_times():
    start, end = (tc.cuda.Event(enable_timing=True) for _ in range(2))
    with pytest.raises(ValueError, match="Both events must be recorded"):
        start.elapsed_time(end)
    start.record()
    end.record()
    assert start.elapsed_time(end) > 0
    silent = tc.cuda.current_stream().record_event()
    with pytest.raises(
        ValueError, match="Both events must be created with argument 'enable_timing=True'"
    ):
        start.elapsed_time(silent)
    assert "uninitialized" in repr(tc.cuda.Event())
    assert end.cuda_event


# ── memory ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def nothing():
    """No memory in use that would go away during the test."""
    gc.collect()
    tc.cuda.empty_cache()
    tc.cuda.reset_peak_memory_stats()
    return tc.cuda.memory_allocated()


def test_what_tensors_hold(nothing):
    x = tc.empty(MIB, device="cuda")
    assert tc.cuda.memory_allocated() - nothing == 4 * MIB
    y = x[1:]
    del x
    assert tc.cuda.memory_allocated() - nothing == 4 * MIB
    del y
    assert tc.cuda.memory_allocated() == nothing
    assert tc.cuda.max_memory_allocated() - nothing == 4 * MIB
    assert tc.cuda.max_memory_allocated("cuda:0") == tc.cuda.max_memory_allocated(0)
    tc.cuda.reset_peak_memory_stats()
    assert tc.cuda.max_memory_allocated() == nothing


def test_sizes_are_rounded(nothing):
    x = tc.empty(1, device="cuda")
    assert tc.cuda.memory_allocated() - nothing == 512
    del x


def test_what_is_held_of_the_device(nothing):
    before = tc.cuda.memory_reserved()
    x = tc.empty(MIB, device="cuda")
    free, total = tc.cuda.mem_get_info()
    del x
    assert tc.cuda.memory_reserved() - before == 4 * MIB
    y = tc.empty(MIB, device="cuda")  # the same memory
    assert tc.cuda.memory_reserved() - before == 4 * MIB
    del y
    tc.cuda.empty_cache()
    assert tc.cuda.memory_reserved() == before
    assert tc.cuda.max_memory_reserved() - before == 4 * MIB
    assert tc.cuda.mem_get_info()[0] - free == 4 * MIB
    assert total == 1 << 30


def test_threads_are_counted(nothing):
    held = []
    threads = [
        threading.Thread(target=lambda: held.append(tc.empty(MIB, device="cuda"))) for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert tc.cuda.memory_allocated() - nothing == 16 * MIB
    gone = threading.Thread(target=held.clear)
    gone.start()
    gone.join()
    assert tc.cuda.memory_allocated() == nothing


def test_all_figures(nothing):
    x = tc.empty(MIB, device="cuda")
    stats = tc.cuda.memory_stats()
    assert (
        stats["allocated_bytes.all.current"]
        == stats["active_bytes.all.current"]
        == nothing + 4 * MIB
    )
    assert stats["allocation.all.current"] >= 1
    assert (
        stats["allocated_bytes.all.allocated"] - stats["allocated_bytes.all.freed"]
        == nothing + 4 * MIB
    )
    assert "allocated" in tc.cuda.memory_summary()
    assert "Out of memory" not in tc.cuda.memory_summary(abbreviated=True)
    del x


def test_too_much(nothing):
    failures = tc.cuda.memory_stats()["num_ooms"]
    with pytest.raises(tc.cuda.OutOfMemoryError) as error:
        tc.empty(1 << 29, device="cuda")
    text = str(error.value)
    assert text.startswith(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1.00 GiB"
    )
    assert "Make the batch smaller" in text
    assert isinstance(error.value, RuntimeError)
    assert tc.cuda.memory_stats()["num_ooms"] == failures + 1
    assert tc.cuda.memory_allocated() == nothing


def test_room_is_made(nothing):
    class Loop:
        def __init__(self):
            self.me, self.x = self, tc.empty(10 * MIB, device="cuda")

    limit = tc.cuda.memory_reserved() + 60 * MIB
    tc.cuda.set_per_process_memory_fraction(limit / (1 << 30))
    gc.disable()
    try:
        Loop()  # only the collector finds it
        x = tc.empty(10 * MIB, device="cuda")
    finally:
        gc.enable()
        tc.cuda.set_per_process_memory_fraction(1.0)
    assert x.shape == (10 * MIB,)
    assert tc.cuda.memory_stats()["num_alloc_retries"]


def test_a_part_of_the_device(nothing):
    tc.cuda.set_per_process_memory_fraction(0.01)
    try:
        with pytest.raises(tc.cuda.OutOfMemoryError):
            tc.empty(10 * MIB, device="cuda")
    finally:
        tc.cuda.set_per_process_memory_fraction(1.0)
    with pytest.raises(ValueError, match=r"Invalid fraction value: 1\.5\. Allowed range: 0~1"):
        tc.cuda.set_per_process_memory_fraction(1.5)


def test_memory_outlives_its_pool(nothing):
    pool = tc.cuda.graph_pool_handle()
    import cupy

    with cupy.cuda.using_allocator(pool.malloc):
        x = tc.full((4,), 3.0, device="cuda")
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
    assert x.tolist() == [3] * 4


# ── random numbers ────────────────────────────────────────────────────────────────────────────


def test_random_numbers_begin_anew():
    tc.cuda.manual_seed(3)
    state = tc.cuda.get_rng_state()
    first = tc.rand(3, device="cuda").tolist()
    tc.cuda.set_rng_state(state)
    assert tc.rand(3, device="cuda").tolist() == first
    tc.cuda.manual_seed_all(3)
    assert tc.cuda.initial_seed() == 3
    assert tc.rand(3, device="cuda").tolist() == first
    tc.cuda.seed()
    tc.cuda.seed_all()
    assert tc.cuda.initial_seed() != 3


# ── without a GPU ─────────────────────────────────────────────────────────────────────────────

SILENT = {
    "is_available": False, "device_count": 0, "memory_allocated": 0, "max_memory_allocated": 0, "memory_reserved": 0,
    "max_memory_reserved": 0, "memory_stats": {}, "empty_cache": None, "reset_peak_memory_stats": None, "seed": None,
    "is_initialized": False, "get_arch_list": [], "is_bf16_supported": False, "memory_summary": "",
    "is_current_stream_capturing": False,
}  # fmt: skip
LOUD = ["current_device", "synchronize", "get_device_name", "Stream", "current_stream", "mem_get_info", "init",
        "initial_seed", "get_rng_state", "CUDAGraph", "graph_pool_handle", "default_stream"]  # fmt: skip


def test_without_a_gpu():
    code = f"""
import sys, tinyconv as tc
tc.cuda.manual_seed(0); tc.cuda.manual_seed_all(0)
for name, value in {SILENT!r}.items():
    got = getattr(tc.cuda, name)()
    assert got == value, (name, got)
with tc.cuda.stream(None), tc.cuda.device(None): pass
event = tc.cuda.Event()
for f in [getattr(tc.cuda, n) for n in {LOUD!r}] + [event.record, lambda: tc.cuda.set_device(0)]:
    try:
        f()
    except RuntimeError as error:
        assert str(error).startswith("Found no usable CUDA device"), error
        assert "pip install" in str(error) or "GPU" in str(error), error
    else:
        raise AssertionError(f)
print("cupy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert done.stdout == "False\n"


def test_the_error_is_ours():
    assert issubclass(tc.cuda.OutOfMemoryError, DeviceError)
    assert standin.blas[0].error is None
    assert np.isfinite(1.0)
