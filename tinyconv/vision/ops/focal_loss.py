"""A loss for classes of which one is rare."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import ArgumentError
from ...ops import binary_cross_entropy_with_logits
from ...tensor import Tensor

__all__ = ["sigmoid_focal_loss"]

_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda loss: loss,
    "mean": Tensor.mean,
    "sum": Tensor.sum,
}


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2,
    reduction: str = "none",
) -> Tensor:
    r"""Cross-entropy that counts less where the prediction is good already.

    .. math:: -\alpha_t\, (1 - p_t)^\gamma \log p_t

    where :math:`p_t` is the probability given to the right answer.

    Args:
        inputs: logits
        targets: 1 for the class, 0 for its absence
        alpha: weight of the ones, between 0 and 1; that of the zeros is ``1 - alpha``; -1 for none
        gamma: how fast what is easy loses weight
        reduction: ``"none"``, ``"mean"`` or ``"sum"``

    Shape:
        ``(*), (*) -> (*)``, or ``()`` with a reduction

    Raises:
        ArgumentError: ``alpha`` or ``reduction`` is none of these

    Source: Lin et al., Focal loss for dense object detection (arXiv 1708.02002).
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ArgumentError(
            f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.",
            "It is the weight of the ones among the targets.",
        )
    if reduction not in _REDUCTIONS:
        raise ArgumentError(
            f"Invalid Value for arg 'reduction': '{reduction}",
            "Supported reduction modes: 'none', 'mean', 'sum'",
        )
    p = inputs.sigmoid()
    entropy = binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = p * targets + (1 - p) * (1 - targets)
    loss = entropy * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _REDUCTIONS[reduction](loss)
