"""Element-wise functions: a table of values and derivatives.

A row reads: name, value in array operations, derivative. The derivative is a function of the gradient
``g`` and of what it needs of the operand ``x`` and the result ``y``: the names of its parameters say what is
kept for backward. It is written in operators and functions of this table, so it has derivatives itself.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..errors import DTypeError
from ..shapes import broadcast
from ._common import (
    NUMPY,
    cast,
    dtype_of,
    floating,
    operands,
    result_dtype,
    shape_of,
    unbroadcast,
)

# ── one operand ───────────────────────────────────────────────────────────────────────────────


class Unary(Function):
    """y = value(x), gx = derivative(g, x and/or y)."""

    value: Callable[..., Array]
    derivative: Callable[..., Any]
    keeps: tuple[str, ...] = ()

    def forward(self, x: Array) -> Array:
        y = self.value(self.xp, x)
        if self.keeps and self.needs[0]:
            self.save(*(x if k == "x" else y for k in self.keeps))
        return y

    def backward(self, g: Any) -> Any:
        return (self.derivative(g, *self.saved),)


_DOC = """{first}

    .. math:: {formula}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor({at}, dtype=tc.float64, requires_grad=True)
    >>> tc.autograd.gradcheck(tc.{name}, x)
    True
    """


def unary(
    name: str,
    value: Callable[[Any, Array], Array],
    derivative: Callable[..., Any],
    doc: str,
    *,
    integers: bool = False,
    torch: str = "",
    at: str = "[0.3, 0.7]",
) -> Callable[[Any], Any]:
    """Declare one row. ``integers``: defined on them too; otherwise they become floats first."""
    keeps = tuple(p for p in inspect.signature(derivative).parameters if p != "g")
    body = {"value": staticmethod(value), "derivative": staticmethod(derivative), "keeps": keeps}
    cls = type(name.title().replace("_", ""), (Unary,), body | {"__module__": __name__})
    if torch:
        cls.name = torch  # type: ignore[attr-defined]  # declared on Function
    cls = op(cls)

    if integers:

        def function(x: Any) -> Any:
            return cls()(x)
    else:

        def function(x: Any) -> Any:
            return cls()(floating(x))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    first, _, formula = doc.partition(" | ")
    function.__doc__ = _DOC.format(first=first, formula=formula, name=name, at=at)
    return function


def _erf(xp: Any, x: Array) -> Array:
    if xp is NUMPY:
        return _erf_double(x.astype("float64")).astype(x.dtype)
    return xp.vectorize(math.erf)(x)


def _erf_double(x: Array) -> Array:
    """The error function to 1e-16.

    Series for small, continued expansion for large arguments: W. J. Cody, Rational Chebyshev
    approximations for the error function, Math. Comp. 23 (1969) gives the intervals; here the
    values come from Taylor's series around the middle of a cell of a table made with math.erf.
    """
    step, limit = 1 / 64, 6.0
    z = NUMPY.clip(NUMPY.abs(NUMPY.nan_to_num(x, nan=0.0)), 0, limit)
    cell = NUMPY.rint(z / step).astype(NUMPY.intp)
    c = cell * step
    d = z - c
    # Derivatives of erf at c: 2/sqrt(pi) exp(-c^2) times Hermite polynomials.
    h0, h1 = NUMPY.ones_like(c), -2 * c
    term, total = d.copy(), d.copy()
    for n in range(2, 9):
        term = term * d / n
        total = total + term * h1
        h0, h1 = h1, -2 * (c * h1 + (n - 1) * h0)
    y = _ERF_TABLE[cell] + (2 / math.sqrt(math.pi)) * NUMPY.exp(-c * c) * total
    return NUMPY.where(NUMPY.isnan(x), x, NUMPY.copysign(NUMPY.minimum(y, 1.0), x))


_ERF_TABLE = NUMPY.array([math.erf(i / 64) for i in range(385)])


def _sigmoid(xp: Any, x: Array) -> Array:
    e = xp.exp(-abs(x))  # never overflows
    return xp.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


_2_SQRT_PI = 2 / math.sqrt(math.pi)

neg = unary("neg", lambda xp, x: -x, lambda g: -g, "Negate. | y = -x", integers=True)
exp = unary("exp", lambda xp, x: xp.exp(x), lambda g, y: g * y, "Exponential. | y = e^x")
exp2 = unary("exp2", lambda xp, x: xp.exp2(x), lambda g, y: g * y * math.log(2), "Power of two. | y = 2^x")
expm1 = unary("expm1", lambda xp, x: xp.expm1(x), lambda g, y: g * (y + 1), "Exponential less one, exact near 0. | y = e^x - 1")
log = unary("log", lambda xp, x: xp.log(x), lambda g, x: g / x, r"Natural logarithm. | y = \ln x")
log2 = unary("log2", lambda xp, x: xp.log2(x), lambda g, x: g / (x * math.log(2)), r"Binary logarithm. | y = \log_2 x")
log10 = unary("log10", lambda xp, x: xp.log10(x), lambda g, x: g / (x * math.log(10)), r"Decimal logarithm. | y = \log_{10} x")
log1p = unary("log1p", lambda xp, x: xp.log1p(x), lambda g, x: g / (x + 1), r"Logarithm of one more, exact near 0. | y = \ln(1 + x)")
sqrt = unary("sqrt", lambda xp, x: xp.sqrt(x), lambda g, y: g / (2 * y), r"Square root. | y = \sqrt x")
rsqrt = unary("rsqrt", lambda xp, x: 1 / xp.sqrt(x), lambda g, y: -0.5 * g * y**3, r"One over the square root. | y = 1 / \sqrt x")
reciprocal = unary("reciprocal", lambda xp, x: 1 / x, lambda g, y: -g * y * y, "One over. | y = 1 / x")
square = unary("square", lambda xp, x: x * x, lambda g, x: g * x * 2, "Square. | y = x^2", integers=True, torch="PowBackward0")
abs = unary("abs", lambda xp, x: xp.abs(x), lambda g, x: g * sign(x), "Absolute value. | y = |x|", integers=True)
sign = unary("sign", lambda xp, x: xp.sign(x) if x.dtype.kind != "b" else x.copy(), lambda g: g * 0, r"Sign: -1, 0 or 1. | y = \mathrm{sign}(x)", integers=True)
sin = unary("sin", lambda xp, x: xp.sin(x), lambda g, x: g * cos(x), r"Sine. | y = \sin x")
cos = unary("cos", lambda xp, x: xp.cos(x), lambda g, x: -g * sin(x), r"Cosine. | y = \cos x")
tan = unary("tan", lambda xp, x: xp.tan(x), lambda g, y: g * (1 + y * y), r"Tangent. | y = \tan x")
asin = unary("asin", lambda xp, x: xp.arcsin(x), lambda g, x: g * rsqrt(1 - x * x), r"Inverse sine. | y = \arcsin x")
acos = unary("acos", lambda xp, x: xp.arccos(x), lambda g, x: -g * rsqrt(1 - x * x), r"Inverse cosine. | y = \arccos x")
atan = unary("atan", lambda xp, x: xp.arctan(x), lambda g, x: g / (x * x + 1), r"Inverse tangent. | y = \arctan x")
sinh = unary("sinh", lambda xp, x: xp.sinh(x), lambda g, x: g * cosh(x), r"Hyperbolic sine. | y = \sinh x")
cosh = unary("cosh", lambda xp, x: xp.cosh(x), lambda g, x: g * sinh(x), r"Hyperbolic cosine. | y = \cosh x")
tanh = unary("tanh", lambda xp, x: xp.tanh(x), lambda g, y: g * (1 - y * y), r"Hyperbolic tangent. | y = \tanh x")
asinh = unary("asinh", lambda xp, x: xp.arcsinh(x), lambda g, x: g * rsqrt(x * x + 1), r"Inverse hyperbolic sine. | y = \mathrm{arsinh}\, x")
acosh = unary("acosh", lambda xp, x: xp.arccosh(x), lambda g, x: g * rsqrt(x * x - 1), r"Inverse hyperbolic cosine. | y = \mathrm{arcosh}\, x", at="[1.3, 2.7]")
atanh = unary("atanh", lambda xp, x: xp.arctanh(x), lambda g, x: g / (1 - x * x), r"Inverse hyperbolic tangent. | y = \mathrm{artanh}\, x")
sigmoid = unary("sigmoid", _sigmoid, lambda g, y: g * (1 - y) * y, "Logistic function. | y = 1 / (1 + e^{-x})")
erf = unary("erf", _erf, lambda g, x: g * exp(-(x * x)) * _2_SQRT_PI, r"Error function. | y = \tfrac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt")
erfc = unary("erfc", lambda xp, x: 1 - _erf(xp, x), lambda g, x: g * exp(-(x * x)) * -_2_SQRT_PI, r"One less the error function. | y = 1 - \mathrm{erf}(x)")
floor = unary("floor", lambda xp, x: xp.floor(x) if x.dtype.kind == "f" else x.copy(), lambda g: g * 0, r"Round down. | y = \lfloor x \rfloor", integers=True)
ceil = unary("ceil", lambda xp, x: xp.ceil(x) if x.dtype.kind == "f" else x.copy(), lambda g: g * 0, r"Round up. | y = \lceil x \rceil", integers=True)
trunc = unary("trunc", lambda xp, x: xp.trunc(x) if x.dtype.kind == "f" else x.copy(), lambda g: g * 0, r"Round towards zero. | y = \mathrm{sign}(x) \lfloor |x| \rfloor", integers=True)
frac = unary("frac", lambda xp, x: x - xp.trunc(x), lambda g: g, r"Fractional part. | y = x - \mathrm{trunc}(x)")
relu = unary("relu", lambda xp, x: xp.maximum(x, x.dtype.type(0)), lambda g, y: g * (y > 0), r"Rectified linear unit. | y = \max(x, 0)", integers=True)


@op
class Round(Unary):
    decimals: int = 0
    keeps = ()

    def forward(self, x: Array) -> Array:
        return self.xp.round(x, self.decimals)

    def backward(self, g: Any) -> Any:
        return (g * 0,)


def round(x: Any, *, decimals: int = 0) -> Any:
    """Round to the nearest, halves to even; the gradient is zero.

    >>> import tinyconv as tc
    >>> tc.round(tc.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    return Round(decimals)(x)


@op
class Clone(Function):
    """A copy with a history."""

    def forward(self, x: Array) -> Array:
        return x.copy(order="K") if self.xp is NUMPY else x.copy()

    def backward(self, g: Any) -> Any:
        return (g,)


def clone(x: Any, *, memory_format: Any = None) -> Any:
    """Copy, on the tape.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> x.clone().sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    return Clone()(x)


# ── two operands ──────────────────────────────────────────────────────────────────────────────


class Binary(Function):
    """z = value(x, y), with broadcasting; gx and gy are derivatives of g and of what they name."""

    value: Callable[..., Array]
    by_x: Callable[..., Any]
    by_y: Callable[..., Any]
    x_keeps: tuple[str, ...] = ()
    y_keeps: tuple[str, ...] = ()

    def forward(self, x: Array, y: Array) -> Array:
        try:
            z = self.value(self.xp, x, y)
        except ValueError:
            broadcast(shape_of(x), shape_of(y))  # says which dimension
            raise
        want_x, want_y = self.needs
        if want_x or want_y:
            self.shapes = getattr(x, "shape", ()), getattr(y, "shape", ())
            if self.x_keeps or self.y_keeps:
                names = (self.x_keeps if want_x else ()) + (self.y_keeps if want_y else ())
                if names:
                    self.save(*(v if n in names else None for n, v in (("x", x), ("y", y), ("z", z))))
        return z

    def backward(self, g: Any) -> Any:
        want_x, want_y = self.needs
        kept: dict[str, Any] = {}
        if self._saved != ():
            kept = dict(zip("xyz", self.saved, strict=True))
        sx, sy = self.shapes
        gx = gy = None
        if want_x:
            gx = unbroadcast(self.by_x(g, *map(kept.__getitem__, self.x_keeps)), sx)
        if want_y:
            gy = unbroadcast(self.by_y(g, *map(kept.__getitem__, self.y_keeps)), sy)
        return gx, gy


_BINARY_DOC = """{first}

    .. math:: {formula}

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.3, 0.7], dtype=tc.float64, requires_grad=True)
    >>> y = tc.tensor([[1.1], [2.3]], dtype=tc.float64, requires_grad=True)
    >>> tc.autograd.gradcheck(tc.{name}, (x, y))
    True
    """


def binary(
    name: str,
    value: Callable[[Any, Any, Any], Array],
    by_x: Callable[..., Any],
    by_y: Callable[..., Any],
    doc: str,
    *,
    integers: bool = True,
    torch: str = "",
) -> Callable[..., Any]:
    """Declare one row; ``by_x`` and ``by_y`` name what they need among ``x y z``."""
    body = {
        "value": staticmethod(value),
        "by_x": staticmethod(by_x),
        "by_y": staticmethod(by_y),
        "x_keeps": tuple(p for p in inspect.signature(by_x).parameters if p != "g"),
        "y_keeps": tuple(p for p in inspect.signature(by_y).parameters if p != "g"),
        "__module__": __name__,
    }
    cls = type(name.title().replace("_", ""), (Binary,), body)
    if torch:
        cls.name = torch  # type: ignore[attr-defined]  # declared on Function
    cls = op(cls)

    if integers:

        def function(x: Any, y: Any) -> Any:
            return cls()(*operands(x, y))
    else:

        def function(x: Any, y: Any) -> Any:
            x, y = operands(x, y)
            return cls()(floating(x) if hasattr(x, "dtype") else x, floating(y) if hasattr(y, "dtype") else y)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    first, _, formula = doc.partition(" | ")
    function.__doc__ = _BINARY_DOC.format(first=first, formula=formula, name=name)
    return function


_add = binary("_add", lambda xp, x, y: x + y, lambda g: g, lambda g: g, "", torch="AddBackward0")
_sub = binary("_sub", lambda xp, x, y: x - y, lambda g: g, lambda g: -g, "", torch="SubBackward0")
_add.__doc__ = _sub.__doc__ = None
mul = binary("mul", lambda xp, x, y: x * y, lambda g, y: g * y, lambda g, x: g * x, "Multiply. | z = x y")
true_divide = binary("true_divide", lambda xp, x, y: x / y, lambda g, y: g / y, lambda g, y, z: -g * z / y, "Divide. | z = x / y", integers=False, torch="DivBackward0")
maximum = binary("maximum", lambda xp, x, y: xp.maximum(x, y), lambda g, x, y: _share(g, x, y, x > y), lambda g, x, y: _share(g, x, y, y > x), r"The larger; NaN wins; equals share the gradient. | z = \max(x, y)")
minimum = binary("minimum", lambda xp, x, y: xp.minimum(x, y), lambda g, x, y: _share(g, x, y, x < y), lambda g, x, y: _share(g, x, y, y < x), r"The smaller; NaN wins; equals share the gradient. | z = \min(x, y)")
atan2 = binary("atan2", lambda xp, x, y: xp.arctan2(x, y), lambda g, x, y: g * y / (x * x + y * y), lambda g, x, y: -g * x / (x * x + y * y), r"Angle of the point (y, x). | z = \arctan(x / y)", integers=False)
hypot = binary("hypot", lambda xp, x, y: xp.hypot(x, y), lambda g, x, z: g * x / z, lambda g, y, z: g * y / z, r"Length of the hypotenuse. | z = \sqrt{x^2 + y^2}", integers=False)
fmod = binary("fmod", lambda xp, x, y: xp.fmod(x, y), lambda g: g, lambda g, x, y: -g * trunc(x / y), r"Remainder with the sign of x. | z = x - y\, \mathrm{trunc}(x / y)")
remainder = binary("remainder", lambda xp, x, y: xp.remainder(x, y), lambda g: g, lambda g, x, y: -g * floor(x / y), r"Remainder with the sign of y. | z = x - y \lfloor x / y \rfloor")


def _share(g: Any, x: Any, y: Any, wins: Any) -> Any:
    """All of g to the winner, half to each of equals."""
    return g * wins + g * (x == y) / 2


def add(x: Any, y: Any, *, alpha: float = 1) -> Any:
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
    return _add(x, y if alpha == 1 else mul(y, _alpha(x, y, alpha)))


def sub(x: Any, y: Any, *, alpha: float = 1) -> Any:
    """Subtract.

    .. math:: z = x - \\alpha y

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast. RuntimeError: both are bool.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (1 - x).sum().backward()
    >>> x.grad
    tensor([-1., -1.])
    """
    if any(hasattr(v, "dtype") and dtype_of(v).rank == 0 for v in (x, y)):
        raise DTypeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported.",
            "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
        )
    return _sub(x, y if alpha == 1 else mul(y, _alpha(x, y, alpha)))


def _alpha(x: Any, y: Any, alpha: float) -> float:
    if isinstance(alpha, float) and not result_dtype(x, y).is_floating_point:
        raise DTypeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return alpha


def rsub(x: Any, y: Any, *, alpha: float = 1) -> Any:
    """Subtract from: ``y - alpha x``."""
    return sub(y, x, alpha=alpha)


def div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    """Divide, and round if asked to.

    .. math:: z = x / y

    Args:
        rounding_mode: None, ``'trunc'`` (towards zero) or ``'floor'``.

    Shape:
        ``(*), (*) -> (*)``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> (1 / x).sum().backward()
    >>> x.grad
    tensor([-1.0000, -0.2500])
    """
    if rounding_mode is None:
        return true_divide(x, y)
    if rounding_mode == "floor":
        return floor_divide(x, y)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    target = result_dtype(x, y)
    if target.is_floating_point:
        return trunc(true_divide(x, y))
    q = floor_divide(x, y)
    exact_or_same_sign = (remainder(x, y) == 0) | ((x < 0) == (y < 0))
    return q + cast(~exact_or_same_sign, target.numpy)


@op
class FloorDivide(Function):
    differentiable = False

    def forward(self, x: Array, y: Array) -> Array:
        divisor = self.xp.asarray(y)
        if divisor.dtype.kind in "iu" and self.xp.asarray(x).dtype.kind != "f" and bool((divisor == 0).any()):
            raise RuntimeError("ZeroDivisionError")
        return self.xp.floor_divide(x, y)


def floor_divide(x: Any, y: Any) -> Any:
    """Divide and round down; no gradient.

    >>> import tinyconv as tc
    >>> tc.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return FloorDivide()(*operands(x, y))


