"""The losses of classification against torch."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import opinfo
import pytest
import torch
from loops import same
from opinfo import Op
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.ops._softmax import (
    class_gradients,
    class_losses,
    log_softmax_rows,
    log_softmax_rows_backward,
    softmax_rows,
    softmax_rows_backward,
)

SHAPES = [(5,), (4, 5), (4, 5, 3), (2, 5, 3, 2), (2, 5, 2, 1, 3), (0, 5)]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def classes(shape: tuple[int, ...]) -> np.ndarray:
    rest = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    return np.asarray(np.random.default_rng(0).integers(0, 5, rest))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_samples(name, dtype):
    opinfo.check_samples(Op(f"nn.functional.{name}"), dtype)


@pytest.mark.parametrize(
    ("shape", "reduction", "weighted", "smoothing"),
    list(product(SHAPES, ("none", "mean", "sum"), (False, True), (0.0, 0.2))),
)
def test_classes(shape, reduction, weighted, smoothing):
    target = classes(shape)
    ignored = target.copy()
    ignored[ignored == 3] = -100
    w = np.linspace(0.5, 2, 5)

    def story(lib, x):
        weight = lib.tensor(w) if weighted else None
        settings = {"weight": weight, "reduction": reduction}
        F = lib.nn.functional
        results = [
            F.cross_entropy(x, lib.tensor(ignored), label_smoothing=smoothing, **settings),
            F.cross_entropy(x, lib.tensor(target), ignore_index=1, **settings),
        ]
        if not smoothing:
            results.append(F.nll_loss(x, lib.tensor(ignored), **settings))
        return results

    agree(story, normal(*shape), second=0 not in shape)


@pytest.mark.parametrize(
    ("shape", "reduction", "smoothing"),
    list(product(SHAPES[:-1], ("none", "mean", "sum"), (0.0, 0.2))),
)
def test_probabilities(shape, reduction, smoothing):
    def story(lib, x, y, w):
        f = lib.nn.functional.cross_entropy
        settings = {"reduction": reduction, "label_smoothing": smoothing}
        return [f(x, y, **settings), f(x, y, w, **settings)]

    agree(story, normal(*shape), normal(*shape) ** 2, np.linspace(0.5, 2, 5))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_any_integer_names_a_class(dtype):
    x, t = tc.tensor(normal(4, 5)), tc.tensor([0, 4, 2, 2])
    for f in (tc.nn.functional.cross_entropy, tc.nn.functional.nll_loss):
        assert tc.equal(f(x, t.to(getattr(tc, dtype))), f(x, t))


def test_far_out():
    x = np.array([[1e4, -1e4, 0.0], [1e-30, 800.0, 799.0]])
    agree(lambda lib, x: lib.nn.functional.cross_entropy(x, lib.tensor([1, 2])), x)


def test_infinite_scores():
    x = np.array([[-np.inf, 0.0, 1.0], [0.0, -np.inf, 1.0]])
    for target in ([1, 2], [0, 2], [-100, 1]):
        losses = [
            lib.nn.functional.cross_entropy(lib.tensor(x), lib.tensor(target), reduction="none")
            for lib in (torch, tc)
        ]
        np.testing.assert_allclose(array(losses[1]), array(losses[0]))


def test_nothing_counts():
    x, t = tc.zeros(2, 3, requires_grad=True), tc.tensor([-100, -100])
    assert tc.nn.functional.cross_entropy(x, t).isnan()
    loss = tc.nn.functional.cross_entropy(x, t, reduction="sum")
    loss.backward()
    assert loss.item() == 0
    assert not x.grad.any()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 0, 1, 3)])
@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_no_classes(name, shape, reduction):
    """Where there are none, all targets have to be ignored."""
    found = []
    for lib in (torch, tc):
        x, t = (
            lib.zeros(shape, requires_grad=True),
            lib.zeros(shape[:1] * (len(shape) > 1) + shape[2:]).long(),
        )
        loss = getattr(lib.nn.functional, name)
        with pytest.raises(IndexError, match="Target 0 is out of bounds"):
            loss(x, t, reduction=reduction)
        y = loss(x, t, lib.ones(0), ignore_index=0, reduction=reduction)
        y.sum().backward()
        assert not x.grad.any()
        found.append((str(y.tolist()), tuple(x.grad.shape)))
    assert found[0] == found[1]


def test_noncontiguous():
    def story(lib, x):
        return lib.nn.functional.cross_entropy(
            x.permute(0, 2, 1)[::2], lib.tensor([[0, 1], [2, 0]])
        )

    agree(story, normal(4, 2, 3))


def test_one_node():
    x = tc.zeros(4, 5, requires_grad=True)
    loss = tc.nn.functional.cross_entropy(x, tc.tensor([0, 1, 2, 3]))
    assert loss.grad_fn.name() == "NllLossBackward0"
    assert loss.grad_fn.next_functions[0][0].name() == "tinyconv::autograd::AccumulateGrad"
    image = tc.zeros(2, 5, 3, 3, requires_grad=True)
    loss = tc.nn.functional.cross_entropy(image, tc.zeros(2, 3, 3, dtype=tc.int64))
    assert loss.grad_fn.name() == "NllLoss2DBackward0"


def loss(lib, x, t, **settings):
    """Zeros of shape ``x``, and classes: zeros of shape ``t``, or a list."""
    target = lib.tensor(t) if isinstance(t, list) else lib.zeros(t, dtype=lib.int64)
    return lib.nn.functional.cross_entropy(lib.zeros(x), target, **settings)


@pytest.mark.parametrize(
    ("story", "hint"),
    [
        (lambda lib: loss(lib, (4, 3), (5,)), r"takes a target of shape \[4\]"),
        (lambda lib: loss(lib, (4, 3), ()), r"shape \[4\]"),
        (lambda lib: loss(lib, (2, 3), [0, 3]), "from 0 to 2"),
        (lambda lib: loss(lib, (2, 3), [0, -1]), "from 0 to 2"),
        (lambda lib: loss(lib, (4, 3), (4, 1)), r"squeeze\(1\)"),
        (lambda lib: loss(lib, (4, 3), (4, 3)), r"argmax\(1\)"),
        (lambda lib: loss(lib, (4, 3), [0.0, 1.0, 2.0, 1.0]), r"target\.long\(\)"),
        (lambda lib: loss(lib, (2, 3), [True, False]), r"target\.long\(\)"),
        (lambda lib: loss(lib, (3,), (2,)), r"shape \[\]"),
        (lambda lib: loss(lib, (2, 3, 4), (2, 5)), r"shape \[2, 4\]"),
        (lambda lib: loss(lib, (2, 3, 4, 4), (2,)), r"shape \[2, 4, 4\]"),
        (lambda lib: loss(lib, (2, 3, 4, 4), (2, 1, 4, 4)), r"squeeze\(1\)"),
        (lambda lib: loss(lib, (2, 3, 4, 4), (2, 4, 5)), r"shape \[2, 4, 4\]"),
        (lambda lib: loss(lib, (2, 3, 4, 4, 4), (2, 4, 4)), r"shape \[2, 4, 4, 4\]"),
        (lambda lib: loss(lib, (2, 3), (2,), weight=lib.ones(4)), "Give 3"),
        (
            lambda lib: loss(lib, (2, 3), (2,), weight=lib.ones(3, dtype=lib.float64)),
            r"weight\.float\(\)",
        ),
        (lambda lib: loss(lib, (2, 3), (2,), label_smoothing=1.5), "0.1 is usual"),
        (lambda lib: loss(lib, (2, 3), (2,), reduction="x"), "'mean'"),
        (
            lambda lib: lib.nn.functional.cross_entropy(
                lib.zeros(2, 3), lib.zeros(2, 3), ignore_index=1
            ),
            "zero",
        ),
        (
            lambda lib: lib.nn.functional.cross_entropy(
                lib.zeros(2, 3), lib.zeros(2, 3), lib.ones(4)
            ),
            "Give 3",
        ),
        (lambda lib: lib.nn.functional.cross_entropy(lib.zeros(2, 3), 1), r"tensor\(target\)"),
        (
            lambda lib: lib.nn.functional.cross_entropy(
                lib.zeros((2, 3), dtype=lib.int64), lib.tensor([0, 1])
            ),
            r"input\.float\(\)",
        ),
        (lambda lib: lib.nn.functional.nll_loss(lib.zeros(()), lib.tensor(0)), "score"),
        (lambda lib: lib.nn.functional.nll_loss(lib.zeros(2, 3), lib.zeros(2)), r"long\(\)"),
    ],
)
def test_errors(story, hint):
    same_error(story, hint)


# ── loops ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("c", [*range(1, 20), 31, 32, 33, 100, 5000])
def test_loops_equal_their_definitions(c, dtype):
    rng = np.random.default_rng(c)
    x = (rng.standard_normal((6, c)) * 3).astype(dtype)
    x[1] += 1e3
    x[2, c // 2] = 300
    x[3, : c - 1] = -np.inf
    g = rng.standard_normal((6, c)).astype(dtype)
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    close["meaning"] = c < 20
    (y,) = same(softmax_rows, x, x, fills=[1], **close)
    same(softmax_rows_backward, g, y, x, fills=[2], **close)
    (y,) = same(log_softmax_rows, x, x, fills=[1], **close)
    same(log_softmax_rows_backward, g, y, x, fills=[2], **close)
    target = rng.integers(0, c, 6)
    target[0] = -100
    rows = np.zeros(6, dtype)
    for weight in (rows[:0], rng.random(c).astype(dtype)):
        at, w, top, _ = same(
            class_losses, x, target, weight, -100, target, rows, rows, rows,
            fills=(4, 5, 6, 7), **close,
        )  # fmt: skip
        same(class_gradients, x, at, w, top, x, fills=[4], **close)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_of_special_rows(name, dtype):
    x = np.zeros((7, 21), dtype)
    x[0, 3], x[1, 20], x[2, 5], x[3] = np.nan, np.inf, -np.inf, -np.inf
    x[4, 7], x[5], x[6, ::2] = 1e4, -1e4, -90
    theirs, ours = (array(getattr(lib, name)(lib.tensor(x), 1)) for lib in (torch, tc))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_other_layouts(name):
    for dim in (0, 1, -1):
        agree(lambda lib, x, dim=dim: getattr(lib, name)(x, dim), normal(5, 18))
        agree(lambda lib, x, dim=dim: getattr(lib, name)(x.t()[::2], dim), normal(5, 18))
        agree(lambda lib, x, dim=dim: getattr(lib, name)(x, dim), normal(2, 3, 4))


def test_classes_of_other_layouts():
    target = np.array([3, 0, 1])
    agree(
        lambda lib, x: lib.nn.functional.cross_entropy(x.t()[::2], lib.tensor(target)), normal(5, 6)
    )


@pytest.mark.parametrize("wrong", [5, -1])
def test_no_such_class(wrong):
    x = tc.tensor(normal(4, 5))
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        tc.nn.functional.cross_entropy(x, tc.tensor([0, wrong, 2, 2]))


@pytest.mark.parametrize("function", ["cross_entropy", "nll_loss"])
def test_of_ignored_classes_alone(function):
    """The mean is 0 / 0, and no gradient comes of it."""
    seen = []
    for lib in (tc, torch):
        x = lib.ones(2, 3, requires_grad=True)
        y = lib.ones(2, dtype=lib.int64)
        loss = getattr(lib.nn.functional, function)(x, y, ignore_index=1)
        loss.backward()
        seen.append((math.isnan(loss.item()), x.grad.tolist()))
    assert seen[0] == seen[1] == (True, [[0.0] * 3] * 2)
