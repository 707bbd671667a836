"""cupy.cuda for tests: one device, streams that do everything at once, events, a pool that counts bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from . import arrays
from .arrays import CUDARuntimeError


class Device:
    """One device, number 0."""

    def __init__(self, device: Any = None) -> None:
        self.id = int(device or 0)
        if self.id != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None: ...

    def use(self) -> None: ...

    def synchronize(self) -> None:
        arrays.wait("synchronize")


class Stream:
    """Does everything at once."""

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        self.ptr = 0 if null else id(self)

    def synchronize(self) -> None:
        arrays.wait("synchronize")


NULL = Stream(null=True)
runtime = SimpleNamespace(
    getDeviceCount=lambda: 1,
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
    CUDARuntimeError=CUDARuntimeError,
)
CUDA: dict[str, Any] = {"Device": Device, "Stream": Stream, "get_current_stream": lambda: NULL, "runtime": runtime,
                        "is_available": lambda: True}  # fmt: skip
TOP: dict[str, Any] = {}
CUPYX: dict[str, Any] = {}
