"""Singular values and eigenvalues of matrices, with the vectors that belong to them.

What several results have in common is computed once, so a factorisation is one Function with one output: its factors
side by side, as rows of one array, of which the results are views. Its ``backward`` gets their gradients likewise.

Derivatives: Townsend, "Differentiating the singular value decomposition" (2016); Giles, "An extended collection of
matrix derivative results" (2008), section 3.1; Golub & Pereyra, "The differentiation of pseudo-inverses and nonlinear
least squares problems whose variables separate" (1973), equation 4.12.
"""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import FLOATS, finfo
from ..errors import DTypeError, LinAlgError
from ._common import dtype_of, ndim_of, not_implemented, select, shape_of
from ._matrices import attempt, check_matrices, mm, named_result, quotient, turned
from .joining import cat
from .triangles import diag_embed
from .views import unsqueeze

# ── singular values ───────────────────────────────────────────────────────────────────────────


@op
class Svd(Function):
    """``A = U diag(s) V^T``: the rows of U (m, k), of V (n, k), and s as one more."""

    label = "LinalgSvdBackward0"
    full: bool

    def forward(self, A: Array) -> Array:
        self.rows, k = A.shape[-2], min(A.shape[-2:])
        xp = self.xp

        def factors(a: Array) -> Array:
            U, s, Vh = xp.linalg.svd(a, full_matrices=self.full)
            self.rest = U[..., k:], Vh[..., k:, :]  # any basis of what is left
            V = xp.swapaxes(Vh[..., :k, :], -2, -1)
            return xp.concatenate((U[..., :k], V, s[..., None, :]), -2)

        y = attempt(factors, A, _not_finite)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        U, V, s = _factors(y, self.rows)
        gU, gV, gs = _factors(g, self.rows)
        row, column = unsqueeze(s, -2), unsqueeze(s, -1)
        apart = row * row - column * column
        by_u, by_v = mm(turned(U), gU), mm(turned(V), gV)
        core = quotient(by_u - turned(by_u), apart) * row
        core = core + column * quotient(by_v - turned(by_v), apart) + diag_embed(gs)
        gA = mm(mm(U, core), turned(V))
        if shape_of(U)[-2] > shape_of(U)[-1]:
            gA = gA + mm(quotient(gU - mm(U, by_u), row), turned(V))
        if shape_of(V)[-2] > shape_of(V)[-1]:
            gA = gA + mm(U, turned(quotient(gV - mm(V, by_v), row)))
        return (gA,)


def _factors(y: Any, rows: int) -> tuple[Any, Any, Any]:
    return y[..., :rows, :], y[..., rows:-1, :], y[..., -1, :]


def _not_finite(A: Array) -> LinAlgError:
    return LinAlgError(
        "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.",
        "Look for them with x.isfinite().all().",
    )


SVD = named_result("linalg_svd", "U S Vh")
OldSVD = named_result("svd", "U S V")


def singular_parts(A: Any) -> tuple[Any, Any, Any]:
    """U, s and V with ``A = U diag(s) V^T``, of Variables or arrays."""
    U, V, s = _factors(Svd(False)(A), shape_of(A)[-2])
    return U, s, V


def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Singular value decomposition: orthogonal matrices, and what the one stretches to become the other.

    .. math:: A = U\\, \\mathrm{diag}(S)\\, V^T

    The signs of the singular vectors are arbitrary, so that only what does not depend on them has a gradient.

    Args:
        full_matrices: complete U and V to square matrices. driver: chooses an algorithm on GPUs, in torch; it is not used.

    Shape:
        ``(*, n, m) -> (*, n, n), (*, k), (*, m, m)`` with ``k = min(n, m)``; ``(*, n, k), (*, k), (*, k, m)`` if not full

    >>> import tinyconv as tc
    >>> A = tc.tensor([[3., 0.], [0., 2.]], requires_grad=True)
    >>> U, S, Vh = tc.linalg.svd(A)
    >>> S.detach()
    tensor([3., 2.])
    >>> S.sum().backward()
    >>> A.grad.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_matrices("linalg.svd", A, "linalg_svd_cpu")
    node = Svd(bool(full_matrices))
    U, V, s = _factors(node(A), shape_of(A)[-2])
    more_u, more_v = map(A.wrap, node.rest)
    U = cat([U, more_u], -1) if more_u.array.shape[-1] else U
    Vh = cat([turned(V), more_v], -2) if more_v.array.shape[-2] else turned(V)
    return SVD(U, s, Vh)


def old_svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """:func:`linalg.svd` under its former name: with V itself, and of reduced size unless ``some=False``."""
    if compute_uv:
        U, S, Vh = svd(input, not some)
        return OldSVD(U, S, turned(Vh))
    *lead, n, m = shape_of(input)
    xp, kind = XP[type(input.array)], input.array.dtype
    U, V = (input.wrap(xp.zeros((*lead, size, size), kind)) for size in (n, m))
    return OldSVD(U, svdvals(input), V)


def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """The singular values of matrices, the largest first.

    Shape:
        ``(*, n, m) -> (*, min(n, m))``

    >>> import tinyconv as tc
    >>> tc.linalg.svdvals(tc.tensor([[0., 2.], [3., 0.]]))
    tensor([3., 2.])
    """
    check_matrices("linalg.svd", A, "linalg_svd_cpu")
    return singular_parts(A)[1]


# ── eigenvalues ───────────────────────────────────────────────────────────────────────────────


