"""Schedules that follow a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeAlias

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, Rate, checked

Factor: TypeAlias = Callable[[int], float]


def saved(function: Any) -> dict[str, Any] | None:
    """The attributes of a callable object; plain functions are not saved."""
    return None if isinstance(function, FunctionType) else vars(function).copy()


class _FunctionLR(LRScheduler):
    """What both have: a function for each group, whose attributes go into ``state_dict``."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1
    ) -> None:
        count = len(checked(optimizer).param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            lr_lambda = [lr_lambda] * count
        elif len(lr_lambda) != count:
            raise ArgumentError(
                f"Expected {count} lr_lambdas, but got {len(lr_lambda)}",
                "Pass one function for each parameter group, or a single one for all.",
            )
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": list(map(saved, self.lr_lambdas))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        kept = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = kept
        for function, attributes in zip(kept, state_dict["lr_lambdas"], strict=True):
            vars(function).update(attributes or {})


class LambdaLR(_FunctionLR):
    """Set the rate to lr₀ times a function of the epoch; a list has one function for each group.

    ``state_dict`` holds the attributes of callable objects; plain functions are not saved.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [4.0]
    """

    def _next_lr(self) -> list[Rate]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in pairs]


class MultiplicativeLR(_FunctionLR):
    """Multiply the rate by a function of the epoch; a list has one function for each group.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [1.0]
    """

    def _next_lr(self) -> list[Rate]:
        groups, functions = self.optimizer.param_groups, self.lr_lambdas
        if self._is_initial:
            return [group["lr"] for group in groups]
        pairs = zip(groups, functions, strict=True)
        return [group["lr"] * function(self.last_epoch) for group, function in pairs]
