"""Powers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.function import op
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import FLOATS
from ._common import (
    Takes,
    dtype_of,
    fitting,
    is_array,
    kind_of,
    not_implemented,
    operands,
    select,
    zeros_like,
)
from ._rows import Binary, twins
from .elementwise import log


def _power_of_integers(xp: Any, x: Array, y: Array) -> Array:
    if x.dtype.kind == "b":
        raise not_implemented("pow", x, "Write x.int() first.")
    if y.dtype.kind == "u" or not (y < 0).any():
        return xp.power(x, y)
    # 1 / x^-y is an integer for x = 1 and -1 only.
    inverse = xp.where(xp.abs(x) == 1, xp.power(x, y & 1), 0)
    return xp.where(y < 0, inverse, xp.power(x, xp.maximum(y, 0)))


def log_of(x: Any) -> Any:
    """The logarithm of a tensor or of a Python number."""
    if is_array(x):
        return log(x)
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


@op
class Pow(Binary):
    """The exponent may be a tensor; 0^0 is 1, and its derivative is 0."""

    label, with_number = "PowBackward1", "PowBackward0"
    x_keeps = ("x", "y")
    y_keeps = ("x", "y")
    # The exponents of which a power is cheaper than by way of the logarithm.
    cheap: ClassVar = {
        0: lambda xp, x: xp.ones_like(x),
        1: lambda xp, x: x.copy(),
        -2: lambda xp, x: 1 / (x * x),
        -1: lambda xp, x: 1 / x,
        -0.5: lambda xp, x: 1 / xp.sqrt(x),
        0.5: lambda xp, x: xp.sqrt(x),
        2: lambda xp, x: x * x,
        3: lambda xp, x: x * x * x,
    }

    @staticmethod
    def value(xp: Any, x: Any, y: Any) -> Array:
        if isinstance(y, (int, float)):
            if y in Pow.cheap and (x.dtype in FLOATS or y in (0, 1)):
                return Pow.cheap[y](xp, x)
            if x.dtype not in FLOATS:
                y = x.dtype.type(y)
        if kind_of(x) in FLOATS or kind_of(y) in FLOATS:
            return xp.power(x, y)
        return _power_of_integers(xp, xp.asarray(x), xp.asarray(y))

    @staticmethod
    def by_x(g: Any, x: Any, y: Any) -> Any:
        if isinstance(y, (int, float)):
            return zeros_like(g) if y == 0 else g * (y * pow(x, y - 1))
        return select(y == 0, 0, g * (y * pow(x, y - 1)))

    @staticmethod
    def by_y(g: Any, x: Any, y: Any) -> Any:
        # anew, since what was returned may be rounded to a half
        return g * select((x == 0) & (y >= 0), 0, pow(x, y) * log_of(x))


_POW = Takes("pow", input=True, symbol="** or pow()", second="exponent")


def pow(input: Any, exponent: Any) -> Any:
    """Raise to a power.

    .. math:: z = x^y

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        RuntimeError: integers to a negative integer power.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (x ** 3).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    x, y = operands(input, exponent, _POW)
    if not is_array(exponent) and isinstance(x, Variable) and x.array.dtype.kind in "iu":
        if exponent < 0:
            raise RuntimeError(
                "Integers to negative integer powers are not allowed.\nWrite x.float() ** exponent."
            )
        fitting(exponent, dtype_of(x))
    node = Pow()
    if not is_array(input):
        node.label = "PowBackward2"
    return node(x, y)


def square(input: Any) -> Any:
    """Square.

    .. math:: y = x^2

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> x.square().sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    return pow(input, 2)


pow_, square_ = twins(pow, square)
