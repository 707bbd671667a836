"""Losses of pairs against torch: its own samples, broadcasting, weights, warnings, errors."""

from __future__ import annotations

import warnings

import numpy as np
import opinfo
import pytest
import torch
from opinfo import Op
from twins import agree, same_error

import tinyconv as tc

NAMES = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy"]
PAIRS = [*NAMES, "binary_cross_entropy_with_logits"]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def inside(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(0.05, 0.95, shape)


@pytest.mark.filterwarnings("ignore:Using a target size", "ignore:reduction. 'mean'")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PAIRS)
def test_samples(name, dtype):
    # the second gradient of binary_cross_entropy has 1e-12 in a denominator
    loose = (1e-9, 1e-9) if name == "binary_cross_entropy" and dtype == "float64" else None
    opinfo.check_samples(Op(f"nn.functional.{name}"), dtype, tolerance=loose)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", ["l1_loss", "huber_loss"])
def test_refusals(name):
    opinfo.check_errors(f"nn.functional.{name}")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights(name, reduction):
    def story(lib, x, y, w):
        return getattr(lib.nn.functional, name)(x, y, weight=w, reduction=reduction)

    x, y = normal(3, 4), normal(3, 4)[::-1].copy()
    agree(story, x, y, inside(3, 4), second=name != "l1_loss")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_positive_weights(reduction):
    def story(lib, x, y):
        f = lib.nn.functional.binary_cross_entropy_with_logits
        w, p = lib.tensor(inside(4)), lib.tensor(inside(3, 1))
        return f(x, y, w, reduction=reduction, pos_weight=p)

    agree(story, normal(3, 4) * 30, inside(3, 4))


def test_far_out():
    x, y = np.array([-1e4, -50.0, 0.0, 50.0, 1e4]), np.array([1.0, 0.0, 0.5, 1.0, 0.0])
    agree(lambda lib, x: lib.nn.functional.binary_cross_entropy_with_logits(x, lib.tensor(y)), x)
    p = np.array([0.0, 1.0, 1e-30, 1.0])
    t = np.array([1.0, 0.0, 1.0, 1.0])
    agree(
        lambda lib, x: lib.nn.functional.binary_cross_entropy(x, lib.tensor(t)),
        p,
        second=False,
        tol=1e-8,  # torch holds 1e-12 in float32
    )


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("shapes", [((3, 4), (4,)), ((1,), (2, 3)), ((), (3,)), ((0, 3), (0, 3))])
def test_shapes(name, shapes):
    agree(lambda lib, x, y: getattr(lib.nn.functional, name)(x, y), *(normal(*s) for s in shapes))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss"])
def test_mixed_dtypes(name):
    """A target from NumPy is float64: the gradient still has the dtype of the input."""
    results = []
    for lib in (torch, tc):
        x = lib.ones(3, requires_grad=True)
        for y in (lib.zeros(3, dtype=lib.float64), lib.zeros(3, dtype=lib.int64)):
            loss = getattr(lib.nn.functional, name)(x, y)
            loss.backward()
            results.append((str(loss.dtype).split(".")[1], str(x.grad.dtype).split(".")[1]))
    assert results[:2] == results[2:]


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_warns_where_it_was_called(name):
    with pytest.warns(UserWarning, match="Using a target size") as seen:
        getattr(tc.nn.functional, name)(tc.ones(3), tc.ones(1, 3))
    assert seen[0].filename == __file__


@pytest.mark.parametrize(("flags", "reduction"), [((False, None), "sum"), ((None, False), "none")])
def test_old_flags(flags, reduction):
    x, y = tc.ones(3), tc.zeros(3)
    with pytest.warns(UserWarning, match=f"please use reduction='{reduction}' instead"):
        old = tc.nn.functional.mse_loss(x, y, *flags)
    assert tc.equal(old, tc.nn.functional.mse_loss(x, y, reduction=reduction))


def test_divergence_of_numbers():
    """What has no dimensions is no batch."""
    agree(
        lambda lib, x: lib.nn.functional.kl_div(
            x, lib.tensor(0.5).to(x.dtype), reduction="batchmean"
        ),
        np.array(0.25),
    )


def test_mean_of_divergence_warns():
    with pytest.warns(UserWarning, match="reduction: 'mean' divides"):
        tc.nn.functional.kl_div(tc.zeros(2), tc.ones(2))


@pytest.mark.parametrize("name", PAIRS)
def test_node(name):
    nodes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for lib in (torch, tc):
            x = lib.full((2,), 0.5, requires_grad=True)
            nodes.append(getattr(lib.nn.functional, name)(x, lib.zeros(2)).grad_fn)
    assert nodes[1].name() == type(nodes[0]).__name__


def half(lib, *shape):
    return lib.full(shape, 0.5)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("story", "hint"),
    [
        (lambda lib: lib.nn.functional.mse_loss(half(lib, 3), half(lib, 2)), "do not broadcast"),
        (
            lambda lib: lib.nn.functional.mse_loss(half(lib, 3), half(lib, 3), reduction="x"),
            "'sum'",
        ),
        (lambda lib: lib.nn.functional.mse_loss(lib.arange(3), lib.arange(3)), "float"),
        (
            lambda lib: lib.nn.functional.mse_loss(half(lib, 3), half(lib, 3), weight=half(lib, 2)),
            "They are",
        ),
        (lambda lib: lib.nn.functional.l1_loss(lib.arange(3), lib.arange(3)), "float"),
        (lambda lib: lib.nn.functional.smooth_l1_loss(half(lib, 3), half(lib, 3), beta=-1), ""),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy(half(lib, 3), half(lib, 3, 1)),
            "reshape",
        ),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy(half(lib, 3) + 1, half(lib, 3)),
            "sigmoid",
        ),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy(half(lib, 3), half(lib, 3) - 1),
            "sigmoid",
        ),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy(half(lib, 3), half(lib, 3).double()),
            r"target\.float\(\)",
        ),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy_with_logits(
                half(lib, 3, 1), half(lib, 3)
            ),
            "squeeze",
        ),
        (
            lambda lib: lib.nn.functional.binary_cross_entropy_with_logits(
                half(lib, 3), lib.arange(3)
            ),
            r"target\.float\(\)",
        ),
    ],
)
def test_errors(story, hint):
    same_error(story, hint)


def test_a_number_is_no_target():
    with pytest.raises(TypeError, match=r"argument 'target' .* must be Tensor, not float"):
        tc.nn.functional.mse_loss(tc.ones(3), 1.0)
