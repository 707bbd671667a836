"""Where an array is."""

from __future__ import annotations

from ..dtypes import device
from .base import Array, backend_of


def place_of(array: Array) -> device:
    """The device that holds an array."""
    backend = backend_of(array)
    return device(backend.name, backend.index(array))


def is_at(array: Array, where: device) -> bool:
    """Tell whether an array is on a device; ``cuda`` is any GPU."""
    backend = backend_of(array)
    if backend.name != where.type:
        return False
    index = backend.index(array)  # None on the CPU, which is cpu:0 too
    return index is None or where.index in (None, index)
