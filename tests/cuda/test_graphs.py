"""CUDA graphs on the stand-in, which records what is captured and does it again on the same memory."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.errors import ArgumentError, DeviceError
from tinyconv.nn import functional as F


@pytest.fixture(autouse=True)
def _settled(device):
    """No test leaves work behind."""
    tc.cuda.synchronize()
    yield
    assert not tc.cuda.is_current_stream_capturing()
    tc.cuda.synchronize()


# ── graphs ────────────────────────────────────────────────────────────────────────────────────

OPS = {
    "in place": lambda x: x.mul_(2).add_(1),
    "a view written to": lambda x: x[1:].zero_() + x[:-1],
    "strided views": lambda x: x.t()[::2].contiguous() + 1,
    "a kernel": F.relu,
    "a product": lambda x: x @ x.t(),
    "a batch of products": lambda x: x.reshape(2, 2, 3).bmm(x.reshape(2, 3, 2)),
    "sums": lambda x: x.sum(0) + x.mean(),
    "a softmax": lambda x: F.log_softmax(x, 1),
    "joined": lambda x: tc.cat([x, x * 2]).flatten(),
    "a choice": lambda x: tc.where(x > 0, x, -x),
    "an index": lambda x: x[:, x[0].argsort()],
    "filled": lambda x: tc.zeros_like(x).copy_(x).fill_(3) + x,
    "memory used twice": lambda x: (x * 2 + 1) * 3 - (x * 5 - 2) * 7,
}


@pytest.mark.parametrize("f", OPS.values(), ids=OPS)
def test_replay_computes_with_new_numbers(f):
    first, second = (
        np.random.default_rng(i).standard_normal((4, 3)).astype("f4") for i in range(2)
    )
    x = tc.tensor(first).cuda()
    f(x.clone())  # kernels are compiled before
    g = tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        y = f(x)
    np.testing.assert_array_equal(x.cpu().numpy(), first)  # captured is not done
    for numbers in (second, first, second):
        x.copy_(tc.tensor(numbers))
        g.replay()
        exact = tc.tensor(numbers)
        np.testing.assert_allclose(y.cpu().numpy(), f(exact).numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(x.cpu().numpy(), exact.numpy(), rtol=1e-6)


def test_nothing_is_there_before_the_first_replay():
    x, g = tc.ones(3).cuda(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        y = x + 1
    assert y.isnan().all()
    g.replay()
    assert y.tolist() == [2, 2, 2]


def test_backward_is_captured():
    w = tc.tensor([2.0, 3.0]).cuda().requires_grad_()
    x, g = tc.ones(2).cuda(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        (w * w * x).sum().backward()
    for k in (1.0, 5.0):
        x.fill_(k)
        g.replay()
        assert w.grad.tolist() == [4 * k, 6 * k]


def test_memory_of_a_graph_is_its_own():
    x, g = tc.ones(1000).cuda(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        y = (x + 1) * 2
    others = [tc.full((1000,), 7.0).cuda() for _ in range(8)]  # would take what the graph freed
    g.replay()
    assert all((o == 7).all() for o in others)
    assert (y == 4).all()


def test_results_outlive_the_graph():
    x, g = tc.ones(1000).cuda(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        y = x + 1
    g.replay()
    before = tc.cuda.memory_reserved()
    g.reset()
    del g
    gc.collect()
    assert (y == 2).all()
    del y
    assert tc.cuda.memory_reserved() < before


def test_graphs_may_share_memory():
    x, pool, graphs = tc.ones(1 << 16).cuda(), tc.cuda.graph_pool_handle(), []
    sizes = []
    for k in range(3):
        g = tc.cuda.CUDAGraph()
        with tc.cuda.graph(g, pool=pool if k < 2 else graphs[0].pool()):
            y = ((x + k) * 2).sum()
        graphs.append((g, y) if False else g)
        sizes.append(pool.total_bytes())
        g.replay()
        assert y.item() == 2 * (k + 1) * (1 << 16)
    assert sizes[1] - sizes[0] < x.nbytes


def test_a_graph_in_another_stream():
    x, side, g = tc.ones(4).cuda(), tc.cuda.Stream(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g, stream=side):
        assert tc.cuda.is_current_stream_capturing()
        assert tc.cuda.current_stream() == side
        y = x * 2
    g.replay()
    with pytest.raises(AssertionError, match="does not wait"), tc.cuda.stream(side):
        y.add_(1)


def test_streams_fork_and_join_inside():
    x, side, g = tc.ones(4).cuda(), tc.cuda.Stream(), tc.cuda.CUDAGraph()
    tc.cuda.synchronize()
    with tc.cuda.graph(g):
        side.wait_stream(tc.cuda.current_stream())
        with tc.cuda.stream(side):
            y = x * 2
        tc.cuda.current_stream().wait_stream(side)
        z = y + 1
    g.replay()
    assert z.tolist() == [3] * 4


def test_a_stream_that_does_not_come_back():
    x, side, g = tc.ones(4).cuda(), tc.cuda.Stream(), tc.cuda.CUDAGraph()
    tc.cuda.synchronize()
    with pytest.raises(DeviceError, match="unjoined"), tc.cuda.graph(g):  # noqa: PT012  # the block is what is captured
        side.wait_stream(tc.cuda.current_stream())
        with tc.cuda.stream(side):
            x.mul_(2)


def test_late_errors_come_at_the_next_wait():
    x, y, g = tc.zeros(2, 3).cuda(), tc.tensor([0, 1]).cuda(), tc.cuda.CUDAGraph()
    F.cross_entropy(x, y)
    with tc.cuda.graph(g):
        loss = F.cross_entropy(x, y)
    g.replay()
    assert loss.item() == pytest.approx(np.log(3))
    y.fill_(7)
    g.replay()
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        tc.cuda.synchronize()


def test_a_new_stream_has_its_notes_before():
    x, y, g = tc.zeros(2, 3).cuda(), tc.tensor([0, 1]).cuda(), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g, stream=tc.cuda.Stream()):
        loss = F.cross_entropy(x, y)
    g.replay()  # in the default stream, at once
    assert loss.item() == pytest.approx(np.log(3))


def test_the_workspace_of_a_graph_is_its_own():
    x, side, g = tc.ones(4, 4).cuda(), tc.cuda.Stream(), tc.cuda.CUDAGraph()
    tc.cuda.synchronize()
    with tc.cuda.stream(side):
        x @ x
    with tc.cuda.graph(g, stream=side):
        y = x @ x
    g.replay()
    with tc.cuda.stream(side):  # while the graph is at work
        z = x @ x
    tc.cuda.synchronize()
    assert y.tolist() == z.tolist()


MISUSES = {
    "the default stream": (
        lambda g: g.capture_begin(),
        DeviceError,
        "must be captured on a non-default stream",
    ),
    "no capture": (
        lambda g: g.replay(),
        DeviceError,
        "replay without a preceding successful capture",
    ),
    "no beginning": (lambda g: g.capture_end(), DeviceError, "without a preceding"),
    "no such mode": (
        lambda g: g.capture_begin(None, "loose"),
        ArgumentError,
        "Unknown capture error mode",
    ),
}


@pytest.mark.parametrize(("misuse", "kind", "text"), MISUSES.values(), ids=MISUSES)
def test_misuse(misuse, kind, text):
    with pytest.raises(kind, match=text):
        misuse(tc.cuda.CUDAGraph())


def test_a_graph_is_captured_once():
    g = tc.cuda.CUDAGraph()
    for _ in range(2):
        with tc.cuda.graph(g):
            pass
        g.reset()
    with tc.cuda.graph(g):
        pass
    with pytest.raises(DeviceError, match="already owns a captured graph"), tc.cuda.graph(g):
        pass


def test_strict_modes_take_no_memory():
    x, g = tc.ones(1 << 16).cuda(), tc.cuda.CUDAGraph()
    with pytest.raises(DeviceError), tc.cuda.graph(g, capture_error_mode="global"):
        x + 1


def test_errors_of_the_user_come_through():
    g = tc.cuda.CUDAGraph()
    with pytest.raises(ZeroDivisionError), tc.cuda.graph(g):
        1 / 0  # noqa: B018  # the error is the test
    with pytest.raises(DeviceError, match="without a preceding"):
        g.replay()


def as_condition(x):
    return 1 if x.sum() > 0 else 2


WAITS = {
    "item": (lambda x: x.sum().item(), "item"),
    "float": (lambda x: float(x[0, 0]), "__float__"),
    "if": (as_condition, "__bool__"),
    "tolist": (lambda x: x.tolist(), "tolist"),
    "cpu": (lambda x: x.cpu(), "ToDevice"),
    "print": (str, ""),
    "mask": (lambda x: x[x > 0], "getitem"),
    "nonzero": (lambda x: x.nonzero(), "nonzero"),
    "synchronize": (lambda x: tc.cuda.synchronize(), "synchronize"),
    "stream": (lambda x: tc.cuda.current_stream().synchronize(), "synchronize"),
    "upload": (lambda x: x + tc.ones(3).cuda(), "ToDevice"),
}


@pytest.mark.parametrize(("f", "name"), WAITS.values(), ids=WAITS)
def test_what_waits_is_named(f, name):
    x, g = tc.ones(2, 3).cuda(), tc.cuda.CUDAGraph()
    with pytest.raises(DeviceError) as error, tc.cuda.graph(g):
        f(x)
    first, second = str(error.value).split("\n")
    assert first.startswith("CUDA error: operation not permitted when stream is capturing.")
    assert f"In {name}" in first
    assert "test_graphs.py" in first
    assert "Inside a graph nothing may wait for the GPU" in second
    assert not tc.cuda.is_current_stream_capturing()
    assert x.tolist() == [[1] * 3] * 2
