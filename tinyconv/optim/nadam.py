"""NAdam: Adam that looks ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .adam import moments
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed, like


@helper
def _momentum(t, beta1, fade):
    """The momentum of an update: it grows from about half of β₁ to β₁."""
    return beta1 * (1 - 0.5 * 0.96 ** (t * fade))


@helper
def _nadam_count(t, lr, product, maximize, beta1, beta2, eps, decay, fade, decoupled):
    return (product * like(_momentum(t, beta1, fade), product),)


@helper
def _nadam_numbers(t, lr, product, maximize, beta1, beta2, eps, decay, fade, decoupled):
    keep = 1.0
    if decoupled:
        keep = 1 - lr * decay
        decay = 0.0
    now = -lr * (1 - _momentum(t, beta1, fade)) / (1 - product)
    ahead = _momentum(t + 1, beta1, fade)
    rate = -lr * ahead / (1 - product * ahead)
    weight = 1 - beta1
    return (
        maximize,
        decay,
        keep,
        weight,
        1 - weight,
        beta2,
        1 - beta2,
        1 - beta2**t,
        eps,
        now,
        rate,
    )


@helper
def _nadam(g, p, m, v, maximize, decay, keep, weight, rest, beta2, weight2, part, eps, now, rate):
    """p goes down the gradient and m, the mean of recent ones, in units of the root of v, that of their squares."""
    m, v = moments(g, p, m, v, maximize, decay, weight, rest, beta2, weight2)
    g = decayed(g, p, maximize, decay)
    if keep != 1:
        p = p * keep
    unit = np.sqrt(v / part) + eps
    return p + g * now / unit + m * rate / unit, m, v


nadam = Rule(_nadam, _nadam_numbers, _nadam_count)


@nadam.cpu
def _nadam_loop(start, stop, g, numbers, p, m, v):
    g, p, m, v = g[start:stop], p[start:stop], m[start:stop], v[start:stop]
    for i in range(len(p)):
        p[i], m[i], v[i] = _nadam(g[i], p[i], m[i], v[i], *numbers)


class NAdam(Elementwise):
    r"""Adam with Nesterov's momentum, which grows.

    μₜ = β₁ (1 - 0.96^(t momentum_decay) / 2);  m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    p ← p - lr ((1 - μₜ) g/(1 - μ₁⋯μₜ) + μₜ₊₁ m/(1 - μ₁⋯μₜ₊₁)) / (√(v/(1 - β₂ᵗ)) + eps)

    with g = ∇f + weight_decay p and t the number of updates. With ``decoupled_weight_decay`` instead
    p ← (1 - lr weight_decay) p comes first. ``lr`` and ``betas`` may be tensors with one element; a
    rate on a GPU is read there. ``maximize`` climbs. ``capturable`` counts the updates on the GPU,
    and keeps the product of the μ there, so that a captured step goes on. ``foreach`` and
    ``differentiable`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative ``lr``, ``eps``, ``weight_decay`` or ``momentum_decay`` and
    for a β outside [0, 1).

    Dozat, "Incorporating Nesterov Momentum into Adam" (2016).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.NAdam([x], lr=0.5, betas=(0.0, 0.5))
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> x.item()
    3.5
    """

    counters = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "mu_product": 1.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(
        self,
        first: bool,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        momentum_decay: float,
        decoupled_weight_decay: bool,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        settings = maximize, *betas, eps, weight_decay, momentum_decay, decoupled_weight_decay
        return nadam, settings
