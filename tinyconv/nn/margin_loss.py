"""The losses with margins as layers: of embeddings, and of scores of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar
from typing import Any

from ..errors import ArgumentError
from . import functional as F
from .distance import PairwiseDistance
from .loss import Loss
from .module import Module

# ── of embeddings ─────────────────────────────────────────────────────────────────────────────


class HingeEmbeddingLoss(Loss, function=F.hinge_embedding_loss):
    margin: float = 1.0
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class MarginRankingLoss(Loss, function=F.margin_ranking_loss):
    margin: float = 0.0
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class CosineEmbeddingLoss(Loss, function=F.cosine_embedding_loss):
    margin: float = 0.0
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class TripletMarginLoss(Loss, function=F.triplet_margin_loss):
    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"

    def __post_init__(self, size_average: Any = None, reduce: Any = None) -> None:
        super().__post_init__(size_average, reduce)
        _need_margin(self)


class TripletMarginWithDistanceLoss(Module):
    """:func:`~tinyconv.nn.functional.triplet_margin_with_distance_loss` as a layer.

    Args:
        distance_function: of two tensors; unless given, :class:`PairwiseDistance`.
        margin, swap, reduction: as for that function.

    Shape:
        ``(n, *), (n, *), (n, *) -> ()``

    Raises:
        ArgumentError: ``margin`` is not positive.

    >>> import tinyconv as tc
    >>> loss = tc.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(-1))
    >>> loss(*tc.tensor([[0., 0.], [3., 4.], [0., 5.]]))
    tensor(3.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin, self.swap, self.reduction = margin, swap, reduction
        _need_margin(self)

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


def _need_margin(loss: Any) -> None:
    if loss.margin <= 0:
        raise ArgumentError(
            f"{type(loss).__name__}: expected margin to be greater than 0, got {loss.margin} instead",
            "Without one, all embeddings may be the same.",
        )


# ── of scores ─────────────────────────────────────────────────────────────────────────────────


class MultiMarginLoss(Loss, function=F.multi_margin_loss):
    tensors = ("weight",)
    p: int = 1
    margin: float = 1.0
    weight: Any = None
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"

    def __post_init__(self, size_average: Any = None, reduce: Any = None) -> None:
        super().__post_init__(size_average, reduce)
        if self.p not in (1, 2):
            raise ArgumentError("only p == 1 and p == 2 supported", f"It is {self.p}.")
        if self.weight is not None and self.weight.dim() != 1:
            raise ArgumentError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, got "
                f"{self.weight.dim()}D instead",
                "It is one factor for each class.",
            )


class MultiLabelMarginLoss(Loss, function=F.multilabel_margin_loss):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class SoftMarginLoss(Loss, function=F.soft_margin_loss):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class MultiLabelSoftMarginLoss(Loss, function=F.multilabel_soft_margin_loss):
    tensors = ("weight",)
    weight: Any = None
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"
