"""Element-wise functions: a table of values and derivatives.

A row reads: name; value, in array operations; derivatives; documentation. A derivative is a function of
the gradient ``g`` and of what it needs of the operands and the result (``x`` to ``y``; ``x`` and ``y`` to
``z``): the names of its parameters say what is kept for backward. It is written in operators and functions
of this table, so it has derivatives itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd.function import REGISTRY, Function, op
from ..backend import Array, demand
from ..dtypes import FLOATS, contiguous_format, preserve_format
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast
from ._common import (
    NUMPY,
    Number,
    Takes,
    dtype_of,
    is_array,
    kind_of,
    not_implemented,
    operands,
    result_dtype,
    select,
    shape_of,
    zeros_like,
)
from ._erf import erf_kernel, erfc_kernel, fill
from ._rows import Binary, Unary, binary, named, twins, unary, underivable
from .gate import gate, rectified

# ── values that take more than an expression ──────────────────────────────────────────────────


def _negative(xp: Any, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise DTypeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead.",
        )
    return -x


def _absolute(xp: Any, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise not_implemented("abs_cpu", x, "A bool is its own absolute value.")
    return xp.abs(x)


def _signs(xp: Any, x: Array) -> Array:
    if x.dtype not in FLOATS:
        return x.copy() if x.dtype.kind == "b" else xp.sign(x)
    return ((x > 0).view("int8") - (x < 0).view("int8")).astype(x.dtype)  # NaN has none


def _fraction(xp: Any, x: Array) -> Array:
    if x.dtype not in FLOATS:
        raise not_implemented("frac_cpu", x, "An integer has no fractional part.")
    return x - xp.trunc(x)


def _rounding(name: str, kernel: str = "") -> Callable[[Any, Array], Array]:
    def value(xp: Any, x: Array) -> Array:
        if x.dtype.kind == "b":
            raise not_implemented(f"{kernel or name}_vml_cpu", x, "There is nothing to round.")
        return getattr(xp, name)(x) if x.dtype in FLOATS else x.copy()

    return value


def _rectified(xp: Any, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise DTypeError("Boolean inputs not supported for relu", "No bool is negative.")
    return rectified(xp, x)


def _sigmoid(xp: Any, x: Array) -> Array:
    return 1 / (1 + xp.exp(-x))


def _erf(xp: Any, x: Array) -> Array:
    return fill(erf_kernel, xp, x)


def _erfc(xp: Any, x: Array) -> Array:
    return fill(erfc_kernel, xp, x)


def _hypotenuse(xp: Any, x: Array, y: Array) -> Array:
    if x.dtype not in FLOATS:
        raise not_implemented("hypot_cpu", x, "Write x.float() first.")
    return xp.hypot(x, y)


def _whole(kernel: str, divide: str | Callable[..., Array]) -> Callable[..., Array]:
    """A kind of division, with torch's refusals of bools and of the integer zero."""
    divide = named(divide)

    def value(xp: Any, x: Any, y: Any) -> Array:
        if kind_of(x).kind == kind_of(y).kind == "b":
            raise not_implemented(f"{kernel}_cpu", xp.asarray(x), "Write x.int() first.")
        if kind_of(x) not in FLOATS:
            demand(NUMPY.bool_(y != 0) if isinstance(y, Number) else y != 0, _zero_division)
        return divide(xp, x, y)

    return value


def _zero_division(_: int) -> Exception:
    return RuntimeError("ZeroDivisionError\nAn integer divided by 0: write x.float() first.")


def _quotient(xp: Any, x: Any, y: Any) -> Array:
    if kind_of(x) in FLOATS:
        return xp.trunc(x / y)
    q = x // y
    return q + ((q < 0) & (q * y != x)).astype(q.dtype)


_floored = _whole("div_floor", "floor_divide")
_truncated = _whole("div_trunc", _quotient)


# ── derivatives that take more than an expression ─────────────────────────────────────────────


def _flat(g: Any) -> Any:
    """Of a staircase."""
    return zeros_like(g)


