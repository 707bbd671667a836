"""What happens to saved tensors: hooks, checkpoints, and the search for NaN."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.utils import checkpoint as torch_checkpoint

import tinyconv as tc
from tinyconv.utils import checkpoint as tiny_checkpoint

LIBRARIES = [tc, torch]


class Double:
    """A function of the user's, for both libraries."""

    @staticmethod
    def of(lib, fault=None):
        class Twice(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                if fault:
                    raise fault
                return g * 2 * ctx.saved_tensors[0]

        return Twice.apply


# ── hooks ──


def followed(lib):
    """The shapes that go through the hooks, and the gradients."""
    log = []
    x = lib.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
    w = lib.tensor([[0.5, 1.0, 2.0]], requires_grad=True)
    with lib.autograd.graph.saved_tensors_hooks(
        lambda t: (log.append(("pack", tuple(t.shape))), t)[1],
        lambda t: (log.append(("unpack", tuple(t.shape))), t)[1],
    ):
        y = lib.relu(x) * w.exp() + Double.of(lib)(x)
        z = lib.nn.functional.softmax(y @ w.T, 1) + lib.nn.functional.gelu(y)
    z.sum().backward()
    return log, x.grad.tolist(), w.grad.tolist()


def test_hooks_see_what_is_saved():
    (ours, *mine), (theirs, *others) = (followed(lib) for lib in LIBRARIES)
    assert sorted(ours) == sorted(theirs)
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a, b, 1e-6)


