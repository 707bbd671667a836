"""Gradient descent, with or without momentum."""

from __future__ import annotations

from typing import Any

from ..backend import helper
from ..errors import ArgumentError
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed


@helper
def _descend_numbers(t, lr, maximize, decay):
    return maximize, decay, lr


@helper
def _descend(g, p, maximize, decay, lr):
    """p goes down the gradient."""
    return p - decayed(g, p, maximize, decay) * lr


descend = Rule(_descend, _descend_numbers)


@descend.cpu
def _descend_loop(start, stop, g, numbers, p):
    g, p = g[start:stop], p[start:stop]
    for i in range(len(p)):
        p[i] = _descend(g[i], p[i], *numbers)


@helper
def _roll_numbers(t, lr, maximize, decay, momentum, gain, nesterov):
    return maximize, decay, lr, momentum, gain, nesterov


@helper
def _roll(g, p, b, maximize, decay, lr, momentum, gain, nesterov):
    """p goes down b, the sum of gradients that fade."""
    g = decayed(g, p, maximize, decay)
    b = b * momentum + g * gain
    way = g + b * momentum if nesterov else b
    return p - way * lr, b


roll = Rule(_roll, _roll_numbers)


@roll.cpu
def _roll_loop(start, stop, g, numbers, p, b):
    g, p, b = g[start:stop], p[start:stop], b[start:stop]
    for i in range(len(p)):
        p[i], b[i] = _roll(g[i], p[i], b[i], *numbers)


class SGD(Elementwise):
    r"""Stochastic gradient descent.

    g ← ∇f + weight_decay p;  b ← momentum b + (1 - dampening) g, at first b ← g;
    p ← p - lr b, with ``nesterov`` p ← p - lr (g + momentum b)

    ``lr`` may be a tensor with one element; on a GPU it is read there. ``maximize`` climbs.
    ``foreach``, ``differentiable`` and ``fused`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative ``lr``, ``momentum`` or ``weight_decay``.

    Momentum as in Sutskever et al., "On the importance of initialization and momentum in deep
    learning" (2013), except that lr multiplies the sum and not its terms.

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.SGD([x], lr=0.25, momentum=0.5)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x**2).sum().backward()
    ...     optimizer.step()
    >>> x.item()
    -1.0
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError(
                "Nesterov momentum requires a momentum and zero dampening",
                f"Got momentum={group['momentum']}, dampening={group['dampening']}: "
                "for instance momentum=0.9, dampening=0.",
            )

    def buffers(self, group: Group) -> Buffers:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def update(
        self,
        first: bool,
        *,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        if not momentum:
            return descend, (maximize, weight_decay)
        gain = 1 if first else 1 - dampening
        return roll, (maximize, weight_decay, momentum, gain, nesterov)