@op
class Pow(Binary):
    """The exponent may be a tensor; 0^0 is 1, and its derivative is 0."""

    x_keeps = ("x", "y")
    y_keeps = ("x", "y", "z")

    @staticmethod
    def value(xp: Any, x: Any, y: Any) -> Array:
        if not hasattr(y, "shape") or y.shape == ():
            if y == 2:
                return x * x
            if y == 0.5 and x.dtype.kind == "f":
                return xp.sqrt(x)
        return xp.power(x, y)

    @staticmethod
    def by_x(g: Any, x: Any, y: Any) -> Any:
        if isinstance(y, (int, float)):
            return g * 0 if y == 0 else g * x * 2 if y == 2 else g * (pow(x, y - 1) * y)
        slope = y * pow(x, y - 1)
        return g * _where(y == 0, slope * 0, slope)

    @staticmethod
    def by_y(g: Any, x: Any, y: Any, z: Any) -> Any:
        if isinstance(x, (int, float)):
            return g * z * (math.log(x) if x > 0 else (0.0 if x == 0 else math.nan))
        zero = (x == 0) & (y >= 0)
        return g * _where(zero, z * 0, z * log(_where(zero, x * 0 + 1, x)))

    def forward(self, x: Any, y: Any) -> Array:
        z = super().forward(x, y)
        if self.needs[0] or self.needs[1]:  # scalars are kept as they are
            self.save(x, y, z if self.needs[1] else None)
        return z


