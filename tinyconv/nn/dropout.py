"""Dropout layers."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import ArgumentError
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zero each element with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(*) -> (*)``

    Source: Srivastava et al., JMLR 15 (2014).

    >>> import tinyconv as tc
    >>> tc.nn.Dropout(0.5).eval()(tc.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return ops.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training, zero whole channels with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, w) -> (n, c, w)``, with or without n

    Source: Tompson et al., arXiv 1411.4280.
    """

    def forward(self, input: Any) -> Any:
        return ops.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training, zero whole channels with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``

    Source: Tompson et al., arXiv 1411.4280.
    """

    def forward(self, input: Any) -> Any:
        return ops.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training, zero whole channels with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, d, h, w) -> (n, c, d, h, w)``, with or without n

    Source: Tompson et al., arXiv 1411.4280.
    """

    def forward(self, input: Any) -> Any:
        return ops.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """:class:`Dropout` for networks of :class:`SELU`: mean 0 and variance 1 stay what they are.

    Shape:
        ``(*) -> (*)``

    Source: Klambauer et al., arXiv 1706.02515.

    >>> import tinyconv as tc
    >>> tc.nn.AlphaDropout(0.5).eval()(tc.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return ops.alpha_dropout(input, self.p, self.training)  # never in place, as in torch


class FeatureAlphaDropout(_Dropout):
    """:class:`AlphaDropout` of whole channels.

    Shape:
        ``(n, c, *) -> (n, c, *)``
    """

    def forward(self, input: Any) -> Any:
        return ops.feature_alpha_dropout(
            input, self.p, self.training
        )  # never in place, as in torch
