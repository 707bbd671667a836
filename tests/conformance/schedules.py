"""The exam of schedules: those of torch that tinyconv has, on a table of arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import opinfo
import torch
from opinfo import Outcome

import tinyconv as tc

from .check import Case, Check

STEPS = 30
TORCH, OURS = torch.optim.lr_scheduler, tc.optim.lr_scheduler
LOSSES = [1 / (1 + step % 9) for step in range(STEPS)]  # what ReduceLROnPlateau is told

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "LambdaLR": [
        {"lr_lambda": lambda epoch: 0.9**epoch},
        {"lr_lambda": [lambda e: 1 / (1 + e), lambda e: 2.0]},
    ],
    "MultiplicativeLR": [{"lr_lambda": lambda epoch: 0.9}],
    "StepLR": [{"step_size": 7}, {"step_size": 1, "gamma": 0.97}],
    "MultiStepLR": [{"milestones": [3, 3, 20], "gamma": 0.3}],
    "ConstantLR": [{}, {"factor": 0.7, "total_iters": 9}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 17}],
    "ExponentialLR": [{"gamma": 0.93}],
    "PolynomialLR": [{}, {"total_iters": 20, "power": 2.0}],
    "CosineAnnealingLR": [{"T_max": 100}, {"T_max": 13, "eta_min": 1e-3}],
    "CosineAnnealingWarmRestarts": [{"T_0": 5}, {"T_0": 4, "T_mult": 2, "eta_min": 1e-3}],
    "OneCycleLR": [
        {"max_lr": 0.7, "total_steps": 40},
        {"max_lr": [0.7, 0.2], "epochs": 10, "steps_per_epoch": 4, "three_phase": True},
        {"max_lr": 1, "total_steps": 40, "anneal_strategy": "linear", "cycle_momentum": False},
    ],
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 6},
        {
            "base_lr": [0.01, 0.02],
            "max_lr": 0.1,
            "step_size_up": 4,
            "step_size_down": 3,
            "mode": "triangular2",
        },
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9},
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 4,
            "scale_fn": lambda x: 1 / (1 + x),
            "scale_mode": "cycle",
        },
    ],
    "ReduceLROnPlateau": [
        {},
        {"patience": 2, "factor": 0.5, "cooldown": 1},
        {
            "mode": "max",
            "patience": 1,
            "threshold": 0.1,
            "threshold_mode": "abs",
            "min_lr": [0.01, 0.02],
        },
    ],
}
REFUSED: dict[str, list[dict[str, Any]]] = {
    "LambdaLR": [{"lr_lambda": [lambda epoch: 1.0]}],
    "MultiplicativeLR": [{"lr_lambda": [lambda epoch: 1.0]}],
    "ConstantLR": [{"factor": 1.5}, {"factor": -1}],
    "LinearLR": [{"start_factor": 0}, {"start_factor": 2}, {"end_factor": 2}],
    "CosineAnnealingWarmRestarts": [{"T_0": 0}, {"T_0": 1.5}, {"T_0": 3, "T_mult": 0}],
    "OneCycleLR": [
        {"max_lr": 1},
        {"max_lr": 1, "total_steps": -1},
        {"max_lr": 1, "epochs": 0, "steps_per_epoch": 3},
        {"max_lr": 1, "total_steps": 9, "pct_start": 2},
        {"max_lr": 1, "total_steps": 9, "anneal_strategy": "step"},
        {"max_lr": [1, 2, 3], "total_steps": 9},
    ],
    "CyclicLR": [
        {"base_lr": 0.1, "max_lr": 1, "mode": "square"},
        {"base_lr": [0.1], "max_lr": 1},
    ],
    "ReduceLROnPlateau": [
        {"factor": 1.0},
        {"mode": "least"},
        {"threshold_mode": "other"},
        {"min_lr": [0.1]},
    ],
}


@functools.cache
def database() -> list[str]:
    """The schedules of torch that are made of an optimizer and settings."""
    together = ("LRScheduler", "_LRScheduler", "SequentialLR", "ChainedScheduler")
    classes = inspect.getmembers(TORCH, inspect.isclass)
    return [n for n, c in classes if issubclass(c, TORCH.LRScheduler) and n not in together]


def missing() -> list[str]:
    return [name for name in database() if not hasattr(OURS, name)]


def cases(full: bool) -> Iterator[Case]:
    for name in database():
        if hasattr(OURS, name):
            yield Case("schedules", name, "float", "steps")
            yield Case("schedules", name, "float", "state")
            if name in REFUSED:
                yield Case("schedules", name, "float", "errors")


def checks(case: Case) -> Iterator[Check]:
    for given in (REFUSED if case.what == "errors" else SETTINGS)[case.entry]:
        yield functools.partial(compare, case.what, case.entry, given)


def make(lib: Any, name: str, given: dict[str, Any]) -> Any:
    """The schedule of an optimizer with two groups of different rates."""
    a, b = (lib.ones(1, requires_grad=True) for _ in range(2))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.3}]
    return getattr(lib.optim.lr_scheduler, name)(
        lib.optim.SGD(groups, lr=0.1, momentum=0.9), **given
    )


def compare(what: str, name: str, given: dict[str, Any]) -> None:
    theirs, ours = (Outcome.of(make, ((lib, name, given), {})) for lib in (torch, tc))
    if what == "errors":
        opinfo.assert_same_refusal(ours, theirs)
        return
    seen = [follow(made.get(), name, given, what == "state") for made in (ours, theirs)]
    assert seen[0] == seen[1]


def follow(schedule: Any, name: str, given: dict[str, Any], reload: bool) -> list[Any]:
    """Rates and momenta of every step, and the state at the end."""
    seen = []
    for step, loss in enumerate(LOSSES):
        if reload and step == STEPS // 2:
            state = schedule.state_dict()
            schedule = getattr(TORCH if isinstance(schedule, TORCH.LRScheduler) else OURS, name)(
                schedule.optimizer, **given
            )
            schedule.load_state_dict(state)
        schedule.optimizer.step()
        schedule.step(*[loss] * (name == "ReduceLROnPlateau"))
        groups = schedule.optimizer.param_groups
        seen.append([schedule.get_last_lr(), *((g["lr"], g["momentum"]) for g in groups)])
    return [
        *seen,
        {k: v for k, v in schedule.state_dict().items() if k[0] != "_" and not callable(v)},
    ]
