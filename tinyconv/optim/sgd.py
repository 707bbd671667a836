"""Gradient descent, with or without momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array
from ..errors import ArgumentError
from ..tensor import Tensor
from .elementwise import Elementwise
from .optimizer import Group, Params, State


class SGD(Elementwise):
    r"""Stochastic gradient descent.

    g ← ∇f + weight_decay p;  b ← momentum b + (1 - dampening) g, at first b ← g;
    p ← p - lr b, with ``nesterov`` p ← p - lr (g + momentum b)

    ``lr`` may be a tensor with one element. ``maximize`` climbs. ``foreach``, ``differentiable``
    and ``fused`` are accepted and do not change the result.

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

    def buffers(self, group: Group) -> dict[str, float | None]:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def update(
        self,
        p: Array,
        g: Array,
        state: State,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        nesterov: bool,
        **_: Any,
    ) -> None:
        if momentum:
            if state.get("momentum_buffer") is None:
                b = np.empty_like(p)
                b[...] = g
                state["momentum_buffer"] = Tensor.wrap(b)
            else:
                b = state["momentum_buffer"].array
                b *= momentum
                b += g * (1 - dampening)
            g = g + b * momentum if nesterov else b
        p -= g * lr
