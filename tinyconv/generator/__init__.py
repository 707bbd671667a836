"""Random numbers as NumPy arrays, in the order and to the bit of torch's CPU generator.

One stream of 32-bit words (the Mersenne Twister of Matsumoto & Nishimura, ACM TOMACS 8, 1998)
feeds everything. What a seed prints is decided by how many words a number takes, and by the
rounding of the arithmetic behind it; both are torch's:

    float32, float16     one word, its low 24 bits times 2**-24
    float64              two words, the low 53 bits of high:low times 2**-53
    integers             one word modulo the range, two for ranges of 2**28 and more
    normal, below 16     pairs of float64 (Box & Muller 1958), the second kept for the next call
    normal, 16 and more  blocks of 16 in the dtype itself: 8 radii, then 8 angles
    everything else      float64, then rounded to the dtype

The reference is torch on an x86 processor with fused multiply-add (AVX2 and later); elsewhere the
last bit of a normal number may differ. A GPU draws numbers of its own, see `philox`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from ..backend import Backend
from ..errors import DeviceError
from . import philox
from .philox import Philox
from .sampling import Generator
from .stream import DEFAULT_SEED

__all__ = [
    "DEFAULT_SEED",
    "Generator",
    "Philox",
    "current",
    "default_generator",
    "manual_seed",
    "replace_default",
    "stream_on",
    "use",
]

default_generator = Generator()
default_generator.seed()


class _Here(threading.local):
    generator: Generator | None = None


_here = _Here()


def current() -> Generator:
    """The generator of those who name none: this thread's own if it uses one, else the default."""
    return _here.generator or default_generator


def stream_on(backend: Backend, generator: Any = None) -> Any:
    """The generator for numbers on a device: the one given, or of those who name none."""
    if generator is None:
        return current() if backend.name == "cpu" else philox.default(backend)
    found = "cuda" if isinstance(generator, Philox) else "cpu"
    if found != backend.name:
        raise DeviceError(
            f"Expected a '{backend.name}' device type for generator but found '{found}'",
            f"Write tinyconv.Generator('{backend.name}').",
        )
    return generator


def manual_seed(seed: int) -> Generator:
    """Start :func:`current` at ``seed``; and the generators of all GPUs, unless this thread has its own."""
    if _here.generator is None:
        philox.manual_seed_all(seed)
    return current().manual_seed(seed)


@contextlib.contextmanager
def use(generator: Generator) -> Iterator[Generator]:
    """Let :func:`current` give ``generator`` inside a ``with`` block, in this thread only."""
    outer, _here.generator = _here.generator, generator
    try:
        yield generator
    finally:
        _here.generator = outer


def replace_default(generator: Generator) -> Generator:
    """Make ``generator`` the one that :func:`current` gives, and return it."""
    global default_generator
    default_generator = generator
    return generator
