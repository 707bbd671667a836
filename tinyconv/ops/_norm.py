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
    XP,
    Array,
    Kernel,
    fma,
    lanes,
    larger,
    load,
    load_part,
    scratch,
    spread,
    store,
    store_part,
)
from ._norm_rows import (
    BLOCK,
    add_columns,
    combine_row,
    merge,
    row_moments,
    row_products,
    row_sum,
    scale_row,
    spread_columns,
)

IMAGES = 128  # numbers of a column added up in x's own precision
COLUMNS = 512  # of so many columns, what is kept of them stays in the nearest cache


def channels(x: Array, *_: Any) -> int:
    """What threads share when sums are wanted."""
    return int(x.shape[1])


def planes(x: Array, *_: Any) -> int:
    """What threads share otherwise."""
    return int(x.shape[0] * x.shape[1])


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


# ── whole steps ───────────────────────────────────────────────────────────────────────────────
# On the CPU made of the loops above. A GPU takes two kernels for each: one looks at all pixels and notes what it finds in
# some `parts` of them, the other adds up the parts and goes over the pixels again; no host waits for either.

BLOCKS = 512  # about as many as fit on a large GPU at a time
SECTOR = 32  # bytes of memory that come together


def shares(x: Array) -> tuple[tuple[int, int], tuple[int, ...]]:
    """How blocks share (n, c, l): groups of channels by parts of the pixels; n, c, l, and how many of either are in one."""
    n, c, length = x.shape
    width = 1
    while length == 1 and width < min(c, SECTOR // x.itemsize):
        width *= 2
    groups, lines, pixels = -(-c // width), 256 // width, n * length
    parts = max(min(BLOCKS // max(groups, 1), pixels // (8 * lines)), 1)
    span = max(-(-pixels // (parts * lines)), 1) * lines
    return (groups, max(-(-pixels // span), 1)), (n, c, length, width, span)


def _pieces(xp: Any, x: Array) -> list[Array]:
    """The pixels of all channels, (c, n l), in the parts that blocks take."""
    (_, parts), (n, c, length, _, span) = shares(x)
    pixels = xp.moveaxis(x, 1, 0).reshape(c, n * length)
    return [pixels[:, i * span : (i + 1) * span] for i in range(parts)]


@Kernel
def moment_parts(xp, x, parts):
    """Of each channel in each part of the pixels: the mean, and the sum of squared distances from it."""
    for (mean, squares), piece in zip(parts, _pieces(xp, x), strict=True):
        mean[...] = piece.mean(1, dtype=parts.dtype)
        squares[...] = xp.square(piece - mean[:, None]).sum(1)


@moment_parts.cuda
def _moment_parts_cuda(x, parts):
    grid, sizes = shares(x)
    return grid, (x, parts, *sizes)


@Kernel
def product_parts(xp, g, x, y, mean, parts):
    """Of each channel in each part of the pixels: the sum of g and, given an x, of g (x - mean); given a y, where that is positive."""
    if y is not None:
        g = xp.where(y <= 0, g.dtype.type(0), g)
    for (sums, products), *pieces in zip(
        parts, *(_pieces(xp, a) for a in (g, x) if a is not None), strict=True
    ):
        sums[...] = pieces[0].sum(1, dtype=parts.dtype)
        if x is not None:
            products[...] = (pieces[0] * (pieces[1] - mean[:, None])).sum(1)


@product_parts.cuda
def _product_parts_cuda(g, x, y, mean, parts):
    grid, sizes = shares(g)
    return grid, (g, *_pointers(x, y, mean), parts, *sizes)


@channel_sums.cuda
def _sums_cuda(x, sums):
    (groups, count), (_, c, _, width, _) = shares(x)
    parts = XP[type(x)].empty((count, 2, c))
    product_parts(x, None, None, None, parts)
    return groups, (parts, count, sums, sums.itemsize, c, width)


@Kernel
def normalise(
    xp, x, w, b, running_mean, running_var, momentum, batches, eps, relu, fixed, mean, rstd, y
):
    """y = (x - mean) rstd w + b, with the statistics of the batch, or if these are ``fixed`` the running ones.

    Those of the batch move the running ones by ``momentum``, or by one over the number of ``batches``. Also fills the
    mean and one over the standard deviation. Any of w, b and the running statistics may be None.
    """
    if fixed:
        mean[...], rstd[...] = running_mean, running_var
    else:
        channel_statistics(x, mean, rstd)
        count = x.size // len(mean)
        share = momentum if batches is None else 1 / batches
        spread = rstd * (count / max(count - 1, 1))  # without bias
        for running, value in (running_mean, mean), (running_var, spread):
            if running is not None:
                running[...] = running * (1 - share) + value * share
    rstd[...] = 1 / xp.sqrt(rstd + eps)
    shift = xp.zeros(mean.shape, x.dtype) if b is None else b
    channel_affine(x, mean, rstd if w is None else rstd * w, shift, relu, y)


@normalise.cuda
def _normalise_cuda(
    x, w, b, running_mean, running_var, momentum, batches, eps, relu, fixed, mean, rstd, y
):
    grid, sizes = shares(x)
    parts = None
    if not fixed:
        parts = XP[type(x)].empty((grid[1], 2, len(mean)))
        moment_parts(x, parts)
    return grid, (
        x, *_pointers(parts, w, b), _itemsize(w), _itemsize(b), *_pointers(running_mean, running_var),
        _itemsize(running_mean, running_var), float(momentum), *_pointers(batches), float(eps), int(relu), mean, rstd, y,
        *sizes,
    )  # fmt: skip


@Kernel
def normalise_back(xp, g, x, y, w, mean, rstd, fixed, gx, gw, gb):
    """The gradients of ``normalise``, those of them that are not None; given a y, the output, g counts where that is positive."""
    relu, outs = y is not None, g if y is None else y
    sums, products = xp.empty((2, *mean.shape))
    if not (fixed and gw is None and gb is None):
        channel_products(g, x, outs, mean, relu, sums, products)
    if gx is not None:
        scale = rstd if w is None else rstd * w
        by_x = shift = xp.zeros(mean.shape)
        if not fixed:
            shift = scale / -(x.shape[0] * x.shape[2])
            by_x, shift = shift * rstd * rstd * products, shift * sums
        channel_combine(g, x, outs, mean, scale, by_x, shift, relu, gx)
    if gw is not None:
        gw[...] = products * rstd
    if gb is not None:
        gb[...] = sums


@normalise_back.cuda
def _normalise_back_cuda(g, x, y, w, mean, rstd, fixed, gx, gw, gb):
    grid, sizes = shares(x)
    parts = None
    if not (fixed and gw is None and gb is None):
        parts = XP[type(x)].empty((grid[1], 2, len(mean)))
        product_parts(g, x, y, mean, parts)
    return (grid[0], grid[1] if gx is not None else 1), (
        g, x, *_pointers(y, parts), grid[1], *_pointers(w), _itemsize(w), mean, rstd, int(fixed),
        *_pointers(gx, gw, gb), _itemsize(gb), *sizes,
    )  # fmt: skip


def _pointers(*arrays: Array | None) -> list[Any]:
    """What a kernel is given for arrays: a null pointer for those that are missing, a copy of one to read that has gaps."""
    return [0 if a is None else a if a.flags.c_contiguous else a.copy(order="C") for a in arrays]


def _itemsize(*arrays: Array | None) -> int:
    """Bytes of a number of these, which are of one type."""
    return next((a.itemsize for a in arrays if a is not None), 0)
