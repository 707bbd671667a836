"""Normalisation layers that subtract no mean."""

from __future__ import annotations

from typing import Any

from .. import creation, ops
from . import functional as F
from . import init
from .layer import Layer
from .module import Module
from .parameter import Parameter


class LocalResponseNorm(Layer, function=F.local_response_norm):
    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class RMSNorm(Module):
    """Divide each element of the batch by its root mean square over the last dimensions, then scale.

    Args:
        normalized_shape: the last dimensions.
        eps: added to the mean square; unless given, the distance from 1 to the next number of the type.
        elementwise_affine: whether to scale each element by a learned factor, 1 at first.

    Shape:
        ``(n, *) -> (n, *)``

    Source: Zhang & Sennrich, arXiv 1910.07467.

    >>> import tinyconv as tc
    >>> tc.nn.RMSNorm(2)(tc.tensor([[1., 7.]]))
    tensor([[0.2000, 1.4000]], grad_fn=<MulBackward0>)
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        whole = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = None
        if elementwise_affine:
            weight = Parameter(creation.empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale one."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
