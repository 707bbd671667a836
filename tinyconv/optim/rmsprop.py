"""RMSprop: gradients in units of their own recent size."""

from __future__ import annotations

from typing import Any

from ..backend import Kernel
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .update import Numbers, decayed, lerp


@Kernel
def rmsprop(xp, g, numbers, p, v, *more):
    """p goes down the gradient, in units of the root of v, the mean of recent squares.

    With ``momentum`` it goes down b, the sum of such steps that fade; ``centered`` takes the square of
    the recent mean off v. These two are ``more``.
    """
    maximize, decay, weight, rest, alpha, eps, rate, momentum, centered = numbers
    g = decayed(g, p, maximize, decay)
    v *= alpha
    v += g * weight * g
    spread = v
    if centered:
        mean = more[-1]
        mean[...] = lerp(mean, g, weight, rest)
        spread = v - mean * mean
    spread = xp.sqrt(spread)
    spread += eps
    if momentum:
        b = more[0]
        b *= momentum
        b += g / spread
        p += b * rate
    else:
        p += g * rate / spread


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

    def buffers(self, group: Group) -> Buffers:
        names = ["step", "square_avg"]
        names += ["momentum_buffer"] * (group["momentum"] > 0)
        names += ["grad_avg"] * bool(group["centered"])
        return dict.fromkeys(names, 0.0)

    def update(
        self,
        t: float,
        first: bool,
        *,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
        **_: Any,
    ) -> tuple[Kernel, Numbers]:
        numbers = maximize, weight_decay, 1 - alpha, 1 - (1 - alpha), alpha, eps, -lr
        return rmsprop, (*numbers, momentum, centered)
