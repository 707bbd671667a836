"""The fully connected layer, and its twin of two inputs."""

from __future__ import annotations

import math
from typing import Any

from .. import creation, ops
from ..errors import ArgumentError
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """Multiply by a matrix and add a vector.

    .. math:: y = x W^T + b

    Args:
        in_features, out_features: sizes of the last dimension before and after.
        bias: whether to add a vector.

    Shape:
        ``(*, in_features) -> (*, out_features)``

    >>> import tinyconv as tc
    >>> layer = tc.nn.Linear(3, 2)
    >>> layer(tc.ones(4, 3)).sum().backward()
    >>> layer.bias.grad
    tensor([4., 4.])
    """

    in_features: int
    out_features: int

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(
            creation.empty(out_features, in_features, device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(creation.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from +-1 / sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        return ops.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """Weigh all products of an element of one vector and one of another, and add a vector.

    .. math:: y_o = x_1^T W_o\\, x_2 + b_o

    Args:
        in1_features, in2_features, out_features: sizes of the last dimension of the inputs and of the output.
        bias: whether to add a vector.

    Shape:
        ``(*, in1_features), (*, in2_features) -> (*, out_features)``

    Raises:
        ArgumentError: ``in1_features`` is not positive.

    >>> import tinyconv as tc
    >>> layer = tc.nn.Bilinear(3, 2, 5)
    >>> layer(tc.ones(4, 3), tc.ones(4, 2)).sum().backward()
    >>> layer.bias.grad
    tensor([4., 4., 4., 4., 4.])
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ArgumentError(
                f"in1_features must be > 0, but got (in1_features={in1_features})",
                "A vector has elements.",
            )
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = out_features, in1_features, in2_features
        self.weight = Parameter(creation.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(creation.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from +-1 / sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        return ops.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
