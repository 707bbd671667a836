"""Slices by an index, added up in a fixed order; the error function."""

from __future__ import annotations

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.backend import get_backend
from tinyconv.nn import functional as F
from tinyconv.ops._order import TILE, in_order
from tinyconv.ops.take import add_slices


def on_device(a):
    return get_backend("cuda").from_numpy(a)


@pytest.mark.parametrize("n", [1, 2, 3, 300, TILE - 1, TILE, TILE + 1, 3 * TILE, 8 * TILE])
def test_order(counts, n):
    index = np.random.default_rng(n).integers(0, max(2, n // 3), n)
    index[0] = 2**31 - 1
    there = on_device(index)
    counts.clear()
    keys = in_order(there)
    assert counts["syncs"] == 0
    keys = keys.get()
    assert (np.diff(keys) >= 0).all()
    expected = np.argsort(index, kind="stable")
    np.testing.assert_array_equal(keys[:n] & 0xFFFFFFFF, expected)
    np.testing.assert_array_equal(keys[:n] >> 32, index[expected])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("lead", "n", "trail", "rows"), [(1, 7, 5, 3), (4, 6, 1, 9), (1, 3000, 1, 50), (2, 40, 300, 2), (3, 0, 2, 2)])  # fmt: skip
def test_sums_are_those_of_the_loop_to_the_bit(counts, lead, n, trail, rows, dtype):
    rng = np.random.default_rng(0)
    g = rng.standard_normal((lead, n, trail)).astype(dtype)
    index = rng.integers(0, rows, n)
    here = rng.standard_normal((lead, rows, trail)).astype(dtype)
    there = on_device(here)
    for a in range(lead):
        for i in range(n):
            here[a, index[i]] += g[a, i]
    given = on_device(g), on_device(index)
    counts.clear()
    add_slices(*given, there)
    assert counts["syncs"] == 0
    assert counts["add_slices"] == bool(n)
    np.testing.assert_array_equal(there.get(), here)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_embedding(counts, dtype):
    w = tc.randn(6, 3).to(getattr(tc, dtype))
    index = tc.tensor([[1, 5, 1], [0, 1, 5]])
    results = []
    for device in ("cpu", "cuda"):
        table = w.detach().clone().to(device).requires_grad_()
        y = F.embedding(index.to(device), table, padding_idx=0)
        (y * y).sum().backward()
        results.append([y.detach().cpu().double().numpy(), table.grad.cpu().double().numpy()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nobody_waits(counts):
    w = tc.ones(6, 3, device="cuda").requires_grad_()
    index = tc.zeros(2, 3, dtype=tc.int64, device="cuda")
    F.embedding(index, w).sum().backward()
    counts.clear()
    F.embedding(index, w).sum().backward()
    w.index_select(0, index[0]).sum().backward()
    w.gather(0, index).sum().backward()
    w.detach().scatter_add(0, index, w.detach()[:2])
    assert (counts["syncs"], counts["d2h"]) == (0, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_function(counts, name, dtype):
    x = tc.cat([tc.linspace(-7, 7, 301), tc.tensor([0.0, 1e-30, np.inf, -np.inf, np.nan])])
    x = x.to(getattr(tc, dtype))
    there = getattr(tc, name)(x.to("cuda"))
    assert counts[f"{name}_kernel"] == 1
    close = {"float64": 1e-15, "float32": 1e-6}.get(dtype, 1e-2)
    np.testing.assert_allclose(
        there.cpu().double().numpy(), getattr(tc, name)(x).double().numpy(), close, 1e-30
    )


def test_nothing_is_written_outside():
    """An index that is not there has been noted before; what lies around stays."""
    around = get_backend("cuda").xp.zeros(12, "float32")
    index = on_device(np.array([1, 3, -1, -4, 7, 2**40 + 1, 1]))
    add_slices(on_device(np.ones((1, 7, 1), "float32")), index, around[4:7].reshape(1, 3, 1))
    made = around.get()
    assert made[5] >= 2
    assert not made[:4].any()
    assert not made[7:].any()
