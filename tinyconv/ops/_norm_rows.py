"""What the loops of normalisation are made of: sums and scaling of a row of pixels, and of several channels in a vector."""

from __future__ import annotations

from ..backend import (
    fma,
    helper,
    lanes,
    larger,
    load_part,
    pick,
    spread,
    store_part,
    total,
)

BLOCK = 2048  # numbers added up in x's own precision


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
