"""Page-locked memory of the host, from which the GPU copies by itself while the host goes on.

CuPy keeps freed blocks of it in a pool, and an array in it alive until the copies from it are done. So a loader that pins
one batch after the other goes round two or three blocks, and never refills one that is still being read.
"""

from __future__ import annotations

from typing import Any

import cupy
import cupyx
import numpy


def pin(array: Any) -> Any:
    """A copy of a NumPy array in page-locked memory."""
    if not array.size:
        return array
    pinned = cupyx.empty_pinned(array.shape, array.dtype)
    numpy.copyto(pinned, array)
    return pinned


def is_pinned(array: Any) -> bool:
    """Tell whether a NumPy array lies in page-locked memory."""
    return bool(array.size and cupy.cuda.pinned_memory.is_memory_pinned(array.ctypes.data))


def upload(array: Any, non_blocking: bool = False) -> Any:
    """Copy a NumPy array to the GPU, in the order of the current stream; the caller may then write to it.

    Ordinary memory CuPy first copies to page-locked memory of its own, so nobody waits. Page-locked memory the GPU
    reads itself, so that the host waits for it, unless it promises not to write there (``non_blocking``).
    """
    return cupy.asarray(array, blocking=not non_blocking and is_pinned(array))
