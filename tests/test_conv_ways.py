"""Which way a convolution takes, what it allocates, and what comes out of the public functions, compared with torch."""

from __future__ import annotations

import tracemalloc
from collections import OrderedDict
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
from twins import array

import tinyconv as tc
from tinyconv.backend import Kernel, memory
from tinyconv.ops.conv import direct, maps, planes, tiled, winograd

# ── the same bits every time ──────────────────────────────────────────────────────────────────


@both
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("case", [(9, 9, (3, 3)), (5, 3, (2, 3)), (5, 3, (1, 1)), (5, 0, (3, 3))])
def test_gradients_of_filters_are_the_same_to_the_bit(case, count, dtype):
    c, f, k = case
    groups, f = (c, c) if f == 0 else (1, f)
    x, w = normal(7, c, 19, 23).astype(dtype), normal(f, c // groups, *k).astype(dtype)

    def gradients() -> list[bytes]:
        tx, tw = (tc.tensor(a, requires_grad=True) for a in (x, w))
        y = tc.nn.functional.conv2d(tx, tw, groups=groups)
        y.backward(tc.tensor(normal(*y.shape).astype(dtype)))
        return [a.tobytes() for a in (y.array, tx.grad.array, tw.grad.array)]

    with threads(count), tiles_of(4 if dtype == "float32" else 2):
        first = gradients()
        for _ in range(3):
            assert gradients() == first


# ── which way ─────────────────────────────────────────────────────────────────────────────────


def ways(monkeypatch, c, f, dtype="float32", size=(12, 11), **given):
    """Who computes y, gx and gw."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        for module in (tiled, maps):
            for name, kernel in list(vars(module).items()):
                if isinstance(kernel, Kernel):

                    def count(*args: Any, kernel: Any = kernel) -> None:
                        seen.append(kernel.name.split("_")[0])
                        kernel(*args)

                    patch.setattr(module, name, count)
        k = given.pop("k", (3, 3))
        rows = []
        x = tc.tensor(normal(2, c, *size).astype(dtype))
        w = tc.tensor(normal(f, c // given.get("groups", 1), *k).astype(dtype))
        for needs in ((), ("x",), ("w",)):
            x.requires_grad, w.requires_grad = "x" in needs, "w" in needs
            seen.clear()
            y = tc.nn.functional.conv2d(x, w, **given)
            if needs:
                seen.clear()
                y.sum().backward()
            (way,) = set(seen)
            rows.append({"unfold": "columns", "fold": "columns"}.get(way, way))
    return tuple(rows)


W, D, P, R, C = "winograd", "direct", "depthwise", "planes", "columns"
WAYS = [
    ((W, W, W), {"c": 8, "f": 8, "padding": 1}),
    ((W, W, W), {"c": 64, "f": 9, "padding": 0}),
    ((W, W, W), {"c": 8, "f": 64, "padding": 2}),
    ((W, W, W), {"c": 4, "f": 4, "dtype": "float64"}),
    ((D, R, D), {"c": 7, "f": 64, "padding": 1}),
    ((R, D, R), {"c": 64, "f": 7, "padding": 1}),
    ((R, R, D), {"c": 3, "f": 16, "padding": 1}),
    ((R, R, R), {"c": 15, "f": 20, "k": (5, 5), "padding": 2}),
    ((R, R, R), {"c": 3, "f": 4, "dtype": "float64"}),
    ((R, R, R), {"c": 8, "f": 8, "padding": (1, 0)}),
    ((D, R, D), {"c": 15, "f": 64, "k": (5, 5), "padding": 2}),
    ((D, D, D), {"c": 16, "f": 16, "k": (5, 5), "padding": 2}),
    ((D, D, D), {"c": 8, "f": 8, "dilation": 2}),
    ((D, W, D), {"c": 8, "f": 8, "stride": 2, "padding": 1}),
    ((D, D, D), {"c": 8, "f": 8, "stride": (1, 2)}),
    ((D, D, D), {"c": 8, "f": 8, "k": (1, 1)}),
    ((R, R, R), {"c": 8, "f": 8, "k": (5, 3), "padding": 2}),
    ((R, R, R), {"c": 1, "f": 1, "k": (3, 3)}),
    ((P, P, P), {"c": 8, "f": 8, "groups": 8, "padding": 1}),
    ((P, P, P), {"c": 5, "f": 5, "groups": 5, "stride": 2, "padding": 1, "dilation": 2}),
    ((C, C, C), {"c": 8, "f": 16, "groups": 8}),
    ((C, C, C), {"c": 8, "f": 8, "groups": 2}),
    ((C, C, C), {"c": 8, "f": 8, "padding": 3}),
    ((C, C, C), {"c": 8, "f": 8, "padding": (3, 1)}),
    ((C, C, C), {"c": 8, "f": 8, "k": (1, 1), "padding": (0, 1)}),
    ((C, C, C), {"c": 5, "f": 5, "groups": 5, "padding": (2, 3)}),
    ((W, W, W), {"c": 8, "f": 8, "dtype": "float16"}),  # computed in float32
]


@needs_numba
@pytest.mark.parametrize(("expected", "case"), **numbered(WAYS))
def test_which_way_is_taken(expected, case, monkeypatch):
    assert ways(monkeypatch, **case) == expected


@needs_numba
@pytest.mark.parametrize(
    ("n", "c", "size", "m"),
    [(1, 64, (4, 4), 2), (64, 64, (2, 2), 2), (64, 32, (32, 32), 4), (8, 8, (33, 31), 4)],
)
def test_which_tiles_are_taken(n, c, size, m, monkeypatch):
    """Large ones multiply less, and small ones where there are few pay for smaller filters."""
    seen = []
    plain = tiled.winograd_filters

    def filters(*args: Any) -> None:
        seen.append(args[2])
        plain(*args)

    monkeypatch.setattr(tiled, "winograd_filters", filters)
    tc.nn.functional.conv2d(tc.zeros(n, c, *size), tc.zeros(c, c, 3, 3), padding=1)
    assert seen == [m]


@pytest.mark.parametrize("case", **numbered([case for _, case in WAYS]))
def test_without_a_compiler_columns_give_the_same(case, monkeypatch):
    compiled = gradients_of(**case)
    for kernel in LOOPS.values():
        monkeypatch.setattr(kernel, "_run", None)
    monkeypatch.setenv("TINYCONV_JIT", "0")
    assert ways(monkeypatch, **case) == (C, C, C)
    tolerance = TOLERANCE.get(case.get("dtype", "float32"), 1e-2)
    for a, b in zip(compiled, gradients_of(**case), strict=True):
        close(a, b, tolerance)
    assert all(kernel._run is None for kernel in LOOPS.values())


def gradients_of(c, f, dtype="float32", k=(3, 3), **given):
    x, w = normal(2, c, 12, 11), normal(f, c // given.get("groups", 1), *k)
    tx, tw = (tc.tensor(a.astype(dtype), requires_grad=True) for a in (x, w))
    y = tc.nn.functional.conv2d(tx, tw, **given)
    y.backward(tc.tensor(normal(*y.shape).astype(dtype)))
    return [y.detach().array, tx.grad.array, tw.grad.array]


# ── memory ────────────────────────────────────────────────────────────────────────────────────


@needs_numba
def test_no_columns_of_the_whole_batch(monkeypatch):
    """What NumPy allocates; the loops' own memory, which tracemalloc does not see, is measured below."""
    monkeypatch.setattr(memory._store, "idle", OrderedDict())  # nothing left by others is used
    monkeypatch.setattr(memory._store, "idle_bytes", 0)
    x, w = tc.tensor(normal(64, 32, 32, 32)).float(), tc.tensor(normal(32, 32, 3, 3)).float()
    for k in (w, w[:, :, :2], w[:5, :, :2]):  # Winograd, direct, planes
        tracemalloc.start()
        try:
            with threads(1):
                y = tc.nn.functional.conv2d(x, k, padding=1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < y.array.nbytes + (2 << 20)


class Enough(Exception):
    """The loop has all its memory."""


@pytest.mark.parametrize("size", [(32, 32), (2, 2), (224, 224), (7, 1000)])
@pytest.mark.parametrize(
    "case", [(32, 32, (3, 3)), (3, 64, (3, 3)), (15, 3, (3, 3)), (16, 64, (7, 7))]
)
def test_a_strip_stays_in_cache(case, size, monkeypatch):
    """However many images there are, and however large."""
    c, f, k = case
    taken = []

    def scratch(x: np.ndarray, n: int) -> np.ndarray:
        taken.append(n * x.itemsize)
        return np.empty(0, x.dtype)

    def turn(*_: Any) -> None:
        raise Enough

    def call(kernel: Kernel, *args: Any) -> None:
        if kernel.name != "winograd_filters":
            kernel.loop(0, len(args[0]), *args)

    for module in (direct, planes, winograd):
        monkeypatch.setattr(module, "scratch", scratch)
    monkeypatch.setattr(planes, "put_rows", turn)
    for module in (direct, winograd):
        monkeypatch.setattr(module, "turn", turn)
        monkeypatch.setattr(module, "places", lambda *_: None)
        monkeypatch.setattr(module, "steps", lambda *_: None)
    monkeypatch.setattr(Kernel, "__call__", call)
    p = tuple(m // 2 for m in k)
    x = np.empty((20, c, *size), np.float32)
    y = np.empty((20, f, *size), np.float32)
    with pytest.raises(Enough):
        tiled.correlate(x, np.zeros((f, c, *k), np.float32), None, y, size, (1, 1), p, (1, 1))
    assert 0 < sum(taken) < 6 << 20


# ── through the public functions ──────────────────────────────────────────────────────────────


def twins(story: Any, dtype: str, *arrays: np.ndarray) -> None:
    """Values, gradients, recorded gradients and second gradients; torch computes with the same numbers in float64."""
    runs = []
    for lib, kind in ((torch, "float64"), (tc, dtype)):
        xs = [lib.tensor(a.astype(dtype).astype(kind), requires_grad=True) for a in arrays]
        y = story(lib.nn.functional, *xs)
        seed = normal(*y.shape).astype(dtype).astype(kind)
        seed = lib.tensor(seed, requires_grad=True)
        plain = lib.autograd.grad(y, xs, seed.detach(), retain_graph=True)
        grads = lib.autograd.grad(y, xs, seed, create_graph=True)
        again = lib.autograd.grad(sum((g * g).sum() for g in grads), [*xs[:2], seed])
        runs.append([y, *plain, *grads, *again])
    for i, (theirs, ours) in enumerate(zip(*runs, strict=True)):
        close(array(ours), array(theirs), TOLERANCE[dtype], i)


CONV1D = [  # c, f, l, k, further arguments
    (3, 4, 11, 3, {}),
    (17, 9, 33, 5, {"stride": 2, "padding": 2}),
    (4, 6, 20, 3, {"dilation": 3, "padding": 4, "groups": 2}),
    (5, 5, 20, 4, {"stride": 3, "groups": 5, "padding": 1}),
    (9, 10, 16, 1, {}),
    (2, 3, 6, 2, {"padding": 3}),
]
CONV2D = [  # c, f, (h, w), k, further arguments
    (9, 10, (7, 6), (3, 3), {"padding": 1}),
    (8, 17, (5, 8), (3, 3), {}),
    (9, 8, (6, 6), (3, 3), {"stride": 2, "padding": 1}),
    (9, 8, (9, 8), (3, 3), {"stride": 3, "padding": 2}),
    (3, 5, (8, 9), (2, 5), {"stride": (2, 3), "padding": (1, 4), "dilation": (1, 2)}),
    (17, 5, (6, 5), (1, 1), {}),
    (5, 3, (6, 5), (1, 1), {"stride": 2}),
    (8, 6, (7, 6), (3, 3), {"padding": 1, "groups": 2}),
    (5, 5, (7, 6), (3, 3), {"padding": 1, "groups": 5}),
    (5, 5, (8, 9), (3, 2), {"stride": (2, 1), "dilation": 2, "padding": (3, 0), "groups": 5}),
    (4, 8, (6, 6), (3, 3), {"groups": 4}),
    (3, 4, (4, 5), (2, 3), {"padding": 3}),
]
TRANSPOSE = [  # c, f, (h, w) or l, k, further arguments
    (9, 8, (4, 5), (3, 3), {"padding": 1}),
    (9, 8, (4, 5), (3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    (3, 5, (4, 5), (4, 2), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}),
    (5, 3, (3, 4), (3, 3), {"dilation": (2, 3), "stride": 2}),
    (4, 6, (4, 3), (3, 3), {"groups": 2, "stride": 2}),
    (5, 5, (4, 6), (3, 3), {"groups": 5, "stride": 2, "padding": 1}),
    (7, 3, (5, 4), (1, 1), {}),
    (4, 3, (9,), (3,), {"stride": 2, "output_padding": 1}),
    (4, 4, (9,), (4,), {"groups": 4, "padding": 2}),
    (4, 6, (7,), (2,), {"groups": 2, "dilation": 3}),
]


@both
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("c", "f", "size", "k", "more"), [*CONV1D, *CONV2D])
def test_convolutions(c, f, size, k, more, bias, dtype):
    size, k = (v if isinstance(v, tuple) else (v,) for v in (size, k))
    w = normal(f, c // more.get("groups", 1), *k)
    name = f"conv{len(k)}d"
    arrays = [normal(3, c, *size), w, *([normal(f)] if bias else [])]
    twins(lambda F, x, w, b=None: getattr(F, name)(x, w, b, **more), dtype, *arrays)


@both
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("c", "f", "size", "k", "more"), TRANSPOSE)
def test_transposed_convolutions(c, f, size, k, more, bias, dtype):
    w = normal(c, f // more.get("groups", 1), *k)
    name = f"conv_transpose{len(k)}d"
    arrays = [normal(3, c, *size), w, *([normal(f)] if bias else [])]
    twins(lambda F, x, w, b=None: getattr(F, name)(x, w, b, **more), dtype, *arrays)


def test_output_padding_beyond_the_stride():
    """Which a dilation allows: the output then has more windows than the input has pixels."""
    twins(
        lambda F, x, w: F.conv_transpose2d(x, w, None, 1, 0, 2, 1, 3),
        "float64", normal(1, 2, 4, 4), normal(2, 3, 3, 3),
    )  # fmt: skip


STRIDED = {
    "channels last": lambda F, x, w: F.conv2d(x.permute(0, 3, 1, 2), w, padding=1),
    "every other": lambda F, x, w: F.conv2d(x.permute(3, 1, 0, 2)[::2, :, :, 1::2], w[:, :7]),
    "filters turned": lambda F, x, w: F.conv2d(x.permute(0, 3, 2, 1), w.permute(0, 1, 3, 2)),
    "gradient turned": lambda F, x, w: F.conv2d(x.permute(0, 3, 1, 2), w).permute(2, 0, 3, 1),
    "gradient expanded": lambda F, x, w: F.conv2d(x.permute(0, 3, 1, 2), w).sum((0, 2, 3)),
    "every other output": lambda F, x, w: F.conv2d(x.permute(0, 3, 1, 2), w)[:, ::2, 1:, ::3],
    "transposed": lambda F, x, w: F.conv_transpose2d(x.permute(0, 3, 2, 1), w.permute(1, 0, 3, 2)).mT,
    "depthwise": lambda F, x, w: F.conv2d(x.permute(0, 3, 1, 2), w[:9, :1], groups=9).mT,
}  # fmt: skip


@both
@pytest.mark.parametrize("story", list(STRIDED.values()), ids=list(STRIDED))
def test_memory_in_any_order(story, dtype):
    twins(story, dtype, normal(6, 7, 8, 9), normal(10, 9, 3, 3))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_convolution(data):
    def pair(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    k, s, d, g = pair(1, 3), pair(1, 3), pair(1, 2), data.draw(st.sampled_from((1, 1, 2, 5)))
    p = pair(0, 3)
    lowest = [max(1, e * (m - 1) + 1 - 2 * q) for e, m, q in zip(d, k, p, strict=True)]
    h, w = (data.draw(st.integers(low, low + 7)) for low in lowest)
    c, f = (g * data.draw(st.integers(1, 10 // g)) for _ in "cf")
    twins(
        lambda F, x, w: F.conv2d(x, w, None, s, p, d, g),
        "float64", normal(2, c, h, w), normal(f, c // g, *k),
    )  # fmt: skip
    extra = tuple(data.draw(st.integers(0, v - 1)) for v in s)
    low = pair(2, 7)
    q = tuple(min(q, e * (m - 1) // 2) for e, m, q in zip(d, k, p, strict=True))
    twins(
        lambda F, x, w: F.conv_transpose2d(x, w, None, s, q, extra, g, d),
        "float64", normal(2, f, *low), normal(f, c // g, *k, seed=1),
    )  # fmt: skip
