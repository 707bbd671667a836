"""First values: the random numbers, errors and warnings of torch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import tinyconv as tc

INIT = {
    "uniform": lambda i, x: i.uniform_(x, -2.0, 3.0),
    "uniform-default": lambda i, x: i.uniform_(x),
    "normal": lambda i, x: i.normal_(x, 1.0, 0.5),
    "constant": lambda i, x: i.constant_(x, 3.5),
    "ones": lambda i, x: i.ones_(x),
    "zeros": lambda i, x: i.zeros_(x),
    "eye": lambda i, x: i.eye_(x),
    "dirac": lambda i, x: i.dirac_(x),
    "dirac-groups": lambda i, x: i.dirac_(x, 2),
    "xavier_uniform": lambda i, x: i.xavier_uniform_(x, gain=2.0),
    "xavier_normal": lambda i, x: i.xavier_normal_(x),
    "kaiming_uniform": lambda i, x: i.kaiming_uniform_(x, a=math.sqrt(5)),
    "kaiming_uniform-out": lambda i, x: i.kaiming_uniform_(x, mode="fan_out", nonlinearity="relu"),
    "kaiming_normal": lambda i, x: i.kaiming_normal_(x, mode="FAN_IN", nonlinearity="tanh"),
    "kaiming-mode": lambda i, x: i.kaiming_normal_(x, mode="sideways"),
    "kaiming-nonlinearity": lambda i, x: i.kaiming_uniform_(x, nonlinearity="cubic"),
    "trunc_normal": lambda i, x: i.trunc_normal_(x),
    "trunc_normal-wide": lambda i, x: i.trunc_normal_(x, std=0.02),
    "trunc_normal-narrow": lambda i, x: i.trunc_normal_(x, 0.0, 1.0, 0.2, 0.4),
    "trunc_normal-below": lambda i, x: i.trunc_normal_(x, 0.0, 1.0, -0.37, 0.37),  # mass 0.29
    "trunc_normal-above": lambda i, x: i.trunc_normal_(x, 0.0, 1.0, -0.4, 0.4),  # mass 0.31
    "trunc_normal-tail": lambda i, x: i.trunc_normal_(x, 0.0, 1.0, 1.5, 4.0),
    "trunc_normal-empty": lambda i, x: i.trunc_normal_(x, a=2.0, b=-2.0),
    "orthogonal": lambda i, x: i.orthogonal_(x),
    "orthogonal-gain": lambda i, x: i.orthogonal_(x, gain=math.sqrt(2)),
    "sparse": lambda i, x: i.sparse_(x, 0.3),
    "sparse-std": lambda i, x: i.sparse_(x, 0.5, std=2.0),
}
SHAPES = [(), (5,), (4, 6), (7, 3), (40, 30), (4, 2, 3), (6, 3, 3, 3), (4, 4, 2, 2, 3)]


def run(lib, script, x):
    """The numbers, and the next random number; or type and text of the error."""
    lib.manual_seed(3)
    try:
        result = script(lib.nn.init, x)
    except Exception as error:
        return next(c for c in type(error).__mro__ if c.__module__ == "builtins"), str(error)
    assert result is x
    return x.detach().numpy().copy(), lib.rand(1).item()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(INIT))
def test_same_numbers(name, shape, dtype):
    ours = run(tc, INIT[name], tc.nn.Parameter(tc.full(shape, math.nan, dtype=getattr(tc, dtype))))
    theirs = run(
        torch,
        INIT[name],
        torch.nn.Parameter(torch.full(shape, math.nan, dtype=getattr(torch, dtype))),
    )
    if isinstance(theirs[1], str):
        assert ours[0] is theirs[0]
        assert ours[1].startswith(theirs[1])
    else:
        tolerance = 1e-5 if name.startswith("orthogonal") else 3e-7 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(ours[0], theirs[0], rtol=tolerance, atol=tolerance)
        assert ours[1] == theirs[1]  # as many random numbers were taken


@pytest.mark.parametrize(
    "script",
    [
        lambda lib: lib.nn.init.kaiming_uniform_(lib.zeros(0, 3)),
        lambda lib: lib.nn.init.kaiming_normal_(lib.zeros(3, 0)),
        lambda lib: lib.nn.init.trunc_normal_(lib.zeros(3), mean=5.0),
    ],
)
def test_warnings(script):
    texts = []
    for lib in (tc, torch):
        with pytest.warns(UserWarning, match=r"no-op|2 std") as caught:
            script(lib)
        assert lib is torch or caught[0].filename == __file__
        texts.append([str(w.message) for w in caught])
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "trunc_normal_", "kaiming_normal_", "orthogonal_"]
)
def test_generator(name):
    results = []
    for lib in (tc, torch):
        g = lib.Generator().manual_seed(7)
        results.append(getattr(lib.nn.init, name)(lib.zeros(8, 4), generator=g).numpy())
        assert lib.initial_seed() == 0
        assert lib.rand(1).item() == pytest.approx(0.4962566)  # the default generator was not asked
    np.testing.assert_allclose(*results, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "param"),
    [
        (n, None)
        for n in (
            "linear",
            "conv1d",
            "conv2d",
            "conv3d",
            "conv_transpose2d",
            "sigmoid",
            "tanh",
            "relu",
        )
    ]
    + [
        ("selu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.2),
        ("leaky_relu", 1),
        ("leaky_relu", True),
    ]
    + [("leaky_relu", "steep"), ("cubic", None)],
)
def test_calculate_gain(name, param):
    results = []
    for lib in (tc, torch):
        try:
            results.append(lib.nn.init.calculate_gain(name, param))
        except ValueError as error:
            results.append(str(error).splitlines()[0])
    assert results[0] == results[1]


def test_dirac_hands_the_input_on():
    layer = tc.nn.Conv2d(3, 3, 3, padding=1, bias=False)
    tc.nn.init.dirac_(layer.weight)
    x = tc.rand(1, 3, 4, 4)
    assert tc.equal(layer(x), x)


def test_nothing_is_recorded():
    w = tc.nn.Parameter(tc.zeros(3, 3))
    for name in (
        "uniform_",
        "normal_",
        "ones_",
        "zeros_",
        "eye_",
        "xavier_normal_",
        "trunc_normal_",
        "orthogonal_",
    ):
        getattr(tc.nn.init, name)(w)
        assert w.is_leaf
        assert w.requires_grad
