"""libcublas for tests: the functions that tinyconv calls, with the types of its header, on addresses.

What they are told is checked as by the library, and multiplied by NumPy: of a matrix of cuBLAS, columns lie one after the
other, ``ld`` elements apart.
"""

from __future__ import annotations

import ctypes as c
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np

from . import arrays

OK, NOT_INITIALIZED, INVALID_VALUE, NOT_SUPPORTED = 0, 1, 7, 15
NAMES = {NOT_INITIALIZED: b"CUBLAS_STATUS_NOT_INITIALIZED", INVALID_VALUE: b"CUBLAS_STATUS_INVALID_VALUE",
         NOT_SUPPORTED: b"CUBLAS_STATUS_NOT_SUPPORTED"}  # fmt: skip
TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 14: ml_dtypes.bfloat16}
COMPUTE = {0: (68, 77), 1: (70,), 2: (68,), 14: (68,)}  # what sums may be taken in
P, INT, LL = c.c_void_p, c.c_int, c.c_longlong


class Handle:
    def __init__(self) -> None:
        self.stream = 0
        self.workspace = 0
        self.math = 0


class Fake:
    """The library: its handles, and what was multiplied how."""

    def __init__(self) -> None:
        self.handles: dict[int, Handle] = {}
        self.calls: list[SimpleNamespace] = []
        made = [
            (self.cublasCreate_v2, [c.POINTER(P)]),
            (self.cublasDestroy_v2, [P]),
            (self.cublasSetStream_v2, [P, P]),
            (self.cublasSetWorkspace_v2, [P, P, c.c_size_t]),
            (self.cublasSetMathMode, [P, INT]),
            (self.cublasGemmEx, [P, INT, INT, INT, INT, INT, P, P, INT, INT, P, INT, INT, P, P, INT, INT, INT, INT]),
            (self.cublasGemmStridedBatchedEx,
             [P, INT, INT, INT, INT, INT, P, P, INT, INT, LL, P, INT, INT, LL, P, P, INT, INT, LL, INT, INT, INT]),
        ]  # fmt: skip
        self.library = SimpleNamespace(
            **{f.__name__: c.CFUNCTYPE(INT, *types)(self.guarded(f)) for f, types in made},
            cublasGetStatusString=lambda status: NAMES[status],  # a callback cannot return text
        )
        self.error: BaseException | None = None

    def guarded(self, f: Any) -> Any:
        """An exception cannot pass through C."""

        def call(*args: Any) -> int:
            try:
                status: int = f(*args)
                return status
            except BaseException as error:
                self.error = error
                return NOT_SUPPORTED

        return call

    def cublasCreate_v2(self, handle: Any) -> int:
        if arrays.capture:
            arrays.wait("cublasCreate")
        number = 0xB1A500000000 + len(self.handles) + 1  # what an int could not hold
        handle[0] = number
        self.handles[number] = Handle()
        return OK

    def cublasDestroy_v2(self, handle: int) -> int:
        return OK if self.handles.pop(handle, None) else NOT_INITIALIZED

    def cublasSetStream_v2(self, handle: int, stream: int | None) -> int:
        mine = self.handles[handle]
        mine.stream, mine.workspace = stream or 0, 0
        return OK

    def cublasSetWorkspace_v2(self, handle: int, workspace: int, size: int) -> int:
        assert workspace % 256 == 0
        assert size == 32 << 20
        self.handles[handle].workspace = workspace
        return OK

    def cublasSetMathMode(self, handle: int, mode: int) -> int:
        self.handles[handle].math = mode
        return OK

    def cublasGemmEx(
        self, handle, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, y, yt, ldy, sums, algorithm
    ) -> int:  # fmt: skip
        return self.cublasGemmStridedBatchedEx(
            handle, ta, tb, m, n, k, alpha, a, at, lda, 0, b, bt, ldb, 0, beta, y, yt, ldy, 0, 1, sums, algorithm
        )  # fmt: skip

    def cublasGemmStridedBatchedEx(
        self, handle, ta, tb, m, n, k, alpha, a, at, lda, step_a, b, bt, ldb, step_b, beta, y, yt, ldy, step_y,
        batch, sums, algorithm
    ) -> int:  # fmt: skip
        mine = self.handles.get(handle)
        if mine is None:
            return NOT_INITIALIZED
        assert mine.stream == arrays.current[-1], "a product on another stream than the current one"
        assert mine.workspace, "setting the stream takes the workspace away"
        assert mine.math == 16
        if at != bt or at != yt or sums not in COMPUTE.get(at, ()):
            return NOT_SUPPORTED
        rows_a, rows_b = (k if ta else m), (n if tb else k)
        if ta not in (0, 1) or tb not in (0, 1) or min(m, n, k, batch) < 0 or algorithm != -1:
            return INVALID_VALUE
        if lda < max(1, rows_a) or ldb < max(1, rows_b) or ldy < max(1, m):
            return INVALID_VALUE
        if batch > 1 and step_y < ldy * (n - 1) + m:
            return INVALID_VALUE  # results on top of each other
        number = c.c_double if at == 1 else c.c_float
        one, zero = (number.from_address(p).value for p in (alpha, beta))
        assert (one, zero) == (1, 0)
        kind = np.dtype(TYPES[at])
        given = [(a, lda, step_a, m, k, ta), (b, ldb, step_b, k, n, tb), (y, ldy, step_y, m, n, 0)]
        x, w, out = (matrices(*about, batch, kind) for about in given)
        wide = np.float64 if at == 1 else np.float32
        workspace = arrays.memory_at(mine.workspace, 8)

        def work() -> None:
            workspace[...] = 0xAB  # others must not need it
            factors = [v.astype(wide) for v in (x, w)]
            if sums == 77:
                factors = [to_tf32(v) for v in factors]
            with np.errstate(all="ignore"):
                out[...] = (factors[0] @ factors[1]).astype(kind)

        self.calls.append(
            SimpleNamespace(
                ta=ta, tb=tb, batch=batch, sums=sums, sizes=(m, n, k), steps=(step_a, step_b)
            )
        )
        arrays.stats["launches"] += 1
        arrays.stats["gemm"] += 1
        arrays.on_stream(work, [out, workspace], [x, w])
        return OK


def matrices(
    p: int, ld: int, step: int, rows: int, columns: int, turned: int, batch: int, kind: Any
) -> Any:
    """The matrices at an address, (batch, rows, columns), as views."""
    stored = (columns, rows) if turned else (rows, columns)
    span = (batch - 1) * step + ld * (stored[1] - 1) + stored[0] if 0 not in (*stored, batch) else 0
    flat = arrays.memory_at(p, span * kind.itemsize).view(kind)
    inside(p, span * kind.itemsize)
    size = kind.itemsize
    view = np.lib.stride_tricks.as_strided(flat, (batch, *stored), (step * size, size, ld * size))
    return view.swapaxes(1, 2) if turned else view


def inside(p: int, size: int) -> None:
    """Fail if memory is read or written that no pool has given out."""
    assert arrays.block_at(p, size), f"{size} bytes at {p:#x} are not all ours"


def to_tf32(x: Any) -> Any:
    """Rounded to 11 significant bits."""
    bits = x.view(np.uint32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & 0xFFFFE000).view(np.float32)
