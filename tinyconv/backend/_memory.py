"""Keep the memory of large arrays for the next ones.

A training step allocates the same arrays again and again. The C library gives every block of more than 32 MB back to the
system at once, and takes it anew as pages of zeros, which costs as much as a pass over it. Told to keep freed memory, it
serves the next step from its own lists: nothing to look after, no array that could be used twice.
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt(3)


def keep_freed_memory() -> bool:
    """Ask glibc to keep up to 2 GB that are freed; False if this is another C library or ``TINYCONV_KEEP=0``."""
    if os.environ.get("TINYCONV_KEEP", "1") == "0" or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    limit = (1 << 31) - 1
    return bool(mallopt(_MMAP_THRESHOLD, limit) and mallopt(_TRIM_THRESHOLD, limit))
