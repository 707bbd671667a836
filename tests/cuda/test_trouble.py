"""What must be refused: on the device as on the CPU, at the next moment when the host waits anyway."""

from __future__ import annotations

import pytest

import tinyconv as tc
from tinyconv.backend import trouble
from tinyconv.nn import functional as F

I64 = tc.int64


def _index(device, *values, dtype=I64):
    return tc.tensor(values, dtype=dtype, device=device)


# What is asked of a device, with a number that must be refused.
CASES = {
    "cross_entropy": lambda d: F.cross_entropy(tc.zeros(3, 4, device=d), _index(d, 0, 4, 1)),
    "cross_entropy of planes": lambda d: F.cross_entropy(
        tc.zeros(1, 4, 2, device=d), _index(d, 0, -3).reshape(1, 2)
    ),
    "cross_entropy, ignored": lambda d: F.cross_entropy(
        tc.zeros(3, 4, device=d), _index(d, -100, 9, 1)
    ),
    "smoothed": lambda d: F.cross_entropy(
        tc.zeros(3, 4, device=d), _index(d, 0, -1, 1), label_smoothing=0.1
    ),
    "nll_loss": lambda d: F.nll_loss(tc.zeros(2, 4, device=d), _index(d, 0, 7)),
    "embedding": lambda d: F.embedding(_index(d, 1, 5), tc.zeros(5, 2, device=d)),
    "one_hot": lambda d: F.one_hot(_index(d, 1, 5), 5),
    "one_hot, negative": lambda d: F.one_hot(_index(d, 1, -5), 5),
    "index_select": lambda d: tc.zeros(4, 2, device=d).index_select(0, _index(d, 4)),
    "index_select, int32": lambda d: tc.zeros(4, 2, device=d).index_select(
        0, _index(d, -1, dtype=tc.int32)
    ),
    "gather": lambda d: tc.zeros(2, 3, device=d).gather(1, _index(d, 0, 3).reshape(2, 1)),
    "scatter": lambda d: tc.zeros(2, 3, device=d).scatter(1, _index(d, 0, -1).reshape(2, 1), 1.0),
    "subscript": lambda d: tc.zeros(4, device=d)[_index(d, 0, -5)],
    "no probability": lambda d: F.binary_cross_entropy(
        tc.full((2,), 1.5, device=d), tc.zeros(2, device=d)
    ),
    "division": lambda d: _index(d, 1, 2) // _index(d, 1, 0),
}


@pytest.fixture(autouse=True)
def warm():
    """The device's notes are made when somebody first asks for them."""
    F.one_hot(tc.zeros(1, dtype=I64, device="cuda"), 1).cpu()


@pytest.mark.parametrize("case", CASES)
def test_the_error_is_that_of_the_cpu_but_later(counts, case):
    with pytest.raises(Exception) as here:  # any; the device's is to be the same
        CASES[case]("cpu")
    y = CASES[case]("cuda")
    assert counts["syncs"] == 0
    with pytest.raises(type(here.value)) as there:
        y.cpu()
    assert str(there.value) == str(here.value)
    y.cpu()  # it is told once


def test_of_nothing_nothing_can_be_picked():
    with pytest.raises(IndexError, match="index is out of bounds for dimension with size 0"):
        tc.zeros(0, device="cuda")[_index("cuda", 0)]


@pytest.mark.parametrize(
    "wait",
    [
        tc.cuda.synchronize,
        lambda: tc.zeros(1, device="cuda").item(),
        lambda: tc.zeros(1, device="cuda").tolist(),
        lambda: bool(tc.zeros(1, device="cuda")),
        lambda: float(tc.zeros(1, device="cuda")),
        lambda: int(tc.zeros(1, device="cuda")),
        lambda: repr(tc.zeros(1, device="cuda")),
        lambda: [0][tc.zeros(1, dtype=I64, device="cuda")],
    ],
)
def test_told_wherever_the_host_waits(wait):
    F.nll_loss(tc.zeros(2, 4, device="cuda"), _index("cuda", 0, 7))
    with pytest.raises(
        IndexError, match=r"^Target 7 is out of bounds\.\nClasses count from 0 to 3"
    ):
        wait()
    wait()


def test_nothing_is_asked_where_nothing_can_be_wrong(counts):
    x = tc.zeros(2, 4, device="cuda")
    x.cpu()
    assert (counts["syncs"], counts["d2h"]) == (1, 1)
    F.nll_loss(x, _index("cuda", 0, 3)).cpu()
    assert (counts["syncs"], counts["d2h"]) == (3, 3)  # the loss, and the note
    x.cpu()
    assert (counts["syncs"], counts["d2h"]) == (4, 4)


def test_the_first_wins():
    x = tc.zeros(2, 4, device="cuda")
    F.nll_loss(x, _index("cuda", 0, 7))
    F.nll_loss(x, _index("cuda", 0, 9))
    with pytest.raises(IndexError, match="Target 7"):
        x.cpu()
    x.cpu()


def test_what_is_computed_from_it_is_memory_that_is_there():
    w = tc.arange(6.0).reshape(3, 2).to("cuda").requires_grad_()
    F.embedding(_index("cuda", 1, -4, 3, 2**40), w).sum().backward()
    x = tc.zeros(2, 4, device="cuda").requires_grad_()
    F.cross_entropy(x, _index("cuda", 2**40, -(2**40)), reduction="sum").backward()
    with pytest.raises(IndexError):
        x.cpu()
    assert x.grad.cpu().tolist() == [[0] * 4] * 2


def test_complaints_are_kept_once():
    for _ in range(3):
        CASES["nll_loss"]("cuda")
    n = len(trouble._complaints)
    CASES["nll_loss"]("cuda")
    assert len(trouble._complaints) == n
    with pytest.raises(IndexError):
        tc.cuda.synchronize()
