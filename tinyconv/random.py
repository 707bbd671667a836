"""The streams of random numbers, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from . import cuda
from .creation import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:
    """What is drawn inside leaves no trace: afterwards the streams go on from where they were.

    Args:
        devices: the GPUs whose streams are kept too; all there are unless given.
        enabled: False does nothing.

    >>> import tinyconv as tc
    >>> _ = tc.manual_seed(0)
    >>> with tc.random.fork_rng():
    ...     a = tc.rand(1)
    >>> tc.equal(a, tc.rand(1))
    True
    """
    if not enabled:
        yield
        return
    gpus = list(range(cuda.device_count()) if devices is None else devices)
    states = [cuda.get_rng_state(gpu) for gpu in gpus]
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
        for gpu, before in zip(gpus, states, strict=True):
            cuda.set_rng_state(before, gpu)
