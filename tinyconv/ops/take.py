"""Slices of one axis, picked by an array of integers."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..backend import Array, Kernel, blocks
from ..shapes import Shape
from ._order import in_order
from .reduce import _wide


@Kernel
def add_slices(xp, g, index, out):
    """``out[a, index[i], b] += g[a, i, b]``."""
    xp.add.at(out, (slice(None), index), g)


@add_slices.cpu
def _add_slices(start, stop, g, index, out):
    for a in range(start, stop):
        for i in range(g.shape[1]):
            for b in range(g.shape[2]):
                out[a, index[i], b] += g[a, i, b]


@add_slices.cuda
def _add_slices_cuda(g, index, out):
    lead, rows, trail = out.shape
    g = g if g.flags.c_contiguous else g.copy()
    return blocks(g.size), (g, in_order(index), out, index.size, rows, lead, trail)


@op
class Take(Function):
    """``y[..., i, ...] = x[..., index[i], ...]``; ``index`` may have any shape."""

    axis: int
    index: Array

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        return x.take(self.index, self.axis)

    def backward(self, g: Any) -> Any:
        return (PutBack(self.axis, self.index, self.source)(g),)


@op
class PutBack(Function):
    """Add each slice to where :class:`Take` found it: its transpose."""

    axis: int
    index: Array
    shape: Shape

    def forward(self, g: Array) -> Array:
        lead, trail = prod(self.shape[: self.axis]), prod(self.shape[self.axis + 1 :])
        out = self.xp.zeros((lead, self.shape[self.axis], trail), _wide(g))
        slices = self.xp.ascontiguousarray(g, _wide(g)).reshape(lead, self.index.size, trail)
        add_slices(slices, self.index.ravel(), out)
        return out.reshape(self.shape).astype(g.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return (Take(self.axis, self.index)(g),)
