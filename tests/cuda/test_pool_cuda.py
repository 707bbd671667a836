"""Pooling on the device against the CPU: windows of all kinds, ties, NaN, both orders in memory."""

from __future__ import annotations

import numpy as np
import pytest
from sides import KINDS, agree, normal, tensor

import tinyconv as tc
from tinyconv.ops._layout import is_last

F = tc.nn.functional

# shape; kernel, stride, padding, dilation, ceil_mode
MAX = {
    "halves": ((2, 3, 6, 8), (2,)),
    "halves of odd images": ((2, 3, 7, 5), (2,)),
    "a last window that hangs over": ((2, 3, 7, 5), (2, 2, 0, 1, True)),
    "overlapping": ((2, 3, 9, 8), (3, 2, 1)),
    "side by side": ((1, 2, 5, 6), (3, 1, 1)),
    "wide": ((2, 1, 6, 9), ((2, 5), (1, 3), (1, 2))),
    "with holes": ((2, 2, 9, 11), ((3, 2), 2, 1, (2, 3))),
    "with holes, hanging over": ((1, 2, 8, 8), (3, 3, 1, 2, True)),
    "apart": ((2, 3, 9, 9), (2, 4)),
    "one pixel": ((3, 2, 1, 1), (1,)),
    "the whole image": ((2, 5, 4, 3), ((4, 3),)),
    "many taps": ((1, 2, 20, 20), (18, 1, 9)),
    "several blocks": ((4, 9, 20, 16), (3, 2, 1)),
    "no image": ((0, 3, 4, 4), (2,)),
}
# kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
MEAN = {
    "halves": ((2, 3, 6, 8), (2,)),
    "overlapping": ((2, 3, 9, 8), (3, 2, 1)),
    "padding does not count": ((2, 3, 9, 8), (3, 2, 1, False, False)),
    "a last window that hangs over": ((2, 3, 7, 5), (2, 2, 0, True)),
    "hanging over, padded": ((2, 3, 8, 7), (3, 2, 1, True, True)),
    "hanging over, not counted": ((2, 3, 8, 7), ((2, 3), 3, 1, True, False)),
    "divided by seven": ((2, 3, 8, 7), (3, 2, 1, False, True, 7)),
    "wide": ((1, 2, 6, 9), ((2, 5), (1, 3), (1, 2))),
    "apart": ((2, 3, 9, 9), (2, 4)),
    "one pixel": ((3, 2, 1, 1), (1,)),
    "several blocks": ((4, 9, 20, 16), (3, 2, 1)),
    "no image": ((0, 3, 4, 4), (2,)),
}


def strides_follow(y, last):
    if last and min(y.shape) > 1:
        assert is_last(y.array)
    elif not last:
        assert y.array.flags.c_contiguous


@pytest.mark.parametrize("case", MAX)
@pytest.mark.parametrize("last", [False, True])
def test_max(case, last):
    shape, settings = MAX[case]
    for kind in KINDS:
        # Halves have ties of their own.
        y = agree(lambda x: F.max_pool2d(x, *settings), normal(*shape), kind=kind, last=last)
        strides_follow(y, last)


@pytest.mark.parametrize("case", MEAN)
@pytest.mark.parametrize("last", [False, True])
def test_mean(case, last):
    shape, settings = MEAN[case]
    for kind in KINDS:
        y = agree(lambda x: F.avg_pool2d(x, *settings), normal(*shape), kind=kind, last=last)
        strides_follow(y, last)


@pytest.mark.parametrize("case", MAX)
@pytest.mark.parametrize("last", [False, True])
def test_ties_nan_and_infinities(case, last):
    """Which place wins is the same, where all are alike and where there is no largest; so its gradient is, too."""
    shape, settings = MAX[case]
    ties = np.sign(normal(*shape)) * 0.0
    lost, low = normal(*shape), np.full(shape, -np.inf)
    lost.flat[::5] = np.nan
    lost.flat[1::5] = np.inf
    low.flat[3::11] = np.nan
    for values in (ties, lost, low):
        for kind in ("float32", "float16"):
            found = []
            for place in ("cpu", "cuda"):
                x = tensor(values, kind, place, last and place == "cuda")
                y, at = F.max_pool2d(
                    x, *settings, *[*(None, 0, 1, False)[len(settings) - 1 :], True]
                )
                (g,) = tc.autograd.grad(
                    y, x, tc.arange(y.numel(), device=place).reshape(y.shape).to(x.dtype)
                )
                found.append([v.detach().cpu().double().numpy() for v in (y, at, g)])
            for a, b in zip(*found, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "story",
    [
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
        lambda x: F.adaptive_max_pool2d(x, (3, 4)),
        lambda x: F.adaptive_max_pool2d(x.sign() * tc.where(x > 1, tc.nan, 1.0), 3, True)[1] * x[:, :, :3, :3],
        lambda x: F.max_pool1d(x[0], 3, 2, 1),
        lambda x: F.avg_pool1d(x[0], 3, 2, 1),
        lambda x: F.max_pool2d(x[1], 2),
        lambda x: F.max_pool2d(x[:, :, ::2], 2),
        lambda x: F.avg_pool2d(x.transpose(2, 3), 2),
        lambda x: F.max_pool2d(F.relu(x), 2) * F.avg_pool2d(x, 2),
    ],
    ids=["global", "divided", "parts", "largest of parts", "ties and NaN", "largest, 1d", "mean, 1d", "one image", "with gaps", "turned",
         "together"],
)  # fmt: skip
@pytest.mark.parametrize("last", [False, True])
def test_relatives(story, kind, last):
    agree(story, normal(2, 3, 6, 9), kind=kind, last=last)


def test_launches(counts):
    """One kernel each way, and no wait."""
    x = tensor(normal(2, 3, 8, 8), "float32", "cuda", last=True)
    seed = tensor(normal(2, 3, 4, 4), "float32", "cuda", last=True).detach()
    for pool, forward, backward in (
        (F.max_pool2d, "pool_max", "unpool_max"),
        (F.avg_pool2d, "pool_mean", "unpool_mean"),
    ):
        counts.clear()
        (g,) = tc.autograd.grad(pool(x, 2), x, seed)
        assert is_last(g.array)
        assert dict(counts) == {"launches": 2, forward: 1, backward: 1}


def test_a_gradient_that_lies_otherwise():
    found = []
    for last in (False, True):
        x = tensor(normal(2, 3, 7, 8), "float64", "cuda", last)
        for pool in (F.max_pool2d, F.avg_pool2d):
            y = pool(x, 3, 2, 1)
            seed = tc.tensor(np.sin(np.arange(y.numel())).reshape(tuple(y.shape)), device="cuda")
            found.append(tc.autograd.grad(y, x, seed)[0].cpu().numpy())
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[1], found[3], 1e-12, 1e-12)
