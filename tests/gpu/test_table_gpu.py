"""Every operation on a GPU, in every number type, against the CPU backend and against torch on the CPU."""

from __future__ import annotations

import functools
import warnings

import card
import pytest

card.require_gpu()

import optable

import tinyconv as tc
from tinyconv import backends

try:
    import torch
except ImportError:
    torch = None

# How far a number may be off: relative to itself, and to the largest of its array.
BOUNDS = {
    "float64": (1e-10, 1e-10),
    "float32": (1e-5, 1e-5),
    "tf32": (1e-2, 1e-2),
    "bfloat16": (5e-2, 5e-2),
    "float16": (1e-2, 1e-2),
}
RANDOM = ("dropout", "random_")  # a GPU draws other numbers
STEPS = {  # a rounding decides which of two numbers it is
    "floor", "ceil", "trunc", "round", "round_decimals", "frac", "fmod", "remainder", "floor_divide", "div_floor",
    "div_trunc", "sign", "hardshrink", "softshrink", "cast_whole", "close",
}  # fmt: skip
CASES = list(optable.CASES.values())
EXACT = [
    pytest.param(case, kind, id=f"{case}-{kind}")
    for case in CASES
    for kind in optable.kinds_of(case, "float64 float32")
]
ROUNDED = [
    pytest.param(case, kind, id=f"{case}-{kind}")
    for case in CASES
    if case.name not in STEPS and case.name not in RANDOM
    for kind in ("bfloat16", "float16")
]


@functools.cache
def on_cpu(name, kind, second):
    return optable.run(optable.CASES[name], tc, kind, "cpu", second)


@functools.cache
def in_torch(name, kind, second):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own plans
        return optable.run(optable.CASES[name], torch, kind, "cpu", second)


def test_every_case_is_here():
    assert {p.values[0].name for p in EXACT} == set(optable.CASES)


@pytest.mark.parametrize(("case", "kind"), EXACT)
def test_table(case, kind):
    there = optable.run(case, tc, kind, "cuda")
    here = on_cpu(case.name, kind, True)
    if case.name in RANDOM:
        assert there.about == here.about
    else:
        optable.assert_close(there, here, *BOUNDS.get(kind, (0, 0)))


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@pytest.mark.parametrize(("case", "kind"), [p for p in EXACT if p.values[0].torch])
def test_table_against_torch(case, kind):
    there = optable.run(case, tc, kind, "cuda", case.second)
    rtol, atol = BOUNDS.get(kind, (0, 0))
    slack = 1e3 if case.name in optable.COARSE_IN_TORCH else 10
    optable.assert_close(there, in_torch(case.name, kind, case.second), slack * rtol, slack * atol)


@pytest.mark.parametrize(
    "name", ["mm", "bmm", "matmul", "linear", "einsum", *(c for c in optable.CASES if "conv" in c)]
)
def test_tf32(name):
    backends.cuda.allow_tf32 = True
    there = optable.run(optable.CASES[name], tc, "float32", "cuda")
    optable.assert_close(there, on_cpu(name, "float32", True), *BOUNDS["tf32"])


@pytest.mark.parametrize(("case", "kind"), ROUNDED)
def test_halves(case, kind):
    """Values and gradients, against float32 on the CPU."""
    there = optable.run(case, tc, kind, "cuda", second=False)
    here = on_cpu(case.name, "float32", False)
    for name, about in here.about.items():
        wanted = tuple(kind if part == "float32" else part for part in about)
        assert there.about[name] == wanted, name
    optable.assert_close(optable.Result(there.numbers, here.about), here, *BOUNDS[kind])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_bits_every_time(case):
    """Nothing is added up in the order in which threads happen to finish."""
    kind = "float32"
    one, two = (optable.run(case, tc, kind, "cuda") for _ in range(2))
    for name, a in one.numbers.items():
        assert a.tobytes() == two.numbers[name].tobytes(), name


def test_a_fault_is_found(monkeypatch):
    case = optable.CASES["exp"]
    monkeypatch.setitem(optable.CASES, "exp", case)
    wrong = optable.Case("exp", lambda t, x: t.exp(x) * (1 + 1e-4 * x.is_cuda), case.specs)
    with pytest.raises(AssertionError):
        test_table(wrong, "float32")
