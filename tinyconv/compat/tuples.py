"""``torch.nn.modules.utils``: a setting per dimension from one for all, as layers of one's own ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that repeats what is no iterable n times.

    >>> _pair(3), _pair((1, 2))
    ((3, 3), (1, 2))
    """
    return lambda x: tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
