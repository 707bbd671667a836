"""A hot loop under one name: its definition in array operations, and faster bodies per device."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy

from .base import XP, backend_of
from .parallel import share


def jit_enabled() -> bool:
    """Tell whether loops are compiled: numba is there and ``TINYCONV_JIT`` is not 0."""
    return os.environ.get("TINYCONV_JIT", "1") != "0" and find_spec("numba") is not None


def helper(f: Any) -> Any:
    """Decorator: a function that loops call, compiled together with them."""
    f.helper = True
    return f


def instruction(f: Any) -> Any:
    """Decorator: a function that loops call, which stands for a few vector instructions.

    What is written is its meaning; `simd` has the instructions under the same name.
    """
    f.instruction = True
    return f


def blocks(threads: int) -> int:
    """How many blocks give each of so many elements a thread."""
    return -(-threads // 256)


class Kernel:
    """A named loop that fills arrays.

    ``@Kernel`` takes the definition ``f(xp, *args)``, whole-array operations that run on every device;
    ``.cpu`` adds a numba loop ``f(start, stop, *args)``, which does a part of the work, so that several
    threads can share it; ``.cuda`` a function of the same name in the `.cu` file beside the module. The
    arguments are arrays to read, numbers, arrays to fill: the caller allocates, and a kernel decides
    neither a shape nor a dtype.
    """

    def __init__(self, definition: Callable[..., None]) -> None:
        self.definition = definition
        self.name = definition.__name__
        self.__doc__ = definition.__doc__
        self.loop: Any = None
        self.plan: Callable[..., tuple[Any, tuple[Any, ...]]] | None = None
        self.source = ""  # the path of the `.cu` file
        self._run: Callable[..., None] | None = None

    def cpu(
        self,
        loop: Any = None,
        *,
        over: Callable[..., int] | None = None,
        work: int = 1,
        when: Callable[..., bool] | None = None,
        **options: Any,
    ) -> Any:
        """Decorator: the CPU body, compiled by numba at its first call and cached on disk.

        ``over`` tells from the arguments how far ``range(start, stop)`` goes in all: unless given, over
        the rows of the first. ``work`` is about how many times longer the loop takes than to read and
        write its first argument. For arguments of which ``when`` is false there is only the definition.
        """
        if loop is None:
            return lambda f: self.cpu(f, over=over, work=work, when=when, **options)
        self.loop, self.over, self.work, self.when, self._options = loop, over, work, when, options
        return loop

    def cuda(self, plan: Callable[..., tuple[Any, tuple[Any, ...]]]) -> Any:
        """Decorator: how the CUDA body is started. ``plan(*args)`` tells on how many blocks, and with which arguments.

        A block has 256 threads. The number type of the first argument is the ``T`` of the body.
        """
        self.plan = plan
        self.source = str(Path(plan.__code__.co_filename).with_suffix(".cu"))
        return plan

    def __call__(self, *args: Any) -> None:
        first = args[0]
        xp = XP[type(first)]
        if xp is not numpy:
            self._on_device(xp, first, args)
            return
        if self.loop is None or first.dtype.char not in "fd":
            self.definition(xp, *args)
            return
        run = self._run or self._choose()
        if run is None or (self.when is not None and not self.when(*args)):
            self.definition(xp, *args)
            return
        n = len(first) if self.over is None else self.over(*args)
        share(n, lambda start, stop: run(start, stop, *args), first.size * self.work)

    def _on_device(self, xp: Any, first: Any, args: tuple[Any, ...]) -> None:
        backend = backend_of(first)
        if self.plan is None or first.dtype.name not in backend.launch_types:
            self.definition(xp, *args)
            return
        blocks, given = self.plan(*args)
        backend.launch(self.source, self.name, first.dtype, blocks, given)  # type: ignore[misc]  # it has types, so it has this

    def _choose(self) -> Callable[..., None] | None:
        if self._run is None and jit_enabled():
            door = import_module(
                "._numba", __package__
            )  # 0.4 s: not before the first loop is needed
            self._run = door.compiled(self.loop, **self._options)
        return self._run
