"""Hooks of tensors and nodes; where operations are recorded, and where not."""

from __future__ import annotations

import threading

import pytest
import torch

import tinyconv as tc

BOTH = pytest.mark.parametrize("lib", [torch, tc], ids=["torch", "tinyconv"])


def leaf(lib, *data, dtype=None):
    return lib.tensor(list(data), requires_grad=True, dtype=dtype)


def values(t):
    return None if t is None else t.tolist()


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_a_hook_sees_the_whole_gradient_once(lib):
    x, seen = leaf(lib, 1.0), []
    x.register_hook(lambda g: seen.append(values(g)))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0]]


@BOTH
def test_hooks_of_results_and_leaves(lib):
    x, seen = leaf(lib, 1.0), []
    y = x * 2
    z = y * 3
    for name, t in (("x", x), ("y", y), ("z", z)):
        t.register_hook(lambda g, name=name: seen.append((name, values(g))))
    z.sum().backward()
    assert seen == [("z", [1.0]), ("y", [3.0]), ("x", [6.0])]


@BOTH
def test_hooks_run_in_order_and_replace(lib):
    x, seen = leaf(lib, 1.0), []
    y = x * 2
    y.retain_grad()
    first = y.register_hook(lambda g: seen.append(values(g)) or g * 10)
    y.register_hook(lambda g: seen.append(values(g)) or g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0], [10.0]]
    assert values(y.grad) == [11.0]  # what is retained comes after all hooks
    assert values(x.grad) == [22.0]
    first.remove()
    first.remove()
    x.grad = None
    y.sum().backward()
    assert values(x.grad) == [4.0]


@BOTH
def test_a_handle_is_a_context(lib):
    x = leaf(lib, 1.0)
    with x.register_hook(lambda g: g * 2):
        x.sum().backward()
    x.sum().backward()
    assert values(x.grad) == [3.0]


@BOTH
def test_hooks_of_leaves_run_in_grad_too(lib):
    x = leaf(lib, 1.0)
    x.register_hook(lambda g: g * 10)
    (g,) = lib.autograd.grad((x * 2).sum(), x)
    assert values(g) == [20.0]


@BOTH
def test_a_hook_is_recorded_with_create_graph(lib):
    x = leaf(lib, 2.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = lib.autograd.grad(g.sum(), x)
    assert (values(g), values(gg)) == ([8.0], [8.0])  # 2 x * x


@BOTH
def test_a_hook_must_keep_the_shape(lib):
    x = leaf(lib, 2.0)
    x.register_hook(lambda g: lib.ones(3))
    with pytest.raises(RuntimeError, match="hook '<lambda>' has changed the size of value"):
        x.sum().backward()


@BOTH
def test_a_hook_must_return_a_tensor(lib):
    x = leaf(lib, 2.0)
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="expected Variable, but hook returned 'int'"):
        x.sum().backward()


@BOTH
def test_retained_gradients_add_up(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert values(y.grad) == [2.0]
    lib.autograd.grad((y * 2).sum(), y)
    assert values(y.grad) == [4.0]
    x.retain_grad()
    assert not x.retains_grad


@BOTH
def test_after_accumulation(lib):
    x, seen = leaf(lib, 2.0), []

    def step(p):
        seen.append(values(p.grad))
        with lib.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 2 + x).sum().backward()
    assert seen == [[3.0]]
    assert x.grad is None
    assert values(x) == [0.5]
    handle.remove()
    x.sum().backward()
    assert values(x.grad) == [1.0]


