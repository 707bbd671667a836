"""Several schedules: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, assign, copied
from .plateau import ReduceLROnPlateau


class _Several(LRScheduler):
    """What both have: schedules, whose states are kept in theirs."""

    _schedulers: Sequence[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        kept = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = kept
        for scheduler, inner in zip(kept, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(inner)

    def _check_saved(self, saved: dict[str, Any]) -> None:
        super()._check_saved(saved)
        for scheduler, inner in zip(self._schedulers, saved["_schedulers"], strict=True):
            scheduler._check_saved(inner)


class SequentialLR(_Several):
    """Follow the first of ``schedulers`` up to epoch ``milestones[0]``, then the second, and so on.

    Each begins at its own epoch 0, from the rates that the optimizer had at first.

    Raises ``ValueError`` if the lists do not fit together, or a schedule acts on another optimizer.

    >>> import tinyconv as tc
    >>> from tinyconv.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> warmup = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warmup, decay], milestones=[2])
    >>> for epoch in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [4.0]
    [6.0]
    [8.0]
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        _check(optimizer, schedulers, milestones)
        self.optimizer = optimizer
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:  # each schedule has set its first rate: take that back
            assign(group, "lr", group["initial_lr"])
        _rewind(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # a jump is not possible here, nor in torch
        """Go on to the next epoch; call it after ``optimizer.step()``."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        try:
            if index and self._milestones[index - 1] == self.last_epoch:
                scheduler._update_lr(0)
            else:
                scheduler.step()
        except BaseException:
            self.last_epoch -= 1
            raise
        self._last_lr = scheduler.get_last_lr()


def _rewind(scheduler: Any) -> None:
    """Take back the epoch that each schedule, however deep, counted when it was made."""
    if hasattr(scheduler, "_schedulers"):
        for inner in scheduler._schedulers:
            _rewind(inner)
    else:
        scheduler.last_epoch -= 1


def _check(optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int]) -> None:
    if not schedulers:
        raise ArgumentError("SequentialLR expects at least one scheduler, but got no scheduler.")
    _check_parts("SequentialLR", optimizer, schedulers)
    if len(milestones) != len(schedulers) - 1:
        raise ArgumentError(
            "Sequential Schedulers expects number of schedulers provided to be one more than "
            f"the number of milestone points, but got number of schedulers {len(schedulers)} and "
            f"the number of milestones to be equal to {len(milestones)}",
            "A milestone is the epoch at which the next schedule takes over.",
        )


def _check_parts(name: str, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(
                f"{name} at index {i} should have `optimizer` as its attribute.\n"
                f"Pass schedules, not {type(scheduler).__name__}."
            )
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ArgumentError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires "
                "additional kwargs to be specified when calling `step`, but got one at index "
                f"{i} in the given schedulers sequence.",
                "Step it on its own, after the others.",
            )
        if scheduler.optimizer is not optimizer:
            raise ArgumentError(
                f"{name} expects all schedulers to belong to the same optimizer, but got "
                f"scheduler {type(scheduler).__name__} at index {i} has another one.",
                f"Build all of them with the optimizer that {name} acts on.",
            )


class ChainedScheduler(_Several):
    """Take a step of each of ``schedulers``, one after the other: their factors multiply.

    Raises ``ValueError`` if there is none, or one acts on another optimizer.

    >>> import tinyconv as tc
    >>> from tinyconv.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> both = [ConstantLR(optimizer, factor=0.5, total_iters=2), ExponentialLR(optimizer, gamma=0.5)]
    >>> scheduler = ChainedScheduler(both, optimizer)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [2.0]
    [2.0]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise ArgumentError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler."
            )
        self.optimizer = optimizer or schedulers[0].optimizer
        _check_parts("ChainedScheduler", self.optimizer, schedulers)
        self._schedulers = schedulers
        self._note_rates()

    def _note_rates(self) -> None:
        groups = self._schedulers[-1].optimizer.param_groups
        self._last_lr = [copied(group["lr"]) for group in groups]

    def step(self) -> None:  # type: ignore[override]  # a jump is not possible here, nor in torch
        """Take a step of each."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._note_rates()
