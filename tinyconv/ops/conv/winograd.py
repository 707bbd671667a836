"""3x3 convolution with stride 1 in 2.25 or 4 times fewer multiplications, by Winograd's algorithm.

``transforms`` has the arithmetic of one tile. Between the transforms the sum over channels is t x t products of matrices
(tiles, c) by (c, f). A strip of tiles at a time stays in the second-level cache; ``m`` is the side of a tile of results, 2 or
4, and t = m + 2.
"""

from __future__ import annotations

from typing import Any

from ...backend import Array, Kernel, helper, lanes, scratch, table
from .tiles import WORK, finish_whole, inside, places, product, steps, turn, turn_back
from .transforms import (
    A,
    B,
    G,
    expand_tiles,
    gather_tiles,
    spread_tiles,
    transform_filters,
    transform_filters_back,
)


@helper
def strip(m, n, th, tw):
    """How many images, and how many rows of tiles of one image, make about 128 tiles of 2x2 or 64 of 4x4."""
    most = 256 // m
    images = max(1, most // (th * tw))
    return min(n, images), (th if images > 1 else max(1, min(th, most // tw)))


# Note [Sets of the cache]. The t t matrices of a strip lie one line of the cache further apart than they are long: a
# tile is written to all of them, and at distances of a power of two all writes would fall into the same few lines.


@Kernel
def winograd_filters(xp, w, u, m, flip):
    """u = G w G' of filters (f, c, 3, 3), as (t t, c, fp); with ``flip`` those of the input gradient, as (t t, f, cp)."""
    g = xp.asarray(G[m], w.dtype)
    if flip:
        w = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    f, c = w.shape[:2]
    u[...] = 0
    u[:, :, :f] = (g @ w @ g.T).reshape(f, c, len(u)).transpose(2, 1, 0)


@winograd_filters.cpu(over=lambda w, u, m, flip: u.shape[1], work=4)
def _winograd_filters_loop(start, stop, w, u, m, flip):
    f, c = w.shape[:2]
    _, total, fp = u.shape
    rows, lane = stop - start, lanes(w)
    flat_w, flat_u = w.reshape(w.size), u.reshape(u.size)
    g = scratch(w, 9 * rows * fp)  # ((a b), rows, fp)
    g[:] = 0
    if flip:
        for k in range(start, stop):
            for t in range(9):
                at = ((8 - t) * rows + k - start) * fp
                for j in range(c):
                    g[at + j] = flat_w[(k * c + j) * 9 + t]
    else:
        planes, pixels = table(lane), table(9 * c)
        steps(planes, 9 * c)
        for p in range(9 * c):
            pixels[p] = (p % 9 * rows + p // 9 - start) * fp
        turn(flat_w, 0, f, 9 * c, 9 * start, 9 * stop, planes, g, 0, pixels)
    transform_filters(m, g, rows * fp, flat_u, start * fp, total * fp)


@Kernel
def winograd_filters_back(xp, gu, gw, m):
    """The transpose: gw = G' gu G of (parts, t t, c, fp), summed over its parts."""
    f, c = gw.shape[:2]
    g = xp.asarray(G[m], gu.dtype)
    tiles = gu[:, :, :, :f].sum(0).reshape(m + 2, m + 2, c, f).transpose(3, 2, 0, 1)
    gw[...] = g.T @ tiles @ g


@winograd_filters_back.cpu(over=lambda gu, gw, m: gu.shape[2], work=4)
def _winograd_filters_back_loop(start, stop, gu, gw, m):
    parts, _, c, fp = gu.shape
    f = gw.shape[0]
    rows, lane = stop - start, lanes(gu)
    flat_u, flat_w = gu.reshape(gu.size), gw.reshape(gw.size)
    g, e = scratch(gu, rows * 9 * fp), scratch(gu, 24 * lane)  # (rows, (a b), fp)
    for k in range(start, stop):
        transform_filters_back(m, flat_u, k * fp, c * fp, parts, fp, g, (k - start) * 9 * fp, e)
    planes, pixels = table(lane), table(9 * c)
    steps(planes, 9 * c)
    for p in range(9 * c):
        pixels[p] = (p - 9 * start) * fp
    turn_back(g, 0, f, 9 * c, 9 * start, 9 * stop, pixels, flat_w, 0, planes)


def _tiles(xp: Any, x: Array, m: int, th: int, tw: int, p: int, z: int) -> Array:
    """The t x t pixels under each tile: (n, c, th, tw, t, t)."""
    n, c, h, w = x.shape
    padded = xp.zeros((n, c, max(m * th + 2, h * z + p), max(m * tw + 2, w * z + p)), x.dtype)
    padded[:, :, p : p + h * z : z, p : p + w * z : z] = x
    side = xp.arange(m + 2)
    i, j = m * xp.arange(th)[:, None] + side, m * xp.arange(tw)[:, None] + side
    return padded[:, :, i[:, None, :, None], j[None, :, None, :]]


@Kernel
def winograd(xp, x, u, bias, relu, pool, y, oh, ow, m, p, z):
    """y = x * w + bias: ``u`` holds G w G', ``p`` is the padding, ``z`` the zoom of x, ``oh ow`` the size of the result.

    With ``relu`` at least 0; with ``pool`` the largest of each 2x2.
    """
    (n, c), f = x.shape[:2], y.shape[1]
    th, tw = (oh + m - 1) // m, (ow + m - 1) // m
    b, a = xp.asarray(B[m], x.dtype), xp.asarray(A[m], x.dtype)
    v = xp.einsum("ir,ncabrs,js->ijnabc", b, _tiles(xp, x, m, th, tw, p, z), b)
    products = v.reshape(len(u), -1, c) @ u[:, :, :f]
    products = products.reshape(m + 2, m + 2, n, th, tw, f)
    tiles = xp.einsum("ir,ijnabf,js->nfarbs", a, products, a).reshape(n, f, m * th, m * tw)
    finish_whole(xp, tiles[:, :, :oh, :ow] + bias[:f, None, None], relu, pool, y)


@winograd.cpu(work=WORK)
def _winograd_loop(start, stop, x, u, bias, relu, pool, y, oh, ow, m, p, z):
    _, c, h, w = x.shape
    f, y_rows, y_cols = y.shape[1:]
    tt, fp = u.shape[0], u.shape[2]
    flat_x, flat_u, flat_y = x.reshape(x.size), u.reshape(u.size), y.reshape(y.size)
    lane = lanes(x)
    cp = (c + lane - 1) // lane * lane
    th, tw = (oh + m - 1) // m, (ow + m - 1) // m
    cols = max(m * tw + 2, (w - 1) * z + 1 + p)
    images, rows = strip(m, stop - start, th, tw)
    size, most = (m * rows + 2) * cols * cp, images * rows * tw
    side = m // 2 if pool else m  # the pixels of y in a row or column of a tile
    frames, out = scratch(x, images * size), scratch(x, side * side * most * fp)
    v, sums = scratch(x, tt * (most * cp + lane)), scratch(x, tt * (most * fp + lane))
    e = scratch(x, tt * lane)
    frames[:] = 0
    length = y_rows * y_cols
    x_planes, y_planes = table(lane), table(lane)
    steps(x_planes, h * w)
    steps(y_planes, length)
    pixels, y_pixels = table(h * w), table(length)
    places(y_pixels, y_cols, 1, 1, 0, 0, side * tw, fp)
    for i in range(start, stop, images):
        here = min(images, stop - i)
        for r in range(0, th, rows):
            up = min(rows, th - r)  # rows of tiles
            count = here * up * tw
            v_step, s_step = count * cp + lane, count * fp + lane  # Note [Sets of the cache]
            first, last = inside(m * r, m * up + 2, h, z, p)
            if r == 0 or rows < th:
                places(pixels, w, z, z, p - m * r, p, cols, cp)
            if rows < th:
                frames[:] = 0
            for k in range(here):
                turn(
                    flat_x, (i + k) * c * h * w, c, h * w, first * w, last * w, x_planes,
                    frames, k * size, pixels,
                )  # fmt: skip
                for a in range(up):
                    spread_tiles(
                        m, frames, k * size + m * a * cols * cp, cols * cp, cp,
                        v, (k * up + a) * tw * cp, v_step, tw, e,
                    )  # fmt: skip
            for q in range(tt):
                product(
                    count, fp // lane,
                    v, q * v_step, cp, 0, 1,
                    flat_u, q * c * fp, 0, fp, 1, c,
                    sums, q * s_step, fp, False,
                )  # fmt: skip
            row = side * tw * fp
            for k in range(here):
                f0 = k * up * side * row
                for a in range(up):
                    gather_tiles(
                        m, sums, (k * up + a) * tw * fp, s_step, tw, fp, bias, relu, pool,
                        out, f0 + a * side * row, row, e,
                    )  # fmt: skip
                turn_back(
                    out, f0 - side * r * row, f, length,
                    side * r * y_cols, min(y_rows, side * (r + up)) * y_cols,
                    y_pixels, flat_y, (i + k) * f * length, y_planes,
                )  # fmt: skip


@Kernel
def winograd_weight(xp, x, gy, gu, m, p):
    """The gradient of G w G' as (parts, t t, c, fp): the sum over ``parts`` is all of it."""
    (n, c), (f, oh, ow) = x.shape[:2], gy.shape[1:]
    th, tw = (oh + m - 1) // m, (ow + m - 1) // m
    b, a = xp.asarray(B[m], x.dtype), xp.asarray(A[m], x.dtype)
    v = xp.einsum("ir,ncabrs,js->ijcnab", b, _tiles(xp, x, m, th, tw, p, 1), b)
    whole = xp.zeros((n, f, m * th, m * tw), x.dtype)
    whole[:, :, :oh, :ow] = gy
    whole = whole.reshape(n, f, th, m, tw, m)
    g = xp.einsum("ir,nfarbs,js->ijnabf", a, whole, a)
    tt = gu.shape[1]
    gu[...] = 0
    gu[0, :, :, :f] = v.reshape(tt, c, -1) @ g.reshape(tt, -1, f)


@winograd_weight.cpu(over=lambda x, gy, gu, m, p: len(gu), work=WORK)
def _winograd_weight_loop(start, stop, x, gy, gu, m, p):
    n, c, h, w = x.shape
    f, oh, ow = gy.shape[1:]
    parts, tt, _, fp = gu.shape
    flat_x, flat_g, flat_u = x.reshape(x.size), gy.reshape(gy.size), gu.reshape(gu.size)
    lane = lanes(x)
    cp = (c + lane - 1) // lane * lane
    th, tw = (oh + m - 1) // m, (ow + m - 1) // m
    cols = max(m * tw + 2, w + p)
    images, rows = strip(m, n, th, tw)
    x_size, g_size, most = (m * rows + 2) * cols * cp, m * rows * m * tw * fp, images * rows * tw
    x_frames, g_frames = scratch(x, images * x_size), scratch(x, images * g_size)
    v, g = scratch(x, tt * (most * cp + lane)), scratch(x, tt * (most * fp + lane))
    e = scratch(x, tt * lane)
    x_planes, g_planes = table(lane), table(lane)
    steps(x_planes, h * w)
    steps(g_planes, oh * ow)
    x_pixels, g_pixels = table(h * w), table(oh * ow)
    places(g_pixels, ow, 1, 1, 0, 0, m * tw, fp)
    row = m * tw * fp
    for part in range(start, stop):
        x_frames[:] = 0
        g_frames[:] = 0
        gu[part] = 0
        end = n * (part + 1) // parts
        for i in range(n * part // parts, end, images):
            here = min(images, end - i)
            for r in range(0, th, rows):
                up = min(rows, th - r)
                count = here * up * tw
                v_step, g_step = count * cp + lane, count * fp + lane
                first, last = inside(m * r, m * up + 2, h, 1, p)
                if r == 0 or rows < th:
                    places(x_pixels, w, 1, 1, p - m * r, p, cols, cp)
                if rows < th:
                    x_frames[:] = 0
                    g_frames[:] = 0
                for k in range(here):
                    turn(
                        flat_x, (i + k) * c * h * w, c, h * w, first * w, last * w, x_planes,
                        x_frames, k * x_size, x_pixels,
                    )  # fmt: skip
                    turn(
                        flat_g, (i + k) * f * oh * ow, f, oh * ow, m * r * ow, min(oh, m * (r + up)) * ow,
                        g_planes, g_frames, k * g_size - m * r * row, g_pixels,
                    )  # fmt: skip
                    for a in range(up):
                        t = (k * up + a) * tw
                        spread_tiles(
                            m, x_frames, k * x_size + m * a * cols * cp, cols * cp, cp,
                            v, t * cp, v_step, tw, e,
                        )  # fmt: skip
                        expand_tiles(
                            m, g_frames, k * g_size + a * m * row, row, fp, tw, g, t * fp, g_step, e
                        )  # fmt: skip
                for q in range(tt):
                    product(
                        c, fp // lane,
                        v, q * v_step, 1, 0, cp,
                        g, q * g_step, 0, fp, 1, count,
                        flat_u, (part * tt + q) * c * fp, fp, True,
                    )  # fmt: skip
