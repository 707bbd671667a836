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
INTEGERS = {
    "int64": "Int",
    "int32": "int",
    "bool": "bool",
}  # for the few functions that look at integers

_INCLUDE = re.compile(r'#include "[./\w]*device\.cuh"\n')
_FUNCTION = re.compile(r"__global__\s+void\s+(\w+)\s*\(")


def text_of(source: str) -> str:
    """A `.cu` file, or the text itself, with the header in place of the line that includes it.

    So CuPy's cache sees all that is compiled.
    """
    file = "\n" not in source
    text, name = (Path(source).read_text(), Path(source).name) if file else (source, "made.cu")
    header = HEADER.read_text()
    return _INCLUDE.sub(lambda _: f'{header}\n#line 2 "{name}"\n', text)


def functions_of(text: str) -> list[str]:
    """The names of the kernels in a text."""
    return _FUNCTION.findall(text)


def options_of(kind: str, text: str) -> tuple[str, ...]:
    """How it is compiled: half types need headers of the CUDA toolkit; ``EXACT`` arithmetic rounds each operation."""
    half = ("-DTINYCONV_HALF",) * kind.startswith("__")
    exact = ("--fmad=false",) * ("#define EXACT" in text)
    return ("--std=c++17", *half, *exact)


@cache
def _module(source: str, kind: str) -> Any:
    text = text_of(source)
    names = [f"{name}<{kind}>" for name in functions_of(text)]
    return cupy.RawModule(code=text, options=options_of(kind, text), name_expressions=names)


@cache
def _function(source: str, name: str, kind: str) -> Callable[..., None]:
    function: Callable[..., None] = _module(source, kind).get_function(f"{name}<{kind}>")
    return function


def launch(source: str, name: str, dtype: Any, blocks: Any, args: tuple[Any, ...]) -> None:
    """Start the function ``name`` of a file, given by its path, or of a text, for numbers of this type, on so many blocks."""
    grid = blocks if type(blocks) is tuple else (blocks,)
    if 0 not in grid:
        kind = TYPES.get(dtype.name) or INTEGERS[dtype.name]
        _function(source, name, kind)(grid, (THREADS,), args)
