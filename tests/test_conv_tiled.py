"""The compiled convolutions: every loop against its definition and torch, whatever sizes, threads and NaN it meets."""

from __future__ import annotations

import inspect
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from conv_helpers import (
    LOOPS,
    TOLERANCE,
    both,
    close,
    needs_numba,
    normal,
    numbered,
    threads,
    tiles_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyconv as tc
from tinyconv import ops
from tinyconv.backend import Kernel, vector
from tinyconv.ops.conv import depthwise, direct, planes, tiled, transforms, winograd
from tinyconv.shapes import conv_size

T: Any = torch.nn.functional
FENCE = 64  # numbers before and after each array that a loop must leave alone
FILLED = {"winograd": "y", "winograd_filters": "u", "winograd_filters_back": "gw", "winograd_weight": "gu",
          "direct": "y", "direct_weight": "gw", "depthwise": "y", "depthwise_weight": "gw",
          "planes": "y", "planes_weight": "gw",
          "unfold_windows": "columns", "fold_windows": "x"}  # fmt: skip
IN_PARTS = {
    "winograd_weight": 0,
    "direct_weight": 0,
    "planes_weight": (0, -1),
}  # the sum over these is the result


# ── a kernel on its own ───────────────────────────────────────────────────────────────────────


def filled(kernel: Kernel) -> int:
    return list(inspect.signature(kernel.definition).parameters).index(FILLED[kernel.name]) - 1


def double(a: np.ndarray) -> torch.Tensor:
    return torch.tensor(a.astype(np.float64))


def result(kernel: Kernel, args: Any) -> np.ndarray:
    out = args[filled(kernel)]
    return out.sum(IN_PARTS[kernel.name]) if kernel.name in IN_PARTS else out


def definition(kernel: Kernel, args: Any) -> np.ndarray:
    """The result in double precision."""
    exact = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in args]
    kernel.definition(np, *exact)
    return result(kernel, exact)


def fenced(a: Any) -> Any:
    """A copy with NaN on both sides, and what lies there."""
    if not isinstance(a, np.ndarray):
        return a, None
    whole = np.full(a.size + 2 * FENCE, np.nan, a.dtype)
    inner = whole[FENCE : FENCE + a.size].reshape(a.shape)
    inner[...] = a
    return inner, whole


def check(kernel: Kernel, args: Any, run: Any) -> None:
    """``run(*args)``: fills all of its result, as defined, and reads and writes nothing else."""
    args, at, name = list(args), filled(kernel), kernel.name
    args[at] = np.full_like(args[at], np.nan)
    pairs = [fenced(a) for a in args]
    run(*(inner for inner, _ in pairs))
    for i, (inner, whole) in enumerate(pairs):
        if whole is not None:
            outside = np.concatenate([whole[:FENCE], whole[-FENCE:]])
            assert np.isnan(outside).all(), f"{name} wrote beside argument {i}"
            if i != at:
                np.testing.assert_array_equal(inner, args[i], f"{name} changed argument {i}")
    ours = result(kernel, [inner for inner, _ in pairs])
    close(ours, definition(kernel, args), TOLERANCE[args[0].dtype.name], name)


@pytest.fixture
def checked(monkeypatch):
    """Every kernel of a convolution that runs is checked; the fixture counts them."""
    calls: Counter[str] = Counter()
    plain = Kernel.__call__

    def call(kernel: Kernel, *args: Any) -> None:
        if LOOPS.get(kernel.name) is kernel:
            calls[kernel.name] += 1
            check(kernel, args, lambda *again: plain(kernel, *again))
        plain(kernel, *args)

    monkeypatch.setattr(Kernel, "__call__", call)
    return calls


# ── three maps ────────────────────────────────────────────────────────────────────────────────


