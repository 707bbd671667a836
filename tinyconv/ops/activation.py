"""The non-linear functions between layers.

Those without settings are rows of the table of element-wise functions; those with settings are
Functions whose fields are the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.inplace import inplace as in_place
from ..autograd.inplace import write
from ..backend import Array
from ..dtypes import finfo
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import wrap_dim
from ._common import dtype_of, floating, ndim_of, shape_of
from .elementwise import (
    _DOC,
    Unary,
    _erf,
    _sigmoid,
    _where,
    abs,
    binary,
    erf,
    exp,
    neg,
    sigmoid,
    tanh,
    unary,
)
from .joining import cat
from .softmax import softmax
from .views import chunk, reshape

# ── without settings ──────────────────────────────────────────────────────────────────────────


def _row(
    name: str,
    value: Callable[[Any, Array], Array],
    derivative: Callable[..., Any],
    doc: str,
    torch: str = "",
) -> Callable[..., Any]:
    """Declare one row of the table, as a function that can also write into its operand."""
    run = unary(name, value, derivative, doc, torch=torch)

    def function(input: Any, inplace: bool = False) -> Any:
        return _result(input, run(input), inplace)

    function.__name__ = function.__qualname__ = name
    first, _, formula = doc.partition(" | ")
    function.__doc__ = _DOC.format(
        first=first, formula=formula, name=f"nn.functional.{name}", at="[-0.7, 0.3]"
    )
    return function


def _result(x: Any, y: Any, inplace: bool) -> Any:
    """``y``, or on request ``x`` with the values of ``y`` written into it."""
    if inplace:
        write(x, y)
        return x
    return y


def _logsigmoid(xp: Any, x: Array) -> Array:
    return xp.minimum(x, x.dtype.type(0)) - xp.log1p(xp.exp(-xp.abs(x)))  # never overflows


def _mish_slope(g: Any, x: Any) -> Any:
    t = tanh(-logsigmoid(-x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def _ramp(xp: Any, x: Array) -> Array:
    return xp.clip(x + 3, 0, 6) / 6


logsigmoid = _row(
    "logsigmoid",
    _logsigmoid,
    lambda g, x: g * sigmoid(-x),
    r"Logarithm of the logistic function, without overflow. | y = -\ln(1 + e^{-x})",
    "LogSigmoidBackward0",
)
silu = _row(
    "silu",
    lambda xp, x: x * _sigmoid(xp, x),
    lambda g, x: g * (sigmoid(x) * (1 + x * sigmoid(-x))),
    r"Sigmoid-weighted linear unit (arXiv 1702.03118). | y = x / (1 + e^{-x})",
)
mish = _row(
    "mish",
    lambda xp, x: x * xp.tanh(-_logsigmoid(xp, -x)),
    _mish_slope,
    r"Self-regularised unit (arXiv 1908.08681). | y = x \tanh(\ln(1 + e^x))",
)
hardsigmoid = _row(
    "hardsigmoid",
    _ramp,
    lambda g, x: g * (abs(x) < 3) / 6,
    r"Logistic function in three straight pieces. | y = \min(\max(x + 3, 0), 6) / 6",
)
hardswish = _row(
    "hardswish",
    lambda xp, x: x * _ramp(xp, x),
    lambda g, x: g * ((abs(x) < 3) * (x / 3 + 0.5) + (x >= 3)),
    r"Cheap :func:`silu` (arXiv 1905.02244). | y = x \min(\max(x + 3, 0), 6) / 6",
)
softsign = _row(
    "softsign",
    lambda xp, x: x / (1 + xp.abs(x)),
    lambda g, x: g / ((1 + abs(x)) * (1 + abs(x))),
    r"A slower :func:`tanh`. | y = x / (1 + |x|)",
    "DivBackward0",
)
tanhshrink = _row(
    "tanhshrink",
    lambda xp, x: x - xp.tanh(x),
    lambda g, x: g * (tanh(x) * tanh(x)),
    r"What :func:`tanh` takes away. | y = x - \tanh x",
    "SubBackward0",
)


# ── with settings ─────────────────────────────────────────────────────────────────────────────


@op
class LeakyRelu(Unary):
    keeps = ("x",)
    negative_slope: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where(x > 0, x, x * self.negative_slope)

    def derivative(self, g: Any, x: Any) -> Any:
        return _where(x > 0, g, g * self.negative_slope)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Rectified linear unit that lets a little of the negative side through.

    .. math:: y = \\max(x, 0) + \\mathrm{negative\\_slope} \\min(x, 0)

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([-1., 2.], requires_grad=True)
    >>> tc.nn.functional.leaky_relu(x, 0.1).sum().backward()
    >>> x.grad
    tensor([0.1000, 1.0000])
    """
    return _result(input, LeakyRelu(float(negative_slope))(floating(input)), inplace)


