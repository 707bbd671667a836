"""The transforms of Winograd's convolution, as matrices and as vector code.

For F(m x m, 3x3) a tile of m x m outputs is ``A' [(G g G') * (B' d B)] A`` of t x t inputs d, t = m + 2. The matrices
follow from t - 1 numbers: two polynomials are multiplied by multiplying their values there. For m = 2 these are 0, 1, -1.
For m = 4 the usual 0, 1, -1, 2, -2 lose two digits; with 0, a, -a, 1/a, -1/a and a the root of 1/2 the error is a third or
a quarter: 1e-6 of the largest value at 64 channels, 4e-6 at 512, in single precision.

Each transform is one over columns and then over rows, which meet in ``e``, a few vectors of scratch memory.

Sources: Lavin & Gray, arXiv 1509.09308; the choice of points: Barabasz et al., arXiv 1803.10986.
"""

from __future__ import annotations

from math import sqrt

from ...backend import helper, lanes, larger, load, positive, scratch, spread, store

P, Q = sqrt(0.5), sqrt(2.0)

B = {  # rows of B'
    2: ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
    4: (
        (1, 0, -2.5, 0, 1, 0),
        (0, -2 * P, -2, P, 1, 0),
        (0, 2 * P, -2, -P, 1, 0),
        (0, -Q / 2, -0.5, Q, 1, 0),
        (0, Q / 2, -0.5, -Q, 1, 0),
        (0, 1, 0, -2.5, 0, 1),
    ),
}
G = {
    2: ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    4: (
        (1, 0, 0),
        (-2 / 3, -2 / 3 * P, -1 / 3),
        (-2 / 3, 2 / 3 * P, -1 / 3),
        (1 / 6, Q / 6, 1 / 3),
        (1 / 6, -Q / 6, 1 / 3),
        (0, 0, 1),
    ),
}
A = {  # rows of A
    2: ((1, 0), (1, 1), (1, -1), (0, 1)),
    4: (
        (1, 0, 0, 0),
        (1, P, 0.5, P / 2),
        (1, -P, 0.5, -P / 2),
        (1, Q, 2, 2 * Q),
        (1, -Q, 2, -2 * Q),
        (0, 0, 0, 1),
    ),
}


# ── one dimension ─────────────────────────────────────────────────────────────────────────────
# On vectors, so that nothing is counted or copied. ``x`` is an array of their type.


@helper
def spread2(d0, d1, d2, d3):
    """B' d."""
    return d0 - d2, d1 + d2, d2 - d1, d3 - d1


@helper
def gather2(m0, m1, m2, m3):
    """A' m."""
    return m0 + m1 + m2, m1 - m2 + m3


@helper
def expand2(y0, y1):
    """A y."""
    return y0, y0 + y1, y0 - y1, y1


@helper
def spread4(x, d0, d1, d2, d3, d4, d5):
    """B' d."""
    two, half, more = spread(x, 2.0), spread(x, 0.5), spread(x, 2.5)
    a, b = d4 - two * d2, spread(x, P) * (d3 - two * d1)
    c, d = d4 - half * d2, spread(x, Q) * (d3 - half * d1)
    return d0 - more * d2 + d4, a + b, a - b, c + d, c - d, d1 - more * d3 + d5


@helper
def gather4(x, m0, m1, m2, m3, m4, m5):
    """A' m."""
    two, half = spread(x, 2.0), spread(x, 0.5)
    a, b = m1 + m2, m3 + m4
    c, d = spread(x, P) * (m1 - m2), spread(x, Q) * (m3 - m4)
    return m0 + a + b, c + d, half * a + two * b, half * c + two * d + m5


@helper
def expand4(x, y0, y1, y2, y3):
    """A y."""
    two, half = spread(x, 2.0), spread(x, 0.5)
    a, b = y0 + half * y2, spread(x, P) * (y1 + half * y3)
    c, d = y0 + two * y2, spread(x, Q) * (y1 + two * y3)
    return y0, a + b, a - b, c + d, c - d, y3


