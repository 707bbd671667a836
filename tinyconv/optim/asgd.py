"""ASGD: gradient descent, and the mean of where it came along."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed, single


@helper
def _asgd_count(t, lr, eta, mu, maximize, decay, lambd, alpha, t0):
    return single(lr / (1 + lambd * lr * t) ** alpha), single(1 / np.maximum(t - t0, 1.0))


@helper
def _asgd_numbers(t, lr, eta, mu, maximize, decay, lambd, alpha, t0):
    return maximize, decay, 1 - lambd * eta, eta, mu


@helper
def _asgd(g, p, mean, maximize, decay, keep, eta, mu):
    """p goes down the gradient, and ``mean`` follows it."""
    p = p * keep - decayed(g, p, maximize, decay) * eta
    return p, p if mu == 1 else mean + (p - mean) * mu


asgd = Rule(_asgd, _asgd_numbers, _asgd_count, late=True)


@asgd.cpu
def _asgd_loop(start, stop, g, numbers, p, mean):
    g, p, mean = g[start:stop], p[start:stop], mean[start:stop]
    for i in range(len(p)):
        p[i], mean[i] = _asgd(g[i], p[i], mean[i], *numbers)


class ASGD(Elementwise):
    r"""Stochastic gradient descent whose places are averaged; the means lie in the state, under ``"ax"``.

    p ← (1 - lambd η) p - η g;  a ← a + μ (p - a);  η ← lr / (1 + lambd lr t)^alpha;  μ ← 1 / max(1, t - t0)

    with g = ∇f + weight_decay p and t the number of updates; at first η = lr and μ = 1. ``lr`` may be
    a tensor with one element. ``maximize`` climbs. ``capturable`` counts the updates on the GPU, and
    keeps η and μ there, for captured steps. ``foreach`` and ``differentiable`` are accepted and do
    not change the result.

    Raises ``ValueError`` for a negative ``lr`` or ``weight_decay``.

    Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.ASGD([x], lr=0.5, lambd=0.0, t0=0.0)
    >>> for _ in range(3):  # 3.5, 3, 2.5
    ...     optimizer.zero_grad()
    ...     x.sum().backward()
    ...     optimizer.step()
    >>> optimizer.state[x]["ax"].item()
    2.75
    """

    counters = ("step", "eta", "mu")
    nonnegative = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "eta": group["lr"], "mu": 1.0, "ax": 0.0}

    def update(
        self,
        first: bool,
        *,
        lambd: float,
        alpha: float,
        t0: float,
        weight_decay: float,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return asgd, (maximize, weight_decay, lambd, alpha, t0)
