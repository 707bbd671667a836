"""Normalisation, linear and dropout layers against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.ops import normalization


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (4, 3), (4, 3, 7), (2, 1, 1, 1), (1, 3, 4, 4)])
@pytest.mark.parametrize("affine", ["both", "weight", "none"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape, affine, training):
    c = shape[1]
    running = normal(c), np.abs(normal(c)) + 0.5

    def story(lib, x, *wb):
        w, b = (*wb, None, None)[:2]
        mean, var = (lib.tensor(r) for r in running)
        return lib.nn.functional.batch_norm(x, mean, var, w, b, training)

    agree(story, normal(*shape), *[normal(c)] * {"both": 2, "weight": 1, "none": 0}[affine])


@pytest.mark.parametrize("momentum", [0.1, 0.9, None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics(momentum, dtype):
    layers = [
        lib.nn.BatchNorm2d(3, momentum=momentum, dtype=getattr(lib, dtype)) for lib in (torch, tc)
    ]
    for _ in range(3):
        x = normal(4, 3, 5, 5).astype(dtype)
        outs = [layer(lib.tensor(x)) for lib, layer in zip((torch, tc), layers, strict=True)]
        np.testing.assert_allclose(array(outs[1]), array(outs[0]), rtol=1e-5, atol=1e-6)
    for (name, a), (other, b) in zip(
        layers[0].state_dict().items(), layers[1].state_dict().items(), strict=True
    ):
        assert name == other
        np.testing.assert_allclose(array(b), array(a), rtol=1e-5, atol=1e-7)
        assert str(b.dtype).split(".")[1] == str(a.dtype).split(".")[1]
    outs = [layer.eval()(lib.tensor(x)) for lib, layer in zip((torch, tc), layers, strict=True)]
    np.testing.assert_allclose(array(outs[1]), array(outs[0]), rtol=1e-5, atol=1e-6)


def test_statistics_do_not_cancel():
    """A mean a thousand times the deviation: one-pass formulas lose it."""
    x = (normal(4, 2, 8, 8) + 1e3).astype("float32")
    mean, var = np.empty(2, "float32"), np.empty(2, "float32")
    normalization.channel_statistics(np.ascontiguousarray(x.reshape(4, 2, -1)), mean, var)
    exact = x.astype("float64")
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["channel_statistics", "channel_affine", "channel_products", "channel_combine"]
)
def test_loops_equal_their_definitions(name):
    kernel = getattr(normalization, name)
    x, g, c = normal(3, 4, 5), normal(3, 4, 5), [normal(4), normal(4) + 1, normal(4) - 1]
    inputs = {
        "channel_statistics": (x,), "channel_affine": (x, c[0], c[1]), "channel_products": (g, x, c[0]),
        "channel_combine": (g, x, *c),
    }[name]  # fmt: skip
    fills = 2 if name in ("channel_statistics", "channel_products") else 1
    shape = (4,) if fills == 2 else x.shape
    made = []
    for run in (kernel, lambda *a: kernel.definition(np, *a)):
        outs = [np.empty(shape) for _ in range(fills)]
        run(*inputs, *outs)
        made.append(outs)
    for a, b in zip(*made, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("tail", [(5,), (6, 5)])
def test_layer_norm(tail):
    agree(
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, tail, w, b),
        normal(4, 6, 5),
        normal(*tail),
        normal(*tail),
    )
    agree(lambda lib, x: lib.nn.functional.layer_norm(x, tail), normal(4, 6, 5))


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_group_norm(groups):
    agree(
        lambda lib, x, w, b: lib.nn.functional.group_norm(x, groups, w, b),
        normal(4, 6, 5, 3),
        normal(6),
        normal(6),
    )


def test_instance_norm():
    agree(
        lambda lib, x, w, b: lib.nn.functional.instance_norm(x, None, None, w, b),
        normal(4, 6, 5, 3),
        normal(6),
        normal(6),
    )
    running = [
        [lib.zeros(6, dtype=lib.float64), lib.ones(6, dtype=lib.float64)] for lib in (torch, tc)
    ]
    for lib, (mean, var) in zip((torch, tc), running, strict=True):
        lib.nn.functional.instance_norm(lib.tensor(normal(4, 6, 5, 3)), mean, var)
    for a, b in zip(*running, strict=True):
        np.testing.assert_allclose(array(b), array(a), rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), (5,), (2, 3, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias):
    agree(
        lambda lib, *a: lib.nn.functional.linear(*a),
        normal(*shape),
        normal(7, 5),
        *[normal(7)] * bias,
    )


@pytest.mark.parametrize("make", [
    lambda nn: nn.BatchNorm2d(3), lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False), lambda nn: nn.BatchNorm1d(3, eps=1e-3),
    lambda nn: nn.BatchNorm2d(3, bias=False), lambda nn: nn.LayerNorm((3, 4)), lambda nn: nn.LayerNorm(3, bias=False), lambda nn: nn.GroupNorm(3, 6),
    lambda nn: nn.Dropout(0.3), lambda nn: nn.Dropout2d(), lambda nn: nn.Linear(3, 4), lambda nn: nn.Linear(3, 4, bias=False),
    lambda nn: nn.Conv1d(3, 4, 3, dilation=2), lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), lambda nn: nn.ConvTranspose1d(3, 4, 3, bias=False),
])  # fmt: skip
def test_same_seed_same_layer(make):
    torch.manual_seed(5)
    tc.manual_seed(5)
    theirs, ours = make(torch.nn), make(tc.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True):
        np.testing.assert_array_equal(array(b), array(a))


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_replays_torch(p, name, dtype):
    x = normal(3, 4, 5, 6).astype(dtype)
    outs = []
    for lib in (torch, tc):
        lib.manual_seed(7)
        t = lib.tensor(x, requires_grad=True)
        y = getattr(lib.nn.functional, name)(t, p)
        y.sum().backward()
        outs.append((array(y), array(t.grad), array(lib.rand(3))))
    for a, b in zip(*outs, strict=True):
        np.testing.assert_array_equal(a, b)


ERRORS = [
    ("one value", lambda lib: lib.nn.BatchNorm1d(3)(lib.zeros(1, 3)), "drop_last"),
    ("rank", lambda lib: lib.nn.BatchNorm2d(3)(lib.zeros(2, 3)), "BatchNorm1d takes"),
    ("channels", lambda lib: lib.nn.BatchNorm2d(3)(lib.zeros(2, 4, 2, 2)), r"BatchNorm2d\(4\)"),
    ("layer norm", lambda lib: lib.nn.LayerNorm(4)(lib.zeros(2, 3)), r"LayerNorm\(\[3\]\)"),
    ("groups", lambda lib: lib.nn.GroupNorm(2, 3), ""),
    ("group channels", lambda lib: lib.nn.functional.group_norm(lib.zeros(2, 3, 2), 2), ""),
    (
        "features",
        lambda lib: lib.nn.Linear(3, 4)(lib.zeros(2, 5)),
        r"Linear\(5, 4\) or LazyLinear\(4\)",
    ),
    ("not flattened", lambda lib: lib.nn.Linear(12, 4)(lib.zeros(2, 3, 2, 2)), r"flatten\(1\)"),
    (
        "double",
        lambda lib: lib.nn.Linear(3, 4)(lib.zeros(2, 3, dtype=lib.float64)),
        "NumPy's floats",
    ),
    ("probability", lambda lib: lib.nn.Dropout(1.5), ""),
]


@pytest.mark.parametrize(("name", "story", "hint"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors(name, story, hint):
    same_error(story, hint)


def test_the_error_names_the_layer_and_where_the_features_came_from():
    nn = tc.nn
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)), nn.Flatten(), nn.Linear(99, 10)
    )
    with pytest.raises(RuntimeError) as caught:
        model(tc.zeros(2, 3, 10, 10))
    text = str(caught.value)
    assert text.startswith("mat1 and mat2 shapes cannot be multiplied (2x64 and 99x10)")
    assert "got 64 features = 4x4x4 after Flatten: Linear(64, 10) or LazyLinear(10)" in text
    assert "In layer 2: Linear(in_features=99, out_features=10, bias=True)" in text
