"""Adam and its decoupled form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import helper
from ..errors import ArgumentError
from ..tensor import Tensor
from .elementwise import Buffers, Elementwise
from .optimizer import Group, Params
from .rule import Numbers, Rule, decayed, lerp


@helper
def _adam_numbers(t, lr, maximize, beta1, beta2, eps, decay, decoupled):
    keep = 1.0
    if decoupled:
        keep = 1 - lr * decay
        decay = 0.0
    root = (1 - beta2**t) ** 0.5
    rate = -lr / (1 - beta1**t)
    return maximize, decay, keep, 1 - beta1, 1 - (1 - beta1), beta2, 1 - beta2, root, eps, rate


@helper
def moments(g, p, m, v, maximize, decay, weight, rest, beta2, weight2):
    g = decayed(g, p, maximize, decay)
    return lerp(m, g, weight, rest), v * beta2 + g * weight2 * g


@helper
def _move(p, m, v, keep, root, eps, rate):
    if keep != 1:
        p = p * keep
    return p + m * rate / (np.sqrt(v) / root + eps)


@helper
def _adam(g, p, m, v, maximize, decay, keep, weight, rest, beta2, weight2, root, eps, rate):
    """p goes down m, the mean of recent gradients, in units of the root of v, that of their squares."""
    m, v = moments(g, p, m, v, maximize, decay, weight, rest, beta2, weight2)
    return _move(p, m, v, keep, root, eps, rate), m, v


adam = Rule(_adam, _adam_numbers)


@adam.cpu
def _adam_loop(start, stop, g, numbers, p, m, v):
    g, p, m, v = g[start:stop], p[start:stop], m[start:stop], v[start:stop]
    for i in range(len(p)):
        p[i], m[i], v[i] = _adam(g[i], p[i], m[i], v[i], *numbers)


@helper
def _amsgrad(g, p, m, v, w, maximize, decay, keep, weight, rest, beta2, weight2, root, eps, rate):
    """The same with w, the largest v so far, under the root."""
    m, v = moments(g, p, m, v, maximize, decay, weight, rest, beta2, weight2)
    w = np.maximum(w, v)
    return _move(p, m, w, keep, root, eps, rate), m, v, w


amsgrad_adam = Rule(_amsgrad, _adam_numbers)


@amsgrad_adam.cpu
def _amsgrad_loop(start, stop, g, numbers, p, m, v, w):
    g, p, m, v, w = g[start:stop], p[start:stop], m[start:stop], v[start:stop], w[start:stop]
    for i in range(len(p)):
        p[i], m[i], v[i], w[i] = _amsgrad(g[i], p[i], m[i], v[i], w[i], *numbers)


class Adam(Elementwise):
    r"""Steps of about ``lr`` per number, whatever the scale of its gradient.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    p ← p - lr m/(1 - β₁ᵗ) / (√(v/(1 - β₂ᵗ)) + eps)

    with g = ∇f + weight_decay p and t the number of updates; with ``amsgrad`` the largest v so far
    stands under the root. ``decoupled_weight_decay`` makes it ``AdamW``. ``lr`` and ``betas`` may
    be tensors with one element; a rate on a GPU is read there. ``maximize`` climbs. ``capturable``
    counts the updates on the GPU, so that a captured step goes on. ``foreach``, ``differentiable``
    and ``fused`` are accepted and do not change the result.

    Raises ``ValueError`` for a negative ``lr``, ``eps`` or ``weight_decay`` and for a β outside [0,
    1).

    Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015); Reddi, Kale & Kumar, "On the
    Convergence of Adam and Beyond" (2018).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0, 0.004], requires_grad=True)
    >>> optimizer = tc.optim.Adam([x], lr=0.5)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x.detach()
    tensor([ 3.5000, -0.4960])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        names, values = ("lr", "betas[0]", "betas[1]"), (group["lr"], *group["betas"])
        tensors = [name for name, v in zip(names, values, strict=True) if isinstance(v, Tensor)]
        if ("betas[0]" in tensors) != ("betas[1]" in tensors):
            raise ArgumentError(
                "betas must be either both floats or both Tensors", "For instance (0.9, 0.999)."
            )
        if tensors and group["foreach"] and not group["capturable"]:
            raise ArgumentError(
                f"{tensors[0]} as a Tensor is not supported for capturable=False and foreach=True",
                "Leave foreach away: it changes nothing here.",
            )

    def buffers(self, group: Group) -> Buffers:
        names = ["step", "exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * bool(group["amsgrad"])]
        return dict.fromkeys(names, 0.0)

    def update(
        self,
        first: bool,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
        decoupled_weight_decay: bool,
        **_: Any,
    ) -> tuple[Rule, Numbers]:
        rule = amsgrad_adam if amsgrad else adam
        return rule, (maximize, *betas, eps, weight_decay, decoupled_weight_decay)


class AdamW(Adam):
    r"""Adam with the weight decay decoupled: p ← (1 - lr weight_decay) p, before and apart from g.

    All else is as in ``Adam``.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019).

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0], requires_grad=True)
    >>> optimizer = tc.optim.AdamW([x], lr=0.5, weight_decay=0.5)
    >>> x.sum().backward()
    >>> optimizer.step()  # 4 (1 - 0.5 * 0.5) - 0.5
    >>> x.item()
    2.5
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # the state may come from Adam
            group["decoupled_weight_decay"] = True
