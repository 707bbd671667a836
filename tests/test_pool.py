"""Pooling against torch: values, gradients, second gradients, places, NaN, errors; the loop against its definition."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from loops import same
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.ops._pool import pool_max, pool_sum, unpool_max, unpool_sum
from tinyconv.ops._pool_window import blind
from tinyconv.ops.adaptive_pool import largest_places
from tinyconv.shapes import pool_size

GRID = list(product((2, 3, (2, 3)), (None, 1, (2, 1)), (0, 1), (1, 2), (False, True)))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize(("k", "s", "p", "d", "c"), GRID)
def test_max_pool2d(k, s, p, d, c):
    x = normal(2, 3, 9, 10)
    agree(lambda lib, x: lib.nn.functional.max_pool2d(x, k, s, p, d, c), x)
    places = [
        lib.nn.functional.max_pool2d(lib.tensor(x), k, s, p, d, c, return_indices=True)[1]
        for lib in (torch, tc)
    ]
    np.testing.assert_array_equal(array(places[1]), array(places[0]))


@pytest.mark.parametrize(
    ("k", "s", "p", "c", "include"),
    list(product((2, 3, (2, 3)), (None, 1, 2), (0, 1), (False, True), (False, True))),
)
def test_avg_pool2d(k, s, p, c, include):
    agree(lambda lib, x: lib.nn.functional.avg_pool2d(x, k, s, p, c, include), normal(2, 3, 9, 10))


def test_divisor_override():
    agree(
        lambda lib, x: lib.nn.functional.avg_pool2d(x, 2, divisor_override=3), normal(2, 3, 9, 10)
    )


@pytest.mark.parametrize("out", [1, 2, 3, (2, 5), (7, 7), (None, 3), (12, 12)])
def test_adaptive(out):
    agree(lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, out), normal(2, 3, 9, 10))
    agree(lambda lib, x: lib.nn.functional.adaptive_max_pool2d(x, out), normal(2, 3, 9, 10))
    x = normal(2, 3, 9, 10)
    places = [
        lib.nn.functional.adaptive_max_pool2d(lib.tensor(x), out, return_indices=True)[1]
        for lib in (torch, tc)
    ]
    np.testing.assert_array_equal(array(places[1]), array(places[0]))


def test_the_loop_of_places_equals_its_definition():
    x = np.sign(normal(3, 5, 9, 7))  # many ties
    x[0, ::2, 1::3, ::3] = np.nan
    x[1] = -np.inf
    for out in ((2, 4, 3), (5, 12, 1), (1, 1, 1)):
        same(largest_places, x, np.empty((3, *out), "int64"), fills=[1], meaning=True)


def test_one_dimension():
    for story in (
        lambda lib, x: lib.nn.functional.max_pool1d(x, 3, 2, 1),
        lambda lib, x: lib.nn.functional.avg_pool1d(x, 3, 2, 1),
        lambda lib, x: lib.nn.functional.adaptive_avg_pool1d(x, 4),
        lambda lib, x: lib.nn.functional.adaptive_max_pool1d(x, 4),
    ):
        agree(story, normal(2, 3, 11))
        agree(story, normal(3, 11))


def test_unbatched_noncontiguous_and_empty():
    for name in ("max_pool2d", "avg_pool2d"):
        agree(lambda lib, x, name=name: getattr(lib.nn.functional, name)(x, 2), normal(3, 8, 8))
        agree(
            lambda lib, x, name=name: getattr(lib.nn.functional, name)(
                x.permute(0, 3, 1, 2)[:, :, ::2], 2
            ),
            normal(2, 8, 8, 3),
        )
        agree(lambda lib, x, name=name: getattr(lib.nn.functional, name)(x, 2), normal(0, 3, 8, 8))


def test_first_of_equals_wins_and_nan_beats_everything():
    x = np.round(normal(2, 2, 8, 8))
    x[0, 0, 2, 3] = x[1, 1, 4, 4] = np.nan
    x[0, 1, :2] = -np.inf
    for k, s, p in ((2, 2, 0), (3, 1, 1), (3, 2, 1)):
        values, places = [], []
        for lib in (torch, tc):
            v, i = lib.nn.functional.max_pool2d(lib.tensor(x), k, s, p, return_indices=True)
            values.append(array(v))
            places.append(array(i))
        np.testing.assert_array_equal(*values)
        np.testing.assert_array_equal(*places)


# kernel, stride, padding, dilation
WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 3), (2, 2), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (0, 1), (1, 1)),
    ((3, 3), (1, 1), (1, 1), (1, 1)),
    ((3, 2), (1, 2), (1, 1), (2, 1)),
    ((2, 3), (2, 3), (0, 1), (1, 2)),
    ((1, 5), (1, 4), (0, 2), (1, 1)),
    ((1, 1), (2, 5), (0, 0), (1, 1)),
    ((17, 17), (2, 2), (8, 8), (1, 1)),  # more taps than a byte counts
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_loops_equal_their_definitions(dtype, window, ceil_mode):
    k, s, p, d = window
    for w in [*range(1, 36), 65]:
        h = w % 5 + 3
        out = [pool_size(*v, ceil_mode=ceil_mode) for v in zip((h, w), k, s, p, d, strict=True)]
        if min(out) < 1 or any(map(blind, (h, w), k, s, p, d, out)):
            continue
        x = np.round(normal(2, h, w) * 2).astype(dtype)  # with equals
        x[0, 1, w // 2] = x[1, :, w // 3] = np.nan
        x[1, :, w // 2] = -np.inf
        y = np.empty((2, *out), dtype)
        where = np.empty(y.shape, "uint8" if k[0] * k[1] <= 256 else "int32")
        meaning = w in (5, 19) and k[0] < 10
        _, where = same(pool_max, x, y, where, *k, *s, *p, *d, fills=(1, 2), meaning=meaning)
        g = normal(*y.shape).astype(dtype)
        close = {"rtol": 1e-5, "atol": 1e-4}
        same(unpool_max, g, where, x, *k, *s, *p, *d, fills=[2], meaning=meaning, **close)
        if max(d) == 1:
            x = normal(*x.shape).astype(dtype)
            scale = np.abs(normal(*out)).astype(dtype)
            same(pool_sum, x, y, scale, *k, *s, *p, fills=[1], meaning=meaning, **close)
            same(unpool_sum, g, x, scale, *k, *s, *p, fills=[1], meaning=meaning, **close)


def test_more_taps_than_a_byte_counts():
    agree(lambda lib, x: lib.nn.functional.max_pool2d(x, 17, 3, 8), normal(2, 2, 30, 30))
    x = normal(2, 2, 30, 30)
    places = [
        array(lib.nn.functional.max_pool2d(lib.tensor(x), 17, 3, 8, return_indices=True)[1])
        for lib in (torch, tc)
    ]
    np.testing.assert_array_equal(*places)


def test_a_window_in_the_padding_alone():
    """torch reads and writes memory that is not its own."""
    with pytest.raises(RuntimeError, match="all its taps in the padding"):
        tc.nn.functional.max_pool2d(tc.zeros(1, 1, 1, 5), 2, 1, 1, 2)


ERRORS = [
    ("rank", lambda lib: lib.nn.functional.max_pool2d(lib.zeros(8, 8), 2), "Images are"),
    ("kernel", lambda lib: lib.nn.functional.max_pool2d(lib.zeros(1, 1, 8, 8), 0), ""),
    ("stride", lambda lib: lib.nn.functional.max_pool2d(lib.zeros(1, 1, 8, 8), 2, 0), ""),
    (
        "padding",
        lambda lib: lib.nn.functional.max_pool2d(lib.zeros(1, 1, 8, 8), 2, 2, 2),
        "pad with pad",
    ),
    ("too small", lambda lib: lib.nn.functional.max_pool2d(lib.zeros(1, 1, 2, 2), 4), "pool less"),
    ("avg padding", lambda lib: lib.nn.functional.avg_pool2d(lib.zeros(1, 1, 8, 8), 2, 2, 2), ""),
    (
        "divisor",
        lambda lib: lib.nn.functional.avg_pool2d(lib.zeros(1, 1, 8, 8), 2, divisor_override=0),
        "",
    ),
]


@pytest.mark.parametrize(("name", "story", "hint"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors(name, story, hint):
    same_error(story, hint)


@pytest.mark.parametrize("layer", [
    lambda nn: nn.MaxPool2d(2), lambda nn: nn.MaxPool2d((3, 2), stride=2, padding=1, ceil_mode=True), lambda nn: nn.MaxPool1d(3),
    lambda nn: nn.AvgPool2d(2), lambda nn: nn.AvgPool1d(2), lambda nn: nn.AdaptiveAvgPool2d((2, None)), lambda nn: nn.AdaptiveMaxPool2d(3),
    lambda nn: nn.AdaptiveAvgPool1d(3), lambda nn: nn.AdaptiveMaxPool1d(3),
])  # fmt: skip
def test_layers(layer):
    ours, theirs = layer(tc.nn), layer(torch.nn)
    assert repr(ours) == repr(theirs)
    x = normal(2, 3, 9, 10) if "2d" in repr(ours) else normal(2, 3, 9)
    np.testing.assert_allclose(array(ours(tc.tensor(x))), array(theirs(torch.tensor(x))))
