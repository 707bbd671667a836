"""RMSprop: gradients in units of their own recent size."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed, lerp


@helper
def _numbers(t, lr, maximize, decay, alpha, eps, momentum):
    return maximize, decay, 1 - alpha, 1 - (1 - alpha), alpha, eps, -lr, momentum


@helper
def _squares(g, v, weight, alpha):
    return v * alpha + g * weight * g


@helper
def _plain(g, p, v, maximize, decay, weight, rest, alpha, eps, rate, momentum):
    """p goes down the gradient, in units of the root of v, the mean of recent squares."""
    g = decayed(g, p, maximize, decay)
    v = _squares(g, v, weight, alpha)
    return p + g * rate / (np.sqrt(v) + eps), v


@helper
def _rolling(g, p, v, b, maximize, decay, weight, rest, alpha, eps, rate, momentum):
    """p goes down b, the sum of such steps that fade."""
    g = decayed(g, p, maximize, decay)
    v = _squares(g, v, weight, alpha)
    b = b * momentum + g / (np.sqrt(v) + eps)
    return p + b * rate, v, b


@helper
def _centered(g, p, v, mean, maximize, decay, weight, rest, alpha, eps, rate, momentum):
    """The square of the recent mean is taken off v, under the root."""
    g = decayed(g, p, maximize, decay)
    v = _squares(g, v, weight, alpha)
    mean = lerp(mean, g, weight, rest)
    return p + g * rate / (np.sqrt(v - mean * mean) + eps), v, mean


@helper
def _centered_rolling(g, p, v, b, mean, maximize, decay, weight, rest, alpha, eps, rate, momentum):
    """Both."""
    g = decayed(g, p, maximize, decay)
    v = _squares(g, v, weight, alpha)
    mean = lerp(mean, g, weight, rest)
    b = b * momentum + g / (np.sqrt(v - mean * mean) + eps)
    return p + b * rate, v, b, mean


rmsprop = Rule(_plain, _numbers)


@rmsprop.cpu
def _rmsprop_loop(start, stop, g, numbers, p, v):
    g, p, v = g[start:stop], p[start:stop], v[start:stop]
    for i in range(len(p)):
        p[i], v[i] = _plain(g[i], p[i], v[i], *numbers)


rolling = Rule(_rolling, _numbers)


@rolling.cpu
def _rolling_loop(start, stop, g, numbers, p, v, b):
    g, p, v, b = g[start:stop], p[start:stop], v[start:stop], b[start:stop]
    for i in range(len(p)):
        p[i], v[i], b[i] = _rolling(g[i], p[i], v[i], b[i], *numbers)


centered = Rule(_centered, _numbers)


@centered.cpu
def _centered_loop(start, stop, g, numbers, p, v, mean):
    g, p, v, mean = g[start:stop], p[start:stop], v[start:stop], mean[start:stop]
    for i in range(len(p)):
        p[i], v[i], mean[i] = _centered(g[i], p[i], v[i], mean[i], *numbers)


centered_rolling = Rule(_centered_rolling, _numbers)


@centered_rolling.cpu
def _centered_rolling_loop(start, stop, g, numbers, p, v, b, mean):
    g, p, v, b, mean = g[start:stop], p[start:stop], v[start:stop], b[start:stop], mean[start:stop]
    for i in range(len(p)):
        p[i], v[i], b[i], mean[i] = _centered_rolling(g[i], p[i], v[i], b[i], mean[i], *numbers)


# By whether the steps are summed up, and whether the recent mean is taken off.
RULES = {
    (False, False): rmsprop,
    (True, False): rolling,
    (False, True): centered,
    (True, True): centered_rolling,
}


class RMSprop(Elementwise):
    r"""Divide the gradient by the root of its recent mean square.

    v ← alpha v + (1 - alpha) g²;  p ← p - lr g / (√v + eps)

    with g = ∇f + weight_decay p. ``centered`` subtracts the square of the recent mean of g under
    the root; ``momentum`` sums the steps up, b ← momentum b + g / (√v + eps) and p ← p - lr b.
    ``lr`` may be a tensor with one element; on a GPU it is read there. ``maximize`` climbs.
    ``capturable`` counts the updates on the GPU, for captured steps. ``foreach`` and
    ``differentiable`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative setting.

    Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6.5 (2012); centered: Graves,
    "Generating Sequences With Recurrent Neural Networks" (2013).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.RMSprop([x], lr=0.5, alpha=0.75)
    >>> x.sum().backward()
    >>> optimizer.step()  # v is 1/4, so 4 - 0.5 / 0.5
    >>> x.item()
    3.0
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        names = ["step", "square_avg"]
        names += ["momentum_buffer"] * (group["momentum"] > 0)
        names += ["grad_avg"] * bool(group["centered"])
        return dict.fromkeys(names, 0.0)

    def update(
        self,
        first: bool,
        *,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        rule = RULES[momentum > 0, bool(centered)]
        return rule, (maximize, weight_decay, alpha, eps, momentum)
