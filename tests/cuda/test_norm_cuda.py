"""BatchNorm and its relatives on the device: the kernels against their definitions, the operation against the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from sides import CLOSE, KINDS, agree, normal, tensor

import tinyconv as tc
from tinyconv.ops import _bias, _norm, normalization
from tinyconv.ops._layout import is_last

F = tc.nn.functional

# (n, c, l): one channel, one pixel, odd sizes, many channels side by side, parts for several blocks
SIZES = [
    (1, 1, 2), (2, 1, 1), (4, 3, 1), (7, 5, 3), (3, 2, 300), (9, 37, 1), (2, 40, 5), (5, 3, 1000), (600, 9, 1),
    (1, 2, 9001), (400, 3, 17),
]  # fmt: skip


def device(a, kind="float64"):
    return tensor(a, kind, "cuda").array


def numbers(a):
    return a.get().astype("float64")


# ── kernels ───────────────────────────────────────────────────────────────────────────────────


def test_some_sizes_take_several_blocks():
    shared = {size: _norm.shares(np.empty(size, "float32"))[0] for size in SIZES}
    assert sum(parts > 1 for _, parts in shared.values()) >= 4
    assert _norm.shares(np.empty((256, 64, 1024), "float32"))[0] == (64, 8)
    assert _norm.shares(np.empty((256 * 1024, 64, 1), "float16"))[0] == (4, 128)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_parts(size, kind):
    import cupy as cp

    x, g, y = (device(normal(*size, seed=s), kind) for s in range(3))
    (_, count), _ = _norm.shares(x)
    mean = device(np.cos(np.arange(size[1])))
    for kernel, *given in (
        (_norm.moment_parts, x),
        (_norm.product_parts, g, x, y, mean),
        (_norm.product_parts, g, x, None, mean),
        (_norm.product_parts, g, None, None, None),
    ):
        parts, expected = cp.zeros((2, count, 2, size[1]))
        kernel(*given, parts)
        kernel.definition(cp, *given, expected)
        used = slice(1) if len(given) > 1 and given[1] is None else slice(2)
        a, b = numbers(parts)[:, used], numbers(expected)[:, used]
        tight = kind == "float64"
        close = (1e-10, 1e-10) if tight else (1e-5, 1e-5 * (1 + abs(b).max()))
        np.testing.assert_allclose(a, b, *close)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sums(size, kind):
    import cupy as cp

    x = device(normal(*size), kind)
    for out in ("float64", kind):
        sums = cp.full(size[1], 77, out)
        _norm.channel_sums(x, sums)
        expected = numbers(x).sum((0, 2))
        close = (1e-3, 1e-2) if out == "float16" else (1e-5, 1e-4) if kind != "float64" else (1e-12, 1e-12)  # fmt: skip
        np.testing.assert_allclose(numbers(sums), expected, *close)


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("size", [s for s in SIZES if s[0] * s[2] > 30], ids=str)
def test_statistics_do_not_cancel(size, kind):
    """A mean ten thousand times the deviation, or numbers unlike those that come first: one-pass formulas lose digits."""
    digits = 5e-6 if kind == "float32" else 1e-11
    plain = normal(*size)
    first, image = plain.copy(), plain.copy()
    first[0, :, 0] = 1e6
    image[0] += 1e3
    for x in (plain, plain + 1e3, plain + 1e4, first, image):
        x = x.astype(kind)
        stored = [tc.zeros(size[1], dtype=tc.float64, device="cuda") for _ in range(2)]
        y = F.batch_norm(
            tensor(x, kind, "cuda").detach(), *stored, training=True, momentum=1.0, eps=1e-30
        )
        exact = x.astype("longdouble")
        mean, var, count = exact.mean((0, 2)), exact.var((0, 2)), size[0] * size[2]
        np.testing.assert_allclose((stored[0].cpu().numpy() - mean) / np.sqrt(var), 0, atol=digits)
        np.testing.assert_allclose(
            stored[1].cpu().numpy() * (count - 1) / count, var.astype(float), rtol=digits
        )
        expected = (exact - mean[:, None]) / np.sqrt(var)[:, None]
        np.testing.assert_allclose(
            y.cpu().numpy(), expected.astype(float), rtol=1e-5, atol=3 * digits
        )


@pytest.mark.parametrize("relu", [False, True])
def test_gradients_do_not_cancel(relu):
    """A mean that float32 cannot hold exactly is subtracted exactly."""
    x, g = (normal(40, 3, 11, 9) + 1e4 / 3).astype("float32"), normal(40, 3, 11, 9, seed=1) + 1
    leaf, w = tensor(x, "float32", "cuda"), tensor(np.ones(3), "float32", "cuda")
    function = normalization.batch_norm_relu if relu else F.batch_norm
    y = function(leaf, None, None, w, training=True, eps=1e-30)
    gx, gw = tc.autograd.grad(y, [leaf, w], tensor(g, "float32", "cuda").detach())
    exact, axes = x.astype("float64"), (0, 2, 3)
    rstd = 1 / exact.std(axes, keepdims=True)
    hat = (exact - exact.mean(axes, keepdims=True)) * rstd
    g = g * (y.detach().cpu().numpy() > 0) if relu else g
    means = [v.mean(axes, keepdims=True) for v in (g, g * hat)]
    np.testing.assert_allclose(gw.cpu().numpy(), (g * hat).sum(axes), rtol=1e-5, atol=1e-3)
    expected = rstd * (g - means[0] - hat * means[1])
    np.testing.assert_allclose(gx.cpu().numpy(), expected, rtol=1e-5, atol=2e-6)


def test_the_same_bits_every_time():
    x = tensor(normal(64, 3, 30, 30), "float32", "cuda", last=True)
    runs = [
        [v.detach().cpu().numpy() for v in (y, *tc.autograd.grad(y, [x], tc.cos(x.detach())))]
        for y in (F.batch_norm(x, None, None, training=True) for _ in range(2))
    ]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


# ── BatchNorm ─────────────────────────────────────────────────────────────────────────────────

SHAPES = [(4, 3), (33, 20), (4, 3, 7), (2, 1, 3, 3), (5, 3, 1, 1), (2, 5, 4, 6), (40, 3, 9, 11)]
ORDERS = [(s, False) for s in SHAPES] + [(s, True) for s in SHAPES if len(s) == 4]


def batch_norm(training, relu, running):
    function = normalization.batch_norm_relu if relu else F.batch_norm

    def story(x, *wb):
        given = [tc.tensor(v).to(x.device, tc.float32) for v in running]
        return function(x, *given, *(*wb, None, None)[:2], training)

    return story


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("shape", "last"), ORDERS, ids=str)
def test_batch_norm(shape, training, last, kind):
    c = shape[1]
    running = normal(c), np.abs(normal(c)) + 0.5
    for affine, relu in ((2, False), (2, True), (1, False), (0, True)):
        y = agree(
            batch_norm(training, relu, running), 2 * normal(*shape) + 1, *[normal(c, seed=s) for s in range(affine)],
            kind=kind, last=last, second=shape == (2, 5, 4, 6) and affine == 2, scale=3,
        )  # fmt: skip
        if last and shape[1] > 1 and shape[2] > 1:
            assert is_last(y.array)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("second", [False, True])
def test_halves_with_weights_in_float32(kind, training, second):
    c = 5
    running = normal(c), np.abs(normal(c)) + 0.5
    for kinds in (["float32"] * 2, [kind, "float32"]):
        y = agree(
            batch_norm(training, False, running), normal(3, c, 4, 4), normal(c), normal(c, seed=1),
            kind=kind, kinds=kinds, last=True, second=second, scale=3,
        )  # fmt: skip
    assert str(y.dtype) == f"tinyconv.{kind}"


def test_parameters_that_are_views():
    def story(x, w, b):
        return F.batch_norm(x, None, None, w[::2], b.expand(3), True)

    agree(story, normal(4, 3, 5), normal(6), normal(1), second=False)


def test_number_types_that_do_not_fit():
    x, w = (tensor(normal(4, 3), kind, "cuda") for kind in ("float32", "float64"))
    for given in ({"weight": w[0]}, {"bias": w[1]}):
        with pytest.raises(tc.errors.DTypeError, match="expected scalar type"):
            F.batch_norm(x, None, None, training=True, **{k: v.detach() for k, v in given.items()})


@pytest.mark.parametrize("stored", KINDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("momentum", [0.1, 1.0, "count"])
def test_running_statistics(kind, stored, momentum, counts):
    results = []
    for place in ("cpu", "cuda"):
        x = tensor(normal(30, 4, 9, 9) + 2, kind, place, last=place == "cuda")  # for several blocks
        running = [tensor(v, stored, place).detach() for v in (normal(4), np.ones(4))]
        for step in range(1, 4):
            share = (
                tc.tensor(step, dtype=tc.int64, device=place) if momentum == "count" else momentum
            )
            y = F.batch_norm(x * step, *running, training=True, momentum=share)
            y.backward(tc.ones_like(y))
        if place == "cuda":
            assert counts["syncs"] == 0
            assert running[0]._version == 3
        results.append([v.cpu().double().numpy() for v in running])
    rtol, atol = CLOSE["bfloat16" if "bfloat16" in (kind, stored) else "float16" if "float16" in (kind, stored) else "float32"]  # fmt: skip
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol, atol)


def test_running_statistics_that_are_views():
    both = [tc.zeros(2, 3, device=place) for place in ("cpu", "cuda")]
    for table in both:
        x = tensor(normal(4, 3, 2), "float32", str(table.device))
        F.batch_norm(x, table[0], table[1], training=True)
        assert table._version > 0
    np.testing.assert_allclose(both[1].cpu().numpy(), both[0].numpy(), rtol=1e-6)


def test_launches(counts):
    """Two kernels forward, two backward, and no wait."""
    layer = tc.nn.BatchNorm2d(4).to("cuda")
    x, seed = (tensor(normal(8, 4, 6, 6, seed=s), "float32", "cuda", last=True) for s in (0, 1))
    counts.clear()
    y = layer(x)
    assert counts["moment_parts"] == counts["normalise"] == 1
    assert counts["launches"] == 2 + counts["add"] + counts["put"]  # the number of batches
    assert counts["syncs"] == 0
    counts.clear()
    gx, *_ = tc.autograd.grad(y, [x, layer.weight, layer.bias], seed.detach())
    assert is_last(gx.array)
    assert counts["product_parts"] == counts["normalise_back"] == 1
    assert counts["launches"] == 2
    layer.eval()
    counts.clear()
    with tc.no_grad():
        layer(x)
    assert dict(counts) == {"launches": 1, "normalise": 1}


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True), (False, True, True)], ids=str)  # fmt: skip
@pytest.mark.parametrize("training", [True, False])
def test_only_the_gradients_that_are_wanted(needs, training):
    results = []
    for place in ("cpu", "cuda"):
        leaves = [tensor(v, "float64", place).detach().requires_grad_(need)
                  for v, need in zip((normal(3, 4, 5), normal(4), normal(4, seed=1)), needs, strict=True)]  # fmt: skip
        running = [tc.zeros(4, device=place), tc.ones(4, device=place)]
        y = F.batch_norm(leaves[0], *running, *leaves[1:], training)
        y.backward(tc.cos(y.detach()))
        results.append([None if v.grad is None else v.grad.cpu().numpy() for v in leaves])
    for a, b, need in zip(*results, needs, strict=True):
        assert (a is not None) == (b is not None) == need
        if need:
            np.testing.assert_allclose(a, b, 1e-10, 1e-10)


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (0, 3)], ids=str)
def test_nothing_in_the_batch(shape):
    agree(batch_norm(False, False, (normal(3), np.ones(3))), normal(*shape), normal(3), normal(3), second=False)  # fmt: skip


def test_not_a_number_stays_in_its_channel():
    x = normal(4, 3, 5, 5)
    x[1, 1, 2, 3] = np.nan
    given = x, np.ones(3), np.zeros(3)
    y = agree(batch_norm(True, True, (np.zeros(3), np.ones(3))), *given, second=False)
    lost = np.isnan(y.detach().cpu().numpy())
    assert lost[:, 1].all()
    assert not lost[:, [0, 2]].any()


@pytest.mark.parametrize("gap", [False, True])
def test_gradients_and_images_that_lie_otherwise(gap):
    """The gradient of a channels-last image may come as its shape reads, and an image may have gaps."""
    results = []
    for place in ("cpu", "cuda"):
        whole = tensor(normal(3, 4, 6, 6), "float64", place, last=place == "cuda")
        x = whole[:, :, ::2] if gap else whole
        y = F.batch_norm(x, None, None, training=True)
        seed = tc.tensor(np.sin(np.arange(y.numel())).reshape(tuple(y.shape)), device=place)
        results.append(tc.autograd.grad(y, whole, seed)[0].cpu().numpy())
    np.testing.assert_allclose(*results, 1e-10, 1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "story",
    [
        lambda x, w, b: F.layer_norm(x, (6,), w, b),
        lambda x, w, b: F.group_norm(x.reshape(2, 6, 5), 3, w, b),
        lambda x, w, b: F.instance_norm(x.reshape(2, 6, 5), None, None, w, b),
    ],
    ids=["layer", "group", "instance"],
)
def test_relatives(story, kind):
    agree(story, normal(2, 5, 6), normal(6), normal(6, seed=1), kind=kind, scale=3)


# ── bias ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 7), (2, 5, 70, 9), (0, 3, 2, 2)], ids=str)  # fmt: skip
def test_bias(shape, relu, kind, counts):
    b, a = normal(shape[1]), normal(*shape)
    a.flat[::7] = np.nan
    for last in (False, True):
        y, here = (tensor(a, kind, place, last and len(shape) == 4).detach() for place in ("cuda", "cpu"))  # fmt: skip
        counts.clear()
        _bias.add_bias(y.array, tensor(b, kind, "cuda").array, relu)
        assert counts["shift_channels"] == (y.numel() > 0)
        with np.errstate(invalid="ignore"):
            _bias.add_bias(here.array, tensor(b, kind, "cpu").array, relu)
        np.testing.assert_allclose(y.cpu().double().numpy(), here.double().numpy(), CLOSE[kind][0])
        g = tensor(np.nan_to_num(a), kind, "cuda", last and len(shape) == 4).detach()
        counts.clear()
        sums = _bias.bias_gradient(g.array)
        assert counts["launches"] == 2 or not a.size
        axes = (0, *range(2, len(shape)))
        expected = g.cpu().double().numpy().sum(axes)
        np.testing.assert_allclose(numbers(sums), expected, *CLOSE[kind])
