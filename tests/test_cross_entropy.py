"""The losses of classification against torch."""

from __future__ import annotations

from itertools import product

import numpy as np
import opinfo
import pytest
import torch
from opinfo import Op
from twins import agree, array, same_error

import tinyconv as tc

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


def test_noncontiguous():
    def story(lib, x):
        return lib.nn.functional.cross_entropy(
            x.permute(0, 2, 1)[::2], lib.tensor([[0, 1], [2, 0]])
        )

    agree(story, normal(4, 2, 3))


def test_one_node():
    x = tc.zeros(4, 5, requires_grad=True)
    loss = tc.nn.functional.cross_entropy(x, tc.tensor([0, 1, 2, 3]))
    assert loss.grad_fn.name == "NllLossBackward0"
    assert loss.grad_fn.next_functions[0][0].name == "AccumulateGrad"
    image = tc.zeros(2, 5, 3, 3, requires_grad=True)
    loss = tc.nn.functional.cross_entropy(image, tc.zeros(2, 3, 3, dtype=tc.int64))
    assert loss.grad_fn.name == "NllLoss2DBackward0"


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
