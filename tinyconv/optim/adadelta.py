"""Adadelta: steps in units of earlier steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..errors import ArgumentError
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed


@helper
def _adadelta_numbers(t, lr, maximize, decay, rho, eps):
    return maximize, decay, rho, 1 - rho, eps, -lr


@helper
def _adadelta(g, p, v, u, maximize, decay, rho, weight, eps, rate):
    """p goes down g √u / √v, where v is the mean of recent g², and u that of recent steps squared."""
    g = decayed(g, p, maximize, decay)
    v = v * rho + g * weight * g
    way = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    return p + way * rate, v, u * rho + way * weight * way


adadelta = Rule(_adadelta, _adadelta_numbers)


@adadelta.cpu
def _adadelta_loop(start, stop, g, numbers, p, v, u):
    g, p, v, u = g[start:stop], p[start:stop], v[start:stop], u[start:stop]
    for i in range(len(p)):
        p[i], v[i], u[i] = _adadelta(g[i], p[i], v[i], u[i], *numbers)


class Adadelta(Elementwise):
    r"""Steps that come in the units of the parameter, whatever those of the loss.

    v ← rho v + (1 - rho) g²;  d = √(u + eps) / √(v + eps) g;  u ← rho u + (1 - rho) d²;  p ← p - lr d

    with g = ∇f + weight_decay p. ``lr`` may be a tensor with one element; on a GPU it is read
    there. ``maximize`` climbs. ``capturable`` counts the updates on the GPU, for captured steps.
    ``foreach`` and ``differentiable`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative setting and for a ``rho`` above 1.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.Adadelta([x], rho=0.75, eps=0.75)
    >>> x.sum().backward()
    >>> optimizer.step()  # v is 1/4, so 4 - √0.75 / √(0.25 + 0.75)
    >>> x.detach()
    tensor([3.1340])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def settings(self, group: Group) -> dict[str, Any]:
        settings = super().settings(group)
        if not 0 <= settings["rho"] <= 1:
            raise ArgumentError(f"Invalid rho value: {group['rho']}", "It must be in [0, 1].")
        return settings

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "square_avg": 0.0, "acc_delta": 0.0}

    def update(
        self,
        first: bool,
        *,
        rho: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return adadelta, (maximize, weight_decay, rho, eps)
