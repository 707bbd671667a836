"""Settings of convolution on a GPU: ``tinyconv.backends.cudnn``.

    enabled          convolutions go through cuDNN, if it is there
    benchmark        the first convolution of its sizes times several plans, and the fastest is kept
    benchmark_limit  so many; 0 for all
    deterministic    only plans that give the same bits every time
    allow_tf32       factors of float32 may be rounded to 11 bits; off at first, other than in torch

>>> import tinyconv as tc
>>> with tc.backends.cudnn.flags(enabled=False):
...     tc.backends.cudnn.enabled
False
>>> tc.backends.cudnn.enabled
True
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ..backend import cuda_unavailable
from ..backend import cudnn as library
from ._settings import Setting

FIELDS = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")


class _Module(ModuleType):
    enabled = Setting("cudnn_enabled")
    benchmark = Setting("benchmark")
    benchmark_limit = Setting("benchmark_limit", kind=int)
    deterministic = Setting("cudnn_deterministic")
    allow_tf32 = Setting("cudnn_tf32")


def is_available() -> bool:
    """Tell whether convolutions on a GPU can go through cuDNN: both are there."""
    return not why_unavailable()


def why_unavailable() -> str:
    """Why they cannot, and the command that mends it; empty if they can."""
    return cuda_unavailable() or library.why_unavailable()


def version() -> int | None:
    """cuDNN's version as one number, 91900 for 9.19.0; None without it."""
    return library.version()


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """Context manager: other settings, for a while. Those not given take torch's defaults of this function."""
    module = sys.modules[__name__]
    before = [getattr(module, name) for name in FIELDS]
    given = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    try:
        for name, value in zip(FIELDS, given, strict=True):
            setattr(module, name, value)
        yield
    finally:
        for name, value in zip(FIELDS, before, strict=True):
            setattr(module, name, value)


sys.modules[__name__].__class__ = _Module