@op
class Elu(Unary):
    """All kinds: ``scale x`` for positive x, ``scale alpha (e^(rate x) - 1)`` for negative."""

    keeps = ("x", "y")
    alpha: float
    scale: float = 1.0
    rate: float = 1.0

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where(x > 0, x * self.scale, xp.expm1(x * self.rate) * (self.alpha * self.scale))

    def derivative(self, g: Any, x: Any, y: Any) -> Any:
        return _where(x > 0, g * self.scale, g * ((y + self.alpha * self.scale) * self.rate))


@op
class Celu(Elu):
    pass


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Exponential linear unit (arXiv 1511.07289).

    .. math:: y = \\max(x, 0) + \\min(\\alpha (e^x - 1), 0)

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.elu(tc.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return _result(input, Elu(float(alpha))(floating(input)), inplace)


def selu(input: Any, inplace: bool = False) -> Any:
    """Self-normalising :func:`elu`: keeps mean 0 and variance 1 (arXiv 1706.02515).

    .. math:: y = \\lambda (\\max(x, 0) + \\min(\\alpha (e^x - 1), 0))

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.selu(tc.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return _result(input, Elu(1.6732632423543772, 1.0507009873554805)(floating(input)), inplace)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """:func:`elu` with a derivative that is continuous for every ``alpha`` (arXiv 1704.07483).

    .. math:: y = \\max(x, 0) + \\min(\\alpha (e^{x / \\alpha} - 1), 0)

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: ``alpha`` is zero.

    >>> import tinyconv as tc
    >>> tc.nn.functional.celu(tc.tensor([-1., 2.]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError(
            "ZeroDivisionError: alpha cannot be 0 for CELU\nWrite relu(), which is its limit."
        )
    return _result(input, Celu(float(alpha), 1.0, 1 / alpha)(floating(input)), inplace)


@op
class Gelu(Unary):
    keeps = ("x",)
    approximate: str

    def value(self, xp: Any, x: Array) -> Array:
        if self.approximate == "tanh":
            return 0.5 * x * (1 + xp.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x)))
        return 0.5 * x * (1 + _erf(xp, x * math.sqrt(0.5)))

    def derivative(self, g: Any, x: Any) -> Any:
        if self.approximate == "tanh":
            t = tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x))
            inner = _TANH_SCALE * (1 + 3 * _TANH_CUBE * x * x)
            return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)
        density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return g * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * density)


