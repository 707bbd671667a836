"""The loops of normalisation: one pass over memory for the sums of all channels, one for the numbers that depend on them.

``x`` is (n, c, l): images by channels by pixels. Threads share the channels when sums are wanted, so that these do not
depend on how many threads there are; a thread goes through memory in its order, whatever it wants to know by channel.

Note [A sum of squares that does not cancel]. The squares are those of differences from a number near the mean: that of the
images before, at first that of a few pixels. Each block is as long as all before it, but for the first: so what a bad guess
of its mean costs in digits is little more than what the distance of the means adds to the variance. Rows are added up in x's own
precision, rows and blocks in double (Chan, Golub & LeVeque, Stanford STAN-CS-79-773).

Note [Few pixels]. Rows shorter than a few vectors are not worth an end each: several channels are one row then, whose sums
are kept by column, that is by channel and pixel.
"""

from __future__ import annotations

from typing import Any

from ..backend import (
    Array,
    Kernel,
    fma,
    helper,
    lanes,
    larger,
    load,
    load_part,
    pick,
    scratch,
    spread,
    store,
    store_part,
    total,
)

BLOCK = 2048  # numbers added up in x's own precision
IMAGES = 128  # the same by column
COLUMNS = 512  # of so many columns, what is kept of them stays in the nearest cache


def channels(x: Array, *_: Any) -> int:
    """What threads share when sums are wanted."""
    return int(x.shape[1])


def planes(x: Array, *_: Any) -> int:
    """What threads share otherwise."""
    return int(x.shape[0] * x.shape[1])


@helper
def merge(count, mean, squares, pixels, one, two, shift):
    """Mean and squared deviations of ``count`` numbers and a block, whose sums, also of squares, are measured from ``shift``."""
    average, share = one * (1 / pixels), pixels / (count + pixels)
    distance = shift + average - mean
    squares += two - one * average + distance * distance * count * share
    return mean + distance * share, squares


# ── rows of pixels ────────────────────────────────────────────────────────────────────────────


@helper
def row_sum(x, at, count):
    """The sum of some neighbours."""
    n = lanes(x)
    sums = 0.0
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        a, b = spread(x, 0.0), spread(x, 0.0)
        for i in range(begin, end, 2 * n):
            a = a + load_part(x, at + i, 0, end - i)
            b = b + load_part(x, at + i + n, 0, end - i - n)
        sums += total(a + b)
    return sums


@helper
def row_moments(x, at, count, shift):
    """The sum of some neighbours, and of their squares, measured from ``shift``."""
    n = lanes(x)
    middle, zero = spread(x, shift), spread(x, 0.0)
    ones, twos = 0.0, 0.0
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        a, b, a2, b2 = zero, zero, zero, zero
        for i in range(begin, end, 2 * n):
            d = pick(x, at + i, 1, 0, end - i, shift) - middle
            e = pick(x, at + i + n, 1, 0, end - i - n, shift) - middle
            a, b, a2, b2 = a + d, b + e, fma(d, d, a2), fma(e, e, b2)
        ones += total(a + b)
        twos += total(a2 + b2)
    return ones, twos


@helper
def scale_row(x, y, at, count, mean, scale, shift, relu):
    """y = (x - mean) scale + shift, if need be rectified."""
    n = lanes(x)
    middle, a, b, zero = spread(x, mean), spread(x, scale), spread(x, shift), spread(x, 0.0)
    for i in range(0, count, n):
        v = fma(load_part(x, at + i, 0, count - i) - middle, a, b)
        if relu:
            v = larger(zero, v, zero, v)
        store_part(y, at + i, 0, count - i, v)


@helper
def row_products(g, x, y, at, count, mean, relu):
    """The sum of some neighbours of g, and of g (x - mean); with ``relu``, g counts where y is positive or NaN."""
    n = lanes(x)
    middle, zero = spread(x, mean), spread(x, 0.0)
    sums, products = 0.0, 0.0
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        a, b = zero, zero
        for i in range(begin, end, n):
            v = load_part(g, at + i, 0, end - i)
            if relu:
                v = larger(load_part(y, at + i, 0, end - i), zero, v, zero)
            a, b = a + v, fma(v, load_part(x, at + i, 0, end - i) - middle, b)
        sums += total(a)
        products += total(b)
    return sums, products


