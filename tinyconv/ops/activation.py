"""The smooth non-linear functions between layers.

Those without settings are rows of the table of element-wise functions; those with settings are
Functions whose fields are the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace as in_place
from ..autograd.inplace import write
from ..backend import Array
from ..errors import ShapeError
from ..shapes import wrap_dim
from ._common import dtype_of, floating, ndim_of, not_implemented, select, shape_of
from ._rows import _DOC, Unary, unary
from .elementwise import _erf, _sigmoid, erf, exp, log1p, neg, sigmoid, tanh
from .joining import cat
from .slices import chunk
from .softmax import Softmax, _run

# ── without settings ──────────────────────────────────────────────────────────────────────────


def _row(
    name: str,
    value: Callable[[Any, Array], Array],
    derivative: Callable[..., Any],
    doc: str,
    torch: str = "",
    kernel: str = "",
    integers: bool = False,
) -> Callable[[Any], Any]:
    """Declare one row of the table; ``kernel`` is torch's loop, where that takes no integers."""
    run = unary(name, value, derivative, doc, torch=torch, integers=integers)

    def function(input: Any) -> Any:
        return run(floats(input, kernel) if kernel else input)

    function.__name__ = function.__qualname__ = name
    first, _, formula = doc.partition(" | ")
    function.__doc__ = _DOC.format(
        first=first, formula=formula, name=f"nn.functional.{name}", at="[-0.7, 0.3]"
    )
    return function


def floats(x: Any, kernel: str) -> Any:
    """``x``, unless it holds integers, which torch's loop of this name refuses."""
    if not dtype_of(x).is_floating_point:
        raise not_implemented(kernel, x.array, "Write input.float() first.")
    return x


def _result(x: Any, y: Any, inplace: bool) -> Any:
    """``y``, or on request ``x`` with the values of ``y`` written into it."""
    if inplace:
        write(x, y)
        return x
    return y


def _logsigmoid(xp: Any, x: Array) -> Array:
    return xp.minimum(x, x.dtype.type(0)) - xp.log1p(xp.exp(-xp.abs(x)))  # never overflows


def _mish_slope(g: Any, x: Any) -> Any:
    t = tanh(log1p(exp(x)))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def _softsign_slope(g: Any, x: Any) -> Any:
    size = abs(x)
    divisor = 1 + size
    return g * (1 - size / divisor) / divisor


logsigmoid = _row(
    "logsigmoid",
    _logsigmoid,
    lambda g, x: g * sigmoid(-x),
    r"Logarithm of the logistic function, without overflow. | y = -\ln(1 + e^{-x})",
    "LogSigmoidBackward0",
    kernel="log_sigmoid_cpu",
)
silu = _row(
    "silu",
    lambda xp, x: x * _sigmoid(xp, x),
    lambda g, x: g * (sigmoid(x) * (1 + x * sigmoid(-x))),
    r"Sigmoid-weighted linear unit (arXiv 1702.03118). | y = x / (1 + e^{-x})",
    kernel="silu_cpu",
)
mish = _row(
    "mish",
    lambda xp, x: x * xp.tanh(-_logsigmoid(xp, -x)),
    _mish_slope,
    r"Self-regularised unit (arXiv 1908.08681). | y = x \tanh(\ln(1 + e^x))",
    kernel="mish_cpu",
)
softsign = _row(
    "softsign",
    lambda xp, x: floating(x) / floating(1 + xp.abs(x)),  # where integers wrap around
    _softsign_slope,
    r"A slower :func:`tanh`. | y = x / (1 + |x|)",
    "DivBackward0",
    integers=True,
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
class Elu(Unary):
    """All kinds: ``scale x`` for positive x, ``scale alpha (e^(rate x) - 1)`` for negative."""

    keeps = ("x",)
    alpha: float
    scale: float = 1.0
    rate: float = 1.0

    def value(self, xp: Any, x: Array) -> Array:
        bent = xp.expm1(self._rated(x)) * (self.alpha * self.scale)
        return xp.where(x > 0, x * self.scale, bent)

    def derivative(self, g: Any, x: Any) -> Any:
        steep = self.alpha * self.scale * self.rate
        slope = exp(self._rated(select(x >= 0, 0, x)))  # else it overflows on the side not taken
        if steep != 1:
            slope = slope * steep
        return g * (slope if steep == self.scale else select(x > 0, self.scale, slope))

    def _rated(self, x: Any) -> Any:
        return x if self.rate == 1 else x * self.rate


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
    return _result(input, Elu(float(alpha))(floats(input, "elu_cpu")), inplace)


def selu(input: Any, inplace: bool = False) -> Any:
    """Self-normalising :func:`elu`: keeps mean 0 and variance 1 (arXiv 1706.02515).

    .. math:: y = \\lambda (\\max(x, 0) + \\min(\\alpha (e^x - 1), 0))

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.selu(tc.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return _result(
        input, Elu(1.6732632423543772, 1.0507009873554805)(floats(input, "elu_cpu")), inplace
    )


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
    return _result(input, Celu(float(alpha), 1.0, 1 / alpha)(floats(input, "elu_cpu")), inplace)


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
    return Gelu(approximate)(floats(input, "GeluKernelImpl"))


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
        return select(z > self.threshold, g, g * sigmoid(z))


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
    return Softplus(float(beta), float(threshold))(floats(input, "softplus_cpu"))


# ── along a dimension ─────────────────────────────────────────────────────────────────────────


@op
class Glu(Function):
    widens = "always"
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
    x = floats(input, "glu_cpu")
    if not ndim_of(x):
        raise ShapeError("glu does not support scalars because halving size must be even")
    d = wrap_dim(dim, ndim_of(x))
    if shape_of(x)[d] % 2:
        raise ShapeError(
            f"Halving dimension must be even, but dimension {d} is size {shape_of(x)[d]}",
            "One half is the value, the other the gate: the layer before must double its channels.",
        )
    return Glu(d)(x)


def softmin(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """:func:`softmax` of the negative: the smallest gets most.

    .. math:: y_i = e^{-x_i} / \\sum_j e^{-x_j}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.softmin(tc.tensor([0., 0.]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return _run("softmin", Softmax, neg(input), dim, dtype)


elu_, selu_, celu_ = in_place(elu), in_place(selu), in_place(celu)