_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def gelu(input: Any, approximate: str = "none") -> Any:
    """Gaussian error linear unit: x times the probability of a smaller one (arXiv 1606.08415).

    .. math:: y = \\tfrac{x}{2} (1 + \\mathrm{erf}(x / \\sqrt 2))

    Args:
        approximate: ``'none'``, or ``'tanh'`` for the cheaper formula of that paper.

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: another ``approximate``.

    >>> import tinyconv as tc
    >>> tc.nn.functional.gelu(tc.tensor([-1., 2.]))
    tensor([-0.1587,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            f"approximate argument must be either none or tanh.\nIt is {approximate!r}."
        )
    return Gelu(approximate)(floating(input))


@op
class Softplus(Unary):
    keeps = ("x",)
    beta: float
    threshold: float

    def value(self, xp: Any, x: Array) -> Array:
        z = x * self.beta
        return xp.where(z > self.threshold, x, -_logsigmoid(xp, -z) / self.beta)

    def derivative(self, g: Any, x: Any) -> Any:
        z = x * self.beta
        return _where(z > self.threshold, g, g * sigmoid(z))


def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """Smooth :func:`relu`.

    .. math:: y = \\ln(1 + e^{\\beta x}) / \\beta

    Args:
        beta: sharpness. threshold: where ``beta x`` exceeds it, y is x.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.softplus(tc.tensor([-1., 2.]))
    tensor([0.3133, 2.1269])
    """
    return Softplus(float(beta), float(threshold))(floating(input))


@op
class Hardtanh(Unary):
    keeps = ("x",)
    min_val: float
    max_val: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.clip(x, x.dtype.type(self.min_val), x.dtype.type(self.max_val))

    def derivative(self, g: Any, x: Any) -> Any:
        return g * ((x > self.min_val) & (x < self.max_val))


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Cut off below ``min_val`` and above ``max_val``.

    .. math:: y = \\min(\\max(x, \\mathrm{min\\_val}), \\mathrm{max\\_val})

    Shape:
        ``(*) -> (*)``

    Raises:
        ArgumentError: the limits are the wrong way round.

    >>> import tinyconv as tc
    >>> tc.nn.functional.hardtanh(tc.tensor([-2., 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ArgumentError(
            "min_val cannot be greater than max_val", f"They are {min_val} and {max_val}."
        )
    return _result(input, Hardtanh(float(min_val), float(max_val))(input), inplace)


def relu6(input: Any, inplace: bool = False) -> Any:
    """:func:`relu` cut off at 6.

    .. math:: y = \\min(\\max(x, 0), 6)

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.relu6(tc.tensor([-1., 2., 8.]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@op
class Softshrink(Unary):
    keeps = ("x",)
    lambd: float

    def value(self, xp: Any, x: Array) -> Array:
        return x - xp.clip(x, -self.lambd, self.lambd)

    def derivative(self, g: Any, x: Any) -> Any:
        return g * (abs(x) > self.lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Move towards zero by ``lambd``, and stop there.

    .. math:: y = \\mathrm{sign}(x) \\max(|x| - \\lambda, 0)

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: ``lambd`` is negative.

    >>> import tinyconv as tc
    >>> tc.nn.functional.softshrink(tc.tensor([-2., 0.3, 1.]))
    tensor([-1.5000,  0.0000,  0.5000])
    """
    x = floating(input)
    if not 0 <= lambd <= (limit := finfo(dtype_of(x)).max):
        raise RuntimeError(
            f"lambda must be in range [0, {limit:.6g}] for input dtype {type_name(x.array)}, "
            f"but found {lambd:g}\nIt is a distance from zero: give its absolute value."
        )
    return Softshrink(float(lambd))(x)


@op
class Hardshrink(Unary):
    keeps = ("x",)
    lambd: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where((x >= -self.lambd) & (x <= self.lambd), x.dtype.type(0), x)

    def derivative(self, g: Any, x: Any) -> Any:
        return g * ((x < -self.lambd) | (x > self.lambd))


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Zero what is within ``lambd`` of zero.

    .. math:: y = x \\text{ if } |x| > \\lambda \\text{, else } 0

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.hardshrink(tc.tensor([-2., 0.3, 1.]))
    tensor([-2.,  0.,  1.])
    """
    return Hardshrink(float(lambd))(floating(input))


@op
class Threshold(Unary):
    keeps = ("x",)
    threshold: float
    fill: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where(x <= self.threshold, x.dtype.type(self.fill), x)

    def derivative(self, g: Any, x: Any) -> Any:
        return g * (x > self.threshold)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Replace what is not above ``threshold`` by ``value``.

    .. math:: y = x \\text{ if } x > \\mathrm{threshold} \\text{, else value}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.threshold(tc.tensor([0.1, 0.7]), 0.5, -1.0)
    tensor([-1.0000,  0.7000])
    """
    return _result(input, Threshold(threshold, value)(input), inplace)


# ── more than one operand ─────────────────────────────────────────────────────────────────────

_prelu = binary(
    "_prelu",
    lambda xp, x, y: xp.where(x > 0, x, y * x),
    lambda g, x, y: _where(x > 0, g, g * y),
    lambda g, x: g * (x * (x <= 0)),
    "",
    torch="PreluKernelBackward0",
)
_prelu.__doc__ = None


def prelu(input: Any, weight: Any) -> Any:
    """:func:`leaky_relu` with a learned slope, for all or for each channel (arXiv 1502.01852).

    .. math:: y = \\max(x, 0) + w \\min(x, 0)

    Shape:
        ``(n, c, *), (c) or (1) or () -> (n, c, *)``

    Raises:
        ShapeError: there are neither one nor ``c`` slopes. DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> w = tc.tensor([0.25], requires_grad=True)
    >>> tc.nn.functional.prelu(tc.tensor([-1., 2.]), w).sum().backward()
    >>> w.grad
    tensor([-1.])
    """
    shape, slopes = shape_of(input), shape_of(weight)
    if dtype_of(input) is not dtype_of(weight):
        raise DTypeError(
            "prelu: Type promoting not supported. Got "
            f"{type_name(input.array)} and {type_name(weight.array)}",
            f"Write weight.to({dtype_of(input)}), or convert the input.",
        )
    if len(slopes) > 1:
        raise ShapeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {len(slopes)}",
            "Write weight.flatten().",
        )
    if slopes not in ((), (1,)):
        if not shape:
            raise ShapeError(
                "Not allow zero-dim input tensor.", "A number has no channels: give one slope."
            )
        channels = shape[1] if len(shape) > 1 else 1
        if slopes != (channels,):
            raise ShapeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{slopes[0]} and channel size = {channels}.",
                f"Dimension 1 of the input, of shape {list(shape)}, counts the channels.",
            )
    if slopes:
        weight = reshape(weight, (-1,) + (1,) * max(len(shape) - 2, 0) if shape else ())
    return _prelu(input, weight)


@op
class Glu(Function):
    dim: int

    def forward(self, x: Array) -> Array:
        self.save(x)
        a, b = self.xp.split(x, 2, self.dim)
        return a * _sigmoid(self.xp, b)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        a, b = chunk(x, 2, self.dim)
        s = sigmoid(b)
        return (cat([g * s, g * a * s * (1 - s)], self.dim),)


def glu(input: Any, dim: int = -1) -> Any:
    """Gated linear unit: half of ``dim`` times the sigmoid of the other half (arXiv 1612.08083).

    .. math:: y = a / (1 + e^{-b})

    Shape:
        ``(*, 2 n, *) -> (*, n, *)``

    Raises:
        ShapeError: the size of ``dim`` is odd.

    >>> import tinyconv as tc
    >>> tc.nn.functional.glu(tc.tensor([4., 0.]))
    tensor([2.])
    """
    x = floating(input)
    if not ndim_of(x):
        raise ShapeError("glu does not support scalars because halving size must be even")
    d = wrap_dim(dim, ndim_of(x))
    if shape_of(x)[d] % 2:
        raise ShapeError(
            f"Halving dimension must be even, but dimension {d} is size {shape_of(x)[d]}",
            "One half is the value, the other the gate: the layer before must double its channels.",
        )
    return Glu(d)(x)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """:func:`softmax` of the negative: the smallest gets most.

    .. math:: y_i = e^{-x_i} / \\sum_j e^{-x_j}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.softmin(tc.tensor([0., 0.]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return softmax(neg(input), dim, dtype)


leaky_relu_, elu_, selu_, celu_ = map(in_place, (leaky_relu, elu, selu, celu))
hardtanh_, relu6_, threshold_ = map(in_place, (hardtanh, relu6, threshold))
