"""Element-wise functions, comparisons and reductions against torch's own samples (see ``opinfo.py``)."""

from __future__ import annotations

import opinfo
import pytest
import torch
from opinfo import Op

import tinyconv as tc

ELEMENTWISE = [
    "abs",
    "sign",
    "neg",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "sigmoid",
    "erf",
    "erfc",
    "floor",
    "ceil",
    "round",
    "round-decimals_0",
    "round-decimals_3",
    "round-decimals_neg_3",
    "trunc",
    "frac",
    "nn.functional.relu",
    "add",
    "sub",
    "rsub",
    "mul",
    "div-no_rounding_mode",
    "div-trunc_rounding",
    "div-floor_rounding",
    "true_divide",
    "floor_divide",
    "fmod",
    "remainder",
    "pow",
    "maximum",
    "minimum",
    "atan2",
    "hypot",
    "clamp",
    "clamp_min",
    "clamp_max",
    "where",
    "clone",
    "__radd__",
    "__rsub__",
    "__rmul__",
    "__rmod__",
    "__rpow__",
    "__rand__",
    "__ror__",
    "__rxor__",
]
COMPARISON = [
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_not",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_not",
    "isnan",
    "isinf",
    "isfinite",
    "isclose",
    "allclose",
    "equal",
]
REDUCTION = [
    "sum",
    "mean",
    "var",
    "var-unbiased",
    "std",
    "std-unbiased",
    "prod",
    "norm",
    "norm-fro",
    "norm-inf",
    "logsumexp",
    "cumsum",
    "max-reduction_with_dim",
    "max-reduction_no_dim",
    "max-binary",
    "min-reduction_with_dim",
    "min-reduction_no_dim",
    "min-binary",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "any",
    "all",
    "softmax",
    "softmax-with_dtype",
    "log_softmax",
    "log_softmax-with_dtype",
]
CREATION = [
    "zeros",
    "ones",
    "full",
    "eye",
    "arange",
    "linspace",
    "linspace-tensor_overload",
    "zeros_like",
    "ones_like",
    "full_like",
]
ARBITRARY = ["empty", "empty_like"]  # whatever is in memory: shapes and dtypes only
WITH_ERRORS = [
    "neg",
    "rsub",
    "fmod",
    "remainder",
    "pow",
    "maximum",
    "minimum",
    "atan2",
    "hypot",
    "clamp_min",
    "clamp_max",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "isclose",
    "mean",
    "amax",
    "amin",
    "max-binary",
    "min-binary",
    "arange",
    "eye",
    "linspace",
    "linspace-tensor_overload",
]

DTYPES = ["float32", "float64", "int64", "bool", "uint8"]
TOLERANCE = {
    ("pow", "float32"): (1e-5, 1e-3),  # a gradient sums terms of 1e3 that nearly cancel
}


def op(text):
    name, _, variant = text.partition("-")
    return Op(name, variant)


def cases(names):
    """Every op in every dtype; those that torch does not take are left to the errors."""
    return [pytest.param(op(n), d, id=f"{n}-{d}") for n in names for d in DTYPES]


@pytest.mark.parametrize(("op", "dtype"), cases(ELEMENTWISE + COMPARISON + REDUCTION + CREATION))
def test_samples(op, dtype):
    if opinfo.supports(op, dtype):
        opinfo.check_samples(op, dtype, tolerance=TOLERANCE.get((op.name, dtype)))
    else:
        opinfo.check_refusal(op, dtype)


@pytest.mark.parametrize(("op", "dtype"), cases(ARBITRARY))
def test_shapes(op, dtype):
    opinfo.check_samples(op, dtype, tolerance=opinfo.ARBITRARY)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_errors(name):
    opinfo.check_errors(op(name))


# ── the harness itself ────────────────────────────────────────────────────────────────────────


class Wrong:
    """Functions that are nearly exp."""

    @staticmethod
    def value(x):
        return tc.exp(x) * 1.0001

    @staticmethod
    def dtype(x):
        return tc.exp(x.double())

    @staticmethod
    def shape(x):
        return tc.exp(x).unsqueeze(0)

    @staticmethod
    def constant(x):
        return tc.exp(x).detach()

    @staticmethod
    def gradient(x):
        return tc.exp(x) + (x - x.detach()) * 1e-3

    @staticmethod
    def second_gradient(x):
        y = tc.exp(x)
        return y.detach() + (x - x.detach()) * y.detach()


@pytest.mark.parametrize("fault", [n for n in vars(Wrong) if not n.startswith("_")])
def test_a_fault_is_found(fault, monkeypatch):
    monkeypatch.setattr(tc, "exp", staticmethod_of(getattr(Wrong, fault), tc.exp))
    with pytest.raises((AssertionError, RuntimeError)):
        opinfo.check_samples("exp", "float64" if fault == "second_gradient" else "float32")


def staticmethod_of(wrong, right):
    """``wrong``, inside which ``tc.exp`` is the right one."""

    def function(x):
        tc.exp, broken = right, tc.exp
        try:
            return wrong(x)
        finally:
            tc.exp = broken

    return function


def test_an_error_that_is_missing_or_other_is_found(monkeypatch):
    monkeypatch.setattr(tc, "maximum", lambda x, y: x)
    with pytest.raises(AssertionError, match="no error instead of"):
        opinfo.check_errors("maximum")

    def other(x, y):
        raise TypeError("something else")

    monkeypatch.setattr(tc, "maximum", other)
    with pytest.raises(AssertionError, match="something else"):
        opinfo.check_errors("maximum")


def test_a_warning_that_torch_does_not_give_is_found(monkeypatch):
    import warnings

    def loud(x, right=tc.exp):
        warnings.warn("look here", stacklevel=2)
        return right(x)

    monkeypatch.setattr(tc, "exp", loud)
    with pytest.raises(AssertionError, match="look here"):
        opinfo.check_samples("exp", "float32")


# ── the names of nodes ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE + REDUCTION if not n.startswith("__")])
def test_the_node_is_called_as_in_torch(name):
    which = op(name)
    if not which.entry.supports_autograd:
        return
    for call in opinfo.samples(which, "float32"):
        pair = opinfo.Pair(call)
        theirs = opinfo.Outcome.of(which.entry.op, pair.torch_args)
        ours = opinfo.Outcome.of(which.ours, pair.tiny_args)
        for a, b in zip(opinfo.flat(ours.value), opinfo.flat(theirs.value), strict=True):
            if isinstance(b, torch.Tensor) and b.grad_fn is not None:
                assert a.grad_fn.name() == b.grad_fn.name()
