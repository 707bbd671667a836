"""From the host's memory to the device's: pinned memory, the batch ahead, and images made of bytes by one kernel."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.backend import get_backend
from tinyconv.utils.data import DataLoader, DevicePrefetcher, TensorDataset
from tinyconv.vision.transforms import (
    Batched,
    Cutout,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
)

KINDS = [tc.uint8, tc.int64, tc.float16, tc.bfloat16, tc.float32]


# ── pinned memory ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", KINDS)
def test_pinned(dtype, counts):
    x = tc.arange(12).reshape(3, 4).t().to(dtype)
    y = x.pin_memory()
    assert (x.is_pinned(), y.is_pinned(), y[1:].is_pinned()) == (False, True, True)
    assert y.pin_memory() is y
    assert y.dtype == dtype
    assert y.device == tc.device("cpu")
    assert y.tolist() == x.tolist()
    assert y.to("cuda").cpu().tolist() == x.tolist()


def test_made_pinned():
    x = tc.tensor([1.0, 2.0], pin_memory=True, requires_grad=True)
    assert x.is_pinned()
    assert x.requires_grad
    assert x.tolist() == [1, 2]
    assert not tc.tensor([1.0]).is_pinned()


def test_pinned_is_a_copy():
    x = tc.zeros(3)
    y = x.pin_memory()
    x.fill_(1)
    assert y.tolist() == [0, 0, 0]


def test_a_parameter_is_pinned_as_a_tensor():
    y = tc.nn.Parameter(tc.ones(3)).pin_memory()
    assert type(y) is tc.Tensor
    assert y.is_pinned()


def test_nothing_to_pin(counts):
    empty = tc.zeros(0, 3).pin_memory()
    assert empty.shape == (0, 3)
    assert not empty.is_pinned()
    x = tc.ones(3, device="cuda")
    assert not x.is_pinned()
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        x.pin_memory()


@pytest.mark.parametrize(
    ("pinned", "non_blocking", "waits", "pageable"),
    [(False, False, 0, 1), (False, True, 0, 1), (True, False, 1, 0), (True, True, 0, 0)],
)
def test_who_waits_for_a_copy(counts, pinned, non_blocking, waits, pageable):
    """The host waits where it might otherwise write to memory that is still being read."""
    x = tc.ones(4).pin_memory() if pinned else tc.ones(4)
    counts.clear()
    for move in (
        lambda: x.to("cuda", non_blocking=non_blocking),
        lambda: x.to("cuda", tc.float32, non_blocking),
        lambda: x.cuda(non_blocking=non_blocking),
    ):
        counts.clear()
        move()
        assert (counts["h2d"], counts["syncs"], counts["pageable"]) == (1, waits, pageable)


def test_back_to_the_host_it_always_waits(counts):
    x = tc.ones(4, device="cuda")
    counts.clear()
    assert x.to("cpu", non_blocking=True).tolist() == [1] * 4
    assert counts["syncs"] == 1


def test_a_loader_pins(counts):
    data = TensorDataset(tc.arange(6).reshape(3, 2), tc.arange(3))
    for x, y in DataLoader(data, 2, pin_memory=True):
        assert x.is_pinned()
        assert y.is_pinned()
        counts.clear()
        assert x.to("cuda", non_blocking=True).is_cuda
        assert counts["syncs"] == counts["pageable"] == 0
    with tc.device("cpu"):
        assert not next(iter(DataLoader(data, 2)))[0].is_pinned()


# ── the batch ahead ───────────────────────────────────────────────────────────────────────────


def loader(n=6, pin_memory=True):
    data = TensorDataset(tc.arange(4 * n, dtype=tc.uint8).reshape(n * 2, 2), tc.arange(2 * n))
    return DataLoader(data, 2, pin_memory=pin_memory)


@pytest.mark.parametrize("pin_memory", [True, False])
def test_batches_come_on_the_device_in_order(counts, pin_memory):
    """On two streams: the stand-in raises if one of them uses memory that the other may be working on."""
    batches = DevicePrefetcher(loader(pin_memory=pin_memory), "cuda", lambda x: x.float() * 2)
    assert len(batches) == 6
    for _ in range(2):
        counts.clear()
        sums = []
        for x, y in batches:
            assert x.is_cuda
            assert y.is_cuda
            z = x + y[:, None]
            sums.append(z.sum())
            del z
        assert counts["syncs"] == 0
        assert counts["pageable"] == (0 if pin_memory else 12)
        expected = [(2 * x.float() + y[:, None]).sum().item() for x, y in loader()]
        assert [s.item() for s in sums] == expected


def test_one_batch_ahead_and_no_more():
    asked = []

    def batches():
        for i in range(5):
            asked.append(i)
            yield tc.full((3,), i)

    ahead = iter(DevicePrefetcher(batches()))
    assert asked == []
    for i in range(4):
        assert next(ahead).tolist() == [i] * 3
        assert asked[-1] == i + 1
    assert next(ahead).tolist() == [4] * 3
    with pytest.raises(StopIteration):
        next(ahead)


def test_its_own_stream(counts):
    """Copies are on another stream than what works on them."""
    import cupy as cp

    streams = []

    class Watched(tc.Tensor):
        def to(self, *args, **kwargs):
            streams.append(cp.cuda.get_current_stream().ptr)
            return super().to(*args, **kwargs)

    def batches():
        for _ in range(3):
            watched = Watched()
            watched.array = tc.ones(2).array
            yield watched

    used = []
    for _ in DevicePrefetcher(batches(), transform=lambda x: x + 1):
        used.append(cp.cuda.get_current_stream().ptr)
    assert len(set(streams)) == len(set(used)) == 1
    assert streams[0] != used[0]


def test_memory_goes_round(counts):
    """After the third batch no new memory is asked for, however many come."""
    import cupy as cp

    pool = cp.get_default_memory_pool()
    batches = DevicePrefetcher(loader(30))
    totals = []
    for x, y in batches:
        x.float().add_(y[:, None])
        gc.collect()
        totals.append(pool.total_bytes())
    assert len(set(totals[3:])) == 1


def test_an_error_of_the_loader_arrives():
    def batches():
        yield tc.ones(1)
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        list(DevicePrefetcher(batches()))


# ── images ────────────────────────────────────────────────────────────────────────────────────

FLIP, FLOATS, MEAN = RandomHorizontalFlip(), ToTensor(), Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
CHAINS = {
    "normal": [FLOATS, MEAN],
    "crop": [RandomCrop((12, 10), padding=(1, 2, 3, 4), fill=(1, 2, 3)), FLOATS, MEAN],
    "all": [RandomCrop(12, padding=4, padding_mode="reflect"), FLIP, FLOATS, MEAN, Cutout(4)],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("dtype", [tc.float32, tc.float64, tc.float16, tc.bfloat16])
@pytest.mark.parametrize("order", ["n h w c", "n c h w", "a view"])
def test_images(counts, chain, dtype, order):
    """To the bit those of the CPU, in one launch and without waiting."""
    images = tc.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 12, 14, 3), np.uint8))
    draw = Batched(chain, dtype)
    tc.manual_seed(3)
    expected = draw(images)
    there = images.to("cuda")
    there = there if order == "n h w c" else there.permute(0, 3, 1, 2)
    there = there.contiguous() if order == "n c h w" else there
    draw(there)  # tables go to the device
    counts.clear()
    tc.manual_seed(3)
    found = draw(there)
    assert counts["redraw"] == counts["launches"] == counts["h2d"] == 1
    assert counts["syncs"] == 0
    assert found.dtype == dtype
    assert found.cpu().tolist() == expected.tolist()
    last = found.array.transpose(0, 2, 3, 1).flags.c_contiguous
    assert last == (dtype in (tc.float16, tc.bfloat16))
    assert last != found.array.flags.c_contiguous


def test_definition_on_the_device():
    """Without the kernel's body it still runs there."""
    from tinyconv.vision.transforms.batch import redraw

    images = tc.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 12, 14, 3), np.uint8))
    draw = Batched(CHAINS["all"])
    tc.manual_seed(3)
    expected = draw(images)
    plan, redraw.plan = redraw.plan, None
    try:
        tc.manual_seed(3)
        found = draw(images.to("cuda"))
    finally:
        redraw.plan = plan
    assert found.cpu().tolist() == expected.tolist()


def test_all_together(counts):
    """Bytes from a loader, through pinned memory and the stream for copies, to normal images in bfloat16."""
    images = tc.from_numpy(np.random.default_rng(0).integers(0, 256, (12, 3, 8, 8), np.uint8))
    data = DataLoader(TensorDataset(images, tc.arange(12)), 4, pin_memory=True)
    chain = [RandomCrop(8, padding=2), FLIP, FLOATS, MEAN]
    tc.manual_seed(5)
    found = [
        (x.float().cpu().tolist(), y.tolist())
        for x, y in DevicePrefetcher(data, "cuda", Batched(chain, tc.bfloat16))
    ]
    tc.manual_seed(5)
    plain = DataLoader(TensorDataset(images, tc.arange(12)), 4)
    expected = [
        (x.float().tolist(), y.tolist())
        for x, y in DevicePrefetcher(plain, "cpu", Batched(chain, tc.bfloat16))
    ]
    assert found == expected
    assert get_backend("cuda").name == "cuda"
