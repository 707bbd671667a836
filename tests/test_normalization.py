"""Normalisation, linear and dropout layers against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loops import same
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.backend import parallel
from tinyconv.ops import normalization
from tinyconv.ops._norm import (
    channel_affine,
    channel_combine,
    channel_products,
    channel_statistics,
    channel_sums,
)
from tinyconv.ops.reduce import channel_sum


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


SIZES = [
    (4, 3, 1),
    (2, 5, 2),
    (9, 37, 1),
    (300, 4, 3),
    (3, 7, 16),
    (2, 3, 17),
    (1, 9, 4),
    (2, 5, 70),
    (3, 2, 5000),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_statistics_do_not_cancel(size, dtype):
    """A mean a thousand times the deviation, or numbers unlike those that come first: one-pass formulas lose digits."""
    digits = 2e-6 if dtype == "float32" else 1e-12
    plain = normal(*size)
    first, image = plain.copy(), plain.copy()
    first[0, :, 0] = 1e6
    image[0] += 1e3
    for x in (plain, plain + 1e3, first, image):
        x = x.astype(dtype)
        c = size[1]
        mean, var, y = np.empty(c), np.empty(c), np.empty_like(x)
        channel_statistics(x, mean, var)
        channel_affine(x, mean, 1 / np.sqrt(var), np.zeros(c, dtype), False, y)
        exact = x.astype("longdouble")
        spread = exact.std((0, 2))
        np.testing.assert_allclose(var, spread**2, rtol=digits)
        np.testing.assert_allclose((mean - exact.mean((0, 2))) / spread, 0, atol=digits)
        expected = (exact - exact.mean((0, 2))[:, None]) / spread[:, None]
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=100 * digits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_loops_equal_their_definitions(size, relu, dtype):
    x, g = normal(*size).astype(dtype), np.cos(normal(*size)).astype(dtype)
    c = size[1]
    a, b, stats = np.cos(normal(c)), normal(c).astype(dtype), np.empty(c)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    close["meaning"] = x.size < 300
    same(channel_sums, x, stats, fills=[1], **close)
    mean, _ = same(channel_statistics, x, stats, stats, fills=(1, 2), **close)
    (y,) = same(channel_affine, x, mean, a, b, relu, x, fills=[5], **close)
    same(channel_combine, g, x, y, mean, a, 2 * a, a - 1, relu, x, fills=[8], **close)
    close["atol"] *= 100  # sums of hundreds of numbers
    same(channel_products, g, x, y, mean, relu, stats, stats, fills=(5, 6), **close)


@pytest.mark.parametrize("size", [(6, 7, 40), (6, 700, 2)], ids=str)
def test_threads_change_no_digit(size, monkeypatch):
    x, results = tc.tensor(normal(*size).astype("float32"), requires_grad=True), []
    monkeypatch.setattr(parallel, "GRAIN", 1)
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "_team", parallel._Team(threads))
        w = tc.ones(size[1], requires_grad=True)
        y = tc.nn.functional.batch_norm(x, None, None, w, training=True)
        results.append([y, *tc.autograd.grad((y * y * y).sum(), (x, w))])
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(array(a), array(b))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (4, 3), (2, 3, 40)])
def test_batch_norm_and_relu_in_one_pass(shape, affine, training):
    """It equals ``relu(batch_norm())`` to the last digit, in gradients and second gradients nearly."""
    c, runs = shape[1], []
    for together in (True, False):
        x = tc.tensor(normal(*shape), requires_grad=True)
        wb = [tc.tensor(np.cos(normal(c)), requires_grad=True) for _ in range(2)] if affine else []
        mean, var = tc.tensor(normal(c)), tc.tensor(np.abs(normal(c)) + 0.5)
        settings = mean, var, *(wb or (None, None)), training
        if together:
            y = normalization.batch_norm_relu(x, *settings)
        else:
            y = tc.nn.functional.relu(tc.nn.functional.batch_norm(x, *settings))
        seed = tc.tensor(np.sin(normal(*shape)), requires_grad=True)
        plain = tc.autograd.grad(y, [x, *wb], seed.detach(), retain_graph=True)
        grads = tc.autograd.grad(y, [x, *wb], seed, create_graph=True)
        again = tc.autograd.grad(
            sum((g * g).sum() for g in grads), [x, seed, *wb[:1]], allow_unused=True
        )
        runs.append([y, mean, var, *plain, *grads, *(v for v in again if v is not None)])
    np.testing.assert_array_equal(array(runs[0][0]), array(runs[1][0]))
    assert (array(runs[0][0]) == 0).any()
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("layout", ["permuted", "sliced"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_other_layouts(layout, training):
    def story(lib, x):
        x = x.permute(0, 3, 1, 2) if layout == "permuted" else x[::2, :, ::3]
        mean, var = (
            lib.zeros(x.shape[1], dtype=lib.float64),
            lib.ones(x.shape[1], dtype=lib.float64),
        )
        return lib.nn.functional.batch_norm(x, mean, var, training=training)

    agree(story, normal(4, 5, 6, 7))


def test_statistics_take_no_gradient():
    def story(lib):
        mean = lib.zeros(3, requires_grad=True)
        return lib.nn.functional.batch_norm(lib.ones(2, 3), mean, lib.ones(3))

    same_error(story, "detach")


@pytest.mark.parametrize("dims", [(0, 2, 3), (1, 2, 3), (2, 3), (3,), (0, 2), (0, 1, 2, 3), (0, 1)])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_sums_of_large_arrays(dims, keepdim, dtype):
    """Some of them have a loop."""
    x = (normal(7, 5, 13, 17) * 9).astype(dtype)
    for name in ("sum", "mean") if dtype != "int64" else ("sum",):
        theirs, ours = (getattr(lib.tensor(x), name)(dims, keepdim) for lib in (torch, tc))
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(array(ours), array(theirs), rtol=1e-5, atol=1e-4)


def test_channel_sum():
    for shape in ((2, 3), (2, 3, 4, 5), (2, 0, 4), (0, 3, 4), (40, 30, 9)):
        x = normal(*shape).astype("float32")
        expected = x.sum((0, *range(2, x.ndim)), dtype="float64")
        np.testing.assert_allclose(channel_sum(x), expected, rtol=1e-5, atol=1e-5)
        if 0 not in shape:
            other = np.asfortranarray(x)
            np.testing.assert_array_equal(channel_sum(other), channel_sum(x))


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
