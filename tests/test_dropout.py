"""Dropout against torch: the same numbers, at any size; what it keeps; the loops against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loops import same
from twins import array

import tinyconv as tc
from tinyconv.generator import stream
from tinyconv.generator.stream import Stream
from tinyconv.generator.twister import fill_unit
from tinyconv.ops.dropout import mask_and_scale

F32, F64 = np.dtype("float32"), np.dtype("float64")


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (33, 250), (3, 40, 9, 17), (20000,)])
def test_the_numbers_are_torchs(shape, p):
    runs = []
    for lib in (torch, tc):
        lib.manual_seed(3)
        lib.rand(7)  # the next number begins in the middle of two words
        x = lib.tensor(normal(*shape), requires_grad=True)
        ys = [lib.nn.functional.dropout(x, p) for _ in range(2)]
        (g,) = lib.autograd.grad(sum((y * y).sum() for y in ys), x)
        runs.append([array(v) for v in (*ys, g, lib.rand(3), lib.rand(9001), lib.randn(5))])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


def test_in_place_other_layouts_and_special_numbers():
    x = normal(4, 6, 50)
    x[0, 0] = np.inf
    x[1, 1] = np.nan
    runs = []
    for lib in (torch, tc):
        lib.manual_seed(3)
        t = lib.tensor(x)
        y = lib.nn.functional.dropout(t.permute(2, 0, 1), 0.4)
        z = t * 1
        assert lib.nn.functional.dropout(z, 0.4, inplace=True) is z
        runs.append((array(y), array(z), array(lib.nn.functional.dropout(t, 1.0))))
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_byte_an_element_is_kept_and_second_gradients_flow():
    x = tc.tensor(normal(3, 4), requires_grad=True)
    y = tc.nn.functional.dropout(x, 0.3)
    (keep,) = y.grad_fn.saved
    assert keep.dtype == bool
    seed = tc.ones(3, 4, dtype=tc.float64, requires_grad=True)
    (g,) = tc.autograd.grad(y, x, seed, create_graph=True)
    (again,) = tc.autograd.grad((g * g).sum(), seed)
    np.testing.assert_allclose(array(again), 2 * array(g) * (keep / 0.7))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops_equal_their_definitions(dtype):
    for n in (1, 2, 15, 16, 17, 33, 100):
        x = normal(n).astype(dtype)
        keep = normal(n) > 0
        scale = float(np.dtype(dtype).type(1 / 0.7))
        same(mask_and_scale, x, keep, scale, x, fills=[3], meaning=True, rtol=0)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("taken", [0, 1, 5, 622, 623, 624])
def test_many_numbers_are_the_same_as_few_at_a_time(dtype, taken, monkeypatch):
    for n in (1, 2, 311, 312, 313, 2000):
        runs = []
        for many in (1 << 40, 1):
            monkeypatch.setattr(stream, "MANY", many)
            s = Stream().manual_seed(9)
            s.random32(taken)
            runs.append((s._unit(n, dtype), s.random32(3)))
        for a, b in zip(*runs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_the_twister_means():
    """The loop as Python runs it."""
    s = Stream().manual_seed(9)
    state = s._twister.get_state(legacy=False)["state"]
    out, place = np.empty(400), np.array([state["pos"]])
    with np.errstate(over="ignore"):
        fill_unit.definition(np, out, state["key"], place)
    np.testing.assert_array_equal(out, s._unit(400, F64))
