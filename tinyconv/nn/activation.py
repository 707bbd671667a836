"""The non-linear functions as layers."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from .. import creation, ops
from ..errors import ArgumentError
from . import functional as F
from .layer import Layer
from .module import Module
from .parameter import Parameter


class ReLU(Layer, function=F.relu):
    inplace: bool = False


class LeakyReLU(Layer, function=F.leaky_relu):
    negative_slope: float = 0.01
    inplace: bool = False


class ELU(Layer, function=F.elu):
    alpha: float = 1.0
    inplace: bool = False


class CELU(Layer, function=F.celu):
    alpha: float = 1.0
    inplace: bool = False


class SELU(Layer, function=F.selu):
    inplace: bool = False


class GELU(Layer, function=F.gelu):
    approximate: str = "none"


class SiLU(Layer, function=F.silu):
    inplace: bool = False


class Mish(Layer, function=F.mish):
    inplace: bool = False


class Sigmoid(Layer, function=F.sigmoid):
    pass


class LogSigmoid(Layer, function=F.logsigmoid):
    pass


class Tanh(Layer, function=F.tanh):
    pass


class Tanhshrink(Layer, function=F.tanhshrink):
    pass


class Softsign(Layer, function=F.softsign):
    pass


class Softplus(Layer, function=F.softplus):
    beta: float = 1.0
    threshold: float = 20.0


class Hardtanh(Layer, function=F.hardtanh):
    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False

    def __post_init__(self) -> None:
        text = f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
        assert self.max_val > self.min_val, text


class ReLU6(Hardtanh, function=F.hardtanh):
    __doc__ = F.relu6.__doc__
    min_val: float = field(default=0.0, init=False)
    max_val: float = field(default=6.0, init=False)


class Hardsigmoid(Layer, function=F.hardsigmoid):
    inplace: bool = field(default=False, repr=False)


class Hardswish(Layer, function=F.hardswish):
    inplace: bool = field(default=False, repr=False)


class Threshold(Layer, function=F.threshold):
    threshold: float
    value: float
    inplace: bool = False


class Softshrink(Layer, function=F.softshrink):
    lambd: float = 0.5

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(Layer, function=F.hardshrink):
    lambd: float = 0.5

    def extra_repr(self) -> str:
        return str(self.lambd)


class GLU(Layer, function=F.glu):
    dim: int = -1


class Softmax(Layer, function=F.softmax):
    dim: int | None = None


class Softmin(Layer, function=F.softmin):
    dim: int | None = None


class LogSoftmax(Layer, function=F.log_softmax):
    dim: int | None = None


class Softmax2d(Module):
    """:func:`softmax` over the channels of each pixel.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``, with or without n

    Raises:
        ArgumentError: other numbers of dimensions.

    >>> import tinyconv as tc
    >>> tc.nn.Softmax2d()(tc.zeros(2, 1, 1)).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Any) -> Any:
        if input.dim() not in (3, 4):
            raise ArgumentError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead",
                "The dimensions are batch (or none), channels, height and width.",
            )
        return ops.softmax(input, -3)


class RReLU(Module):
    """:func:`leaky_relu` with a random slope for each number in training, and their mean otherwise.

    Args:
        lower, upper: between what the slopes lie.

    Shape:
        ``(*) -> (*)``

    Source: Xu et al., arXiv 1505.00853.

    >>> import tinyconv as tc
    >>> tc.nn.RReLU(0.2, 0.4).eval()(tc.tensor([-1., 2.]))
    tensor([-0.3000,  2.0000])
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        return ops.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + ", inplace=True" * self.inplace


class PReLU(Module):
    """:func:`leaky_relu` with a learned slope (arXiv 1502.01852).

    Args:
        num_parameters: 1, or one slope for each channel. init: the slopes at first.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    >>> import tinyconv as tc
    >>> tc.nn.PReLU()(tc.tensor([-1., 2.]))
    tensor([-0.2500,  2.0000], grad_fn=<PreluKernelBackward0>)
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(creation.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all slopes to ``init``."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Any) -> Any:
        return ops.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
