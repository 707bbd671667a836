"""A hot loop under one name: its definition in array operations, and faster bodies per device."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import FunctionType
from typing import Any

from .base import XP

prange: Any = range  # in a loop that is compiled, numba's prange takes this name's place


def jit_enabled() -> bool:
    """Tell whether loops are compiled: numba is there and ``TINYCONV_JIT`` is not 0."""
    return os.environ.get("TINYCONV_JIT", "1") != "0" and find_spec("numba") is not None


def _compile(loop: FunctionType, options: dict[str, Any]) -> Callable[..., None]:
    numba = import_module("numba")  # 0.4 s: not before the first loop is needed
    if "NUMBA_THREADING_LAYER" not in os.environ:
        numba.config.THREADING_LAYER = "workqueue"
    code = FunctionType(
        loop.__code__,
        {**loop.__globals__, "prange": numba.prange},
        loop.__name__,
        loop.__defaults__,
    )
    code.__module__, code.__qualname__ = loop.__module__, loop.__qualname__
    settings = {"parallel": True, "nogil": True, "error_model": "numpy", **options}
    try:
        compiled: Callable[..., None] = numba.njit(cache=True, **settings)(code)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        compiled = numba.njit(**settings)(code)
    return compiled


# Note [Threads of the loops]
# numba can run its threads in three ways. OpenMP's spin for milliseconds after each loop, on the cores that BLAS wants
# next (a convolution alternates between the two: 75 ms instead of 24), and a forked process that calls a loop dies.
# TBB is a package of its own. numba's own "workqueue" sleeps between loops and survives a fork, but must not be entered
# by two Python threads at once: hence the lock.
_one_at_a_time = threading.Lock()


def _after_fork() -> None:
    global _one_at_a_time
    _one_at_a_time = threading.Lock()  # a thread that held it is not there to give it back


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernel:
    """A named loop that fills arrays.

    ``@Kernel`` takes the definition ``f(xp, *args)``, whole-array operations that run on every device;
    ``.cpu`` adds a numba loop ``f(*args)``. Both take the same arguments: arrays to read, numbers,
    arrays to fill. The caller allocates, so a kernel decides neither a shape nor a dtype.
    """

    def __init__(self, definition: Callable[..., None]) -> None:
        self.definition = definition
        self.name = definition.__name__
        self.__doc__ = definition.__doc__
        self.loop: Any = None
        self._run: Callable[..., None] | None = None

    def cpu(self, loop: Any = None, **options: Any) -> Any:
        """Decorator: the CPU body, compiled by numba at its first call and cached on disk."""
        if loop is None:
            return lambda f: self.cpu(f, **options)
        self.loop, self._options = loop, options
        return loop

    def __call__(self, *args: Any) -> None:
        first = args[0]
        xp = XP[type(first)]
        if xp.__name__ != "numpy" or self.loop is None or first.dtype.char not in "fdlqBi?":
            self.definition(xp, *args)
            return
        if self._run is None:
            with _one_at_a_time:
                self._run = self._run or self._choose(xp)
        if self._options.get("parallel", True):
            with _one_at_a_time:  # Note [Threads of the loops]
                self._run(*args)
        else:
            self._run(*args)

    def _choose(self, xp: Any) -> Callable[..., None]:
        if jit_enabled():
            return _compile(self.loop, self._options)
        return lambda *args: self.definition(xp, *args)
