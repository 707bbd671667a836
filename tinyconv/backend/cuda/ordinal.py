"""Which of several GPUs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import cupy

from ...errors import DeviceError


def at(index: int | None) -> Any:
    """A context in which the GPU of this number is the current one; ``None`` is the one that is.

    Raises:
        DeviceError: there is none of this number.
    """
    if index is None:
        return nullcontext()
    count = cupy.cuda.runtime.getDeviceCount()
    if index >= count:
        there = "is one GPU, cuda:0" if count == 1 else f"are {count}, cuda:0 to cuda:{count - 1}"
        raise DeviceError(
            "CUDA error: invalid device ordinal", f"cuda:{index} is not there: there {there}."
        )
    return cupy.cuda.Device(index)
