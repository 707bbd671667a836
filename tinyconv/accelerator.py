"""The device that calculates faster than the CPU, whatever its kind: a GPU, or none."""

from __future__ import annotations

from typing import Any

from .cuda import current_device as current_device_index
from .cuda import device_count, is_available, synchronize
from .cuda import set_device as set_device_index
from .dtypes import device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "is_available",
    "set_device_index",
    "synchronize",
]


def current_accelerator(check_available: bool = False) -> Any:
    """Return the kind of the device, or None where there is none.

    Args:
        check_available: there for torch's sake; what cannot be used is never returned

    >>> import tinyconv as tc
    >>> device = tc.accelerator.current_accelerator() or tc.device("cpu")
    """
    return device("cuda") if is_available() else None
