"""Comparison, logic and bits: no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..errors import DTypeError
from ..shapes import broadcast
from ._common import dtype_of, operands, shape_of


@op
class Compare(Function):
    """Any NumPy function of one or two arrays that has no gradient."""

    differentiable = False
    function: str

    def forward(self, *arrays: Any) -> Array:
        try:
            return getattr(self.xp, self.function)(*arrays)
        except ValueError:
            broadcast(*map(shape_of, arrays))
            raise


def _two(name: str, function: str, doc: str) -> Callable[[Any, Any], Any]:
    def compare(x: Any, y: Any) -> Any:
        return Compare(function)(*operands(x, y))

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = f"{doc}\n\n    Shape:\n        ``(*), (*) -> (*)`` bool, broadcast\n    "
    return compare


eq = _two("eq", "equal", "True where ``x == y``.")
ne = _two("ne", "not_equal", "True where ``x != y``.")
lt = _two("lt", "less", "True where ``x < y``.")
le = _two("le", "less_equal", "True where ``x <= y``.")
gt = _two("gt", "greater", "True where ``x > y``.")
ge = _two("ge", "greater_equal", "True where ``x >= y``.")
logical_and = _two("logical_and", "logical_and", "True where both are not zero.")
logical_or = _two("logical_or", "logical_or", "True where one is not zero.")
logical_xor = _two("logical_xor", "logical_xor", "True where exactly one is not zero.")


def _bits(name: str, function: str, doc: str) -> Callable[[Any, Any], Any]:
    def bitwise(x: Any, y: Any) -> Any:
        x, y = operands(x, y)
        for v in (x, y):
            if hasattr(v, "dtype") and dtype_of(v).is_floating_point or isinstance(v, float):
                raise DTypeError(
                    f'"{name}_cpu" not implemented for \'{"Double" if isinstance(v, float) else dtype_of(v).name.title()}\'',
                    "Bits are those of integers and bools: compare first, as in (x > 0) & (y > 0).",
                )
        return Compare(function)(x, y)

    bitwise.__name__ = bitwise.__qualname__ = name
    bitwise.__doc__ = f"{doc}\n\n    Shape:\n        ``(*), (*) -> (*)``, broadcast\n    "
    return bitwise


bitwise_and = _bits("bitwise_and", "bitwise_and", "And, bit by bit; of bools, and.")
bitwise_or = _bits("bitwise_or", "bitwise_or", "Or, bit by bit; of bools, or.")
bitwise_xor = _bits("bitwise_xor", "bitwise_xor", "Exclusive or, bit by bit; of bools, difference.")


def logical_not(x: Any) -> Any:
    """True where ``x`` is zero."""
    return Compare("logical_not")(x)


def bitwise_not(x: Any) -> Any:
    """Flip every bit; of a bool, its opposite."""
    if dtype_of(x).is_floating_point:
        raise DTypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return Compare("invert")(x)


def isnan(x: Any) -> Any:
    """True where ``x`` is not a number."""
    return Compare("isnan")(x)


def isinf(x: Any) -> Any:
    """True where ``x`` is infinite."""
    return Compare("isinf")(x)


def isfinite(x: Any) -> Any:
    """True where ``x`` is neither infinite nor NaN."""
    return Compare("isfinite")(x)


def _same(x: Variable, y: Variable, name: str) -> None:
    if x.array.dtype != y.array.dtype:
        raise RuntimeError(
            f"{dtype_of(x).name} did not match {dtype_of(y).name}\n{name} compares tensors of one dtype: write y.to(x.dtype)."
        )


def isclose(x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """True where ``|x - y| <= atol + rtol |y|``."""
    _same(x, y, "isclose")
    return x.wrap(XP[type(x.array)].isclose(x.array, y.array, rtol, atol, equal_nan))


def allclose(x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """True if ``|x - y| <= atol + rtol |y|`` everywhere.

    >>> import tinyconv as tc
    >>> tc.allclose(tc.tensor([1.0]), tc.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(x, y, rtol, atol, equal_nan).array.all())


def equal(x: Any, y: Any) -> bool:
    """True if both have the same shape and the same elements."""
    return x.array.shape == y.array.shape and bool((x.array == y.array).all())
