"""The contract of a backend, and the two ways to find one: by array, or by device name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import DeviceError

Array = Any  # numpy.ndarray | cupy.ndarray: the same methods, the same dtypes


@dataclass(frozen=True, slots=True)
class Backend:
    """All that tinyconv asks of an array library.

    ``xp`` is the module itself: an op that needs no hand-written loop is written once, in terms of it.
    ``to_numpy`` and ``from_numpy`` cross the border between devices, and nothing else does.
    """

    name: str
    xp: Any
    array_type: type
    from_numpy: Callable[
        ..., Array
    ]  # and ``non_blocking=True``: nobody writes to the source meanwhile
    to_numpy: Callable[[Array], Any]
    index: Callable[[Array], int | None]  # which of several devices
    synchronize: Callable[[], None]
    launch: Callable[..., None] | None = None  # starts the CUDA body of a kernel
    launch_types: frozenset[str] = frozenset()  # the number types that such bodies take
    notes: Callable[[], Array] | None = None  # where they note what must be refused; see `trouble`
    pin: Callable[[Any], Any] = lambda a: (
        a
    )  # a copy of NumPy's array in memory that a GPU reads by itself
    is_pinned: Callable[[Any], bool] = lambda a: False
    product: Callable[..., Array] | None = None  # of matrices; NumPy's own on the CPU
    at: Callable[[int | None], Any] = lambda index: (
        nullcontext()
    )  # a context: there, new arrays are made


XP: dict[type, Any] = {}  # array type -> its module; read on the hot path
_by_name: dict[str, Backend] = {}
_by_type: dict[type, Backend] = {}


def cuda_unavailable() -> str:
    """Why ``cuda`` cannot be used and what mends it; empty if it can."""
    if find_spec("cupy") is None:
        return (
            "CuPy is not installed. With an NVIDIA driver for CUDA 13: pip install 'tinyconv[cuda13]'"
            " (for CUDA 12: 'tinyconv[cuda12]')."
        )
    try:
        count = import_module("cupy").cuda.runtime.getDeviceCount()
    except (
        Exception
    ) as error:  # CuPy raises types of its own, and ImportError for missing libraries
        return f"CuPy finds no usable GPU: {error}"
    return "" if count else "CuPy finds no GPU on this machine."


def register(backend: Backend) -> Backend:
    """Enter a backend under its name and its array type."""
    _by_name[backend.name] = _by_type[backend.array_type] = backend
    XP[backend.array_type] = backend.xp
    return backend


def get_backend(name: str) -> Backend:
    """The backend of a device type; that of ``cuda`` is imported on first use, and registers itself."""
    if name not in _by_name:
        if why := cuda_unavailable():
            raise DeviceError("Found no usable CUDA device for tinyconv.", why)
        import_module(".cuda", __package__)
    return _by_name[name]


def backend_of(array: Array) -> Backend:
    """The backend that owns ``array``: one dict look-up on its exact type."""
    try:
        return _by_type[type(array)]
    except KeyError:
        raise DeviceError(f"no backend owns a {type(array).__name__}") from None
