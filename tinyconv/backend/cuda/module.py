"""Kernels in CUDA C++: a `.cu` file is compiled for a number type when one of its functions is first called."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cupy

HEADER = Path(__file__).with_name("device.cuh")
THREADS = 256  # of a block, as in the header
TYPES = {"float32": "float", "float64": "double", "float16": "__half", "bfloat16": "__nv_bfloat16"}

_INCLUDE = re.compile(r'#include "[./\w]*device\.cuh"\n')
_FUNCTION = re.compile(r"__global__\s+void\s+(\w+)\s*\(")


def text_of(path: str) -> str:
    """A `.cu` file with the header in place of the line that includes it: CuPy's cache sees all that is compiled."""
    header = HEADER.read_text()
    return _INCLUDE.sub(
        lambda _: f'{header}\n#line 2 "{Path(path).name}"\n', Path(path).read_text()
    )


def functions_of(text: str) -> list[str]:
    """The names of the kernels in a text."""
    return _FUNCTION.findall(text)


def options_of(kind: str) -> tuple[str, ...]:
    """How it is compiled; the half types need headers of the CUDA toolkit."""
    return ("--std=c++17", *(("-DTINYCONV_HALF",) if kind.startswith("__") else ()))


@cache
def _module(path: str, kind: str) -> Any:
    text = text_of(path)
    names = [f"{name}<{kind}>" for name in functions_of(text)]
    return cupy.RawModule(code=text, options=options_of(kind), name_expressions=names)


@cache
def _function(path: str, name: str, kind: str) -> Callable[..., None]:
    function: Callable[..., None] = _module(path, kind).get_function(f"{name}<{kind}>")
    return function


def launch(path: str, name: str, dtype: Any, blocks: Any, args: tuple[Any, ...]) -> None:
    """Start the function ``name`` of the file at ``path`` for numbers of this type, on so many blocks."""
    grid = blocks if type(blocks) is tuple else (blocks,)
    if 0 not in grid:
        _function(path, name, TYPES[dtype.name])(grid, (THREADS,), args)
