"""Which dtype a mixture has: every dtype with every other, as tensor, 0-d tensor and Python number."""

from __future__ import annotations

import operator
import warnings

import numpy as np
import pytest
import torch

import tinyconv as tc
from tinyconv.dtypes import ALL

NAMES = [d.name for d in ALL]
NUMBERS = {"bool": True, "int": 2, "float": 1.5}
VALUES = [1, 0, 1, 1]  # fit into every dtype
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
INPLACE = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "**=": operator.ipow,
}


def operands():
    """Every kind of operand: its name, and how to make it in a library."""
    for name in NAMES:
        yield f"{name}", lambda m, name=name: m.tensor([2, 1, 1, 3], dtype=dtype(m, name))
        yield f"{name}()", lambda m, name=name: m.tensor(2, dtype=dtype(m, name))
    for name, number in NUMBERS.items():
        yield name + " number", lambda m, number=number: number


OPERANDS = dict(operands())


def dtype(module, name):
    return getattr(module, name)


def name_of(d):
    return str(d).partition(".")[2]


def outcome(function, *args):
    """dtype and values, or the type of the exception and its first words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = function(*args)
    except Exception as error:
        words = str(error).splitlines()[0].replace("torch.", "tinyconv.")[:40]
        return "refused", [c for c in type(error).__mro__ if c.__module__ == "builtins"], words
    if isinstance(out, (bool, int, float)):
        return out
    return name_of(out.dtype), tuple(out.shape), np.asarray(out.tolist(), float)


def assert_alike(ours, theirs):
    if not isinstance(theirs, tuple):
        assert ours == theirs
    elif theirs[0] == "refused":
        assert ours[0] == "refused", f"{ours} instead of {theirs}"
        assert theirs[1][0] in ours[1]
        assert ours[2] == theirs[2]
    else:
        assert ours[:2] == theirs[:2]
        np.testing.assert_allclose(ours[2], theirs[2], rtol=2e-3 if "float16" in ours[0] else 1e-6)


def both(first, second):
    """Pairs of which at least one is a tensor."""
    return "number" not in first or "number" not in second


@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("first", OPERANDS)
def test_result_type(first, default):
    for second in OPERANDS:
        if not both(first, second):
            continue
        kinds = []
        for m in (tc, torch):
            m.set_default_dtype(dtype(m, default))
            kinds.append(name_of(m.result_type(OPERANDS[first](m), OPERANDS[second](m))))
        assert kinds[0] == kinds[1], f"{first} with {second}"


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("first", OPERANDS)
def test_operators(first, symbol):
    function = OPERATORS[symbol]
    for second in OPERANDS:
        if both(first, second):
            ours, theirs = (
                outcome(function, OPERANDS[first](m), OPERANDS[second](m)) for m in (tc, torch)
            )
            try:
                assert_alike(ours, theirs)
            except AssertionError as error:
                error.add_note(f"{first} {symbol} {second}")
                raise


@pytest.mark.parametrize("symbol", INPLACE)
@pytest.mark.parametrize("first", [n for n in OPERANDS if "number" not in n])
def test_writes(first, symbol):
    function = INPLACE[symbol]
    for second in OPERANDS:
        if first.endswith("()") and "(" not in second and "number" not in second:
            continue  # of several things wrong, the first that torch finds may be another
        ours, theirs = (
            outcome(function, OPERANDS[first](m), OPERANDS[second](m)) for m in (tc, torch)
        )
        try:
            assert_alike(ours, theirs)
        except AssertionError as error:
            error.add_note(f"{first} {symbol} {second}")
            raise


@pytest.mark.parametrize("first", NAMES)
def test_of_dtypes(first):
    for second in NAMES:
        for function in ("promote_types", "can_cast"):
            ours, theirs = (
                getattr(m, function)(dtype(m, first), dtype(m, second)) for m in (tc, torch)
            )
            if function == "promote_types":
                ours, theirs = name_of(ours), name_of(theirs)
            assert ours == theirs, f"{function}({first}, {second})"


@pytest.mark.parametrize("scalar", [np.float64(1.5), np.float32(1.5), np.int64(2)])
@pytest.mark.parametrize("name", NAMES)
def test_numpy_scalars_do_not_widen(name, scalar):
    ours, theirs = (outcome(operator.mul, OPERANDS[name](m), scalar) for m in (tc, torch))
    assert_alike(ours, theirs)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_conversion(source, target):
    values = [0, 1, 2, 100]
    for ways in ("to", "type", "method", "type_as", "astensor"):
        results = []
        for m in (tc, torch):
            x = m.tensor(values, dtype=dtype(m, source))
            like = m.tensor(0, dtype=dtype(m, target))
            short = {"bool": "bool", "uint8": "byte", "int8": "char", "int16": "short", "int32": "int",
                     "int64": "long", "float16": "half", "bfloat16": "bfloat16", "float32": "float",
                     "float64": "double"}  # fmt: skip
            y = {
                "to": lambda x=x, like=like: x.to(like.dtype),
                "type": lambda x=x, like=like: x.type(like.dtype),
                "method": lambda x=x, short=short: getattr(x, short[target])(),
                "type_as": lambda x=x, like=like: x.type_as(like),
                "astensor": lambda x=x, like=like: x.to(like),
            }[ways]()
            assert (y is x) == (source == target)
            results.append((name_of(y.dtype), y.tolist()))
        assert results[0] == results[1]


# ── integers wrap, and floats know infinity ──────────────────────────────────────────────────

EDGES = {
    "uint8 + 300": lambda m: m.tensor([1, 200], dtype=m.uint8) + 300,
    "uint8 - 300": lambda m: m.tensor([1, 200], dtype=m.uint8) - 300,
    "uint8 * 300": lambda m: m.tensor([1, 200], dtype=m.uint8) * 300,
    "uint8 // 300": lambda m: m.tensor([1, 200], dtype=m.uint8) // 300,
    "300 // uint8": lambda m: 300 // m.tensor([1, 200], dtype=m.uint8),
    "300 % uint8": lambda m: 300 % m.tensor([1, 200], dtype=m.uint8),
    "uint8 < 300": lambda m: m.tensor([1, 200], dtype=m.uint8) < 300,
    "uint8 == -56": lambda m: m.tensor([1, 200], dtype=m.uint8) == -56,
    "uint8 & 300": lambda m: m.tensor([1, 200], dtype=m.uint8) & 300,
    "uint8 ** 300": lambda m: m.tensor([1, 200], dtype=m.uint8) ** 300,
    "uint8 overflow": lambda m: m.tensor([200], dtype=m.uint8) + m.tensor([100], dtype=m.uint8),
    "int8 abs": lambda m: m.tensor([-128], dtype=m.int8).abs(),
    "int8 neg": lambda m: -m.tensor([-128], dtype=m.int8),
    "uint8 neg": lambda m: -m.tensor([1, 0, 255], dtype=m.uint8),
    "int64 overflow": lambda m: m.tensor([2**63 - 1]) + 1,
    "int64 + 2**70": lambda m: m.tensor([1]) + 2**70,
    "int64 ** 2": lambda m: m.tensor([2**40]) ** 2,
    "int ** int": lambda m: m.tensor([2, -1, 1, 0]) ** m.tensor([-1, -3, -2, 0]),
    "int ** -1": lambda m: m.tensor([2]) ** -1,
    "2 ** int": lambda m: 2 ** m.tensor([3, -1]),
    "float ** -1": lambda m: m.tensor([2.0, 0.0]) ** -1,
    "(-2) ** float": lambda m: (-2.0) ** m.tensor([2.0, 0.5]),
    "0 ** 0": lambda m: m.tensor([0.0]) ** 0,
    "int / 0": lambda m: m.tensor([1, -1, 0]) / 0,
    "float / 0": lambda m: m.tensor([1.0, -1.0, 0.0]) / 0,
    "float // 0": lambda m: m.tensor([1.0, -1.0, 0.0]) // 0,
    "float % 0": lambda m: m.tensor([1.0, -1.0, 0.0]) % 0,
    "int // 0": lambda m: m.tensor([1]) // 0,
    "int % 0": lambda m: m.tensor([1]) % 0,
    "0 // int": lambda m: 1 // m.tensor([1, 0]),
    "fmod(int, 0)": lambda m: m.fmod(m.tensor([1]), 0),
    "int div trunc": lambda m: m.div(m.tensor([7, -7, 7, -7]), m.tensor([2, 2, -2, -2]), rounding_mode="trunc"),
    "int div floor": lambda m: m.div(m.tensor([7, -7, 7, -7]), m.tensor([2, 2, -2, -2]), rounding_mode="floor"),
    "int // int": lambda m: m.tensor([7, -7, 7, -7]) // m.tensor([2, 2, -2, -2]),
    "int % int": lambda m: m.tensor([7, -7, 7, -7]) % m.tensor([2, 2, -2, -2]),
    "fmod(int, int)": lambda m: m.fmod(m.tensor([7, -7, 7, -7]), m.tensor([2, 2, -2, -2])),
    "div wrong mode": lambda m: m.div(m.tensor([7]), 2, rounding_mode="round"),
    "bool + bool": lambda m: m.tensor([True, False]) + m.tensor([True, False]),
    "bool - bool": lambda m: m.tensor([True]) - m.tensor([True]),
    "1 - bool": lambda m: 1 - m.tensor([True]),
    "bool - 1.5": lambda m: m.tensor([True]) - 1.5,
    "-bool": lambda m: -m.tensor([True]),
    "~bool": lambda m: ~m.tensor([True, False]),
    "~int": lambda m: ~m.tensor([0, 5]),
    "bitwise_not(float)": lambda m: m.bitwise_not(m.tensor([0.0])),
    "int & float": lambda m: m.tensor([1]) & m.tensor([1.0]),
    "int & 1.5": lambda m: m.tensor([1]) & 1.5,
    "bool.abs": lambda m: m.tensor([True]).abs(),
    "bool.floor": lambda m: m.tensor([True]).floor(),
    "int.frac": lambda m: m.tensor([1]).frac(),
    "int.round(decimals)": lambda m: m.tensor([1]).round(decimals=1),
    "bool.relu": lambda m: m.relu(m.tensor([True])),
    "bool.square": lambda m: m.tensor([True]).square(),
    "int.hypot": lambda m: m.hypot(m.tensor([3]), m.tensor([4])),
    "add alpha": lambda m: m.add(m.tensor([1]), m.tensor([1]), alpha=1.5),
    "add alpha str": lambda m: m.add(m.tensor([1.0]), m.tensor([1.0]), alpha="a"),
    "sub alpha": lambda m: m.sub(m.tensor([5]), 2, alpha=3),
    "rsub alpha": lambda m: m.rsub(m.tensor([5]), 2, alpha=3),
    "float + str": lambda m: m.tensor([1.0]) + "a",
    "float + None": lambda m: m.tensor([1.0]) + None,
    "float + list": lambda m: operator.add(m.tensor([1.0]), [1.0]),
    "maximum with number": lambda m: m.maximum(m.tensor([1.0]), 2),
    "sin of a number": lambda m: m.sin(2),
    "max of NaN": lambda m: m.maximum(m.tensor([np.nan, 1.0]), m.tensor([1.0, np.nan])),
    "min of NaN": lambda m: m.minimum(m.tensor([np.nan, 1.0]), m.tensor([1.0, np.nan])),
    "max() of NaN": lambda m: m.tensor([1.0, np.nan, 2.0]).max(),
    "argmax of NaN": lambda m: m.tensor([1.0, np.nan, np.nan]).argmax(),
    "max(0) of NaN": lambda m: m.tensor([1.0, np.nan, 2.0]).max(0).indices,
    "sign of NaN": lambda m: m.tensor([np.nan, -0.0, -np.inf]).sign(),
    "clamp NaN": lambda m: m.tensor([np.nan, 3.0]).clamp(0, 1),
    "clamp to NaN": lambda m: m.tensor([1.0, 3.0]).clamp(0, np.nan),
    "clamp crossed": lambda m: m.tensor([-3.0, 0.0, 3.0]).clamp(1, -1),
    "clamp int to float": lambda m: m.tensor([1, -2]).clamp(0.5, 1.5),
    "clamp int tensor": lambda m: m.tensor([1, -2]).clamp(m.tensor(0.5)),
    "clamp bool": lambda m: m.tensor([True]).clamp(False, True),
    "clamp_min bool": lambda m: m.tensor([True]).clamp_min(True),
    "clamp nothing": lambda m: m.tensor([1.0]).clamp(),
    "clamp str": lambda m: m.tensor([1.0]).clamp(min="a"),
    "clamp overflow": lambda m: m.tensor([1], dtype=m.uint8).clamp(0, 300),
    "fill overflow": lambda m: m.zeros(2, dtype=m.uint8).fill_(300),
    "fill wraps": lambda m: m.zeros(2, dtype=m.uint8).fill_(-1),
    "fill NaN": lambda m: m.zeros(2, dtype=m.int64).fill_(np.nan),
    "fill truncates": lambda m: m.zeros(2, dtype=m.int64).fill_(1.7),
    "fill float16": lambda m: m.zeros(2, dtype=m.float16).fill_(1e10),
    "fill vector": lambda m: m.zeros(2).fill_(m.ones(2)),
    "where numbers": lambda m: m.where(m.tensor([True, False]), 1, 2.5),
    "where float": lambda m: m.where(m.tensor([1.0]), 1.0, 2.0),
    "where uint8 overflow": lambda m: m.where(m.tensor([True]), m.tensor([1], dtype=m.uint8), 10**10),
    "copy wraps": lambda m: m.zeros(2, dtype=m.uint8).copy_(m.tensor([300, -1])),
    "copy shape": lambda m: m.zeros(2).copy_(m.zeros(3)),
    "copy too large": lambda m: m.zeros(2).copy_(m.zeros(3, 2)),
    "float.to(uint8)": lambda m: m.tensor([300.0, -1.0]).to(m.uint8),
    "float.to(int32)": lambda m: m.tensor([1.5, -1.5, np.nan, np.inf]).to(m.int32),
    "half of 1e5": lambda m: m.tensor([1e5]).half(),
    "sum of bool": lambda m: m.tensor([True, True]).sum(),
    "sum to bool": lambda m: m.tensor([2.0, 0.0]).sum(dtype=m.bool),
    "sum uint8": lambda m: m.tensor([200, 200], dtype=m.uint8).sum(),
    "prod uint8": lambda m: m.tensor([200, 200], dtype=m.uint8).prod(dtype=m.uint8),
    "cumsum bool": lambda m: m.tensor([True, True]).cumsum(0),
    "mean of int": lambda m: m.tensor([1]).mean(),
    "mean to int": lambda m: m.tensor([1.0]).mean(dtype=m.int64),
    "std of int": lambda m: m.tensor([1]).std(),
    "norm of int": lambda m: m.tensor([1]).norm(),
    "softmax of int": lambda m: m.tensor([1]).softmax(0),
    "argmax of bool": lambda m: m.tensor([True]).argmax(),
    "max of nothing": lambda m: m.zeros(0).max(),
    "argmax of nothing": lambda m: m.zeros(0).argmax(),
    "max of an empty dim": lambda m: m.zeros(2, 0).max(1),
    "mean of nothing": lambda m: m.zeros(0).mean(),
    "inf norm of nothing": lambda m: m.zeros(0).norm(np.inf),
    "norm of what": lambda m: m.zeros(2).norm("what"),
    "sum over str": lambda m: m.zeros(2).sum("a"),
    "sum over float": lambda m: m.zeros(2).sum(1.0),
    "sum out of range": lambda m: m.zeros(2).sum(1),
    "sum twice": lambda m: m.zeros(2).sum((0, 0)),
    "sum by axis": lambda m: m.ones(2, 3).sum(axis=1, keepdims=True),
    "prod over two": lambda m: m.ones(2, 3).prod((0, 1)),
    "std(False)": lambda m: m.tensor([1.0, 2.0]).std(False),
    "std(0, False)": lambda m: m.tensor([1.0, 2.0]).std(0, False),
    "std both": lambda m: m.tensor([1.0, 2.0]).std(0, unbiased=True, correction=1),
    "any of ()": lambda m: m.tensor([1.0, 0.0]).any(()),
    "equal across dtypes": lambda m: m.equal(m.tensor([1]), m.tensor([1.0])),
    "allclose across dtypes": lambda m: m.allclose(m.tensor([1]), m.tensor([1.0])),
    "isclose number": lambda m: m.isclose(m.tensor([1.0]), 1),
    "round half to even": lambda m: m.tensor([0.5, 1.5, 2.5, -0.5]).round(),
    "erfc of large": lambda m: m.erfc(m.tensor([5.0, 10.0, 26.0], dtype=m.float64)) * 1e12,
    "sigmoid of large": lambda m: m.sigmoid(m.tensor([-1000.0, 1000.0, np.nan])),
    "add_ wider": lambda m: m.tensor([1.0]).add_(m.tensor([1.0], dtype=m.float64)),
    "add_ to int": lambda m: m.tensor([1]).add_(1.5),
    "div_ of int": lambda m: m.tensor([1]).div_(2),
    "sigmoid_ of int": lambda m: m.tensor([1]).sigmoid_(),
    "add_ larger": lambda m: m.zeros(3).add_(m.zeros(2, 3)),
    "add shapes": lambda m: m.zeros(3) + m.zeros(2),
    "1 / x": lambda m: 1 / m.tensor([3, 0]),
    "np scalar first": lambda m: np.float64(2) * m.tensor([1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    assert_alike(*(outcome(EDGES[name], m) for m in (tc, torch)))


# ── gradients at the edges ────────────────────────────────────────────────────────────────────

POINTS = [1.0, -2.0, 0.0, np.nan, np.inf, -np.inf]
SLOPES = {
    "x ** 0": lambda x, m: x**0,
    "x ** 2": lambda x, m: x**2,
    "x ** 3.0": lambda x, m: x**3.0,
    "x ** -1": lambda x, m: x**-1,
    "x ** 0.5": lambda x, m: x**0.5,
    "x ** tensor": lambda x, m: x ** m.tensor([0.0, 1.0, 2.0, 3.0, 0.0, 1.0]),
    "0 ** x": lambda x, m: 0**x,
    "(-1) ** x": lambda x, m: (-1.0) ** x,
    "2 ** x": lambda x, m: 2**x,
    "x ** x": lambda x, m: x**x,
    "relu": lambda x, m: m.relu(x),
    "abs": lambda x, m: x.abs(),
    "sign": lambda x, m: x.sign(),
    "floor": lambda x, m: x.floor(),
    "sqrt": lambda x, m: x.sqrt(),
    "clamp": lambda x, m: x.clamp(-1, 1),
    "clamp crossed": lambda x, m: x.clamp(1, -1),
    "clamp tensors": lambda x, m: x.clamp(m.tensor(-1.0), m.tensor(0.5)),
    "maximum": lambda x, m: m.maximum(x, m.tensor([1.0, 1.0, np.nan, 0.0, 2.0, 2.0])),
    "minimum": lambda x, m: m.minimum(x, m.tensor([1.0, 1.0, np.nan, 0.0, 2.0, 2.0])),
    "max": lambda x, m: x.max(),
    "amax": lambda x, m: x.amax(),
    "max of equals": lambda x, m: m.ones(3).mul(x[:1]).max(),
    "where": lambda x, m: m.where(x > 0, x, x.sqrt()),
    "prod": lambda x, m: x[:3].prod(),
    "norm at 0": lambda x, m: (x[2:3]).norm(),
    "norm 3 at 0": lambda x, m: (x[2:3]).norm(3),
    "std of equals": lambda x, m: m.stack([x[0], x[0]]).std(),
    "atan2 at 0": lambda x, m: m.atan2(x[2:3], x[2:3]),
    "hypot at 0": lambda x, m: m.hypot(x[2:3], x[2:3]),
    "div floor": lambda x, m: x.div(2, rounding_mode="floor"),
    "x % 2": lambda x, m: x % 2,
    "logsumexp": lambda x, m: x[:3].logsumexp(0),
    "logsumexp of -inf": lambda x, m: x[5:].logsumexp(0),
    "erf": lambda x, m: m.erf(x),
    "floor_divide": lambda x, m: x // 2,
}  # fmt: skip
SEEDS = {"1": 1.0, "inf": np.inf}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SLOPES)
def test_slopes(name, seed):
    results = []
    for m in (tc, torch):
        x = m.tensor(POINTS, requires_grad=True)

        def slope(x=x, m=m):
            y = SLOPES[name](x, m)
            return m.autograd.grad(y, x, m.full(tuple(y.shape), SEEDS[seed]))[0]

        results.append(outcome(slope))
    assert_alike(*results)
