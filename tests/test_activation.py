"""Activations against torch: its own samples, writes, node names, integers, errors."""

from __future__ import annotations

import numpy as np
import opinfo
import pytest
import torch
from loops import same
from opinfo import Op
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.ops.gate import pass_positive, rectify

NAMES = [
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "softplus",
    "hardtanh",
    "relu6",
    "hardswish",
    "hardsigmoid",
    "logsigmoid",
    "selu",
    "celu",
    "mish",
    "softsign",
    "tanhshrink",
    "softshrink",
    "hardshrink",
    "threshold",
    "prelu",
    "glu",
    "softmin",
]
EDGES = np.array([-1e3, -30.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0, 1e3])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_samples(name, dtype):
    # torch's gradient of hardsigmoid holds 1/6 in float32
    loose = (3e-6, 2e-6) if name == "hardsigmoid" else None
    opinfo.check_samples(Op(f"nn.functional.{name}"), dtype, tolerance=loose)


@pytest.mark.parametrize("name", ["prelu", "softshrink", "hardtanh", "gelu"])
def test_refusals(name):
    opinfo.check_errors(f"nn.functional.{name}")


STORIES = {
    "leaky_relu": lambda F, x: F.leaky_relu(x, 0.2),
    "elu": lambda F, x: F.elu(x, 1.3),
    "elu, negative": lambda F, x: F.elu(x, -0.7),
    "selu": lambda F, x: F.selu(x),
    "celu": lambda F, x: F.celu(x, 0.7),
    "gelu": lambda F, x: F.gelu(x),
    "gelu, tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, x: F.silu(x),
    "mish": lambda F, x: F.mish(x),
    "softplus": lambda F, x: F.softplus(x, 2, 5),
    "logsigmoid": lambda F, x: F.logsigmoid(x),
    "hardshrink": lambda F, x: F.hardshrink(x),
    "softshrink": lambda F, x: F.softshrink(x, 0.3),
    "hardswish": lambda F, x: F.hardswish(x),
    "threshold": lambda F, x: F.threshold(x, 0.4, -2),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_far_out_and_at_the_kinks(story):
    # torch's gradient of celu holds 1/alpha in float32
    tol = 1e-6 if story is STORIES["celu"] else 1e-10
    agree(lambda lib, x: story(lib.nn.functional, x), EDGES, second=False, tol=tol)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_special_numbers(story, special):
    ours, theirs = (story(lib.nn.functional, lib.tensor([special])) for lib in (tc, torch))
    assert np.array_equal(ours.numpy(), theirs.numpy(), equal_nan=True)


FAR = np.array([-np.inf, -800, -1, -0.0, 0, 1, 800, np.inf, np.nan])
SECOND = {
    "elu": lambda lib, x: lib.nn.functional.elu(x, 0.8),
    "selu": lambda lib, x: lib.nn.functional.selu(x),
    "celu": lambda lib, x: lib.nn.functional.celu(x, 0.5),
    "mish": lambda lib, x: lib.nn.functional.mish(x),
    "softsign": lambda lib, x: lib.nn.functional.softsign(x),
    "threshold": lambda lib, x: lib.nn.functional.threshold(x, 0.5, -9.0),
    "sinc": lambda lib, x: lib.sinc(x),
    "reciprocal": lambda lib, x: lib.reciprocal(x),
    "xlogy": lambda lib, x: lib.xlogy(x, x + 2),
    "logaddexp": lambda lib, x: lib.logaddexp(x.flip(0), x),
    "copysign": lambda lib, x: lib.copysign(x, -x),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_gradients_far_out(name):
    def grads(lib):
        x = lib.tensor(np.repeat(FAR, 64), requires_grad=True)  # whole vectors, to torch's loops
        (gx,) = lib.autograd.grad(SECOND[name](lib, x).sum(), x, create_graph=True)
        (ggx,) = lib.autograd.grad(gx.sum(), x) if gx.requires_grad else (lib.zeros_like(x),)
        return array(gx), array(ggx)

    for ours, theirs in zip(grads(tc), grads(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_integers_wrap_around():
    def story(lib):
        small, F = lib.tensor([-128, -5, 0, 127], dtype=lib.int8), lib.nn.functional
        byte = lib.tensor([0, 3], dtype=lib.uint8)
        return F.softsign(small), F.threshold(small, 0.5, -9), F.threshold(byte, 0.5, -9)

    for ours, theirs in zip(story(tc), story(torch), strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.mark.parametrize("name", ["elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_"])
def test_write(name):
    def story(lib, x):
        y = x * 1
        assert getattr(lib.nn.functional, name)(y) is y
        return y

    agree(story, np.array([-1.5, -0.2, 0.3, 2.0]))


@pytest.mark.parametrize(
    "name", ["elu", "selu", "celu", "leaky_relu", "hardtanh", "relu6", "silu", "mish", "hardswish"]
)
def test_inplace(name):
    def story(lib, x):
        y = x * 1
        assert getattr(lib.nn.functional, name)(y, inplace=True) is y
        return y

    agree(story, np.array([-1.5, -0.2, 0.3, 2.0]))
    agree(
        lambda lib, x: lib.nn.functional.threshold(x * 1, 0.1, 7.0, inplace=True),
        np.array([-1.0, 0.3]),
    )


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("threshold", "prelu", "softmin")])
def test_node(name):
    nodes = []
    for lib in (torch, tc):
        x = lib.ones(2, requires_grad=True)
        nodes.append(getattr(lib.nn.functional, name)(x).grad_fn)
    assert nodes[1].name() == type(nodes[0]).__name__


@pytest.mark.parametrize("name", ["hardtanh", "relu6", "softsign", "tanhshrink"])
def test_integers(name):
    ours, theirs = (getattr(lib.nn.functional, name)(lib.arange(-2, 9)) for lib in (tc, torch))
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


REFUSED = [
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "hardswish",
    "hardsigmoid",
    "logsigmoid",
    "glu",
]


@pytest.mark.parametrize("name", [*REFUSED, "hardshrink", "softshrink"])
def test_no_integers(name):
    same_error(lambda lib: getattr(lib.nn.functional, name)(lib.arange(4)), r"input\.float\(\)")


@pytest.mark.parametrize(
    "story",
    [
        lambda lib: lib.nn.functional.celu(lib.ones(2), 0),
        lambda lib: lib.nn.functional.glu(lib.ones(3, 5)),
        lambda lib: lib.nn.functional.glu(lib.tensor(1.0)),
        lambda lib: lib.nn.functional.glu(lib.ones(2), 3),
        lambda lib: lib.nn.functional.gelu(lib.ones(2), approximate="fast"),
        lambda lib: lib.nn.functional.prelu(lib.ones(2, 3), lib.ones(2)),
        lambda lib: lib.nn.functional.prelu(lib.ones(3), lib.ones(3)),
        lambda lib: lib.nn.functional.prelu(lib.ones(2, 3), lib.ones(3, dtype=lib.float64)),
        lambda lib: lib.nn.functional.softshrink(lib.ones(2), -1),
        lambda lib: lib.nn.functional.elu(lib.ones(2, requires_grad=True), inplace=True),
    ],
)
def test_errors(story):
    same_error(story)


def test_implicit_dim_warns():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmin"):
        tc.nn.functional.softmin(tc.ones(2, 2))


# ── relu ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_loops_equal_their_definitions(dtype):
    for n in (0, 1, 2, 15, 16, 17, 33, 100):
        x = np.resize(np.array([-1, np.nan, -0.0, 0.0, 2, np.inf, -np.inf, 0.5], dtype), n)
        (y,) = same(rectify, x, x, fills=[1], meaning=True)
        g = np.resize(np.array([1, np.inf, -2], dtype), n)
        same(pass_positive, g, y, x, fills=[2], meaning=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (7, 33), (3, 4, 50)])
def test_relu_is_torchs_to_the_sign_of_zero(shape, dtype):
    x = np.resize(np.array([-1, -0.0, 0.0, 2, -3, 4, 5]), shape).astype(dtype)
    if dtype != "int32" and x.size > 3:
        x.flat[3] = np.nan
    for turn in (lambda v: v, lambda v: v.permute(tuple(reversed(range(v.ndim))))):
        theirs, ours = (array(turn(lib.tensor(x)).relu()) for lib in (torch, tc))
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))


def test_relu_gradients():
    def story(lib, x):
        return lib.relu(x), lib.relu(x[:, ::2]), lib.relu(x.t())

    agree(story, np.random.default_rng(0).standard_normal((7, 33)))
