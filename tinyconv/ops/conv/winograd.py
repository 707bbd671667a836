"""3x3 convolution with stride 1 in 2.25 times fewer multiplications.

F(2x2, 3x3): a tile of 2x2 outputs comes from 4x4 inputs by

    Y = A' [ (G g G') * (B' d B) ] A

so that the sum over channels becomes 16 products of matrices (tiles, c) by (c, f). With 16 (c + f) numbers a tile in
between, a strip of tiles at a time stays in the second-level cache.

Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, section 4.1.
"""

from __future__ import annotations

from typing import Any

from ...backend import (
    Array,
    Kernel,
    helper,
    lanes,
    larger,
    load,
    positive,
    scratch,
    spread,
    store,
    table,
)
from .tiles import finish_whole, inside, places, product, steps, turn, turn_back

# ── the transforms, as matrices and as loops ──────────────────────────────────────────────────

B = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
A = ((1, 0), (1, 1), (1, -1), (0, -1))


@helper
def transform_filters(g, rows, c, u, row, total):
    """u = G g G' of ``rows`` rows of ``c`` filters: g[(a b), row, c], u[(r s), row, c], of ``total`` rows from ``row`` on."""
    n = lanes(u)
    half = spread(u, 0.5)
    line, step = rows * c, total * c
    for k in range(0, line, n):
        to = row * c + k
        for b in range(
            3
        ):  # the columns of g become rows of four in u, and stay there for the moment
            x, y, z = (
                load(g, k + b * line),
                load(g, k + (3 + b) * line),
                load(g, k + (6 + b) * line),
            )
            ends, middle = (x + z) * half, y * half
            store(u, to + b * step, x)
            store(u, to + (4 + b) * step, ends + middle)
            store(u, to + (8 + b) * step, ends - middle)
            store(u, to + (12 + b) * step, z)
        for a in range(0, 16, 4):
            at = to + a * step
            x, y, z = load(u, at), load(u, at + step), load(u, at + 2 * step)
            ends, middle = (x + z) * half, y * half
            store(u, at + step, ends + middle)
            store(u, at + 2 * step, ends - middle)
            store(u, at + 3 * step, z)


@helper
def transform_filters_back(u, c, f, k, parts, g, rows, row):
    """g = G' u G for channel ``k`` of ``u`` (parts, 16, c, f), which is summed over its parts: g[(row, a b), f]."""
    n = lanes(u)
    half = spread(u, 0.5)
    e = scratch(u, 16 * n)
    for j in range(0, f, n):
        for i in range(16):
            total = load(u, (i * c + k) * f + j)
            for part in range(1, parts):
                total = total + load(u, ((part * 16 + i) * c + k) * f + j)
            store(e, i * n, total)
        for i in range(4):
            q, r = load(e, (4 + i) * n) * half, load(e, (8 + i) * n) * half
            store(e, i * n, load(e, i * n) + q + r)
            store(e, (4 + i) * n, q - r)
            store(e, (8 + i) * n, q + r + load(e, (12 + i) * n))
        for i in range(3):
            q, r = load(e, (4 * i + 1) * n) * half, load(e, (4 * i + 2) * n) * half
            to = (row * 9 + 3 * i) * f + j
            store(g, to, load(e, 4 * i * n) + q + r)
            store(g, to + f, q - r)
            store(g, to + 2 * f, q + r + load(e, (4 * i + 3) * n))


