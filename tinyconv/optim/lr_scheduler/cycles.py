"""Schedules that come back to where they were."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, Rate, assign, checked, per_group
from .functions import saved


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the rate fall to ``eta_min`` along half a cosine within ``T_0`` epochs, and begin anew.

    lr = eta_min + (lr₀ - eta_min) (1 + cos(π t / T)) / 2, where t counts epochs since the last
    beginning and T, at first ``T_0``, grows by the factor ``T_mult`` each time. ``step(epoch)`` takes
    fractions of an epoch: call it after each batch, with ``epoch + i / len(loader)``.

    Raises ``ValueError`` for a setting out of its range.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [4.0]
    [8.0]
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ArgumentError(f"Expected positive integer T_0, but got {T_0}", "It is in epochs.")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ArgumentError(
                f"Expected integer T_mult >= 1, but got {T_mult}", "1 keeps the length of a cycle."
            )
        if not isinstance(eta_min, (int, float)):
            raise ArgumentError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0, self.T_i, self.T_mult = T_0, T_0, T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def _next_lr(self) -> list[Rate]:
        low, height = self.eta_min, 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [low + (lr0 - low) * height / 2 for lr0 in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._jump(epoch)
        self._update_lr(math.floor(epoch))

    def _jump(self, epoch: float) -> None:
        if epoch < 0:
            raise ArgumentError(f"Expected non-negative epoch, but got {epoch}")
        first, factor = self.T_0, self.T_mult
        if epoch < first:
            self.T_cur, self.T_i = epoch, first
        elif factor == 1:
            self.T_cur = epoch % first
        else:
            done = int(math.log(epoch / first * (factor - 1) + 1, factor))
            self.T_cur = epoch - first * (factor**done - 1) / (factor - 1)
            self.T_i = first * factor**done


class CyclicLR(LRScheduler):
    """Let the rate go up and down between ``base_lr`` and ``max_lr``; call ``step()`` after every batch.

    Up in ``step_size_up`` steps, down in ``step_size_down`` (as many, unless given), on straight lines.
    The height of a cycle is scaled by a function: of the cycle, counted from 1, or of the steps so far
    (``scale_mode``). It is 1 for the ``mode`` "triangular", halved from cycle to cycle for
    "triangular2", and gamma^steps for "exp_range"; ``scale_fn`` is one of your own. ``cycle_momentum``
    moves the momentum, or the first beta, the other way.

    Raises ``ValueError`` for a setting out of its range.

    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    >>> scheduler = tc.optim.lr_scheduler.CyclicLR(optimizer, base_lr=1.0, max_lr=2.0, step_size_up=2)
    >>> for step in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [1.5]
    [2.0]
    [1.5]
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = checked(optimizer).param_groups
        base_lrs = per_group("base_lr", base_lr, optimizer)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ArgumentError(
                "mode is invalid and scale_fn is None",
                f"Got mode={mode!r}: write 'triangular', 'triangular2' or 'exp_range'.",
            )
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self._scale_fn_custom = scale_fn
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if not {"betas", "momentum"} & optimizer.defaults.keys():
                raise ArgumentError(
                    "optimizer must support momentum or beta1 with `cycle_momentum` option enabled",
                    f"{type(optimizer).__name__} has neither: pass cycle_momentum=False.",
                )
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = per_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = per_group("max_momentum", max_momentum, optimizer)
        if last_epoch == -1:
            for i, group in enumerate(groups):
                assign(group, "lr", base_lrs[i])
                if cycle_momentum:
                    low, high = self.base_momentums[i], self.max_momentums[i]
                    self._set_momentum(group, high)
                    group.update(max_momentum=high, base_momentum=low)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, at this cycle or step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def _next_lr(self) -> list[Rate]:
        turns = self.last_epoch / self.total_size
        cycle = math.floor(1 + turns)
        x = 1.0 + turns - cycle
        rising = x <= self.step_ratio
        part = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, pairs, strict=True):
                self._set_momentum(group, high - (high - low) * part * scale)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * part * scale for low, high in pairs]

    def _set_momentum(self, group: dict[str, Any], value: Any) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            assign(group, "momentum", value)

    def state_dict(self) -> dict[str, Any]:
        own = self._scale_fn_custom
        return {**super().state_dict(), "_scale_fn_custom": None if own is None else saved(own)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        kept = self._scale_fn_custom
        super().load_state_dict(state_dict)
        self._scale_fn_custom = kept
        if kept is not None:
            vars(kept).update(state_dict["_scale_fn_custom"] or {})
