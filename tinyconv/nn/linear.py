"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

from .. import creation, ops
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