@helper
def spread_tiles(frame, cols, c, row, tw, v, t, step):
    """V = B' d B of the ``tw`` tiles of one row: v[(r s), t, c] for 4x4 pixels (r, s), ``step`` from one to the next."""
    n = lanes(v)
    line = cols * c
    for j in range(tw):
        for k in range(0, c, n):
            at = row + 2 * j * c + k
            to = (t + j) * c + k
            d00, d01, d02, d03 = (
                load(frame, at),
                load(frame, at + c),
                load(frame, at + 2 * c),
                load(frame, at + 3 * c),
            )
            at += line
            d10, d11, d12, d13 = (
                load(frame, at),
                load(frame, at + c),
                load(frame, at + 2 * c),
                load(frame, at + 3 * c),
            )
            at += line
            d20, d21, d22, d23 = (
                load(frame, at),
                load(frame, at + c),
                load(frame, at + 2 * c),
                load(frame, at + 3 * c),
            )
            at += line
            d30, d31, d32, d33 = (
                load(frame, at),
                load(frame, at + c),
                load(frame, at + 2 * c),
                load(frame, at + 3 * c),
            )
            e0, e1, e2, e3 = d00 - d20, d01 - d21, d02 - d22, d03 - d23
            store(v, to, e0 - e2)
            store(v, to + step, e1 + e2)
            store(v, to + 2 * step, e2 - e1)
            store(v, to + 3 * step, e1 - e3)
            e0, e1, e2, e3 = d10 + d20, d11 + d21, d12 + d22, d13 + d23
            store(v, to + 4 * step, e0 - e2)
            store(v, to + 5 * step, e1 + e2)
            store(v, to + 6 * step, e2 - e1)
            store(v, to + 7 * step, e1 - e3)
            e0, e1, e2, e3 = d20 - d10, d21 - d11, d22 - d12, d23 - d13
            store(v, to + 8 * step, e0 - e2)
            store(v, to + 9 * step, e1 + e2)
            store(v, to + 10 * step, e2 - e1)
            store(v, to + 11 * step, e1 - e3)
            e0, e1, e2, e3 = d10 - d30, d11 - d31, d12 - d32, d13 - d33
            store(v, to + 12 * step, e0 - e2)
            store(v, to + 13 * step, e1 + e2)
            store(v, to + 14 * step, e2 - e1)
            store(v, to + 15 * step, e1 - e3)


@helper
def gather_tiles(u, t, step, tw, f, bias, relu, pool, frame, row, cols):
    """Y = A' m A + bias of one row of tiles, to 2x2 pixels each, or to the largest of them."""
    n = lanes(u)
    for j in range(tw):
        for k in range(0, f, n):
            at = (t + j) * f + k
            a0, a1, a2, a3 = (
                load(u, at),
                load(u, at + step),
                load(u, at + 2 * step),
                load(u, at + 3 * step),
            )
            at += 4 * step
            b0, b1, b2, b3 = (
                load(u, at),
                load(u, at + step),
                load(u, at + 2 * step),
                load(u, at + 3 * step),
            )
            at += 4 * step
            c0, c1, c2, c3 = (
                load(u, at),
                load(u, at + step),
                load(u, at + 2 * step),
                load(u, at + 3 * step),
            )
            at += 4 * step
            d0, d1, d2, d3 = (
                load(u, at),
                load(u, at + step),
                load(u, at + 2 * step),
                load(u, at + 3 * step),
            )
            p0, p1, p2, p3 = a0 + b0 + c0, a1 + b1 + c1, a2 + b2 + c2, a3 + b3 + c3
            q0, q1, q2, q3 = b0 - c0 - d0, b1 - c1 - d1, b2 - c2 - d2, b3 - c3 - d3
            shift = load(bias, k)
            y00, y01 = p0 + p1 + p2 + shift, p1 - p2 - p3 + shift
            y10, y11 = q0 + q1 + q2 + shift, q1 - q2 - q3 + shift
            if relu:
                y00, y01, y10, y11 = positive(y00), positive(y01), positive(y10), positive(y11)
            if pool:
                y00 = larger(y01, y00, y01, y00)
                y00 = larger(y10, y00, y10, y00)
                store(frame, row + j * f + k, larger(y11, y00, y11, y00))
                continue
            to = row + 2 * j * f + k
            store(frame, to, y00)
            store(frame, to + f, y01)
            to += cols * f
            store(frame, to, y10)
            store(frame, to + f, y11)


