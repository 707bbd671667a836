"""Fill a tensor with random numbers, in torch's order for torch's seed."""

from __future__ import annotations

from typing import Any

from ..autograd.variable import Variable
from ..backend import Array, backend_of
from ..generator import current
from .fill import copy_


def _fill(x: Any, values: Array) -> Any:
    return copy_(x, x.wrap(backend_of(x.array).from_numpy(values)))


def uniform_(
    x: Any, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **names: float
) -> Any:
    """Fill with numbers between ``from`` and ``to``, all equally likely."""
    low = names.pop("from", names.pop("a", from_))
    high = names.pop("b", to)
    return _fill(x, (generator or current()).uniform(x.array.shape, x.array.dtype, low, high))


def normal_(x: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with normal numbers of this mean and standard deviation."""
    return _fill(x, (generator or current()).normal(x.array.shape, x.array.dtype, mean, std))


def bernoulli_(x: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with ones, with probability ``p`` (a number or a tensor), and zeros."""
    source = generator or current()
    ones = (
        source.bernoulli_like(p.array)
        if isinstance(p, Variable)
        else source.bernoulli(p, x.array.shape)
    )
    return _fill(x, ones.astype(x.array.dtype))


def random_(
    x: Any, from_: int | None = None, to: int | None = None, *, generator: Any = None, **names: Any
) -> Any:
    """Fill with integers from ``from`` to ``to - 1``; alone, over the range the dtype holds exactly."""
    low = names.pop("from", from_)
    if low is not None and to is None:
        low, to = 0, low
    source, shape, kind = generator or current(), x.array.shape, x.array.dtype
    if low is None:
        return _fill(x, source.random(shape, kind))
    return _fill(x, source.integers(low, to, shape, kind))


def exponential_(x: Any, lambd: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with exponential numbers of rate ``lambd``."""
    return _fill(x, (generator or current()).exponential(x.array.shape, x.array.dtype, lambd))