def _winner(g: Any, x: Any, y: Any, loses: Any) -> Any:
    """All of g to the winner, half to each of equals."""
    return select(loses, 0, select(x == y, g / 2, g))


def _inverse(x: Any) -> Any:
    """1 / x, but 0 at 0."""
    return select(x == 0, 0, 1 / x)


_underivable = underivable(
    "floor_divide",
    "It is zero almost everywhere: x.div(y, rounding_mode='floor') has that for a gradient.",
)
_LN2, _LN10, _SLOPE = math.log(2), math.log(10), 2 / math.sqrt(math.pi)

# ── the table ─────────────────────────────────────────────────────────────────────────────────
# One line, one op: the formatter would make a page of each.
# fmt: off
sign: Callable[[Any], Any]  # of this and the next two, earlier rows speak
cos: Callable[[Any], Any]
cosh: Callable[[Any], Any]

neg = unary("neg", _negative, lambda g: -g, "Negate. | y = -x", integers=True)
exp = unary("exp", "exp", lambda g, y: g * y, "Exponential. | y = e^x")
exp2 = unary("exp2", "exp2", lambda g, y: g * y * _LN2, "Power of two. | y = 2^x")
expm1 = unary("expm1", "expm1", lambda g, y: g * (y + 1), "Exponential less one, exact near 0. | y = e^x - 1")
log = unary("log", "log", lambda g, x: g / x, r"Natural logarithm. | y = \ln x")
log2 = unary("log2", "log2", lambda g, x: g / (x * _LN2), r"Binary logarithm. | y = \log_2 x")
log10 = unary("log10", "log10", lambda g, x: g / (x * _LN10), r"Decimal logarithm. | y = \log_{10} x")
log1p = unary("log1p", "log1p", lambda g, x: g / (x + 1), r"Logarithm of one more, exact near 0. | y = \ln(1 + x)")
sqrt = unary("sqrt", "sqrt", lambda g, y: g / (2 * y), r"Square root. | y = \sqrt x")
rsqrt = unary("rsqrt", lambda xp, x: 1 / xp.sqrt(x), lambda g, y: -0.5 * g * y**3, r"One over the square root. | y = 1 / \sqrt x")
reciprocal = unary("reciprocal", lambda xp, x: 1 / x, lambda g, x, y: -g * (y / x), "One over. | y = 1 / x")
abs = unary("abs", _absolute, lambda g, x: g * sign(x), "Absolute value. | y = |x|", integers=True)
sign = unary("sign", _signs, _flat, r"Sign: -1, 0 or 1. | y = \mathrm{sign}(x)", integers=True)
sin = unary("sin", "sin", lambda g, x: g * cos(x), r"Sine. | y = \sin x")
cos = unary("cos", "cos", lambda g, x: -g * sin(x), r"Cosine. | y = \cos x")
tan = unary("tan", "tan", lambda g, y: g * (1 + y * y), r"Tangent. | y = \tan x")
asin = unary("asin", "arcsin", lambda g, x: g * rsqrt(1 - x * x), r"Inverse sine. | y = \arcsin x")
acos = unary("acos", "arccos", lambda g, x: -g * rsqrt(1 - x * x), r"Inverse cosine. | y = \arccos x")
atan = unary("atan", "arctan", lambda g, x: g / (x * x + 1), r"Inverse tangent. | y = \arctan x")
sinh = unary("sinh", "sinh", lambda g, x: g * cosh(x), r"Hyperbolic sine. | y = \sinh x")
cosh = unary("cosh", "cosh", lambda g, x: g * sinh(x), r"Hyperbolic cosine. | y = \cosh x")
tanh = unary("tanh", "tanh", lambda g, y: g * (1 - y * y), r"Hyperbolic tangent. | y = \tanh x")
asinh = unary("asinh", "arcsinh", lambda g, x: g * rsqrt(x * x + 1), r"Inverse hyperbolic sine. | y = \mathrm{arsinh}\, x")
acosh = unary("acosh", "arccosh", lambda g, x: g * rsqrt(x * x - 1), r"Inverse hyperbolic cosine. | y = \mathrm{arcosh}\, x", at="[1.3, 2.7]")
atanh = unary("atanh", "arctanh", lambda g, x: g / (1 - x * x), r"Inverse hyperbolic tangent. | y = \mathrm{artanh}\, x")
sigmoid = unary("sigmoid", _sigmoid, lambda g, y: g * (1 - y) * y, "Logistic function. | y = 1 / (1 + e^{-x})")
erf = unary("erf", _erf, lambda g, x: g * exp(-(x * x)) * _SLOPE, r"Error function. | y = \tfrac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt")
erfc = unary("erfc", _erfc, lambda g, x: g * exp(-(x * x)) * -_SLOPE, r"One less the error function, exact where that is near 1. | y = 1 - \mathrm{erf}(x)")
floor = unary("floor", _rounding("floor"), _flat, r"Round down. | y = \lfloor x \rfloor", integers=True)
ceil = unary("ceil", _rounding("ceil"), _flat, r"Round up. | y = \lceil x \rceil", integers=True)
trunc = unary("trunc", _rounding("trunc"), _flat, r"Round towards zero. | y = \mathrm{sign}(x) \lfloor |x| \rfloor", integers=True)
sgn = unary("sgn", _signs, _flat, r"Sign: -1, 0 or 1, as of complex numbers elsewhere. | y = \mathrm{sgn}(x)", integers=True)
_rint = unary("round", _rounding("rint", "round"), _flat, "", integers=True)
frac = unary("frac", _fraction, lambda g: g, r"Fractional part. | y = x - \mathrm{trunc}(x)", integers=True)
relu = unary("relu", _rectified, gate, r"Rectified linear unit. | y = \max(x, 0)", integers=True, widens="")

