"""Comparison and logic: no gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import FLOATS
from ..shapes import broadcast
from ._common import Number, Takes, dtype_of, operands, shape_of
from .fill import overwrite_


@op
class Compare(Function):
    """Any NumPy function of one or two arrays that has no gradient."""

    differentiable = False
    function: str

    def forward(self, *arrays: Any) -> Array:
        try:
            return getattr(self.xp, self.function)(*arrays)
        except ValueError:
            broadcast(*map(shape_of, arrays))  # says which dimension
            raise


SHAPE = "\n\n    Shape:\n        ``(*), (*) -> (*)``, broadcast\n    "


def entitled(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    """Give a function its name and documentation."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


# ── comparison and logic ──────────────────────────────────────────────────────────────────────


def _two(name: str, function: str, doc: str, symbol: str = "") -> Callable[[Any, Any], Any]:
    takes = Takes(name, other=bool(symbol), symbol=symbol)

    def compare(input: Any, other: Any) -> Any:
        return Compare(function)(*operands(input, other, takes))

    return entitled(compare, name, doc + SHAPE)


eq = _two("eq", "equal", "True where ``input == other``.", "==")
ne = _two("ne", "not_equal", "True where ``input != other``.", "!=")
lt = _two("lt", "less", "True where ``input < other``.", "<")
le = _two("le", "less_equal", "True where ``input <= other``.", "<=")
gt = _two("gt", "greater", "True where ``input > other``.", ">")
ge = _two("ge", "greater_equal", "True where ``input >= other``.", ">=")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

logical_and = _two("logical_and", "logical_and", "True where both are not zero.")
logical_or = _two("logical_or", "logical_or", "True where one is not zero.")
logical_xor = _two("logical_xor", "logical_xor", "True where exactly one is not zero.")


def logical_not(input: Any) -> Any:
    """True where ``input`` is zero."""
    return Compare("logical_not")(input)


# ── in place ──────────────────────────────────────────────────────────────────────────────────


def _writing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The version in place: true is 1, in the dtype that is there; what was there has gradient zero."""
    name = function.__name__
    label = "".join(part.title() for part in name.split("_")) + "Backward"

    def method(input: Any, *other: Any) -> Any:
        node = f"{label}{int(bool(other) and isinstance(other[0], Variable))}"
        return overwrite_(input, function(input, *other), node)

    method.__module__ = function.__module__
    return entitled(method, f"{name}_", f"In-place version of :func:`{name}`.")


eq_, ne_, lt_, le_, gt_, ge_ = map(_writing, (eq, ne, lt, le, gt, ge))
not_equal_, less_, less_equal_, greater_, greater_equal_ = ne_, lt_, le_, gt_, ge_
logical_and_, logical_or_, logical_xor_ = map(_writing, (logical_and, logical_or, logical_xor))
logical_not_ = _writing(logical_not)


# ── the special numbers ───────────────────────────────────────────────────────────────────────


def isnan(input: Any) -> Any:
    """True where ``input`` is not a number."""
    return Compare("isnan")(input)


def isinf(input: Any) -> Any:
    """True where ``input`` is infinite."""
    return Compare("isinf")(input)


def isfinite(input: Any) -> Any:
    """True where ``input`` is neither infinite nor NaN."""
    return Compare("isfinite")(input)


def isposinf(input: Any) -> Any:
    """True where ``input`` is plus infinity."""
    return eq(input, math.inf)


def isneginf(input: Any) -> Any:
    """True where ``input`` is minus infinity."""
    return eq(input, -math.inf)


def isreal(input: Any) -> Any:
    """True: there are no complex numbers."""
    return Compare("isreal")(input)


def signbit(input: Any) -> Any:
    """True where ``input`` is negative, or minus zero.

    >>> import tinyconv as tc
    >>> tc.signbit(tc.tensor([0., -0., -2.]))
    tensor([False,  True,  True])
    """
    return Compare("signbit")(input) if dtype_of(input).is_floating_point else lt(input, 0)


# ── closeness ─────────────────────────────────────────────────────────────────────────────────


@op
class IsClose(Function):
    differentiable = False
    widens = "always"
    rtol: float
    atol: float
    equal_nan: bool

    def forward(self, x: Array, y: Array) -> Array:
        xp = self.xp
        close = x == y
        if self.equal_nan:
            close = close | ((x != x) & (y != y))
        if x.dtype not in FLOATS:
            x, y = x.astype("float64"), y.astype("float64")
        difference = xp.abs(x - y)
        # An infinite difference is not made up for by an infinite y.
        return close | (xp.isfinite(difference) & (difference <= self.atol + xp.abs(self.rtol * y)))


def _tensors(name: str, x: Any, y: Any) -> None:
    for at, (argument, v) in enumerate((("input", x), ("other", y)), 1):
        if not isinstance(v, Variable):
            hint = (
                f"Write tensor({v})." if isinstance(v, Number) else "Write tensor(...) around it."
            )
            raise TypeError(
                f"{name}(): argument '{argument}' (position {at}) must be Tensor, not "
                f"{type(v).__name__}\n{hint}"
            )


def isclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """True where ``|input - other| <= atol + rtol |other|``.

    Raises:
        RuntimeError: the dtypes differ, or a tolerance is negative.
    """
    _tensors("isclose", input, other)
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(
            f"{type_name(input.array)} did not match {type_name(other.array)}\n"
            "Write other.to(input.dtype)."
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(
                f"{name} must be greater than or equal to zero, but got {value}\n"
                f"{name} is a tolerance, {'relative' if name == 'rtol' else 'absolute'}."
            )
    broadcast(shape_of(input), shape_of(other))
    return IsClose(rtol, atol, equal_nan)(input, other)


def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """True if ``|input - other| <= atol + rtol |other|`` everywhere.

    >>> import tinyconv as tc
    >>> tc.allclose(tc.tensor([1.0]), tc.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Any, other: Any) -> bool:
    """True if both have the same shape and the same elements.

    >>> import tinyconv as tc
    >>> tc.equal(tc.tensor([1, 2]), tc.tensor([1, 3]))
    False
    """
    _tensors("equal", input, other)
    return input.array.shape == other.array.shape and bool(eq(input, other).array.all())
