"""cupy.cuda for tests: one device, streams, events, memory pools and graphs, with CuPy's names.

Work is done when it is asked for. What a GPU would do later, and might do too early, is told by `arrays.in_order`.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from . import arrays
from .arrays import Capture, CUDARuntimeError

TOTAL = 1 << 30  # bytes of the device
UNIT = 512  # bytes: memory comes in multiples of it
KEPT = 1 << 26  # bytes that lie in wait for those who use them by mistake


class OutOfMemoryError(MemoryError):
    """As CuPy's."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes)."
        )


# ── memory ────────────────────────────────────────────────────────────────────────────────────


class Memory:
    """Bytes from the system. They do not go back to it at once: what is still used by mistake reads as NaN."""

    kept: ClassVar[deque[Any]] = deque()
    kept_bytes = system_bytes = 0
    device_id = 0

    def __init__(self, size: int) -> None:
        if arrays.capture and arrays.capture[-1].mode != RELAXED:
            arrays.wait("cudaMalloc")
        if size > TOTAL - Memory.system_bytes:
            raise OutOfMemoryError(size, Memory.system_bytes)
        self.bytes = np.empty(size + UNIT, np.uint8)
        self.bytes[: arrays.SMALL] = 0xFF
        self.ptr = -(-self.bytes.ctypes.data // UNIT) * UNIT
        self.size = size
        Memory.system_bytes += size
        arrays.remember(self.ptr, size)

    def __del__(self, over: Any = sys.is_finalizing) -> None:
        if hasattr(self, "bytes") and not over():
            self.bytes[: arrays.SMALL] = 0xFF
            Memory.kept.append(self.bytes)
            Memory.kept_bytes += self.bytes.nbytes
            while Memory.kept_bytes > KEPT:
                Memory.kept_bytes -= Memory.kept.popleft().nbytes
            Memory.system_bytes -= self.size
            arrays.forget(self.ptr)


class UnownedMemory:
    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        self.ptr, self.size, self.owner, self.device_id = ptr, size, owner, device_id


class PooledMemory:
    """What a pool has given out. The pool takes its memory along when it dies."""

    device_id = 0

    def __init__(self, memory: Memory, pool: MemoryPool, stream: int) -> None:
        self.pool, self.stream = weakref.ref(pool), stream
        self.ptr, self.size = memory.ptr, memory.size

    def __del__(self, over: Any = sys.is_finalizing) -> None:
        pool = None if over() else self.pool()
        if pool is not None:
            memory = pool.in_use.pop(self.ptr)
            pool.free.setdefault((self.stream, self.size), []).append(memory)


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id


class MemoryPool:
    """Blocks that come back to the stream that asked for them."""

    def __init__(self, allocator: Any = None) -> None:
        self.free: dict[tuple[int, int], list[Memory]] = {}
        self.in_use: dict[int, Memory] = {}
        self.total = self.limit = 0

    def malloc(self, size: int) -> MemoryPointer:
        size = -(-size // UNIT) * UNIT
        stream = arrays.current[-1]
        idle = self.free.get((stream, size))
        if idle:
            memory = idle.pop()
        else:
            if self.limit and self.total + size > self.limit:
                raise OutOfMemoryError(size, self.total, self.limit)
            try:
                memory = Memory(size)
            except OutOfMemoryError:
                self.free_all_blocks()
                memory = Memory(size)
            self.total += size
        self.in_use[memory.ptr] = memory
        return MemoryPointer(PooledMemory(memory, self, stream), 0)

    def free_all_blocks(self, stream: Any = None) -> None:
        self.total -= self.free_bytes()
        self.free.clear()

    def used_bytes(self) -> int:
        return sum(m.size for m in self.in_use.values())

    def free_bytes(self) -> int:
        return sum(m.size for blocks in self.free.values() for m in blocks)

    def total_bytes(self) -> int:
        return self.total

    def n_free_blocks(self) -> int:
        return sum(map(len, self.free.values()))

    def set_limit(self, size: Any = None, fraction: Any = None) -> None:
        self.limit = int(fraction * TOTAL) if size is None else size

    def get_limit(self) -> int:
        return self.limit


default_pool = MemoryPool()
arrays.allocate[:] = [default_pool.malloc]


def set_allocator(allocator: Any = None) -> None:
    if len(arrays.allocate) > 1:
        raise ValueError(
            "Can't change the global allocator inside `using_allocator` context manager"
        )
    arrays.allocate[0] = allocator or (lambda size: MemoryPointer(Memory(size), 0))


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    arrays.allocate.append(allocator)
    try:
        yield
    finally:
        arrays.allocate.pop()


class PinnedMemoryPool:
    def __init__(self, allocator: Any = None) -> None:
        self.blocks = 0
        self.used: dict[int, int] = {}  # addresses and sizes

    def n_free_blocks(self) -> int:
        return self.blocks

    def free_all_blocks(self) -> None:
        self.blocks = 0


default_pinned_pool = PinnedMemoryPool()


def alloc_pinned_memory(size: int) -> Any:
    """Bytes: ``numpy.frombuffer`` takes them as it takes CuPy's pointer."""
    made = arrays.Pinned(
        max(size, 1), np.uint8
    )  # owns its bytes: a view would vanish from chains of bases
    made[...] = 0
    default_pinned_pool.used[made.ctypes.data] = size
    weakref.finalize(made, default_pinned_pool.used.pop, made.ctypes.data)
    return made


def is_memory_pinned(ptr: int) -> bool:
    if not isinstance(ptr, int):
        raise TypeError("an integer is required")
    return any(start <= ptr < start + size for start, size in default_pinned_pool.used.items())


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    like = np.broadcast_to(np.empty((), dtype), shape)
    return np.ndarray(like.shape, dtype, alloc_pinned_memory(like.nbytes), 0, None, order)  # type: ignore[call-overload]  # order is any str here


def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    made = empty_pinned(shape, dtype, order)
    made[...] = 0
    return made


# ── the device ────────────────────────────────────────────────────────────────────────────────


class Device:
    """One device, number 0."""

    compute_capability = "90"
    pci_bus_id = "0000:00:00.0"

    def __init__(self, device: Any = None) -> None:
        self.id = 0 if device is None else int(device)
        if self.id != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __int__(self) -> int:
        return self.id

    def use(self) -> None: ...

    @property
    def mem_info(self) -> tuple[int, int]:
        return TOTAL - Memory.system_bytes, TOTAL

    def synchronize(self) -> None:
        arrays.wait("cudaDeviceSynchronize")
        for stream in arrays.clocks:
            arrays.seen(stream)


# ── streams and events ────────────────────────────────────────────────────────────────────────

THREAD_LOCAL, RELAXED = 1, 2  # capture modes; 0 is global
_numbers = count(0x1000)


class Event:
    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.ptr = next(_numbers)
        self.timed = not disable_timing
        self.time: float | None = None
        self.clock: arrays.Clock = {}
        self.stream = 0
        self.graph: Capture | None = None

    def record(self, stream: Any = None) -> None:
        stream = stream or get_current_stream()
        stream.record(self)

    @property
    def done(self) -> bool:
        if self.graph:
            raise CUDARuntimeError(
                "cudaErrorCapturedEvent: operation not permitted on an event last recorded in a capturing stream"
            )
        return True

    def synchronize(self) -> None:
        if self.graph:
            arrays.wait("cudaEventSynchronize")
        arrays.stats["syncs"] += 1
        arrays.merge(arrays.host_clock, self.clock)


def get_elapsed_time(start: Event, end: Event) -> float:
    if start.time is None or end.time is None or not (start.timed and end.timed):
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1e3 * (end.time - start.time)


class Stream:
    null: Stream
    ptds: Stream

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: Any = None,
    ) -> None:
        self.ptr = 0 if null else 2 if ptds else next(_numbers)
        self.device_id = -1 if null or ptds else 0
        self.is_non_blocking, self.priority = non_blocking, priority or 0
        self.graph: Capture | None = None
        arrays.clocks.setdefault(self.ptr, {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr

    def __enter__(self) -> Stream:
        _stack.append(self)
        _switch()
        return self

    def __exit__(self, *_: object) -> None:
        _stack.pop()
        _switch()

    def use(self) -> Stream:
        _stack[-1] = self
        _switch()
        return self

    @property
    def done(self) -> bool:
        self._not_captured("cudaStreamQuery")
        return True

    def synchronize(self) -> None:
        self._not_captured("cudaStreamSynchronize")
        arrays.stats["syncs"] += 1
        arrays.seen(self.ptr)

    def _not_captured(self, what: str) -> None:
        if self.graph:
            with self:
                arrays.wait(what)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.time, event.stream, event.graph = time.perf_counter(), self.ptr, self.graph
        event.clock = {**arrays.clocks[self.ptr]}
        return event

    def wait_event(self, event: Event) -> None:
        if event.graph:
            if self.graph is None:
                event.graph.branches.add(self.ptr)
                self.graph = event.graph
                _switch()
            else:
                self.graph.branches.discard(event.stream)
        elif self.graph and event.stream != self.ptr:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureIsolation: dependency created on uncaptured work in another stream"
            )
        arrays.merge(arrays.clocks[self.ptr], event.clock)

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self.graph:
            raise CUDARuntimeError(
                "cudaErrorIllegalState: the operation cannot be performed in the present state"
            )
        self.graph = Capture(RELAXED if mode is None else mode)
        _switch()

    def end_capture(self) -> Graph:
        graph, self.graph = self.graph, None
        _switch()
        if graph is None:
            raise CUDARuntimeError(
                "cudaErrorIllegalState: the operation cannot be performed in the present state"
            )
        graph.undo()
        if graph.broken:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureInvalidated: operation failed due to a previous error during capture"
            )
        if graph.branches:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureUnjoined: capturing stream has unjoined work"
            )
        return Graph(graph)

    def is_capturing(self) -> bool:
        return self.graph is not None