@helper
def filter2(x, g0, g1, g2):
    """G g."""
    half = spread(x, 0.5)
    a, b = half * (g0 + g2), half * g1
    return g0, a + b, a - b, g2


@helper
def filter4(x, g0, g1, g2):
    """G g."""
    two, half = spread(x, 2.0), spread(x, 0.5)
    third, sixth = spread(x, -2 / 3), spread(x, 1 / 6)
    a, b = third * (g0 + half * g2), spread(x, -2 / 3 * P) * g1
    c, d = sixth * (g0 + two * g2), spread(x, Q / 6) * g1
    return g0, a + b, a - b, c + d, c - d, g2


@helper
def unfilter2(x, u0, u1, u2, u3):
    """G' u."""
    half = spread(x, 0.5)
    a, b = half * (u1 + u2), half * (u1 - u2)
    return u0 + a, b, a + u3


@helper
def unfilter4(x, u0, u1, u2, u3, u4, u5):
    """G' u."""
    two, half = spread(x, 2.0), spread(x, 0.5)
    third, sixth = spread(x, -2 / 3), spread(x, 1 / 6)
    a, b = third * (u1 + u2), sixth * (u3 + u4)
    c, d = spread(x, -2 / 3 * P) * (u1 - u2), spread(x, Q / 6) * (u3 - u4)
    return u0 + a + b, c + d, half * a + two * b + u5


# ── tiles ─────────────────────────────────────────────────────────────────────────────────────


@helper
def spread_tiles(m, frame, row, line, c, v, to, step, tw, e):
    """B' d B of the ``tw`` tiles of one row: v[(r s), tile, c], ``step`` from one (r s) to the next."""
    n = lanes(v)
    for j in range(tw):
        k = 0
        while k < c:
            at, here = row + m * j * c + k, to + j * c + k
            if m == 2:
                for s in range(4):
                    p = at + s * c
                    a0, a1, a2, a3 = spread2(
                        load(frame, p), load(frame, p + line), load(frame, p + 2 * line), load(frame, p + 3 * line)
                    )  # fmt: skip
                    p = s * n
                    store(e, p, a0)
                    store(e, p + 4 * n, a1)
                    store(e, p + 8 * n, a2)
                    store(e, p + 12 * n, a3)
                for r in range(4):
                    p, q = 4 * r * n, here + 4 * r * step
                    a0, a1, a2, a3 = spread2(
                        load(e, p), load(e, p + n), load(e, p + 2 * n), load(e, p + 3 * n)
                    )
                    store(v, q, a0)
                    store(v, q + step, a1)
                    store(v, q + 2 * step, a2)
                    store(v, q + 3 * step, a3)
            else:
                for s in range(6):
                    p = at + s * c
                    a0, a1, a2, a3, a4, a5 = spread4(
                        v, load(frame, p), load(frame, p + line), load(frame, p + 2 * line),
                        load(frame, p + 3 * line), load(frame, p + 4 * line), load(frame, p + 5 * line),
                    )  # fmt: skip
                    p = s * n
                    store(e, p, a0)
                    store(e, p + 6 * n, a1)
                    store(e, p + 12 * n, a2)
                    store(e, p + 18 * n, a3)
                    store(e, p + 24 * n, a4)
                    store(e, p + 30 * n, a5)
                for r in range(6):
                    p, q = 6 * r * n, here + 6 * r * step
                    a0, a1, a2, a3, a4, a5 = spread4(
                        v, load(e, p), load(e, p + n), load(e, p + 2 * n),
                        load(e, p + 3 * n), load(e, p + 4 * n), load(e, p + 5 * n),
                    )  # fmt: skip
                    store(v, q, a0)
                    store(v, q + step, a1)
                    store(v, q + 2 * step, a2)
                    store(v, q + 3 * step, a3)
                    store(v, q + 4 * step, a4)
                    store(v, q + 5 * step, a5)
            k += n


