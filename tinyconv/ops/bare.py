"""What torch has a second time outside of ``nn.functional``, with fewer defaults or numbers for words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.inplace import inplace as in_place
from .dropout import alpha_dropout as _alpha_dropout
from .dropout import dropout as _dropout
from .dropout import feature_alpha_dropout as _feature_alpha_dropout
from .dropout import feature_dropout as _feature_dropout
from .likelihood_loss import poisson_nll_loss as _poisson
from .ranking_loss import cosine_embedding_loss as _cosine
from .ranking_loss import hinge_embedding_loss as _hinge
from .ranking_loss import margin_ranking_loss as _ranking
from .ranking_loss import triplet_margin_loss as _triplet
from .rrelu import drawn_slopes

REDUCTIONS = ("none", "mean", "sum")


def _bare(function: Callable[..., Any], inplace: bool = False) -> Callable[[Any, float, bool], Any]:
    """A dropout that has to be told everything."""

    def run(input: Any, p: float, train: bool) -> Any:
        return function(input, p, train, inplace)

    run.__name__ = run.__qualname__ = function.__name__ + "_" * inplace
    run.__doc__ = f":func:`nn.functional.{function.__name__}`{' in place' * inplace}."
    return run


dropout, dropout_ = _bare(_dropout), _bare(_dropout, True)
feature_dropout, feature_dropout_ = _bare(_feature_dropout), _bare(_feature_dropout, True)
alpha_dropout, alpha_dropout_ = _bare(_alpha_dropout), _bare(_alpha_dropout, True)
feature_alpha_dropout = _bare(_feature_alpha_dropout)
feature_alpha_dropout_ = _bare(_feature_alpha_dropout, True)


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Any:
    """:func:`nn.functional.rrelu`, from a generator."""
    return drawn_slopes(input, lower, upper, training, False, generator)


rrelu_ = in_place(rrelu)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 1) -> Any:
    """:func:`nn.functional.hinge_embedding_loss`; ``reduction`` is 0 (none), 1 (mean) or 2 (sum)."""
    return _hinge(input, target, margin, reduction=_word(reduction))


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1
) -> Any:
    """:func:`nn.functional.margin_ranking_loss`; ``reduction`` is 0 (none), 1 (mean) or 2 (sum)."""
    how = _word(reduction)
    return _ranking(input1, input2, target, margin, reduction=how)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1
) -> Any:
    """:func:`nn.functional.cosine_embedding_loss`; ``reduction`` is 0 (none), 1 (mean) or 2 (sum)."""
    how = _word(reduction)
    return _cosine(input1, input2, target, margin, reduction=how)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Any:
    """:func:`nn.functional.triplet_margin_loss`; ``reduction`` is 0 (none), 1 (mean) or 2 (sum)."""
    how = _word(reduction)
    return _triplet(anchor, positive, negative, margin, p, eps, swap, reduction=how)


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int
) -> Any:
    """:func:`nn.functional.poisson_nll_loss`; ``reduction`` is 0 (none), 1 (mean) or 2 (sum)."""
    how = _word(reduction)
    return _poisson(input, target, log_input, full, eps=eps, reduction=how)


def _word(reduction: int) -> str:
    if reduction not in range(3):
        raise TypeError(
            f"argument 'reduction' must be int, not {type(reduction).__name__}\n"
            "It is 0 for none, 1 for the mean, 2 for the sum; nn.functional takes words."
        )
    return REDUCTIONS[reduction]
