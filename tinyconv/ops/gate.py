"""ReLU and its derivative, which lets a gradient pass where a value is positive: one pass over memory each."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import (
    Array,
    Kernel,
    blocks,
    empty_like,
    flat,
    lanes,
    larger,
    load_part,
    spread,
    store_part,
)
from ..dtypes import FLOATS


@Kernel
def rectify(xp, x, y):
    """y = x where x > 0 or x is NaN, and -0 where it is that, else 0."""
    xp.copyto(y, x)
    y[x < 0] = 0


@rectify.cpu
def _rectify_loop(start, stop, x, y):
    zero = spread(x, 0.0)
    for i in range(start, stop, lanes(x)):
        v = load_part(x, i, 0, stop - i)
        store_part(y, i, 0, stop - i, larger(zero, v, zero, v))


@rectify.cuda
def _rectify_cuda(x, y):
    return blocks(x.size), (x, y, x.size)


@Kernel
def pass_positive(xp, g, y, gx):
    """gx = g where y > 0 or y is NaN, else 0 (not g * 0, which would be NaN for an infinite g)."""
    gx[...] = xp.where(y <= 0, g.dtype.type(0), g)


@pass_positive.cpu
def _pass_loop(start, stop, g, y, gx):
    zero = spread(g, 0.0)
    for i in range(start, stop, lanes(g)):
        v = larger(load_part(y, i, 0, stop - i), zero, load_part(g, i, 0, stop - i), zero)
        store_part(gx, i, 0, stop - i, v)


@pass_positive.cuda
def _pass_cuda(g, y, gx):
    return blocks(g.size), (g, y, gx, g.size)


def rectified(xp: Any, x: Array) -> Array:
    """The larger of x and 0."""
    if x.dtype not in FLOATS:
        return xp.maximum(x, x.dtype.type(0))
    y = empty_like(xp, x)
    rows = flat(x, y)
    if rows is None:
        rectify.definition(xp, x, y)
    else:
        rectify(*rows)
    return y


@op
class Gate(Function):
    label = "ThresholdBackwardBackward0"

    def forward(self, g: Array, y: Array) -> Array:
        self.save(None, y)
        gx = empty_like(self.xp, y, g.dtype)
        rows = flat(g, y, gx) if g.dtype == y.dtype else None
        if rows is None:
            pass_positive.definition(self.xp, g, y, gx)
        else:
            pass_positive(*rows)
        return gx

    def backward(self, gg: Any) -> Any:
        _, y = self.saved
        return Gate()(gg, y) if self.needs[0] else None, None


def gate(g: Any, y: Any) -> Any:
    """``g`` where ``y`` is positive, else 0."""
    return Gate()(g, y)
