"""Which version this is, and of CUDA if there is a GPU."""

from __future__ import annotations

from typing import Any

from .cuda import door, is_available

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``cuda`` is found when it is asked for: nothing else needs a look at the GPU."""
    if name != "cuda":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not is_available():
        return None
    number = door.cupy().cuda.runtime.runtimeGetVersion()
    return f"{number // 1000}.{number % 1000 // 10}"
