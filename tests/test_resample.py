"""Images of another size, and shuffled pixels, against torch."""

from __future__ import annotations

from itertools import product

import numpy as np
import opinfo
import pytest
import torch
from opinfo import Op
from twins import agree, array, same_error

import tinyconv as tc

MODES = ["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"]
SIZES = {3: [(1,), (3,), (7,), (14,)], 4: [(1, 1), (3, 9), (5, 4), (10, 8)], 5: [(2, 3, 5)]}
DIMS = {"linear": [3], "bilinear": [4], "bicubic": [4], "trilinear": [5]}
IMAGES = {3: (2, 3, 7), 4: (2, 3, 5, 4), 5: (1, 2, 3, 4, 2)}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", MODES)
def test_samples(mode, dtype):
    # torch rounds places to float32, where a cubic is steep
    loose = (2e-5, 2e-5) if mode == "bicubic" and dtype == "float32" else None
    opinfo.check_samples(Op("nn.functional.interpolate", mode), dtype, tolerance=loose)


@pytest.mark.parametrize("mode", MODES)
def test_sizes(mode):
    corners = (None, False, True) if mode in DIMS else (None,)
    for dims in DIMS.get(mode, [3, 4, 5]):
        for size, align in product(SIZES[dims], corners):
            agree(
                lambda lib, x, s=size, a=align: lib.nn.functional.interpolate(
                    x, s, mode=mode, align_corners=a
                ),
                normal(*IMAGES[dims]),
                tol=1e-9,
            )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("factor", [0.4, 1.3, 2, (2.5, 0.7)])
@pytest.mark.parametrize("recompute", [None, True])
def test_factors(mode, factor, recompute):
    def story(lib, x):
        f = lib.nn.functional.interpolate
        return f(x, scale_factor=factor, mode=mode, recompute_scale_factor=recompute)

    agree(story, normal(2, 3, 5, 4), tol=1e-9)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_is_exact(mode):
    for old, new in product((1, 3, 7, 10, 33), range(1, 70, 3)):
        ours, theirs = (
            lib.nn.functional.interpolate(lib.arange(0.0, old).reshape(1, 1, -1), new, mode=mode)
            for lib in (tc, torch)
        )
        assert ours.tolist() == theirs.tolist(), (old, new)


