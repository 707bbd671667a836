"""Rarer element-wise functions: a second page of the table in ``elementwise``, and compounds of its rows."""

from __future__ import annotations

import math
from typing import Any

from ..autograd.function import op, type_name
from ..backend import Array
from ..dtypes import FLOATS, finfo, float64
from ..errors import DTypeError
from ._common import (
    Takes,
    cast,
    dtype_of,
    floating,
    is_array,
    not_implemented,
    operands,
    select,
    zeros_like,
)
from ._rows import Unary, binary, twins, unary, underivable
from .elementwise import abs, cos, exp, exp2, sin
from .power import log_of, pow

# ── values that take more than an expression ──────────────────────────────────────────────────


def _sinc(xp: Any, x: Array) -> Array:
    x = x * math.pi
    return xp.where(x == 0, x.dtype.type(1), xp.sin(x) / x)


def _xlogy(xp: Any, x: Any, y: Any) -> Array:
    return xp.where((x == 0) & (y == y), 0, x * log_of(y))


def _log_of_sum(name: str) -> Any:
    def value(xp: Any, x: Array, y: Array) -> Array:
        if x.dtype not in FLOATS:
            raise not_implemented(f"{name}_cpu", x, "Write x.float() first.")
        return getattr(xp, name)(x, y)

    return value


def _step(xp: Any, x: Array, y: Array) -> Array:
    return xp.where(x == 0, y, (x > 0).astype(y.dtype))


# ── derivatives that take more than an expression ─────────────────────────────────────────────


def _of_sinc(g: Any, x: Any) -> Any:
    a, area = x * math.pi, x * x * math.pi
    return select(area == 0, 0, g * ((a * cos(a) - sin(a)) / area))


def _by_factor(g: Any, x: Any, y: Any) -> Any:
    """Of :func:`xlogy`: only where the logarithm is infinite or none, a factor of 0 has no slope."""
    return select((x == 0) & (y <= 0), 0, xlogy(g, y))


def _of_copysign(g: Any, x: Any, z: Any) -> Any:
    return g * select(x == 0, 0, z / x)


def _first(x: Any, y: Any, wins: Any) -> Any:
    """Where ``x`` wins: also where ``y`` is NaN."""
    return wins | (y != y)


_flat = zeros_like
_no_step = underivable("heaviside", "It is zero almost everywhere: x.detach() says so.")
_LN2, _DEGREE = math.log(2), math.pi / 180

# ── the table ─────────────────────────────────────────────────────────────────────────────────
# One line, one op: the formatter would make a page of each.
# fmt: off
deg2rad = unary("deg2rad", lambda xp, x: x * _DEGREE, lambda g: g * _DEGREE, r"Degrees as radians. | y = \pi x / 180", torch="Deg2RadBackward0")
rad2deg = unary("rad2deg", lambda xp, x: x * (1 / _DEGREE), lambda g: g * (1 / _DEGREE), r"Radians as degrees. | y = 180 x / \pi", torch="Rad2DegBackward0")
sinc = unary("sinc", _sinc, _of_sinc, r"Normalized sinc, 1 at 0. | y = \sin(\pi x) / (\pi x)")

fmax = binary("fmax", "fmax", lambda g, x, y: select(_first(x, y, x >= y), g, 0), lambda g, x, y: select(_first(x, y, x >= y), 0, g), r"The larger; a number wins against NaN. | z = \max(x, y)")
fmin = binary("fmin", "fmin", lambda g, x, y: select(_first(x, y, x <= y), g, 0), lambda g, x, y: select(_first(x, y, x <= y), 0, g), r"The smaller; a number wins against NaN. | z = \min(x, y)")
copysign = binary("copysign", "copysign", _of_copysign, lambda g: _flat(g), r"The size of x with the sign of y. | z = |x| \, \mathrm{sign}(y)", integers=False, numbers="y", torch="CopysignBackward0 CopysignBackward1")
xlogy = binary("xlogy", _xlogy, _by_factor, lambda g, x, y: g * x / y, r"Product with a logarithm, 0 where x is. | z = x \ln y", integers=False, numbers="x y", torch="XlogyBackward0 XlogyBackward2")
logaddexp = binary("logaddexp", _log_of_sum("logaddexp"), lambda g, x, y: g / (1 + exp(y - x)), lambda g, x, y: g / (1 + exp(x - y)), r"Logarithm of a sum of exponentials, without overflow. | z = \ln(e^x + e^y)")
logaddexp2 = binary("logaddexp2", _log_of_sum("logaddexp2"), lambda g, x, y: g / (1 + exp2(y - x)), lambda g, x, y: g / (1 + exp2(x - y)), r"Binary logarithm of a sum of powers of two, without overflow. | z = \log_2(2^x + 2^y)")
ldexp = binary("ldexp", lambda xp, x, y: x * xp.exp2(y), lambda g, y: g * exp2(y), lambda g, x, y: g * (x * exp2(y)) * _LN2, r"Multiply by a power of two. | z = x \, 2^y", integers=False)
_heaviside = binary("heaviside", _step, _no_step, _no_step, "", torch="NotImplemented")
# fmt: on