@BOTH
def test_hooks_of_nodes(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    y = x * 2
    handle = y.grad_fn.register_hook(
        lambda inputs, outputs: seen.append((values(inputs[0]), values(outputs[0])))
    )
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.sum().backward(retain_graph=True)
    assert seen == [([20.0, 20.0], [10.0, 10.0])]
    assert values(x.grad) == [20.0, 20.0]
    handle.remove()
    y.grad_fn.register_hook(
        lambda inputs, outputs: tuple(None if g is None else g * 7 for g in inputs)
    )
    x.grad = None
    y.sum().backward()
    assert len(seen) == 1
    assert values(x.grad) == [140.0, 140.0]


@BOTH
def test_the_graph_can_be_walked(lib):
    x = leaf(lib, 1.0)
    y = (x * 2 + 1).sum()
    add = y.grad_fn.next_functions[0][0]
    mul = add.next_functions[0][0]
    end = mul.next_functions[0][0]
    assert [type(f).__name__ for f in (end,)] == ["AccumulateGrad"]
    assert end.variable is x
    assert end.next_functions == ()
    assert "MulBackward0 object at 0x" in repr(mul)
    assert add.next_functions[1] == (None, 0)


# ── modes ─────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_modes_nest(lib):
    on = lib.is_grad_enabled
    with lib.no_grad():
        assert not on()
        with lib.enable_grad():
            assert on()
            with lib.set_grad_enabled(False):
                assert not on()
            assert on()
        assert not on()
        with lib.inference_mode():
            assert not on()
            with lib.inference_mode(False):
                assert on()
        assert not on()
    assert on()


@BOTH
def test_a_mode_is_put_back_after_an_error(lib):
    with pytest.raises(ZeroDivisionError), lib.no_grad():
        raise ZeroDivisionError
    assert lib.is_grad_enabled()


def test_one_mode_object_twice():
    off = tc.no_grad()
    with off, off:
        assert not tc.is_grad_enabled()
    with off:
        assert not tc.is_grad_enabled()
    assert tc.is_grad_enabled()


@BOTH
@pytest.mark.parametrize("how", ["no_grad", "no_grad()", "enable_grad", "enable_grad()", "inference_mode",
                                 "inference_mode()", "set_grad_enabled(False)", "set_grad_enabled(True)"])  # fmt: skip
def test_decorators(lib, how):
    decorate = eval(f"lib.{how}", {"lib": lib})

    @decorate
    def asked(a, *, b=2):
        """Its text."""
        return lib.is_grad_enabled(), a + b

    expected = "enable_grad" in how or "True" in how
    with lib.set_grad_enabled(not expected):
        assert asked(1, b=5) == (expected, 6)
        assert lib.is_grad_enabled() is not expected
    assert (asked.__name__, asked.__doc__) == ("asked", "Its text.")
    assert lib.is_grad_enabled()


@BOTH
def test_a_decorated_method(lib):
    class Model:
        @lib.no_grad()
        def predict(self, x):
            return x * 2

    assert not Model().predict(leaf(lib, 1.0)).requires_grad


@BOTH
def test_a_decorated_function_recurses(lib):
    @lib.no_grad()
    def depth(n):
        assert not lib.is_grad_enabled()
        return 0 if n == 0 else 1 + depth(n - 1)

    assert depth(5) == 5
    assert lib.is_grad_enabled()


@BOTH
def test_a_decorated_generator(lib):
    """The mode holds while it runs, not while it waits; what is sent and thrown reaches it."""
    seen = []

    @lib.no_grad()
    def steps():
        try:
            seen.append((yield lib.is_grad_enabled()))
            try:
                yield lib.is_grad_enabled()
            except KeyError:
                yield lib.is_grad_enabled()
            return "end"
        finally:
            seen.append(lib.is_grad_enabled())

    g = steps()
    assert next(g) is False
    assert lib.is_grad_enabled()
    assert g.send("sent") is False
    assert g.throw(KeyError()) is False
    assert lib.is_grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(g)
    assert seen == ["sent", False]
    early = steps()
    next(early)
    early.close()
    assert seen == ["sent", False, False]
    assert lib.is_grad_enabled()


@BOTH
def test_set_grad_enabled_as_a_function(lib):
    lib.set_grad_enabled(False)
    try:
        assert not (leaf(lib, 1.0) * 2).requires_grad
    finally:
        lib.set_grad_enabled(True)
    assert (leaf(lib, 1.0) * 2).requires_grad


@BOTH
def test_inference_tensors(lib):
    x = leaf(lib, 1.0, 2.0)
    with lib.inference_mode():
        z = x * 2
        v = x[:1]
        z.add_(1)
    facts = [z.is_inference(), z[:1].is_inference(), z.detach().is_inference()]
    assert [*facts, v.is_inference(), z.clone().is_inference(), (z * 2).is_inference()] == [
        True
    ] * 3 + [False] * 3
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"
    ):
        z.requires_grad_()


@BOTH
def test_modes_are_per_thread(lib):
    seen = []
    with lib.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lib.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


@BOTH
def test_backward_leaves_the_modes(lib):
    x = leaf(lib, 1.0)
    y = (x * x).sum()
    with lib.no_grad():
        y.backward(retain_graph=True)
        assert not lib.is_grad_enabled()
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    assert lib.is_grad_enabled()
    assert g.requires_grad


def test_a_backward_that_fails_leaves_the_modes():
    x = leaf(tc, 1.0)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tc.autograd.grad(y.sum(), x, create_graph=True)
    assert tc.is_grad_enabled()
    z = x.exp()  # and what is saved comes back as arrays
    z.sum().backward()
    assert not x.grad.requires_grad


@BOTH
def test_backward_within_backward(lib):
    """As in checkpointing: a hook records and differentiates on its own."""
    x, inner = leaf(lib, 2.0), leaf(lib, 3.0)

    def hook(g):
        with lib.enable_grad():
            (inner * inner).sum().backward()
        assert not g.requires_grad

    x.register_hook(hook)
    (x * x).sum().backward()
    assert (values(x.grad), values(inner.grad)) == ([4.0], [6.0])
