"""Workers of a DataLoader: threads and processes; their order, errors, and end."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data
from test_data import LOADERS, epochs, plain

import tinyconv as tc
import tinyconv.utils.data as tc_data
from tinyconv import generator as numbers

FORK = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
KINDS = [None, pytest.param("fork", marks=FORK)]


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("DataLoader")]


@pytest.fixture(autouse=True)
def _no_worker_is_left():
    yield
    if threads() or multiprocessing.active_children():
        gc.collect()
    assert not threads()
    assert not multiprocessing.active_children()


@FORK
@pytest.mark.parametrize("name", ["shuffle batches", "shuffle generator", "subset"])
def test_persistent_workers_draw_one_seed(name):
    more = {"num_workers": 1, "persistent_workers": True}
    want = epochs(torch, torch_data, LOADERS[name], **more)
    assert epochs(tc, tc_data, LOADERS[name], **more) == want


class Numbers:
    """Mixed into Dataset of either library: who fetched the sample, and random numbers."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        info = self.d.get_worker_info()
        numpy_number, number = np.random.rand(), random.random()  # users' stream
        return (
            (i, info.id, info.num_workers, info.seed, self.lib.rand(()).item()),
            (numpy_number, number),
        )


class TorchNumbers(Numbers, torch_data.Dataset):
    lib, d = torch, torch_data


class TcNumbers(Numbers, tc_data.Dataset):
    lib, d = tc, tc_data


@FORK
def test_random_numbers_in_workers():
    def run(lib, d, data, context):
        lib.manual_seed(1)
        settings = {"num_workers": 2, "multiprocessing_context": context}
        return list(zip(*d.DataLoader(data, None, collate_fn=lambda x: x, **settings), strict=True))

    want = run(torch, torch_data, TorchNumbers(), "fork")
    assert run(tc, tc_data, TcNumbers(), "fork") == want
    here = numbers.current()
    assert run(tc, tc_data, TcNumbers(), None)[0] == want[0]
    assert numbers.current() is here


def double(samples):
    return [2 * x for x in samples]


@pytest.mark.parametrize("context", [*KINDS, "spawn", multiprocessing.get_context("forkserver")])
def test_worker_kinds(context):
    data = tc_data.TensorDataset(tc.arange(20), tc.arange(20) ** 2)
    want = list(tc_data.DataLoader(data, 3))
    loader = tc_data.DataLoader(data, 3, num_workers=2, multiprocessing_context=context)
    assert plain(list(loader)) == plain(want)
    assert (loader.multiprocessing_context is None) == (context is None)


def test_context_is_a_setting():
    loader = tc_data.DataLoader("ab", num_workers=1, multiprocessing_context="spawn")
    assert loader.multiprocessing_context.get_start_method() == "spawn"
    loader.multiprocessing_context = None
    assert list(loader) == [["a"], ["b"]]


@FORK
def test_too_many_processes():
    cores = len(os.sched_getaffinity(0))
    settings = {"num_workers": cores + 1}
    with pytest.warns(UserWarning, match="This DataLoader will create") as caught:
        tc_data.DataLoader("ab", **settings, multiprocessing_context="fork")
    assert caught[0].filename == __file__
    tc_data.DataLoader("ab", **settings)


class Part(tc_data.IterableDataset):
    """A stream of which each worker has a part, of different lengths."""

    def __init__(self, d):
        self.d = d

    def __iter__(self):
        info = self.d.get_worker_info()
        return iter(range(100 * info.id, 100 * info.id + 5 + 4 * info.id))


class TorchPart(torch_data.IterableDataset):
    __init__, __iter__ = Part.__init__, Part.__iter__


@FORK
@pytest.mark.parametrize("batch_size", [None, 2])
def test_streams_of_workers_take_turns(batch_size):
    want = list(torch_data.DataLoader(TorchPart(torch_data), batch_size, num_workers=2))
    for kind in (None, "fork"):
        settings = {"num_workers": 2, "multiprocessing_context": kind}
        loader = tc_data.DataLoader(Part(tc_data), batch_size, **settings)
        assert plain(list(loader)) == plain(want)