def heaviside(input: Any, values: Any) -> Any:
    """The step from 0 to 1 at zero, where it is ``values``; there is no gradient.

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> tc.heaviside(tc.tensor([-1., 0., 2.]), tc.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if is_array(input) and is_array(values) and dtype_of(input) is not dtype_of(values):
        raise DTypeError(
            "heaviside is not yet implemented for tensors with different dtypes.",
            f"Write values.to(tinyconv.{dtype_of(input).name}).",
        )
    return _heaviside(*operands(input, values, Takes("heaviside", other=False, second="values")))


# ── with settings ─────────────────────────────────────────────────────────────────────────────


@op
class Logit(Unary):
    keeps = ("x",)
    function = "logit"
    eps: float | None

    def value(self, xp: Any, x: Array) -> Array:
        if self.eps is not None:
            x = xp.clip(x, self.eps, 1 - self.eps)
        return xp.log(x / (1 - x))

    def derivative(self, g: Any, x: Any) -> Any:
        slope = g / (x * (1 - x))
        if self.eps is None:
            return select((x < 0) | (x > 1), math.nan, slope)
        outside = (x < self.eps) | (x > 1 - self.eps)
        return select(outside, 0, g / select(outside, 1, x * (1 - x)))


def logit(input: Any, eps: float | None = None) -> Any:
    """Inverse of :func:`sigmoid`.

    .. math:: y = \\ln \\frac{x}{1 - x}

    Args:
        eps: move ``x`` into ``[eps, 1 - eps]`` first.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.5, 0.8], requires_grad=True)
    >>> tc.logit(x).sum().backward()
    >>> x.grad
    tensor([4.0000, 6.2500])
    """
    return Logit(None if eps is None or eps < 0 else float(eps))(floating(input))


@op
class NanToNum(Unary):
    widens = ""  # the largest of halves is that of float16
    keeps = ("x",)
    function = "nan_to_num"
    nan: float
    high: float
    low: float

    def value(self, xp: Any, x: Array) -> Array:
        kind = x.dtype.type
        x = xp.where(x != x, kind(self.nan), x)
        x = xp.where(x == math.inf, kind(self.high), x)
        return xp.where(x == -math.inf, kind(self.low), x)

    def derivative(self, g: Any, x: Any) -> Any:
        return select(abs(x) < math.inf, g, 0)  # NaN is not, either


def nan_to_num(
    input: Any, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Put numbers in the place of NaN and infinity.

    Args:
        nan: for NaN. posinf, neginf: for the infinities; the largest and the least number unless given.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., float("nan")], requires_grad=True)
    >>> tc.nan_to_num(x, 5.).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    kind = dtype_of(input)
    if not kind.is_floating_point:
        return input.clone()
    limits = finfo(kind)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    return NanToNum(float(nan or 0), float(high), float(low))(input)


# ── compounds ─────────────────────────────────────────────────────────────────────────────────


def positive(input: Any) -> Any:
    """The operand itself: ``+x``.

    Raises:
        DTypeError: it is bool.

    >>> import tinyconv as tc
    >>> x = tc.ones(2)
    >>> tc.positive(x) is x
    True
    """
    if dtype_of(input).rank == 0:
        raise DTypeError(
            "The `+` operator, on a bool tensor is not supported.", "Write x.int() first."
        )
    return input


def float_power(input: Any, exponent: Any) -> Any:
    """Raise to a power in float64.

    .. math:: z = x^y

    Shape:
        ``(*), (*) -> (*)``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([1, 2])
    >>> tc.float_power(x, -2)
    tensor([1.0000, 0.2500], dtype=tinyconv.float64)
    """
    if not (is_array(input) or is_array(exponent)):
        kinds = f"({type(input).__name__}, {type(exponent).__name__})"
        raise TypeError(
            f"float_power() received an invalid combination of arguments - got {kinds}\n"
            "One of the two is a tensor; of numbers, write x**y."
        )
    x, y = (cast(v, float64.numpy) if is_array(v) else float(v) for v in (input, exponent))
    return pow(x, y)


def _ldexp(input: Any, other: Any) -> Any:
    if input.array.dtype not in FLOATS:
        raise DTypeError(
            f"ldexp can't be cast to the desired output type {type_name(input.array)}",
            "Write x = x.ldexp(other).",
        )
    return ldexp(input, other)


def _float_power(input: Any, exponent: Any) -> Any:
    if input.array.dtype != "float64":
        raise DTypeError(
            f"the base given to float_power_ has dtype {type_name(input.array)} but the operation's "
            "result requires dtype Double",
            "Write x = x.float_power(exponent).",
        )
    return float_power(input, exponent)


# ── in place ──────────────────────────────────────────────────────────────────────────────────

deg2rad_, rad2deg_, sinc_, logit_ = twins(deg2rad, rad2deg, sinc, logit)
copysign_, xlogy_, heaviside_ = twins(copysign, xlogy, heaviside)
nan_to_num_, float_power_, ldexp_ = twins(nan_to_num, _float_power, _ldexp)
