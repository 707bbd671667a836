"""Convolution and its transposes against torch: values, gradients, second gradients, errors."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from twins import agree, same_error

import tinyconv as tc
from tinyconv.nn import functional as F

T = torch.nn.functional
GRID = list(product((1, 2), (0, 1), (1, 2), (1, 2), ((3, 3), (1, 1), (2, 3))))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize(("s", "p", "d", "g", "k"), GRID)
def test_conv2d(s, p, d, g, k):
    x, w, b = normal(2, 4, 8, 9), normal(6, 4 // g, *k), normal(6)
    agree(lambda lib, *a: lib.nn.functional.conv2d(*a, s, p, d, g), x, w, b)


@pytest.mark.parametrize(("s", "p", "d", "g", "k"), GRID)
def test_conv_transpose2d(s, p, d, g, k):
    x, w, b = normal(2, 4, 5, 6), normal(4, 6 // g, *k), normal(6)
    agree(lambda lib, *a: lib.nn.functional.conv_transpose2d(*a, s, p, s - 1, g, d), x, w, b)


@pytest.mark.parametrize(("s", "p", "d", "g"), list(product((1, 3), (0, 2), (1, 2), (1, 2))))
def test_one_dimension(s, p, d, g):
    x, w = normal(2, 4, 11), normal(6, 4 // g, 3)
    agree(lambda lib, *a: lib.nn.functional.conv1d(*a, None, s, p, d, g), x, w)
    agree(
        lambda lib, *a: lib.nn.functional.conv_transpose1d(*a, None, s, p, 0, 1, d),
        x,
        normal(4, 3, 3),
    )


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch on its own copy of the input
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("k", [(3, 3), (2, 4), (5, 1)])
@pytest.mark.parametrize("d", [1, 2])
def test_named_padding(padding, k, d):
    agree(
        lambda lib, x, w: lib.nn.functional.conv2d(x, w, padding=padding, dilation=d),
        normal(2, 3, 11, 10),
        normal(4, 3, *k),
    )


@pytest.mark.parametrize("channels", [1, 3, 5, 17, 31])
@pytest.mark.parametrize("width", [1, 2, 7, 16, 33])
def test_every_tail(channels, width):
    agree(
        lambda lib, x, w: lib.nn.functional.conv2d(x, w, padding=1),
        normal(1, channels, 3, width),
        normal(channels, channels, 3, 3),
    )


def test_unbatched_noncontiguous_and_empty():
    agree(lambda lib, x, w: lib.nn.functional.conv2d(x, w), normal(3, 8, 8), normal(4, 3, 3, 3))
    agree(
        lambda lib, x, w: lib.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1)),
        normal(2, 8, 8, 3),
        normal(3, 3, 3, 4),
    )
    agree(
        lambda lib, x, w: lib.nn.functional.conv2d(x[:, ::2, :, 1::2], w),
        normal(2, 6, 8, 9),
        normal(4, 3, 3, 3),
    )
    agree(lambda lib, x, w: lib.nn.functional.conv2d(x, w), normal(0, 3, 8, 8), normal(4, 3, 3, 3))


def test_more_images_than_fit_in_a_chunk(monkeypatch):
    from tinyconv.ops.conv import maps as conv

    monkeypatch.setattr(conv, "_CHUNK", 20_000)
    agree(
        lambda lib, x, w: lib.nn.functional.conv2d(x, w, padding=1),
        normal(7, 3, 9, 9),
        normal(4, 3, 3, 3),
    )


def test_float32_is_as_close_as_torch_is_to_float64():
    x, w = normal(4, 16, 12, 12), normal(16, 16, 3, 3)
    exact = T.conv2d(torch.tensor(x), torch.tensor(w)).numpy()
    ours = F.conv2d(tc.tensor(x).float(), tc.tensor(w).float())
    assert ours.dtype is tc.float32
    assert np.abs(ours.array - exact).max() < 1e-4


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch on its own copy of the input
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, (1, 2), "same"])
def test_layer_padding_modes(mode, padding):
    torch.manual_seed(3)
    tc.manual_seed(3)
    ours = tc.nn.Conv2d(3, 4, (3, 4), padding=padding, padding_mode=mode, dtype=tc.float64)
    theirs = torch.nn.Conv2d(3, 4, (3, 4), padding=padding, padding_mode=mode, dtype=torch.float64)
    x = normal(2, 3, 9, 9)
    with torch.no_grad():
        np.testing.assert_allclose(
            ours(tc.tensor(x)).detach().array, theirs(torch.tensor(x)).numpy(), atol=1e-12
        )
    assert repr(ours) == repr(theirs)


ERRORS = [
    ("channels", lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(2, 1, 8, 8)), "in_channels=1"),
    (
        "channels last",
        lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(2, 8, 8, 3)),
        r"x.permute\(0, 3, 1, 2\)",
    ),
    ("no batch, no channel", lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(8, 8)), "Images are"),
    ("too many", lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(1, 2, 3, 8, 8)), ""),
    (
        "uint8",
        lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(2, 3, 8, 8, dtype=lib.uint8)),
        "ToTensor",
    ),
    (
        "double",
        lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.zeros(2, 3, 8, 8, dtype=lib.float64)),
        "NumPy's floats",
    ),
    (
        "too small",
        lambda lib: lib.nn.Conv2d(3, 4, 9)(lib.zeros(2, 3, 8, 8)),
        "smaller than the filter",
    ),
    ("groups", lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2), ""),
    ("no groups", lambda lib: lib.nn.Conv2d(3, 4, 3, groups=0), ""),
    ("same with stride", lambda lib: lib.nn.Conv2d(3, 4, 3, padding="same", stride=2), ""),
    ("padding mode", lambda lib: lib.nn.Conv2d(3, 4, 3, padding_mode="mirror"), ""),
    (
        "stride",
        lambda lib: lib.nn.functional.conv2d(
            lib.zeros(1, 1, 4, 4), lib.zeros(1, 1, 2, 2), stride=0
        ),
        "",
    ),
    (
        "bias",
        lambda lib: lib.nn.functional.conv2d(
            lib.zeros(1, 1, 4, 4), lib.zeros(1, 1, 2, 2), lib.zeros(3)
        ),
        "",
    ),
    (
        "output padding",
        lambda lib: lib.nn.ConvTranspose2d(1, 1, 2, output_padding=1)(lib.zeros(1, 1, 4, 4)),
        "",
    ),
]


@pytest.mark.parametrize(("name", "story", "hint"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors(name, story, hint):
    same_error(story, hint)
