"""The way to the GPU: nothing of CuPy is imported before somebody comes through here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..backend import get_backend
from ..dtypes import device


def cupy() -> Any:
    """The module cupy.

    Raises:
        DeviceError: it, or a GPU, is not there; the message says what to do.
    """
    return get_backend("cuda").xp


def part(name: str) -> Any:
    """A module of the CUDA backend."""
    get_backend("cuda")
    return import_module(f"..backend.cuda.{name}", __package__)


def index_of(where: Any) -> int:
    """The number of the GPU meant by a number, a name, a device or None (the current one)."""
    if where is None:
        return int(cupy().cuda.runtime.getDevice())
    if isinstance(where, int) and not isinstance(where, bool):
        return where
    meant = device(where)
    if meant.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {meant}\nWrite 'cuda', 'cuda:0' or 0.")
    return index_of(None) if meant.index is None else meant.index