@helper
def expand_tiles(frame, row, cols, f, tw, u, t, step):
    """A y A' of the 2x2 pixels of each tile of one row: the transpose of ``gather_tiles``."""
    n = lanes(u)
    for j in range(tw):
        for k in range(0, f, n):
            at = row + 2 * j * f + k
            y00, y01 = load(frame, at), load(frame, at + f)
            at += cols * f
            y10, y11 = load(frame, at), load(frame, at + f)
            to = (t + j) * f + k
            zero = spread(u, 0.0)
            p, q = y00, y01
            store(u, to, p)
            store(u, to + step, p + q)
            store(u, to + 2 * step, p - q)
            store(u, to + 3 * step, zero - q)
            p, q = y00 + y10, y01 + y11
            store(u, to + 4 * step, p)
            store(u, to + 5 * step, p + q)
            store(u, to + 6 * step, p - q)
            store(u, to + 7 * step, zero - q)
            p, q = y00 - y10, y01 - y11
            store(u, to + 8 * step, p)
            store(u, to + 9 * step, p + q)
            store(u, to + 10 * step, p - q)
            store(u, to + 11 * step, zero - q)
            p, q = zero - y10, zero - y11
            store(u, to + 12 * step, p)
            store(u, to + 13 * step, p + q)
            store(u, to + 14 * step, p - q)
            store(u, to + 15 * step, zero - q)


