"""Memory of large arrays, kept for the next ones.

A training step allocates the same arrays again and again. The C library gives large blocks back to the system at once, and
takes them anew as pages of zeros, which costs as much as a pass over them. Here a block comes back to a list when the
last view of it is gone, which is what the array's ``base`` is for: nobody can hold memory that is given out again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from math import prod
from typing import Any

import numpy

from .base import Array, backend_of
from .parallel import SERIAL, multiply

LARGE = 1 << 18  # bytes: smaller arrays come from the C library's own lists
SLACK = 1 << 25  # bytes that may lie idle beyond the largest amount ever in use at once
_LINE = 64  # bytes of a cache line, which a vector should not cross


class _Block(numpy.ndarray[Any, Any]):
    """Some bytes. A type of its own: NumPy makes the base of a base the base if that is an ordinary array."""


class _Lease(numpy.ndarray[Any, Any]):
    """A block in use. Arrays made on it have it as their base; when it dies the block is idle again."""

    def __del__(self) -> None:
        _store.give_back(self.base)


class _Store:
    """The idle blocks by size, the oldest first, and how many bytes are where."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a lease may die while its own thread is in here
        self.idle: OrderedDict[int, list[_Block]] = OrderedDict()
        self.idle_bytes = self.used_bytes = self.peak_bytes = 0

    def take(self, size: int) -> _Block:
        with self.lock:
            self.used_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.used_bytes)
            blocks = self.idle.get(size)
            if blocks:
                self.idle_bytes -= size
                return blocks.pop()
            while self.idle and self.used_bytes + self.idle_bytes > self.peak_bytes + SLACK:
                other, blocks = next(iter(self.idle.items()))
                if blocks:
                    blocks.pop()
                    self.idle_bytes -= other
                if not blocks:
                    del self.idle[other]
        return _Block(size, numpy.uint8)

    def give_back(self, block: Any) -> None:
        with self.lock:
            size = block.nbytes
            self.used_bytes -= size
            self.idle_bytes += size
            self.idle.setdefault(size, []).append(block)
            self.idle.move_to_end(size)


_store = _Store()


def empty(xp: Any, shape: Any, dtype: Any) -> Array:
    """``xp.empty(shape, dtype)``; if it is large, in memory that an array before it has left."""
    size = prod(shape) * numpy.dtype(dtype).itemsize
    if size < LARGE or xp is not numpy:
        return xp.empty(shape, dtype)
    block = _store.take(size + _LINE)
    return numpy.ndarray(shape, dtype, block.view(_Lease), -block.ctypes.data % _LINE)


def empty_like(xp: Any, x: Array, dtype: Any = None) -> Array:
    """An array of the shape of ``x``, in its order in memory if it has no gaps."""
    if x.flags.c_contiguous:
        return empty(xp, x.shape, dtype or x.dtype)
    return xp.empty_like(x, dtype)


def flat(*arrays: Array) -> tuple[Array, ...] | None:
    """Views of one dimension in the order of memory; None if arrays have gaps or not the same order."""
    if all(a.flags.c_contiguous for a in arrays):
        return tuple([a.reshape(-1) for a in arrays])
    strides = arrays[0].strides
    order = sorted(range(len(strides)), key=strides.__getitem__, reverse=True)
    turned = [a.transpose(order) for a in arrays]
    if all(a.flags.c_contiguous for a in turned):
        return tuple([a.reshape(-1) for a in turned])
    return None


def is_whole(array: Array) -> bool:
    """Tell whether an array is all of its memory, and no view of another."""
    return array.base is None or type(array.base) is _Lease


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """``a @ b``, of vectors, matrices or batches of matrices; written to ``out`` if that is given."""
    if type(a) is not numpy.ndarray:
        return backend_of(a).product(a, b, out)  # type: ignore[misc]  # all but NumPy's have one
    columns = b.shape[-1]
    if a.size * columns <= SERIAL or not a.ndim == b.ndim == 2 or a.dtype.char not in "fd":
        return numpy.matmul(a, b, out)
    y = empty(numpy, (len(a), columns), a.dtype) if out is None else out
    multiply(a, b, y)
    return y