def test_nearest_rounds_in_float32():
    ours, theirs = (
        lib.nn.functional.interpolate(lib.arange(2.0).reshape(1, 1, 2), 82) for lib in (tc, torch)
    )
    assert ours.tolist() == theirs.tolist()  # in float64 element 41 is another


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.9, 1.01, 1.1, 2, 2.02, 2.2])
def test_nearest_by_factor(dims, factor):
    for n in range(2, 12):
        ours, theirs = (
            lib.nn.functional.interpolate(
                lib.arange(float(n)).reshape(1, *[1] * dims, n),
                scale_factor=(*[1.0] * (dims - 1), factor),
            )
            for lib in (tc, torch)
        )
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(2, 3), (4, 9), (5, 4), (10, 2)])
@pytest.mark.parametrize("align", [False, True])
def test_antialias(mode, size, align):
    def story(lib, x):
        f = lib.nn.functional.interpolate
        return f(x, size, mode=mode, antialias=True, align_corners=align)

    agree(story, normal(2, 3, 9, 8), tol=1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("align", [False, True])
def test_bytes(mode, antialias, align):
    """To the last bit: weights of 16 bits, rounded after each dimension."""
    settings = {"mode": mode, "antialias": antialias, "align_corners": align}
    sizes = [(2, 3), (40, 9), (31, 57), {"scale_factor": (0.4, 1.7)}]
    for shape, size in product([(2, 3, 31, 57), (1, 5, 400, 7)], sizes):
        image = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
        more = size if isinstance(size, dict) else {"size": size}
        ours, theirs = (
            lib.nn.functional.interpolate(lib.from_numpy(image), **more, **settings)
            for lib in (tc, torch)
        )
        assert ours.dtype is tc.uint8
        np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("align", [False, True])
def test_places_are_rounded_as_the_image_is(mode, antialias, align):
    image = normal(1, 1, 300, 400).astype("float32")  # a rounding of 400 is 2e-5
    ours, theirs = (
        lib.nn.functional.interpolate(
            lib.from_numpy(image), (270, 555), mode=mode, antialias=antialias, align_corners=align
        )
        for lib in (tc, torch)
    )
    np.testing.assert_allclose(array(ours), array(theirs), rtol=0, atol=5e-6)


def test_layouts():
    agree(
        lambda lib, x: lib.nn.functional.interpolate(x.permute(0, 3, 1, 2), 3, mode="bilinear"),
        normal(2, 4, 5, 3),
    )
    agree(lambda lib, x: lib.nn.functional.interpolate(x, 3), normal(0, 3, 4, 5))
    image = np.arange(12, dtype="uint8").reshape(1, 1, 3, 4)
    ours, theirs = (
        lib.nn.functional.interpolate(lib.from_numpy(image), (5, 2)) for lib in (tc, torch)
    )
    np.testing.assert_array_equal(array(ours), array(theirs))
    x = tc.ones(1, 1, 2, 2)
    tc.nn.functional.interpolate(x, 2, mode="bilinear").zero_()
    assert x.all()  # the same size is a copy, too


@pytest.mark.parametrize("mode", MODES)
def test_node(mode):
    nodes = []
    dims = DIMS.get(mode, [4])[0]
    for lib in (torch, tc):
        x = lib.zeros(IMAGES[dims], requires_grad=True)
        nodes.append(lib.nn.functional.interpolate(x, 3, mode=mode).grad_fn)
    assert nodes[1].name() == type(nodes[0]).__name__


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((1, 2, 4, 5), {}),
        ((1, 2, 4, 5), {"size": 3, "scale_factor": 2}),
        ((1, 2, 4, 5), {"size": (3,)}),
        ((1, 2, 4, 5), {"scale_factor": (2, 2, 2)}),
        ((1, 2, 4, 5), {"size": 3, "align_corners": True}),
        ((1, 2, 4, 5), {"size": 3, "mode": "linear"}),
        ((1, 2, 4), {"size": 3, "mode": "bilinear"}),
        ((1, 2, 4), {"size": 3, "mode": "trilinear"}),
        ((4, 5), {"size": 3}),
        ((1, 2, 4, 5), {"size": 3, "mode": "cubic"}),
        ((1, 2, 4, 5), {"size": 3, "recompute_scale_factor": True}),
        ((1, 2, 4, 5), {"size": 0}),
        ((1, 2, 4, 5), {"scale_factor": 0.1}),
        ((1, 2, 0, 5), {"size": 3}),
        ((1, 0, 4, 5), {"size": 3}),
        ((1, 2, 4, 5), {"size": 3, "antialias": True}),
    ],
)
def test_errors(shape, settings):
    same_error(lambda lib: lib.nn.functional.interpolate(lib.zeros(shape), **settings))


def test_types():
    with pytest.raises(TypeError, match="size must be ints"):
        tc.nn.functional.interpolate(tc.zeros(1, 1, 2), 3.5)
    with pytest.raises(TypeError, match="scale_factor must be numbers"):
        tc.nn.functional.interpolate(tc.zeros(1, 1, 2), scale_factor="2")
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        tc.nn.functional.interpolate(tc.zeros((1, 1, 2), dtype=tc.int64), 3, mode="linear")


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_old_names(name):
    sizes = []
    for lib in (tc, torch):
        x = lib.arange(12.0).reshape(1, 1, 3, 4)
        with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated. Use `nn"):
            sizes.append(getattr(lib.nn.functional, name)(x, (5, 3)).numpy())
    np.testing.assert_allclose(*sizes, rtol=1e-6)


# ── shuffled pixels ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["pixel_shuffle", "pixel_unshuffle", "channel_shuffle"])
def test_shuffle_samples(name):
    opinfo.check_samples(Op(f"nn.functional.{name}"), "float64")


@pytest.mark.parametrize(
    ("name", "shape", "n"),
    [
        ("pixel_shuffle", (7, 2, 2), 2),
        ("pixel_shuffle", (2, 2), 2),
        ("pixel_shuffle", (4, 2, 2), 0),
        ("pixel_unshuffle", (4, 3, 2), 2),
        ("pixel_unshuffle", (4, 2, 3), 2),
        ("pixel_unshuffle", (2, 2), 2),
        ("pixel_unshuffle", (4, 2, 2), 0),
        ("channel_shuffle", (1, 3, 2, 2), 2),
        ("channel_shuffle", (3, 2), 2),
        ("channel_shuffle", (1, 4, 2, 2), 0),
    ],
)
def test_shuffle_errors(name, shape, n):
    same_error(lambda lib: getattr(lib.nn.functional, name)(lib.zeros(shape), n))


def test_shuffle_is_a_copy():
    x = tc.ones(1, 1, 2, 2)
    tc.nn.functional.pixel_shuffle(x, 1).zero_()
    assert x.all()
