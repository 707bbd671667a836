"""Adagrad: gradients in units of all that came before."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed


@helper
def _adagrad_numbers(t, lr, maximize, decay, eps, lr_decay):
    return maximize, decay, eps, -lr / (1 + (t - 1) * lr_decay)


@helper
def _adagrad(g, p, s, maximize, decay, eps, rate):
    """p goes down the gradient, in units of the root of s, the sum of squares so far."""
    g = decayed(g, p, maximize, decay)
    s = s + g * g
    return p + g * rate / (np.sqrt(s) + eps), s


adagrad = Rule(_adagrad, _adagrad_numbers)


@adagrad.cpu
def _adagrad_loop(start, stop, g, numbers, p, s):
    g, p, s = g[start:stop], p[start:stop], s[start:stop]
    for i in range(len(p)):
        p[i], s[i] = _adagrad(g[i], p[i], s[i], *numbers)


class Adagrad(Elementwise):
    r"""Divide the gradient by the root of the sum of its squares.

    s ← s + g²;  p ← p - lr/(1 + (t - 1) lr_decay) g / (√s + eps)

    with g = ∇f + weight_decay p and t the number of updates; s starts at
    ``initial_accumulator_value``, the same in all groups. ``lr`` may be a tensor with one element.
    ``maximize`` climbs. ``foreach``, ``differentiable`` and ``fused`` are accepted and do not
    change the result.

    Raises ``ValueError`` for a negative setting.

    Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization" (2011).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.Adagrad([x], lr=1.0, initial_accumulator_value=3.0)
    >>> x.sum().backward()
    >>> optimizer.step()  # s is 3 + 1, so 4 - 1 / 2
    >>> x.item()
    3.5
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self.new_state(p, self.buffers(group))

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "sum": self.defaults["initial_accumulator_value"]}

    def update(
        self,
        first: bool,
        *,
        lr_decay: float,
        weight_decay: float,
        eps: float,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return adagrad, (maximize, weight_decay, eps, lr_decay)
