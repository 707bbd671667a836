"""Matrices as products of an orthogonal and a triangular one, or of a triangular one and its transpose.

Derivatives: Walter & Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum
experimental design" (2010) for QR; Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10.
"""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import XP, Array
from ..errors import GraphError, LinAlgError
from ._common import NUMPY, select, shape_of
from ._matrices import attempt, check_matrices, culprit, mm, named_result, turned
from .joining import Cat
from .solve import Solve
from .triangles import Tril

# ── QR ────────────────────────────────────────────────────────────────────────────────────────


@op
class Qr(Function):
    """``A = Q R``: the rows of Q (m, k), and of R^T (n, k); see `spectral` for why they are one output."""

    label = "LinalgQrBackward0"
    mode: str

    def forward(self, A: Array) -> Array:
        xp, self.rows = self.xp, A.shape[-2]
        Q, R = xp.linalg.qr(A, "complete" if self.mode == "complete" else "reduced")
        y = xp.concatenate((Q, xp.swapaxes(R, -2, -1)), -2)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        if self.mode == "r":
            raise GraphError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                "linalg.qr(A, mode='reduced') if you are going to require differentiation through linalg.qr."
            )
        (y,) = self.saved
        (Q, Rt), (gQ, gRt), m = _factors(y, self.rows), _factors(g, self.rows), self.rows
        n = shape_of(Rt)[-2]
        if self.mode == "complete" and m > n:
            raise GraphError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols",
                "Write mode='reduced'.",
            )
        if m >= n:
            return (_of_tall(Q, Rt, gQ, gRt),)
        # A = (B, C) = (Q S, Q T) with S square: C is a product with a Q that B decides
        T, gT = Rt[..., m:, :], gRt[..., m:, :]
        gB = _of_tall(Q, Rt[..., :m, :], gQ + mm(Q, mm(turned(T), gT)), gRt[..., :m, :])
        return (Cat(len(shape_of(g)) - 1)(gB, mm(Q, turned(gT))),)


def _of_tall(Q: Any, Rt: Any, gQ: Any, gRt: Any) -> Any:
    """``(gQ + Q sym(R gR^T - gQ^T Q)) R^-T``, where sym mirrors what is below the diagonal."""
    inner = mm(turned(Rt), gRt) - mm(turned(gQ), Q)
    mirrored = Tril(0)(inner) + turned(Tril(-1)(inner))
    return turned(Solve()(turned(Rt), turned(gQ + mm(Q, mirrored))))


def _eye(x: Any) -> Array:
    array = getattr(x, "array", x)
    return XP[type(array)].eye(array.shape[-1], dtype=bool)


def _factors(y: Any, rows: int) -> tuple[Any, Any]:
    return y[..., :rows, :], y[..., rows:, :]


QR = named_result("linalg_qr", "Q R")
OldQR = named_result("qr", "Q R")


def qr(A: Any, mode: str = "reduced") -> Any:
    """QR decomposition: a matrix with orthonormal columns times an upper triangular one.

    .. math:: A = Q R

    Args:
        mode: ``'reduced'``; ``'complete'``: Q is square; ``'r'``: Q is not wanted, and empty.

    Shape:
        ``(*, n, m) -> (*, n, k), (*, k, m)`` with ``k = min(n, m)``

    >>> import tinyconv as tc
    >>> A = tc.tensor([[3., 1.], [4., 2.]], requires_grad=True)
    >>> Q, R = tc.linalg.qr(A)
    >>> R.detach().abs()
    tensor([[5.0000, 2.2000],
            [0.0000, 0.4000]])
    >>> R[0, 0].abs().backward()
    >>> A.grad
    tensor([[0.6000, 0.0000],
            [0.8000, 0.0000]])
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    check_matrices("linalg.qr", A, "geqrf_cpu")
    Q, Rt = _factors(Qr(mode)(A), shape_of(A)[-2])
    if mode == "r":
        Q = A.wrap(XP[type(A.array)].empty(0, A.array.dtype))
    return QR(Q, turned(Rt))


def old_qr(input: Any, some: bool = True) -> Any:
    """:func:`linalg.qr` under its former name."""
    return OldQR(*qr(input, "reduced" if some else "complete"))


# ── Cholesky ──────────────────────────────────────────────────────────────────────────────────


@op
class Cholesky(Function):
    """``A = L L^T``; ``gA = L^-T P(L^T gL) L^-1``, where P takes the lower triangle and half of the diagonal."""

    label = "LinalgCholeskyExBackward0"

    def forward(self, A: Array) -> Array:
        L = attempt(self.xp.linalg.cholesky, A, _not_positive)
        self.save(L)
        return L

    def backward(self, g: Any) -> Any:
        (L,) = self.saved
        inner = mm(turned(L), g)
        inner = Tril(0)(inner)
        inner = select(_eye(inner), inner * 0.5, inner)
        gA = Solve()(turned(L), turned(Solve()(turned(L), turned(inner))))
        return ((gA + turned(gA)) * 0.5,)


def _not_positive(A: Array) -> LinAlgError:
    matrix, batch = culprit(NUMPY.linalg.cholesky, A)
    order = len(matrix)
    for k in range(order, 0, -1):
        try:
            NUMPY.linalg.cholesky(matrix[:k, :k])
            break
        except NUMPY.linalg.LinAlgError:
            order = k
    return LinAlgError(
        f"linalg.cholesky: {batch}The factorization could not be completed because the input is not positive-definite "
        f"(the leading minor of order {order} is not positive-definite).",
        "Rounding can do that: add a small multiple of eye(n).",
    )


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """The lower triangular L of a symmetric, positive-definite matrix; with ``upper``, its transpose.

    .. math:: A = L L^T

    Only the lower triangle of A is read.

    Shape:
        ``(*, n, n) -> (*, n, n)``

    Raises:
        LinAlgError: a matrix is not positive-definite.

    >>> import tinyconv as tc
    >>> A = tc.tensor([[4., 2.], [2., 5.]], requires_grad=True)
    >>> L = tc.linalg.cholesky(A)
    >>> L.detach()
    tensor([[2., 0.],
            [1., 2.]])
    >>> L[0, 0].backward()
    >>> A.grad
    tensor([[0.2500, 0.0000],
            [0.0000, 0.0000]])
    """
    check_matrices("linalg.cholesky", A, "cholesky_cpu", square=True)
    L = Cholesky()(turned(A) if upper else A)
    return turned(L) if upper else L


def old_cholesky(input: Any, upper: bool = False) -> Any:
    """:func:`linalg.cholesky` under its former name; what is empty needs not be square."""
    if not input.array.size:
        return input.clone()
    return cholesky(input, upper=upper)
