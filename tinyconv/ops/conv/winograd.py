"""3x3 convolution with stride 1 in 2.25 times fewer multiplications.

F(2x2, 3x3): a tile of 2x2 outputs comes from 4x4 inputs by

    Y = A' [ (G g G') * (B' d B) ] A

so that the sum over channels becomes 16 products of matrices (tiles, c) by (c, f). With 16 (c + f) numbers a tile in
between, a strip of tiles at a time stays in the second-level cache.

Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, section 4.1.
"""

from __future__ import annotations

from ...backend import helper, lanes, load, positive, scratch, spread, store, table
from .tiles import places, product, steps, turn, turn_back


@helper
def spread_tiles(frame, cols, c, row, tw, v, t, count):
    """V = B' d B of the ``tw`` tiles of one row: v[(r s), t, c] for 4x4 pixels (r, s), ``count`` tiles in all."""
    n = lanes(v)
    line = cols * c
    step = count * c
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
def gather_tiles(u, t, count, tw, f, bias, relu, frame, row, cols):
    """Y = A' m A + bias of one row of tiles, to 2x2 pixels each."""
    n = lanes(u)
    step = count * f
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
            to = row + 2 * j * f + k
            store(frame, to, y00)
            store(frame, to + f, y01)
            to += cols * f
            store(frame, to, y10)
            store(frame, to + f, y11)


@helper
def expand_tiles(frame, row, cols, f, tw, u, t, count):
    """A y A' of the 2x2 pixels of each tile of one row: the transpose of ``gather_tiles``."""
    n = lanes(u)
    step = count * f
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
def strip(n, th, tw, width):
    """How many images, and how many rows of tiles of one image, a strip of about 128 tiles has."""
    images = max(1, 128 // (th * tw))
    return min(n, images), (th if images > 1 else max(1, min(th, 128 // tw)))


def forward_loop(start, stop, x, u, bias, relu, y, pad):
    """``u`` (16, c, fp) transformed filters; ``bias`` (fp); ``x`` (n, c, h, w), ``y`` (n, f, oh, ow)."""
    n, c, h, w = x.shape
    f, oh, ow = y.shape[1:]
    fp = u.shape[2]
    flat_x, flat_u, flat_y = x.reshape(x.size), u.reshape(u.size), y.reshape(y.size)
    lane = lanes(x)
    cp = (c + lane - 1) // lane * lane
    th, tw = (oh + 1) // 2, (ow + 1) // 2
    cols = 2 * tw + 2
    images, rows = strip(stop - start, th, tw, 0)
    size = (2 * rows + 2) * cols * cp
    frames = scratch(x, images * size)
    frames[:] = 0
    out = scratch(x, images * 4 * rows * tw * fp)
    v = scratch(x, 16 * images * rows * tw * cp)
    m = scratch(x, 16 * images * rows * tw * fp)
    in_planes, out_planes = table(lane), table(lane)
    steps(in_planes, h * w)
    steps(out_planes, oh * ow)
    pixels, places_y = table(h * w), table(oh * ow)
    places(places_y, ow, 2 * tw, 0, 0, fp)
    for i in range(start, stop, images):
        here = min(images, stop - i)
        for r in range(0, th, rows):
            up = min(rows, th - r)  # rows of tiles
            count = here * up * tw
            top = 2 * r - pad  # the row of x where the frame begins
            first, last = max(0, top), min(h, top + 2 * up + 2)
            places(pixels, w, cols, -top, pad, cp)
            if rows < th:
                frames[:] = 0
            for k in range(here):
                turn(
                    flat_x,
                    (i + k) * c * h * w,
                    c,
                    h * w,
                    first * w,
                    last * w,
                    in_planes,
                    frames,
                    k * size,
                    pixels,
                )
                for a in range(up):
                    spread_tiles(
                        frames,
                        cols,
                        cp,
                        k * size + 2 * a * cols * cp,
                        tw,
                        v,
                        (k * up + a) * tw,
                        count,
                    )
            for e in range(16):
                product(
                    count,
                    fp // lane,
                    v,
                    e * count * cp,
                    cp,
                    0,
                    1,
                    flat_u,
                    e * c * fp,
                    0,
                    fp,
                    1,
                    c,
                    m,
                    e * count * fp,
                    fp,
                    False,
                )
            for k in range(here):
                f0 = k * 4 * up * tw * fp
                for a in range(up):
                    gather_tiles(
                        m,
                        (k * up + a) * tw,
                        count,
                        tw,
                        fp,
                        bias,
                        relu,
                        out,
                        f0 + 4 * a * tw * fp,
                        2 * tw,
                    )
                y_first, y_last = 2 * r * ow, min(oh, 2 * (r + up)) * ow
                turn_back(
                    out,
                    f0 - 4 * r * tw * fp,
                    f,
                    oh * ow,
                    y_first,
                    y_last,
                    places_y,
                    flat_y,
                    (i + k) * f * oh * ow,
                    out_planes,
                )
