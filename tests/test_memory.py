"""Large arrays on memory that earlier ones left: never two owners, and no growth."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import tinyconv as tc
from tinyconv import nn
from tinyconv.backend import empty, is_whole, memory

SHAPE = (300, 1000)


@pytest.fixture(autouse=True)
def fresh_store(monkeypatch):
    gc.collect()
    monkeypatch.setattr(memory, "_store", memory._Store())


def make(shape=SHAPE, dtype="float32"):
    return empty(np, shape, dtype)


def address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]


def test_a_block_comes_back_when_its_last_view_is_gone():
    a = make()
    at, view = address(a), a[3:5].T
    del a
    b = make()
    assert address(b) != at
    del view
    assert address(make()) == at
    assert address(b) != at


@pytest.mark.parametrize(
    "keep",
    {
        "reshape": lambda a: a.reshape(-1),
        "slice of slice": lambda a: a[1:][2:],
        "memoryview": memoryview,
        "other type": lambda a: a.view("int32"),
        "flat iterator": lambda a: a.flat,
        "frombuffer": lambda a: np.frombuffer(a, "uint8"),
        "tensor": lambda a: tc.from_numpy(a),
        "tensor's view": lambda a: tc.from_numpy(a)[0],
        "dlpack": lambda a: np.from_dlpack(a),
        "torch": lambda a: __import__("torch").from_numpy(a),
    }.items(),
    ids=lambda p: p[0],
)  # fmt: skip
def test_whatever_looks_at_the_memory_keeps_it(keep):
    a = make()
    at, kept = address(a), keep[1](a)
    del a
    assert address(make()) != at, keep[0]
    del kept


def test_arrays_are_ordinary_ones_on_a_line_of_the_cache():
    a = make(dtype="float64")
    assert type(a) is np.ndarray
    assert (a.shape, a.dtype, a.flags.c_contiguous, a.flags.writeable) == (SHAPE, "float64", True, True)  # fmt: skip
    assert address(a) % 64 == 0
    assert is_whole(a)
    assert not is_whole(a[1:])
    assert not is_whole(a.reshape(-1))
    assert is_whole(np.ones(3))
    assert make((2, 3)).base is None  # small ones are none of its business


def test_idle_memory_is_bounded_by_the_most_that_was_in_use():
    held = [make() for _ in range(4)]
    most = memory._store.used_bytes
    held.clear()
    for rows in range(301, 400):  # sizes that fit no block that is there
        make((rows, 1000))
    store = memory._store
    assert store.used_bytes == 0
    assert store.idle_bytes == sum(n * len(b) for n, b in store.idle.items())
    assert store.idle_bytes <= most + memory.SLACK


def test_threads_share_it_without_sharing_a_block():
    wrong = []

    def work(number: int) -> None:
        for _ in range(200):
            a = make()
            a[:] = number
            b = make()
            b[:] = -number
            if not ((a == number).all() and (b == -number).all()):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert memory._store.used_bytes == 0


def test_a_training_step_lives_on_the_memory_of_the_last_one(monkeypatch):
    """After two steps no new block is made, and what a user holds is not written over."""
    tc.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10),
    )  # fmt: skip
    x, y = tc.randn(32, 3, 32, 32), tc.randint(0, 10, (32,))
    optimizer = tc.optim.SGD(net.parameters(), lr=0.1)
    seen = []
    net[2].register_forward_hook(lambda module, args, out: seen.append(out.detach()))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    step()
    kept, values = seen[0], seen[0].clone()
    step()
    seen.clear()
    step()
    seen.clear()
    made = []
    monkeypatch.setattr(memory, "_Block", lambda *a: made.append(a) or np.empty(*a))
    step()
    assert not made
    assert tc.equal(kept, values)
