"""How far apart or how alike vectors are, as layers."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from .. import ops
from . import functional as F
from .layer import Layer
from .module import Module


class CosineSimilarity(Layer, function=F.cosine_similarity):
    dim: int = field(default=1, repr=False)
    eps: float = field(default=1e-8, repr=False)


class PairwiseDistance(Module):
    """Length of the difference of vectors, which lie along the last dimension.

    Args:
        p: of the p-norm. eps: keeps the gradient finite where the vectors are equal.

    Shape:
        ``(*, d), (*, d) -> (*)``; ``(*, 1)`` with ``keepdim``

    >>> import tinyconv as tc
    >>> tc.nn.PairwiseDistance()(tc.zeros(1, 2), tc.tensor([[3., 4.]]))
    tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        return ops.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
