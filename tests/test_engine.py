"""The tape: order, retained graphs, grad(), memory."""

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


# ── order ─────────────────────────────────────────────────────────────────────────────────────────


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


# ── retained and freed graphs ─────────────────────────────────────────────────────────────────────


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


# ── grad() ────────────────────────────────────────────────────────────────────────────────────────


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


# ── backward(inputs=) ─────────────────────────────────────────────────────────────────────────────


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
    with pytest.raises(Exception) as info:  # the test is that both raise the same
        call(lib, leaf(lib, 1.0, 2.0))
    return info.value


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what):
    theirs, ours = (_error(ERRORS[what], lib) for lib in (torch, tc))
    assert isinstance(ours, type(theirs))
    assert str(ours).startswith(str(theirs)[:40])


# ── threads ───────────────────────────────────────────────────────────────────────────────────────


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


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


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


def test_grad_computes_nothing_that_is_not_asked_for(monkeypatch):
    from tinyconv.ops.conv import maps as conv

    made = []
    for name in ("ConvInput", "ConvWeight"):
        plain = getattr(conv, name).forward
        monkeypatch.setattr(
            getattr(conv, name),
            "forward",
            lambda self, *a, name=name, plain=plain: made.append(name) or plain(self, *a),
        )
    x, w = tc.randn(1, 2, 5, 5, requires_grad=True), tc.randn(3, 2, 3, 3, requires_grad=True)
    y = tc.nn.functional.conv2d(x, w).sum()
    tc.autograd.grad(y, x, retain_graph=True)
    assert made == ["ConvInput"]
    y.backward()
    assert made == ["ConvInput", "ConvInput", "ConvWeight"]
