"""Which array library holds the numbers. Below ``creation`` nothing else names numpy, cupy or numba."""

from ._numpy import hush, restore
from .base import XP, Array, Backend, backend_of, cuda_unavailable, get_backend
from .kernel import Kernel, helper, instruction, jit_enabled
from .parallel import get_num_threads, set_num_threads, share, share_products
from .vector import (
    lanes,
    load,
    positive,
    product_tile,
    scratch,
    spread,
    store,
    table,
    transpose_tile,
)

__all__ = [
    "XP",
    "Array",
    "Backend",
    "Kernel",
    "backend_of",
    "cuda_unavailable",
    "get_backend",
    "get_num_threads",
    "helper",
    "hush",
    "instruction",
    "jit_enabled",
    "lanes",
    "load",
    "positive",
    "product_tile",
    "restore",
    "scratch",
    "set_num_threads",
    "share",
    "share_products",
    "spread",
    "store",
    "table",
    "transpose_tile",
]
