"""Optimizers: the numbers, texts and files of torch's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from optimizer_pairs import agree, everything, pair, params, same_state, tensors, walk

import tinyconv as tc

GRID = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 1e-2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.3, 0.0)}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "alpha": 0.8}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.1, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 1e-2, "weight_decay": 0.1}),
    ("Adamax", {"betas": (0.4, 0.0), "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.5, 0.9), "momentum_decay": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 2.5), "step_sizes": (0.05, 0.3), "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.5, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1}),
    ("ASGD", {"alpha": -1.0, "t0": -3, "maximize": True}),
]
NAMES = sorted({name for name, _ in GRID})
EXACT = {"float64": 1e-12, "float32": 3e-6}


def ids(value):
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "default"
    return str(value)


# ── numbers ──


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
def test_steps_are_those_of_torch(name, settings, dtype):
    a, b = pair(name, settings, dtype)
    walk(a, b, 20)
    agree(a, b, EXACT[dtype])
    same_state(a, b, EXACT[dtype])


@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
def test_switches_change_nothing(name, settings):
    switches = dict.fromkeys(["foreach", "differentiable"], True)
    a, b = tensors()[0], tensors()[0]
    plain, switched = (
        getattr(tc.optim, name)(a, **settings),
        getattr(tc.optim, name)(b, **settings, **switches),
    )
    for p, q in zip(a, b, strict=True):
        p.grad = q.grad = tc.tensor(np.ones(p.array.shape))
    plain.step()
    switched.step()
    for p, q in zip(a, b, strict=True):
        assert (p.array == q.array).all()


def test_groups_have_their_own_settings():
    def build(lib, ps):
        groups = [{"params": ps[:2], "lr": 0.5}, {"params": ps[2]}]
        optimizer = lib.optim.Adam(groups, lr=0.1, weight_decay=0.1)
        optimizer.add_param_group({"params": ps[3:], "betas": (0.5, 0.5), "amsgrad": True})
        return optimizer

    ours, theirs = tensors()
    a, b = build(tc, ours), build(torch, theirs)
    walk(a, b, 6)
    agree(a, b, 1e-12)
    same_state(a, b, 1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lr", [np.float64(0.1), np.float32(0.1), 1])
def test_a_numpy_scalar_counts_as_a_number_of_python(name, lr):
    (a, b), (c, d) = pair(name, {"lr": lr}, "float32"), pair(name, {"lr": float(lr)}, "float32")
    walk(a, b, 3)
    walk(c, d, 3)
    assert [p.array.tobytes() for p in params(a)] == [p.array.tobytes() for p in params(c)]
    buffers = [t.array for state in a.state.values() for t in state.values()]
    assert {x.dtype.name for x in [*buffers, *(p.array for p in params(a))]} == {"float32"}


def test_without_memory_the_average_is_the_gradient_itself():
    p, q = tc.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    a, b = tc.optim.Adam([p], betas=(0.0, 0.5)), torch.optim.Adam([q], betas=(0.0, 0.5))
    for g in (1e8, 1e-3):
        p.grad, q.grad = tc.tensor([g]), torch.tensor([g])
        a.step()
        b.step()
    assert a.state[p]["exp_avg"].item() == b.state[q]["exp_avg"].item() == p.grad.item()


@pytest.mark.parametrize("name", NAMES)
def test_lr_may_be_a_tensor(name):
    ours, theirs = tensors()
    a = getattr(tc.optim, name)(ours, lr=tc.tensor(np.array(0.25)))
    b = getattr(torch.optim, name)(theirs, lr=torch.tensor(0.25, dtype=torch.float64))
    walk(a, b, 5)
    agree(a, b, 1e-12)


def test_infinite_and_zero_gradients_are_silent():
    g = np.array([0.0, np.inf, 1e300])
    p = tc.tensor(np.ones(3), requires_grad=True)
    q = torch.ones(3, dtype=torch.float64, requires_grad=True)
    p.grad, q.grad = tc.tensor(g), torch.tensor(g)
    tc.optim.Adam([p], eps=0.0).step()
    torch.optim.Adam([q], eps=0.0).step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-12)


def test_a_parameter_may_be_strided():
    base = np.arange(12.0).reshape(3, 4)
    p = tc.tensor(base, requires_grad=True)
    p.array = base.T
    p.grad = tc.tensor(np.ones((4, 3)))
    tc.optim.SGD([p], lr=1.0).step()
    assert (base == np.arange(12.0).reshape(3, 4) - 1).all()


# ── training ──


@pytest.mark.parametrize("name", NAMES)
def test_a_training_loop_with_closure(name):
    def train(lib, x, y, w):
        optimizer = getattr(lib.optim, name)([w], lr=0.05)
        losses = []

        def closure():
            optimizer.zero_grad()
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            return loss

        with lib.no_grad():
            for _ in range(10):
                losses.append(optimizer.step(closure).item())
        return losses

    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((8, 3)), rng.standard_normal((8, 1)), np.zeros((3, 1))
    ours = train(tc, tc.tensor(x), tc.tensor(y), tc.tensor(w, requires_grad=True))
    theirs = train(torch, torch.tensor(x), torch.tensor(y), torch.tensor(w, requires_grad=True))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert ours[-1] < ours[0]


def test_a_step_is_a_write_that_backward_notices():
    p = tc.tensor(np.ones(2), requires_grad=True)
    loss = (p * p).sum()
    p.grad = tc.tensor(np.ones(2))
    tc.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_zero_grad_forgets_how_a_gradient_was_made():
    p = tc.tensor([1.0, 2.0], requires_grad=True)
    (p**3).sum().backward(create_graph=True)
    tc.optim.SGD([p]).zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    assert not p.grad.requires_grad


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    p = tc.tensor(np.ones(2), requires_grad=True)
    q = tc.tensor(np.ones(2), requires_grad=True)
    optimizer = tc.optim.SGD([p, q])
    p.grad = grad = tc.tensor(np.ones(2))
    optimizer.zero_grad(set_to_none)
    assert q.grad is None
    if set_to_none:
        assert p.grad is None
    else:
        assert p.grad is grad
        assert grad.array.tolist() == [0.0, 0.0]


# ── looks ──


@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
def test_repr(name, settings):
    a, b = pair(name, settings)
    assert repr(a) == repr(b)


def test_repr_of_groups_and_names():
    def build(lib, ps):
        first = {"params": [("w", ps[0]), ("b", ps[1])], "lr": 0.5}
        return lib.optim.SGD([first, {"params": [("c", ps[2])]}], lr=0.1)

    ours, theirs = tensors()
    assert repr(build(tc, ours)) == repr(build(torch, theirs))


# ── save and load ──


@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
@pytest.mark.parametrize("source", ["ours", "torch's"])
def test_loading_continues_where_saving_stopped(name, settings, source):
    a, b = pair(name, settings)
    walk(a, b, 4)
    c, _ = pair(name, {"lr": 7.0})
    saved = copy.deepcopy((a if source == "ours" else b).state_dict())
    c.load_state_dict(saved)
    b.load_state_dict(copy.deepcopy(b.state_dict()))  # which turns some counters into float64
    for p, q in zip(params(c), params(a), strict=True):
        p.array[...] = q.array
    walk(c, b, 4, seed=2)
    agree(c, b, 1e-12)
    same_state(c, b, 1e-12)


def test_torch_loads_what_we_save():
    a, b = pair("Adam", {"amsgrad": True})
    walk(a, b, 3)
    saved = a.state_dict()
    saved["state"] = {
        i: {k: torch.tensor(v.array) for k, v in entry.items()}
        for i, entry in saved["state"].items()
    }
    b.load_state_dict(saved)
    walk(a, b, 3)
    agree(a, b, 1e-12)


def test_loading_copies_and_converts():
    a, _ = pair("Adam", {})
    b, _ = pair("Adam", {}, "float32")
    for p in params(a):
        p.grad = tc.tensor(np.ones(p.array.shape))
    a.step()
    b.load_state_dict(a.state_dict())
    mine, theirs = b.state[params(b)[0]], a.state[params(a)[0]]
    assert mine["exp_avg"].array.dtype == np.float32
    assert mine["step"] is not theirs["step"]
    a.step()
    assert mine["step"].item() == 1.0
    assert b.state_dict()["param_groups"] == a.state_dict()["param_groups"]


def test_loading_a_file_of_an_older_version():
    a, _ = pair("SGD", {"lr": 0.1, "momentum": 0.9})
    saved = a.state_dict()
    for switch in ("maximize", "foreach", "differentiable", "fused"):
        del saved["param_groups"][0][switch]
    saved["state"] = {0: {"momentum_buffer": None}}
    a.load_state_dict(saved)
    assert a.param_groups[0]["maximize"] is False
    for p in params(a):
        p.grad = tc.tensor(np.ones(p.array.shape))
    a.step()
    assert (a.state[params(a)[0]]["momentum_buffer"].array == 1).all()


def test_adamw_stays_decoupled_whatever_it_loads():
    adam, adamw = pair("Adam", {})[0], pair("AdamW", {})[0]
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_its_own_way(clone):
    a, b = pair("Adam", {})
    walk(a, b, 2)
    before = everything(a)
    twin = clone(a)
    walk(twin, b, 2)
    agree(twin, b, 1e-12)
    same_state(twin, b, 1e-12)
    assert everything(a) == before


# ── hooks and optimizers of one's own ──


def test_hooks_around_a_step():
    seen = []
    p = tc.ones(2, requires_grad=True)
    optimizer = tc.optim.SGD([p])
    before = optimizer.register_step_pre_hook(lambda o, args, kw: seen.append(("before", args, kw)))
    optimizer.register_step_post_hook(lambda o, args, kw: seen.append(("after", args, kw)))
    optimizer.step()
    before.remove()
    optimizer.step(closure=None)
    assert seen == [
        ("before", (optimizer,), {}),
        ("after", (optimizer,), {}),
        ("after", (optimizer,), {"closure": None}),
    ]


def test_a_state_may_hold_more_than_the_optimizer_knows():
    p = tc.ones(2, requires_grad=True)
    optimizer = tc.optim.SGD([p], lr=0.5, momentum=0.5)
    optimizer.state[p].update(count=3, note=tc.ones(7))
    p.grad = tc.ones(2)
    optimizer.step()
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.0, 1.0]


def test_a_hook_may_replace_the_arguments():
    optimizer = tc.optim.SGD([tc.ones(2, requires_grad=True)])
    optimizer.register_step_pre_hook(lambda o, args, kw: (args, {"closure": lambda: 5}))
    assert optimizer.step() == 5


def test_an_optimizer_of_ones_own():
    class Descent(tc.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["count"] = self.state[p].get("count", 0) + 1
                    with tc.no_grad():
                        p -= group["lr"] * p.grad

    p = tc.ones(2, requires_grad=True)
    optimizer = Descent([p], lr=0.5)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    p.grad = tc.ones(2)
    optimizer.step()
    assert p.tolist() == [0.5, 0.5]
    assert calls == [1]
    other = Descent([tc.ones(2, requires_grad=True)], lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert next(iter(other.state.values())) == {"count": 1}
    assert other.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", ["Adam", "NAdam", "RAdam", "ASGD", "Adamax", "Adadelta", "Rprop"])
def test_counters_have_the_default_type(name):
    """They are float64 where that is the default, and the updates follow from them."""

    def run(lib):
        x, w = lib.linspace(-1, 1, 5), lib.linspace(0.3, 2, 5).requires_grad_()
        optimizer = getattr(lib.optim, name)([w])
        for step in range(8):
            if step == 4:
                again = getattr(lib.optim, name)([w])
                again.load_state_dict(optimizer.state_dict())
                optimizer = again
            optimizer.zero_grad()
            ((w * x).sin() ** 2).sum().backward()
            optimizer.step()
        kinds = {k: str(v.dtype).split(".")[1] for k, v in optimizer.state[w].items()}
        return w.detach().numpy(), kinds

    for kind in ("float64", "float32"):
        seen = []
        for lib in (tc, torch):
            lib.set_default_dtype(getattr(lib, kind))
            try:
                seen.append(run(lib))
            finally:
                lib.set_default_dtype(lib.float32)
        (ours, kinds), (theirs, expected) = seen
        np.testing.assert_allclose(ours, theirs, rtol=1e-14 if kind == "float64" else 1e-6)
        assert kinds == expected