class ExternalStream(Stream):
    def __init__(self, ptr: int, device_id: int = -1) -> None:
        super().__init__(null=True)
        self.ptr = ptr
        arrays.clocks.setdefault(ptr, {})


class Graph:
    """What was captured, done again at each launch on the memory that it was captured on."""

    def __init__(self, capture: Capture) -> None:
        self.work, self.reads, self.writes = capture.work, capture.reads, capture.writes

    def launch(self, stream: Any = None) -> None:
        arrays.stats["graphs"] += 1
        with stream or get_current_stream():
            if len(arrays.clocks) > 1:
                arrays.in_order(self.reads, self.writes)
            for work in self.work:
                work()

    def upload(self, stream: Any = None) -> None: ...


def get_current_stream(device_id: int = -1) -> Stream:
    return _stack[-1]


def _switch() -> None:
    """Tell `arrays` which stream is the current one, and whether it is captured."""
    stream = _stack[-1]
    arrays.current[:] = [stream.ptr]
    arrays.capture[:] = [stream.graph] if stream.graph else []


Stream.null = Stream(null=True)
Stream.ptds = Stream(ptds=True)
del arrays.clocks[2]  # nobody uses it
_stack: list[Stream] = [Stream.null]


def reset() -> None:
    """Begin anew: one stream, no memory in use."""
    _stack[:] = [Stream.null]
    _switch()
    arrays.clocks.clear()
    arrays.clocks[0] = {}
    for table in (arrays.host_clock, arrays.written, arrays.read):
        table.clear()  # type: ignore[attr-defined]  # all are dicts
    arrays.allocate[:] = [default_pool.malloc]
    default_pool.limit = 0
    default_pool.free_all_blocks()


