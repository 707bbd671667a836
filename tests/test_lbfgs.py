"""L-BFGS: torch's numbers as long as rounding has not grown, and its counts all the way."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from optimizer_pairs import agree, params, raw, same_state, same_values

import tinyconv as tc

CASES = {
    "default": {},
    "short steps": {"lr": 0.1},
    "a short memory": {"history_size": 2},
    "strong Wolfe": {"line_search_fn": "strong_wolfe"},
    "strong Wolfe, from far": {"line_search_fn": "strong_wolfe", "lr": 30.0},
    "strong Wolfe, from near": {"line_search_fn": "strong_wolfe", "lr": 0.01},
    "few evaluations": {"line_search_fn": "strong_wolfe", "max_eval": 3},
    "one evaluation": {"line_search_fn": "strong_wolfe", "max_eval": 1},
    "a tolerant end": {"tolerance_grad": 0.05},
    "a tolerant change": {"tolerance_change": 1e-2},
}

GROWN = 1e-11  # torch's own numbers change as much if the first weight changes by its last bit


class Fit:
    """A smooth convex loss of a matrix and a vector; a third parameter has no gradient."""

    def __init__(self, lib, settings, dtype="float64"):
        rng = np.random.default_rng(0)
        arrays = [
            rng.standard_normal(s).astype(dtype) for s in ((8, 3), (8, 2), (3, 2), (2,), (2,))
        ]
        self.x, self.y, *rest = map(lib.tensor, arrays)
        self.w, self.b, _ = (p.requires_grad_() for p in rest)
        self.optimizer = lib.optim.LBFGS(rest, **settings)
        self.calls = 0

    def closure(self):
        self.calls += 1
        self.optimizer.zero_grad(set_to_none=False)
        e = self.x @ self.w + self.b - self.y
        loss = (1 + e * e).sqrt().sum() + (self.w**2).sum()
        loss.backward()
        return loss

    def step(self):
        return self.optimizer.step(self.closure).item()


def twins(settings, dtype="float64"):
    return Fit(tc, settings, dtype), Fit(torch, settings, dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("most", "steps"), [(2, 4), (8, 1)])
def test_steps_are_those_of_torch(case, most, steps):
    a, b = twins({"max_iter": most, **CASES[case]})
    for _ in range(steps):
        assert a.step() == pytest.approx(b.step(), rel=GROWN)
        assert a.calls == b.calls
    agree(a.optimizer, b.optimizer, GROWN)
    same_state(a.optimizer, b.optimizer, 1e-9)  # a curvature is a small difference
    assert repr(a.optimizer) == repr(b.optimizer)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_float32(search):
    a, b = twins({"max_iter": 5, "line_search_fn": search}, "float32")
    a.step(), b.step()
    agree(a.optimizer, b.optimizer, 1e-4)
    same_state(a.optimizer, b.optimizer, 1e-3)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_it_arrives_with_as_many_evaluations(search):
    a, b = twins({"line_search_fn": search})
    for _ in range(3):
        a.step(), b.step()
    agree(a.optimizer, b.optimizer, 1e-7)
    assert a.calls == b.calls
    assert abs(a.w.grad.numpy()).max() < 1e-4


LOSSES = {
    "a parabola": lambda x: (x - 3) ** 2,
    "a wall": lambda x: (5 * x).exp() - x,
    "waves": lambda x: (3 * x).sin() + 0.1 * x**2,
    "steep waves": lambda x: 4 * (1.7 * x).sin() - 0.3 * x + 0.002 * x**2,
    "a step up": lambda x: 0.95 * (50 * (x - 1.2)).sigmoid() - x + 0.001 * x**2,
    "far away": lambda x: ((x - 1000) ** 2 + 1).sqrt(),
    "flat": lambda x: (x - 1) ** 6,
    "a kink": lambda x: (x - 0.3).abs() + 0.1 * x,
    "without a minimum": lambda x: -x,
    "through no number": lambda x: x.log() * x,
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lr", [1e-3, 0.1, 1.0, 20.0])
def test_searches_look_where_torch_looks(loss, lr):
    seen = []
    for lib in (tc, torch):
        x = lib.tensor([0.7], dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.LBFGS([x], lr=lr, max_iter=4, line_search_fn="strong_wolfe")
        places = []

        def closure(x=x, optimizer=optimizer, places=places):
            places.append(x.item())
            optimizer.zero_grad()
            y = LOSSES[loss](x).sum()
            y.backward()
            return y

        optimizer.step(closure)
        seen.append([*places, x.item()])
    np.testing.assert_allclose(*seen, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("source", ["ours", "torch's"])
def test_loading_continues_where_saving_stopped(source, search):
    settings = {"max_iter": 3, "line_search_fn": search}
    a, b = twins(settings)
    a.step(), b.step()
    c = Fit(tc, {"lr": 7.0})
    c.optimizer.load_state_dict(
        copy.deepcopy((a if source == "ours" else b).optimizer.state_dict())
    )
    for p, q in zip(params(c.optimizer), params(a.optimizer), strict=True):
        p.array[...] = q.array
    c.step(), b.step()
    agree(c.optimizer, b.optimizer, GROWN)
    same_state(c.optimizer, b.optimizer, 1e-9)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_its_own_way(clone):
    a = Fit(tc, {"max_iter": 3})
    a.step()
    before = copy.deepcopy(raw(a.optimizer.state_dict()))
    twin = clone(a)
    twin.step()
    same_values(raw(a.optimizer.state_dict()), before, 0)
    a.step()
    same_values(raw(a.optimizer.state_dict()), raw(twin.optimizer.state_dict()), 0)


def test_loading_converts_also_what_lies_in_lists():
    a, b = Fit(tc, {"max_iter": 3}), Fit(tc, {}, "float32")
    a.step()
    b.optimizer.load_state_dict(a.optimizer.state_dict())
    state = b.optimizer.state[b.w]
    assert {t.dtype for name in ("old_dirs", "ro") for t in state[name]} == {tc.float32}
    assert state["n_iter"] == a.optimizer.state[a.w]["n_iter"]


@pytest.mark.parametrize("lr", [0.25, [0.25]])
def test_lr_may_be_a_tensor(lr):
    pair = [Fit(lib, {"max_iter": 4, "lr": lib.tensor(lr)}) for lib in (tc, torch)]
    for fit in pair:
        fit.step()
    agree(pair[0].optimizer, pair[1].optimizer, 1e-12)


def test_it_works_under_no_grad_and_returns_the_loss():
    fit = Fit(tc, {"max_iter": 1})
    with tc.no_grad():
        loss = fit.optimizer.step(fit.closure)
    assert loss.requires_grad
    assert fit.calls == 1


ERRORS = {
    "groups": lambda lib, p: lib.optim.LBFGS([{"params": [p]}, {"params": [lib.ones(1)]}]),
    "lr": lambda lib, p: lib.optim.LBFGS([p], lr=-1.0),
    "lr of two": lambda lib, p: lib.optim.LBFGS([p], lr=lib.ones(2)),
    "no closure": lambda lib, p: lib.optim.LBFGS([p]).step(),
    "another search": lambda lib, p: lib.optim.LBFGS([p], line_search_fn="golden").step(
        lambda: p.sum().backward() or p.sum()
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_begin_as_in_torch(case):
    with pytest.raises(Exception) as theirs:
        ERRORS[case](torch, torch.ones(2, requires_grad=True))
    with pytest.raises(theirs.type) as ours:
        ERRORS[case](tc, tc.ones(2, requires_grad=True))
    assert str(ours.value).split("\n")[0] == str(theirs.value)
