"""What every schedule does: count epochs, and write its rates into the optimizer's groups."""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

from ...tensor import Tensor
from ..optimizer import Group, Optimizer

Rate: TypeAlias = float | Tensor


class LRScheduler:
    """Base of all schedules: ``step()`` counts ``last_epoch`` up and sets the rate of every group.

    A schedule of your own writes ``get_lr``, one rate per group, from ``last_epoch``, ``base_lrs``
    (the rates it started from) and the present ``optimizer.param_groups``. If it goes by the
    present rates, several schedules can act on one optimizer, one after the other.

    ``last_epoch`` is -1 at the beginning; another value goes on from there and needs groups that
    know their ``"initial_lr"``, as loaded ones do.

    Raises ``TypeError`` for what is no optimizer, ``KeyError`` if ``"initial_lr"`` is missing.

    >>> import tinyconv as tc
    >>> class HarmonicLR(tc.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / (1 + self.last_epoch) for lr in self.base_lrs]
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=0.6)
    >>> scheduler = HarmonicLR(optimizer)
    >>> for epoch in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [0.6]
    [0.3]
    [0.19999999999999998]
    """

    _step_count: int
    _get_lr_called_within_step: bool
    _is_initial: bool
    _last_lr: list[Rate]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0: load the optimizer's state_dict first, or "
                    "leave last_epoch out"
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    # ── what a schedule says ──

    def get_lr(self) -> list[Rate]:
        """Return the rates that ``step()`` will set next; to read the present ones:
        ``get_last_lr()``."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                stacklevel=2,
            )
        return self._next_lr()

    def _next_lr(self) -> list[Rate]:
        raise NotImplementedError(
            f"{type(self).__name__} does not say what comes next: write get_lr()."
        )

    def _get_closed_form_lr(self) -> list[Rate]:
        """The rates at ``last_epoch`` from ``base_lrs`` alone, for a jump to that epoch."""
        return self.get_lr()

    # ── what all schedules do ──

    def get_last_lr(self) -> list[Rate]:
        """Return the rates set last, one per group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch; call it after ``optimizer.step()``.

        A jump to ``epoch`` is possible where a rate follows from the epoch alone, but deprecated.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call "
                "optimizer.step() first: otherwise the first value of the schedule is skipped.",
                stacklevel=2,
            )
        if epoch is not None:
            warnings.warn(
                "The epoch parameter in `scheduler.step()` was not necessary and is being "
                "deprecated where possible. Please use `scheduler.step()` to step the scheduler.",
                stacklevel=2,
            )
        before = self.last_epoch, self._step_count
        self._step_count += 1
        try:
            self._update_lr(epoch)
        except BaseException:
            self.last_epoch, self._step_count = before
            raise

    def _update_lr(self, epoch: int | None = None) -> None:
        groups = self.optimizer.param_groups
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr() if epoch is None else self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in list(zip(groups, rates, strict=True)):
            assign(group, "lr", rate)
        self._last_lr = [copied(group["lr"]) for group in groups]

    def _initial_step(self) -> None:
        """Set the rates of epoch 0, or of the epoch to go on from."""
        self._step_count = 0
        self._get_lr_called_within_step = False
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    # ── save and load ──

    def state_dict(self) -> dict[str, Any]:
        """Return all that distinguishes this schedule from a new one, without the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where ``state_dict()`` was taken; load the optimizer's state too, for it holds the
        rates.

        Raises ``KeyError`` if the dict comes from another kind of schedule.
        """
        self._check_saved(state_dict)
        vars(self).update(state_dict)

    def _check_saved(self, saved: dict[str, Any]) -> None:
        missing = [k for k in self.state_dict() if k not in saved and not k.startswith("_")]
        if missing:
            raise KeyError(
                f"loaded state dict has no {', '.join(map(repr, missing))}: it was saved by "
                f"another schedule than {type(self).__name__}"
            )


def checked(optimizer: Any) -> Optimizer:
    """Return ``optimizer`` if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(optimizer).__name__} is not an Optimizer\n"
            "Pass the optimizer itself: StepLR(optimizer, step_size=10)."
        )
    return optimizer


def copied(rate: Rate) -> Rate:
    """Return a rate that later writes do not reach."""
    return rate.clone() if isinstance(rate, Tensor) else rate


def assign(group: Group, key: str, value: Rate) -> None:
    """Set a setting of a group; one that is a tensor stays the same tensor."""
    held = group[key]
    if isinstance(held, Tensor):
        held.array[...] = value.array if isinstance(value, Tensor) else value
        held.bump()
    else:
        group[key] = value


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """Spread a setting over the groups: a list has one value for each, a number goes to all."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {count}.\n"
            "Pass one value for each group, or a single number for all."
        )
    return [copied(v) for v in value]
