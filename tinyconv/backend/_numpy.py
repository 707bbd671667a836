"""The CPU backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .base import Backend

BACKEND = Backend(
    "cpu", numpy, numpy.ndarray, numpy.asarray, lambda a: a, lambda _: None, lambda: None
)


def _silencers() -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """``hush`` and ``restore``: 1/0 is inf here without a warning, as in PyTorch.

    ``numpy.errstate`` costs three times an addition. The variable behind it costs a third of one, and
    may be renamed some day: then errstate it is.
    """
    try:
        from numpy._core.umath import _extobj_contextvar as variable
    except ImportError:

        def hush() -> Any:
            state = numpy.errstate(all="ignore")
            state.__enter__()
            return state

        return hush, lambda state: state.__exit__(None, None, None)
    with numpy.errstate(all="ignore"):
        silent = variable.get()
    return lambda: variable.set(silent), variable.reset


hush, restore = _silencers()
