"""What the direct and Winograd convolutions share: images turned channels-last in cache, and products of small matrices.

Activations are (n, c, h, w) in memory, which is what everybody else wants. A convolution turns the few images it works on
around, into ``frames`` (m, rows, cols, c) that stay in the second-level cache, so that a vector holds neighbouring
channels whatever the width of the image, and turns the result back. Turning costs two loads and two stores per number;
the product in between some hundred multiplications.
"""

from __future__ import annotations

from ...backend import helper, lanes, product_tile, registers, transpose_tile

WORK = 32  # passes over the input that a convolution takes as long as, at least


@helper
def product(m, v, a, a0, ai, ak, al, b, b0, bk, bl, k, q, y, y0, yi, add):
    """``y[i, j] (+)= sum over k, q of a[i, k, q] b[k, q, j]`` for ``i < m`` and ``v`` vectors of ``j``.

    Tiles are as large as the registers allow, 12 sums of 16 or 24 of 32; what is left over goes in smaller ones.
    """
    n = lanes(y)
    j = 0
    while j < v:
        i, bj, yj = 0, b0 + j * n, y0 + j * n
        if v - j >= 4 and registers() >= 32:
            while i + 6 <= m:
                product_tile(
                    6, 4, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 6
            while i + 2 <= m:
                product_tile(
                    2, 4, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 2
            if i < m:
                product_tile(
                    1, 4, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
            j += 4
        elif v - j >= 2:
            while i + 6 <= m:
                product_tile(
                    6, 2, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 6
            while i + 4 <= m:
                product_tile(
                    4, 2, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 4
            while i < m:
                product_tile(
                    1, 2, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 1
            j += 2
        else:
            while i + 12 <= m:
                product_tile(
                    12, 1, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 12
            while i + 4 <= m:
                product_tile(
                    4, 1, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 4
            while i < m:
                product_tile(
                    1, 1, a, a0 + i * ai, ai, ak, al, b, bj, bk, bl, k, q, y, yj + i * yi, yi, add
                )
                i += 1
            j += 1


# ── frames ────────────────────────────────────────────────────────────────────────────────────
# A frame holds some rows of a padded image, channels-last: pixel (i, j) of an image lies in row i zh + ph of the padded
# one and in column j zw + pw. A zoom of more than one leaves zeros between pixels: so the input gradient of a convolution
# with a stride is one without.


@helper
def places(pixels, w, zh, zw, top, left, cols, c):
    """``pixels[p]``: where pixel p of an image of width ``w`` begins, ``c`` numbers a pixel and ``cols`` pixels a row."""
    for p in range(len(pixels)):
        pixels[p] = ((p // w * zh + top) * cols + p % w * zw + left) * c


@helper
def steps(rows, size):
    """``rows[i] = i size``."""
    for i in range(len(rows)):
        rows[i] = i * size


@helper
def inside(first, rows, h, zh, ph):
    """The rows of an image that fall into rows ``first`` to ``first + rows`` of the padded one."""
    low = max(0, -((ph - first) // zh))
    high = (first + rows - 1 - ph) // zh + 1
    return min(low, h), max(min(low, h), min(h, high))


@helper
def turn(x, x0, c, length, first, last, planes, frame, f0, pixels):
    """Pixels ``first`` to ``last`` of an image (c, length), which begins at ``x0``, channels-last into a frame at ``f0``."""
    n = lanes(x)
    whole = c - c % n if last - first >= n else 0
    for k in range(0, whole, n):
        p = first
        while p < last:
            p = min(p, last - n)  # the last square may overlap the one before
            transpose_tile(x, x0 + k * length + p, planes, 0, frame, f0 + k, pixels, p)
            p += n
    for k in range(whole, c):
        for p in range(first, last):
            frame[f0 + pixels[p] + k] = x[x0 + k * length + p]


@helper
def turn_back(frame, f0, c, length, first, last, pixels, x, x0, planes):
    """The inverse: pixels ``first`` to ``last`` of a frame back to an image (c, length)."""
    n = lanes(x)
    whole = c - c % n if last - first >= n else 0
    for k in range(0, whole, n):
        p = first
        while p < last:
            p = min(p, last - n)
            transpose_tile(frame, f0 + k, pixels, p, x, x0 + k * length + p, planes, 0)
            p += n
    for k in range(whole, c):
        for p in range(first, last):
            x[x0 + k * length + p] = frame[f0 + pixels[p] + k]


def padded_frame(xp, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, zh, zw):
    """Whole images in frames, with their zoom ``zh zw``, on whole arrays: all that ``oh ow`` outputs meet, and perhaps more."""
    n, c, h, w = x.shape
    rows = max((oh - 1) * sh + (kh - 1) * dh + 1, h * zh + ph)
    cols = max((ow - 1) * sw + (kw - 1) * dw + 1, w * zw + pw)
    padded = xp.zeros((n, c, rows, cols), x.dtype)
    padded[:, :, ph : ph + h * zh : zh, pw : pw + w * zw : zw] = x
    return padded


def finish_whole(xp, tall, relu, pool, y):
    """What follows a convolution, on whole arrays: ``relu`` cuts at 0, ``pool`` takes the largest of each 2x2."""
    if relu:
        tall = xp.where(tall <= 0, tall.dtype.type(0), tall)
    if pool:
        n, f, oh, ow = y.shape
        squares = tall[:, :, : 2 * oh, : 2 * ow].reshape(n, f, oh, 2, ow, 2)
        tall = squares.max((3, 5))
    y[...] = tall
