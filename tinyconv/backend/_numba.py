"""The door to numba: loops become machine code, which is kept on disk. Imported when the first loop runs."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba import types
from numba.core import config as numba_config
from numba.core import event

from . import simd, simd_tiles

config: Any = numba_config
_compiling = threading.RLock()
_helpers: dict[Any, Any] = {}
instructions = {**vars(simd), **vars(simd_tiles)}


def compiled(loop: FunctionType, **options: Any) -> Callable[..., None]:
    """A loop as machine code: made at the first call with new types, then read from disk."""
    with _compiling:
        names = {**loop.__globals__, **_called(loop)}
        code = FunctionType(loop.__code__, names, loop.__name__, loop.__defaults__)
        code.__module__, code.__qualname__ = loop.__module__, loop.__qualname__
        settings = {"nogil": True, "error_model": "numpy", **options}
        folder, before = cache_folder(loop), config.CACHE_DIR
        config.CACHE_DIR = folder or before
        try:
            result: Callable[..., None] = numba.njit(cache=folder is not None, **settings)(code)
        finally:
            config.CACHE_DIR = before
        return result


def _called(loop: FunctionType) -> dict[str, Any]:
    """What names in a loop mean once it is compiled, where that is not what they mean in Python."""
    found = {}
    for name in loop.__code__.co_names:
        value: Any = loop.__globals__.get(name)
        if hasattr(value, "instruction"):
            found[name] = instructions[name]
        elif hasattr(value, "helper"):
            if value not in _helpers:
                _helpers[value] = _once_for_all(compiled(value))
            found[name] = _helpers[value]
    return found


def _once_for_all(helper: Any) -> Any:
    """Compile a helper for the types of its arguments, and not for each constant that is passed to it."""
    template = helper.get_call_template

    def plain(args: Any, kws: Any) -> Any:
        return template(
            [*map(types.unliteral, args)], {k: types.unliteral(a) for k, a in kws.items()}
        )

    helper.get_call_template = plain
    return helper


# ── the cache ─────────────────────────────────────────────────────────────────────────────────


def _roots() -> Iterator[Path]:
    if chosen := os.environ.get("TINYCONV_CACHE"):
        yield Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    yield Path(home).expanduser() / "tinyconv"
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    yield Path(tempfile.gettempdir()) / f"tinyconv-{user}"


def _code(f: Any) -> Iterator[bytes]:
    """The bytecode of a loop's helpers, and of theirs."""
    for name in f.__code__.co_names:
        value: Any = f.__globals__.get(name)
        if hasattr(value, "helper"):
            code = value.__code__
            yield repr((code.co_code, code.co_consts, code.co_names)).encode()
            yield from _code(value)


@cache
def _backend() -> bytes:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return repr([(f.name, f.stat().st_mtime_ns) for f in files]).encode()


def cache_folder(loop: Any) -> str | None:
    """Where the machine code of a loop is kept; None if nothing can be written.

    It is ``TINYCONV_CACHE``, the user's cache folder, or a temporary one. In it lies a folder for each state of what is
    compiled into several loops: numba sees that the file of a loop has changed, but not that of a helper.
    """
    state = sha256(b"".join([_backend(), *_code(loop)])).hexdigest()[:12]
    for root in _roots():
        folder = root / f"loops-{state}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return None


# ── the notice ────────────────────────────────────────────────────────────────────────────────


class _Notice(event.Listener):
    """One line, when the first loop that is not on disk is compiled, why the program takes its time."""

    told = False

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if not self.told and function.__module__.startswith(__name__.split(".")[0]):
            self.told = True
            print(
                "tinyconv: compiling loops for this processor, this once"
                " (python -m tinyconv warmup does it beforehand)",
                file=sys.stderr,
            )

    def on_end(self, event: Any) -> None:
        pass


_notice = _Notice()
event.register("numba:compile", _notice)


def say_nothing() -> None:
    """Leave the notice out: the user knows."""
    _notice.told = True
