"""The exam of optimizers: every one of torch's database that tinyconv has."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np
import opinfo
import torch
from opinfo import FULL, Call, Outcome, Pair
from optimizer_pairs import agree, same_state

import tinyconv as tc

from .check import Case, Check

STEPS = 8
ONLY_MATRICES = ("Muon",)  # takes no vectors
TOLERANCE = {"float64": 1e-11, "float32": 1e-4}  # a root of squared gradients near zero


@functools.cache
def database() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own modules warn of torch's own plans
        from torch.testing._internal.common_optimizers import optim_db
    return {info.name: info for info in optim_db}


def missing() -> list[str]:
    return sorted(name for name in database() if not hasattr(tc.optim, name))


def cases(full: bool) -> Iterator[Case]:
    for name in database():
        if hasattr(tc.optim, name):
            for dtype in TOLERANCE:
                yield Case("optimizers", name, dtype, "steps")
                yield Case("optimizers", name, dtype, "state")
            yield Case("optimizers", name, "float32", "schedules")
            yield Case("optimizers", name, "float32", "errors")


def checks(case: Case) -> Iterator[Check]:
    info = database()[case.entry]
    match case.what:
        case "errors":
            for wrong in info.optim_error_inputs_func("cpu", torch.float32):
                yield functools.partial(compare_errors, case.entry, wrong.optimizer_error_input)
        case "schedules":
            for made in info.scheduler_inputs:
                yield functools.partial(compare_schedules, case.entry, made)
        case _:
            for given in settings(info):
                yield functools.partial(compare, case, given)


def settings(info: Any) -> list[dict[str, Any]]:
    """The keyword arguments of torch's samples; in the full run with ``foreach`` and the like."""
    from torch.testing._internal import common_optimizers as common

    if not FULL:
        return [sample.kwargs for sample in info.optim_inputs_func("cpu")]
    switched = common._get_optim_inputs_including_global_cliquey_kwargs
    return [s.kwargs for s in switched("cpu", torch.float32, info, skip=("differentiable",))]


class Problem:
    """Fit a matrix and a vector to numbers; one parameter has nothing to do with it."""

    def __init__(self, lib: Any, name: str, dtype: str, kwargs: dict[str, Any]) -> None:
        rng = np.random.default_rng(0)
        shapes = (6, 4), (6, 3), (4, 3), (3,), (2, 2)
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        self.x, self.y, self.weight, self.bias, idle = map(lib.tensor, arrays)
        params = [self.weight, idle] if name in ONLY_MATRICES else [self.weight, self.bias, idle]
        for p in params:
            p.requires_grad_()
        # LBFGS goes 20 times into its closure, and rounding grows each time: torch differs from itself as much
        self.kwargs = {"max_iter": 2, **kwargs} if name == "LBFGS" else kwargs
        self.optimizer = getattr(lib.optim, name)(params, **self.kwargs)
        self.losses: list[float] = []

    def loss(self) -> Any:
        self.optimizer.zero_grad()
        loss = ((self.x @ self.weight + self.bias).tanh() - self.y).square().mean()
        loss.backward()
        return loss

    def step(self) -> None:
        self.losses.append(self.optimizer.step(self.loss).item())

    def reload(self) -> None:
        """Go on with another optimizer that is given the state of this one."""
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        fresh = type(self.optimizer)(params, **self.kwargs)
        fresh.load_state_dict(self.optimizer.state_dict())
        self.optimizer = fresh


def compare(case: Case, kwargs: dict[str, Any]) -> None:
    pair = Pair(Call(None, (), kwargs))
    theirs = Problem(torch, case.entry, case.dtype, pair.torch_args[1])
    ours = Problem(tc, case.entry, case.dtype, pair.tiny_args[1])
    for problem in (theirs, ours):
        for step in range(STEPS):
            if step == STEPS // 2 and case.what == "state":
                problem.reload()
            problem.step()
    tolerance = TOLERANCE[case.dtype]
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=tolerance)
    agree(ours.optimizer, theirs.optimizer, tolerance)
    same_state(ours.optimizer, theirs.optimizer, tolerance)
    assert repr(ours.optimizer) == repr(theirs.optimizer).replace("torch.", "tinyconv.")


Schedule = Callable[[Any], Any]  # of an optimizer


def compare_schedules(name: str, made: list[Schedule]) -> None:
    theirs, ours = (Problem(lib, name, "float32", {"lr": 0.1}) for lib in (torch, tc))
    rates: list[list[float]] = []
    for problem, makers in ((theirs, made), (ours, map(translated, made))):
        schedules = [make(problem.optimizer) for make in makers]
        rates.append([])
        for step in range(30):
            problem.step()
            for schedule in schedules:
                by_loss = "Plateau" in type(schedule).__name__
                schedule.step(*[1.0 + step] * by_loss)
            rates[-1].append(problem.optimizer.param_groups[0]["lr"])
    assert rates[1] == rates[0]


def translated(make: Schedule) -> Schedule:
    """torch's lambda, with the schedules of tinyconv."""
    return FunctionType(
        make.__code__, vars(tc.optim.lr_scheduler), "lambda", None, make.__closure__
    )


def compare_errors(name: str, given: Any) -> None:
    params = [torch.nn.Parameter(torch.ones(2, 3))] if given.params is None else given.params
    pair = Pair(Call(None, (params,), given.kwargs))
    theirs = Outcome.of(getattr(torch.optim, name), pair.torch_args)
    ours = Outcome.of(getattr(tc.optim, name), pair.tiny_args)
    opinfo.assert_same_refusal(ours, theirs)
