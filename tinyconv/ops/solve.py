"""Systems of linear equations: inverses and solutions; powers of matrices.

The derivatives are those of Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), sections 2.2.3 and 2.3.1.
"""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op, type_name
from ..backend import XP, Array
from ..errors import DTypeError, LinAlgError, ShapeError
from ..shapes import broadcast, is_int
from ._common import dtype_of, ndim_of, shape_of, unbroadcast
from ._matrices import attempt, check_matrices, mm, singular, turned
from .indexing import masked_fill
from .linalg import matmul
from .views import named, squeeze, unsqueeze

# ── inverse and solution ──────────────────────────────────────────────────────────────────────


@op
class Inverse(Function):
    """``Y = A^-1``; ``gA = -Y^T gY Y^T``."""

    label = "LinalgInvExBackward0"

    def forward(self, A: Array) -> Array:
        y = attempt(self.xp.linalg.inv, A, singular)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        back = turned(y)
        return (-mm(back, mm(g, back)),)


@op
class Solve(Function):
    """``X = A^-1 B``; ``gB = A^-T gX`` and ``gA = -gB X^T``."""

    label = "LinalgSolveExBackward0"

    def forward(self, A: Array, B: Array) -> Array:
        self.shapes = A.shape, B.shape
        lead = broadcast(A.shape[:-2], B.shape[:-2])
        B = self.xp.broadcast_to(B, (*lead, *B.shape[-2:]))
        wide = self.xp.broadcast_to(A, (*lead, *A.shape[-2:]))
        x = attempt(lambda a: self.xp.linalg.solve(a, B), wide, _unsolvable)
        self.save(A, None, x)
        return x

    def backward(self, g: Any) -> Any:
        A, _, x = self.saved
        gB = Solve()(turned(A), g)
        gA = -mm(gB, turned(x)) if self.needs[0] else None
        a, b = self.shapes
        gA = None if gA is None else unbroadcast(gA, a)
        return gA, unbroadcast(gB, b) if self.needs[1] else None


def _unsolvable(A: Array) -> LinAlgError:
    return LinAlgError(
        "torch.linalg.solve: The solver failed because the input matrix is singular.",
        "linalg.pinv(A) @ B is the solution of least squares.",
    )


def inv(A: Any) -> Any:
    """The inverse of square matrices.

    Shape:
        ``(*, n, n) -> (*, n, n)``

    Raises:
        LinAlgError: a matrix is singular.

    >>> import tinyconv as tc
    >>> A = tc.tensor([[2., 0.], [0., 4.]], requires_grad=True)
    >>> tc.linalg.inv(A).sum().backward()
    >>> A.grad
    tensor([[-0.2500, -0.1250],
            [-0.1250, -0.0625]])
    """
    check_matrices("linalg.inv", A, "", square=True)
    return Inverse()(A)


inverse = inv


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """The solution X of ``A X = B``; with ``left=False``, of ``X A = B``.

    B is a vector, or a batch of vectors, if it has one dimension, or the shape of A without its last dimension.

    Shape:
        ``(*, n, n), (*, n, k) -> (*, n, k)``, or ``(*, n, n), (*, n) -> (*, n)``

    Raises:
        LinAlgError: a matrix is singular.

    >>> import tinyconv as tc
    >>> A = tc.tensor([[2., 0.], [0., 4.]], requires_grad=True)
    >>> x = tc.linalg.solve(A, tc.tensor([2., 4.]))
    >>> x.sum().backward()
    >>> A.grad
    tensor([[-0.5000, -0.5000],
            [-0.2500, -0.2500]])
    """
    check_matrices("linalg.solve", A, square=True)
    if dtype_of(A) is not dtype_of(B):
        raise DTypeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {type_name(A.array)} and B of "
            f"type {type_name(B.array)} instead",
            f"Write B.to({dtype_of(A)}).",
        )
    sa, sb = shape_of(A), shape_of(B)
    vector = len(sb) == 1 or (len(sb) == len(sa) - 1 and sb == sa[:-1])
    if not vector and len(sb) < 2:
        raise ShapeError("linalg.solve: The input tensor B must have at least 2 dimensions.")
    right = unsqueeze(B, -1) if vector else B
    if shape_of(right)[-2 if left else -1] != sa[-1]:
        n, k = shape_of(right)[-2:]
        equation = "AX = B" if left else "XA = B"
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {equation} ({sa[-2]}x{sa[-1]} and {n}x{k})"
        )
    broadcast(sa[:-2], shape_of(right)[:-2])
    x = Solve()(A, right) if left else turned(Solve()(turned(A), turned(right)))
    return named(squeeze(x, -1), "LinalgSolveExBackward0") if vector else x


# ── powers ────────────────────────────────────────────────────────────────────────────────────


def matrix_power(A: Any, n: int) -> Any:
    """The ``n``-th power of square matrices; of the inverse, if n is negative.

    >>> import tinyconv as tc
    >>> tc.linalg.matrix_power(tc.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    if ndim_of(A) < 2:
        raise ShapeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    rows, columns = shape_of(A)[-2:]
    if rows != columns:
        raise ShapeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{rows} by {columns} matrices"
        )
    if not is_int(n):
        raise TypeError(
            f"matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}"
        )
    if n == 0:
        eye = A.wrap(XP[type(A.array)].eye(rows, dtype=bool))
        return masked_fill(masked_fill(A, eye, 1), ~eye, 0)
    base, left = (A if n > 0 else inv(A)), abs(int(n))
    out = None
    while True:  # by the binary digits of n
        if left % 2:
            out = base if out is None else matmul(out, base)
        left //= 2
        if not left:
            return out.clone() if out is A else out
        base = matmul(base, base)
