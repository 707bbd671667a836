"""Module and its containers: one script, run by both libraries, must end the same way."""

from __future__ import annotations

import copy
import operator
import pickle
import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch

import tinyconv as tc

LIBRARIES = (tc, torch)


def build(lib):
    """A network with a shared layer and parameter, buffers of both kinds, and empty places."""
    nn = lib.nn

    class Act(nn.Module):
        def forward(self, x):
            return x.relu()

    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.fc = nn.Linear(n, n)
            self.act = Act()
            self.register_buffer("count", lib.zeros(1, dtype=lib.int64))

        def forward(self, x):
            return x + self.act(self.fc(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(3, 4)
            self.blocks = nn.Sequential(Block(4), Block(4))
            self.again = self.blocks[0]
            self.scale = nn.Parameter(lib.ones(4))
            self.tied = self.scale
            self.register_parameter("nothing", None)
            self.register_module("nobody", None)
            self.register_buffer("mean", lib.zeros(4))
            self.register_buffer("cache", lib.zeros(2), persistent=False)
            self.list = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 2), Act()])

        def forward(self, x):
            x = self.again(self.blocks(self.stem(x))) * self.scale + self.mean
            return self.list[0](x) + self.list[1](x)

    return Net()


def pair():
    """The same network, with the same numbers, in both libraries."""
    ours, theirs = build(tc), build(torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def plain(x):
    """What two libraries can be compared by."""
    if isinstance(x, (tc.Tensor, torch.Tensor)):
        return [list(x.shape), str(x.dtype).rpartition(".")[2], x.tolist(), x.requires_grad]
    if isinstance(x, (tc.nn.Module, torch.nn.Module)):
        return repr(x).replace("torch.", "tinyconv.")
    if isinstance(x, dict) or hasattr(x, "items"):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple, set)) or hasattr(x, "__next__"):
        return [plain(v) for v in x]
    return repr(x).replace("torch.", "tinyconv.") if not isinstance(x, (str, bool)) else x


