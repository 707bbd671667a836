"""Schedules that multiply the present rate by a number that depends on the epoch only."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, Rate


class FactorLR(LRScheduler):
    """A schedule lr ← lr ``change(epoch)``, which is also lr₀ ``product(epoch)``.

    The first form lets several schedules act together; rounding accumulates as in torch. The second
    serves a jump to an epoch.
    """

    def change(self, epoch: int) -> float:
        """By what the rate changes on reaching ``epoch``; the integer 1 leaves it as it is."""
        raise NotImplementedError

    def product(self, epoch: int) -> float:
        """The product of all changes up to ``epoch``."""
        raise NotImplementedError

    def _next_lr(self) -> list[Rate]:
        change = self.change(self.last_epoch)
        return [group["lr"] * change for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Rate]:
        product = self.product(self.last_epoch)
        return [lr * product for lr in self.base_lrs]


class StepLR(FactorLR):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(5):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        return 1 if epoch == 0 or epoch % self.step_size else self.gamma

    def product(self, epoch: int) -> float:
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(FactorLR):
    """Multiply the rate by ``gamma`` at each of the epochs ``milestones``.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 4], gamma=0.5)
    >>> for epoch in range(5):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        return self.gamma ** self.milestones[epoch] if epoch in self.milestones else 1

    def product(self, epoch: int) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), epoch)


class ExponentialLR(FactorLR):
    """Multiply the rate by ``gamma`` every epoch.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [4.0]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        return 1 if self._is_initial else self.gamma

    def product(self, epoch: int) -> float:
        return self.gamma**epoch


class ConstantLR(FactorLR):
    """Multiply the rate by ``factor`` during the first ``total_iters`` epochs.

    Raises ``ValueError`` unless ``factor`` is in [0, 1].

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=4)
    >>> scheduler.get_last_lr()
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ArgumentError(
                "Constant multiplicative factor expected to be between 0 and 1.", f"Got {factor}."
            )
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        if epoch == 0:
            return self.factor
        return 1.0 / self.factor if epoch == self.total_iters else 1

    def product(self, epoch: int) -> float:
        return self.factor + (epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(FactorLR):
    """Multiply the rate by a factor that goes from ``start_factor`` to ``end_factor`` on a straight
    line.

    ``end_factor`` is reached at epoch ``total_iters``.

    Raises ``ValueError`` unless ``start_factor`` is in (0, 1] and ``end_factor`` in [0, 1].

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    >>> for epoch in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [4.0]
    [5.0]
    [6.0]
    [7.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ArgumentError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal "
                "to 1.",
                f"Got {start_factor}; to start from nothing take a small number such as 1e-8.",
            )
        if not 0 <= end_factor <= 1:
            raise ArgumentError(
                "Ending multiplicative factor expected to be between 0 and 1.",
                f"Got {end_factor}: give the optimizer the largest rate of the schedule.",
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        rise = self.end_factor - self.start_factor
        if epoch == 0:
            return self.start_factor
        if self._is_initial or epoch > self.total_iters:
            return 1
        return 1.0 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)

    def product(self, epoch: int) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, epoch) / self.total_iters


class PolynomialLR(FactorLR):
    """Let the rate fall to 0 within ``total_iters`` epochs, as (1 - epoch / total_iters)^power.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def change(self, epoch: int) -> float:
        if self._is_initial or epoch > self.total_iters:
            return 1
        left = 1.0 - epoch / self.total_iters
        return (left / (1.0 - (epoch - 1) / self.total_iters)) ** self.power

    def product(self, epoch: int) -> float:
        return (1.0 - min(self.total_iters, epoch) / self.total_iters) ** self.power
