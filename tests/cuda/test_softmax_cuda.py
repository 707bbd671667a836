"""Softmax, its logarithm and the cross entropy on the device: against the CPU, and how it gets there."""

from __future__ import annotations

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.nn import functional as F

CLOSE = {"float32": 1e-5, "float64": 1e-14, "float16": 2e-3, "bfloat16": 2e-2}
SHAPES = [((3, 10), 1), ((2, 1025), 1), ((5, 32), -1), ((2, 3, 4, 5), 1), ((2, 3, 4), 0), ((7,), 0), ((), 0),
          ((300, 2), 1), ((0, 3), 1)]  # fmt: skip


def numbers(shape, dtype, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape) * 3
    return tc.tensor(np.asarray(x, "float32"), dtype=getattr(tc, dtype))


def close(there, here, tolerance):
    assert there.device.type == "cuda"
    assert (there.dtype, there.shape) == (here.dtype, here.shape)
    a, b = there.detach().cpu().double().numpy(), here.detach().double().numpy()
    np.testing.assert_allclose(a, b, tolerance, tolerance)


def both(f, *inputs, g=None):
    """A function of leaves and its gradients, on the CPU and on the device."""
    made = []
    for device in ("cpu", "cuda"):
        leaves = [
            x.detach().clone().to(device).requires_grad_(x.is_floating_point()) for x in inputs
        ]
        y = f(*leaves)
        y.backward(tc.ones_like(y) if g is None else g.to(device))
        made.append([y, *[x.grad for x in leaves if x.grad is not None]])
    return zip(*made, strict=True)


# ── softmax ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_softmax(counts, name, shape, dim, dtype):
    x, g = numbers(shape, dtype), numbers(shape, dtype, 1)
    for here, there in both(lambda x: getattr(x, name)(dim), x, g=g):
        close(there, here, CLOSE[dtype])
    if x.numel():
        assert counts[f"{name}_rows"] == 1
        assert counts[f"{name}_rows_backward"] == bool(shape)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("c", [3, 2000])
def test_special_rows(name, c):
    x = np.zeros((6, c), "float32")
    x[0, 1], x[1, 0], x[3, 0], x[5] = np.nan, np.inf, -np.inf, 1e30
    x[2] = -np.inf
    x[4, :2] = np.inf, -np.inf
    for layout in (tc.tensor(x), tc.tensor(x.T.copy()).T):
        here, there = getattr(layout, name)(1), getattr(layout.to("cuda"), name)(1)
        np.testing.assert_allclose(there.cpu().numpy(), here.numpy(), 2e-6)


@pytest.mark.parametrize("dim", [0, 1, 3])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)])
def test_any_order_of_memory(counts, order, dim):
    """Of the scores, and of the gradients, which come back through another permutation."""
    x, g = numbers((2, 3, 4, 5), "float32"), numbers((2, 3, 4, 5), "float32", 1)
    back = tuple(np.argsort(order).tolist())
    for here, there in both(lambda x: x.permute(order).softmax(dim).permute(back), x, g=g):
        close(there, here, 2e-6)
    assert counts["softmax_rows"] == counts["softmax_rows_backward"] == 1


# ── cross entropy ─────────────────────────────────────────────────────────────────────────────

TARGETS = {
    "rows": ((8, 10), (8,)),
    "long rows": ((3, 1500), (3,)),
    "planes": ((2, 4, 3, 5), (2, 3, 5)),
    "one": ((6,), ()),
}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TARGETS)
def test_cross_entropy(counts, case, weighted, reduction, dtype):
    shape, by_row = TARGETS[case]
    x, c = numbers(shape, dtype), shape[min(1, len(shape) - 1)]
    target = np.random.default_rng(2).integers(0, c, by_row)
    if by_row:
        target.flat[0] = -7
    weight = tc.rand(c).to(x.dtype) + 0.5 if weighted else None

    def loss(x, target):
        w = None if weight is None else weight.to(x.device)
        return F.cross_entropy(x, target, w, reduction=reduction, ignore_index=-7)

    for here, there in both(loss, x, tc.tensor(target)):
        close(there, here, CLOSE[dtype] * (4 if reduction == "sum" else 2))
    assert counts["class_losses"] == counts["class_gradients"] == 1


def test_any_class_may_be_ignored():
    x, target = numbers((4, 5), "float32"), tc.tensor([0, 4, 2, 2])
    for here, there in both(lambda x, t: F.cross_entropy(x, t, ignore_index=2), x, target):
        close(there, here, 2e-6)


@pytest.mark.parametrize("classes", ["int32", "uint8", "int64"])
def test_classes_of_any_integers(classes):
    x, target = numbers((4, 5), "float32"), tc.tensor([0, 4, 2, 2], dtype=getattr(tc, classes))
    for here, there in both(F.cross_entropy, x, target):
        close(there, here, 2e-6)


def test_channels_last_scores_are_rows(counts):
    x = numbers((2, 4, 5, 3), "float16").permute(0, 3, 1, 2)
    target = tc.tensor(np.random.default_rng(0).integers(0, 3, (2, 4, 5)))
    for here, there in both(F.cross_entropy, x, target):
        close(there, here, 2e-3)
    assert counts["copy"] == counts["ascontiguousarray"] == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_second_gradients(smoothing):
    def squared_gradient(x, target):
        (g,) = tc.autograd.grad(
            F.cross_entropy(x, target, label_smoothing=smoothing), x, create_graph=True
        )
        return (g * g).sum()

    x, target = numbers((4, 5), "float64"), tc.tensor([0, 4, 2, 2])
    for here, there in both(squared_gradient, x, target):
        close(there, here, 1e-13)


def test_a_loss_does_not_wait(counts):
    x = numbers((16, 10), "float32").to("cuda").requires_grad_()
    target = tc.zeros(16, dtype=tc.int64, device="cuda")
    counts.clear()
    for f in (F.cross_entropy, F.nll_loss):
        f(x, target).backward()
        f(x, target, label_smoothing=0.1).backward() if f is F.cross_entropy else None
    assert (counts["syncs"], counts["d2h"], counts["h2d"]) == (0, 0, 0)