def outcome(action, *args):
    """The result, or the built-in type and the message of the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return plain(action(*args))
    except Exception as error:
        kind = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        if isinstance(error, AttributeError):
            return kind, str(error)
        return kind, str(error.args[0]).replace("torch.", "tinyconv.").replace(
            "(torch T", "(tinyconv.T"
        )


def assert_same(ours, theirs):
    if isinstance(theirs, tuple) and isinstance(theirs[0], type):
        assert ours[0] is theirs[0], (ours, theirs)
        opening = theirs[1].split("\n")[0].split("<class")[0].split(". Open an")[0].rstrip(".")
        assert ours[1].replace("; is ", "; is").startswith(opening), (ours, theirs)
    else:
        assert ours == theirs


def both(run):
    """What both libraries give, if it is the same."""
    ours, theirs = run(tc), run(torch)
    assert ours == theirs
    return ours


each = pytest.mark.parametrize("lib", LIBRARIES, ids=["ours", "theirs"])


def cases(table):
    return pytest.mark.parametrize("script", list(table.values()), ids=list(table))


def first(net):
    return next(net.parameters())


def set_(net, name, value):
    setattr(net, name, value)
    return net


def assign(net, name, value):
    """Where the value ends up."""
    setattr(net, name, value)
    return [name in d for d in (net._parameters, net._buffers, net._modules, vars(net))] + [
        net.state_dict()
    ]


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


# ── forward and backward ──


def test_values_and_gradients():
    ours, theirs = pair()
    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    y, z = ours(tc.tensor(x)), theirs(torch.tensor(x))
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-5, err_msg=name
        )


def hooked(lib, log):
    """A module with every kind of hook, each of which writes into ``log``."""
    nn = lib.nn

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(lib.tensor([2.0, 3.0]))

        def forward(self, a, b, *, factor=1.0):
            return self.w * a * factor, (a * 3).detach(), "text", b * 5

    m = Two()
    m.register_forward_pre_hook(lambda m, args: log.append(("pre", args)))
    m.register_forward_pre_hook(lambda m, args: (args[0] * 2, args[1]), prepend=True)
    m.register_forward_pre_hook(
        lambda m, args, kw: (args, {**kw, "factor": 10.0}), with_kwargs=True
    )
    m.register_forward_hook(lambda m, args, out: log.append(("post", args, out)))
    m.register_forward_hook(lambda m, args, kw, out: log.append(("kw", kw)), with_kwargs=True)
    m.register_forward_hook(lambda m, args, out: (out[0] + 1, *out[1:]), prepend=True)
    m.register_full_backward_pre_hook(lambda m, go: log.append(("bpre", go)))
    m.register_full_backward_pre_hook(lambda m, go: (go[0] * 7, *go[1:]), prepend=True)
    m.register_full_backward_hook(lambda m, gi, go: log.append(("back", gi, go)))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 11, gi[1]))
    return m


@pytest.mark.parametrize("uses_b", [True, False])
@pytest.mark.parametrize("wants_b", [True, False])
def test_every_hook(uses_b, wants_b):
    def run(lib):
        log = []
        m = hooked(lib, log)
        a = lib.tensor([1.0, 2.0], requires_grad=True)
        b = lib.tensor([1.0, 1.0], requires_grad=wants_b)
        out = m(a * 1, b, factor=3.0)
        (out[0].sum() + out[3].sum() if uses_b and wants_b else out[0].sum()).backward()
        return plain([log, a.grad.tolist(), m.w.grad.tolist(), b.grad.tolist() if wants_b else 0])

    both(run)


BACKWARD_ANSWERS = {
    "none": lambda lib: None,
    "one": lambda lib: (lib.zeros(2),),
    "list": lambda lib: [lib.zeros(2)],
    "bare": lambda lib: lib.zeros(2),
    "two": lambda lib: (lib.zeros(2), None),
    "nothing": lambda lib: (),
}


@pytest.mark.parametrize("input_grad", [True, False])
@pytest.mark.parametrize("before", [True, False], ids=["pre", "full"])
@cases(BACKWARD_ANSWERS)
def test_answers_of_backward_hooks(script, before, input_grad):
    def run(lib):
        class Scale(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = lib.nn.Parameter(lib.ones(2))

            def forward(self, x):
                return self.w * x

        m = Scale()
        register = m.register_full_backward_pre_hook if before else m.register_full_backward_hook
        register(lambda *args: script(lib))
        x = lib.ones(2, requires_grad=input_grad)
        m(x).sum().backward()
        return [plain(x.grad), plain(m.w.grad)]

    ours, theirs = outcome(run, tc), outcome(run, torch)
    if isinstance(theirs, tuple):
        assert ours[0] is theirs[0]
        assert ours[1].split(", got")[0] == theirs[1].split(", got")[0]
    else:
        assert ours == theirs


@each
def test_backward_hook_warns_without_gradient_of_an_input(lib):
    m = lib.nn.Linear(2, 1)
    m.register_full_backward_hook(lambda *a: None)
    y = m(lib.ones(1, 2))
    with pytest.warns(
        UserWarning, match="Full backward hook is firing when gradients are computed"
    ):
        y.sum().backward()


@each
def test_backward_hook_needs_tensors(lib):

    class Dict(lib.nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    m = Dict()
    m.register_full_backward_hook(lambda *a: None)
    x = lib.ones(2, requires_grad=True)
    with pytest.warns(
        UserWarning, match="module output should be a Tensor or a tuple of Tensors but received"
    ):
        y = m(x)
    y["y"].sum().backward()
    assert x.grad.tolist() == [2, 2]


@each
def test_backward_hooks_leave_namedtuples_and_no_grad_alone(lib):
    Pair = namedtuple("Pair", "a b")

    class Named(lib.nn.Module):
        def forward(self, x):
            return Pair(x * 2, x * 3)

    m, seen = Named(), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append(plain(go)))
    y = m(lib.ones(1, requires_grad=True))
    assert type(y) is Pair
    (y.a + y.b).sum().backward()
    assert len(seen) == 1
    with lib.no_grad():
        assert not m(lib.ones(1, requires_grad=True)).a.requires_grad


@each
def test_writing_to_what_passed_a_backward_hook_is_an_error(lib):
    m = lib.nn.Linear(2, 2)
    m.register_full_backward_hook(lambda *a: None)
    y = m(lib.ones(1, 2, requires_grad=True))
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        y.relu_()


def test_second_gradients_pass_backward_hooks():
    def run(lib):

        class Cube(lib.nn.Module):
            def forward(self, x):
                return x**3

        m = Cube()
        m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
        x = lib.tensor([2.0], requires_grad=True)
        (g,) = lib.autograd.grad(m(x).sum(), x, create_graph=True)
        (h,) = lib.autograd.grad(g.sum(), x)
        return [g.tolist(), h.tolist()]

    both(run)


def test_hook_of_a_module_called_twice():
    def run(lib):
        m, seen = lib.nn.Linear(2, 2), []
        with lib.no_grad():
            m.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
        m.register_full_backward_hook(lambda m, gi, go: seen.append(plain([gi, go])))
        m(m(lib.ones(1, 2, requires_grad=True))).sum().backward()
        return seen

    assert len(both(run)) == 2


@each
def test_always_call(lib):

    class Fails(lib.nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m, seen = Fails(), []
    m.register_forward_hook(lambda m, a, y: seen.append("never"))
    m.register_forward_hook(lambda m, a, y: seen.append(y), always_call=True)
    m.register_forward_hook(lambda m, a, y: 1 / 0, always_call=True)
    with (
        pytest.warns(UserWarning, match="always_call=True`` raised an exception that was silenced"),
        pytest.raises(ValueError, match="no"),
    ):
        m(1)
    assert seen == [None]


@each
def test_pre_hook_must_return_args_and_kwargs(lib):
    m = lib.nn.Linear(1, 1)
    m.register_forward_pre_hook(lambda m, a, k: a[0], with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        m(lib.ones(1, 1))


def test_removing_hooks():
    m, seen = tc.nn.Linear(1, 1), []
    handle = m.register_forward_hook(lambda *a: seen.append(1))
    with m.register_forward_hook(lambda *a: seen.append(2)):
        m(tc.ones(1, 1))
    handle.remove()
    handle.remove()
    m(tc.ones(1, 1))
    assert seen == [1, 2]
    assert not m._hooks


def test_hooks_of_all_modules():
    def run(lib):
        where = tc.nn.hooks if lib is tc else torch.nn.modules.module
        log = []

        def note(word):
            return lambda m, *args: log.append(f"{word} {type(m).__name__} {len(args)}")

        m = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Linear(1, 1))
        m[0].register_forward_hook(note("own"))
        handles = [
            where.register_module_forward_pre_hook(note("pre")),
            where.register_module_forward_hook(note("post")),
            where.register_module_forward_hook(note("named"), with_kwargs=True),
            where.register_module_full_backward_pre_hook(note("before")),
            where.register_module_full_backward_hook(note("back")),
        ]
        m(lib.ones(1, 1, requires_grad=True)).sum().backward()
        for handle in handles:
            handle.remove()
        m(lib.ones(1, 1))
        return log

    assert len(both(run)) == 3 * 5 + 2


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


# ── state ──

LOADS = {
    "same": lambda lib, n: n.load_state_dict(n.state_dict()),
    "keys": lambda lib, n: list(n.state_dict()),
    "prefix": lambda lib, n: list(n.state_dict(prefix="p.")),
    "metadata": lambda lib, n: dict(n.state_dict()._metadata),
    "vars": lambda lib, n: [v is n.scale for v in n.state_dict(keep_vars=True).values()],
    "no-vars": lambda lib, n: [v.requires_grad for v in n.state_dict().values()],
    "destination": lambda lib, n: n.stem.state_dict(destination=OrderedDict(a=1), prefix="x."),
    "not-a-dict": lambda lib, n: n.load_state_dict(3),
    "empty": lambda lib, n: n.load_state_dict({}),
    "empty-lax": lambda lib, n: n.load_state_dict({}, strict=False),
    "unexpected": lambda lib, n: n.load_state_dict(
        {**n.state_dict(), "q": 1, "stem.x.y": 2, "mean.z": 3}
    ),
    "unexpected-lax": lambda lib, n: n.load_state_dict(
        {"q": 1, "blocks.0.fc.q": lib.ones(1)}, strict=False
    ),
    "shape": lambda lib, n: n.load_state_dict({**n.state_dict(), "stem.weight": lib.ones(2)}),
    "shape-lax": lambda lib, n: n.load_state_dict({"scale": lib.ones(2, 3)}, strict=False),
    "no-tensor": lambda lib, n: n.load_state_dict({**n.state_dict(), "mean": [1, 2, 3, 4]}),
    "everything": lambda lib, n: n.load_state_dict({"mean": 3, "scale": lib.ones(3), "q": 1}),
    "dtype": lambda lib, n: [
        n.load_state_dict({k: v.double() for k, v in n.state_dict().items()}),
        n.state_dict(),
    ],
    "old-scalar": lambda lib, n: lib.nn.BatchNorm1d(1).load_state_dict(
        {"num_batches_tracked": lib.tensor([3])}, False
    ),
    "assign": lambda lib, n: [
        n.load_state_dict(
            {"scale": lib.ones(4, dtype=lib.float64), "mean": lib.ones(4)},
            strict=False,
            assign=True,
        ),
        [n.scale, n.mean, isinstance(n.scale, lib.nn.Parameter)],
    ],
}


@cases(LOADS)
def test_state(script):
    ours, theirs = pair()
    a, b = outcome(script, tc, ours), outcome(script, torch, theirs)
    if isinstance(b, tuple):
        assert a[0] is b[0]
        assert a[1].startswith(b[1]), (a[1], b[1])
    else:
        assert a == b


def everything(net):
    return [(k, id(v), v.tolist()) for k, v in [*net.named_parameters(), *net.named_buffers()]]


FAILURES = {
    "missing": lambda s: s.pop("list.1.bias"),
    "unexpected": lambda s: s.update(q=tc.ones(1)),
    "shape of the last": lambda s: s.update({"list.1.bias": tc.ones(3)}),
    "no tensor": lambda s: s.update({"list.1.bias": "text"}),
}


@pytest.mark.parametrize("assign", [True, False])
@cases(FAILURES)
def test_a_failed_load_changes_nothing(script, assign):
    net = build(tc)
    state = OrderedDict((k, v + 1) for k, v in net.state_dict().items())
    script(state)
    before = everything(net)
    with pytest.raises(RuntimeError, match="Error"):
        net.load_state_dict(state, assign=assign)
    assert everything(net) == before


def test_a_failed_hook_changes_nothing_either():
    net = build(tc)
    before = everything(net)
    net.register_load_state_dict_post_hook(lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})
    assert everything(net) == before


def test_a_failed_load_does_not_break_a_graph():
    net = tc.nn.Linear(2, 2)
    y = net(tc.ones(1, 2, requires_grad=True))
    with pytest.raises(RuntimeError):
        net.load_state_dict({"weight": tc.ones(2, 2)})
    y.sum().backward()
    net(tc.ones(1, 2, requires_grad=True))


ADVICE = {
    "All keys start with 'module.'": lambda n: {
        f"module.{k}": v for k, v in n.state_dict().items()
    },
    "is that of the part 'blocks'": lambda n: n.blocks.state_dict(),
    "The value of 'model' is itself a dict": lambda n: {"model": n.state_dict(), "epoch": 3},
    "Build the model with the sizes": lambda n: {**n.state_dict(), "scale": tc.ones(7)},
    "With strict=False, what matches": lambda n: {**n.state_dict(), "q": tc.ones(7)},
}


@pytest.mark.parametrize("text", list(ADVICE))
def test_advice(text):
    net = build(tc)
    if text.startswith("is that"):
        net = tc.nn.Sequential(OrderedDict(blocks=net.blocks))
    with pytest.raises(RuntimeError) as info:
        net.load_state_dict(
            ADVICE[text](
                net if text[0] != "i" else tc.nn.Sequential(OrderedDict(blocks=net.blocks))
            )
        )
    assert text in str(info.value).splitlines()[-1]


def test_state_hooks_and_extra_state():
    def run(lib):

        class Extra(lib.nn.Module):
            _version = 3

            def __init__(self):
                super().__init__()
                self.fc = lib.nn.Linear(1, 1)
                self.extra = 1

            def get_extra_state(self):
                return self.extra

            def set_extra_state(self, state):
                self.extra = state

        log = []
        m = Extra()
        m.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("save", prefix, keep)))
        m.register_state_dict_post_hook(
            lambda m, d, prefix, meta: log.append((list(d), prefix, meta["version"]))
        )
        m.register_load_state_dict_pre_hook(
            lambda m, d, prefix, meta, strict, missing, unexpected, errors: log.append(
                [prefix, meta.get("version"), strict, d.pop("old"), missing, unexpected, errors]
            )
        )
        m.fc.register_load_state_dict_post_hook(
            lambda m, keys: log.append(keys.missing_keys.clear())
        )
        state = m.state_dict()
        state["_extra_state"], state["old"] = 5, 6
        del state["fc.bias"]
        log += [m.load_state_dict(state), m.extra, m.state_dict()._metadata[""]]
        with pytest.raises(RuntimeError, match=r"Missing.*_extra_state"):
            Extra().load_state_dict(m.fc.state_dict(prefix="fc."))
        return plain(log)

    both(run)


@each
def test_post_hooks_return_nothing(lib):
    m = lib.nn.Linear(1, 1)
    m.register_load_state_dict_post_hook(lambda m, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return new"):
        m.load_state_dict(m.state_dict())
    m.register_state_dict_post_hook(lambda *a: 1)
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        m.state_dict()


# ── containers ──


def row(lib, *sizes):
    return [lib.nn.Linear(n, n) for n in sizes]


def seq(lib, *sizes):
    return lib.nn.Sequential(*row(lib, *sizes))


def lst(lib, *sizes):
    return lib.nn.ModuleList(row(lib, *sizes))


def named(lib):
    return lib.nn.Sequential(
        OrderedDict(a=lib.nn.Linear(1, 1), b=lib.nn.Linear(2, 2), c=lib.nn.Linear(3, 3))
    )


def after(x, *actions):
    return [*(f(x) for f in actions), x, len(x)]


CONTAINERS = {
    "seq": lambda lib: [seq(lib, 1, 2), len(seq(lib, 1, 2)), seq(lib)],
    "seq-int": lambda lib: lib.nn.Sequential(3),
    "seq-index": lambda lib: [seq(lib, 1, 2)[-1], named(lib)[1]],
    "seq-out-of-range": lambda lib: seq(lib, 1)[5],
    "seq-slice": lambda lib: [seq(lib, 1, 2, 3)[1:], named(lib)[::2]],
    "seq-set": lambda lib: after(named(lib), lambda s: operator.setitem(s, 1, lib.nn.Linear(9, 9))),
    "seq-del": lambda lib: after(named(lib), lambda s: operator.delitem(s, 1)),
    "seq-del-slice": lambda lib: after(
        seq(lib, 1, 2, 3), lambda s: operator.delitem(s, slice(0, 2))
    ),
    "seq-append": lambda lib: after(seq(lib, 1), lambda s: s.append(lib.nn.Linear(2, 2))),
    "seq-extend": lambda lib: after(seq(lib, 1), lambda s: s.extend(seq(lib, 2, 3))),
    "seq-insert": lambda lib: after(seq(lib, 1, 2), lambda s: s.insert(-1, lib.nn.Linear(3, 3))),
    "seq-insert-end": lambda lib: after(seq(lib, 1, 2), lambda s: s.insert(2, lib.nn.Linear(3, 3))),
    "seq-insert-far": lambda lib: seq(lib, 1).insert(4, lib.nn.Linear(3, 3)),
    "seq-insert-int": lambda lib: isinstance(seq(lib, 1).insert(0, 3), int),
    "seq-pop": lambda lib: after(seq(lib, 1, 2, 3), lambda s: s.pop(1)),
    "seq-add": lambda lib: seq(lib, 1) + seq(lib, 2),
    "seq-add-list": lambda lib: operator.add(seq(lib, 1), [1]),
    "seq-iadd": lambda lib: operator.iadd(seq(lib, 1), seq(lib, 2)),
    "seq-mul": lambda lib: [seq(lib, 1, 2) * 2, 2 * seq(lib, 1)],
    "seq-imul": lambda lib: operator.imul(seq(lib, 1, 2), 3),
    "seq-mul-zero": lambda lib: seq(lib, 1) * 0,
    "seq-mul-float": lambda lib: seq(lib, 1) * 1.5,
    "seq-state": lambda lib: list((seq(lib, 1) * 2).state_dict()),
    "list": lambda lib: [lst(lib, 1, 1, 2), len(lst(lib, 1)), lst(lib), lst(lib, 2, 1, 1)],
    "list-nested": lambda lib: lib.nn.ModuleList([seq(lib, 1), seq(lib, 1), seq(lib, 2)]),
    "list-int": lambda lib: lib.nn.ModuleList([1]),
    "list-index": lambda lib: [lst(lib, 1, 2)[-1], lst(lib, 1, 2, 3)[::2]],
    "list-out-of-range": lambda lib: lst(lib, 1)[-2],
    "list-set": lambda lib: after(
        lst(lib, 1, 2), lambda s: operator.setitem(s, -1, lib.nn.Linear(9, 9))
    ),
    "list-del": lambda lib: after(lst(lib, 1, 2, 3), lambda s: operator.delitem(s, 0)),
    "list-append": lambda lib: after(lst(lib, 1), lambda s: s.append(lib.nn.Linear(2, 2))),
    "list-extend": lambda lib: after(lst(lib, 1), lambda s: s.extend(row(lib, 2, 3))),
    "list-extend-int": lambda lib: lst(lib, 1).extend(3),
    "list-insert": lambda lib: after(lst(lib, 1, 2), lambda s: s.insert(1, lib.nn.Linear(3, 3))),
    "list-pop": lambda lib: after(lst(lib, 1, 2), lambda s: s.pop(0)),
    "list-add": lambda lib: lst(lib, 1) + row(lib, 2),
    "list-iadd": lambda lib: operator.iadd(lst(lib, 1), row(lib, 2)),
    "list-call": lambda lib: lst(lib, 1)(3),
    "dict": lambda lib: lib.nn.ModuleDict({"b": seq(lib, 1), "a": seq(lib, 2)}),
    "dict-pairs": lambda lib: lib.nn.ModuleDict([("b", seq(lib, 1)), ["a", seq(lib, 2)]]),
    "dict-missing": lambda lib: lib.nn.ModuleDict()["a"],
    "dict-reserved": lambda lib: lib.nn.ModuleDict({"type": seq(lib)}),
    "dict-dot": lambda lib: lib.nn.ModuleDict({"a.b": seq(lib)}),
    "dict-int": lambda lib: lib.nn.ModuleDict(5),
    "dict-short": lambda lib: lib.nn.ModuleDict([(1,)]),
    "dict-no-pair": lambda lib: lib.nn.ModuleDict([1]),
    "dict-methods": lambda lib: after(
        lib.nn.ModuleDict({"a": seq(lib, 1), "b": seq(lib, 2)}),
        lambda d: [list(d), list(d.keys()), list(d.values()), dict(d.items()), "a" in d, "z" in d],
        lambda d: d.pop("a"),
        lambda d: d.update({"c": seq(lib, 3)}),
        lambda d: operator.delitem(d, "b"),
    ),
    "dict-clear": lambda lib: after(lib.nn.ModuleDict({"a": seq(lib, 1)}), lambda d: d.clear()),
    "plist": lambda lib: lib.nn.ParameterList(
        [lib.ones(2, 3), lib.nn.Parameter(lib.tensor(1.0)), 5]
    ),
    "plist-one": lambda lib: lib.nn.ParameterList([lib.ones(2, 3)]),
    "plist-index": lambda lib: [
        p := lib.nn.ParameterList([lib.ones(2), lib.ones(1)]),
        p[-1],
        p[:1],
        p.state_dict(),
    ],
    "plist-out-of-range": lambda lib: lib.nn.ParameterList([lib.ones(2)])[3],
    "plist-set": lambda lib: after(
        lib.nn.ParameterList([lib.ones(2)]), lambda p: operator.setitem(p, 0, lib.zeros(1))
    ),
    "plist-set-far": lambda lib: operator.setitem(lib.nn.ParameterList(), 0, lib.zeros(1)),
    "plist-extend": lambda lib: after(
        lib.nn.ParameterList(), lambda p: p.extend([lib.ones(1)]), lambda p: p.append(4)
    ),
    "plist-extend-int": lambda lib: lib.nn.ParameterList().extend(3),
    "plist-call": lambda lib: lib.nn.ParameterList()(1),
    "plist-list": lambda lib: [
        list(p := operator.iadd(lib.nn.ParameterList(), [lib.ones(1)])),
        p.parameters(),
    ],
    "pdict": lambda lib: lib.nn.ParameterDict(
        {"b": lib.ones(2, 3), "a": lib.nn.Parameter(lib.zeros(())), "c": 5}
    ),
    "pdict-order": lambda lib: [
        list(lib.nn.ParameterDict(kind(b=lib.ones(1), a=lib.ones(2))).state_dict())
        for kind in (dict, OrderedDict)
    ],
    "pdict-int": lambda lib: lib.nn.ParameterDict({1: 2}),
    "pdict-missing": lambda lib: lib.nn.ParameterDict()["a"],
    "pdict-update-int": lambda lib: lib.nn.ParameterDict([1]),
    "pdict-call": lambda lib: lib.nn.ParameterDict()(1),
    "pdict-methods": lambda lib: after(
        lib.nn.ParameterDict({"a": lib.ones(1), "b": lib.ones(2)}),
        lambda d: [
            list(d),
            list(d.keys()),
            list(d.values()),
            dict(d.items()),
            "a" in d,
            list(reversed(d)),
        ],
        lambda d: [d.get("a"), d.get("z"), d.setdefault("y", lib.zeros(1)), d.setdefault("a", 3)],
        lambda d: [d.pop("a"), list(d.popitem())],
        lambda d: d | lib.nn.ParameterDict({"q": lib.ones(1)}),
        lambda d: d.copy(),
        lambda d: d.fromkeys(["k", "l"], 3),
        lambda d: operator.delitem(d, "b"),
    ),
    "pdict-clear": lambda lib: after(lib.nn.ParameterDict({"a": lib.ones(1)}), lambda d: d.clear()),
    "pdict-ior": lambda lib: operator.ior(
        lib.nn.ParameterDict({"a": lib.ones(1)}), lib.nn.ParameterDict({"b": 1})
    ),
}


@cases(CONTAINERS)
def test_container(script):
    tc.manual_seed(0)
    torch.manual_seed(0)
    assert_same(outcome(script, tc), outcome(script, torch))


def test_sequential_shares_modules_when_multiplied():
    net = tc.nn.Sequential(tc.nn.Linear(2, 2)) * 3
    assert net[0] is net[2]
    assert len(list(net.parameters())) == 2
    assert net(tc.ones(1, 2)).shape == (1, 2)


# ── tensors without a shape ──


@each
def test_uninitialized_parameters_refuse_numbers(lib):
    p = lib.nn.UninitializedParameter(dtype=lib.float64)
    assert repr(p) == "<UninitializedParameter>"
    assert p.requires_grad
    assert p.is_leaf
    assert p.dtype == lib.float64
    assert isinstance(p, lib.nn.Parameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        p.shape  # noqa: B018  # the access is the test
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        p + 1
    twin = copy.deepcopy(p)
    p.materialize((2, 3))
    assert type(p) is lib.nn.Parameter
    assert (tuple(p.shape), p.dtype, p.requires_grad) == ((2, 3), lib.float64, True)
    assert repr(twin) == "<UninitializedParameter>"


LAZY = {
    "linear": (lambda nn: nn.LazyLinear(4), lambda nn: nn.Linear(3, 4), (2, 3)),
    "linear-no-bias": (
        lambda nn: nn.LazyLinear(4, bias=False),
        lambda nn: nn.Linear(3, 4, False),
        (2, 3),
    ),
    "conv1d": (lambda nn: nn.LazyConv1d(4, 3, 2), lambda nn: nn.Conv1d(3, 4, 3, 2), (2, 3, 7)),
    "conv2d": (
        lambda nn: nn.LazyConv2d(4, 3, padding=1, groups=2),
        lambda nn: nn.Conv2d(6, 4, 3, padding=1, groups=2),
        (2, 6, 5, 5),
    ),
    "bn1d": (lambda nn: nn.LazyBatchNorm1d(), lambda nn: nn.BatchNorm1d(3), (2, 3)),
    "bn2d": (
        lambda nn: nn.LazyBatchNorm2d(momentum=0.3),
        lambda nn: nn.BatchNorm2d(3, momentum=0.3),
        (2, 3, 2, 2),
    ),
    "bn2d-bare": (
        lambda nn: nn.LazyBatchNorm2d(affine=False, track_running_stats=False),
        lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        (2, 3, 2, 2),
    ),
}


@pytest.mark.parametrize("name", list(LAZY))
def test_lazy_layers_become_the_real_ones(name):
    make_lazy, make_real, shape = LAZY[name]
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's warns that it may change
        theirs = make_lazy(torch.nn)
    ours = make_lazy(tc.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.has_uninitialized_params() == theirs.has_uninitialized_params()
    tc.manual_seed(1)
    torch.manual_seed(1)
    y, z = ours(tc.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert repr(ours) == repr(make_real(tc.nn))
    assert repr(theirs) in (
        repr(ours),
        repr(ours).replace("(3,", "(0,"),
    )  # torch leaves the 0 if nothing had to wait
    assert type(ours) is type(make_real(tc.nn))
    assert not ours._hooks
    pickle.loads(pickle.dumps(ours)).load_state_dict(make_real(tc.nn).state_dict())


@pytest.mark.parametrize("name", [n for n in LAZY if n != "bn2d-bare"])
def test_lazy_layers_load(name):
    make_lazy, make_real, shape = LAZY[name]
    lazy, real = copy.deepcopy(make_lazy(tc.nn)), make_real(tc.nn)
    lazy.load_state_dict(make_lazy(tc.nn).state_dict())
    assert lazy.has_uninitialized_params()
    broken = {**real.state_dict(), "q": tc.ones(1)}
    with pytest.raises(RuntimeError, match="Unexpected"):
        lazy.load_state_dict(broken)
    assert lazy.has_uninitialized_params()
    lazy.double().load_state_dict(real.state_dict())
    assert not lazy.has_uninitialized_params()
    x = tc.ones(*shape, dtype=tc.float64)
    assert tc.equal(lazy(x), real.double()(x))
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        real.load_state_dict(make_lazy(tc.nn).state_dict())


def test_lazy_layers_keep_what_was_loaded():
    layer = tc.nn.LazyBatchNorm1d()
    layer.load_state_dict({"weight": tc.full((3,), 5.0), "running_var": tc.zeros(3)}, strict=False)
    layer.eval()(tc.ones(2, 3))
    assert layer.weight.tolist() == [5, 5, 5]
    assert layer.bias.tolist() == layer.running_var.tolist() == [0, 0, 0]


def test_lazy_layers_check_their_input():
    with pytest.raises(
        RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"
    ):
        tc.nn.LazyConv2d(4, 3)(tc.ones(2, 3))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        tc.nn.LazyConv2d(4, 3, groups=2)(tc.ones(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\)"):
        tc.nn.LazyBatchNorm2d()(tc.ones(3, 8))


def test_a_call_costs_one_frame():
    import sys

    class Count(tc.nn.Module):
        def forward(self):
            frame, n = sys._getframe(), 0
            while frame.f_code is not test_a_call_costs_one_frame.__code__:
                frame, n = frame.f_back, n + 1
            return n

    assert Count()() == 2  # __call__ and forward
