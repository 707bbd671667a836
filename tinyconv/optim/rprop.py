"""Rprop: gradients tell where to go, and their signs how far."""

from __future__ import annotations

from typing import Any

from ..backend import either, helper
from ..errors import ArgumentError
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule


@helper
def _rprop_numbers(t, lr, maximize, minus, plus, low, high):
    return maximize, minus, 1, plus, low, high, 0


@helper
def _rprop(g, p, before, size, maximize, minus, one, plus, low, high, zero):
    """p goes down by ``size``, which grows while g keeps its sign; where that has changed p stays, for once."""
    if maximize:
        g = -g
    agreed = g * before
    size = size * either(agreed > 0, plus, either(agreed < 0, minus, one))
    size = either(size < low, low, either(size > high, high, size))
    g = either(agreed < 0, zero, g)
    return p - either(g > 0, size, either(g < 0, -size, zero)), g, size


rprop = Rule(_rprop, _rprop_numbers)


@rprop.cpu
def _rprop_loop(start, stop, g, numbers, p, before, size):
    g, p, before, size = g[start:stop], p[start:stop], before[start:stop], size[start:stop]
    for i in range(len(p)):
        p[i], before[i], size[i] = _rprop(g[i], p[i], before[i], size[i], *numbers)


class Rprop(Elementwise):
    r"""Steps of a size of their own for each number, whatever its gradient: for whole batches.

    s ← η₊ s if the gradient has its sign of before, η₋ s if it has the other, within ``step_sizes``;
    p ← p - s sign(∇f), but where the sign has changed p stays and the gradient counts as 0

    with (η₋, η₊) = ``etas``; s starts at ``lr``. ``maximize`` climbs. ``capturable`` counts the
    updates on the GPU, for captured steps. ``foreach`` and ``differentiable`` are accepted and do
    not change the result.

    Raises ``ValueError`` for a negative ``lr`` and unless 0 < η₋ < 1 < η₊.

    Riedmiller & Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
    Algorithm" (1993).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.Rprop([x], lr=1.0, etas=(0.5, 2.0))
    >>> for _ in range(3):  # 4 - 1 - 2 - 4, too far
    ...     optimizer.zero_grad()
    ...     (x**2).sum().backward()
    ...     optimizer.step()
    >>> x.item()
    -3.0
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def settings(self, group: Group) -> dict[str, Any]:
        settings = super().settings(group)
        for name, example in (("etas", "(0.5, 1.2)"), ("step_sizes", "(1e-6, 50)")):
            if not isinstance(settings[name], tuple) or len(settings[name]) != 2:
                raise ArgumentError(
                    f"Invalid {name}: {group[name]}", f"Write a pair: {name}={example}."
                )
        minus, plus = settings["etas"]
        if not 0 < minus < 1 < plus:
            raise ArgumentError(
                f"Invalid eta values: {group['etas'][0]}, {group['etas'][1]}",
                "Steps shrink by the first and grow by the second: etas=(0.5, 1.2).",
            )
        return settings

    def buffers(self, group: Group) -> Buffers:
        return {"step": 0.0, "prev": 0.0, "step_size": group["lr"]}

    def update(
        self,
        first: bool,
        *,
        etas: tuple[float, float],
        step_sizes: tuple[float, float],
        maximize: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        return rprop, (maximize, *etas, *step_sizes)
