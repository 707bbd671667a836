"""A strict stand-in for CuPy: its interface over NumPy, so that the CUDA backend's logic can be tested without a GPU.

Arrays of the host and of the device do not mix, nothing is converted silently, only what CuPy 14.2 has is there, and
``stats`` counts launches, waits and copies. Kernels in CUDA C++ run as they are, compiled by the C++ compiler.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from . import arrays, cublas, runtime
from .arrays import ndarray, stats
from .names import FUNCTIONS, LINALG, UFUNCS
from .raw import COMPILER, RawModule

__all__ = ["COMPILER", "installed", "ndarray", "stats"]

WAITING = {
    "nonzero",
    "argwhere",
    "flatnonzero",
    "unique",
    "array_equal",
    "allclose",
    "extract",
    "compress",
    "bincount",
}
SHAPES = {"broadcast_to", "expand_dims", "moveaxis", "rollaxis", "squeeze", "swapaxes", "transpose", "atleast_1d", "atleast_2d",
          "atleast_3d", "broadcast_arrays", "split", "array_split", "flip", "rot90", "diagonal", "reshape", "ravel"}  # fmt: skip
HOST = {"may_share_memory", "shares_memory", "result_type", "can_cast", "isscalar", "broadcast_shapes", "ndim", "shape",
        "size", "min_scalar_type", "promote_types"}  # of no concern to the device  # fmt: skip
TYPES = ["bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "intp", "generic", "dtype", "finfo", "iinfo", "newaxis", "inf", "nan", "pi", "e", "floating", "integer"]  # fmt: skip


class Ufunc:
    """A ufunc that takes arrays of the device, and only what CuPy's takes."""

    def __init__(self, name: str) -> None:
        self.ufunc = getattr(np, name)
        self.__name__ = name

    def __call__(
        self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind"
    ) -> Any:
        if self.ufunc is np.matmul and arrays.capture:
            raise NotImplementedError(
                "calling cuBLAS API during stream capture is currently unsupported"
            )
        kwargs: dict[str, Any] = {"casting": casting}
        if out is not None:
            kwargs["out"] = out
        if dtype is not None:
            kwargs["dtype"] = dtype
        made = arrays.perform(self.__name__, self.ufunc, args, kwargs)
        return out if out is not None else made

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        return arrays.perform(self.__name__, self.ufunc.reduce, args, kwargs)

    def at(self, *args: Any) -> None:
        arrays.adds_atomically(args[0])
        arrays.perform(f"{self.__name__}.at", self.ufunc.at, args, {})

    def outer(self, *args: Any) -> Any:
        return arrays.perform(self.__name__, self.ufunc.outer, args, {})

    def accumulate(self, *args: Any, **kwargs: Any) -> Any:
        return arrays.perform(self.__name__, self.ufunc.accumulate, args, kwargs)


def _function(name: str, library: Any = np) -> Any:
    allowed = FUNCTIONS.get(name, "args kwargs").split()

    def function(*args: Any, **kwargs: Any) -> Any:
        extra = set(kwargs) - set(allowed)
        if extra and "kwargs" not in allowed:
            raise TypeError(f"cupy.{name}() takes no {extra}")
        if len(args) > len(allowed) and "args" not in allowed and "operands" not in allowed:
            raise TypeError(f"cupy.{name}() takes {len(allowed)} arguments, got {len(args)}")
        if name in WAITING:
            arrays.wait(name)
        if (
            name in ("matmul", "dot", "tensordot", "einsum", "inner", "vdot", "kron")
            and arrays.capture
        ):
            raise NotImplementedError(
                "calling cuBLAS API during stream capture is currently unsupported"
            )
        f = getattr(library, name)
        if name in SHAPES:
            made = f(*arrays.unbox(args), **arrays.unbox(kwargs))
            if not isinstance(made, np.ndarray) or arrays.holder(made) is not None:
                return arrays.box(made)
        if name in HOST:
            return f(*arrays.unbox(args), **arrays.unbox(kwargs))
        made = arrays.perform(name, f, args, kwargs)
        return kwargs["out"] if kwargs.get("out") is not None else made

    function.__name__ = name
    return function


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    if isinstance(a, (list, tuple)) and any(isinstance(v, ndarray) for v in a):
        return ndarray(np.array([v.host for v in a], dtype))
    if not (isinstance(a, np.ndarray) and arrays.is_pinned(a)):
        arrays.from_pageable()
    stats["h2d"] += 1
    made = ndarray(np.array(a, dtype=dtype, order=order).view(np.ndarray))
    arrays.used((), [made.host])
    if blocking:
        arrays.wait("a copy that blocks")
    return made


