"""Questions about GPUs, under PyTorch's names."""

from __future__ import annotations

from . import generator
from .backend import cuda_unavailable, get_backend


def is_available() -> bool:
    """Tell whether ``.to('cuda')`` will work.

    >>> import tinyconv as tc
    >>> device = tc.device('cuda' if tc.cuda.is_available() else 'cpu')
    """
    return not cuda_unavailable()


def why_unavailable() -> str:
    """Why CUDA cannot be used and what mends it; empty if it can."""
    return cuda_unavailable()


def device_count() -> int:
    """The number of GPUs."""
    return int(get_backend("cuda").xp.cuda.runtime.getDeviceCount()) if is_available() else 0


def synchronize() -> None:
    """Wait until the GPU has done all that it was told."""
    get_backend("cuda").synchronize()


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the GPU; without one, nothing."""
    manual_seed_all(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the random numbers of all GPUs; they are drawn from the one default stream, if there is a GPU."""
    if is_available():
        generator.current().manual_seed(seed)


def empty_cache() -> None:
    """Give unused memory back to the GPU; without one, nothing."""
    if is_available():
        get_backend("cuda").xp.get_default_memory_pool().free_all_blocks()


def memory_allocated() -> int:
    """Bytes in use on the GPU; 0 without one."""
    return (
        int(get_backend("cuda").xp.get_default_memory_pool().used_bytes()) if is_available() else 0
    )
