"""Streams, in each of which a GPU does one thing after the other, and events, which say how far it is."""

from __future__ import annotations

from typing import Any

from . import door


class Stream:
    """A queue of work for a GPU, beside the default one.

    What is asked for in one stream is done in order; streams run beside each other, unless one is told to
    wait: before one reads what another has computed, ``wait_stream``.

    Args:
        device: of which GPU. priority: lower numbers come first.

    Raises:
        DeviceError: there is no GPU.

    >>> import tinyconv as tc
    >>> if tc.cuda.is_available():
    ...     side = tc.cuda.Stream()
    ...     side.wait_stream(tc.cuda.current_stream())
    ...     with tc.cuda.stream(side):
    ...         y = tc.ones(3, device='cuda') * 2
    ...     tc.cuda.current_stream().wait_stream(side)
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        cuda = door.cupy().cuda
        with cuda.Device(door.index_of(device)) as chosen:
            self._set(cuda.Stream(non_blocking=True, priority=priority or None), chosen.id)

    def _set(self, stream: Any, index: int) -> None:
        self._stream, self._index = stream, index
        self._entered: list[Any] = []

    @classmethod
    def _of(cls, stream: Any, index: int) -> Stream:
        made = cls.__new__(cls)
        Stream._set(made, stream, index)
        return made

    @property
    def cuda_stream(self) -> int:
        """CUDA's handle, for other libraries."""
        return int(self._stream.ptr)

    @property
    def device(self) -> Any:
        """The GPU."""
        return door.device("cuda", self._index)

    @property
    def device_index(self) -> int:
        """The number of the GPU."""
        return self._index

    @property
    def priority(self) -> int:
        """Lower numbers come first."""
        return int(self._stream.priority)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Stream)
            and (self.cuda_stream, self._index) == (other.cuda_stream, other._index)
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.cuda_stream, self._index))

    def __repr__(self) -> str:
        return f"<tinyconv.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"

    # ── order ──

    def wait_event(self, event: Event) -> None:
        """Do what is asked for from now on only when ``event`` has happened; the host does not wait."""
        if event._event is not None:
            self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Do what is asked for from now on only when ``stream`` has done what it was asked for so far."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """Let ``event``, a new one if None, happen when all so far is done."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def query(self) -> bool:
        """Tell whether all that was asked for is done."""
        return bool(self._stream.done)

    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""
        with stream(self):
            door.part("trouble").synchronize()

    # ── as the current one ──

    def __enter__(self) -> Stream:
        around = door.cupy().cuda.Device(self._index)
        around.__enter__()
        self._stream.__enter__()
        self._entered.append(around)
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.__exit__(*error)
        self._entered.pop().__exit__(*error)


class ExternalStream(Stream):
    """A stream that another library has made, by CUDA's handle; it is not destroyed here."""

    def __init__(self, stream_ptr: int, device: Any = None) -> None:
        index = door.index_of(device)
        self._set(door.cupy().cuda.ExternalStream(stream_ptr, index), index)


class StreamContext:
    """Makes a stream the current one inside a ``with`` block; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self.stream.__enter__()

    def __exit__(self, *error: object) -> None:
        if self.stream is not None:
            self.stream.__exit__(*error)


def stream(stream: Stream | None) -> StreamContext:
    """Ask ``stream`` for what is computed inside a ``with`` block; None changes nothing."""
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """Ask ``stream`` for what is computed from now on."""
    if stream is not None:
        stream._stream.use()


def current_stream(device: Any = None) -> Stream:
    """The stream that is asked for what is computed."""
    index = door.index_of(device)
    return Stream._of(door.cupy().cuda.get_current_stream(index), index)


def default_stream(device: Any = None) -> Stream:
    """The stream that is asked where none is chosen."""
    return Stream._of(door.cupy().cuda.Stream.null, door.index_of(device))


class Event:
    """A point in a stream, which the host or another stream can wait for.

    Args:
        enable_timing: whether ``elapsed_time`` may be asked. blocking: whether the host sleeps while it waits.
        interprocess: whether other processes may use it.

    >>> import tinyconv as tc
    >>> if tc.cuda.is_available():
    ...     start, end = (tc.cuda.Event(enable_timing=True) for _ in range(2))
    ...     start.record()
    ...     y = tc.ones(3, device='cuda') * 2
    ...     end.record()
    ...     end.synchronize()
    ...     milliseconds = start.elapsed_time(end)
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self._settings = {
            "block": blocking, "disable_timing": not enable_timing, "interprocess": interprocess
        }  # fmt: skip
        self._event: Any = None  # made when first recorded

    def record(self, stream: Stream | None = None) -> None:
        """Happen when ``stream``, the current one if None, has done what it was asked for so far."""
        chosen = current_stream() if stream is None else stream
        if self._event is None:
            with door.cupy().cuda.Device(chosen._index):
                self._event = door.cupy().cuda.Event(**self._settings)
        self._event.record(chosen._stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Let ``stream``, the current one if None, wait for this; the host does not."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Tell whether it has happened, or was never recorded."""
        return self._event is None or bool(self._event.done)

    def synchronize(self) -> None:
        """Wait until it has happened."""
        if self._event is not None:
            self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this to ``end_event``.

        Raises:
            ValueError: one of them takes no time, or was not recorded. RuntimeError: one has not happened yet.
        """
        if self._settings["disable_timing"] or end_event._settings["disable_timing"]:
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end_event.query()):
            raise RuntimeError(
                "Both events must be completed before calculating elapsed time.\nCall end.synchronize() first."
            )
        return float(door.cupy().cuda.get_elapsed_time(self._event, end_event._event))

    @property
    def cuda_event(self) -> int:
        """CUDA's handle; 0 before it is recorded."""
        return 0 if self._event is None else int(self._event.ptr)

    def __repr__(self) -> str:
        return (
            f"<tinyconv.cuda.Event {self.cuda_event:#x}>"
            if self._event
            else "<tinyconv.cuda.Event uninitialized>"
        )
