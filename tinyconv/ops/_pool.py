"""The loops of pooling: the largest element under each window, the sum, and the transposes of both.

``x`` is (planes, h, w), ``y`` (planes, oh, ow); on a GPU also (images, h, w, c) and (images, oh, ow, c). ``where`` tells which tap of its window won, counted row by row: a byte an
output, unless the window is huge. The first of equals wins, NaN beats everything, padding never wins.

Note [Windows in step]. A vector holds neighbouring windows, which take one tap after the other in step. Which lanes of
which vector hang over the edge is worked out once for all planes. The transpose of the maximum has only one tap a window
to write to: where windows overlap, a plain loop from window to window is faster than any that looks at all taps.
"""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import Any

from ..backend import (
    Array,
    Kernel,
    blocks,
    helper,
    lanes,
    larger,
    load,
    load_marked,
    load_part,
    pick,
    scratch,
    spread,
    store,
    store_pairs,
    store_part,
    store_steps,
    table,
)


@helper
def inside(windows, size, taps, stride, padding, dilation, n):
    """Of each vector t of ``n`` windows and each tap b, the lanes on which it lies inside the image.

    At ``t taps + b``: the first, and the one after the last.
    """
    vectors = (windows + n - 1) // n
    first, last = table(vectors * taps), table(vectors * taps)
    for t in range(vectors):
        for b in range(taps):
            offset = b * dilation - padding
            low = -(offset // stride) - t * n
            high = (size - 1 - offset) // stride + 1 - t * n
            first[t * taps + b] = min(max(low, 0), n)
            last[t * taps + b] = max(min(high, n, windows - t * n), first[t * taps + b])
    return first, last


def _taps(windows: int, size: int, stride: int, padding: int, tap: int) -> tuple[slice, slice]:
    """The windows whose tap, ``tap`` from their beginning, lies inside, and the elements it lies on."""
    first = max(0, -((tap - padding) // stride))
    last = min(windows, (size - 1 - tap + padding) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + tap - padding
    return slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)


def _sizes(x: Array, y: Array) -> tuple[int, ...]:
    """Planes, h, w, c, oh, ow of two arrays as the loops take them."""
    return (*x.shape[:3], prod(x.shape[3:]), *y.shape[1:3])


# ── the largest ───────────────────────────────────────────────────────────────────────────────


@Kernel
def pool_max(xp, x, y, where, kh, kw, sh, sw, ph, pw, dh, dw):
    """The largest element under each window, and which tap it is."""
    y[...] = 0  # until a tap is seen, which every window has
    where[...] = 0
    seen = xp.zeros(y.shape, bool)
    for tap, (a, b) in enumerate(product(range(kh), range(kw))):
        rows, i = _taps(y.shape[1], x.shape[1], sh, ph, a * dh)
        cols, j = _taps(y.shape[2], x.shape[2], sw, pw, b * dw)
        at = slice(None), rows, cols
        value, best = x[:, i, j], y[at]
        wins = ~seen[at] | (value > best) | ((value != value) & (best == best))
        y[at] = xp.where(wins, value, best)
        where[at] = xp.where(wins, tap, where[at])
        seen[at] = True


@pool_max.cpu
def _pool_max_loop(start, stop, x, y, where, kh, kw, sh, sw, ph, pw, dh, dw):
    _, h, w = x.shape
    _, oh, ow = y.shape
    n = lanes(x)
    first, last = inside(ow, w, kw, sw, pw, dw, n)
    left = scratch(x, ow + n)  # the first tap inside, which wins if none is above -inf
    for c in range(ow + n):
        left[c] = max(-((c * sw - pw) // dw), 0)
    flat_x, flat_y, flat_where = x.reshape(x.size), y.reshape(y.size), where.reshape(where.size)
    for plane in range(start, stop):
        for r in range(oh):
            top = r * sh - ph
            above, below = max(-(top // dh), 0), min((h - 1 - top) // dh + 1, kh)
            for c in range(0, ow, n):
                best = spread(x, -inf)
                place = load(left, c) + spread(x, above * kw)
                for a in range(above, below):
                    at = (plane * h + top + a * dh) * w + c * sw - pw
                    k = c // n * kw
                    for b in range(kw):
                        value = pick(flat_x, at + b * dw, sw, first[k + b], last[k + b], -inf)
                        place = larger(value, best, spread(x, a * kw + b), place)
                        best = larger(value, best, value, best)
                at = (plane * oh + r) * ow + c
                store_part(flat_y, at, 0, ow - c, best)
                store_part(flat_where, at, 0, ow - c, place)


@pool_max.cuda
def _pool_max_cuda(x, y, where, *window):
    return blocks(y.size), (x, y, where, where.itemsize, *_sizes(x, y), *window)


@Kernel
def unpool_max(xp, gy, where, gx, kh, kw, sh, sw, ph, pw, dh, dw):
    """Each gradient is added at the place its output came from."""
    gx[...] = 0
    for tap, (a, b) in enumerate(product(range(kh), range(kw))):
        rows, i = _taps(gy.shape[1], gx.shape[1], sh, ph, a * dh)
        cols, j = _taps(gy.shape[2], gx.shape[2], sw, pw, b * dw)
        gx[:, i, j] += xp.where(where[:, rows, cols] == tap, gy[:, rows, cols], gy.dtype.type(0))


@unpool_max.cpu
def _unpool_max_loop(start, stop, gy, where, gx, kh, kw, sh, sw, ph, pw, dh, dw):
    if kh == kw == sh == sw == 2 and ph == pw == 0 and dh == dw == 1:
        unpool_quarters(start, stop, gy, where, gx)
        return
    if kh == kw == 3 and sh == sw == 2 and ph <= 1 and pw <= 1 and dh == dw == 1:
        unpool_ninths(start, stop, gy, where, gx, ph, pw)
        return
    h, w = gx.shape[1:]
    to = table(kh * kw)  # from the corner of a window to its taps
    for tap in range(kh * kw):
        to[tap] = tap // kw * dh * w + tap % kw * dw
    flat_gx = gx.reshape(gx.size)
    for plane in range(start, stop):
        flat_gx[plane * h * w : (plane + 1) * h * w] = 0
        for r in range(gy.shape[1]):
            at = (plane * h + r * sh - ph) * w - pw
            for c in range(gy.shape[2]):
                flat_gx[at + c * sw + to[where[plane, r, c]]] += gy[plane, r, c]


@unpool_max.cuda
def _unpool_max_cuda(gy, where, gx, *window):
    return blocks(gx.size), (gy, where, where.itemsize, gx, *_sizes(gx, gy), *window)


@helper
def unpool_quarters(start, stop, gy, where, gx):
    """Windows of 2 by 2 side by side: each element is written once, and never read."""
    _, oh, ow = gy.shape
    _, h, w = gx.shape
    n = lanes(gy)
    flat_gy, flat_where, flat_gx = (
        gy.reshape(gy.size),
        where.reshape(where.size),
        gx.reshape(gx.size),
    )
    for plane in range(start, stop):
        for r in range(oh):
            for c in range(0, (w + 1) // 2, n):
                at = (plane * oh + r) * ow + c
                g0 = load_marked(flat_gy, flat_where, at, 0, 0, ow - c)
                g1 = load_marked(flat_gy, flat_where, at, 1, 0, ow - c)
                g2 = load_marked(flat_gy, flat_where, at, 2, 0, ow - c)
                g3 = load_marked(flat_gy, flat_where, at, 3, 0, ow - c)
                at = (plane * h + 2 * r) * w + 2 * c
                store_pairs(flat_gx, at, 0, w - 2 * c, g0, g1)
                if 2 * r + 1 < h:
                    store_pairs(flat_gx, at + w, 0, w - 2 * c, g2, g3)
        if 2 * oh < h:  # a last row under no window
            flat_gx[(plane + 1) * h * w - w : (plane + 1) * h * w] = 0


@helper
def unpool_ninths(start, stop, gy, where, gx, ph, pw):
    """Windows of 3 by 3 that overlap by one: each element is written once, and never read.

    Of the four elements below and right of the corner of a window one is under it alone, two are also under the window
    to the right or below, one is under four windows. Their gradients come in the order of the windows.
    """
    _, oh, ow = gy.shape
    _, h, w = gx.shape
    n, none = lanes(gy), spread(gy, 0.0)
    y, mark, x = gy.reshape(gy.size), where.reshape(where.size), gx.reshape(gx.size)
    for plane in range(start, stop):
        for r in range(ph - 1, (h + ph) // 2):
            for c in range(pw - 1, (w + pw) // 2, n):
                first, last = -c, ow - c
                a, b, d, e = none, none, none, none
                at = (plane * oh + r) * ow + c
                if 0 <= r < oh:
                    a = load_marked(y, mark, at, 4, first, last)
                    b = load_marked(y, mark, at, 5, first, last)
                    b = b + load_marked(y, mark, at + 1, 3, first - 1, last - 1)
                    d = load_marked(y, mark, at, 7, first, last)
                    e = load_marked(y, mark, at, 8, first, last)
                    e = e + load_marked(y, mark, at + 1, 6, first - 1, last - 1)
                at += ow
                if r + 1 < oh:
                    d = d + load_marked(y, mark, at, 1, first, last)
                    e = e + load_marked(y, mark, at, 2, first, last)
                    e = e + load_marked(y, mark, at + 1, 0, first - 1, last - 1)
                i, j = 2 * r - ph + 1, 2 * c - pw + 1
                at = (plane * h + i) * w + j
                if i >= 0:
                    store_pairs(x, at, -j, w - j, a, b)
                if i + 1 < h:
                    store_pairs(x, at + w, -j, w - j, d, e)


# ── the sum ───────────────────────────────────────────────────────────────────────────────────


@Kernel
def pool_sum(xp, x, y, scale, kh, kw, sh, sw, ph, pw):
    """The scaled sum under each window; windows may hang over the edge by any amount."""
    y[...] = 0
    for a, b in product(range(kh), range(kw)):
        rows, i = _taps(y.shape[1], x.shape[1], sh, ph, a)
        cols, j = _taps(y.shape[2], x.shape[2], sw, pw, b)
        y[:, rows, cols] += x[:, i, j]
    y *= scale


@pool_sum.cpu
def _pool_sum_loop(start, stop, x, y, scale, kh, kw, sh, sw, ph, pw):
    _, h, w = x.shape
    _, oh, ow = y.shape
    n = lanes(x)
    first, last = inside(ow, w, kw, sw, pw, 1, n)
    flat_x, flat_y, flat_scale = x.reshape(x.size), y.reshape(y.size), scale.reshape(scale.size)
    for plane in range(start, stop):
        for r in range(oh):
            top = r * sh - ph
            for c in range(0, ow, n):
                sums = spread(x, 0.0)
                for a in range(max(-top, 0), min(h - top, kh)):
                    at = (plane * h + top + a) * w + c * sw - pw
                    k = c // n * kw
                    for b in range(kw):
                        sums = sums + pick(flat_x, at + b, sw, first[k + b], last[k + b], 0.0)
                sums = sums * load_part(flat_scale, r * ow + c, 0, ow - c)
                store_part(flat_y, (plane * oh + r) * ow + c, 0, ow - c, sums)


@Kernel
def unpool_sum(xp, gy, gx, scale, kh, kw, sh, sw, ph, pw):
    """The transpose: each scaled gradient is added to all elements of its window."""
    gx[...] = 0
    scaled = gy * scale
    for a, b in product(range(kh), range(kw)):
        rows, i = _taps(gy.shape[1], gx.shape[1], sh, ph, a)
        cols, j = _taps(gy.shape[2], gx.shape[2], sw, pw, b)
        gx[:, i, j] += scaled[:, rows, cols]


@unpool_sum.cpu
def _unpool_sum_loop(start, stop, gy, gx, scale, kh, kw, sh, sw, ph, pw):
    """Row by row: the windows over it are added up, then laid side by side.

    A vector of the second step holds elements ``sw`` apart, over which lie the same taps of neighbouring windows.
    """
    _, oh, ow = gy.shape
    _, h, w = gx.shape
    n = lanes(gy)
    flat_gy, flat_gx, flat_scale = (
        gy.reshape(gy.size),
        gx.reshape(gx.size),
        scale.reshape(scale.size),
    )
    most = kw // sw + 1  # windows over an element
    row = scratch(gy, most + ow + w // sw + 3 * n)  # a row of windows, with zeros to both sides
    row[:] = 0
    parts = scratch(gy, sw * n)
    for plane in range(start, stop):
        for i in range(h):
            top, bottom = max((i + ph - kh) // sh + 1, 0), min((i + ph) // sh, oh - 1)
            for c in range(0, ow, n):
                sums = spread(gy, 0.0)
                for r in range(top, bottom + 1):
                    factor = load_part(flat_scale, r * ow + c, 0, ow - c)
                    sums = sums + load_part(flat_gy, (plane * oh + r) * ow + c, 0, ow - c) * factor
                store(row, most + c, sums)
            for j in range(0, w, n * sw):
                for k in range(min(sw, w - j)):
                    right = (j + k + pw) // sw
                    left = (j + k + pw - kw) // sw + 1
                    sums = spread(gy, 0.0)
                    for c in range(left, right + 1):
                        sums = sums + load(row, most + c)
                    store(parts, k * n, sums)
                at = (plane * h + i) * w + j
                if sw == 1:
                    store_part(flat_gx, at, 0, w - j, load(parts, 0))
                elif sw == 2:
                    store_pairs(flat_gx, at, 0, w - j, load(parts, 0), load(parts, n))
                else:
                    for k in range(min(sw, w - j)):
                        count = min((w - 1 - j - k) // sw + 1, n)
                        store_steps(flat_gx, at + k, sw, 0, count, load(parts, k * n))


# ── the average ───────────────────────────────────────────────────────────────────────────────
# Of the elements under a window, with the padding if ``padded``; or the sum over a ``divisor`` that is not 0.


def window_counts(xp: Any, size: int, k: int, s: int, p: int, out: int, padded: bool) -> Array:
    """How many elements of one axis each window counts."""
    start = xp.arange(out) * s - p
    end = xp.minimum(start + k, size + p)
    return end - start if padded else xp.minimum(end, size) - xp.maximum(start, 0)


def _scale(
    xp: Any, x: Array, y: Array, window: tuple[int, ...], padded: bool, divisor: int
) -> Array:
    """One over the number of elements that count under each window, (oh, ow)."""
    if divisor:
        return xp.full(y.shape[1:3], 1 / divisor, x.dtype)
    sides = zip(x.shape[1:3], window[:2], window[2:4], window[4:], y.shape[1:3], strict=True)
    counts = xp.multiply.outer(*[window_counts(xp, *v, padded) for v in sides])
    return (1 / counts.astype("float64")).astype(x.dtype)


@Kernel
def pool_mean(xp, x, y, padded, divisor, *window):
    """The average under each window."""
    pool_sum(x, y, _scale(xp, x, y, window, padded, divisor), *window)


@pool_mean.cuda
def _pool_mean_cuda(x, y, padded, divisor, *window):
    return blocks(y.size), (x, y, int(padded), float(divisor), *_sizes(x, y), *window)


@Kernel
def unpool_mean(xp, gy, gx, padded, divisor, *window):
    """The transpose: each gradient is spread over all elements that its window counts."""
    unpool_sum(gy, gx, _scale(xp, gx, gy, window, padded, divisor), *window)


@unpool_mean.cuda
def _unpool_mean_cuda(gy, gx, padded, divisor, *window):
    return blocks(gx.size), (gy, gx, int(padded), float(divisor), *_sizes(gx, gy), *window)
