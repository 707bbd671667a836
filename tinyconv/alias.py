"""The name in front of what prints as part of this library: ``tinyconv.float32``.

In a script that says ``import torch`` it is ``torch``, so that its output is what it was.
"""

from __future__ import annotations

_called = "tinyconv"


def library() -> str:
    """The name."""
    return _called


def call_library(name: str) -> None:
    """Print another name from now on."""
    global _called
    _called = name