def test_what_is_unpacked_is_used():
    def run(lib):
        x = lib.tensor([3.0], requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(
            lambda t: t.tolist(), lambda v: lib.tensor(v) * 10
        ):
            y = x * x
        y.backward()
        return x.grad.tolist()

    assert run(tc) == run(torch) == [60.0]


def test_second_gradients_through_hooks():
    def run(lib):
        x = lib.tensor([3.0], dtype=lib.float64, requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
            y = (x.exp() * x).sum()
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        (h,) = lib.autograd.grad(g, x)
        return g.item(), h.item()

    np.testing.assert_allclose(run(tc), run(torch), 1e-12)


def test_the_innermost_hooks_count():
    def run(lib):
        log = []
        x = lib.tensor([3.0], requires_grad=True)
        hooks = lib.autograd.graph.saved_tensors_hooks
        note = lambda name: lambda t: (log.append(name), t)[1]  # noqa: E731  # a name for two uses
        with hooks(note("outer"), note("out")):
            with hooks(note("inner"), note("in")):
                y = x.exp()
            z = y.exp()
        z.backward()
        return log

    assert run(tc) == run(torch)


def test_an_unpack_hook_returns_a_tensor():
    for lib in LIBRARIES:
        x = lib.ones(1, requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
            y = x * x
        with pytest.raises(
            TypeError, match="Output of saved tensor unpack_hook expected to be a Tensor"
        ):
            y.backward()


def test_saving_on_the_cpu():
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    with tc.autograd.graph.save_on_cpu():
        y = (x * x).exp().sum()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.array([1, 2]) * np.exp([1, 4]), 1e-6)


# ── checkpoints ──


def of(lib):
    return tiny_checkpoint if lib is tc else torch_checkpoint


def network(lib):
    lib.manual_seed(3)
    n = lib.nn
    return n.Sequential(
        n.Linear(4, 8), n.Tanh(), n.Dropout(0.5), n.Linear(8, 8), n.Sigmoid(), n.Linear(8, 2)
    )


def trained(lib, run):
    net = network(lib)
    x = lib.arange(12.0).reshape(3, 4).requires_grad_()
    loss = run(lib, net, x).pow(2).sum()
    loss.backward()
    return [
        loss.item(),
        x.grad.tolist(),
        *(p.grad.tolist() for p in net.parameters()),
        lib.rand(2).tolist(),
    ]


RUNS = {
    "whole": lambda lib, net, x: of(lib).checkpoint(net, x, use_reentrant=False),
    "a part": lambda lib, net, x: net[3:](of(lib).checkpoint(net[:3], x, use_reentrant=False)),
    "in parts": lambda lib, net, x: of(lib).checkpoint_sequential(net, 2, x, use_reentrant=False),
    "in each": lambda lib, net, x: of(lib).checkpoint_sequential(net, 6, x, use_reentrant=False),
    "within": lambda lib, net, x: of(lib).checkpoint(
        lambda v: of(lib).checkpoint(net, v, use_reentrant=False) * 2, x, use_reentrant=False
    ),
    "to the end": lambda lib, net, x: of(lib).checkpoint(
        net, x, use_reentrant=False, early_stop=False
    ),
}


@pytest.mark.parametrize("how", RUNS)
def test_a_checkpoint_changes_nothing(how):
    plain, ours, theirs = (
        trained(tc, lambda lib, net, x: net(x)),
        trained(tc, RUNS[how]),
        trained(torch, RUNS[how]),
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)
    if how != "within":
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_allclose(a, b, 1e-6)


def test_what_a_checkpoint_keeps():
    """The forward pass runs twice, and nothing of it lives in between."""
    import gc
    import weakref

    calls, kept = [], []

    def part(x):
        calls.append(1)
        y = x.exp()
        kept.append(weakref.ref(y))
        return (y * y).sin().sum()

    x = tc.ones(3, requires_grad=True)
    y = tiny_checkpoint.checkpoint(part, x, use_reentrant=False)
    gc.collect()
    assert kept[0]() is None
    assert len(calls) == 1
    y.backward()
    assert len(calls) == 2


def test_a_function_that_changes_its_mind():
    turns = []

    def part(x):
        turns.append(1)
        return (x.exp() * x if len(turns) == 1 else x * 2).sum()

    for lib in LIBRARIES:
        turns.clear()
        y = of(lib).checkpoint(part, lib.ones(3, requires_grad=True), use_reentrant=False)
        with pytest.raises(RuntimeError, match="different number of tensors was saved"):
            y.backward()


# ── the search for NaN ──


def searched(lib, run, **settings):
    """The error, and what was warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with lib.autograd.detect_anomaly(**settings):
            try:
                run(lib)
            except Exception as error:
                return error, [str(w.message) for w in seen]
    return None, [str(w.message) for w in seen]


def bad_root(lib):
    x = lib.tensor([-1.0, 2.0], requires_grad=True)
    y = lib.sqrt(x) * 0
    y.sum().backward()


def bad_function(lib):
    x = lib.ones(2, requires_grad=True)
    Double.of(lib, ValueError("no"))(x).sum().backward()


@pytest.mark.parametrize("run", [bad_root, bad_function])
def test_the_line_that_led_to_nan(run):
    (ours, seen), (theirs, wanted) = (searched(lib, run) for lib in LIBRARIES)
    assert isinstance(ours, type(theirs))
    assert str(theirs) in str(ours)
    assert seen[0] == wanted[0]
    assert seen[1].splitlines()[0] == wanted[1].splitlines()[0]
    where = next(
        line for line in seen[1].splitlines() if "test_saved.py" in line and run.__name__ in line
    )
    assert where in wanted[1].splitlines()


def test_errors_only():
    error, seen = searched(tc, bad_root, check_nan=False)
    assert error is None
    assert len(seen) == 1


def test_a_backward_pass_whose_forward_was_not_watched():
    y = tc.sqrt(tc.tensor([-1.0], requires_grad=True)).sum()
    error, seen = searched(tc, lambda lib: y.backward())
    assert "nan values in its 0th output" in str(error)
    assert "No forward pass information available" in seen[1]


def test_the_switch():
    assert not tc.is_anomaly_enabled()
    with tc.autograd.set_detect_anomaly(True, check_nan=False):
        assert tc.is_anomaly_enabled()
        assert not tc.is_anomaly_check_nan_enabled()
        with tc.autograd.set_detect_anomaly(False):
            assert not tc.is_anomaly_enabled()
        assert tc.is_anomaly_enabled()
    assert not tc.is_anomaly_enabled()
    assert tc.is_anomaly_check_nan_enabled()


def test_nothing_is_watched_otherwise():
    y = tc.ones(1, requires_grad=True) * 2
    assert y.grad_fn.trace is None