def _where(condition: Any, x: Any, y: Any) -> Any:
    """``where`` of indexing, in the form a derivative needs: NaN of the branch not taken must not leak."""
    return _Select()(condition, x, y)


@op
class _Select(Function):
    name = "WhereBackward0"

    def forward(self, c: Array, x: Array, y: Array) -> Array:
        self.shapes = shape_of(x), shape_of(y)
        self.save(c)
        return self.xp.where(c, x, y)

    def backward(self, g: Any) -> Any:
        (c,) = self.saved
        sx, sy = self.shapes
        gx = unbroadcast(_Select()(c, g, g * 0), sx) if self.needs[1] else None
        return None, gx, unbroadcast(_Select()(c, g * 0, g), sy) if self.needs[2] else None


def pow(x: Any, exponent: Any) -> Any:
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
    x, exponent = operands(x, exponent)
    if (
        isinstance(x, Variable)
        and not isinstance(exponent, Variable)
        and exponent < 0
        and x.array.dtype.kind in "iu"
    ):
        raise RuntimeError(
            "Integers to negative integer powers are not allowed.\nWrite x.float() ** exponent."
        )
    return Pow()(x, exponent)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Choose from ``x`` where ``condition`` is true, from ``y`` elsewhere.

    With ``condition`` alone: the indices where it is true, one tensor a dimension.

    Shape:
        ``(*), (*), (*) -> (*)``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., -2.], requires_grad=True)
    >>> tc.where(x > 0, x, 0.1 * x).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.1000])
    """
    if x is None and y is None:
        return tuple(condition.wrap(i) for i in condition.array.nonzero())
    if isinstance(condition, Variable) and condition.array.dtype.kind != "b":
        raise DTypeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{dtype_of(condition)}",
            "Compare first: where(x > 0, ...).",
        )
    if not isinstance(x, Variable) and not isinstance(y, Variable):
        target = result_dtype(x, y).numpy
        box, xp = condition.wrap, XP[type(condition.array)]
        x, y = box(xp.asarray(x, target)), box(xp.asarray(y, target))
    x, y = operands(x, y)
    broadcast(broadcast(shape_of(condition), shape_of(x)), shape_of(y))
    if not isinstance(x, Variable) or not isinstance(y, Variable):
        known = x if isinstance(x, Variable) else y
        box, xp, d = known.wrap, XP[type(known.array)], known.array.dtype
        x = x if isinstance(x, Variable) else box(xp.asarray(x, d))
        y = y if isinstance(y, Variable) else box(xp.asarray(y, d))
    return _Select()(condition, x, y)


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Cut off below ``min`` and above ``max`` (numbers, or tensors that broadcast).

    .. math:: y = \\min(\\max(x, \\mathrm{min}), \\mathrm{max})

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: neither limit is given.

    >>> import tinyconv as tc
    >>> x = tc.tensor([-1., 0.5, 2.], requires_grad=True)
    >>> x.clamp(0, 1).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if not any(isinstance(v, Variable) for v in (min, max)):
        numbers = [v for v in (min, max) if v is not None]
        target = result_dtype(x, *numbers).numpy
        return Clamp(*(None if v is None else target.type(v) if target.kind != "b" else bool(v) for v in (min, max)))(cast(x, target))
    if min is not None:
        x = _limit(x, min, lambda a, b: a < b)
    return x if max is None else _limit(x, max, lambda a, b: a > b)


def _limit(x: Any, bound: Any, beyond: Callable[[Any, Any], Any]) -> Any:
    bound = bound if isinstance(bound, Variable) else x.wrap(NUMPY.asarray(bound))
    x, bound = operands(x, bound)
    return where(beyond(x, bound) | (bound != bound), bound, x)


@op
class Clamp(Function):
    low: Any
    high: Any

    def forward(self, x: Array) -> Array:
        if self.needs[0]:
            self.save(x)
        y = x
        if self.low is not None:
            y = self.xp.maximum(y, self.low)
        if self.high is not None:
            y = self.xp.minimum(y, self.high)
        return y

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        inside = True
        if self.low is not None:
            inside = x >= float(self.low)
        if self.high is not None:
            inside = inside & (x <= float(self.high))
        return (g * inside,)


def clamp_min(x: Any, min: Any) -> Any:
    """Cut off below ``min``."""
    return clamp(x, min=min)


def clamp_max(x: Any, max: Any) -> Any:
    """Cut off above ``max``."""
    return clamp(x, max=max)


# ── writes ────────────────────────────────────────────────────────────────────────────────────


@op
class Overwrite(Function):
    """The values of the second operand in the shape and dtype of the first, whose gradient ends here."""

    name = "CopyBackwards"

    def forward(self, x: Array, y: Any) -> Array:
        self.source = getattr(y, "shape", ()), getattr(y, "dtype", None)
        out = self.xp.empty(x.shape, x.dtype)
        out[...] = y
        return out

    def backward(self, g: Any) -> Any:
        shape, d = self.source
        gy = cast(unbroadcast(g, shape), d) if self.needs[1] else None
        return g * 0 if self.needs[0] else None, gy


def _overwritten(x: Any, y: Any) -> Any:
    if broadcast(shape_of(x), shape_of(y)) != shape_of(x):
        broadcast(shape_of(y), shape_of(x))
        raise RuntimeError(
            f"output with shape {list(shape_of(x))} doesn't match the broadcast shape "
            f"{list(broadcast(shape_of(x), shape_of(y)))}"
        )
    return Overwrite()(x, y)


def copy_(x: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy the values of ``src``, broadcast and converted, into the memory of ``x``."""
    return _copy_(x, src)


