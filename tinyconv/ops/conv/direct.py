"""Convolution as it is defined, in tiles: any kernel, stride and dilation, one group.

A row of output pixels (ow, f) is a product of a row of windows (ow, kh, kw c) by the filters (kh, kw c, f): in a frame,
which is channels-last, the windows need no copy. The gradient of the filters is a product of the same two kinds.
"""

from __future__ import annotations

from itertools import product as pairs
from typing import Any

from ...backend import Array, Kernel, helper, lanes, larger, load, positive, scratch, store, table
from .tiles import WORK, finish_whole, inside, padded_frame, places, product, steps, turn, turn_back


@helper
def strip(n, oh, ow, c, f, cols, sh, kh, dh):
    """How many images, and how many rows of output of one image, fit into 512 KB, as they come and as they go."""
    most, rows = 1 << 17, oh
    frame = ((rows - 1) * sh + (kh - 1) * dh + 1) * cols * c + rows * ow * f
    while rows > 1 and frame > most:
        rows = (rows + 1) // 2
        frame = ((rows - 1) * sh + (kh - 1) * dh + 1) * cols * c + rows * ow * f
    return (max(1, min(n, most // frame)) if rows == oh else 1), rows


@helper
def finish(out, count, fp, bias, relu):
    """Add the bias of each channel to ``count`` pixels, and cut at 0 with ``relu``."""
    for k in range(0, fp, lanes(out)):
        shift = load(bias, k)
        for at in range(k, count * fp, fp):
            if relu:
                store(out, at, positive(load(out, at) + shift))
            else:
                store(out, at, load(out, at) + shift)


@helper
def pool_rows(out, images, rows, ow, fp):
    """The largest of each 2x2 pixels, to the front of ``out``."""
    n = lanes(out)
    to = 0
    for k in range(images):
        for i in range(0, rows // 2 * 2, 2):
            for j in range(0, ow // 2 * 2, 2):
                at = ((k * rows + i) * ow + j) * fp
                for q in range(0, fp, n):
                    best, v = load(out, at + q), load(out, at + fp + q)
                    best = larger(v, best, v, best)
                    v = load(out, at + ow * fp + q)
                    best = larger(v, best, v, best)
                    v = load(out, at + (ow + 1) * fp + q)
                    store(out, to + q, larger(v, best, v, best))
                to += fp


def _window(xp: Any, x: Array, oh: int, ow: int, sh: int, sw: int, y: int, z: int) -> Array:
    """The pixels of padded images that one tap meets: (n, c, oh, ow)."""
    return x[:, :, y : y + (oh - 1) * sh + 1 : sh, z : z + (ow - 1) * sw + 1 : sw]


@Kernel
def direct(xp, x, w, bias, relu, pool, y, oh, ow, sh, sw, ph, pw, dh, dw, zh, zw):
    """y = x * w + bias: ``w`` (kh, kw, c, fp) holds the filters, ``zh zw`` is the zoom of x, ``oh ow`` the size of the result.

    With ``relu`` at least 0; with ``pool`` the largest of each 2x2.
    """
    (kh, kw), f = w.shape[:2], y.shape[1]
    padded = padded_frame(xp, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, zh, zw)
    tall = xp.zeros((len(x), f, oh, ow), x.dtype) + bias[:f, None, None]
    for a, b in pairs(range(kh), range(kw)):
        window = _window(xp, padded, oh, ow, sh, sw, a * dh, b * dw)
        tall += xp.einsum("ncij,cf->nfij", window, w[a, b, :, :f])
    finish_whole(xp, tall, relu, pool, y)


@direct.cpu(work=WORK)
def _direct_loop(start, stop, x, w, bias, relu, pool, y, oh, ow, sh, sw, ph, pw, dh, dw, zh, zw):
    _, c, h, width = x.shape
    kh, kw, _, fp = w.shape
    f, y_rows, y_cols = y.shape[1:]
    flat_x, flat_w, flat_y = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size)
    lane = lanes(x)
    cols = max((ow - 1) * sw + (kw - 1) * dw + 1, (width - 1) * zw + 1 + pw)
    images, rows = strip(stop - start, oh, ow, c, fp, cols, sh, kh, dh)
    side = 2 if pool else 1
    if pool and rows < oh:
        rows += rows % 2
    size = ((rows - 1) * sh + (kh - 1) * dh + 1) * cols * c
    frames, out = scratch(x, images * size), scratch(x, images * rows * ow * fp)
    frames[:] = 0
    x_planes, y_planes = table(lane), table(lane)
    steps(x_planes, h * width)
    length = y_rows * y_cols
    steps(y_planes, length)
    pixels, y_pixels = table(h * width), table(length)
    steps(y_pixels, fp)
    taps, q = (1, kw * c) if dw == 1 else (kw, c)  # neighbouring taps are one run of numbers
    for i in range(start, stop, images):
        here = min(images, stop - i)
        for r in range(0, oh, rows):
            up = min(rows, oh - r)
            first, last = inside(r * sh, (up - 1) * sh + (kh - 1) * dh + 1, h, zh, ph)
            if r == 0 or rows < oh:
                places(pixels, width, zh, zw, ph - r * sh, pw, cols, c)
            if rows < oh:
                frames[:] = 0
            for k in range(here):
                turn(
                    flat_x, (i + k) * c * h * width, c, h * width, first * width, last * width, x_planes,
                    frames, k * size, pixels,
                )  # fmt: skip
            for j in range(
                0, fp, 4 * lane
            ):  # so many filters stay in cache while all rows meet them
                v = min(4, (fp - j) // lane)
                for k in range(here):
                    for row in range(up):
                        for b in range(taps):
                            product(
                                ow, v,
                                frames, k * size + (row * sh * cols + b * dw) * c, sw * c, dh * cols * c, 1,
                                flat_w, b * c * fp + j, kw * c * fp, fp, kh, q,
                                out, (k * up + row) * ow * fp + j, fp, b > 0,
                            )  # fmt: skip
            finish(out, here * up * ow, fp, bias, relu)
            if pool:
                pool_rows(out, here, up, ow, fp)
            low, high = r // side, min(y_rows, (r + up) // side)  # rows of y
            for k in range(here):
                turn_back(
                    out, (k * (high - low) - low) * y_cols * fp, f, length, low * y_cols, high * y_cols,
                    y_pixels, flat_y, (i + k) * f * length, y_planes,
                )  # fmt: skip


@Kernel
def direct_weight(xp, x, gy, gw, sh, sw, ph, pw, dh, dw):
    """The gradient of the filters as (parts, kh, kw, c, fp): the sum over ``parts`` is all of it."""
    (kh, kw), (f, oh, ow) = gw.shape[1:3], gy.shape[1:]
    padded = padded_frame(xp, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, 1, 1)
    gw[...] = 0
    for a, b in pairs(range(kh), range(kw)):
        window = _window(xp, padded, oh, ow, sh, sw, a * dh, b * dw)
        gw[0, a, b, :, :f] = xp.einsum("ncij,nfij->cf", window, gy)


@direct_weight.cpu(over=lambda x, gy, gw, *_: len(gw), work=WORK)
def _direct_weight_loop(start, stop, x, gy, gw, sh, sw, ph, pw, dh, dw):
    n, c, h, width = x.shape
    parts, kh, kw, _, fp = gw.shape
    f, oh, ow = gy.shape[1:]
    flat_x, flat_g, flat_w = x.reshape(x.size), gy.reshape(gy.size), gw.reshape(gw.size)
    lane = lanes(x)
    cols = max((ow - 1) * sw + (kw - 1) * dw + 1, width + pw)
    images, rows = strip(n, oh, ow, c, fp, cols, sh, kh, dh)
    size = ((rows - 1) * sh + (kh - 1) * dh + 1) * cols * c
    x_frames, g_frames = scratch(x, images * size), scratch(x, images * rows * ow * fp)
    x_planes, g_planes = table(lane), table(lane)
    steps(x_planes, h * width)
    steps(g_planes, oh * ow)
    x_pixels, g_pixels = table(h * width), table(oh * ow)
    steps(g_pixels, fp)
    taps, m = (1, kw * c) if dw == 1 else (kw, c)
    for part in range(start, stop):
        x_frames[:] = 0
        g_frames[:] = 0
        gw[part] = 0
        end = n * (part + 1) // parts
        for i in range(n * part // parts, end, images):
            here = min(images, end - i)
            for r in range(0, oh, rows):
                up = min(rows, oh - r)
                first, last = inside(r * sh, (up - 1) * sh + (kh - 1) * dh + 1, h, 1, ph)
                if r == 0 or rows < oh:
                    places(x_pixels, width, 1, 1, ph - r * sh, pw, cols, c)
                if rows < oh:
                    x_frames[:] = 0
                for k in range(here):
                    turn(
                        flat_x, (i + k) * c * h * width, c, h * width, first * width, last * width, x_planes,
                        x_frames, k * size, x_pixels,
                    )  # fmt: skip
                    turn(
                        flat_g, (i + k) * f * oh * ow, f, oh * ow, r * ow, (r + up) * ow, g_planes,
                        g_frames, (k * up - r) * ow * fp, g_pixels,
                    )  # fmt: skip
                    for a in range(kh):
                        for b in range(taps):
                            product(
                                m, fp // lane,
                                x_frames, k * size + (a * dh * cols + b * dw) * c, 1, sh * cols * c, sw * c,
                                g_frames, k * up * ow * fp, ow * fp, fp, up, ow,
                                flat_w, ((part * kh + a) * kw + b) * c * fp, fp, True,
                            )  # fmt: skip
