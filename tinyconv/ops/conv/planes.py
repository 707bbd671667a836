"""Convolution with stride 1 of images that have few channels: a vector holds neighbouring pixels of one channel.

`direct` fills its vectors with channels, of which a first layer has three and makes six. Here a frame is (rows, c, images
by cols): the row of a few images side by side, channel by channel. Then the taps (kh c, kw) of an output are so many runs
of numbers, those of its neighbour begin one further, and a row of outputs (f, images by cols) is a product of the filters
and the runs. At the ends of rows ``kw - 1`` outputs are of no use; they are not copied back.
"""

from __future__ import annotations

from ...backend import (
    Kernel,
    copy,
    helper,
    inner_tile,
    lanes,
    larger,
    load,
    pick,
    positive,
    scratch,
    spread,
    store_part,
)
from .tiles import WORK, finish_whole, inside, padded_frame, product


@helper
def strip(n, oh, ow, kh, kw, c, f, wide):
    """How many images stand side by side, and for how many rows of output: their input fits 128 KB, a row ``wide`` numbers."""
    cols = ow + kw - 1
    rows = max(1, min(oh, (1 << 15) // (c * cols) - kh + 1))
    images = min((1 << 15) // ((rows + kh - 1) * c * cols), wide // (f * cols)) if rows == oh else 1
    return max(1, min(n, images)), rows


@helper
def put_rows(x, i, images, c, h, width, first, last, frame, across, cols, top, left):
    """Rows ``first`` to ``last`` of images into a frame, where row 0 lies in row ``top`` and column 0 in column ``left``."""
    count = min(width, cols - left)
    for k in range(images):
        for q in range(c):
            at = ((i + k) * c + q) * h * width
            to = (top * c + q) * across + k * cols + left
            for r in range(first, last):
                copy(x, at + r * width, frame, to + r * c * across, count)


@helper
def hand_back(out, room, cols, images, f, bias, relu, y, to, length, count):
    """A row of each image and filter, (f, images by cols) in ``out``: ``count`` results each, to every ``length`` in ``y``."""
    n = lanes(out)
    for k in range(images):
        for j in range(f):
            at, shift = j * room + k * cols, spread(out, bias[j])
            for q in range(0, count, n):
                value = load(out, at + q) + shift
                if relu:
                    value = positive(value)
                store_part(y, to + q, 0, count - q, value)
            to += length


@helper
def pool_back(out, room, cols, images, f, bias, relu, y, to, length, count):
    """The same of two rows, (2, f, images by cols): the largest of each 2x2."""
    n = lanes(out)
    for k in range(images):
        for j in range(f):
            at, shift = j * room + k * cols, spread(out, bias[j])
            below = at + f * room
            for q in range(0, count, n):
                last = count - q
                best = pick(out, at + 2 * q, 2, 0, last, 0.0)
                v = pick(out, at + 2 * q + 1, 2, 0, last, 0.0)
                best = larger(v, best, v, best)
                v = pick(out, below + 2 * q, 2, 0, last, 0.0)
                best = larger(v, best, v, best)
                v = pick(out, below + 2 * q + 1, 2, 0, last, 0.0)
                best = larger(v, best, v, best) + shift
                if relu:
                    best = positive(best)
                store_part(y, to + q, 0, last, best)
            to += length


def _windows(xp, x, oh, ow, kh, kw, ph, pw):
    """What each output meets: (n, c, oh, ow, kh, kw)."""
    padded = padded_frame(xp, x, oh, ow, kh, kw, 1, 1, ph, pw, 1, 1, 1, 1)
    return xp.lib.stride_tricks.sliding_window_view(padded, (kh, kw), (2, 3))[:, :, :oh, :ow]


@Kernel
def planes(xp, x, w, bias, relu, pool, y, oh, ow, ph, pw):
    """y = x * w + bias with filters (f, kh, c, kw); ``oh ow`` is the size of the result.

    With ``relu`` at least 0; with ``pool`` the largest of each 2x2.
    """
    f, kh, _, kw = w.shape
    windows = _windows(xp, x, oh, ow, kh, kw, ph, pw)
    tall = xp.einsum("ncijab,facb->nfij", windows, w) + bias[:f, None, None]
    finish_whole(xp, tall, relu, pool, y)


@planes.cpu(work=WORK)
def _planes_loop(start, stop, x, w, bias, relu, pool, y, oh, ow, ph, pw):
    _, c, h, width = x.shape
    f, kh, _, kw = w.shape
    y_rows, y_cols = y.shape[2:]
    flat_x, flat_w, flat_y = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size)
    n = lanes(x)
    cols, side = ow + kw - 1, 2 if pool else 1
    images, rows = strip(stop - start, oh, ow, kh, kw, c, f, 1 << 13)
    rows = min(y_rows, max(1, rows // side))  # of y
    across = images * cols
    room = (across + n - 1) // n * n
    frame = scratch(x, (rows * side + kh - 1) * c * across + 2 * n)
    out = scratch(x, side * f * room + n)
    frame[:] = 0
    for i in range(start, stop, images):
        here = min(images, stop - i)
        v = (here * cols - kw + n) // n
        for begin in range(0, y_rows, rows):
            end = min(y_rows, begin + rows)
            first, last = inside(begin * side, (end - begin) * side + kh - 1, h, 1, ph)
            if rows < y_rows:
                frame[:] = 0
            put_rows(
                flat_x, i, here, c, h, width, first, last, frame, across, cols, ph - begin * side, pw
            )  # fmt: skip
            for r in range(begin, end):
                for s in range(side):
                    product(
                        f, v,
                        flat_w, 0, kh * c * kw, kw, 1,
                        frame, ((r - begin) * side + s) * c * across, across, 1, kh * c, kw,
                        out, s * f * room, room, False,
                    )  # fmt: skip
                to = (i * f * y_rows + r) * y_cols
                back = (out, room, cols, here, f, bias, relu, flat_y, to, y_rows * y_cols, y_cols)
                if pool:
                    pool_back(*back)
                else:
                    hand_back(*back)


@helper
def inner(m, v, a, a0, ai, ak, b, b0, bj, bk, k, q, y, y0, yi):
    """``y[i, j] += sum over k and q of a[i, k, q] b[k, q, j]``, all of them vectors, in tiles of 20 or 18 sums."""
    n = lanes(y)
    j = 0
    while j < v:
        i, bt, yt = 0, b0 + j * bj, y0 + j * n
        if v - j >= 5:
            while i + 4 <= m:
                inner_tile(4, 5, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 4
            while i + 2 <= m:
                inner_tile(2, 5, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 2
            if i < m:
                inner_tile(1, 5, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
            j += 5
        elif v - j >= 3:
            while i + 6 <= m:
                inner_tile(6, 3, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 6
            while i + 2 <= m:
                inner_tile(2, 3, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 2
            if i < m:
                inner_tile(1, 3, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
            j += 3
        else:
            while i + 6 <= m:
                inner_tile(6, 1, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 6
            while i < m:
                inner_tile(1, 1, a, a0 + i * ai, ai, ak, b, bt, bj, bk, k, q, y, yt + i * yi, yi)
                i += 1
            j += 1


@Kernel
def planes_weight(xp, x, gy, gw, ph, pw):
    """The gradient of the filters as (parts, f, kh, c, kw, lanes): the sum over parts and lanes is all of it.

    The loop also adds up zeros times pixels, so one that is not finite makes more gradients NaN than it should.
    """
    (kh, _, kw), (oh, ow) = gw.shape[2:5], gy.shape[2:]
    windows = _windows(xp, x, oh, ow, kh, kw, ph, pw)
    gw[...] = 0
    gw[0, ..., 0] = xp.einsum("ncijab,nfij->facb", windows, gy)


@planes_weight.cpu(over=lambda x, gy, gw, *_: len(gw), work=WORK)
def _planes_weight_loop(start, stop, x, gy, gw, ph, pw):
    total, c, h, width = x.shape
    parts, f, kh, _, kw, n = gw.shape
    oh, ow = gy.shape[2:]
    flat_x, flat_g, flat_w = x.reshape(x.size), gy.reshape(gy.size), gw.reshape(gw.size)
    cols = ow + kw - 1
    images, rows = strip(total, oh, ow, kh, kw, c + f, 1, 1 << 15)
    across = (images * cols + n - 1) // n * n  # what lies behind the last image is 0 in ``g``
    frame, g = scratch(x, (rows + kh - 1) * c * across + 2 * n), scratch(x, rows * f * across)
    for part in range(start, stop):
        gw[part] = 0
        frame[:] = 0
        g[:] = 0
        end = total * (part + 1) // parts
        for i in range(total * part // parts, end, images):
            here = min(images, end - i)
            if here < images:
                g[:] = 0
            q = (here * cols - kw + n) // n
            for r in range(0, oh, rows):
                up = min(rows, oh - r)
                first, last = inside(r, up + kh - 1, h, 1, ph)
                if rows < oh:
                    frame[:] = 0
                put_rows(flat_x, i, here, c, h, width, first, last, frame, across, cols, ph - r, pw)
                put_rows(flat_g, i, here, f, oh, ow, r, r + up, g, across, cols, -r, 0)
                for a in range(kh):
                    for k in range(c):
                        inner(
                            f, kw,
                            g, 0, across, f * across,
                            frame, (a * c + k) * across, 1, c * across,
                            up, q,
                            flat_w, ((part * f * kh + a) * c + k) * kw * n, kh * c * kw * n,
                        )  # fmt: skip
