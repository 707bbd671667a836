"""RAdam: Adam that begins with momentum alone, until it knows how large gradients are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .adam import moments
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule


@helper
def _radam_numbers(t, lr, maximize, beta1, beta2, eps, decay, decoupled):
    keep = 1.0
    if decoupled:
        keep = 1 - lr * decay
        decay = 0.0
    part = 1 - beta2**t
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / part  # how many squares v is a mean of
    rectified = 0.0
    if length > 5:
        rectified = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    weight = 1 - beta1
    return (maximize, decay, keep, weight, 1 - weight, beta2, 1 - beta2, 1 - beta1**t, part**0.5, eps, lr,
            rectified**0.5)  # fmt: skip


@helper
def _radam(
    g, p, m, v, maximize, decay, keep, weight, rest, beta2, weight2, part, root, eps, lr, rectified
):
    """p goes down m, the mean of recent gradients, and once the root of v means something, in its units."""
    m, v = moments(g, p, m, v, maximize, decay, weight, rest, beta2, weight2)
    if keep != 1:
        p = p * keep
    way = m / part * lr
    if rectified != 0:
        way = way * (root / (np.sqrt(v) + eps)) * rectified
    return p - way, m, v


radam = Rule(_radam, _radam_numbers)


@radam.cpu
def _radam_loop(start, stop, g, numbers, p, m, v):
    g, p, m, v = g[start:stop], p[start:stop], m[start:stop], v[start:stop]
    for i in range(len(p)):
        p[i], m[i], v[i] = _radam(g[i], p[i], m[i], v[i], *numbers)


class RAdam(Elementwise):
    r"""Adam with its steps scaled by how well the mean of squares is known.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  ρ = ρ∞ - 2 t β₂ᵗ/(1 - β₂ᵗ),  ρ∞ = 2/(1 - β₂) - 1;
    p ← p - lr m/(1 - β₁ᵗ) r √(1 - β₂ᵗ) / (√v + eps),  r² = (ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ)

    with g = ∇f + weight_decay p and t the number of updates; while ρ ≤ 5, p ← p - lr m/(1 - β₁ᵗ).
    With ``decoupled_weight_decay`` instead p ← (1 - lr weight_decay) p comes first. ``lr`` and
    ``betas`` may be tensors with one element; a rate on a GPU is read there. ``maximize`` climbs.
    ``capturable`` counts the updates on the GPU, so that a captured step goes on. ``foreach`` and
    ``differentiable`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative ``lr``, ``eps`` or ``weight_decay`` and for a β outside [0,
    1).

    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.RAdam([x], lr=0.5)
    >>> (2 * x).sum().backward()
    >>> optimizer.step()  # as if by plain descent, for now
    >>> x.item()
    3.0
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(
        self,
        first: bool,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return radam, (maximize, *betas, eps, weight_decay, decoupled_weight_decay)
