"""Matrix products by NVIDIA's cuBLAS, called in the library itself: CuPy's own cannot be captured in a CUDA graph.

A matrix of cuBLAS has its columns one after the other, ours has its rows. What is the transpose to the one is the matrix
to the other, so it is asked for yᵀ = bᵀ aᵀ. An array whose strides say that it is a transpose is told to it as one,
and nothing is copied.

Source: the cuBLAS library, https://docs.nvidia.com/cuda/cublas/
"""

from __future__ import annotations

import ctypes as c
import threading
import weakref
from functools import cache
from typing import Any

import cupy

from ...errors import DeviceError
from ...shapes import Shape, broadcast
from .. import library
from ..base import Array
from ..flags import flags

DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
FLOAT, FLOAT_TF32, DOUBLE = 68, 77, 70  # how sums are taken
PLAIN, TRANSPOSED = 0, 1
WIDE_SUMS = 16  # a math mode: parts of a sum of halves are not rounded to halves
BEST = -1  # the algorithm: what cuBLAS finds best
WORKSPACE = 32 << 20  # bytes that it may borrow on each stream, as many as pay on the largest GPUs
LARGEST = (1 << 31) - 1  # size or distance of rows, in an int

_ONE = {FLOAT: c.c_float(1), FLOAT_TF32: c.c_float(1), DOUBLE: c.c_double(1)}
_ZERO = {FLOAT: c.c_float(0), FLOAT_TF32: c.c_float(0), DOUBLE: c.c_double(0)}

# ── the library ───────────────────────────────────────────────────────────────────────────────

_P, _I, _LL = c.c_void_p, c.c_int, c.c_longlong
_SIZES = [_P, _I, _I, _I, _I, _I, _P]  # handle, two operations, m n k, alpha
SIGNATURES: dict[str, list[Any]] = {
    "cublasCreate_v2": [_P],
    "cublasDestroy_v2": [_P],
    "cublasSetStream_v2": [_P, _P],
    "cublasSetWorkspace_v2": [_P, _P, c.c_size_t],
    "cublasSetMathMode": [_P, _I],
    "cublasGemmEx": [*_SIZES, _P, _I, _I, _P, _I, _I, _P, _P, _I, _I, _I, _I],
    "cublasGemmStridedBatchedEx": [
        *_SIZES, _P, _I, _I, _LL, _P, _I, _I, _LL, _P, _P, _I, _I, _LL, _I, _I, _I
    ],
}  # fmt: skip


@cache
def _library() -> Any:
    """cuBLAS of the CUDA that CuPy was made for; None if it is not there."""
    found = library.load(f"libcublas.so.{_major()}")
    if found is not None:
        found.cublasGetStatusString.restype = c.c_char_p
        for name, types in SIGNATURES.items():
            getattr(found, name).argtypes = types
    return found


def _major() -> int:
    return int(cupy.cuda.runtime.runtimeGetVersion()) // 1000


def available() -> bool:
    """Tell whether cuBLAS can be loaded; if not, CuPy multiplies."""
    return _library() is not None


def why_unavailable() -> str:
    """What is missing, and the command that mends it; empty if nothing is."""
    if available():
        return ""
    wheel = "nvidia-cublas-cu12" if _major() == 12 else "nvidia-cublas"
    return f"libcublas.so.{_major()} was not found. Install it: pip install {wheel}"


def _call(function: str, *args: Any) -> None:
    status = getattr(_library(), function)(*args)
    if status:
        name = _library().cublasGetStatusString(status).decode()
        raise DeviceError(f"CUDA error: {name} when calling `{function}`")


# ── one thread on one device ──────────────────────────────────────────────────────────────────


class Session:
    """A handle, which belongs to one thread and one device, and the memory that it borrows on each stream."""

    def __init__(self) -> None:
        self.handle = c.c_void_p()
        _call("cublasCreate_v2", c.byref(self.handle))
        _call("cublasSetMathMode", self.handle, WIDE_SUMS)
        self.stream: int | None = None
        self.workspaces: dict[int, Any] = {}
        # not at the end of the process, when CUDA may be gone already
        weakref.finalize(self, _library().cublasDestroy_v2, self.handle).atexit = False

    def use(self, stream: int) -> None:
        """Multiply on this stream from now on."""
        if stream == self.stream:
            return
        if stream not in self.workspaces:
            if len(self.workspaces) >= _STREAMS:  # the oldest goes back to its pool
                del self.workspaces[next(iter(self.workspaces))]
            self.workspaces[stream] = cupy.cuda.alloc(WORKSPACE)
        _call("cublasSetStream_v2", self.handle, stream)  # which takes the workspace away
        _call("cublasSetWorkspace_v2", self.handle, self.workspaces[stream].ptr, WORKSPACE)
        self.stream = stream

    def forget(self, stream: int) -> None:
        """Let go of the memory borrowed on a stream."""
        self.workspaces.pop(stream, None)
        if self.stream == stream:
            self.stream = None


_STREAMS = 8


class _Here(threading.local):
    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}


_here = _Here()