@helper
def combine_row(g, x, y, gx, at, count, mean, by_g, by_x, shift, relu):
    """gx = g by_g + (x - mean) by_x + shift; g as in ``row_products``."""
    n = lanes(x)
    middle, p, q, r = spread(x, mean), spread(x, by_g), spread(x, by_x), spread(x, shift)
    zero = spread(x, 0.0)
    for i in range(0, count, n):
        v = load_part(g, at + i, 0, count - i)
        if relu:
            v = larger(load_part(y, at + i, 0, count - i), zero, v, zero)
        d = load_part(x, at + i, 0, count - i) - middle
        store_part(gx, at + i, 0, count - i, fma(v, p, fma(d, q, r)))


# ── several channels in a vector ──────────────────────────────────────────────────────────────
# ``c`` channels of ``length`` pixels each; ``columns`` holds several vectors of ``size`` numbers, one after the other.


@helper
def spread_columns(numbers, first, last, length, columns, at):
    """Repeat the numbers of some channels for each of their pixels."""
    for k in range(first, last):
        for j in range((k - first) * length, (k - first + 1) * length):
            columns[at + j] = numbers[k]


@helper
def add_columns(columns, at, first, last, length, sums):
    """Add up the columns of each channel."""
    for k in range(first, last):
        one = 0.0
        for j in range((k - first) * length, (k - first + 1) * length):
            one += columns[at + j]
        sums[k] += one


# ── sums ──────────────────────────────────────────────────────────────────────────────────────
# ``mean``, ``var`` and sums are in double precision whatever x is.


@Kernel
def channel_sums(xp, x, sums):
    """The sum over each channel."""
    sums[...] = x.sum((0, 2), dtype=sums.dtype)


