"""What linear algebra shares: which matrices it takes, what it says of those that fail, and its named results."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ..alias import library
from ..autograd.function import type_name
from ..autograd.variable import Variable
from ..backend import XP, Array, demand
from ..dtypes import FLOATS, HALVES
from ..errors import DTypeError, LinAlgError, ShapeError
from ._common import NUMPY, ndim_of, not_implemented, select, shape_of
from .linalg import Mm
from .views import transpose

# ── what it takes ─────────────────────────────────────────────────────────────────────────────


def check_matrices(name: str, A: Any, kernel: str = "lu_cpu", square: bool = False) -> None:
    """Refuse what is no matrix (or batch of matrices) of float32 or float64; or not square, if it has to be."""
    if ndim_of(A) < 2:
        raise ShapeError(
            f"{name}: The input tensor A must have at least 2 dimensions.",
            f"It has shape {list(shape_of(A))}.",
        )
    rows, columns = shape_of(A)[-2:]
    if square and rows != columns:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    if A.array.dtype not in FLOATS:
        raise DTypeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(A.array)}",
            "Write x.float() first.",
        )
    if A.array.dtype in HALVES:
        if kernel:
            raise not_implemented(kernel, A.array, "Write x.float() first.")
        raise DTypeError(
            f"{name}: Low precision dtypes not supported. Got {type_name(A.array)}",
            "Write x.float() first.",
        )


# ── what fails ────────────────────────────────────────────────────────────────────────────────


def attempt(
    function: Callable[[Array], Array], A: Array, complaint: Callable[[Array], Exception]
) -> Array:
    """``function(A)``, one array. Where it fails, ``complaint`` looks at the first matrix that is to blame."""
    try:
        y = function(A)
    except NUMPY.linalg.LinAlgError:
        raise complaint(A) from None
    xp = XP[type(A)]
    if xp is not NUMPY:  # nothing fails there: what comes out is not finite
        demand(xp.isfinite(y).all() | ~xp.isfinite(A).all(), _failed)
    return y


def _failed(_: int) -> Exception:
    return LinAlgError(
        "linalg: The computation could not be completed because the input matrix is singular, or not positive-definite."
    )


def culprit(function: Callable[[Array], Any], A: Array) -> tuple[Array, str]:
    """The first matrix of a batch for which ``function`` fails, and the words that say which it is."""
    for at in NUMPY.ndindex(*A.shape[:-2]):
        try:
            function(A[at])
        except NUMPY.linalg.LinAlgError:
            place = NUMPY.ravel_multi_index(at, A.shape[:-2]) if at else 0
            return A[at], f"(Batch element {place}): " if at else ""
    return A.reshape(-1, *A.shape[-2:])[0], ""


def zero_pivot(A: Array) -> int:
    """The number, from 1 on, of the first zero on the diagonal that Gauss's elimination meets."""
    A = A.copy()
    for k in range(len(A)):
        best = k + int(abs(A[k:, k]).argmax())
        if A[best, k] == 0:
            return k + 1
        A[[k, best]] = A[[best, k]]
        A[k + 1 :] -= A[k + 1 :, k : k + 1] / A[k, k] * A[k]
    return len(A)


def singular(A: Array) -> LinAlgError:
    """The error for a matrix without an inverse."""
    matrix, batch = culprit(NUMPY.linalg.inv, A)
    return LinAlgError(
        f"linalg.inv: {batch}The diagonal element {zero_pivot(matrix)} is zero, the inversion could not be completed "
        "because the input matrix is singular.",
        "linalg.pinv() takes singular matrices, too.",
    )


# ── pieces of formulas ────────────────────────────────────────────────────────────────────────


def mm(a: Any, b: Any) -> Any:
    """Products of matrices, leading dimensions broadcast."""
    return Mm()(a, b)


def turned(a: Any) -> Any:
    """The transposes of matrices."""
    return transpose(a, -2, -1)


def quotient(a: Any, b: Any) -> Any:
    """``a / b``, and 0 for 0 / 0: a gradient that nobody asked for does not fail."""
    p, q = (v.array if isinstance(v, Variable) else v for v in (a, b))
    nothing = (p == 0) & (q == 0)
    return select(nothing, 0, a / select(nothing, 1, b))


# ── named results ─────────────────────────────────────────────────────────────────────────────


def named_result(function: str, fields: str) -> Any:
    """A tuple of results with names, which prints with the name of its function."""

    def shown(self: Any) -> str:
        lines = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
        return f"{library()}.return_types.{function}(\n{lines})"

    plain = namedtuple(function, fields)  # type: ignore[misc]  # the names are arguments
    return type(function, (plain,), {"__repr__": shown, "__slots__": ()})