PROPERTIES = {"name": b"Stand-in", "totalGlobalMem": TOTAL, "major": 9, "minor": 0, "multiProcessorCount": 132,
              "warpSize": 32, "sharedMemPerBlock": 49152, "sharedMemPerMultiprocessor": 233472,
              "sharedMemPerBlockOptin": 232448, "regsPerMultiprocessor": 65536, "maxThreadsPerMultiProcessor": 2048,
              "maxThreadsPerBlock": 1024, "l2CacheSize": 62914560, "integrated": 0, "isMultiGpuBoard": 0,
              "uuid": bytes(range(16)), "pciBusID": 0, "pciDeviceID": 0, "pciDomainID": 0,
              "memoryClockRate": 1, "clockRate": 1}  # fmt: skip


def get_device_properties(device: int) -> dict[str, Any]:
    Device(device)
    return dict(PROPERTIES)


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    deviceSynchronize=lambda: Device().synchronize(),
    driverGetVersion=lambda: 13000,
    getDevice=lambda: 0,
    getDeviceCount=lambda: 1,
    getDeviceProperties=get_device_properties,
    memGetInfo=lambda: Device().mem_info,
    runtimeGetVersion=lambda: 13000,
    setDevice=lambda device: Device(device).use(),
    streamCaptureModeGlobal=0,
    streamCaptureModeThreadLocal=THREAD_LOCAL,
    streamCaptureModeRelaxed=RELAXED,
)
memory = ModuleType("cupy.cuda.memory")
vars(memory).update(Memory=Memory, MemoryPointer=MemoryPointer, MemoryPool=MemoryPool, OutOfMemoryError=OutOfMemoryError,
                    PooledMemory=PooledMemory, UnownedMemory=UnownedMemory)  # fmt: skip
pinned_memory = ModuleType("cupy.cuda.pinned_memory")
vars(pinned_memory).update(
    alloc_pinned_memory=alloc_pinned_memory, is_memory_pinned=is_memory_pinned
)
CUDA: dict[str, Any] = {
    "Device": Device, "Event": Event, "ExternalStream": ExternalStream, "Graph": Graph, "Memory": Memory,
    "MemoryPointer": MemoryPointer, "MemoryPool": MemoryPool, "PinnedMemoryPool": PinnedMemoryPool, "Stream": Stream,
    "UnownedMemory": UnownedMemory, "alloc": lambda size: arrays.allocate[-1](size),
    "alloc_pinned_memory": alloc_pinned_memory, "get_allocator": lambda: arrays.allocate[-1],
    "get_current_stream": get_current_stream, "get_elapsed_time": get_elapsed_time, "is_available": lambda: True,
    "memory": memory, "pinned_memory": pinned_memory, "runtime": runtime, "set_allocator": set_allocator, "using_allocator": using_allocator,
}  # fmt: skip
TOP: dict[str, Any] = {
    "get_default_memory_pool": lambda: default_pool,
    "get_default_pinned_memory_pool": lambda: default_pinned_pool,
}
CUPYX: dict[str, Any] = {"empty_pinned": empty_pinned, "zeros_pinned": zeros_pinned}
