"""How batches lie in memory, and as what kernels see them.

On the CPU a batch lies as its shape reads, (n, c, h, w). On a GPU its channels may also lie side by side, as (n, h, w, c).
Kernels see neither: a loop over channels is given (n, c, l), where side by side means (n h w, c, 1), as if each pixel were
an image of its own; a loop over planes is given (n c, h, w), or (n, h, w, c), whose elements are short vectors.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..backend import XP, Array, backend_of, empty
from ..shapes import Ints


def is_last(x: Array) -> bool:
    """Tell whether (n, c, *) lies in memory as (n, *, c) without gaps, and not as its shape reads."""
    return x.ndim > 2 and not x.flags.c_contiguous and bool(_turned(x).flags.c_contiguous)


def settled(x: Array) -> tuple[Array, bool]:
    """``x`` if the kernels of its device take it as it lies, else a copy; and whether its channels are last in memory."""
    if x.flags.c_contiguous:
        return x, False
    if backend_of(x).launch_types and is_last(x):
        return x, True
    return x.copy(order="C"), False


def alike(g: Array, last: bool) -> Array:
    """``g`` (n, c, *) with its channels ``last`` in memory, or as its shape reads."""
    if (_turned(g) if last else g).flags.c_contiguous:
        return g
    copy = empty_batch(XP[type(g)], g.shape, g.dtype, last)
    copy[...] = g
    return copy


def empty_batch(xp: Any, shape: Ints, dtype: Any, last: bool) -> Array:
    """Memory for (n, c, *), with the channels ``last`` in it or as the shape reads."""
    if not last:
        return empty(xp, shape, dtype)
    n, c, *rest = shape
    return xp.moveaxis(xp.empty((n, *rest, c), dtype), -1, 1)


def rows(x: Array, last: bool) -> Array:
    """(n, c, *) as (n, c, l); with the channels ``last`` in memory as (n l, c, 1)."""
    n, c, *rest = x.shape
    length = prod(rest)
    return _turned(x).reshape(n * length, c, 1) if last else x.reshape(n, c, length)


def planes(x: Array, last: bool) -> Array:
    """(n, c, h, w) as (n c, h, w); with the channels ``last`` in memory as (n, h, w, c)."""
    n, c, h, w = x.shape
    return _turned(x) if last else x.reshape(n * c, h, w)


def _turned(x: Array) -> Array:
    return x.transpose(0, *range(2, x.ndim), 1)