def compare(x, w, gy, s, p, d, m=2, bias=None, shift=None):
    """y, gx and gw: their names, the loops' and torch's in double precision; ``shift`` is added to gx."""
    y, gx, gw = np.empty_like(gy), np.empty_like(x), np.empty_like(w)
    with tiles_of(m):
        tiled.correlate(x, w, bias, y, y.shape[2:], s, p, d)
        tiled.correlate_input(gy, w, shift, gx, s, p, d)
        tiled.correlate_weight(x, gy, gw, s, p, d)
    groups = x.shape[1] // w.shape[1]
    tx, tw, tg = map(double, (x, w, gy))
    grads = torch.ops.aten.convolution_backward(
        tg, tx, tw, None, s, p, d, False, [0, 0], groups, [True, True, False]
    )
    moved = grads[0] if shift is None else grads[0] + double(shift)[:, None, None]
    exact = T.conv2d(tx, tw, None if bias is None else double(bias), s, p, d, groups)
    yield "y", y, exact.numpy()
    yield "gx", gx, moved.numpy()
    yield "gw", gw, grads[1].numpy()


def operands(n, c, f, h, w, k, s, p, d, dtype):
    """x, w and gy; with ``f = 0`` one filter for each channel."""
    size = tuple(map(conv_size, (h, w), k, s, p, d))
    filters = (f, c, *k) if f else (c, 1, *k)
    arrays = normal(n, c, h, w), normal(*filters, seed=1), normal(n, f or c, *size, seed=2)
    return [a.astype(dtype) for a in arrays]


def three_maps(
    n=2, c=3, f=4, h=6, w=7, k=(3, 3), s=(1, 1), p=(1, 1), d=(1, 1), dtype="float64", m=2
):
    """All that loops compute for these settings is what torch computes."""
    if min(map(conv_size, (h, w), k, s, p, d)) < 1:
        return
    bias, shift = normal(f or c).astype(dtype), normal(c).astype(dtype)
    x, filters, gy = operands(n, c, f, h, w, k, s, p, d, dtype)
    for name, ours, exact in compare(x, filters, gy, s, p, d, m, bias, shift):
        close(ours, exact, TOLERANCE[dtype], name)


SIDES = (2, 4)
CHANNELS = (1, 3, 5, 17, 31, 64)
GEOMETRIES = [  # kernel, stride, padding, dilation
    ((3, 3), (1, 1), (1, 1), (1, 1)),  # Winograd, where there are channels enough
    ((1, 1), (1, 1), (0, 0), (1, 1)),
    ((2, 3), (2, 1), (1, 2), (1, 2)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),  # Winograd for the input alone
]


def test_every_kernel_has_a_case():
    assert sorted(LOOPS) == sorted(FILLED)
    assert all(kernel.loop for kernel in LOOPS.values())


@both
@pytest.mark.parametrize(("k", "s", "p", "d"), GEOMETRIES)
def test_every_number_of_channels_and_filters(k, s, p, d, dtype, checked):
    for i, (c, f) in enumerate(product(CHANNELS, (0, *CHANNELS))):
        three_maps(2, c, f, 5, 4, k, s, p, d, dtype, SIDES[i % 2])
    assert checked["planes" if k != (1, 1) and s == d == (1, 1) else "direct"]
    assert checked["depthwise"]
    maps = 0 if k != (3, 3) else 2 if s == (1, 1) else 1
    assert checked["winograd"] == maps * (9 if dtype == "float32" else 16)


@both
@pytest.mark.parametrize(("k", "p", "m"), [
    ((3, 3), (0, 0), 2), ((3, 3), (2, 2), 2), ((3, 3), (0, 0), 4), ((3, 3), (1, 1), 4),
    ((3, 4), (1, 2), 0), ((1, 1), (0, 0), 0),
])  # fmt: skip
def test_every_width(k, p, m, dtype, checked):
    for w in range(1, 34):
        h = 1 + w * 5 % 7
        for c, f in ((9, 17), (2, 0)):
            three_maps(1 + w % 3, c, f, h, w, k, (1, 1), p, dtype=dtype, m=m)
            three_maps(1, c, f, h, w, k, (2, 3), p, dtype=dtype, m=m)


@both
@pytest.mark.parametrize("k", list(product(range(1, 6), range(1, 6))))
def test_every_kernel_stride_padding_and_dilation(k, dtype, checked):
    rng = np.random.default_rng([*k])
    for s, d in product(product((1, 2, 3), (1, 2, 3)), ((1, 1), (2, 1), (1, 3), (3, 2))):
        p = tuple(int(rng.integers(e * (m - 1) + 1)) for e, m in zip(d, k, strict=True))
        if rng.random() < 0.4:
            c, f, h, w = (int(rng.integers(*r)) for r in ((1, 11), (0, 11), (1, 14), (1, 14)))
            three_maps(int(rng.integers(1, 4)), c, f, h, w, k, s, p, d, dtype=dtype)


