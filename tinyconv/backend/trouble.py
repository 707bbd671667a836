"""Numbers that an operation must refuse: on the CPU at once, on a GPU when the host next waits for it.

Note [Late errors]. Whoever looks at a number of the device waits for it. So there a kernel looks, and leaves a note in
memory of the device: the code of a complaint, and the number complained of. Where the host waits anyway (`to_numpy`,
`synchronize`) it reads the note and raises. What was computed from such a number is garbage, of memory that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from numpy import bool_

from .base import Array, backend_of
from .kernel import blocks

Complaint: TypeAlias = Callable[
    ..., Exception
]  # makes the error, from the number and what is said about it

SOURCE = str(Path(__file__).parent / "cuda" / "trouble.cu")
NOTHING = -(2**63)  # the number that nobody uses
_LOOKED_AT = frozenset(("bool", "int32", "int64"))  # by the kernel; other integers are converted

_complaints: list[tuple[Complaint, tuple[Any, ...]]] = []
_codes: dict[tuple[Complaint, tuple[Any, ...]], int] = {}


def _code_of(complaint: Complaint, about: tuple[Any, ...]) -> int:
    """The number that stands for ``complaint(value, *about)`` in a note; 0 is none."""
    key = complaint, about
    if key not in _codes:
        _complaints.append(key)
        _codes[key] = len(_complaints)
    return _codes[key]


def noted(code: int, value: int) -> Exception:
    """The error that a note stands for."""
    complaint, about = _complaints[code - 1]
    return complaint(value, *about)


def demand(good: Array, complaint: Complaint, *about: Any) -> None:
    """Raise ``complaint(0, *about)`` unless all of ``good``, an array of bools or one, is true."""
    if type(good) is not bool_ and backend_of(good).notes is not None:
        _look(good, 1, 2, NOTHING, _code_of(complaint, about))
    elif not good.all():
        raise complaint(0, *about)


def demand_inside(
    values: Array,
    low: int,
    high: int,
    complaint: Complaint,
    *about: Any,
    ignored: int | None = None,
) -> None:
    """Raise ``complaint(value, *about)`` for an integer outside [low, high), unless it is ``ignored``."""
    if backend_of(values).notes is not None:
        if low == high and values.size:  # nothing may be looked up
            raise complaint(int(values.reshape(-1)[0]), *about)
        _look(
            values, low, high, NOTHING if ignored is None else ignored, _code_of(complaint, about)
        )
        return
    bad = (values < low) | (values >= high)
    if ignored is not None:
        bad &= values != ignored
    if bad.any():
        raise complaint(int(values[bad].flat[0]), *about)


def _look(values: Array, low: int, high: int, ignored: int, code: int) -> None:
    backend = backend_of(values)
    kind = values.dtype if values.dtype.name in _LOOKED_AT else "int64"
    values = backend.xp.ascontiguousarray(values, kind)
    given = (values, values.size, low, high, ignored, code, backend.notes())  # type: ignore[misc]  # that is why we are here
    backend.launch(SOURCE, "note_outside", values.dtype, blocks(values.size), given)  # type: ignore[misc]  # it goes with notes