_copy_ = inplace(_overwritten)


def fill_(x: Any, value: Any) -> Any:
    """Fill with one number (or a 0-d tensor)."""
    if isinstance(value, Variable) and value.array.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.array.ndim} dimensions."
        )
    return _copy_(x, value)


def zero_(x: Any) -> Any:
    """Fill with zeros."""
    return _copy_(x, 0)


add_, sub_, mul_, div_, pow_ = map(inplace, (add, sub, mul, div, pow))
floor_divide_, fmod_, remainder_ = map(inplace, (floor_divide, fmod, remainder))
clamp_, clamp_min_, clamp_max_ = map(inplace, (clamp, clamp_min, clamp_max))
abs_, neg_, exp_, log_, sqrt_, rsqrt_ = map(inplace, (abs, neg, exp, log, sqrt, rsqrt))
square_, reciprocal_, sin_, cos_, tan_ = map(inplace, (square, reciprocal, sin, cos, tan))
tanh_, sigmoid_, relu_, erf_, sign_ = map(inplace, (tanh, sigmoid, relu, erf, sign))
floor_, ceil_, round_, trunc_, frac_ = map(inplace, (floor, ceil, round, trunc, frac))
exp2_, expm1_, log2_, log10_, log1p_ = map(inplace, (exp2, expm1, log2, log10, log1p))
asin_, acos_, atan_, sinh_, cosh_ = map(inplace, (asin, acos, atan, sinh, cosh))
asinh_, acosh_, atanh_, erfc_ = map(inplace, (asinh, acosh, atanh, erfc))