@helper
def strip(n, th, tw):
    """How many images, and how many rows of tiles of one image, a strip of about 128 tiles has."""
    images = max(1, 128 // (th * tw))
    return min(n, images), (th if images > 1 else max(1, min(th, 128 // tw)))


# ── kernels ───────────────────────────────────────────────────────────────────────────────────


@Kernel
def winograd_filters(xp, w, u, flip):
    """u = G w G' of filters (f, c, 3, 3), as (16, c, fp); with ``flip`` those of the input gradient, as (16, f, cp)."""
    g = xp.asarray(G, w.dtype)
    if flip:
        w = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    f, c = w.shape[:2]
    u[...] = 0
    u[:, :, :f] = (g @ w @ g.T).reshape(f, c, 16).transpose(2, 1, 0)


@winograd_filters.cpu(over=lambda w, u, flip: u.shape[1])
def _winograd_filters_loop(start, stop, w, u, flip):
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
    transform_filters(g, rows, fp, flat_u, start, total)


@Kernel
def winograd_filters_back(xp, gu, gw):
    """The transpose: gw = G' gu G of (parts, 16, c, fp), summed over its parts."""
    f, c = gw.shape[:2]
    g = xp.asarray(G, gu.dtype)
    tiles = gu[:, :, :, :f].sum(0).reshape(4, 4, c, f).transpose(3, 2, 0, 1)
    gw[...] = g.T @ tiles @ g


@winograd_filters_back.cpu(over=lambda gu, gw: gu.shape[2])
def _winograd_filters_back_loop(start, stop, gu, gw):
    parts, _, c, fp = gu.shape
    f = gw.shape[0]
    rows, lane = stop - start, lanes(gu)
    flat_u, flat_w = gu.reshape(gu.size), gw.reshape(gw.size)
    g = scratch(gu, rows * 9 * fp)  # (rows, (a b), fp)
    for k in range(start, stop):
        transform_filters_back(flat_u, c, fp, k, parts, g, rows, k - start)
    planes, pixels = table(lane), table(9 * c)
    steps(planes, 9 * c)
    for p in range(9 * c):
        pixels[p] = (p - 9 * start) * fp
    turn_back(g, 0, f, 9 * c, 9 * start, 9 * stop, pixels, flat_w, 0, planes)


def _tiles(xp: Any, x: Array, th: int, tw: int, p: int, z: int) -> Array:
    """The 4x4 pixels under each tile: (n, c, th, tw, 4, 4)."""
    n, c, h, w = x.shape
    padded = xp.zeros((n, c, max(2 * th + 2, h * z + p), max(2 * tw + 2, w * z + p)), x.dtype)
    padded[:, :, p : p + h * z : z, p : p + w * z : z] = x
    i, j = 2 * xp.arange(th)[:, None] + xp.arange(4), 2 * xp.arange(tw)[:, None] + xp.arange(4)
    return padded[:, :, i[:, None, :, None], j[None, :, None, :]]


@Kernel
def winograd(xp, x, u, bias, relu, pool, y, oh, ow, p, z):
    """y = x * w + bias: ``u`` holds G w G', ``p`` is the padding, ``z`` the zoom of x, ``oh ow`` the size of the result.

    With ``relu`` at least 0; with ``pool`` the largest of each 2x2.
    """
    (n, c), f = x.shape[:2], y.shape[1]
    th, tw = (oh + 1) // 2, (ow + 1) // 2
    b, a = xp.asarray(B, x.dtype), xp.asarray(A, x.dtype)
    v = xp.einsum("ir,ncabrs,js->ijnabc", b, _tiles(xp, x, th, tw, p, z), b)
    m = v.reshape(16, -1, c) @ u[:, :, :f]
    m = m.reshape(4, 4, n, th, tw, f)
    tiles = xp.einsum("ir,ijnabf,js->nfarbs", a, m, a).reshape(n, f, 2 * th, 2 * tw)
    finish_whole(xp, tiles[:, :, :oh, :ow] + bias[:f, None, None], relu, pool, y)


@winograd.cpu
def _winograd_loop(start, stop, x, u, bias, relu, pool, y, oh, ow, p, z):
    _, c, h, w = x.shape
    f, y_rows, y_cols = y.shape[1:]
    fp = u.shape[2]
    flat_x, flat_u, flat_y = x.reshape(x.size), u.reshape(u.size), y.reshape(y.size)
    lane = lanes(x)
    cp = (c + lane - 1) // lane * lane
    th, tw = (oh + 1) // 2, (ow + 1) // 2
    cols = max(2 * tw + 2, (w - 1) * z + 1 + p)
    images, rows = strip(stop - start, th, tw)
    size = (2 * rows + 2) * cols * cp
    frames = scratch(x, images * size)
    frames[:] = 0
    out = scratch(x, images * 4 * rows * tw * fp)
    v = scratch(x, 16 * (images * rows * tw * cp + lane))
    m = scratch(x, 16 * (images * rows * tw * fp + lane))
    x_planes, y_planes = table(lane), table(lane)
    steps(x_planes, h * w)
    length = y_rows * y_cols
    steps(y_planes, length)
    pixels, y_pixels = table(h * w), table(length)
    side = 1 if pool else 2  # the pixels of y in a row or column of a tile
    places(y_pixels, y_cols, 1, 1, 0, 0, side * tw, fp)
    for i in range(start, stop, images):
        here = min(images, stop - i)
        for r in range(0, th, rows):
            up = min(rows, th - r)  # rows of tiles
            count = here * up * tw
            v_step, m_step = count * cp + lane, count * fp + lane  # Note [Sets of the cache]
            first, last = inside(2 * r, 2 * up + 2, h, z, p)
            if r == 0 or rows < th:
                places(pixels, w, z, z, p - 2 * r, p, cols, cp)
            if rows < th:
                frames[:] = 0
            for k in range(here):
                turn(
                    flat_x, (i + k) * c * h * w, c, h * w, first * w, last * w, x_planes,
                    frames, k * size, pixels,
                )  # fmt: skip
                for a in range(up):
                    row = k * size + 2 * a * cols * cp
                    spread_tiles(frames, cols, cp, row, tw, v, (k * up + a) * tw, v_step)
            for e in range(16):
                product(
                    count, fp // lane,
                    v, e * v_step, cp, 0, 1,
                    flat_u, e * c * fp, 0, fp, 1, c,
                    m, e * m_step, fp, False,
                )  # fmt: skip
            for k in range(here):
                f0 = k * side * side * up * tw * fp
                for a in range(up):
                    row = f0 + side * side * a * tw * fp
                    gather_tiles(
                        m, (k * up + a) * tw, m_step, tw, fp, bias, relu, pool, out, row, side * tw
                    )
                turn_back(
                    out, f0 - side * side * r * tw * fp, f, length,
                    side * r * y_cols, min(y_rows, side * (r + up)) * y_cols,
                    y_pixels, flat_y, (i + k) * f * length, y_planes,
                )  # fmt: skip


@Kernel
def winograd_weight(xp, x, gy, gu, p):
    """The gradient of G w G' as (parts, 16, c, fp): the sum over ``parts`` is all of it."""
    (n, c), (f, oh, ow) = x.shape[:2], gy.shape[1:]
    th, tw = (oh + 1) // 2, (ow + 1) // 2
    b, a = xp.asarray(B, x.dtype), xp.asarray(A, x.dtype)
    v = xp.einsum("ir,ncabrs,js->ijcnab", b, _tiles(xp, x, th, tw, p, 1), b)
    even = xp.zeros((n, f, 2 * th, 2 * tw), x.dtype)
    even[:, :, :oh, :ow] = gy
    even = even.reshape(n, f, th, 2, tw, 2)
    m = xp.einsum("ir,nfarbs,js->ijnabf", a, even, a)
    gu[...] = 0
    gu[0, :, :, :f] = v.reshape(16, c, -1) @ m.reshape(16, -1, f)


@winograd_weight.cpu(over=lambda x, gy, gu, p: len(gu))
def _winograd_weight_loop(start, stop, x, gy, gu, p):
    n, c, h, w = x.shape
    f, oh, ow = gy.shape[1:]
    parts, fp = gu.shape[0], gu.shape[3]
    flat_x, flat_g, flat_u = x.reshape(x.size), gy.reshape(gy.size), gu.reshape(gu.size)
    lane = lanes(x)
    cp = (c + lane - 1) // lane * lane
    th, tw = (oh + 1) // 2, (ow + 1) // 2
    cols = max(2 * tw + 2, w + p)
    images, rows = strip(n, th, tw)
    x_size, g_size = (2 * rows + 2) * cols * cp, 4 * rows * tw * fp
    x_frames, g_frames = scratch(x, images * x_size), scratch(x, images * g_size)
    v = scratch(x, 16 * (images * rows * tw * cp + lane))
    m = scratch(x, 16 * (images * rows * tw * fp + lane))
    x_planes, g_planes = table(lane), table(lane)
    steps(x_planes, h * w)
    steps(g_planes, oh * ow)
    x_pixels, g_pixels = table(h * w), table(oh * ow)
    places(g_pixels, ow, 1, 1, 0, 0, 2 * tw, fp)
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
                v_step, m_step = count * cp + lane, count * fp + lane  # Note [Sets of the cache]
                first, last = inside(2 * r, 2 * up + 2, h, 1, p)
                if r == 0 or rows < th:
                    places(x_pixels, w, 1, 1, p - 2 * r, p, cols, cp)
                if rows < th:
                    x_frames[:] = 0
                    g_frames[:] = 0
                for k in range(here):
                    turn(
                        flat_x, (i + k) * c * h * w, c, h * w, first * w, last * w, x_planes,
                        x_frames, k * x_size, x_pixels,
                    )  # fmt: skip
                    turn(
                        flat_g, (i + k) * f * oh * ow, f, oh * ow, 2 * r * ow, min(oh, 2 * (r + up)) * ow,
                        g_planes, g_frames, k * g_size - 4 * r * tw * fp, g_pixels,
                    )  # fmt: skip
                    for a in range(up):
                        t = (k * up + a) * tw
                        row = k * x_size + 2 * a * cols * cp
                        spread_tiles(x_frames, cols, cp, row, tw, v, t, v_step)
                        row = k * g_size + 4 * a * tw * fp
                        expand_tiles(g_frames, row, 2 * tw, fp, tw, m, t, m_step)
                for e in range(16):
                    product(
                        c, fp // lane,
                        v, e * v_step, 1, 0, cp,
                        m, e * m_step, 0, fp, 1, count,
                        flat_u, (part * 16 + e) * c * fp, fp, True,
                    )  # fmt: skip
