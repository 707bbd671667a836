"""``tinyconv.backends.mps``: the question that scripts ask before they choose a device."""

from __future__ import annotations


def is_available() -> bool:
    """Tell whether Apple's GPUs can be used: never."""
    return False


def is_built() -> bool:
    """Tell whether tinyconv has code for Apple's GPUs: it has none."""
    return False