STRIPS: list[dict[str, Any]] = [  # what does not fit one strip, and where several images share one
    {"n": 2, "c": 9, "f": 17, "h": 70, "w": 50},
    {"n": 1, "c": 64, "f": 33, "h": 9, "w": 150},
    {"n": 1, "c": 64, "f": 5, "h": 13, "w": 150, "k": (5, 3), "p": (2, 1)},
    {"n": 2, "c": 31, "f": 9, "h": 70, "w": 50, "s": (3, 2), "p": (1, 0)},
    {"n": 1, "c": 40, "f": 8, "h": 70, "w": 50, "s": (2, 2)},
    {"n": 1, "c": 40, "f": 3, "h": 37, "w": 50, "k": (4, 2), "p": (0, 1), "d": (3, 1)},
    {"n": 1, "c": 70, "f": 2, "h": 31, "w": 33, "k": (1, 1), "p": (0, 0)},
    {"n": 13, "c": 8, "f": 9, "h": 9, "w": 7},
    {"n": 13, "c": 3, "f": 2, "h": 9, "w": 7, "k": (5, 4), "p": (2, 3)},
    {"n": 2, "c": 7, "f": 3, "h": 150, "w": 60},
    {"n": 2, "c": 2, "f": 5, "h": 3, "w": 9000, "k": (3, 7), "p": (0, 4)},
    {"n": 40, "c": 5, "f": 13, "h": 12, "w": 12, "k": (2, 6), "p": (0, 0)},
    {"n": 19, "c": 8, "f": 8, "h": 3, "w": 5},
    {"n": 5, "c": 16, "f": 5, "h": 40, "w": 40, "k": (2, 2), "s": (2, 2), "p": (1, 0)},
    {"n": 5, "c": 5, "f": 0, "h": 17, "w": 33, "s": (2, 1)},
    {"n": 3, "c": 2, "f": 0, "h": 70, "w": 50, "k": (5, 5), "p": (4, 3), "d": (2, 1)},
]


@both
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("case", **numbered(STRIPS))
def test_strips_and_threads(case, count, dtype, checked):
    for m in SIDES if case.get("k", (3, 3)) == (3, 3) and case["f"] > 7 else (0,):
        with threads(count):
            three_maps(**case, dtype=dtype, m=m)


