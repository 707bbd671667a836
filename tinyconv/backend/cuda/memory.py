"""Memory of the GPU: CuPy's pools, with a count of the bytes in use and of the most that ever were.

CuPy asks an allocator for memory. Ours asks the one that was set before, CuPy's pool unless the user chose another, and
notes what is given out; a lease notes when it comes back.
"""

from __future__ import annotations

import gc
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import cupy

from ...errors import OutOfMemoryError


@dataclass
class Usage:
    """Bytes and blocks of one device; ``used_peak`` and ``reserved_peak`` since they were last reset."""

    used: int = 0
    used_peak: int = 0
    reserved_peak: int = 0
    allocated: int = 0  # bytes in all, ever
    blocks: int = 0
    blocks_peak: int = 0
    blocks_ever: int = 0
    retries: int = 0  # how often idle memory was given back to make room
    failures: int = 0


_usage: defaultdict[int, Usage] = defaultdict(Usage)
_lock = threading.RLock()  # a lease may end while its own thread is in here


class _Lease:
    """Memory that is in use as long as this lives."""

    __slots__ = ("memory", "pool", "usage")

    def __init__(self, memory: Any, usage: Usage, pool: Any) -> None:
        self.memory, self.usage = memory, usage
        self.pool = pool  # a pool that is gone has taken its memory along
        size = memory.size
        with _lock:
            usage.used += size
            usage.allocated += size
            usage.blocks += 1
            usage.blocks_ever += 1
            usage.used_peak = max(usage.used_peak, usage.used)
            usage.blocks_peak = max(usage.blocks_peak, usage.blocks)

    def __del__(self) -> None:
        with _lock:
            self.usage.used -= self.memory.size
            self.usage.blocks -= 1
        self.memory = None


def counted(malloc: Callable[[int], Any]) -> Callable[[int], Any]:
    """An allocator that asks ``malloc`` and counts what it gives."""

    def allocate(size: int) -> Any:
        try:
            pointer = malloc(size)
        except cupy.cuda.memory.OutOfMemoryError:
            pointer = _at_the_limit(malloc, size)
        if not size:
            return pointer
        device = pointer.device_id
        lease = _Lease(pointer.mem, _usage[device], malloc)
        memory = cupy.cuda.UnownedMemory(pointer.ptr, pointer.mem.size, lease, device)
        return cupy.cuda.MemoryPointer(memory, 0)

    return allocate


def _at_the_limit(malloc: Callable[[int], Any], size: int) -> Any:
    """Once more, with all that lies idle in any pool given back; what is in a cycle of references, too."""
    usage = _usage[cupy.cuda.Device().id]
    usage.retries += 1
    gc.collect()
    release()
    try:
        return malloc(size)
    except cupy.cuda.memory.OutOfMemoryError:
        usage.failures += 1
        raise _too_much(size) from None


def _too_much(size: int) -> OutOfMemoryError:
    device = cupy.cuda.Device()
    free, total = device.mem_info
    return OutOfMemoryError(
        f"CUDA out of memory. Tried to allocate {in_units(size)}. GPU {device.id} has a total capacity of "
        f"{in_units(total)} of which {in_units(free)} is free; {in_units(usage(device.id).used)} is in use by "
        f"tensors and {in_units(reserved(device.id))} reserved by tinyconv.",
        "Make the batch smaller, compute under tinyconv.no_grad() where no gradient is wanted, use "
        "tinyconv.autocast, or drop tensors that are no longer needed: a list of losses keeps all that they were made "
        "of, unless loss.item() or loss.detach() is kept.",
    )


def in_units(size: int) -> str:
    """A number of bytes, readable.

    >>> in_units(3 << 29)
    '1.50 GiB'
    """
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f} {unit}"
    return f"{size} bytes"


# ── pools ─────────────────────────────────────────────────────────────────────────────────────


class Pool:
    """Memory for the arrays of a CUDA graph, which nobody else gets: their addresses are part of it."""

    def __init__(self) -> None:
        self._pool = cupy.cuda.MemoryPool()
        self.malloc = counted(self._pool.malloc)
        _pools.add(self)

    def release(self) -> None:
        """Give idle blocks back to the device. Not while a graph lives: what it works on is idle between launches."""
        self._pool.free_all_blocks()

    def total_bytes(self) -> int:
        """The bytes it holds on the current device."""
        return int(self._pool.total_bytes())


_pools: WeakSet[Pool] = WeakSet()


def install() -> None:
    """Count what CuPy gives out from now on."""
    cupy.cuda.set_allocator(counted(cupy.cuda.get_allocator()))


def usage(device: int) -> Usage:
    """The counts of a device."""
    return _usage[device]


def reserved(device: int) -> int:
    """Bytes that the pools hold of a device, in use or not."""
    with cupy.cuda.Device(device):
        held = cupy.get_default_memory_pool().total_bytes() + sum(p.total_bytes() for p in _pools)
    counts = _usage[device]
    counts.reserved_peak = max(counts.reserved_peak, held)
    return int(held)


def release() -> None:
    """Give memory that lies idle back to the device; that of graphs stays."""
    reserved(cupy.cuda.Device().id)  # a peak, perhaps
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()


def reset_peaks(device: int) -> None:
    """Let the peaks begin anew, from what is in use."""
    counts = _usage[device]
    counts.used_peak, counts.blocks_peak, counts.reserved_peak = counts.used, counts.blocks, 0
