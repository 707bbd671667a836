"""The loops of softmax, its logarithm and the cross entropy: a row is read from memory once, then from the cache.

``x``, ``y`` and gradients are (n, c), a row of scores each, or (n, c, k), where the scores of a row are k apart; results
by row are (n,) or (n, k).
"""

from __future__ import annotations

from math import inf, log, prod
from typing import Any

from ..backend import (
    Array,
    Kernel,
    blocks,
    exponential,
    helper,
    lanes,
    largest,
    load_part,
    maximum,
    pick,
    spread,
    store_part,
    total,
)

BLOCK = 2048  # numbers added up in x's own precision
SHORT = 1024  # a longer row takes a whole block of a GPU, as in the `.cu` file


def as_rows(x: Array, axis: int) -> Array:
    """A view of what `dense` gives with the scores along ``axis`` in rows, (n, c) or (n, c, k).

    A scalar is a row of one.
    """
    if not x.ndim:
        return x.reshape(1, 1)
    c, last = x.shape[axis], _axis_last(x, axis)
    if last.flags.c_contiguous:
        return last.reshape(prod(last.shape[:-1]), c)
    return x.reshape(prod(x.shape[:axis]), c, prod(x.shape[axis + 1 :]))


def dense(xp: Any, x: Array, axis: int) -> Array:
    """``x`` itself if scores along ``axis`` are next to each other or evenly spaced in memory, else a copy."""
    if x.flags.c_contiguous or _axis_last(x, axis).flags.c_contiguous:
        return x
    return xp.ascontiguousarray(x)


def _axis_last(x: Array, axis: int) -> Array:
    if axis == x.ndim - 1:
        return x
    return x.transpose([*range(axis), *range(axis + 1, x.ndim), axis])


def _in_rows(x, *_):
    return x.ndim == 2


def _grid(x: Array) -> tuple[int, tuple[int, int, int]]:
    """How many blocks, and what kernels ask about rows: how many, how long, how far apart their numbers are."""
    n, c = x.shape[:2]
    k = x.shape[2] if x.ndim == 3 else 1
    n *= k
    return blocks(n) if k > 1 else blocks(32 * n) if c <= SHORT else n, (n, c, k)


def _plan(x: Array, *others: Array) -> tuple[int, tuple[Any, ...]]:
    grid, about = _grid(x)
    return grid, (x, *others, *about)


@helper
def row_top(x, at, count):
    """The largest of some neighbours; NaN need not be seen here, as it will be in the sum."""
    n = lanes(x)
    a, b = spread(x, -inf), spread(x, -inf)
    for i in range(0, count, 2 * n):
        a = maximum(pick(x, at + i, 1, 0, count - i, -inf), a)
        b = maximum(pick(x, at + i + n, 1, 0, count - i - n, -inf), b)
    return largest(maximum(a, b))


@helper
def row_exponentials(x, at, count, top, y):
    """The sum of the exponentials of x - top; into y go they themselves, unless it is empty."""
    n = lanes(x)
    middle = spread(x, top)
    sums = 0.0
    for begin in range(0, count, BLOCK):
        part = spread(x, 0.0)
        for i in range(begin, min(begin + BLOCK, count), n):
            v = exponential(pick(x, at + i, 1, 0, count - i, -inf) - middle)
            part = part + v
            if y.size:
                store_part(y, at + i, 0, count - i, v)
        sums += total(part)
    return sums


@Kernel
def softmax_rows(xp, x, y):
    """y = e^x / sum e^x."""
    xp.exp(x - x.max(1, keepdims=True), out=y)
    y /= y.sum(1, keepdims=True)


@softmax_rows.cpu(when=_in_rows)
def _softmax_loop(start, stop, x, y):
    c, n = x.shape[1], lanes(x)
    flat_x, flat_y = x.reshape(x.size), y.reshape(y.size)
    for r in range(start, stop):
        at = r * c
        sums = row_exponentials(flat_x, at, c, row_top(flat_x, at, c), flat_y)
        factor = spread(x, 1 / sums)
        for i in range(0, c, n):
            store_part(flat_y, at + i, 0, c - i, load_part(flat_y, at + i, 0, c - i) * factor)


@Kernel
def log_softmax_rows(xp, x, y):
    """y = x - ln sum e^x."""
    xp.subtract(x, x.max(1, keepdims=True), out=y)
    y -= xp.log(xp.exp(y).sum(1, keepdims=True))


@log_softmax_rows.cpu(when=_in_rows)
def _log_softmax_loop(start, stop, x, y):
    c, n = x.shape[1], lanes(x)
    flat_x, flat_y = x.reshape(x.size), y.reshape(y.size)
    for r in range(start, stop):
        at = r * c
        top = row_top(flat_x, at, c)
        rest = spread(x, log(row_exponentials(flat_x, at, c, top, flat_y[:0])))
        middle = spread(x, top)
        for i in range(0, c, n):
            v = load_part(flat_x, at + i, 0, c - i) - middle - rest
            store_part(flat_y, at + i, 0, c - i, v)


