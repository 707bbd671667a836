"""Module: attributes, the tree, conversion, and errors that name their layer."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from both_libraries import (
    LIBRARIES,
    assert_same,
    assign,
    build,
    cases,
    first,
    outcome,
    pair,
    set_,
)

import tinyconv as tc

# ── attributes, registration, the tree ──

TREE = {
    "parameters": lambda lib, n: n.parameters(),
    "parameters-here": lambda lib, n: n.parameters(recurse=False),
    "named_parameters": lambda lib, n: n.named_parameters(),
    "named_parameters-prefix": lambda lib, n: n.named_parameters("p", False),
    "named_parameters-all": lambda lib, n: n.named_parameters(remove_duplicate=False),
    "buffers": lambda lib, n: n.buffers(),
    "named_buffers": lambda lib, n: n.named_buffers("x"),
    "named_buffers-all": lambda lib, n: n.named_buffers(remove_duplicate=False),
    "children": lambda lib, n: n.children(),
    "named_children": lambda lib, n: n.named_children(),
    "modules": lambda lib, n: n.modules(),
    "modules-all": lambda lib, n: n.modules(remove_duplicate=False),
    "named_modules": lambda lib, n: n.named_modules(),
    "named_modules-all": lambda lib, n: n.named_modules(prefix="p", remove_duplicate=False),
    "get_submodule": lambda lib, n: n.get_submodule("blocks.1.fc"),
    "get_submodule-self": lambda lib, n: n.get_submodule(""),
    "get_submodule-none": lambda lib, n: n.get_submodule("blocks.5.fc"),
    "get_submodule-parameter": lambda lib, n: n.get_submodule("stem.weight"),
    "get_parameter": lambda lib, n: n.get_parameter("blocks.1.fc.bias"),
    "get_parameter-none": lambda lib, n: n.get_parameter("stem.waight"),
    "get_parameter-module": lambda lib, n: n.get_parameter("blocks.1"),
    "get_buffer": lambda lib, n: n.get_buffer("blocks.0.count"),
    "get_buffer-parameter": lambda lib, n: n.get_buffer("scale"),
    "set_submodule": lambda lib, n: [n.set_submodule("blocks.0", lib.nn.Linear(1, 1)), n],
    "set_submodule-new": lambda lib, n: [n.set_submodule("blocks.0.extra", lib.nn.Linear(1, 1)), n],
    "set_submodule-strict": lambda lib, n: n.set_submodule("blocks.0.x", lib.nn.Linear(1, 1), True),
    "set_submodule-empty": lambda lib, n: n.set_submodule("", lib.nn.Linear(1, 1)),
    "set_submodule-int": lambda lib, n: n.set_submodule("stem", 3),
    "set_submodule-nowhere": lambda lib, n: n.set_submodule("a.b", lib.nn.Linear(1, 1)),
    "set-parameter": lambda lib, n: assign(n, "new", lib.nn.Parameter(lib.ones(2))),
    "set-parameter-over-buffer": lambda lib, n: assign(n, "mean", lib.nn.Parameter(lib.ones(2))),
    "set-parameter-over-module": lambda lib, n: assign(n, "stem", lib.nn.Parameter(lib.ones(2))),
    "set-module-over-buffer": lambda lib, n: assign(n, "mean", lib.nn.Linear(1, 1)),
    "set-module-over-attribute": lambda lib, n: assign(set_(n, "a", 3), "a", lib.nn.Linear(1, 1)),
    "set-buffer": lambda lib, n: assign(n, "new", lib.nn.Buffer(lib.ones(2))),
    "set-buffer-fleeting": lambda lib, n: assign(
        n, "new", lib.nn.Buffer(lib.ones(2), persistent=False)
    ),
    "set-buffer-again": lambda lib, n: assign(n, "mean", lib.ones(2)),
    "set-buffer-fleeting-again": lambda lib, n: assign(n, "cache", lib.ones(2)),
    "set-tensor": lambda lib, n: assign(n, "plain", lib.ones(2)),
    "set-none-parameter": lambda lib, n: assign(n, "scale", None),
    "set-none-module": lambda lib, n: assign(n, "stem", None),
    "set-none-buffer": lambda lib, n: assign(n, "mean", None),
    "set-int-to-parameter": lambda lib, n: set_(n, "scale", 3),
    "set-tensor-to-parameter": lambda lib, n: set_(n, "scale", lib.ones(4)),
    "set-int-to-module": lambda lib, n: set_(n, "stem", 3),
    "set-int-to-buffer": lambda lib, n: set_(n, "mean", 3),
    "del-parameter": lambda lib, n: [delattr(n, "scale"), n.named_parameters()],
    "del-buffer": lambda lib, n: [delattr(n, "cache"), n.named_buffers()],
    "del-module": lambda lib, n: [delattr(n, "blocks"), n],
    "del-none": lambda lib, n: delattr(n, "nowhere"),
    "get-none": lambda lib, n: n.nowhere,
    "register_parameter-int": lambda lib, n: n.register_parameter("x", 3),
    "register_parameter-tensor": lambda lib, n: n.register_parameter("x", lib.ones(2)),
    "register_parameter-name": lambda lib, n: n.register_parameter(3, None),
    "register_parameter-dot": lambda lib, n: n.register_parameter("a.b", None),
    "register_parameter-empty": lambda lib, n: n.register_parameter("", None),
    "register_parameter-twice": lambda lib, n: n.register_parameter("stem", None),
    "register_buffer-int": lambda lib, n: n.register_buffer("x", 3),
    "register_buffer-dot": lambda lib, n: n.register_buffer("a.b", None),
    "register_buffer-empty": lambda lib, n: n.register_buffer("", None),
    "register_buffer-twice": lambda lib, n: n.register_buffer("stem", None),
    "register_buffer-name": lambda lib, n: n.register_buffer(3, None),
    "add_module-int": lambda lib, n: n.add_module("x", 3),
    "add_module-dot": lambda lib, n: n.add_module("a.b", None),
    "add_module-empty": lambda lib, n: n.add_module("", None),
    "add_module-twice": lambda lib, n: n.add_module("mean", None),
    "add_module-name": lambda lib, n: n.add_module(3, None),
    "dir": lambda lib, n: (
        [k in dir(n) for k in ("stem", "scale", "mean", "forward", "0")] + ["0" in dir(n.blocks)]
    ),
    "repr": lambda lib, n: n,
    "no-forward": lambda lib, n: lib.nn.Module()(1),
    "init-argument": lambda lib, n: lib.nn.Module(a=3),
    "train-str": lambda lib, n: n.train("yes"),
    "apply": lambda lib, n: [names := [], n.apply(lambda m: names.append(type(m).__name__))][0],
}


@cases(TREE)
def test_tree(script):
    ours, theirs = pair()
    assert_same(outcome(script, tc, ours), outcome(script, torch, theirs))


def unfinished(lib, value):
    class Unfinished(lib.nn.Module):
        def __init__(self):
            self.x = value

    return Unfinished()


@pytest.mark.parametrize("kind", ["Parameter", "Buffer"])
def test_super_init_is_missing(kind):
    ours, theirs = (
        outcome(unfinished, lib, getattr(lib.nn, kind)(lib.ones(1))) for lib in LIBRARIES
    )
    assert_same(ours, theirs)
    assert "super().__init__()" in ours[1]


def test_super_init_is_missing_for_a_module_and_in_a_call():
    ours, theirs = (outcome(unfinished, lib, lib.nn.Linear(1, 1)) for lib in LIBRARIES)
    assert_same(ours, theirs)
    with pytest.raises(
        AttributeError, match=r"has no attribute '_hooks'\nWrite super\(\).__init__\(\)"
    ):
        unfinished(tc, 3)(1)


def test_missing_attribute_names_the_closest():
    net = build(tc)
    with pytest.raises(
        AttributeError, match=r"'Net' object has no attribute 'block'\nDid you mean 'blocks'\?"
    ) as info:
        net(net.block)
    assert not hasattr(net, "xyz")
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)


def test_parameter_of_an_operation_is_refused():
    ours = tc.nn.Parameter(tc.ones(2))
    ours.node = (tc.ones(2, requires_grad=True) * 2).grad_fn
    ours.leaf = False
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'p'"):
        tc.nn.Module().register_parameter("p", ours)


# ── conversion and flags ──


CONVERSIONS = {
    "double": lambda lib, n: n.double(),
    "half": lambda lib, n: n.half(),
    "float": lambda lib, n: n.double().float(),
    "type": lambda lib, n: n.type(lib.float64),
    "to-dtype": lambda lib, n: n.to(lib.float64),
    "to-device-dtype": lambda lib, n: n.to("cpu", lib.float64),
    "to-names": lambda lib, n: n.to(dtype=lib.float64, device="cpu"),
    "to-tensor": lambda lib, n: n.to(lib.ones(1, dtype=lib.float64)),
    "to-device": lambda lib, n: n.to(lib.device("cpu"), non_blocking=True),
    "cpu": lambda lib, n: n.cpu(),
    "frozen": lambda lib, n: n.requires_grad_(False),
    "thawed": lambda lib, n: n.requires_grad_(False).requires_grad_(),
}


@cases(CONVERSIONS)
def test_conversion(script):
    results = []
    for lib, net in zip(LIBRARIES, pair(), strict=True):
        before = first(net)
        net(lib.ones(2, 3)).sum().backward()
        assert script(lib, net) is net
        assert first(net) is before  # optimizers hold on to it
        grads = [
            None if p.grad is None else str(p.grad.dtype).rpartition(".")[2]
            for p in net.parameters()
        ]
        flags = [p.requires_grad for p in net.parameters()]
        kinds = [str(x.dtype).rpartition(".")[2] for x in (*net.parameters(), *net.buffers())]
        results.append([grads, flags, kinds, repr(net)])
    assert results[0] == results[1]


def test_to_refuses_integers():
    for lib, net in zip(LIBRARIES, pair(), strict=True):
        with pytest.raises(TypeError, match="only accepts floating point"):
            net.to(lib.int64)


def test_to_refuses_unknown_names():
    with pytest.raises(TypeError, match="unexpected keyword argument 'dvice'"):
        build(tc).to(dvice="cpu")


def test_train_and_eval_reach_every_module():
    for net in pair():
        assert net.training
        assert net.eval() is net
        assert not any(m.training for m in net.modules())
        net.blocks.train()
        assert [n for n, m in net.named_children() if m.training] == ["blocks", "again"]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    results = []
    for lib, net in zip(LIBRARIES, pair(), strict=True):
        net(lib.ones(2, 3)).sum().backward()
        net.zero_grad(set_to_none)
        results.append([None if p.grad is None else p.grad.tolist() for p in net.parameters()])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))], ids=["deepcopy", "pickle"]
)
def test_copies_are_independent(clone):
    net = tc.nn.Sequential(tc.nn.Linear(2, 2), tc.nn.Sequential(tc.nn.Linear(2, 2)))
    net.tied = net[0].weight
    twin = clone(net)
    assert repr(twin) == repr(net)
    assert twin.tied is twin[0].weight
    assert twin.tied is not net.tied
    x = tc.ones(1, 2)
    assert tc.equal(twin(x), net(x))
    with tc.no_grad():
        net.tied.fill_(0)
    assert twin.tied.abs().sum() > 0
    assert [type(p) for p in twin.parameters()] == [tc.nn.Parameter] * 4


def test_deepcopy_takes_hooks_along():
    net, seen = tc.nn.Linear(1, 1), []
    net.register_forward_hook(lambda *a: seen.append(1))
    twin = copy.deepcopy(net)
    twin(tc.ones(1, 1))
    assert seen == [1]


# ── errors that travel up ──


def test_errors_name_the_layer():
    net = build(tc)
    net.blocks[1].fc = tc.nn.Linear(5, 4)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as info:
        net(tc.ones(2, 3))
    last = str(info.value).splitlines()[-1]
    assert last == "In layer blocks.1.fc: Linear(in_features=5, out_features=4, bias=True)"
    assert info.value.path == ["fc", "1", "blocks"]
    again = pickle.loads(pickle.dumps(info.value))
    assert str(again) == str(info.value)


def test_errors_name_a_layer_called_through_another_and_twice():
    class Net(tc.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = tc.nn.ModuleDict({"a": tc.nn.ModuleList([tc.nn.Linear(3, 3)])})
            self.alias = self.parts["a"][0]
            self.hidden = [tc.nn.Linear(9, 9)]

        def forward(self, x, hidden=False):
            layer = self.hidden[0] if hidden else self.parts["a"][0]
            return layer(layer(x)[:, :2])  # the second call fails

    outer = tc.nn.Sequential(OrderedDict(net=Net()))
    with pytest.raises(RuntimeError) as info:
        outer(tc.ones(1, 3))
    assert str(info.value).endswith(
        "In layer net.parts.a.0: Linear(in_features=3, out_features=3, bias=True)"
    )
    with pytest.raises(RuntimeError) as info:
        outer.net(tc.ones(1, 9), hidden=True)
    assert "In layer <not registered>: Linear(in_features=9" in str(info.value)


def test_errors_of_the_outermost_module():
    with pytest.raises(RuntimeError) as info:
        tc.nn.Linear(3, 3)(tc.ones(1, 2))
    assert str(info.value).endswith("\nIn Linear(in_features=3, out_features=3, bias=True)")

    class Net(tc.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = tc.nn.Linear(1, 1)

        def forward(self, x):
            return x.view(7)

    with pytest.raises(RuntimeError) as info:
        tc.nn.Sequential(Net())(tc.ones(1))
    assert str(info.value).endswith("In layer 0: Net")
