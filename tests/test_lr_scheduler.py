"""Schedules: bit for bit the rates of torch's."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import tinyconv as tc

SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (1 + epoch), lambda epoch: epoch // 30]}),
    ("StepLR", {"step_size": 7}),
    ("StepLR", {"step_size": 1, "gamma": 0.97}),
    ("MultiStepLR", {"milestones": [3, 3, 20, 60], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.7, "total_iters": 30}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 37}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 90}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("CosineAnnealingLR", {"T_max": 100}),
    ("CosineAnnealingLR", {"T_max": 13, "eta_min": 1e-3}),
    ("OneCycleLR", {"max_lr": 0.7, "total_steps": 101}),
    ("OneCycleLR", {"max_lr": [0.7, 0.2], "epochs": 20, "steps_per_epoch": 6, "three_phase": True}),
    (
        "OneCycleLR",
        {
            "max_lr": 1,
            "total_steps": 120,
            "pct_start": 0.25,
            "anneal_strategy": "linear",
            "base_momentum": [0.7, 0.8],
            "max_momentum": 0.9,
            "div_factor": 10.0,
            "final_div_factor": 7.0,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 100, "cycle_momentum": False}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.99 + epoch / 1e4}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 80, "power": 1.7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 3, "eta_min": 1e-3}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.7, 0.2], "step_size_up": 7}),
    (
        "CyclicLR",
        {
            "base_lr": [0.01, 0.02],
            "max_lr": 0.5,
            "step_size_up": 9,
            "step_size_down": 4,
            "mode": "triangular2",
            "base_momentum": 0.6,
            "max_momentum": [0.9, 0.8],
        },
    ),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 6, "mode": "exp_range", "gamma": 0.98},
    ),
    (
        "CyclicLR",
        {
            "base_lr": 0.1,
            "max_lr": 0.5,
            "step_size_up": 6,
            "scale_fn": lambda steps: 1 / (1 + steps),
            "scale_mode": "iterations",
            "cycle_momentum": False,
        },
    ),
]


def ids(value):
    if isinstance(value, dict):
        parts = {k: v[0] if isinstance(v, list) else v for k, v in value.items()}
        shown = {k: "f" if callable(p) else value[k] for k, p in parts.items()}
        return ",".join(f"{k}={v}" for k, v in shown.items())
    return str(value)


def make(lib, name="SGD", **settings):
    """An optimizer with two groups of different rates."""
    if name == "SGD":
        settings = {"momentum": 0.9, **settings}
    a, b = (lib.ones(1, requires_grad=True) for _ in range(2))
    return getattr(lib.optim, name)(
        [{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.1, **settings
    )


def schedule(lib, optimizer, name, settings):
    return getattr(lib.optim.lr_scheduler, name)(optimizer, **settings)


def look(optimizer):
    """All that a schedule may write."""
    keys = ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr")
    return [{k: group[k] for k in keys if k in group} for group in optimizer.param_groups]


def follow(optimizer, schedulers, steps):
    seen = [look(optimizer)]
    for _ in range(steps):
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        seen.append(look(optimizer) + [s.get_last_lr() for s in schedulers])
    return seen


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=ids)
def test_rates_are_those_of_torch(name, settings, optimizer):
    ours, theirs = (
        follow(o, [schedule(lib, o, name, settings)], 100)
        for lib in (tc, torch)
        for o in [make(lib, optimizer)]
    )
    assert ours == theirs


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=ids)
def test_a_loaded_schedule_goes_on(name, settings):
    first = make(tc)
    scheduler = schedule(tc, first, name, settings)
    follow(first, [scheduler], 20)
    second = make(tc)
    other = schedule(tc, second, name, settings)
    other.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    second.load_state_dict(first.state_dict())
    assert other.get_last_lr() == scheduler.get_last_lr()
    assert follow(second, [other], 30) == follow(first, [scheduler], 30)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=ids)
def test_a_schedule_saved_by_torch_goes_on(name, settings):
    theirs, ours = make(torch), make(tc)
    a, b = schedule(torch, theirs, name, settings), schedule(tc, ours, name, settings)
    follow(theirs, [a], 20)
    b.load_state_dict(a.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert follow(ours, [b], 30) == follow(theirs, [a], 30)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=ids)
def test_last_epoch_resumes_from_groups(name, settings):
    def resume(lib):
        first = make(lib)
        follow(first, [schedule(lib, first, name, settings)], 10)
        second = make(lib)
        second.load_state_dict(first.state_dict())
        return follow(second, [schedule(lib, second, name, {**settings, "last_epoch": 9})], 20)

    assert resume(tc) == resume(torch)


@pytest.mark.parametrize(
    ("name", "settings"), [s for s in SCHEDULES if s[0] != "CosineAnnealingWarmRestarts"], ids=ids
)
def test_a_jump_to_an_epoch(name, settings):
    def jump(lib):
        optimizer = make(lib)
        scheduler = schedule(lib, optimizer, name, settings)
        optimizer.step()
        seen = []
        for epoch in (5, 50, 3, 0):
            with pytest.warns(UserWarning, match="The epoch parameter"):
                scheduler.step(epoch)
            seen.append(look(optimizer))
        return seen

    assert jump(tc) == jump(torch)


@pytest.mark.parametrize("factor", [1, 2])
def test_restarts_within_epochs(factor):
    def run(lib):
        optimizer = make(lib)
        scheduler = schedule(
            lib, optimizer, "CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": factor}
        )
        seen = []
        for i in range(80):
            optimizer.step()
            scheduler.step(i / 4)
            seen.append((look(optimizer), scheduler.get_last_lr(), scheduler.last_epoch))
        return seen

    assert run(tc) == run(torch)


def chain(lib, optimizer):
    s = lib.optim.lr_scheduler
    parts = [
        s.ConstantLR(optimizer, factor=0.1, total_iters=9),
        s.PolynomialLR(optimizer, total_iters=50),
        s.MultiplicativeLR(optimizer, lambda epoch: 0.99),
    ]
    return s.ChainedScheduler(parts, optimizer)


def test_a_chain():
    ours, theirs = make(tc), make(torch)
    a, b = chain(tc, ours), chain(torch, theirs)
    assert follow(ours, [a], 40) == follow(theirs, [b], 40)
    fresh = make(tc)
    c = chain(tc, fresh)
    c.load_state_dict(b.state_dict())
    fresh.load_state_dict(theirs.state_dict())
    assert follow(fresh, [c], 20) == follow(theirs, [b], 20)


@pytest.mark.parametrize(
    "settings",
    [{}, {"anneal_epochs": 3, "anneal_strategy": "linear"}, {"anneal_epochs": 0}],
    ids=ids,
)
def test_the_rate_while_averaging(settings):
    def run(lib):
        optimizer = make(lib)
        swa = lib.optim.swa_utils.SWALR(optimizer, [0.05, 0.02], **settings)
        return follow(optimizer, [swa], 20)

    assert run(tc) == run(torch)


def test_several_schedules_act_together():
    def run(lib):
        s, optimizer = lib.optim.lr_scheduler, make(lib)
        schedules = [
            s.LinearLR(optimizer, start_factor=0.2, total_iters=10),
            s.ExponentialLR(optimizer, gamma=0.98),
            s.MultiStepLR(optimizer, milestones=[30, 60]),
        ]
        return follow(optimizer, schedules, 100)

    assert run(tc) == run(torch)


def sequence(lib, optimizer):
    s = lib.optim.lr_scheduler
    inner = s.SequentialLR(
        optimizer,
        [s.ConstantLR(optimizer, total_iters=4), s.ExponentialLR(optimizer, gamma=0.9)],
        milestones=[10],
    )
    parts = [
        s.LinearLR(optimizer, start_factor=0.1, total_iters=5),
        s.CosineAnnealingLR(optimizer, T_max=30, eta_min=1e-4),
        s.StepLR(optimizer, step_size=6, gamma=0.7),
    ]
    return s.SequentialLR(optimizer, parts, milestones=[5, 35]), inner


def test_one_after_another():
    ours, theirs = make(tc), make(torch)
    for i in range(2):
        a, b = sequence(tc, ours)[i], sequence(torch, theirs)[i]
        assert follow(ours, [a], 100) == follow(theirs, [b], 100)


def test_a_sequence_within_a_sequence():
    def run(lib):
        s, optimizer = lib.optim.lr_scheduler, make(lib)
        warmup = s.LinearLR(optimizer, start_factor=0.1, total_iters=5)
        inner = s.SequentialLR(
            optimizer,
            [s.StepLR(optimizer, step_size=2), s.ExponentialLR(optimizer, gamma=0.9)],
            milestones=[8],
        )
        with pytest.warns(UserWarning, match="before `optimizer.step"):  # torch counts this one too
            outer = s.SequentialLR(optimizer, [inner, warmup], milestones=[20])
        return follow(optimizer, [outer], 40)

    assert run(tc) == run(torch)


@pytest.mark.parametrize("stop", [3, 5, 20, 60])
def test_a_loaded_sequence_goes_on(stop):
    first, second = make(tc), make(tc)
    a, b = sequence(tc, first)[0], sequence(tc, second)[0]
    follow(first, [a], stop)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    second.load_state_dict(first.state_dict())
    assert follow(second, [b], 40) == follow(first, [a], 40)


PLATEAUS = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "mode": "max", "threshold": 0.3, "cooldown": 3, "min_lr": [0.01, 0.02]},
    {"patience": 0, "threshold_mode": "abs", "threshold": 0.05, "min_lr": 1e-3, "eps": 1e-3},
    {"patience": 0, "threshold_mode": "abs", "threshold": 0.05, "mode": "max"},
]


@pytest.mark.parametrize("settings", PLATEAUS, ids=ids)
def test_plateau(settings):
    values = [*np.random.default_rng(0).standard_normal(60).round(1), float("nan"), np.inf]

    def run(lib):
        optimizer = make(lib)
        scheduler = schedule(lib, optimizer, "ReduceLROnPlateau", settings)
        seen = []
        for i, value in enumerate(values):
            if i == 30:
                saved = copy.deepcopy(scheduler.state_dict())
                scheduler = schedule(lib, optimizer, "ReduceLROnPlateau", {})
                scheduler.load_state_dict(saved)
            scheduler.step(lib.tensor(value) if i % 2 else value)
            counters = scheduler.num_bad_epochs, scheduler.cooldown_counter, scheduler.best
            seen.append((look(optimizer), scheduler.get_last_lr(), scheduler.last_epoch, counters))
        return seen

    assert run(tc) == run(torch)


def test_plateau_after_a_group_was_added():
    optimizer = make(tc)
    scheduler = schedule(tc, optimizer, "ReduceLROnPlateau", {"patience": 0, "factor": 0.5})
    fixed = schedule(tc, optimizer, "ReduceLROnPlateau", {"patience": 0, "min_lr": [0, 0]})
    optimizer.add_param_group({"params": [tc.ones(1, requires_grad=True)], "lr": 1.0})
    for _ in range(2):
        scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.05, 0.15, 0.5]
    fixed.step(1.0)
    with pytest.raises(RuntimeError, match="The number of param groups"):
        fixed.step(1.0)


@pytest.mark.parametrize(
    "name",
    ["StepLR", "CosineAnnealingLR", "LambdaLR", "OneCycleLR", "MultiplicativeLR", "CyclicLR"],
)
def test_a_rate_may_be_a_tensor(name):
    settings = {
        "LambdaLR": {"lr_lambda": lambda epoch: 0.95**epoch},
        "StepLR": {"step_size": 7},
        "CosineAnnealingLR": {"T_max": 100},
        "OneCycleLR": {"max_lr": 0.5, "total_steps": 100, "cycle_momentum": False},
        "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.9},
        "CyclicLR": {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 6, "cycle_momentum": False},
    }[name]

    def run(lib):
        lr = lib.tensor(0.5, dtype=lib.float64)
        optimizer = lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=lr)
        scheduler = schedule(lib, optimizer, name, settings)
        rates = []
        for _ in range(20):
            optimizer.step()
            scheduler.step()
            assert optimizer.param_groups[0]["lr"] is lr
            rates.append((lr.item(), scheduler.get_last_lr()[0].item()))
        return rates

    np.testing.assert_allclose(run(tc), run(torch), rtol=1e-15)


# ── warnings and errors ──


def test_the_wrong_order_is_warned_about_once():
    optimizer = make(tc)
    scheduler = schedule(tc, optimizer, "StepLR", {"step_size": 2})
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    scheduler.step()


def test_get_lr_is_not_what_users_want():
    scheduler = schedule(tc, make(tc), "StepLR", {"step_size": 2})
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()


def test_a_callable_object_is_saved_with_its_attributes():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    a = schedule(tc, make(tc), "LambdaLR", {"lr_lambda": [Decay(0.5), lambda _: 1.0]})
    b = schedule(tc, make(tc), "LambdaLR", {"lr_lambda": [Decay(0.9), lambda _: 1.0]})
    b.load_state_dict(a.state_dict())
    assert a.state_dict()["lr_lambdas"] == [{"rate": 0.5}, None]
    assert b.lr_lambdas[0].rate == 0.5
    assert b.lr_lambdas[0] is not a.lr_lambdas[0]


def s(lib):
    return lib.optim.lr_scheduler


ERRORS = {
    "no optimizer": lambda lib: s(lib).StepLR([1], 2),
    "no optimizer to watch": lambda lib: s(lib).ReduceLROnPlateau([1]),
    "resumed without groups": lambda lib: s(lib).StepLR(make(lib), 2, last_epoch=3),
    "lambdas": lambda lib: s(lib).LambdaLR(make(lib), [abs]),
    "constant": lambda lib: s(lib).ConstantLR(make(lib), factor=1.5),
    "linear start": lambda lib: s(lib).LinearLR(make(lib), start_factor=0),
    "linear end": lambda lib: s(lib).LinearLR(make(lib), end_factor=1.5),
    "no steps": lambda lib: s(lib).OneCycleLR(make(lib), 0.1),
    "half the steps": lambda lib: s(lib).OneCycleLR(make(lib), 0.1, epochs=3),
    "negative steps": lambda lib: s(lib).OneCycleLR(make(lib), 0.1, total_steps=-3),
    "fractional epochs": lambda lib: s(lib).OneCycleLR(
        make(lib), 0.1, epochs=1.5, steps_per_epoch=2
    ),
    "pct_start": lambda lib: s(lib).OneCycleLR(make(lib), 0.1, 10, pct_start=1),
    "strategy": lambda lib: s(lib).OneCycleLR(make(lib), 0.1, 10, anneal_strategy="sin"),
    "max_lr": lambda lib: s(lib).OneCycleLR(make(lib), [0.1, 0.2, 0.3], 10),
    "no momentum": lambda lib: s(lib).OneCycleLR(make(lib, "Adagrad"), 0.1, 10),
    "factor": lambda lib: s(lib).ReduceLROnPlateau(make(lib), factor=1.0),
    "mode": lambda lib: s(lib).ReduceLROnPlateau(make(lib), mode="mean"),
    "threshold mode": lambda lib: s(lib).ReduceLROnPlateau(make(lib), threshold_mode="mean"),
    "min_lr": lambda lib: s(lib).ReduceLROnPlateau(make(lib), min_lr=[1, 2, 3]),
    "no restart": lambda lib: s(lib).CosineAnnealingWarmRestarts(make(lib), 0),
    "half a restart": lambda lib: s(lib).CosineAnnealingWarmRestarts(make(lib), 2.5),
    "shorter cycles": lambda lib: s(lib).CosineAnnealingWarmRestarts(make(lib), 2, 0),
    "lowest rate": lambda lib: s(lib).CosineAnnealingWarmRestarts(make(lib), 2, 1, "a"),
    "before the start": lambda lib: s(lib).CosineAnnealingWarmRestarts(make(lib), 2).step(-1),
    "no cycle": lambda lib: s(lib).CyclicLR(make(lib), 0.1, 0.5, mode="square"),
    "base_lr": lambda lib: s(lib).CyclicLR(make(lib), [0.1, 0.2, 0.3], 0.5),
    "no momentum to cycle": lambda lib: s(lib).CyclicLR(make(lib, "Adagrad"), 0.1, 0.5),
    "multipliers": lambda lib: s(lib).MultiplicativeLR(make(lib), [abs]),
    "no chain": lambda lib: s(lib).ChainedScheduler([]),
    "a chain of two": lambda lib: s(lib).ChainedScheduler(
        [s(lib).StepLR(make(lib), 2), s(lib).StepLR(make(lib), 2)]
    ),
    "a plateau in a chain": lambda lib: s(lib).ChainedScheduler(
        [s(lib).ReduceLROnPlateau(make(lib))]
    ),
    "averaging on a square": lambda lib: lib.optim.swa_utils.SWALR(make(lib), 0.1, 3, "x"),
    "averaging backwards": lambda lib: lib.optim.swa_utils.SWALR(make(lib), 0.1, -3),
    "averaging too much": lambda lib: lib.optim.swa_utils.SWALR(make(lib), [0.1]),
    "no schedulers": lambda lib: s(lib).SequentialLR(make(lib), [], []),
    "not schedulers": lambda lib: s(lib).SequentialLR(make(lib), [1], []),
    "plateau": lambda lib: (lambda o: s(lib).SequentialLR(o, [s(lib).ReduceLROnPlateau(o)], []))(
        make(lib)
    ),
    "another optimizer": lambda lib: s(lib).SequentialLR(
        make(lib), [s(lib).StepLR(make(lib), 2)], []
    ),
    "milestones": lambda lib: (lambda o: s(lib).SequentialLR(o, [s(lib).StepLR(o, 2)], [3]))(
        make(lib)
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_begin_as_in_torch(case):
    with pytest.raises(Exception) as theirs:
        ERRORS[case](torch)
    with pytest.raises(theirs.type) as ours:
        ERRORS[case](tc)
    assert str(ours.value)[:60].split("\n")[0] in str(theirs.value)


def test_a_schedule_that_cannot_be_made_leaves_the_groups_alone():
    optimizer = make(tc, "Adagrad")
    before = copy.deepcopy(look(optimizer))
    with pytest.raises(ValueError, match="cycle_momentum"):
        schedule(tc, optimizer, "OneCycleLR", {"max_lr": 0.5, "total_steps": 10})
    assert look(optimizer) == before


def test_a_step_after_the_last_changes_nothing():
    optimizer = make(tc)
    scheduler = schedule(tc, optimizer, "OneCycleLR", {"max_lr": 0.5, "total_steps": 3})
    follow(optimizer, [scheduler], 3)
    before = copy.deepcopy((look(optimizer), scheduler.state_dict()))
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        scheduler.step()
    assert (look(optimizer), scheduler.state_dict()) == before


def test_a_foreign_state_is_refused():
    scheduler = schedule(tc, make(tc), "StepLR", {"step_size": 2})
    saved = schedule(tc, make(tc), "ExponentialLR", {"gamma": 0.5}).state_dict()
    before = scheduler.state_dict()
    with pytest.raises(KeyError, match="step_size"):
        scheduler.load_state_dict(saved)
    assert scheduler.state_dict() == before


def test_a_schedule_of_ones_own():
    def run(lib):
        class Inverse(s(lib).LRScheduler):
            def get_lr(self):
                return [lr / (1 + self.last_epoch) for lr in self.base_lrs]

        optimizer = make(lib)
        return follow(optimizer, [Inverse(optimizer)], 10)

    assert run(tc) == run(torch)