def test_worker_has_its_own_copy_of_the_attributes():
    class Range(tc_data.IterableDataset):
        def __init__(self):
            self.start, self.stop = 0, 7

        def __iter__(self):
            return iter(range(self.start, self.stop))

    def take_part(number):
        data = tc_data.get_worker_info().dataset
        share = -(-data.stop // tc_data.get_worker_info().num_workers)
        data.start, data.stop = number * share, min(data.stop, (number + 1) * share)

    data = Range()
    loader = tc_data.DataLoader(data, None, num_workers=2, worker_init_fn=take_part)
    assert sorted(loader) == list(range(7))
    assert (data.start, data.stop) == (0, 7)


def test_worker_info_and_init():
    assert tc_data.get_worker_info() is None
    calls = []
    info = []

    class Data(tc_data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            info.append(tc_data.get_worker_info())
            return i

    data = Data()
    list(tc_data.DataLoader(data, num_workers=2, worker_init_fn=calls.append))
    assert sorted(calls) == [0, 1]
    assert {(i.id, i.num_workers) for i in info} == {(0, 2), (1, 2)}
    assert len({i.seed - i.id for i in info}) == 1
    assert all(isinstance(i.dataset, Data) for i in info)
    assert tc_data.get_worker_info() is None
    with pytest.raises(AttributeError):
        info[0].id = 3


class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


class Broken(tc_data.Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 6

    def __getitem__(self, i):
        if i == 3:
            raise self.error
        return i


@pytest.mark.parametrize("context", KINDS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("what"), ValueError),
        (KeyError("what"), KeyError),
        (TwoArguments("what", 2), RuntimeError),
        (tc.errors.ShapeError("what", "do this"), tc.errors.ShapeError),
    ],
)
def test_exception_in_worker(context, error, kind):
    loader = tc_data.DataLoader(Broken(error), 2, num_workers=2, multiprocessing_context=context)
    batches = iter(loader)
    assert plain(next(batches)) == plain(tc.tensor([0, 1]))
    with pytest.raises(kind) as caught:
        next(batches)
    assert type(caught.value) is kind
    lines = str(caught.value).split("\n")
    word = "process" if context else "thread"
    assert lines[0] == f"Caught {type(error).__name__} in DataLoader worker {word} 1."
    assert lines[1] == "Original Traceback (most recent call last):"
    assert "raise self.error" in str(caught.value)
    assert "what" in str(caught.value)
    assert plain(next(batches)) == plain(tc.tensor([4, 5]))  # the others still come
    with pytest.raises(StopIteration):
        next(batches)


def fail(number):
    raise OSError(f"no worker {number}")


class NoStream(tc_data.IterableDataset):
    def __iter__(self):
        raise OSError("no worker at all")


@pytest.mark.parametrize("context", KINDS)
def test_worker_that_cannot_start(context):
    settings = {"num_workers": 2, "multiprocessing_context": context}
    for loader in (
        tc_data.DataLoader(range(4), worker_init_fn=fail, **settings),
        tc_data.DataLoader(NoStream(), **settings),
    ):
        batches = iter(loader)
        for number in (0, 1, 0, 1):
            with pytest.raises(OSError, match=f"worker (thread|process) {number}(.|\n)*no worker"):
                next(batches)


@FORK
def test_batch_that_cannot_be_pickled():
    loader = tc_data.DataLoader(
        [1, 2], num_workers=1, multiprocessing_context="fork", collate_fn=lambda x: lambda: x
    )
    with pytest.raises(RuntimeError, match=r"Caught .* in DataLoader worker process 0"):
        next(iter(loader))


class Die(tc_data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        if threading.current_thread() is threading.main_thread():
            os._exit(3)
        raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("context", KINDS)
def test_worker_that_dies(context):
    loader = tc_data.DataLoader(Die(), num_workers=1, multiprocessing_context=context)
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) .*exited unexpectedly"):
        next(iter(loader))


class Slow(tc_data.Dataset):
    def __init__(self, n=100, slow=range(100), seconds=0.2):
        self.n, self.slow, self.seconds, self.started = n, slow, seconds, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.started.append(i)
        if i in self.slow:
            time.sleep(self.seconds)
        return i


@pytest.mark.parametrize("context", KINDS)
def test_timeout(context):
    settings = {"num_workers": 1, "multiprocessing_context": context}
    batches = iter(tc_data.DataLoader(Slow(seconds=0.4), timeout=0.05, **settings))
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.05 seconds"):
        next(batches)
    assert list(tc_data.DataLoader(Slow(2), None, timeout=30, **settings)) == [0, 1]


def test_in_order():
    settings = {"batch_size": None, "num_workers": 2}
    assert list(tc_data.DataLoader(Slow(6, [0]), **settings)) == list(range(6))
    batches = list(tc_data.DataLoader(Slow(6, [0]), **settings, in_order=False))
    assert batches[0] != 0
    assert sorted(batches) == list(range(6))
    stream = tc_data.DataLoader(Part(tc_data), in_order=False, **settings)
    assert sorted(stream) == [*range(5), *range(100, 109)]


@pytest.mark.parametrize("prefetch_factor", [None, 1, 3])
def test_prefetch(prefetch_factor):
    drawn = []

    class Watched(tc_data.SequentialSampler):
        def __iter__(self):
            for i in super().__iter__():
                drawn.append(i)
                yield i

    data = range(20)
    settings = {"num_workers": 2, "prefetch_factor": prefetch_factor}
    loader = tc_data.DataLoader(data, None, sampler=Watched(data), **settings)
    ahead = 2 * (prefetch_factor or 2)
    assert loader.prefetch_factor * 2 == ahead
    batches = iter(loader)
    assert len(drawn) == ahead
    for count in (1, 2):
        next(batches)
        assert len(drawn) == ahead + count


@pytest.mark.parametrize("context", KINDS)
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_live_as_long_as_they_should(context, persistent):
    settings = {"num_workers": 2, "multiprocessing_context": context}
    loader = tc_data.DataLoader(range(8), 2, persistent_workers=persistent, **settings)
    who = threads if context is None else multiprocessing.active_children
    batches = [plain(b) for b in loader]
    first = set(who())
    assert len(first) == 2 * persistent
    for _ in loader:  # cut short: the rest of this epoch must not leak into the next
        break
    assert [plain(b) for b in loader] == batches
    assert set(who()) == first
    del loader
    gc.collect()
    assert not who()


@pytest.mark.parametrize("context", KINDS)
def test_persistent_workers_begin_anew(context):
    settings = {"num_workers": 2, "multiprocessing_context": context, "persistent_workers": True}
    loader = tc_data.DataLoader(Slow(12, seconds=0.01), None, shuffle=True, **settings)
    next(iter(loader))  # what is under way must not come in the next epoch
    assert sorted(loader) == list(range(12))
    stream = tc_data.DataLoader(Part(tc_data), None, **settings)
    next(iter(stream))
    assert sorted(stream) == sorted(stream) == [*range(5), *range(100, 109)]


def test_workers_end_with_the_last_batch():
    batches = iter(tc_data.DataLoader(range(4), num_workers=2))
    assert len(list(batches)) == 4
    assert not threads()
    assert list(batches) == []


@pytest.mark.parametrize("context", KINDS)
def test_break_ends_workers(context):
    settings = {"num_workers": 2, "multiprocessing_context": context}
    for _ in tc_data.DataLoader(Slow(seconds=0.01), **settings):
        break
    assert not threads()
    assert not multiprocessing.active_children()


def test_worker_iterator_in_a_cycle_is_collected_in_a_worker():
    """The collector may find an iterator while a worker of that very iterator runs."""
    lost = threading.Event()

    class Collecting(tc_data.Dataset):
        def __len__(self):
            return 100

        def __getitem__(self, i):
            if i:
                lost.wait()
                gc.collect()
            return i

    batches = iter(tc_data.DataLoader(Collecting(), num_workers=2))
    next(batches)
    batches.myself = batches
    del batches
    lost.set()
    for worker in threads():
        worker.join(60)
    assert not threads()


PROGRAM = """
import sys, time
from tinyconv.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 100
    def __getitem__(self, i): time.sleep(0.01); return i
if __name__ == "__main__":
    context = None if sys.argv[1] == "threads" else sys.argv[1]
    batches = iter(DataLoader(Slow(), num_workers=2, multiprocessing_context=context,
                              persistent_workers=True))
    print(next(batches))
"""


@pytest.mark.parametrize("kind", ["threads", "fork", "spawn"])
def test_program_ends(kind, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = os.path.dirname(os.path.dirname(tc.__file__))
    result = subprocess.run(
        [sys.executable, "-W", "ignore", program, kind],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert result.stdout == "tensor([0])\n"
    assert result.returncode == 0


def test_two_passes_at_once():
    loader = tc_data.DataLoader(range(4), None, num_workers=1)
    assert list(zip(loader, loader, strict=True)) == [(i, i) for i in range(4)]