@op
class Eigh(Function):
    """``A = V diag(l) V^T``: the rows of V, and l as one more."""

    label = "LinalgEighBackward0"
    part_read: str

    def forward(self, A: Array) -> Array:
        xp = self.xp

        def factors(a: Array) -> Array:
            values, V = xp.linalg.eigh(a, self.part_read)
            return xp.concatenate((V, values[..., None, :]), -2)

        y = attempt(factors, A, _not_converged)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        V, values = y[..., :-1, :], y[..., -1, :]
        apart = unsqueeze(values, -2) - unsqueeze(values, -1)
        eye = self.xp.eye(shape_of(values)[-1], dtype=bool)  # the length of a vector is fixed
        by_v = mm(turned(V), g[..., :-1, :])
        core = quotient(select(eye, 0, (by_v - turned(by_v)) * 0.5), apart)
        return (mm(mm(V, core + diag_embed(g[..., -1, :])), turned(V)),)


def _not_converged(A: Array) -> LinAlgError:
    return LinAlgError(
        "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
        "repeated eigenvalues.",
        "Look for numbers that are not finite with x.isfinite().all().",
    )


EIGH = named_result("linalg_eigh", "eigenvalues eigenvectors")


def eigh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, the smallest first, and eigenvectors of symmetric matrices.

    .. math:: A = V\\, \\mathrm{diag}(l)\\, V^T

    The signs of the vectors are arbitrary, so that only what does not depend on them has a gradient.

    Args:
        UPLO: ``'L'``: only the lower triangle is read, ``'U'``: only the upper.

    Shape:
        ``(*, n, n) -> (*, n), (*, n, n)``

    >>> import tinyconv as tc
    >>> A = tc.tensor([[2., 1.], [1., 2.]], requires_grad=True)
    >>> tc.linalg.eigh(A).eigenvalues[1].backward()
    >>> A.grad
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if A.array.dtype not in FLOATS:
        raise not_implemented("linalg_eigh_cpu", A.array, "Write x.float() first.")
    check_matrices("linalg.eigh", A, "linalg_eigh_cpu", square=True)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    y = Eigh(UPLO.upper())(A)
    return EIGH(y[..., -1, :], y[..., :-1, :])


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, the smallest first."""
    return eigh(A, UPLO).eigenvalues


# ── the pseudoinverse ─────────────────────────────────────────────────────────────────────────


@op
class Pinv(Function):
    """``Y = A^+``, where singular values count as zero up to ``atol + rtol`` of the largest."""

    label = "LinalgPinvBackward0"
    atol: Any
    rtol: Any
    symmetric: bool

    def forward(self, A: Array) -> Array:
        xp = self.xp

        def pseudoinverse(a: Array) -> Array:
            if self.symmetric:
                s, U = xp.linalg.eigh(a)
                V = U
            else:
                U, s, V = xp.linalg.svd(a, full_matrices=False)
                V = xp.swapaxes(V, -2, -1)
            size = abs(s)
            kept = size > xp.maximum(self.atol, self.rtol * size.max(-1, keepdims=True))
            s = xp.where(kept, 1 / xp.where(kept, s, 1), 0).astype(a.dtype)
            return V * s[..., None, :] @ xp.swapaxes(U, -2, -1)

        if A.size:
            y = attempt(pseudoinverse, A, _not_finite)
        else:
            y = xp.swapaxes(xp.zeros_like(A), -2, -1)
        self.save(A, y)
        return y

    def backward(self, g: Any) -> Any:
        A, y = self.saved
        back, gt = turned(y), turned(g)
        left = mm(gt, mm(y, back))
        right = mm(mm(back, y), gt)
        gA = left - mm(A, mm(y, left)) + right - mm(mm(right, y), A)
        return (gA - mm(mm(back, g), back),)


def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """The pseudoinverse of matrices, by which ``pinv(A) @ B`` is the solution of least squares.

    Args:
        atol, rtol: singular values up to ``max(atol, rtol s_max)`` count as zero; unless given, rtol is the larger size
            times the relative distance of two numbers. rcond: a former name of rtol.
        hermitian: A is symmetric, so that eigenvalues serve.

    Shape:
        ``(*, n, m) -> (*, m, n)``

    >>> import tinyconv as tc
    >>> tc.linalg.pinv(tc.tensor([[1.], [1.]]))
    tensor([[0.5000, 0.5000]])
    """
    if ndim_of(A) < 2 or A.array.dtype not in FLOATS:
        raise DTypeError(
            f"linalg.pinv({type_name(A.array)}{{{list(shape_of(A))}}}): expected a tensor with 2 or more dimensions of float, "
            "double, cfloat or cdouble types",
            "Write x.float(), or x.unsqueeze(0) for one row.",
        )
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        given = atol is not None and not isinstance(atol, Variable) and atol > 0
        rtol = 0.0 if given else max(shape_of(A)[-2:]) * finfo(dtype_of(A)).eps
    atol, rtol = (_limit(v) for v in (0.0 if atol is None else atol, rtol))
    square = hermitian and A.array.size > 0
    check_matrices("linalg.pinv", A, f"linalg_{'eigh' if hermitian else 'svd'}_cpu", square)
    return Pinv(atol, rtol, hermitian)(A)


def _limit(v: Any) -> Any:
    """A number, or one for each matrix."""
    return v.array[..., None] if isinstance(v, Variable) else float(v)


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """:func:`linalg.pinv` with another limit."""
    return pinv(input, rtol=rcond)
