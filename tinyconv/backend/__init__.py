"""Which array library holds the numbers. Below ``creation`` nothing else names numpy, cupy or numba."""

from .base import XP, Array, Backend, backend_of, cuda_unavailable, get_backend
from ._numpy import hush, restore
from .kernel import Kernel, jit_enabled, prange
from .parallel import share

__all__ = [
    "XP",
    "Array",
    "Backend",
    "Kernel",
    "backend_of",
    "cuda_unavailable",
    "get_backend",
    "jit_enabled",
    "hush",
    "prange",
    "restore",
    "share",
]
