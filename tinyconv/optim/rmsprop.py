"""RMSprop: gradients in units of their own recent size."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array
from ..tensor import Tensor
from .elementwise import Elementwise, add_product, add_quotient, lerp
from .optimizer import Group, Params, State


class RMSprop(Elementwise):
    r"""Divide the gradient by the root of its recent mean square.

    v ← alpha v + (1 - alpha) g²;  p ← p - lr g / (√v + eps)

    with g = ∇f + weight_decay p. ``centered`` subtracts the square of the recent mean of g under
    the root; ``momentum`` sums the steps up, b ← momentum b + g / (√v + eps) and p ← p - lr b.
    ``lr`` may be a tensor with one element. ``maximize`` climbs. ``capturable``, ``foreach`` and
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

    def buffers(self, group: Group) -> dict[str, float | None]:
        names = ["step", "square_avg"]
        names += ["momentum_buffer"] * (group["momentum"] > 0)
        names += ["grad_avg"] * bool(group["centered"])
        return dict.fromkeys(names, 0.0)

    def update(
        self,
        p: Array,
        g: Array,
        state: State,
        *,
        lr: float,
        alpha: float,
        eps: float,
        momentum: float,
        centered: bool,
        **_: Any,
    ) -> None:
        v = state["square_avg"].array
        v *= alpha
        add_product(v, g, g, 1 - alpha)
        if centered:
            mean = state["grad_avg"].array
            lerp(mean, g, 1 - alpha)
            v = v - mean * mean
        spread = np.sqrt(v)
        spread += eps
        if momentum:
            b = state["momentum_buffer"].array
            b *= momentum
            b += g / spread
            p -= b * lr
        else:
            add_quotient(p, g, spread, -lr)