mul = binary("mul", lambda xp, x, y: x * y, lambda g, y: g * y, lambda g, x: g * x, "Multiply. | z = x y", numbers="x * y", widens="numbers")
true_divide = binary("true_divide", lambda xp, x, y: x / y, lambda g, y: g / y, lambda g, x, y: -g * (x / y / y), "Divide. | z = x / y", numbers="x / y", integers=False, torch="DivBackward0")
_floor_divide = binary("floor_divide", _floored, _underivable, _underivable, "", numbers="x // y")
_div_floor = binary("div_floor", _floored, _flat, _flat, "", numbers="x / y", torch="DivBackward2")
_div_trunc = binary("div_trunc", _truncated, _flat, _flat, "", numbers="x / y", torch="DivBackward2", widens="numbers")
fmod = binary("fmod", _whole("fmod", "fmod"), lambda g: g, lambda g, x, y: -g * _div_trunc(x, y), r"Remainder with the sign of x. | z = x - y\, \mathrm{trunc}(x / y)", numbers="y", torch="FmodBackward1 FmodBackward0")
remainder = binary("remainder", _whole("remainder", "remainder"), lambda g: g, lambda g, x, y: -g * _div_floor(x, y), r"Remainder with the sign of y. | z = x - y \lfloor x / y \rfloor", numbers="x % y", torch="RemainderBackward1 RemainderBackward0")
maximum = binary("maximum", "maximum", lambda g, x, y: _winner(g, x, y, x < y), lambda g, x, y: _winner(g, x, y, y < x), r"The larger; NaN wins; equals share the gradient. | z = \max(x, y)")
minimum = binary("minimum", "minimum", lambda g, x, y: _winner(g, x, y, x > y), lambda g, x, y: _winner(g, x, y, y > x), r"The smaller; NaN wins; equals share the gradient. | z = \min(x, y)")
atan2 = binary("atan2", "arctan2", lambda g, x, y: g * y * _inverse(x * x + y * y), lambda g, x, y: -g * x * _inverse(x * x + y * y), r"Angle of the point (y, x). | z = \arctan(x / y)", integers=False)
hypot = binary("hypot", _hypotenuse, lambda g, x, z: g * (x / z), lambda g, y, z: g * (y / z), r"Length of the hypotenuse. | z = \sqrt{x^2 + y^2}")
# fmt: on


