"""Schedules that follow a curve."""

from __future__ import annotations

import math
from typing import Any, Literal

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, Rate, assign, checked, per_group


class CosineAnnealingLR(LRScheduler):
    """Let the rate fall to ``eta_min`` along half a cosine within ``T_max`` epochs, and rise again.

    lr = eta_min + (lr₀ - eta_min) (1 + cos(π epoch / T_max)) / 2, computed from the rate before, so
    that other schedules can act too.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), without
    restarts.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [4.0]
    [0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _next_lr(self) -> list[Rate]:
        low, end, epoch = self.eta_min, self.T_max, self.last_epoch
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self._is_initial:
            return rates
        if (epoch - 1 - end) % (2 * end) == 0:  # out of the valley, where the ratio below is 0 / 0
            pairs = zip(rates, self.base_lrs, strict=True)
            return [lr + (lr0 - low) * (1 - math.cos(math.pi / end)) / 2 for lr, lr0 in pairs]
        ratio = (1 + math.cos(math.pi * epoch / end)) / (1 + math.cos(math.pi * (epoch - 1) / end))
        return [ratio * (lr - low) + low for lr in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        low, height = self.eta_min, 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [low + (lr0 - low) * height / 2 for lr0 in self.base_lrs]


class OneCycleLR(LRScheduler):
    """Warm up to ``max_lr`` and cool down to almost nothing; call ``step()`` after every batch.

    From max_lr / div_factor up to max_lr during the part ``pct_start`` of ``total_steps`` (or of
    epochs * steps_per_epoch), then down to max_lr / div_factor / final_div_factor, along half a
    cosine or a straight line (``anneal_strategy``). With ``three_phase`` the way down is as long as
    the way up, and a third phase goes on to the end. ``cycle_momentum`` moves the momentum, or the
    first beta, the other way: from ``max_momentum`` to ``base_momentum`` and back.

    Raises ``ValueError`` for a setting out of its range, and for a step after the last.

    Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates" (2018).

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    >>> scheduler = tc.optim.lr_scheduler.OneCycleLR(
    ...     optimizer, max_lr=2.0, total_steps=10, anneal_strategy="linear", div_factor=4
    ... )
    >>> for step in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5]
    [1.25]
    [2.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = checked(optimizer).param_groups
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ArgumentError(
                f"Expected float between 0 and 1 pct_start, but got {pct_start}",
                "It is the part of all steps that the rate rises, for instance 0.3.",
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not {"betas", "momentum"} & optimizer.defaults.keys():
            raise ArgumentError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled",
                f"{type(optimizer).__name__} has neither: pass cycle_momentum=False.",
            )
        if cycle_momentum:
            self.use_beta1 = "betas" in optimizer.defaults
        self._schedule_phases = _phases(pct_start * self.total_steps, self.total_steps, three_phase)
        rates = per_group("max_lr", max_lr, optimizer)
        highs = per_group("max_momentum", max_momentum, optimizer)
        lows = per_group("base_momentum", base_momentum, optimizer)
        if last_epoch == -1:
            for group, rate, high, low in zip(groups, rates, highs, lows, strict=True):
                first = rate / div_factor
                group.update(initial_lr=first, max_lr=rate, min_lr=first / final_div_factor)
                if cycle_momentum:
                    group.update(max_momentum=high, base_momentum=low)
        super().__init__(optimizer, last_epoch)

    def _next_lr(self) -> list[Rate]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}",
                "Call scheduler.step() once per batch, and count batches times epochs in "
                "total_steps.",
            )
        start, (*before, last) = 0.0, self._schedule_phases
        for phase in before:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = last
        end = phase["end_step"]
        part = (step - start) / (end - start) if end != start else 1.0
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                momentum = self._between(*ends, part)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    assign(group, "momentum", momentum)
        return [self._between(g[phase["start_lr"]], g[phase["end_lr"]], part) for g in groups]

    def _between(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _phases(up: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    """The last step of each phase, and where rate and momentum start and end: names of what a group holds."""
    steps = (up - 1, 2 * up - 2, total_steps - 1) if three_phase else (up - 1, total_steps - 1)
    rates = ("initial_lr", "max_lr", *["initial_lr"] * three_phase, "min_lr")
    momenta = ("max_momentum", "base_momentum", "max_momentum", "max_momentum")
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    ends = zip(steps, rates, rates[1:], momenta, momenta[1:], strict=False)
    return [dict(zip(names, phase, strict=True)) for phase in ends]


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The number of steps of a cycle, given as such or as a product."""
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError(
            "You must define either total_steps OR (epochs AND steps_per_epoch)",
            "For instance total_steps=epochs * len(loader).",
        )
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ArgumentError(f"Expected positive integer {name}, but got {value}")
    return value
