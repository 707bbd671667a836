"""Every exception raised on purpose.

    Exception
    ├── RuntimeError
    │   ├── ShapeError      sizes that do not fit together
    │   ├── DTypeError      number types that do not fit together
    │   ├── DeviceError     devices that differ, or that are not there
    │   │   └── OutOfMemoryError
    │   ├── GraphError      a graph that cannot be walked
    │   ├── InplaceError    a write that would falsify a gradient
    │   └── LinAlgError     a matrix that cannot be inverted or factored
    ├── ValueError
    │   └── ArgumentError   a setting outside its domain
    └── IndexError
        └── RangeError      an index or dimension out of range

The first line of a message is the one PyTorch users search for; ``hint`` is the second, and says what to do.
While an error travels up through Modules it collects the names it passes: the path of the layer.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArgumentError",
    "DTypeError",
    "DeviceError",
    "Explained",
    "GraphError",
    "InplaceError",
    "LinAlgError",
    "OutOfMemoryError",
    "RangeError",
    "ShapeError",
]


class Explained(Exception):
    """Base of all: a first line, a hint, and the layer in which it happened."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path: list[str] = []  # innermost name first
        self.layer = ""  # the innermost layer, as printed
        self.passed: int | None = None  # id of the Module that the error left last

    def __reduce__(self) -> Any:
        return type(self), (self.message, self.hint), self.__dict__

    def __str__(self) -> str:
        lines = [self.message]
        if self.hint:
            lines.append(self.hint)
        if self.layer:
            path = ".".join(reversed(self.path))
            lines.append(f"In layer {path}: {self.layer}" if path else f"In {self.layer}")
        return "\n".join(lines)


class ShapeError(Explained, RuntimeError):
    """Sizes that do not fit together."""


class DTypeError(Explained, RuntimeError):
    """Number types that do not fit together."""


class DeviceError(Explained, RuntimeError):
    """Devices that differ, or that are not there."""


class OutOfMemoryError(DeviceError):
    """Memory that a device does not have."""


class GraphError(Explained, RuntimeError):
    """A graph that cannot be walked."""


class InplaceError(Explained, RuntimeError):
    """A write that would falsify a gradient."""


class LinAlgError(Explained, RuntimeError):
    """A matrix that cannot be inverted or factored."""


class ArgumentError(Explained, ValueError):
    """A setting outside its domain."""


class RangeError(Explained, IndexError):
    """An index or dimension out of range."""
