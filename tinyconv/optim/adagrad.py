"""Adagrad: gradients in units of all that came before."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array
from ..tensor import Tensor
from .elementwise import Elementwise, add_product, add_quotient
from .optimizer import Group, Params, State


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
                self.state[p] = self.new_state(p, group)

    def buffers(self, group: Group) -> dict[str, float | None]:
        return {"step": 0.0, "sum": self.defaults["initial_accumulator_value"]}

    def update(
        self,
        p: Array,
        g: Array,
        state: State,
        *,
        lr: float,
        lr_decay: float,
        eps: float,
        **_: Any,
    ) -> None:
        total, t = state["sum"].array, state["step"].array.item()
        add_product(total, g, g, 1.0)
        spread = np.sqrt(total)
        spread += eps
        add_quotient(p, g, spread, -lr / (1 + (t - 1) * lr_decay))