# ── sums ──────────────────────────────────────────────────────────────────────────────────────


@op
class Add(Binary):
    widens = "numbers"
    value = staticmethod(lambda xp, x, y: x + y)
    by_x = by_y = staticmethod(lambda g: g)


@op
class Sub(Binary):
    widens = "numbers"
    by_x, by_y = staticmethod(lambda g: g), staticmethod(lambda g: -g)

    @staticmethod
    def value(xp: Any, x: Any, y: Any) -> Array:
        try:
            return x - y
        except TypeError:
            _refuse_bools(x, y)
            raise


@op
class Rsub(Binary):
    widens = "numbers"
    by_x, by_y = staticmethod(lambda g: -g), staticmethod(lambda g: g)
    value = staticmethod(lambda xp, x, y: Sub.value(xp, y, x))

    def forward(self, x: Array, y: Array) -> Array:
        try:
            return super().forward(x, y)
        except ShapeError:
            broadcast(shape_of(y), shape_of(x))  # in this order torch names what differs
            raise


_ADD = Takes("add", input=True, symbol="+")
_SUB = Takes("sub", input=True, symbol="-")
_RSUB = Takes("rsub", symbol="-")


def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Add.

    .. math:: z = x + \\alpha y

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (x + tc.ones(3, 2)).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    if alpha != 1:
        other = _scaled(input, other, alpha, _ADD)
    return Add()(*operands(input, other, _ADD))


def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Subtract.

    .. math:: z = x - \\alpha y

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast.
        DTypeError: one of the two is bool.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (1 - x).sum().backward()
    >>> x.grad
    tensor([-1., -1.])
    """
    if alpha != 1:
        _refuse_bools(input, other)
        other = _scaled(input, other, alpha, _SUB)
    x, y = operands(input, other, _SUB)
    if x is not input or y is not other:  # one was promoted: it may have been a bool
        _refuse_bools(input, other)
    return Sub()(x, y)


def _refuse_bools(x: Any, y: Any) -> None:
    bools = [dtype_of(v).rank == 0 if is_array(v) else isinstance(v, bool) for v in (x, y)]
    if bools == [True, True]:
        raise _no_difference("two bool tensors", "Use the `^` or `logical_xor()` operator instead.")
    if True in bools:
        raise _no_difference(
            "a bool tensor",
            "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
        )


def _no_difference(of: str, way_out: str) -> DTypeError:
    return DTypeError(f"Subtraction, the `-` operator, with {of} is not supported. {way_out}")


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Subtract from: ``other - alpha input``."""
    if alpha != 1:
        _refuse_bools(input, other)
        input = _scaled(other, input, alpha, _RSUB)
    x, y = operands(input, other, _RSUB)
    if x is not input or y is not other:
        _refuse_bools(input, other)
    node = Rsub()
    if not is_array(other):
        node.label = "RsubBackward1"
    return node(x, y)


def _scaled(x: Any, y: Any, alpha: Any, takes: Takes) -> Any:
    """``alpha y``, of a dtype that ``x + y`` has room for."""
    if not isinstance(alpha, (int, float)):
        raise TypeError(
            f"{takes.name}(): argument 'alpha' must be Number, not {type(alpha).__name__}"
        )
    target = result_dtype(x, y)
    if isinstance(alpha, float) and not target.is_floating_point:
        raise DTypeError(
            "For integral input tensors, argument alpha must not be a floating point number.",
            "Write x.float() first.",
        )
    factor = bool(alpha) if target.rank == 0 else alpha
    return mul(y, factor) if is_array(y) else y * factor


