"""Shape rules against torch, on a grid of sizes that meets every edge."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch

import tinyconv as tc
from tinyconv import shapes

GRID = list(product(range(1, 12), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)))


def test_conv_size():
    for n, k, s, p, d in GRID:
        if n + 2 * p >= d * (k - 1) + 1:
            theirs = torch.nn.functional.conv1d(
                torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, d
            )
            assert shapes.conv_size(n, k, s, p, d) == theirs.shape[2], (n, k, s, p, d)


def test_pool_size():
    for (n, k, s, p, d), ceil in product(GRID, (False, True)):
        if (
            2 * p <= k
            and n + 2 * p >= d * (k - 1) + 1
            and shapes.pool_size(n, k, s, p, d, ceil) > 0
        ):
            theirs = torch.nn.functional.max_pool1d(torch.zeros(1, 1, n), k, s, p, d, ceil)
            assert shapes.pool_size(n, k, s, p, d, ceil) == theirs.shape[2], (n, k, s, p, d, ceil)


def test_conv_transpose_size():
    for n, k, s, p, d in GRID:
        for extra in range(max(s, d)):
            size = shapes.conv_transpose_size(n, k, s, p, d, extra)
            if size > 0:
                theirs = torch.nn.functional.conv_transpose1d(
                    torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, extra, 1, d
                )
                assert size == theirs.shape[2], (n, k, s, p, d, extra)


@pytest.mark.parametrize(
    ("a", "b"),
    list(product([(), (1,), (3,), (2, 1), (2, 3), (0, 3), (1, 1, 3), (4, 2, 1)], repeat=2)),
)
def test_broadcast(a, b):
    try:
        theirs = tuple(torch.broadcast_shapes(a, b))
    except RuntimeError:
        with pytest.raises(RuntimeError, match="must match the size of tensor b"):
            shapes.broadcast(a, b)
    else:
        assert shapes.broadcast(a, b) == theirs


@pytest.mark.parametrize(
    ("shape", "numel"),
    [
        ((2, -1), 6),
        ((-1,), 0),
        ((2, 3), 6),
        ((0, -1), 0),
        ((4, -1), 6),
        ((-1, -1), 4),
        ((5,), 6),
        ((-2,), 6),
    ],
)
def test_infer_size(shape, numel):
    try:
        theirs = tuple(torch.zeros(numel).reshape(shape).shape)
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=re.escape(str(error)[:30])):
            shapes.infer_size(shape, numel)
    else:
        assert shapes.infer_size(shape, numel) == theirs


@pytest.mark.parametrize(("dim", "ndim"), [(0, 0), (-1, 0), (1, 0), (2, 2), (-3, 2), (-1, 3)])
def test_wrap_dim(dim, ndim):
    x = torch.zeros((2,) * ndim)
    try:
        x.sum(dim)
    except IndexError as error:
        with pytest.raises(IndexError, match=re.escape(str(error))):
            shapes.wrap_dim(dim, ndim)
    else:
        assert shapes.wrap_dim(dim, ndim) == dim % max(ndim, 1)


def test_of_several_sizes_that_differ_the_last_is_named():
    messages = []
    for lib in (tc, torch):
        with pytest.raises(RuntimeError) as refused:
            lib.ones(2, 3, 4) + lib.ones(5, 3, 6)
        messages.append(str(refused.value).splitlines()[0])
    assert messages[0] == messages[1]
