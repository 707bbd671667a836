"""What an update does to one number.

A rule is written once, as a ``@helper`` that takes numbers and returns new ones. Given arrays it is the definition of a
kernel; number by number it is the body of the loop; translated it is that of the CUDA kernel. All round in the same
order, which is torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Kernel, helper
from ..dtypes import float64, get_default_dtype

Numbers = tuple[float, ...]


@helper
def decayed(g, p, maximize, decay):
    """g + λ p, the gradient of the loss plus λ/2 |p|²; ``maximize`` turns g around."""
    if maximize:
        g = -g
    if decay != 0:
        g = g + p * decay
    return g


@helper
def lerp(a, b, weight, rest):
    """a + weight (b - a), from the nearer end; ``rest`` is 1 - weight."""
    if weight < rest:
        return a + (b - a) * weight
    return b - (b - a) * rest


def counter_type() -> Any:
    """The number type of a new counter: float32, or float64 where that is the default."""
    return np.float64 if get_default_dtype() is float64 else np.float32


def single(x: Any) -> Any:
    """x rounded to the number type of a new counter."""
    return counter_type()(x)


def like(x: Any, counter: Any) -> Any:
    """x rounded to the number type of a counter, which is another than float32 where it was loaded so."""
    return counter.dtype.type(x)


class Rule(Kernel):
    """How an update changes a parameter and its buffers.

    ``change(g, p, *buffers, *numbers)`` returns what they become, and ``numbers(t, lr, *settings)`` the numbers it
    takes: t counts the updates. Both are helpers. As a kernel it is ``rule(g, numbers, p, *buffers)``.

    A rule may keep other counters of a parameter than t. They are the first settings, and ``count(t, lr, *settings)``
    returns what they become, before ``numbers`` is asked, or ``late``: after; what t is then, is left open.
    """

    def __init__(
        self,
        change: Callable[..., Any],
        numbers: Callable[..., Numbers],
        count: Callable[..., Numbers] | None = None,
        late: bool = False,
    ) -> None:
        def definition(xp: Any, g: Array, given: Numbers, *arrays: Array) -> None:
            made = change(g, *arrays, *given)
            for a, new in zip(arrays, made if len(arrays) > 1 else (made,), strict=True):
                a[...] = new

        definition.__name__, definition.__doc__ = change.__name__.strip("_"), change.__doc__
        super().__init__(definition)
        self.change, self.numbers, self.count, self.late = change, numbers, count, late


class Terms(NamedTuple):
    """What the numbers of a rule follow from. On a GPU ``lr`` is there."""

    t: float
    lr: Any
    settings: Numbers