@Kernel
def softmax_rows_backward(xp, g, y, gx):
    """gx = y (g - sum g y)."""
    gx[...] = y * (g - (g * y).sum(1, keepdims=True))


@softmax_rows_backward.cpu(when=_in_rows)
def _softmax_backward_loop(start, stop, g, y, gx):
    c, n = g.shape[1], lanes(g)
    flat_g, flat_y, flat_gx = g.reshape(g.size), y.reshape(y.size), gx.reshape(gx.size)
    for r in range(start, stop):
        at = r * c
        sums = 0.0
        for begin in range(0, c, BLOCK):
            part = spread(g, 0.0)
            for i in range(begin, min(begin + BLOCK, c), n):
                v = load_part(flat_g, at + i, 0, c - i) * load_part(flat_y, at + i, 0, c - i)
                part = part + v
            sums += total(part)
        whole = spread(g, sums)
        for i in range(0, c, n):
            v = load_part(flat_g, at + i, 0, c - i) - whole
            store_part(flat_gx, at + i, 0, c - i, v * load_part(flat_y, at + i, 0, c - i))


@Kernel
def log_softmax_rows_backward(xp, g, y, gx):
    """gx = g - e^y sum g."""
    gx[...] = g - xp.exp(y) * g.sum(1, keepdims=True)


@log_softmax_rows_backward.cpu(when=_in_rows)
def _log_softmax_backward_loop(start, stop, g, y, gx):
    c, n = g.shape[1], lanes(g)
    flat_g, flat_y, flat_gx = g.reshape(g.size), y.reshape(y.size), gx.reshape(gx.size)
    for r in range(start, stop):
        at = r * c
        sums = 0.0
        for begin in range(0, c, BLOCK):
            part = spread(g, 0.0)
            for i in range(begin, min(begin + BLOCK, c), n):
                part = part + load_part(flat_g, at + i, 0, c - i)
            sums += total(part)
        whole = spread(g, sums)
        for i in range(0, c, n):
            v = exponential(load_part(flat_y, at + i, 0, c - i)) * whole
            store_part(flat_gx, at + i, 0, c - i, load_part(flat_g, at + i, 0, c - i) - v)


for _kernel in (softmax_rows, log_softmax_rows, softmax_rows_backward, log_softmax_rows_backward):
    _kernel.cuda(_plan)


@Kernel
def class_losses(xp, x, target, weight, ignored, at, w, top, loss):
    """Where the score of its class is in each row, its weight, what it is measured from, and ``w (top - x_at)``.

    ``weight`` of the classes is 1 if empty; a target that is ``ignored`` has none.
    """
    at[...] = xp.where(target == ignored, 0, target)
    w[...] = xp.where(target == ignored, 0, weight[at] if weight.size else 1)
    most = x.max(1) if len(x) else top
    top[...] = xp.log(xp.exp(x - most[:, None]).sum(1)) + most
    loss[...] = xp.where(w == 0, 0, w * (top - xp.take_along_axis(x, at[:, None], 1)[:, 0]))


@class_losses.cpu(when=_in_rows)
def _class_losses_loop(start, stop, x, target, weight, ignored, at, w, top, loss):
    c = x.shape[1]
    flat = x.reshape(x.size)
    for r in range(start, stop):
        most = row_top(flat, r * c, c)
        top[r] = log(row_exponentials(flat, r * c, c, most, flat[:0])) + most
        t = target[r]
        at[r], w[r], loss[r] = 0, 0.0, 0.0
        if t == ignored:
            continue
        at[r] = t
        w[r] = weight[t] if weight.size else 1.0
        if w[r] != 0:
            loss[r] = w[r] * (top[r] - x[r, t])


@class_losses.cuda
def _class_losses_cuda(x, target, weight, ignored, at, w, top, loss):
    grid, about = _grid(x)
    return grid, (x, target, weight, weight.size, ignored, at, w, top, loss, *about)


@Kernel
def class_gradients(xp, x, at, scale, top, gx):
    """gx = scale (softmax(x) - 1 at the class)."""
    at, scale = at[:, None], scale[:, None]
    xp.exp(x - top[:, None], out=gx)
    gx *= scale
    xp.put_along_axis(gx, at, xp.take_along_axis(gx, at, 1) - scale, 1)


@class_gradients.cpu(when=_in_rows)
def _class_gradients_loop(start, stop, x, at, scale, top, gx):
    c, n = x.shape[1], lanes(x)
    flat_x, flat_gx = x.reshape(x.size), gx.reshape(gx.size)
    for r in range(start, stop):
        middle, factor = spread(x, top[r]), spread(x, scale[r])
        for i in range(r * c, (r + 1) * c, n):
            end = (r + 1) * c - i
            v = exponential(load_part(flat_x, i, 0, end) - middle)
            store_part(flat_gx, i, 0, end, v * factor)
        gx[r, at[r]] -= scale[r]


class_gradients.cuda(_plan)
