"""Which array library holds the numbers. Below ``creation`` nothing else names numpy, cupy or numba."""

from ._numpy import hush, restore
from .base import XP, Array, Backend, backend_of, cuda_unavailable, get_backend
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
    "hush",
    "jit_enabled",
    "prange",
    "restore",
    "share",
]