# ── quotients ─────────────────────────────────────────────────────────────────────────────────


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Divide, and round if asked to.

    .. math:: z = x / y

    Args:
        rounding_mode: None, ``'trunc'`` (towards zero) or ``'floor'``.

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        RuntimeError: rounding integers divided by zero.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (1 / x).sum().backward()
    >>> x.grad
    tensor([-1.0000, -0.2500])
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return _div_floor(input, other)
    if rounding_mode == "trunc":
        return _div_trunc(input, other)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def floor_divide(input: Any, other: Any) -> Any:
    """Divide and round down; there is no gradient.

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        RuntimeError: an integer is divided by zero; or a gradient is asked for.

    >>> import tinyconv as tc
    >>> tc.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return _floor_divide(input, other)


# ── the same values ───────────────────────────────────────────────────────────────────────────


@op
class RoundDecimals(Unary):
    """To a number of decimals; the row of ``rint`` is without."""

    label = "RoundBackward1"
    function = "round"
    derivative = staticmethod(_flat)
    decimals: int

    def forward(self, x: Array) -> Array:
        if x.dtype not in FLOATS:
            kernel = "round_cpu" if self.decimals else "round_vml_cpu"
            raise not_implemented(kernel, x, "Write x.float() first.")
        scale = 10.0 ** math.fabs(self.decimals)
        if self.decimals > 0:
            return self.xp.rint(x * scale) / scale
        return self.xp.rint(x / scale) * scale


def round(input: Any, *, decimals: int | None = None) -> Any:
    """Round to the nearest, halves to even; the gradient is zero.

    Args:
        decimals: digits after the point; a negative number leaves zeros before it.

    >>> import tinyconv as tc
    >>> tc.round(tc.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    >>> tc.tensor([123.456]).round(decimals=1)
    tensor([123.5000])
    """
    return _rint(input) if decimals is None else RoundDecimals(decimals)(input)


@op
class Clone(Function):
    """A copy with a history, in the order of the original or in rows ("K" or "C" to NumPy)."""

    order_in_memory: str = "K"

    def forward(self, x: Array) -> Array:
        return x.copy(order=self.order_in_memory)

    def backward(self, g: Any) -> Any:
        return (g,)


def clone(input: Any, *, memory_format: Any = preserve_format) -> Any:
    """Copy, on the tape.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> x.clone().sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    return Clone("C" if memory_format is contiguous_format else "K")(input)


# ── in place ──────────────────────────────────────────────────────────────────────────────────

add_, sub_, mul_, div_, neg_ = twins(add, sub, mul, div, neg)
floor_divide_, fmod_, remainder_ = twins(floor_divide, fmod, remainder)
atan2_, hypot_ = twins(atan2, hypot)
abs_, exp_, log_, sqrt_, rsqrt_ = twins(abs, exp, log, sqrt, rsqrt)
reciprocal_, sin_, cos_, tan_ = twins(reciprocal, sin, cos, tan)
REGISTRY["Relu"].gives_away = True  # a gate's result is nobody else's memory

tanh_, sigmoid_, relu_, erf_ = twins(tanh, sigmoid, relu, erf)
sign_, sgn_ = twins(sign, sgn)
floor_, ceil_, round_, trunc_, frac_ = twins(floor, ceil, round, trunc, frac)
exp2_, expm1_, log2_, log10_, log1p_ = twins(exp2, expm1, log2, log10, log1p)
asin_, acos_, atan_, sinh_, cosh_ = twins(asin, acos, atan, sinh, cosh)
asinh_, acosh_, atanh_, erfc_ = twins(asinh, acosh, atanh, erfc)

# ── other names ───────────────────────────────────────────────────────────────────────────────

absolute, negative, subtract, multiply, divide, fix = abs, neg, sub, mul, div, trunc
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
absolute_, negative_, subtract_, multiply_ = abs_, neg_, sub_, mul_
divide_, true_divide_, fix_ = div_, div_, trunc_
arcsin_, arccos_, arctan_, arctan2_ = asin_, acos_, atan_, atan2_
arcsinh_, arccosh_, arctanh_ = asinh_, acosh_, atanh_
