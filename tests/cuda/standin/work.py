"""What a device is asked to do, in which order, and in what memory; the same is done again by a graph."""

from __future__ import annotations

import ctypes
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

stats: Counter[str] = Counter()  # launches, syncs, h2d, d2h; and launches of kernels by their names


class Capture:
    """A CUDA graph in the making: what was asked for, to be done again at each launch.

    A GPU does nothing while it is captured. Here all is done at once, so that shapes and values are right, and
    undone at the end.
    """

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.work: list[Callable[[], Any]] = []
        self.before: list[tuple[np.ndarray[Any, Any], Any]] = []  # what was written to, its content
        self.broken = ""
        self.branches: set[Any] = set()  # other streams that have joined
        self.reads: set[int] = set()
        self.writes: set[int] = set()

    def used(self, reads: set[int], writes: set[int]) -> None:
        self.reads |= reads
        self.writes |= writes

    def undo(self) -> None:
        for memory, content in reversed(self.before):
            memory[...] = content
        self.before.clear()


capture: list[Capture] = []  # of the current stream, if it is capturing


def on_stream(work: Callable[[], Any], writes: Any = (), reads: Any = ()) -> Any:
    """Do something on the device; while a stream is captured, note what, and what memory it changes."""
    used(reads, writes)
    if capture:
        capture[-1].before += [(m, m.copy()) for m in map(bare, writes)]
        capture[-1].work.append(work)
    return work()


def wait(what: str) -> None:
    """Something that makes the host wait for the device."""
    if capture:
        capture[-1].broken = what
        raise CUDARuntimeError(
            f"cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing ({what})"
        )
    stats["syncs"] += 1
    seen()


# ── memory ────────────────────────────────────────────────────────────────────────────────────


class Bytes(np.ndarray[Any, Any]):
    """A type of its own: NumPy skips a base that is an ordinary array in favour of the base of that."""


class Held(np.ndarray[Any, Any]):
    """Bytes of the device: what the arrays made on them have as their base."""

    pointer: Any = None  # a MemoryPointer; the bytes are given back when it dies


allocate: list[Callable[[int], Any]] = []  # the last is the current allocator; `runtime` sets it


def memory_at(address: int, size: int) -> np.ndarray[Any, Any]:
    """The bytes at an address, which somebody else keeps alive."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def holder(host: Any) -> Any:
    """The bytes that an array lies in; None if they are not the device's."""
    while host is not None and type(host) is not Held:
        host = getattr(host, "base", None)
    return host


def bare(host: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers, as a kernel sees them: by address, whoever owns the memory by then."""

    address = SimpleNamespace(__array_interface__={**host.__array_interface__})
    return np.asarray(address).view(host.dtype)


NO_LAUNCH = {"empty", "empty_like"}
SMALL = 1 << 20  # bytes: of more, only the beginning is filled
launching: list[str] = []  # the function whose results are put into memory


def placed(host: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in memory of the device."""
    pointer = allocate[-1](max(host.nbytes, 1))
    held = memory_at(pointer.ptr, max(host.nbytes, 1)).view(Bytes).view(Held)
    held.pointer = pointer
    strides = host.strides if is_dense(host) else None
    new: np.ndarray[Any, Any] = np.ndarray(host.shape, host.dtype, held, 0, strides)
    if capture:  # nothing is there before the first launch
        assert launching, "numbers of the host become part of a graph"
        capture[-1].before.append((memory_at(pointer.ptr, host.nbytes), 0xFF))
    if launching[-1:] and launching[-1] in NO_LAUNCH:
        held[:SMALL] = 0xFF  # what was there before: NaN, or -1
    else:
        new[...] = host
    return new


# ── order ─────────────────────────────────────────────────────────────────────────────────────

# What a stream knows of each other: how many of its pieces of work are done before its own next one. Work on memory that
# another stream has used, and that is not known to be done, is an error here; on a GPU it is one now and then.
Clock = dict[int, int]
current: list[int] = [0]  # the last is the current stream
clocks: dict[int, Clock] = defaultdict(dict, {0: {}})
host_clock: Clock = {}
written: dict[int, tuple[int, int]] = {}  # address of a block -> by which stream, when
read: dict[int, Clock] = {}


def merge(into: Clock, other: Clock) -> None:
    for stream, time in other.items():
        into[stream] = max(into.get(stream, 0), time)


def seen(stream: int | None = None) -> None:
    """The host has waited for a stream, the current one if none is named."""
    merge(host_clock, clocks[current[-1] if stream is None else stream])


blocks: dict[int, int] = {}  # memory of the device: addresses and sizes
_starts: list[int] = []  # the addresses in order


def remember(address: int, size: int) -> None:
    """Memory has come from the system."""
    blocks[address] = size
    insort(_starts, address)


def forget(address: int) -> None:
    """Memory is given back to the system, which waits for everybody."""
    del blocks[address]
    del _starts[bisect_left(_starts, address)]
    written.pop(address, None)
    read.pop(address, None)


def block_at(address: int, size: int) -> int | None:
    """Where the block begins in which all of this lies."""
    i = bisect_right(_starts, address) - 1
    start = _starts[i] if i >= 0 else 0
    return start if i >= 0 and address + size <= start + blocks[start] else None


def block_of(host: Any) -> int:
    """Where the memory begins that an array lies in."""
    held = holder(host)
    address = int((host if held is None else held).__array_interface__["data"][0])
    return address if held is not None else block_at(address, 0) or address


def used(reads: Any, writes: Any) -> None:
    """Note what the current stream reads and writes next; a captured one does so at each launch."""
    if len(clocks) > 1:  # with one stream all is in order
        (capture[-1].used if capture else in_order)(
            {*map(block_of, reads)}, {*map(block_of, writes)}
        )


def in_order(reads: set[int], writes: set[int]) -> None:
    """Raise if what the current stream does next may come too early."""
    me = current[-1]
    mine = clocks[me]
    merge(mine, host_clock)  # the host asks for this only now
    now = mine[me] = mine.get(me, 0) + 1
    for at in reads | writes:
        stream, time = written.get(at, (me, 0))
        busy = {stream} if mine.get(stream, 0) < time else set()
        if at in writes:
            busy |= {s for s, t in read.pop(at, {}).items() if mine.get(s, 0) < t}
            written[at] = me, now
        else:
            read.setdefault(at, {})[me] = now
        assert not busy, (
            f"stream {me:#x} does not wait for {[*map(hex, busy)]}, which may still use the same array"
        )


class CUDARuntimeError(RuntimeError):
    pass


class Pinned(np.ndarray[Any, Any]):
    """Memory of the host that the device copies from and to by itself."""


def is_pinned(host: Any) -> bool:
    while host is not None and type(host) is not Pinned:
        host = getattr(host, "base", None)
    return host is not None


def from_pageable() -> None:
    """A copy from ordinary memory of the host, which cannot be done again later."""
    if capture:
        wait("a copy from pageable memory")
    stats["pageable"] += 1


def is_dense(a: np.ndarray[Any, Any]) -> bool:
    """Without gaps, whatever the order."""
    order = sorted(range(a.ndim), key=lambda i: a.strides[i], reverse=True)
    return a.transpose(order).flags.c_contiguous
