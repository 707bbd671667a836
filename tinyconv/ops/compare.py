"""Comparison, logic and bits: no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..shapes import broadcast
from ._common import Number, Takes, not_implemented, operands, shape_of


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


_SHAPE = "\n\n    Shape:\n        ``(*), (*) -> (*)``, broadcast\n    "


def _named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


# ── comparison and logic ──────────────────────────────────────────────────────────────────────


def _two(name: str, function: str, doc: str, symbol: str = "") -> Callable[[Any, Any], Any]:
    takes = Takes(name, other=bool(symbol), symbol=symbol)

    def compare(input: Any, other: Any) -> Any:
        return Compare(function)(*operands(input, other, takes))

    return _named(compare, name, doc + _SHAPE)


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


# ── bits ──────────────────────────────────────────────────────────────────────────────────────


@op
class Bits(Compare):
    """A function of bits: of integers and bools."""

    def forward(self, *arrays: Any) -> Array:
        for a in arrays:
            if self.xp.asarray(a).dtype.kind == "f":
                raise not_implemented(
                    f"{self.function.replace('invert', 'bitwise_not')}_cpu",
                    next(a for a in arrays if type(a) in XP),
                    "Bits are those of integers and bools: compare first, as in (x > 0) & (y > 0).",
                )
        return super().forward(*arrays)


def _bits(name: str, symbol: str, doc: str) -> Callable[[Any, Any], Any]:
    takes = Takes(name, input=True, symbol=symbol)

    def bitwise(input: Any, other: Any) -> Any:
        return Bits(name)(*operands(input, other, takes))

    return _named(bitwise, name, doc + _SHAPE)


bitwise_and = _bits("bitwise_and", "&", "And, bit by bit; of bools, and.")
bitwise_or = _bits("bitwise_or", "|", "Or, bit by bit; of bools, or.")
bitwise_xor = _bits("bitwise_xor", "^", "Exclusive or, bit by bit; of bools, difference.")


def bitwise_not(input: Any) -> Any:
    """Flip every bit; of a bool, its opposite."""
    return Bits("invert")(input)


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


# ── closeness ─────────────────────────────────────────────────────────────────────────────────


@op
class IsClose(Function):
    differentiable = False
    rtol: float
    atol: float
    equal_nan: bool

    def forward(self, x: Array, y: Array) -> Array:
        xp = self.xp
        close = x == y
        if self.equal_nan:
            close = close | ((x != x) & (y != y))
        if x.dtype.kind != "f":
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