def session(device: int) -> Session:
    """This thread's session on a device, which has to be the current one."""
    if device not in _here.sessions:
        _here.sessions[device] = Session()
    return _here.sessions[device]


def fresh_workspace(device: int, stream: int) -> None:
    """What is multiplied on a stream from now on borrows memory of the allocator that is set by then.

    A CUDA graph must own all memory that it works on, and nobody else may use it at the same time.
    """
    if available():
        session(device).forget(stream)


# ── products ──────────────────────────────────────────────────────────────────────────────────


def multiply(a: Array, b: Array, out: Array | None = None) -> Array:
    """The product of matrices or of batches of them, by the rules of ``matmul``; written to ``out`` if that is given."""
    if a.ndim == 1 or b.ndim == 1:
        return _of_vectors(a, b, out)
    kind = DTYPES.get(a.dtype.name)
    (m, k), (also_k, n) = a.shape[-2:], b.shape[-2:]
    if kind is None or a.dtype != b.dtype or k != also_k:  # which it does, or complains of
        return cupy.matmul(a, b, out=out)
    if not available():
        return _without(a, b, out)
    lead = broadcast(a.shape[:-2], b.shape[:-2]) if a.ndim > 2 or b.ndim > 2 else ()
    y = cupy.empty((*lead, m, n), a.dtype) if out is None else out
    if y.size == 0:
        return y
    if k == 0:
        y.fill(0)
        return y
    at, a_order, lda, a_step = _operand(a, lead)
    bt, b_order, ldb, b_step = _operand(b, lead)
    yt, y_order, ldy, y_step = _operand(y, lead)
    if yt is not y or y_order:  # ``out`` has gaps where cuBLAS allows none
        y[...] = multiply(a, b)
        return y
    if max(m, n, k, lda, ldb, ldy) > LARGEST:
        return _without(a, b, out)
    sums = DOUBLE if kind == 1 else FLOAT_TF32 if kind == 0 and flags.matmul_tf32 else FLOAT
    one, zero = c.addressof(_ONE[sums]), c.addressof(_ZERO[sums])
    mine = session(a.device.id)
    mine.use(cupy.cuda.get_current_stream().ptr)
    head = mine.handle, b_order, a_order, n, m, k, one
    batch = y.size // (m * n)
    if batch == 1:
        _call(
            "cublasGemmEx", *head, bt.data.ptr, kind, ldb, at.data.ptr, kind, lda, zero,
            y.data.ptr, kind, ldy, sums, BEST
        )  # fmt: skip
    else:
        _call(
            "cublasGemmStridedBatchedEx", *head, bt.data.ptr, kind, ldb, b_step, at.data.ptr, kind, lda, a_step,
            zero, y.data.ptr, kind, ldy, y_step, batch, sums, BEST
        )  # fmt: skip
    return y


def _of_vectors(a: Array, b: Array, out: Array | None) -> Array:
    """A vector is a row on the left and a column on the right."""
    y = multiply(a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b)
    y = y[..., 0] if b.ndim == 1 else y
    y = y[..., 0] if a.ndim == b.ndim == 1 else y[..., 0, :] if a.ndim == 1 else y
    if out is None:
        return y
    out[...] = y
    return out


def _operand(a: Array, lead: Shape) -> tuple[Array, int, int, int]:
    """An array as cuBLAS takes it: itself or a copy, whether it is transposed, how far apart rows and matrices are."""
    rows, columns = a.shape[-2:]
    down, across = (s // a.itemsize for s in a.strides[-2:])
    step = _step(a, lead)
    if step is not None:
        if (across == 1 or columns == 1) and (down >= columns or rows == 1):
            return a, PLAIN, columns if rows == 1 else down, step
        if (down == 1 or rows == 1) and (across >= rows or columns == 1):
            return a, TRANSPOSED, rows if columns == 1 else across, step
        dense = cupy.ascontiguousarray(a)
        if (step := _step(dense, lead)) is not None:
            return dense, PLAIN, columns, step
    dense = cupy.ascontiguousarray(cupy.broadcast_to(a, (*lead, rows, columns)))
    return dense, PLAIN, columns, rows * columns


def _step(a: Array, lead: Shape) -> int | None:
    """How far one matrix is from the next, of so many; None if not all distances are alike."""
    skipped = len(lead) - (a.ndim - 2)
    step, next_one, found = 0, 0, False
    for i in range(len(lead) - 1, -1, -1):
        if lead[i] == 1:
            continue
        j = i - skipped
        distance = a.strides[j] // a.itemsize if j >= 0 and a.shape[j] > 1 else 0
        if not found:
            step, found = distance, True
        elif distance != next_one:
            return None
        next_one = distance * lead[i]
    return step


def _without(a: Array, b: Array, out: Array | None) -> Array:
    """By CuPy."""
    if cupy.cuda.get_current_stream().is_capturing():
        raise DeviceError(
            "A matrix product cannot be captured in a CUDA graph without cuBLAS.",
            why_unavailable()
            or f"Sizes and strides must be below 2**31, got {a.shape} and {b.shape}.",
        )
    return cupy.matmul(a, b, out=out)
