"""A choice among classes that has a gradient."""

from __future__ import annotations

from typing import Any

from ..backend import XP
from .elementwise import log
from .random import exponential_
from .softmax import softmax


def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """Draw from the classes along ``dim``, by the probabilities whose logarithms are given, softly.

    .. math:: y = \\mathrm{softmax}((x + g) / \\tau), \\quad g = -\\ln(-\\ln u)

    Args:
        logits: logarithms of probabilities, up to a constant
        tau: temperature: the smaller, the closer to one class
        hard: return ones and zeros, which have the gradient of the soft choice
        eps: not used; there for torch's sake
        dim: the dimension of the classes

    Shape:
        ``(*) -> (*)``

    Source: Jang, Gu and Poole, arXiv:1611.01144.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[0.0, 50.0, 0.0]], requires_grad=True)
    >>> tc.nn.functional.gumbel_softmax(x, hard=True).argmax(1)
    tensor([1])
    """
    xp = XP[type(logits.array)]
    noise = -log(exponential_(logits.wrap(xp.empty_like(logits.array))))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    y = soft.array
    classes = xp.arange(y.shape[dim]).reshape(-1, *(1,) * (y.ndim - 1 - dim % y.ndim))
    chosen = (classes == y.argmax(dim, keepdims=True)).astype(y.dtype)
    return logits.wrap(chosen - y) + soft
