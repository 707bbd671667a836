"""Networks whose branches are left out at random while they are trained."""

from __future__ import annotations

from ... import creation, nn
from ...errors import ArgumentError
from ...tensor import Tensor

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """In training, zero all of ``input`` with probability ``p``, or else divide it by ``1 - p``.

    Args:
        p: probability of zeros
        mode: ``"batch"`` decides once, ``"row"`` for each entry of the batch

    Shape:
        ``(n, *) -> (n, *)``

    Raises:
        ArgumentError: ``p`` is no probability, or ``mode`` another word

    Source: Huang et al., Deep networks with stochastic depth (arXiv 1603.09382).

    >>> stochastic_depth(creation.ones(2, 2), 1.0, "row")
    tensor([[0., 0.],
            [0., 0.]])
    """
    if p < 0.0 or p > 1.0:
        raise ArgumentError(
            f"drop probability has to be between 0 and 1, but got {p}",
            "It is the probability that a branch is left out.",
        )
    if mode not in ("batch", "row"):
        raise ArgumentError(
            f"mode has to be either 'batch' or 'row', but got {mode}",
            "'row' decides for each image of a batch, 'batch' for all at once.",
        )
    if not training or p == 0.0:
        return input
    survival = 1.0 - p
    rows = input.shape[0] if mode == "row" else 1
    shape = (rows, *[1] * (input.ndim - 1))
    noise = creation.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(survival)
    if survival > 0.0:
        noise.div_(survival)
    return input * noise


class StochasticDepth(nn.Module):
    """:func:`stochastic_depth` as a layer."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