@helper
def gather_tiles(m, u, at, step, tw, f, bias, relu, pool, frame, row, line, e):
    """A' u A + bias of one row of tiles, m x m pixels each, or half as many with ``pool``: the largest of each 2x2."""
    n = lanes(u)
    for j in range(tw):
        k = 0
        while k < f:
            here, shift = at + j * f + k, load(bias, k)
            if m == 2:
                for s in range(4):
                    p = here + s * step
                    a0, a1 = gather2(
                        load(u, p), load(u, p + 4 * step), load(u, p + 8 * step), load(u, p + 12 * step)
                    )  # fmt: skip
                    store(e, s * n, a0)
                    store(e, (4 + s) * n, a1)
                for r in range(2):
                    p = 4 * r * n
                    a0, a1 = gather2(
                        load(e, p), load(e, p + n), load(e, p + 2 * n), load(e, p + 3 * n)
                    )
                    store(e, 2 * r * n, a0 + shift)
                    store(e, (2 * r + 1) * n, a1 + shift)
            else:
                for s in range(6):
                    p = here + s * step
                    a0, a1, a2, a3 = gather4(
                        u, load(u, p), load(u, p + 6 * step), load(u, p + 12 * step),
                        load(u, p + 18 * step), load(u, p + 24 * step), load(u, p + 30 * step),
                    )  # fmt: skip
                    store(e, s * n, a0)
                    store(e, (6 + s) * n, a1)
                    store(e, (12 + s) * n, a2)
                    store(e, (18 + s) * n, a3)
                for r in range(4):
                    p = 6 * r * n
                    a0, a1, a2, a3 = gather4(
                        u, load(e, p), load(e, p + n), load(e, p + 2 * n),
                        load(e, p + 3 * n), load(e, p + 4 * n), load(e, p + 5 * n),
                    )  # fmt: skip
                    store(e, 4 * r * n, a0 + shift)
                    store(e, (4 * r + 1) * n, a1 + shift)
                    store(e, (4 * r + 2) * n, a2 + shift)
                    store(e, (4 * r + 3) * n, a3 + shift)
            if pool:
                half = m // 2
                for r in range(half):
                    for s in range(half):
                        p = (2 * r * m + 2 * s) * n
                        best, v = load(e, p), load(e, p + n)
                        best = larger(v, best, v, best)
                        v = load(e, p + m * n)
                        best = larger(v, best, v, best)
                        v = load(e, p + (m + 1) * n)
                        best = larger(v, best, v, best)
                        if relu:
                            best = positive(best)
                        store(frame, row + r * line + (j * half + s) * f + k, best)
            else:
                for r in range(m):
                    for s in range(m):
                        v = load(e, (r * m + s) * n)
                        if relu:
                            v = positive(v)
                        store(frame, row + r * line + (j * m + s) * f + k, v)
            k += n


@helper
def expand_tiles(m, frame, row, line, f, tw, u, to, step, e):
    """A y A' of the m x m pixels of each tile of one row: the transpose of ``gather_tiles``."""
    n = lanes(u)
    for j in range(tw):
        k = 0
        while k < f:
            at, here = row + m * j * f + k, to + j * f + k
            if m == 2:
                for s in range(2):
                    p = at + s * f
                    a0, a1, a2, a3 = expand2(load(frame, p), load(frame, p + line))
                    store(e, s * n, a0)
                    store(e, (2 + s) * n, a1)
                    store(e, (4 + s) * n, a2)
                    store(e, (6 + s) * n, a3)
                for r in range(4):
                    p, q = 2 * r * n, here + 4 * r * step
                    a0, a1, a2, a3 = expand2(load(e, p), load(e, p + n))
                    store(u, q, a0)
                    store(u, q + step, a1)
                    store(u, q + 2 * step, a2)
                    store(u, q + 3 * step, a3)
            else:
                for s in range(4):
                    p = at + s * f
                    a0, a1, a2, a3, a4, a5 = expand4(
                        u, load(frame, p), load(frame, p + line), load(frame, p + 2 * line), load(frame, p + 3 * line)
                    )  # fmt: skip
                    store(e, s * n, a0)
                    store(e, (4 + s) * n, a1)
                    store(e, (8 + s) * n, a2)
                    store(e, (12 + s) * n, a3)
                    store(e, (16 + s) * n, a4)
                    store(e, (20 + s) * n, a5)
                for r in range(6):
                    p, q = 4 * r * n, here + 6 * r * step
                    a0, a1, a2, a3, a4, a5 = expand4(
                        u, load(e, p), load(e, p + n), load(e, p + 2 * n), load(e, p + 3 * n)
                    )  # fmt: skip
                    store(u, q, a0)
                    store(u, q + step, a1)
                    store(u, q + 2 * step, a2)
                    store(u, q + 3 * step, a3)
                    store(u, q + 4 * step, a4)
                    store(u, q + 5 * step, a5)
            k += n


