"""Rarer functions of numbers: torch's samples, and the corners these do not reach."""

from __future__ import annotations

import math

import opinfo
import pytest
import torch
from opinfo import Op

import tinyconv as tc

ELEMENTS = """addcmul addcdiv lerp logit nan_to_num fmax fmin copysign xlogy logaddexp logaddexp2 heaviside sinc sgn
positive float_power ldexp deg2rad rad2deg"""
QUESTIONS = "signbit isposinf isneginf isreal"
INTEGERS = "gcd lcm bitwise_left_shift bitwise_right_shift bitwise_and bitwise_or bitwise_xor"
REDUCTIONS = """median nanmedian quantile nanquantile var_mean var_mean-unbiased std_mean std_mean-unbiased nanmean nansum
count_nonzero kthvalue mode aminmax dist renorm"""
SCANS = "cumprod cummax cummin logcumsumexp diff trapezoid cumulative_trapezoid"
ORDER = "searchsorted bucketize histc unique_consecutive msort"
REFUSING = """copysign diff fmax fmin kthvalue ldexp logaddexp heaviside lcm gcd aminmax float_power bucketize renorm xlogy
logcumsumexp"""
ALL = f"{ELEMENTS} {QUESTIONS} {INTEGERS} {REDUCTIONS} {SCANS} {ORDER}"
ANY_OF_EQUALS = ("mode", "kthvalue")  # which of several integers is named

inf, nan = math.inf, math.nan


def ops(names):
    return [Op(*n.split("-")) for n in names.split()]


@pytest.mark.parametrize("op", ops(ALL), ids=str)
def test_samples(op):
    for dtype in ("float64", "int64"):
        if dtype == "int64" and op.name in ANY_OF_EQUALS:
            continue
        if opinfo.supports(op, dtype):
            opinfo.check_samples(op, dtype)
        else:
            opinfo.check_refusal(op, dtype)


@pytest.mark.parametrize("op", ops(REFUSING), ids=str)
def test_errors(op):
    opinfo.check_errors(op)


def test_a_fault_is_found(monkeypatch):
    monkeypatch.setattr(tc, "fmax", tc.fmin)
    with pytest.raises(AssertionError):
        opinfo.check_samples("fmax", "float64")


# ── the same expression in both ───────────────────────────────────────────────────────────────


def outcome(lib, story, *data):
    """The values, or the error; the gradients of the sum of all floats."""
    xs = [lib.tensor(d) for d in data]
    leaves = [x.requires_grad_() for x in xs if x.is_floating_point()]
    try:
        ys = story(lib, *xs)
    except (RuntimeError, TypeError, IndexError) as error:
        return [type(error).__mro__, str(error).replace("torch.", "tinyconv.").partition("\n")[0]]
    ys = list(ys) if isinstance(ys, (list, tuple)) else [ys]
    result = [(str(y.dtype).rpartition(".")[2], y.tolist()) for y in ys]
    graded = [y for y in ys if y.requires_grad]
    if graded:
        total = sum((y * (i + 1)).sum() for i, y in enumerate(graded))
        grads = lib.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        result += [None if g is None else ("gradient", g.tolist()) for g in grads]
    return result