def array(a: Any, dtype: Any = None, copy: bool = True, order: str = "K", **_: Any) -> ndarray:
    made = asarray(a, dtype)
    return made.copy() if made is a and copy else made


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else a.copy()


def asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
) -> Any:
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a)


def scatter_add(a: ndarray, at: Any, values: Any) -> None:
    arrays.adds_atomically(a)
    arrays.perform("scatter_add", np.add.at, (a, at, values), {})


def from_dlpack(array: Any, /, *, device: Any = None, copy: Any = None) -> ndarray:
    if array.__dlpack_device__()[0] != 2:
        raise TypeError("this array cannot be exchanged: it is not on the device")
    given = array.__dlpack__(stream=1)
    return ndarray(given.host[...])


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(module).update(names)
    return module


def build() -> dict[str, ModuleType]:
    """The modules to enter in ``sys.modules``."""
    names: dict[str, Any] = {n: getattr(np, n) for n in TYPES}
    names |= {n: _function(n) for n in FUNCTIONS if hasattr(np, n)}
    names |= {n: Ufunc(n) for n in UFUNCS if isinstance(getattr(np, n, None), np.ufunc)}
    names |= {"ndarray": ndarray, "asarray": asarray, "array": array, "asnumpy": asnumpy, "RawModule": RawModule,
              "from_dlpack": from_dlpack,
              "ascontiguousarray": ascontiguousarray, "__version__": "14.2.0", "bool": bool}  # fmt: skip
    names["linalg"] = _module(
        "cupy.linalg",
        **{n: _function(n, np.linalg) for n in LINALG if callable(getattr(np.linalg, n, None))},
    )
    stride_tricks = _module(
        "cupy.lib.stride_tricks",
        **{
            n: (lambda f: lambda x, *a, **k: ndarray(f(x.host, *a, **k)))(
                getattr(np.lib.stride_tricks, n)
            )
            for n in ("as_strided", "sliding_window_view")
        },
    )
    names["lib"] = _module("cupy.lib", stride_tricks=stride_tricks)
    cuda = names["cuda"] = _module("cupy.cuda", **runtime.CUDA)
    names |= runtime.TOP
    cupyx = _module("cupyx", scatter_add=scatter_add, **runtime.CUPYX)
    top = _module("cupy", **names)
    return {"cupy": top, "cupy.cuda": cuda, "cupy.linalg": names["linalg"], "cupy.lib": names["lib"],
               "cupy.lib.stride_tricks": stride_tricks, "cupyx": cupyx, "cupy.cuda.memory": runtime.memory,
               "cupy.cuda.pinned_memory": runtime.pinned_memory,
               "cupy.cuda.runtime": runtime.runtime}  # fmt: skip


blas: list[Any] = [None]  # the one that is installed


@contextmanager
def installed() -> Iterator[Any]:
    """Let tinyconv find the stand-in where it would find CuPy; afterwards all is as before."""
    from tinyconv.backend import base, cudnn, library
    from tinyconv.generator import philox

    before = dict(sys.modules)
    tables: list[dict[Any, Any]] = [base.XP, base._by_name, base._by_type, philox._defaults]
    copies = [dict(t) for t in tables]
    modules = build()
    sys.modules.update(modules)
    stats.clear()
    runtime.reset()
    load, blas[0] = library.load, cublas.Fake()
    here = {
        "libcublas.so.13": blas[0].library,
        "libcudnn.so.9": None,
    }  # a real cuDNN would run away with host memory
    library.load = lambda name: here[name] if name in here else load(name)
    cudnn._library.cache_clear()
    try:
        yield stats
    finally:
        library.load = load
        cudnn._library.cache_clear()
        for name in set(sys.modules) - set(before):
            if name.startswith("tinyconv.backend.cuda") or name in modules:
                del sys.modules[name]
        sys.modules.update({n: m for n, m in before.items() if n in modules})
        for table, copy in zip(tables, copies, strict=True):
            table.clear()
            table.update(copy)
        vars(sys.modules["tinyconv.backend"]).pop("cuda", None)
