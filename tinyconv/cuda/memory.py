"""How much memory of a GPU is in use.

Tensors get their memory from a pool, to which it comes back: *allocated* is what tensors hold, *reserved* what the pool
holds of the device. Sizes are multiples of 512 bytes. Without a GPU all of it is 0.
"""

from __future__ import annotations

from typing import Any

from . import door
from .devices import is_initialized


def _usage(device: Any) -> Any:
    return door.part("memory").usage(door.index_of(device))


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors hold."""
    return int(_usage(device).used) if is_initialized() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The most that tensors held since the start, or since ``reset_peak_memory_stats()``."""
    return int(_usage(device).used_peak) if is_initialized() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that are held of the device, for tensors of now and later."""
    return int(door.part("memory").reserved(door.index_of(device))) if is_initialized() else 0


def max_memory_reserved(device: Any = None) -> int:
    """The most that was held of the device since the start, or since ``reset_peak_memory_stats()``."""
    memory_reserved(device)
    return int(_usage(device).reserved_peak) if is_initialized() else 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let the figures that begin with ``max`` start anew, from what is in use."""
    if is_initialized():
        door.part("memory").reset_peaks(door.index_of(device))


def empty_cache() -> None:
    """Give memory that no tensor holds back to the device."""
    if is_initialized():
        door.part("memory").release()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of the device that are free, and those that it has, whoever uses them."""
    free, total = door.cupy().cuda.Device(door.index_of(device)).mem_info
    return int(free), int(total)


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Take no more than a part of the device's memory; to ask for more is an ``OutOfMemoryError``.

    Raises:
        ValueError: ``fraction`` is not between 0 and 1.
    """
    if not isinstance(fraction, float):
        raise TypeError(f"Invalid type for fraction argument, must be `float`\nGot {fraction!r}.")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    with door.cupy().cuda.Device(door.index_of(device)) as chosen:
        limit = int(fraction * chosen.mem_info[1])
        door.cupy().get_default_memory_pool().set_limit(size=limit)


def memory_stats(device: Any = None) -> dict[str, int]:
    """All figures, under torch's names; empty if no GPU was used yet."""
    if not is_initialized():
        return {}
    reserved, usage = memory_reserved(device), _usage(device)
    stats = {
        "allocated_bytes.all.current": usage.used,
        "allocated_bytes.all.peak": usage.used_peak,
        "allocated_bytes.all.allocated": usage.allocated,
        "allocated_bytes.all.freed": usage.allocated - usage.used,
        "allocation.all.current": usage.blocks,
        "allocation.all.peak": usage.blocks_peak,
        "allocation.all.allocated": usage.blocks_ever,
        "allocation.all.freed": usage.blocks_ever - usage.blocks,
        "reserved_bytes.all.current": reserved,
        "reserved_bytes.all.peak": usage.reserved_peak,
        "inactive_split_bytes.all.current": 0,
        "num_alloc_retries": usage.retries,
        "num_ooms": usage.failures,
    }
    active = {
        k.replace("allocated_bytes", "active_bytes", 1): v
        for k, v in stats.items()
        if k.startswith("allocated_bytes")
    }
    return dict(sorted((stats | active).items()))


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The figures as a table; empty if no GPU was used yet."""
    stats = memory_stats(device)
    if not stats:
        return ""
    in_units = door.part("memory").in_units
    lines = [f"Memory of cuda:{door.index_of(device)}", f"{'':<12}{'now':>14}{'most':>14}"]
    for name, key in (("allocated", "allocated_bytes"), ("reserved", "reserved_bytes")):
        now, most = (stats[f"{key}.all.{k}"] for k in ("current", "peak"))
        lines.append(f"{name:<12}{in_units(now):>14}{in_units(most):>14}")
    if not abbreviated:
        now, most = (stats[f"allocation.all.{k}"] for k in ("current", "peak"))
        lines.append(f"{'blocks':<12}{now:>14}{most:>14}")
        lines.append(
            f"Out of memory {stats['num_ooms']} times; made room {stats['num_alloc_retries']} times."
        )
    return "\n".join(lines)