SAME = {
    "NaN among the middle": (lambda t, x: [*x.median(0), x.nanmedian(), *x.nanmedian(0)],
                             [[1.0, nan, 2.0], [nan, nan, 3.0], [4.0, nan, 5.0]]),
    "NaN among quantiles": (lambda t, x: [x.quantile(0.5, 0), x.nanquantile(0.5, 0), x.nanquantile(0.25)],
                            [[1.0, nan, 2.0], [nan, nan, 3.0], [4.0, nan, 5.0]]),
    "quantiles as asked": (lambda t, x: [t.quantile(x, 0.3, 0, how == "lower", interpolation=how) for how in
                                         ("lower", "higher", "midpoint", "nearest")], [3.0, 1.0, 7.0, 4.0]),
    "NaN among running extremes": (lambda t, x: [*x.cummax(0), *x.cummin(0)], [2.0, 2.0, nan, 1.0, nan, 3.0]),
    "equals among running extremes": (lambda t, x: [*x.cummax(0), *x.cummin(0)], [2, 2, 1, 1, 3]),
    "two zeros in a running product": (lambda t, x: x.cumprod(1), [[2.0, 0.0, 3.0, 0.0, 5.0], [1.0, 2.0, 3.0, 4.0, 0.0]]),
    "the most frequent": (lambda t, x: x.mode(1), [[3, 1, 3, 1, 2], [5, 4, 3, 2, 1]]),
    "infinite sums of exponentials": (lambda t, x: x.logcumsumexp(0).detach(), [-inf, -inf, 1.0, inf]),
    "nothing of NaN times nothing": (lambda t, x, y: t.xlogy(x, y).detach(), [0.0, 0.0, 0.0, nan], [nan, 0.0, -1.0, 1.0]),
    "shifted out": (lambda t, x: [x << 70, x >> 70, x << -1, x >> -1, 1 << x, 100 >> x], [5, -5, 3]),
    "bits in place": (lambda t, x: [t.Tensor.__iand__(x, 6), t.Tensor.__ior__(x, 1), t.Tensor.__ilshift__(x, 2)], [5, 12]),
    "compared in place": (lambda t, x: [(x * 1).gt_(1), (x * 1).eq_(t.ones(2)), (x.detach() * 1).logical_not_()], [1.0, 2.0]),
    "numbers of the edge": (lambda t, x: [t.logit(x), t.logit(x, 0.1), t.nan_to_num(x, 1.0, 2.0, 3.0)],
                            [0.0, 1.0, 0.5, 2.0, inf, nan]),
    "places of NaN": (lambda t, x, y: [t.searchsorted(x, y), t.searchsorted(x, y, right=True), t.bucketize(2.5, x)],
                      [1.0, 2.0, nan], [nan, 2.0, 7.0]),
    "in an order of its own": (lambda t, x, at: t.searchsorted(x, t.tensor([2.5, 0.5]), sorter=at, side="right"),
                               [3.0, 1.0, 2.0], [1, 2, 0]),
    "slices that are alike": (lambda t, x: t.unique_consecutive(x, True, True, dim=0), [[1, 1], [1, 1], [2, 1]]),
    "the range of the elements": (lambda t, x: [t.histc(x.detach(), 3), t.histc(x.detach() * 0, 2)], [1.0, 2.0, 4.0]),
    "a step": (lambda t, x: t.heaviside(x.detach(), t.tensor(0.5)), [-1.0, 0.0, nan, 2.0]),
    "plus": (lambda t, x: +x, [1.0, -2.0]),
    "plus a bool": (lambda t, x: +x, [True]),
    "another dtype": (lambda t, x: t.heaviside(x, t.tensor(1)), [1.0]),
    "a float for bits": (lambda t, x: x << 1, [1.0]),
    "too small for its power": (lambda t, x: (x * 1).float_power_(2), [1.0]),
    "two reciprocals": (lambda t, x: t.addcdiv(x, t.tensor([1]), t.tensor([2])), [1.0]),
    "half of a way": (lambda t, x: t.lerp(x, x.double(), 0.5), [1.0]),
    "no order": (lambda t, x: t.diff(x, -1), [1.0]),
    "above one": (lambda t, x: x.quantile(1.5), [1.0]),
    "a way that is none": (lambda t, x: x.quantile(0.5, interpolation="best"), [1.0]),
    "nothing": (lambda t, x: x[:0].aminmax(), [1.0]),
    "sides": (lambda t, x: t.searchsorted(x, x, side="left", right=True), [1.0]),
    "an infinite range": (lambda t, x: t.histc(x), [-inf, inf]),
    "an empty range": (lambda t, x: t.histc(x, 4, 3, 1), [1.0]),
    "the integral of nothing": (lambda t, x: [t.trapezoid(x[:0]), t.trapezoid(x[:0].to(t.int8)), t.trapezoid(x[:0].bool()),
                                              t.trapezoid(t.ones(0, 2), dim=0), t.cumulative_trapezoid(x[:0])], [1.0]),
    "no way to integrate": (lambda t, x: t.trapezoid(x[0]), [1.0]),
    "no bool between": (lambda t, x: t.trapezoid(x), [True, False]),
    "two of nothing": (lambda t, x: t.unique(t.zeros(0, 0), dim=1), [1.0]),
    "negative weights": (lambda t, x: t.multinomial(x.detach(), 2, replacement=True), [1.0, -1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same(name):
    story, *data = SAME[name]
    ours, theirs = outcome(tc, story, *data), outcome(torch, story, *data)
    if theirs and isinstance(theirs[-1], str):
        assert isinstance(ours[-1], str), ours
        assert theirs[0][0] in ours[0]
        assert ours[-1][:40] == theirs[-1][:40]
    else:
        assert repr(rounded(ours)) == repr(rounded(theirs))


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.5g}") + 0.0  # no minus zero
    if isinstance(value, (list, tuple)):
        return type(value)(map(rounded, value))
    return value


def test_second_gradients_of_running_products_with_zeros():
    data = [2.0, 0.0, 3.0, 0.0, 5.0]
    found = []
    for lib in (tc, torch):
        x = lib.tensor(data, dtype=lib.float64, requires_grad=True)
        y = (x.cumprod(0) * lib.arange(5.0)).sum()
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        (h,) = lib.autograd.grad((g * g).sum() + g.sum(), x)
        found.append((g.tolist(), h.tolist()))
    assert found[0] == found[1]


# ── what is shown ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["kthvalue", "median", "nanmedian", "mode", "cummax", "cummin"])
def test_named_tuples_print_as_in_torch(name):
    arguments = {"kthvalue": (2, 0)}.get(name, (0,))
    ours, theirs = (
        getattr(lib.tensor([3.0, 1.0, 2.0], requires_grad=True), name)(*arguments)
        for lib in (tc, torch)
    )
    assert repr(ours) == repr(theirs).replace("torch.", "tinyconv.")


def test_the_ends_print_as_in_torch():
    ours, theirs = (lib.tensor([3.0, 1.0], requires_grad=True).aminmax() for lib in (tc, torch))
    assert repr(ours) == repr(theirs).replace("torch.", "tinyconv.")
    assert ours.min.item() == 1


@pytest.mark.parametrize("op", ops(f"{ELEMENTS} {REDUCTIONS} cumprod cummax logcumsumexp"), ids=str)
def test_the_node_is_called_as_in_torch(op):
    if not op.entry.supports_autograd or op.name in ("quantile", "nanquantile"):
        return
    for call in opinfo.samples(op, "float32"):
        pair = opinfo.Pair(call)
        theirs = opinfo.Outcome.of(op.entry.op, pair.torch_args)
        ours = opinfo.Outcome.of(op.ours, pair.tiny_args)
        if theirs.error is not None:
            continue
        for a, b in zip(opinfo.flat(ours.value), opinfo.flat(theirs.value), strict=True):
            if isinstance(b, torch.Tensor) and b.grad_fn is not None:
                assert a.grad_fn.name() == b.grad_fn.name()


def test_nodes_say_their_name():
    x = tc.ones(1, requires_grad=True)
    y = x * 2
    assert y.grad_fn.name() == "MulBackward0"
    assert repr(y.grad_fn).startswith("<MulBackward0 object at 0x")
    (leaf, _), _ = y.grad_fn.next_functions[0], None
    assert leaf.name().endswith("::AccumulateGrad")


# ── drawn by tensors ──────────────────────────────────────────────────────────────────────────

DRAWN = {
    "mean": lambda t, x: t.normal(x, 1.0),
    "std": lambda t, x: t.normal(0.0, x),
    "both": lambda t, x: t.normal(x, x),
    "broadcast": lambda t, x: t.normal(x, t.ones(3, 2)),
    "bernoulli": lambda t, x: t.bernoulli(x),
    "method": lambda t, x: x.bernoulli(),
}


@pytest.mark.parametrize("name", DRAWN)
def test_gradients_of_what_was_drawn_are_zero(name):
    ours, theirs = (lib.tensor([0.25, 0.75], requires_grad=True) for lib in (tc, torch))
    tc.manual_seed(0)
    torch.manual_seed(0)
    y, z = DRAWN[name](tc, ours), DRAWN[name](torch, theirs)
    assert y.grad_fn.name() == z.grad_fn.name()
    torch.testing.assert_close(torch.tensor(y.tolist()), z.detach())
    y.sum().backward()
    assert ours.grad.tolist() == [0.0, 0.0]


def test_normal_takes_where_and_how():
    g = tc.manual_seed(0)
    x = tc.normal(0.0, 1.0, (2,), generator=g, device="cpu", layout=None, dtype=tc.float64)
    assert x.shape == (2,)
    assert x.dtype is tc.float64