# ── filters ───────────────────────────────────────────────────────────────────────────────────


@helper
def transform_filters(m, g, length, u, to, step):
    """G g G' of ``length`` filters side by side: g[(a b), filter] to u[(r s), filter]."""
    n = lanes(u)
    e = scratch(u, 18 * n)
    k = 0
    while k < length:
        for b in range(3):
            x, y, z = (
                load(g, b * length + k),
                load(g, (3 + b) * length + k),
                load(g, (6 + b) * length + k),
            )
            if m == 2:
                a0, a1, a2, a3 = filter2(u, x, y, z)
                store(e, b * n, a0)
                store(e, (3 + b) * n, a1)
                store(e, (6 + b) * n, a2)
                store(e, (9 + b) * n, a3)
            else:
                a0, a1, a2, a3, a4, a5 = filter4(u, x, y, z)
                store(e, b * n, a0)
                store(e, (3 + b) * n, a1)
                store(e, (6 + b) * n, a2)
                store(e, (9 + b) * n, a3)
                store(e, (12 + b) * n, a4)
                store(e, (15 + b) * n, a5)
        for r in range(m + 2):
            q = to + k + r * (m + 2) * step
            x, y, z = load(e, 3 * r * n), load(e, (3 * r + 1) * n), load(e, (3 * r + 2) * n)
            if m == 2:
                a0, a1, a2, a3 = filter2(u, x, y, z)
                store(u, q, a0)
                store(u, q + step, a1)
                store(u, q + 2 * step, a2)
                store(u, q + 3 * step, a3)
            else:
                a0, a1, a2, a3, a4, a5 = filter4(u, x, y, z)
                store(u, q, a0)
                store(u, q + step, a1)
                store(u, q + 2 * step, a2)
                store(u, q + 3 * step, a3)
                store(u, q + 4 * step, a4)
                store(u, q + 5 * step, a5)
        k += n


@helper
def transform_filters_back(m, u, at, step, parts, f, g, to, e):
    """G' u G of ``f`` filters side by side, summed over ``parts`` of u[part, (r s), ...]: g[(a b), filter]."""
    n, t = lanes(u), m + 2
    k = 0
    while k < f:
        for s in range(t):
            for r in range(t):
                p = at + k + (r * t + s) * step
                total = load(u, p)
                for part in range(1, parts):
                    total = total + load(u, p + part * t * t * step)
                store(e, (18 + r) * n, total)
            w0, w1, w2, w3 = load(e, 18 * n), load(e, 19 * n), load(e, 20 * n), load(e, 21 * n)
            if m == 2:
                x, y, z = unfilter2(u, w0, w1, w2, w3)
            else:
                x, y, z = unfilter4(u, w0, w1, w2, w3, load(e, 22 * n), load(e, 23 * n))
            store(e, s * n, x)
            store(e, (t + s) * n, y)
            store(e, (2 * t + s) * n, z)
        for a in range(3):
            p, q = a * t * n, to + 3 * a * f + k
            w0, w1, w2, w3 = load(e, p), load(e, p + n), load(e, p + 2 * n), load(e, p + 3 * n)
            if m == 2:
                x, y, z = unfilter2(u, w0, w1, w2, w3)
            else:
                x, y, z = unfilter4(u, w0, w1, w2, w3, load(e, p + 4 * n), load(e, p + 5 * n))
            store(g, q, x)
            store(g, q + f, y)
            store(g, q + 2 * f, z)
        k += n
