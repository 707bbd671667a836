"""Optimizers: torch's errors with a hint, and nothing half-made."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from optimizer_pairs import everything, pair, tensors, walk

import tinyconv as tc


def one(lib, **kw):
    return lib.ones(2, requires_grad=True, **kw)


ERRORS = {
    "empty": lambda lib: lib.optim.SGD([]),
    "negative lr": lambda lib: lib.optim.SGD([one(lib)], lr=-1),
    "nan lr": lambda lib: lib.optim.Adam([one(lib)], lr=float("nan")),
    "negative momentum": lambda lib: lib.optim.SGD([one(lib)], momentum=-0.5),
    "negative weight decay": lambda lib: lib.optim.SGD([one(lib)], weight_decay=-0.5),
    "nesterov alone": lambda lib: lib.optim.SGD([one(lib)], nesterov=True),
    "eps": lambda lib: lib.optim.Adam([one(lib)], eps=-1e-8),
    "beta 0": lambda lib: lib.optim.Adam([one(lib)], betas=(1.0, 0.9)),
    "beta 1": lambda lib: lib.optim.AdamW([one(lib)], betas=(0.9, -0.1)),
    "alpha": lambda lib: lib.optim.RMSprop([one(lib)], alpha=-1.0),
    "lr_decay": lambda lib: lib.optim.Adagrad([one(lib)], lr_decay=-1.0),
    "rho": lambda lib: lib.optim.Adadelta([one(lib)], rho=1.1),
    "beta of Adamax": lambda lib: lib.optim.Adamax([one(lib)], betas=(0.0, 1.0)),
    "momentum decay": lambda lib: lib.optim.NAdam([one(lib)], momentum_decay=-0.2),
    "weight decay of RAdam": lambda lib: lib.optim.RAdam([one(lib)], weight_decay=-1),
    "etas": lambda lib: lib.optim.Rprop([one(lib)], etas=(1.0, 0.5)),
    "weight decay of ASGD": lambda lib: lib.optim.ASGD([one(lib)], weight_decay=-0.5),
    "lr and foreach": lambda lib: lib.optim.Adam([one(lib)], lr=lib.tensor(0.1), foreach=True),
    "one beta a tensor": lambda lib: lib.optim.AdamW([one(lib)], betas=(0.9, lib.tensor(0.99))),
    "betas and foreach": lambda lib: lib.optim.Adam(
        [one(lib)], betas=(lib.tensor(0.9), lib.tensor(0.99)), foreach=True
    ),
    "accumulator": lambda lib: lib.optim.Adagrad([one(lib)], initial_accumulator_value=-1.0),
    "lr of two": lambda lib: lib.optim.SGD([one(lib)], lr=lib.ones(2)),
    "a tensor": lambda lib: lib.optim.SGD(one(lib)),
    "a number": lambda lib: lib.optim.SGD([1.0]),
    "a list in a list": lambda lib: lib.optim.SGD([[one(lib)]]),
    "a dict": lambda lib: lib.optim.SGD({"params": [one(lib)]}),
    "a group among tensors": lambda lib: lib.optim.SGD([one(lib), {"params": []}]),
    "a tensor among groups": lambda lib: lib.optim.SGD([{"params": [one(lib)]}, one(lib)]),
    "a set": lambda lib: lib.optim.SGD([{"params": {one(lib)}}]),
    "no params": lambda lib: lib.optim.SGD([{"lr": 0.1}]),
    "non-leaf": lambda lib: lib.optim.SGD([one(lib) * 2]),
    "some names": lambda lib: lib.optim.SGD([one(lib), ("a", one(lib))]),
    "names in one group": lambda lib: lib.optim.SGD(
        [{"params": [("a", one(lib))]}, {"params": [one(lib)]}]
    ),
    "in two groups": lambda lib: (lambda p: lib.optim.SGD([{"params": [p]}, {"params": [p]}]))(
        one(lib)
    ),
    "loaded groups": lambda lib: lib.optim.SGD([one(lib)]).load_state_dict(
        {"state": {}, "param_groups": []}
    ),
    "loaded sizes": lambda lib: lib.optim.SGD([one(lib)]).load_state_dict(
        {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}
    ),
    "no step": lambda lib: lib.optim.Optimizer([one(lib)], {}).step(),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_begin_as_in_torch(case):
    with pytest.raises(Exception) as theirs:
        ERRORS[case](torch)
    with pytest.raises(theirs.type) as ours:
        ERRORS[case](tc)
    opening, wanted = (
        str(e.value).replace("torch.FloatTensor", "Tensor")[:45].split("\n")[0]
        for e in (ours, theirs)
    )
    assert opening == wanted or not wanted


@pytest.mark.parametrize(
    ("group", "error", "text"),
    [
        ({"lr": "fast"}, TypeError, "Invalid learning rate: 'fast'"),
        ({"lr": None}, TypeError, "Invalid learning rate: None"),
        ({"lr": float("inf")}, ValueError, "Invalid learning rate: inf"),
        ({"lr": -1.0}, ValueError, "maximize=True"),
        ({"betas": 0.9}, ValueError, "Write a pair"),
        ({"betas": (0.9,)}, ValueError, "Write a pair"),
        ({"weight_decay": float("nan")}, ValueError, "Invalid weight_decay value: nan"),
    ],
)
def test_a_group_is_checked_before_it_is_added(group, error, text):
    ours, _ = tensors()
    optimizer = tc.optim.Adam(ours[:1])
    with pytest.raises(error, match=re.escape(text)):
        optimizer.add_param_group({"params": ours[1:], **group})
    assert len(optimizer.param_groups) == 1


def test_the_dict_of_a_group_stays_the_callers():
    group = {"params": tensors()[0]}
    tc.optim.SGD([group], lr=0.5)
    assert group.keys() == {"params"}


def test_duplicates_are_warned_about_and_updated_twice():
    p = tc.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = tc.optim.Adam([p, p])
    p.grad = tc.ones(2)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 2.0


# ── nothing half-made ──


def fail():
    raise ArithmeticError("the closure")


FAULTS = {
    "size": (lambda o, p: setattr(p, "array", np.ones(7)), "different size"),
    "type": (lambda o, p: setattr(p, "array", p.array.astype("float32")), "different type"),
    "no tensor": (
        lambda o, p: vars(p).update(_grad=np.ones(p.array.shape)),
        "expected to be a Tensor",
    ),
    "integers": (lambda o, p: setattr(p, "array", p.array.astype("int64")), "can't be cast"),
    "read-only": (lambda o, p: p.array.setflags(write=False), "read-only"),
    "nan": (lambda o, p: o.param_groups[1].update(lr=float("nan")), "Invalid learning rate"),
    "text": (lambda o, p: o.param_groups[1].update(eps="small"), "Invalid epsilon value"),
    "betas": (lambda o, p: o.param_groups[1].update(betas=(1.0, 0.5)), "Invalid beta parameter"),
    "amsgrad": (lambda o, p: o.param_groups[1].update(amsgrad=True), "'max_exp_avg_sq' is not in"),
    "lost buffer": (lambda o, p: o.state[p].pop("exp_avg"), "'exp_avg' is not in"),
    "no buffer": (lambda o, p: o.state[p].update(step=1), "'step' is not in"),
    "buffer": (lambda o, p: setattr(o.state[p]["exp_avg"], "array", np.ones(7)), "different size"),
}


OF_STATE = {"amsgrad", "lost buffer", "no buffer", "buffer"}  # there is none before the first step


@pytest.mark.parametrize(
    ("fault", "warm"), [(f, w) for f in FAULTS for w in (True, False) if w or f not in OF_STATE]
)
def test_a_step_that_fails_changes_nothing(fault, warm):
    plant, text = FAULTS[fault]
    ours, _ = tensors()
    optimizer = tc.optim.Adam([{"params": ours[:2]}, {"params": ours[2:]}])
    for p in ours:
        p.grad = tc.tensor(np.ones(p.array.shape))
    if warm:
        optimizer.step()
    plant(optimizer, ours[-1])
    before = everything(optimizer)
    with pytest.raises((RuntimeError, TypeError, ValueError, KeyError), match=text):
        optimizer.step()
    assert everything(optimizer) == before


def test_a_closure_that_fails_changes_nothing():
    a, b = pair("SGD", {"momentum": 0.9})
    walk(a, b, 1)
    before = everything(a)
    with pytest.raises(ArithmeticError):
        a.step(fail)
    assert everything(a) == before


DAMAGE = {
    "shape": lambda d: d["state"][1].update(exp_avg=np.ones(99)),
    "missing buffer": lambda d: d["state"][1].pop("exp_avg_sq"),
    "missing setting": lambda d: d["param_groups"][0].pop("betas"),
    "number of groups": lambda d: d["param_groups"].append(d["param_groups"][0]),
    "size of a group": lambda d: d["param_groups"][0]["params"].pop(),
    "no state": lambda d: d.pop("state"),
    "no number": lambda d: d["state"][1].update(step="three"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_loading_that_fails_changes_nothing(damage):
    a, b = pair("Adam", {})
    walk(a, b, 2)
    saved = copy.deepcopy(a.state_dict())
    saved["param_groups"][0]["lr"] = 5.0
    DAMAGE[damage](saved)
    before = everything(a)
    with pytest.raises((ValueError, KeyError, RuntimeError)):
        a.load_state_dict(saved)
    assert everything(a) == before