def test_many_channels_cost_few_digits():
    three_maps(2, 512, 16, 8, 8, dtype="float32", m=4)
    three_maps(2, 16, 512, 8, 8, dtype="float32", m=4)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_settings(data):
    def pair(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    k, s, d, (h, w) = pair(1, 5), pair(1, 3), pair(1, 3), pair(1, 33)
    p = tuple(data.draw(st.integers(0, e * (m - 1))) for e, m in zip(d, k, strict=True))
    n, c, f = (data.draw(st.integers(low, high)) for low, high in ((1, 5), (1, 20), (0, 20)))
    dtype, m = data.draw(st.sampled_from(list(TOLERANCE))), data.draw(st.sampled_from(SIDES))
    three_maps(n, c, f, h, w, k, s, p, d, dtype, m)


PLAIN = [
    {"c": 9, "f": 10, "h": 5, "w": 6},
    {"c": 9, "f": 10, "h": 6, "w": 5, "s": (2, 2)},
    {"c": 3, "f": 9, "k": (2, 3), "s": (2, 1), "p": (1, 2), "d": (1, 2)},
    {"c": 9, "f": 3, "k": (1, 1), "p": (0, 0)},
    {"c": 5, "f": 0, "h": 4, "w": 6, "s": (2, 1)},
    {"c": 1, "f": 9, "k": (2, 5), "p": (1, 2), "h": 4},
    {"c": 7, "f": 1, "k": (5, 3), "p": (4, 0), "w": 12},
]


@pytest.mark.parametrize("unit", [(16, 32), (32, 16), (64, 32)])
@pytest.mark.parametrize("case", **numbered(PLAIN))
def test_loops_use_only_what_they_have_written(case, unit, monkeypatch):
    """Run in Python, where memory is full of NaN at first, and a vector beyond the end of an array does not fit.

    So the vectors of any processor can be tried.
    """
    monkeypatch.setattr(vector, "vector_unit", lambda: unit)
    for module in (depthwise, direct, planes, winograd, transforms):
        monkeypatch.setattr(module, "scratch", lambda x, n: np.full(n, np.nan, x.dtype))
        monkeypatch.setattr(module, "table", lambda n: np.full(n, 1 << 30, np.int32), raising=False)
    seen = set()

    def call(kernel: Kernel, *args: Any) -> None:
        seen.add(kernel.name)
        n = len(args[0]) if kernel.over is None else kernel.over(*args)
        check(kernel, args, lambda *again: kernel.loop(0, n, *again))
        kernel.definition(np, *args)

    monkeypatch.setattr(Kernel, "__call__", call)
    for m in SIDES:
        three_maps(**case, m=m)
    assert len(seen) > 1


# ── with ReLU and pooling ─────────────────────────────────────────────────────────────────────

FUSED = [  # Winograd, planes, direct; in one strip and several
    *({"c": 17, "f": 9, "k": (3, 3), "h": h, "w": w} for h, w in ((4, 6), (5, 7), (2, 3), (70, 51))),
    *({"c": 3, "f": 5, "k": k, "h": h, "w": w} for k in ((2, 3), (1, 1)) for h, w in ((6, 8), (5, 4))),
    {"c": 64, "f": 33, "k": (4, 3), "h": 70, "w": 51},
    {"c": 3, "f": 3, "k": (5, 5), "h": 150, "w": 99},
    {"c": 64, "f": 3, "k": (2, 2), "h": 25, "w": 150},
]  # fmt: skip


def fused(x, w, b, p, relu, pool, s=(1, 1)):
    """The loops' result and torch's, in double precision."""
    exact = T.conv2d(*map(double, (x, w, b)), s, p)
    exact = exact.relu() if relu else exact
    size = tuple(exact.shape[2:])
    exact = T.max_pool2d(exact, 2) if pool else exact
    y = np.empty(exact.shape, x.dtype)
    tiled.correlate(x, w, b, y, size, s, p, (1, 1), relu, pool)
    return y, exact.numpy()


@both
@pytest.mark.parametrize(("relu", "pool"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("case", **numbered(FUSED))
def test_relu_and_pool_in_the_loop(case, relu, pool, dtype, checked):
    c, f, k, h, w = case.values()
    p = (1, 1) if k == (3, 3) else (0, k[1] - 1)
    x, filters, b = (a.astype(dtype) for a in (normal(3, c, h, w), normal(f, c, *k), normal(f)))
    for m in SIDES:
        with tiles_of(m), threads(2):
            y, exact = fused(x, filters, b, p, relu, pool)
        close(y, exact, TOLERANCE[dtype])
    way = "winograd" if k == (3, 3) else "planes" if k != (1, 1) and min(c, f) < 8 else "direct"
    assert checked[way] == 2


@both
@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(("relu", "pool"), list(product((True, False), repeat=2)))
@pytest.mark.parametrize(("g", "k"), [(1, (3, 3)), (1, (2, 3)), (8, (3, 3)), (2, (1, 1))])
def test_block(g, k, relu, pool, fixed, dtype):
    """Convolution, normalisation with given statistics, ReLU and pooling: of one group, one for each channel, two."""
    x, w, b = normal(3, 8, 9, 7), normal(8, 8 // g, *k), normal(8, seed=1)
    mean, gamma, beta, var = normal(8), normal(8, seed=2), normal(8, seed=3), normal(8) ** 2 + 0.1
    arrays = [a.astype(dtype) for a in (x, w, b, mean, var, gamma, beta)]
    tx, tw, tb, *rest = map(double, arrays)
    for some in (0, 1):  # without, with bias and affine parameters
        exact = T.conv2d(tx, tw, tb if some else None, 1, 1, 1, g)
        if fixed:
            exact = T.batch_norm(exact, *rest[: 4 if some else 2], eps=1e-3)
        exact = exact.relu() if relu else exact
        exact = T.max_pool2d(exact, 2) if pool else exact
        cx, cw, cb, *ours = map(tc.tensor, arrays)
        statistics = (*(ours if some else [*ours[:2], None, None]), 1e-3) if fixed else None
        settings = (1, 1), (1, 1), (1, 1), g
        y = ops.conv_block(cx, cw, cb if some else None, *settings, statistics, relu, pool)
        close(y.array, exact.numpy(), TOLERANCE[dtype])


# ── NaN and infinity ──────────────────────────────────────────────────────────────────────────


def strange(a: np.ndarray) -> np.ndarray:
    return ~np.isfinite(a)


def neighbours(a: np.ndarray) -> np.ndarray:
    """What lies within three pixels: a tile of Winograd's is a fate shared by up to 4x4 of them."""
    wide = np.pad(a, ((0, 0), (0, 0), (3, 3), (3, 3)))
    h, w = a.shape[2:]
    return np.logical_or.reduce([wide[:, :, i : i + h, j : j + w] for i, j in np.ndindex(7, 7)])


BAD = [  # images too large to have a frame each
    ("planes", {"c": 16, "f": 5, "k": (2, 3), "n": 6, "h": 40, "w": 41}),
    ("direct", {"c": 16, "f": 17, "k": (2, 3), "n": 6, "h": 40, "w": 41}),
    ("planes", {"c": 3, "f": 4, "k": (2, 3), "n": 6, "h": 40, "w": 41}),
    ("winograd", {"c": 8, "f": 9, "k": (3, 3), "n": 14, "h": 9, "w": 11}),
    ("winograd", {"c": 8, "f": 9, "k": (3, 3), "n": 2, "h": 70, "w": 50}),
    ("depthwise", {"c": 9, "f": 0, "k": (3, 2), "n": 3, "h": 9, "w": 11}),
]


@needs_numba
@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("way", "case"), **numbered(BAD))
def test_one_bad_number_stays_where_it_belongs(way, case, bad, dtype):
    s, p, d = (1, 1), (1, 1), (1, 1)
    good = operands(**case, s=s, p=p, d=d, dtype=dtype)
    h, w = case["h"], case["w"]
    for m, at in ((2, (0, 1, 0, 0)), (4, (1, 0, h // 2, w // 2)), (4, (1, 2, h - 2, w - 2))):
        for which, place in enumerate((at, (at[1], 0, 1, 1), at)):
            arrays = [a.copy() for a in good]
            arrays[which][place] = bad
            x, filters, gy = arrays
            for name, ours, exact in compare(x, filters, gy, s, p, d, m):
                need = may = strange(exact)
                if name == "gw" and way not in (
                    "direct",
                    "planes",
                ):  # all taps of a channel may be lost
                    may = may | may.any((2, 3), keepdims=True)
                elif way == "winograd":
                    may = neighbours(may)
                assert (strange(ours) >= need).all(), name
                assert (strange(ours) <= may).all(), name
                fine = ~strange(ours)
                close(ours[fine], exact[fine], 10 * TOLERANCE[dtype], name)


@both
@pytest.mark.parametrize(("c", "k"), [(9, (3, 3)), (3, (1, 1)), (3, (5, 5))])
@pytest.mark.parametrize("m", SIDES)
def test_nan_passes_relu_and_wins_the_pool(m, c, k, dtype):
    x, w, b = normal(3, c, 8, 10), normal(9, c, *k), normal(9)
    x[1, 2, 3, 5] = x[1, 0, 6, 2] = np.nan
    for relu, pool in ((True, False), (True, True), (False, True)):
        p = (k[0] // 2,) * 2
        with tiles_of(m):
            y, exact = fused(x.astype(dtype), w.astype(dtype), b.astype(dtype), p, relu, pool)
        need = np.isnan(exact)
        assert need.any()
        assert (np.isnan(y) >= need).all()
        assert (np.isnan(y) <= (neighbours(need) if k == (3, 3) else need)).all()
        close(y[~np.isnan(y)], exact[~np.isnan(y)], TOLERANCE[dtype])
