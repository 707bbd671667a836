"""Optimizers: the numbers, texts and files of torch's, and no half-made step."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import torch

import tinyconv as tc

SHAPES = [(3, 4), (5,), (), (2, 1, 3)]
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
]
NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]
EXACT = {"float64": 1e-12, "float32": 3e-6}


def ids(value):
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "default"
    return str(value)


def tensors(dtype="float64", seed=0):
    """The same parameters in both libraries."""
    rng = np.random.default_rng(seed)
    arrays = [np.array(rng.standard_normal(shape), dtype) for shape in SHAPES]
    ours = [tc.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return ours, theirs


def pair(name, settings, dtype="float64"):
    ours, theirs = tensors(dtype)
    return getattr(tc.optim, name)(ours, **settings), getattr(torch.optim, name)(theirs, **settings)


def walk(a, b, steps, seed=1):
    """Feed both optimizers the same gradients; in one step the first parameter has none."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for p, q in zip(params(a), params(b), strict=True):
            g = np.array(rng.standard_normal(q.shape), q.detach().numpy().dtype)
            p.grad, q.grad = tc.tensor(g), torch.tensor(g)
        if step == 2:
            params(a)[0].grad = params(b)[0].grad = None
        a.step()
        b.step()


def params(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def agree(a, b, tolerance):
    for p, q in zip(params(a), params(b), strict=True):
        assert p.array.dtype == q.detach().numpy().dtype
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=tolerance, atol=tolerance)


def raw(x):
    """A state dict with arrays instead of tensors, whichever library it comes from."""
    if isinstance(x, dict):
        return {k: raw(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [raw(v) for v in x]
    if isinstance(x, torch.Tensor):
        return x.detach().numpy()
    return x.array.copy() if isinstance(x, tc.Tensor) else x


def same_state(a, b, tolerance):
    a, b = raw(a.state_dict()), raw(b.state_dict())
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for i, entry in b["state"].items():
        assert a["state"][i].keys() == entry.keys()
        for name, value in entry.items():
            mine = a["state"][i][name]
            assert mine.shape == value.shape
            assert mine.dtype == value.dtype
            np.testing.assert_allclose(mine, value, rtol=tolerance, atol=tolerance)


# ── numbers ──


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
def test_steps_are_those_of_torch(name, settings, dtype):
    a, b = pair(name, settings, dtype)
    walk(a, b, 12)
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
def test_a_numpy_scalar_does_not_change_the_number_type(name, lr):
    a, _ = pair(name, {"lr": lr}, "float32")
    for p in params(a):
        p.grad = tc.tensor(np.ones(p.array.shape, np.float32))
    a.step()
    assert {p.array.dtype.name for p in params(a)} == {"float32"}
    buffers = [t.array.dtype.name for state in a.state.values() for t in state.values()]
    assert set(buffers) <= {"float32"}


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


# ── errors ──


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
    with pytest.raises(Exception) as theirs:  # noqa: B017, PT011 - torch says which type
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
        lambda o, p: vars(p).update(grad=np.ones(p.array.shape)),
        "expected to be a Tensor",
    ),
    "integers": (lambda o, p: setattr(p, "array", p.array.astype("int64")), "can't be cast"),
    "read-only": (lambda o, p: p.array.setflags(write=False), "read-only"),
    "nan": (lambda o, p: o.param_groups[1].update(lr=float("nan")), "Invalid learning rate"),
    "text": (lambda o, p: o.param_groups[1].update(eps="small"), "Invalid epsilon value"),
    "betas": (lambda o, p: o.param_groups[1].update(betas=(1.0, 0.5)), "Invalid beta parameter"),
    "amsgrad": (lambda o, p: o.param_groups[1].update(amsgrad=True), "'max_exp_avg_sq' is not in"),
    "lost buffer": (lambda o, p: o.state[p].pop("exp_avg"), "'exp_avg' is not in"),
    "buffer": (lambda o, p: setattr(o.state[p]["exp_avg"], "array", np.ones(7)), "different size"),
}


def everything(optimizer):
    return (
        [p.array.tobytes() for p in params(optimizer)],
        [
            (id(p), name, t.array.tobytes())
            for p, state in optimizer.state.items()
            for name, t in state.items()
        ],
        repr(optimizer),
    )


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_that_fails_changes_nothing(fault, warm):
    plant, text = FAULTS[fault]
    if not warm and fault in ("amsgrad", "lost buffer", "buffer"):
        pytest.skip("needs a state")
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
