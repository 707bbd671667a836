"""Calls of modules: values, gradients, and hooks of every kind."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
from both_libraries import (
    both,
    cases,
    each,
    outcome,
    pair,
    plain,
)

import tinyconv as tc


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
