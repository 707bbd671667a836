"""What kernels have noted (see Note [Late errors] in `..trouble`), and where the host finds out."""

from __future__ import annotations

from typing import Any, TypeAlias

import cupy

from ..base import Array
from ..trouble import noted

Place: TypeAlias = tuple[
    int, int
]  # device and stream: what one of them has noted, the other may not look at yet

_notes: dict[Place, Array] = {}  # for good, as captured graphs write there
_expected: dict[Place, set[Place]] = {}  # where to look when a stream was waited for


def here() -> Place:
    """The current device and stream."""
    return cupy.cuda.Device().id, cupy.cuda.get_current_stream().ptr


def notes() -> Array:
    """Where kernels on the current stream leave their notes. Ask for it before each launch of one."""
    place = here()
    if place not in _notes:
        _notes[place] = cupy.zeros(2, "int64")
    expect(place)
    return _notes[place]


def expect(place: Place) -> None:
    """Look there after the next wait for the current stream: for a graph, where it was captured."""
    _expected.setdefault(here(), set()).add(place)


def settle() -> None:
    """Raise what is noted. To be called where the host has waited for the current stream."""
    if not _expected:
        return
    for place in _expected.pop(here(), ()):
        code, value = cupy.asnumpy(_notes[place]).tolist() if place in _notes else (0, 0)
        if code:
            _notes[place].fill(0)
            raise noted(code, value)


def to_numpy(array: Array) -> Any:
    """Copy an array to the host."""
    host = cupy.asnumpy(array)
    settle()
    return host


def synchronize() -> None:
    """Wait for the current stream."""
    cupy.cuda.get_current_stream().synchronize()
    settle()