@channel_sums.cpu(over=channels)
def _sums_loop(start, stop, x, sums):
    images, c, length = x.shape
    n, flat = lanes(x), x.reshape(x.size)
    sums[start:stop] = 0
    if length >= 4 * n:
        for i in range(images):
            for k in range(start, stop):
                sums[k] += row_sum(flat, (i * c + k) * length, length)
        return
    columns = scratch(x, COLUMNS + 5 * n)
    step = max(COLUMNS // length, 1)
    for first in range(start, stop, step):
        last = min(first + step, stop)
        width = (last - first) * length
        for begin in range(0, images, IMAGES):
            columns[:] = 0
            for i in range(begin, min(begin + IMAGES, images)):
                at = (i * c + first) * length
                for j in range(0, width, n):
                    v = load(columns, j) + load_part(flat, at + j, 0, width - j)
                    store(columns, j, v)
            add_columns(columns, 0, first, last, length, sums)


@Kernel
def channel_statistics(xp, x, mean, var):
    """Mean and biased variance of each channel."""
    mean[...] = x.mean((0, 2), dtype=mean.dtype)
    var[...] = xp.square(x - _by_channel(mean, x)).mean((0, 2), dtype=var.dtype)


@channel_statistics.cpu(over=channels)
def _statistics_loop(start, stop, x, mean, var):
    images, c, length = x.shape
    n, flat = lanes(x), x.reshape(x.size)
    rows = length >= 4 * n
    few = min(max(BLOCK // length, 1) if rows else 8, images)
    some = min(length, BLOCK)
    for k in range(start, stop):
        mean[k], var[k] = 0.0, 0.0
        for i in range(few):
            at = (i * c + k) * length
            if rows:
                mean[k] += row_sum(flat, at, some)
            else:
                for j in range(at, at + length):
                    mean[k] += flat[j]
        mean[k] /= few * some
    size = COLUMNS + 5 * n
    columns = scratch(x, 3 * size)  # what is subtracted; the sums; those of squares
    ones, twos = scratch(mean, c), scratch(mean, c)
    begin = 0
    while begin < images:
        end = min(begin + max(begin, 8 * few), images)
        if not rows:
            end = min(end, begin + IMAGES)
        ones[start:stop] = 0
        twos[start:stop] = 0
        if rows:
            for i in range(begin, end):
                for k in range(start, stop):
                    shift = x.dtype.type(mean[k])
                    one, two = row_moments(flat, (i * c + k) * length, length, shift)
                    ones[k] += one
                    twos[k] += two
        else:
            step = max(COLUMNS // length, 1)
            for first in range(start, stop, step):
                last = min(first + step, stop)
                width = (last - first) * length
                columns[:] = 0
                spread_columns(mean, first, last, length, columns, 0)
                for i in range(begin, end):
                    at = (i * c + first) * length
                    for j in range(0, width, n):
                        d = load_part(flat, at + j, 0, width - j) - load(columns, j)
                        store(columns, size + j, load(columns, size + j) + d)
                        store(columns, 2 * size + j, fma(d, d, load(columns, 2 * size + j)))
                add_columns(columns, size, first, last, length, ones)
                add_columns(columns, 2 * size, first, last, length, twos)
        pixels = (end - begin) * length
        for k in range(start, stop):
            shift = x.dtype.type(mean[k])
            mean[k], var[k] = merge(
                begin * length, mean[k], var[k], pixels, ones[k], twos[k], shift
            )
        begin = end
    for k in range(start, stop):
        var[k] /= images * length


@Kernel
def channel_products(xp, g, x, y, mean, relu, sums, products):
    """Over each channel the sum of g and of g (x - mean); with ``relu``, g counts where y is positive or NaN."""
    if relu:
        g = xp.where(y <= 0, g.dtype.type(0), g)
    sums[...] = g.sum((0, 2), dtype=sums.dtype)
    products[...] = (g * (x - _by_channel(mean, x))).sum((0, 2), dtype=sums.dtype)


@channel_products.cpu(over=channels)
def _products_loop(start, stop, g, x, y, mean, relu, sums, products):
    images, c, length = x.shape
    n, flat_g, flat_x, flat_y = lanes(x), g.reshape(g.size), x.reshape(x.size), y.reshape(y.size)
    sums[start:stop] = 0
    products[start:stop] = 0
    if length >= 4 * n:
        for i in range(images):
            for k in range(start, stop):
                at = (i * c + k) * length
                one, two = row_products(flat_g, flat_x, flat_y, at, length, mean[k], relu)
                sums[k] += one
                products[k] += two
        return
    zero = spread(x, 0.0)
    size = COLUMNS + 5 * n
    columns = scratch(x, 3 * size)  # the means; the sums; the products
    step = max(COLUMNS // length, 1)
    for first in range(start, stop, step):
        last = min(first + step, stop)
        width = (last - first) * length
        for begin in range(0, images, IMAGES):
            columns[:] = 0
            spread_columns(mean, first, last, length, columns, 0)
            for i in range(begin, min(begin + IMAGES, images)):
                at = (i * c + first) * length
                for j in range(0, width, n):
                    v = load_part(flat_g, at + j, 0, width - j)
                    if relu:
                        v = larger(load_part(flat_y, at + j, 0, width - j), zero, v, zero)
                    d = load_part(flat_x, at + j, 0, width - j) - load(columns, j)
                    store(columns, size + j, load(columns, size + j) + v)
                    store(columns, 2 * size + j, fma(v, d, load(columns, 2 * size + j)))
            add_columns(columns, size, first, last, length, sums)
            add_columns(columns, 2 * size, first, last, length, products)


# ── numbers that depend on them ───────────────────────────────────────────────────────────────


def _by_channel(v: Array, like: Array) -> Array:
    return v.astype(like.dtype)[:, None]


@Kernel
def channel_affine(xp, x, mean, scale, shift, relu, y):
    """y = (x - mean) scale + shift, by channel; with ``relu``, max(y, 0)."""
    xp.subtract(x, _by_channel(mean, x), out=y)
    y *= _by_channel(scale, x)
    y += _by_channel(shift, x)
    if relu:
        xp.maximum(y, 0, out=y)


@channel_affine.cpu(over=planes)
def _affine_loop(start, stop, x, mean, scale, shift, relu, y):
    c, length = x.shape[1:]
    n, flat_x, flat_y = lanes(x), x.reshape(x.size), y.reshape(y.size)
    if length >= 4 * n:
        for plane in range(start, stop):
            k = plane % c
            scale_row(flat_x, flat_y, plane * length, length, mean[k], scale[k], shift[k], relu)
        return
    zero = spread(x, 0.0)
    size = COLUMNS + 5 * n
    columns = scratch(x, 3 * size)
    step = max(COLUMNS // length, 1)
    for group in range(0, c, step):
        end = min(group + step, c)
        spread_columns(mean, group, end, length, columns, 0)
        spread_columns(scale, group, end, length, columns, size)
        spread_columns(shift, group, end, length, columns, 2 * size)
        for i in range(start // c, (stop - 1) // c + 1):
            first, last = max(group, start - i * c), min(end, stop - i * c)
            at, width = (i * c + first) * length, (last - first) * length
            skip = (first - group) * length
            for j in range(0, width, n):
                v = load_part(flat_x, at + j, 0, width - j) - load(columns, skip + j)
                v = fma(v, load(columns, size + skip + j), load(columns, 2 * size + skip + j))
                if relu:
                    v = larger(zero, v, zero, v)
                store_part(flat_y, at + j, 0, width - j, v)


@Kernel
def channel_combine(xp, g, x, y, mean, by_g, by_x, shift, relu, gx):
    """gx = g by_g + (x - mean) by_x + shift, by channel; g as in ``channel_products``."""
    if relu:
        g = xp.where(y <= 0, g.dtype.type(0), g)
    xp.multiply(g, _by_channel(by_g, x), out=gx)
    gx += (x - _by_channel(mean, x)) * _by_channel(by_x, x)
    gx += _by_channel(shift, x)


@channel_combine.cpu(over=planes)
def _combine_loop(start, stop, g, x, y, mean, by_g, by_x, shift, relu, gx):
    c, length = x.shape[1:]
    n, flat_g, flat_x = lanes(x), g.reshape(g.size), x.reshape(x.size)
    flat_y, flat_gx = y.reshape(y.size), gx.reshape(gx.size)
    if length >= 4 * n:
        for plane in range(start, stop):
            k = plane % c
            combine_row(
                flat_g, flat_x, flat_y, flat_gx, plane * length, length,
                mean[k], by_g[k], by_x[k], shift[k], relu,
            )  # fmt: skip
        return
    zero = spread(x, 0.0)
    size = COLUMNS + 5 * n
    columns = scratch(x, 4 * size)
    step = max(COLUMNS // length, 1)
    for group in range(0, c, step):
        end = min(group + step, c)
        spread_columns(mean, group, end, length, columns, 0)
        spread_columns(by_g, group, end, length, columns, size)
        spread_columns(by_x, group, end, length, columns, 2 * size)
        spread_columns(shift, group, end, length, columns, 3 * size)
        for i in range(start // c, (stop - 1) // c + 1):
            first, last = max(group, start - i * c), min(end, stop - i * c)
            at, width = (i * c + first) * length, (last - first) * length
            skip = (first - group) * length
            for j in range(0, width, n):
                v = load_part(flat_g, at + j, 0, width - j)
                if relu:
                    v = larger(load_part(flat_y, at + j, 0, width - j), zero, v, zero)
                d = load_part(flat_x, at + j, 0, width - j) - load(columns, skip + j)
                d = fma(d, load(columns, 2 * size + skip + j), load(columns, 3 * size + skip + j))
                v = fma(v, load(columns, size + skip + j), d)
                store_part(flat_gx, at + j, 0, width - j, v)
