"""The random numbers of transforms: from the default generator, one at a time, as torchvision draws them."""

from __future__ import annotations

from ...creation import empty, rand, randint

__all__ = ["happens", "integer", "uniform"]


def uniform(low: float, high: float) -> float:
    """Draw a number of the default dtype between two others."""
    return float(empty(1).uniform_(low, high).item())


def integer(low: int, high: int) -> int:
    """Draw an integer from ``low`` to ``high - 1``."""
    return int(randint(low, high, (1,)).item())


def happens(p: float) -> bool:
    """Tell whether what has probability ``p`` happens."""
    return bool(rand(1) < p)
