"""Adamax: Adam with the largest gradient where the root of mean squares stood."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed, lerp


@helper
def _adamax_numbers(t, lr, maximize, beta1, beta2, eps, decay):
    return maximize, decay, 1 - beta1, 1 - (1 - beta1), beta2, eps, -lr / (1 - beta1**t)


@helper
def _adamax(g, p, m, u, maximize, decay, weight, rest, beta2, eps, rate):
    """p goes down m, the mean of recent gradients, in units of u, the largest of them."""
    g = decayed(g, p, maximize, decay)
    m = lerp(m, g, weight, rest)
    u = np.maximum(u * beta2, np.abs(g) + eps)
    return p + m * rate / u, m, u


adamax = Rule(_adamax, _adamax_numbers)


@adamax.cpu
def _adamax_loop(start, stop, g, numbers, p, m, u):
    g, p, m, u = g[start:stop], p[start:stop], m[start:stop], u[start:stop]
    for i in range(len(p)):
        p[i], m[i], u[i] = _adamax(g[i], p[i], m[i], u[i], *numbers)


class Adamax(Elementwise):
    r"""Adam in the maximum norm: in units of the largest recent gradient.

    m ← β₁ m + (1 - β₁) g;  u ← max(β₂ u, |g| + eps);  p ← p - lr m/(1 - β₁ᵗ) / u

    with g = ∇f + weight_decay p and t the number of updates. ``lr`` and ``betas`` may be tensors
    with one element; a rate on a GPU is read there. ``maximize`` climbs. ``capturable`` counts the
    updates on the GPU, so that a captured step goes on. ``foreach`` and ``differentiable`` are
    accepted and do not change the result.

    Raises ``ValueError`` for a negative ``lr``, ``eps`` or ``weight_decay`` and for a β outside [0,
    1).

    Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), section 7.1.

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0, 0.004], requires_grad=True)
    >>> optimizer = tc.optim.Adamax([x], lr=0.5)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x.detach()
    tensor([ 3.5000, -0.4960])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "exp_avg": 0.0, "exp_inf": 0.0}

    def update(
        self,
        first: bool,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return adamax, (maximize, *betas, eps, weight_decay)
