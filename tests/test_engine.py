"""The tape: order, hooks, modes, memory, user-written functions."""

from __future__ import annotations

import copy
import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
import torch

import tinyconv as tc
from tinyconv.autograd.engine import run
from tinyconv.autograd.function import Function, op

BOTH = pytest.mark.parametrize("lib", [torch, tc], ids=["torch", "tinyconv"])


def leaf(lib, *data, dtype=None):
    return lib.tensor(list(data), requires_grad=True, dtype=dtype)


def values(t):
    return None if t is None else t.tolist()


@pytest.fixture
def no_collector():
    """Memory must go by counting references alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@op
class Counted(Function):
    """The identity; counts its backward passes."""

    passes = 0

    def forward(self, x):
        return x.copy()

    def backward(self, g):
        Counted.passes += 1
        return (g,)


# ── order ─────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_a_value_used_twice(lib):
    x = leaf(lib, 3.0)
    (x * x + x).sum().backward()
    assert values(x.grad) == [7.0]


@BOTH
def test_a_diamond(lib):
    x = leaf(lib, 2.0)
    b = x + x
    c = x * b
    d = b * c
    (c + d).sum().backward()
    assert values(x.grad) == [56.0]  # c = 2 x^2, d = 4 x^3


@BOTH
def test_late_parts_of_a_gradient_are_waited_for(lib):
    """``a`` is used by the newest node and by old ones; its own node must wait for all."""
    x = leaf(lib, 1.0)
    a = x * 2
    b = a * 3
    for _ in range(3):
        b = b * 2
    y = b + a
    y.sum().backward()
    assert values(x.grad) == [50.0]


def test_a_ladder_takes_each_node_once():
    """Paths double at each rung; nodes do not."""
    x = leaf(tc, 1.0, dtype=tc.float64)
    Counted.passes = 0
    y = x
    for _ in range(40):
        y = Counted()(y)
        y = y + y
    y.sum().backward()
    assert Counted.passes == 40
    assert values(x.grad) == [2.0**40]


def test_a_long_chain():
    """Neither building, nor walking, nor deleting 50 000 nodes recurses."""
    x = leaf(tc, 1.0)
    y = x
    for _ in range(50_000):
        y = y + 1
    y.sum().backward()
    assert values(x.grad) == [1.0]
    (g,) = tc.autograd.grad(y.sum(), x)
    assert values(g) == [1.0]
    last = weakref.ref(y.grad_fn)
    del y
    assert last() is None


def test_a_long_chain_of_writes():
    x = leaf(tc, 1.0, 2.0)
    y = x * 1
    for _ in range(2000):
        y[0] += 1
    y.sum().backward()
    assert values(x.grad) == [1.0, 1.0]


@BOTH
def test_several_roots(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    lib.autograd.backward([y, y.sum()], [lib.ones(2) * 10, None])
    assert values(x.grad) == [22.0, 22.0]


@BOTH
def test_a_root_that_another_root_leads_to(lib):
    x = leaf(lib, 2.0)
    y = x * x
    z = y * y
    lib.autograd.backward([y.sum(), z.sum()])
    assert values(x.grad) == [36.0]


@BOTH
def test_a_leaf_as_root(lib):
    x = leaf(lib, 2.0)
    x.backward()
    lib.autograd.backward(x, lib.tensor([5.0]))
    assert values(x.grad) == [6.0]


# ── retained and freed graphs ─────────────────────────────────────────────────────────────────


@BOTH
def test_a_retained_graph_adds_up(lib):
    x = leaf(lib, 3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert values(x.grad) == [18.0]


@BOTH
def test_a_second_backward_says_what_to_do(lib):
    x = leaf(lib, 3.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(
        RuntimeError, match="Trying to backward through the graph a second time"
    ) as info:
        y.backward()
    assert "retain_graph=True" in str(info.value)


@BOTH
def test_only_the_part_that_was_walked_is_freed(lib):
    x = leaf(lib, 3.0)
    a = x * x
    b, c = a * 2, (x * 5).exp() * 0
    b.sum().backward()
    c.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        (a * 1).sum().backward()


# ── grad() ────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_grad_leaves_the_leaves_alone(lib):
    x, w = leaf(lib, 3.0), leaf(lib, 2.0)
    (g,) = lib.autograd.grad((x * w).sum(), x)
    assert values(g) == [2.0]
    assert x.grad is None
    assert w.grad is None
    assert not g.requires_grad


@BOTH
def test_grad_of_a_result(lib):
    x = leaf(lib, 3.0)
    h = x * x
    y = h * h
    assert values(lib.autograd.grad(y.sum(), [h, x], retain_graph=True)[0]) == [18.0]
    assert [values(g) for g in lib.autograd.grad(y.sum(), [h, x])] == [[18.0], [108.0]]


@BOTH
def test_grad_of_a_result_does_not_go_beyond_it(lib):
    x = leaf(lib, 3.0)
    h = x * x
    (g,) = lib.autograd.grad((h * 2).sum(), h)
    assert values(g) == [2.0]
    h.sum().backward()  # its node was not walked, nor freed
    assert values(x.grad) == [6.0]


@BOTH
def test_grad_of_the_output_itself(lib):
    x = leaf(lib, 3.0)
    y = (x * x).sum()
    assert [values(g) for g in lib.autograd.grad(y, [y, x])] == [1.0, [6.0]]


@BOTH
def test_grad_asked_twice_for_one_input(lib):
    x = leaf(lib, 3.0)
    a, b = lib.autograd.grad((x * x).sum(), [x, x])
    assert values(a) == values(b) == [6.0]


@BOTH
def test_grad_outputs(lib):
    x = leaf(lib, 1.0, 2.0)
    (g,) = lib.autograd.grad([x * 2, x * 3], x, [lib.tensor([1.0, 10.0]), lib.ones(2)])
    assert values(g) == [5.0, 23.0]


@BOTH
def test_grad_unused(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0, 3.0)
    y = (x * 2).sum()
    with pytest.raises(
        RuntimeError, match="The differentiated Tensor at index 1 appears to not have been used"
    ):
        lib.autograd.grad(y, [x, w], retain_graph=True)
    assert lib.autograd.grad(y, [x, w], retain_graph=True, allow_unused=True)[1] is None
    assert values(lib.autograd.grad(y, [x, w], materialize_grads=True)[1]) == [0.0, 0.0]


@BOTH
def test_second_and_third_gradients(lib):
    x = leaf(lib, 2.0)
    g = (x**4).sum()
    for _ in range(3):
        (g,) = lib.autograd.grad(g.sum(), x, create_graph=True)
    assert values(g) == [48.0]
    assert g.requires_grad


@BOTH
@pytest.mark.filterwarnings("ignore:Using backward")  # torch warns of the cycle
def test_backward_with_create_graph_gives_grad_a_history(lib):
    x = leaf(lib, 2.0)
    (x**3).sum().backward(create_graph=True)
    penalty = x.grad.square().sum()
    (g,) = lib.autograd.grad(penalty, x)
    assert values(g) == [288.0]  # (3 x^2)^2 = 9 x^4


@BOTH
def test_a_gradient_penalty_trains(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 0.5, -0.5)
    (g,) = lib.autograd.grad((w * x * x).sum(), x, create_graph=True)  # 2 w x
    (g * g).sum().backward()
    assert (values(x.grad), values(w.grad)) == ([2.0, 4.0], [4.0, -16.0])


@BOTH
@pytest.mark.parametrize("rows", [1, 3])
def test_batched_gradients(lib, rows):
    x = leaf(lib, 1.0, 2.0, 3.0)
    seeds = lib.eye(3)[:rows]
    (jacobian,) = lib.autograd.grad(x * x, x, seeds, is_grads_batched=True)
    assert values(jacobian) == [[2.0, 0, 0], [0, 4.0, 0], [0, 0, 6.0]][:rows]


# ── backward(inputs=) ─────────────────────────────────────────────────────────────────────────


@BOTH
def test_inputs_limit_where_gradients_are_added(lib):
    x, w = leaf(lib, 3.0), leaf(lib, 2.0)
    h = x * w
    (h * h).sum().backward(inputs=[w, h])
    assert x.grad is None
    assert values(w.grad) == [36.0]
    assert values(h.grad) == [12.0]


ERRORS = {
    "no gradient": lambda lib, x: lib.ones(1).backward(),
    "no gradient, second": lambda lib, x: lib.autograd.backward([x.sum(), lib.ones(1)]),
    "not scalar": lambda lib, x: (x * 2).backward(),
    "shape of the seed": lambda lib, x: (x * 2).backward(lib.ones(3)),
    "type of the seed": lambda lib, x: x.sum().backward(2),
    "number of seeds": lambda lib, x: lib.autograd.grad([x * 2, x * 3], x, [lib.ones(2)]),
    "number of seeds, backward": lambda lib, x: lib.autograd.backward([x, x], [lib.ones(2)]),
    "no inputs": lambda lib, x: lib.autograd.grad(x.sum(), []),
    "no inputs, backward": lambda lib, x: x.sum().backward(inputs=[]),
    "input without gradient": lambda lib, x: lib.autograd.grad(x.sum(), lib.ones(2)),
    "input without gradient, backward": lambda lib, x: x.sum().backward(inputs=[lib.ones(2)]),
    "unused, materialized": lambda lib, x: lib.autograd.grad(
        x.sum(), x, allow_unused=False, materialize_grads=True
    ),
    "comparison": lambda lib, x: (x > 0).sum().backward(),
    "integers": lambda lib, x: lib.ones(2, dtype=lib.int64).requires_grad_(),
    "result made a constant": lambda lib, x: (x * 2).requires_grad_(False),
    "hook without gradient": lambda lib, x: lib.ones(2).register_hook(print),
    "retained without gradient": lambda lib, x: lib.ones(2).retain_grad(),
    "after, of a result": lambda lib, x: (x * 2).register_post_accumulate_grad_hook(print),
}


def _error(call, lib):
    with pytest.raises(Exception) as info:  # noqa: PT011  # the test is that both raise the same
        call(lib, leaf(lib, 1.0, 2.0))
    return info.value


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what):
    theirs, ours = (_error(ERRORS[what], lib) for lib in (torch, tc))
    assert isinstance(ours, type(theirs))
    assert str(ours).startswith(str(theirs)[:40])


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────


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


# ── modes ─────────────────────────────────────────────────────────────────────────────────────


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


# ── threads ───────────────────────────────────────────────────────────────────────────────────


def test_threads_add_to_shared_leaves():
    w = leaf(tc, *np.ones(100).tolist(), dtype=tc.float64)
    failures = []

    def work(k):
        try:
            for _ in range(50):
                (w * k).sum().backward()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert values(w.grad) == [500.0] * 100


# ── memory ────────────────────────────────────────────────────────────────────────────────────


def _watch(t):
    """A weak reference to the memory of a tensor."""
    return weakref.ref(t.array)


@pytest.mark.usefixtures("no_collector")
def test_what_nobody_saved_is_freed_at_once():
    x = leaf(tc, *range(100), dtype=tc.float32)
    a = x + 1
    b = a.exp()
    unsaved, saved = _watch(a), _watch(b)
    y = (b * 2).sum()
    del a, b
    assert unsaved() is None
    assert saved() is not None
    y.backward()
    assert saved() is None  # though y is still here


@pytest.mark.usefixtures("no_collector")
def test_gradients_of_results_are_freed_on_the_way():
    x = leaf(tc, 1.0, 2.0)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(_watch(g)))
    z = y * 3
    z.register_hook(lambda g: seen.append(_watch(g)))
    x.register_hook(lambda g: seen.append([ref() is None for ref in seen]))
    z.sum().backward()
    assert seen[-1][0] is True


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_holds_no_cycle(create_graph):
    x = leaf(tc, 1.0, 2.0)
    y = x.exp() * x
    z = y.view(2, 1)[0]
    refs = [weakref.ref(y.grad_fn), weakref.ref(z.grad_fn), _watch(y)]
    (g,) = tc.autograd.grad(z.sum(), x, create_graph=create_graph)
    refs += [weakref.ref(g)] if not create_graph else [weakref.ref(g), weakref.ref(g.grad_fn)]
    del y, z, g
    assert [r() for r in refs] == [None] * len(refs)


@pytest.mark.usefixtures("no_collector")
def test_hooks_hold_no_cycle():
    x = leaf(tc, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    ref, node = weakref.ref(y), weakref.ref(y.grad_fn)
    y.sum().backward()
    del y
    assert ref() is None
    assert node() is None


@pytest.mark.usefixtures("no_collector")
def test_memory_does_not_grow():
    x, w = tc.ones(20, 10), tc.ones(10, 10, requires_grad=True)

    def step():
        w.grad = None
        h = (x @ w).sin()
        h[:, 0] += 1
        (h.view(-1) ** 2).mean().backward()
        with tc.no_grad():
            w.sub_(w.grad, alpha=0.01)

    def traced():
        gc.collect()  # empties the interpreter's stores of small objects
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        for _ in range(20):
            step()
        before = traced()
        for _ in range(1000):
            step()
        grown = traced() - before
    finally:
        tracemalloc.stop()
    assert grown < 30_000  # one forgotten node each would be 500 kB


# ── gradcheck ─────────────────────────────────────────────────────────────────────────────────


@op
class Wrong(Function):
    """The square, whose derivative is slightly off."""

    def forward(self, x):
        self.save(x)
        return x * x

    def backward(self, g):
        (x,) = self.saved
        return (g * x * 2.01,)


@op
class WrongTwice(Function):
    """The square, whose gradient is right and has none itself."""

    def forward(self, x):
        self.kept = x
        return x * x

    def backward(self, g):
        return (g * (self.kept * 2),)


def doubles(*shape):
    return tc.rand(*shape, dtype=tc.float64, requires_grad=True)


def test_gradcheck_passes():
    assert tc.autograd.gradcheck(lambda x, y: (x @ y, x.sum()), (doubles(2, 3), doubles(3, 2)))
    assert tc.autograd.gradcheck(lambda x, n: x**n, (doubles(3), 3))
    assert tc.autograd.gradgradcheck(lambda x, y: (x @ y).tanh(), (doubles(2, 3), doubles(3, 2)))


def test_gradcheck_of_memory_with_gaps():
    x = doubles(4, 6).detach()[:, ::2].requires_grad_()
    assert tc.autograd.gradcheck(lambda x: x.exp(), x)


def test_gradcheck_catches():
    with pytest.raises(
        tc.autograd.GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        tc.autograd.gradcheck(lambda x: Wrong()(x), doubles(3))
    assert not tc.autograd.gradcheck(lambda x: Wrong()(x), doubles(3), raise_exception=False)


def test_gradgradcheck_catches():
    assert tc.autograd.gradcheck(lambda x: WrongTwice()(x), doubles(3))
    with pytest.raises(tc.autograd.GradcheckError):
        tc.autograd.gradgradcheck(lambda x: WrongTwice()(x), doubles(3))
    assert not tc.autograd.gradgradcheck(
        lambda x: WrongTwice()(x), doubles(3), raise_exception=False
    )


def test_gradcheck_needs_something_to_check():
    with pytest.raises(
        ValueError, match="gradcheck expects at least one input tensor to require gradient"
    ):
        tc.autograd.gradcheck(lambda x: x, tc.ones(2))


def test_gradcheck_hints_at_single_precision():
    with pytest.raises(tc.autograd.GradcheckError, match="float64"):
        tc.autograd.gradcheck(lambda x: x.exp(), tc.rand(3, requires_grad=True))


# ── user-written functions ────────────────────────────────────────────────────────────────────


def _classes(lib):
    F = lib.autograd.Function
    once_differentiable = (
        tc.autograd if lib is tc else torch.autograd.function
    ).once_differentiable

    class Exp(F):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    class Scale(F):
        """Arguments that are no tensors, and a keepsake that is none."""

        @staticmethod
        def forward(ctx, x, factor, name=None):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None, None

    class SinCos(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin(), x.cos()

        @staticmethod
        def backward(ctx, gs, gc):
            (x,) = ctx.saved_tensors
            return gs * x.cos() - gc * x.sin()

    class Product(F):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            needs = ctx.needs_input_grad
            return g * y if needs[0] else None, g * x if needs[1] else None

    class Split(F):
        """The style without ctx in forward."""

        @staticmethod
        def forward(x, n):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, n = inputs
            ctx.save_for_backward(x, output)
            ctx.n = n

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * ctx.n * y / x, None

    class Increment(F):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    class Sorted(F):
        @staticmethod
        def forward(ctx, x):
            values, order = x.sort()
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(order)
            return values, order

        @staticmethod
        def backward(ctx, g, _):
            (order,) = ctx.saved_tensors
            return lib.zeros(g.shape).index_put((order,), g)

    class Same(F):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    class Once(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * 2

    class Stingy(F):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return (0 if a is None else a * 2) + (0 if b is None else b * 3)

    class Few(F):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    class Many(Few):
        @staticmethod
        def backward(ctx, g):
            return g, g, None, None

    class Misshapen(Few):
        @staticmethod
        def backward(ctx, g):
            return lib.ones(5), None

    class Broad(Few):
        @staticmethod
        def backward(ctx, g):
            return lib.ones(4, 2) * g, None

    class Surprising(F):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g, g

    class Silent(F):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    class Careless(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 1

    return {k: v for k, v in locals().items() if isinstance(v, type) and v is not F}


CUSTOM = {}


def custom(tell):
    CUSTOM[tell.__name__] = tell
    return tell


@custom
def saves_its_output(f, lib):
    x = leaf(lib, 1.0, 2.0)
    y = f["Exp"].apply(x)
    y.sum().backward()
    return [y, x.grad, type(y.grad_fn).__name__.replace("Call", "ExpBackward"), repr(y)]


@custom
def takes_numbers(f, lib):
    x = leaf(lib, 1.0, 2.0)
    y = f["Scale"].apply(x, 3)
    f["Scale"].apply(y, 2, "name").sum().backward()
    return [y, x.grad]


@custom
def has_two_outputs(f, lib):
    x = leaf(lib, 1.0, 2.0)
    s, c = f["SinCos"].apply(x)
    (s * 2 + c * c).sum().backward()
    return [s, c, x.grad]


@custom
def has_one_output_used(f, lib):
    x = leaf(lib, 1.0, 2.0)
    _, c = f["SinCos"].apply(x)
    c.sum().backward()
    return [x.grad]


@custom
def knows_what_is_needed(f, lib):
    x, y = leaf(lib, 2.0), lib.tensor([3.0])
    f["Product"].apply(x, y).sum().backward()
    f["Product"].apply(y, x).sum().backward()
    return [x.grad, y.grad]


@custom
def takes_one_tensor_twice(f, lib):
    x = leaf(lib, 2.0)
    f["Product"].apply(x, x).sum().backward()
    return [x.grad]


@custom
def sets_up_its_context_apart(f, lib):
    x = leaf(lib, 2.0)
    y = f["Split"].apply(x, 3)
    y.sum().backward()
    return [y, x.grad]


@custom
def writes_to_its_input(f, lib):
    x = leaf(lib, 2.0)
    y = x * 2
    z = f["Increment"].apply(y)
    z.sum().backward()
    return [z is y, y, x.grad]


@custom
def writes_to_a_view(f, lib):
    x = leaf(lib, 2.0, 3.0)
    y = x * 2
    f["Increment"].apply(y[1:])
    y.sum().backward()
    return [y, x.grad]


@custom
def writes_to_a_leaf(f, lib):
    f["Increment"].apply(leaf(lib, 2.0))


@custom
def writes_to_what_was_saved(f, lib):
    x = leaf(lib, 2.0)
    y = x * 2
    z = y * y
    f["Increment"].apply(y)
    z.sum().backward()


@custom
def has_an_output_without_gradient(f, lib):
    x = leaf(lib, 2.0, 1.0, 3.0)
    v, order = f["Sorted"].apply(x)
    (v * lib.tensor([1.0, 2.0, 3.0])).sum().backward()
    return [v, order, order.requires_grad, x.grad]


@custom
def returns_its_input(f, lib):
    x = leaf(lib, 2.0)
    y = f["Same"].apply(x)
    y.sum().backward()
    return [y is x, y, x.grad]


@custom
def returns_its_input_which_is_written(f, lib):
    y = f["Same"].apply(leaf(lib, 2.0) * 1)
    y.mul_(2)


@custom
def is_not_recorded(f, lib):
    with lib.no_grad():
        y = f["Exp"].apply(leaf(lib, 2.0))
    return [y, y.requires_grad]


@custom
def takes_constants(f, lib):
    y = f["Exp"].apply(lib.ones(2))
    return [y, y.requires_grad]


@custom
def is_differentiated_twice(f, lib):
    x = leaf(lib, 2.0)
    y = f["Exp"].apply(x * 2)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = lib.autograd.grad(g.sum(), x)
    return [g, gg]


@custom
def is_differentiated_twice_with_two_operands(f, lib):
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    z = f["Product"].apply(x, f["Product"].apply(x, y))
    gx, gy = lib.autograd.grad(z.sum(), [x, y], create_graph=True)
    return [gx, gy, *lib.autograd.grad((gx * gy).sum(), [x, y])]


@custom
def is_differentiated_twice_with_two_outputs(f, lib):
    x = leaf(lib, 2.0)
    s, c = f["SinCos"].apply(x)
    (g,) = lib.autograd.grad((s * c).sum(), x, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), x)]


@custom
def is_differentiated_twice_through_a_saved_output(f, lib):
    x = leaf(lib, 2.0)
    y = f["Split"].apply(x, 3)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), x)]


@custom
def is_differentiable_once(f, lib):
    x = leaf(lib, 2.0)
    y = f["Once"].apply(x)
    y.sum().backward(retain_graph=True)
    (g,) = lib.autograd.grad((y * x).sum(), x, create_graph=True)
    return [x.grad, g]


@custom
def is_differentiable_only_once(f, lib):
    x = leaf(lib, 2.0)
    (g,) = lib.autograd.grad((f["Once"].apply(x) * x).sum(), x, create_graph=True)
    g.sum().backward()


@custom
def gets_none_instead_of_zeros(f, lib):
    x = leaf(lib, 2.0)
    f["Stingy"].apply(x)[1].sum().backward()
    return [x.grad]


@custom
def returns_too_few_gradients(f, lib):
    f["Few"].apply(leaf(lib, 2.0), leaf(lib, 2.0)).sum().backward()


@custom
def returns_more_nones_than_needed(f, lib):
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    f["Many"].apply(x, y).sum().backward()
    return [x.grad, y.grad]


@custom
def returns_a_misshapen_gradient(f, lib):
    f["Misshapen"].apply(leaf(lib, 2.0, 3.0), leaf(lib, 2.0)).sum().backward()


@custom
def returns_a_gradient_to_be_summed(f, lib):
    x = leaf(lib, 2.0, 3.0)
    f["Broad"].apply(x, leaf(lib, 2.0)).sum().backward()
    return [x.grad]


@custom
def returns_a_gradient_for_a_number(f, lib):
    f["Surprising"].apply(leaf(lib, 2.0), 3).sum().backward()


@custom
def has_no_backward(f, lib):
    f["Silent"].apply(leaf(lib, 2.0)).sum().backward()


@custom
def saves_a_number(f, lib):
    f["Careless"].apply(leaf(lib, 2.0))


@custom
def is_walked_twice(f, lib):
    y = f["Exp"].apply(leaf(lib, 2.0)).sum()
    y.backward()
    y.backward()


@custom
def has_its_saved_input_overwritten(f, lib):
    x = leaf(lib, 2.0)
    h = x * 1
    y = f["Product"].apply(h, x)
    h.add_(1)
    y.sum().backward()


@custom
def has_its_saved_output_overwritten(f, lib):
    y = f["Exp"].apply(leaf(lib, 2.0))
    y.add_(1)
    y.sum().backward()


@custom
def is_in_the_middle(f, lib):
    x = leaf(lib, 0.5)
    y = f["Exp"].apply(x * 2) * 3
    z = f["Scale"].apply(y + x, 2.0)
    z.sum().backward()
    return [z, x.grad]


def _told(tell, lib):
    try:
        out = tell(_classes(lib), lib)
    except Exception as error:
        return error
    return [values(o) if hasattr(o, "tolist") else o for o in out]


@pytest.mark.parametrize("name", CUSTOM)
def test_a_user_written_function(name):
    theirs, ours = _told(CUSTOM[name], torch), _told(CUSTOM[name], tc)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), ours
        assert str(ours).startswith(str(theirs)[:35]), (str(ours), str(theirs))
        return
    if isinstance(ours, Exception):
        raise ours
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a == (
            pytest.approx(b, rel=1e-5) if not isinstance(b, (str, bool, type(None))) else b
        )


@pytest.mark.usefixtures("no_collector")
def test_a_user_written_function_holds_no_cycle():
    f = _classes(tc)
    x = leaf(tc, 1.0, 2.0)
    for name in ("Exp", "SinCos", "Once"):
        y = f[name].apply(x)
        y = y if isinstance(y, tuple) else (y,)
        ref, node = weakref.ref(y[0]), weakref.ref(y[0].grad_fn)
        y[0].sum().backward()
        del y
        assert ref() is None
        assert node() is None


def test_a_copy_of_a_leaf_is_on_its_own():
    x = leaf(tc, 1.0)
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    (y * 3).sum().backward()
    assert (values(x.grad), values(y.grad)) == ([2.0], [5.0])


def test_the_engine_adds_to_leaves_only():
    """``run`` returns the gradients that were wanted, and touches nothing then."""
    x = leaf(tc, 2.0)
    y = (x * x).sum()
    found = run([(y.edge, tc.ones(()).array)], wanted=[x.edge])
    assert found[x].tolist() == [4.0]
    assert x.grad is None
