"""Determinants of square matrices, and their logarithms.

The derivative is that of Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), section 2.2.4.
"""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import XP, Array
from ._common import NUMPY, ndim_of, select, shape_of
from ._matrices import check_matrices, mm, named_result, turned
from .choose import where
from .reduce import Prod
from .solve import Inverse
from .spectral import singular_parts
from .views import expand, named, reshape, unsqueeze


@op
class Det(Function):
    """The determinant; ``gA = g det(A) A^-T``, the matrix of cofactors if A is singular."""

    label = "LinalgDetBackward0"

    def forward(self, A: Array) -> Array:
        y = self.xp.asarray(self.xp.linalg.det(A))
        self.save(A, y)
        self.regular = self.xp is NUMPY and bool((y != 0).all())  # a GPU is not waited for
        return y

    def backward(self, g: Any) -> Any:
        A, y = self.saved
        if self.regular:
            return (_over_matrices(g * y) * turned(Inverse()(A)),)
        return (_over_matrices(g) * _cofactors(A),)


def _over_matrices(x: Any) -> Any:
    return reshape(x, (*shape_of(x), 1, 1))


def _cofactors(A: Any) -> Any:
    """``det(U) det(V) U diag(products of all other singular values) V^T``."""
    U, s, V = singular_parts(A)
    n = shape_of(s)[-1]
    xp = XP[type(getattr(s, "array", s))]
    others = select(xp.eye(n, dtype=bool), 1, expand(unsqueeze(s, -2), (*shape_of(s), n)))
    others = Prod((ndim_of(others) - 1,), False)(others)
    sign = Det()(U) * Det()(V)
    return _over_matrices(sign) * mm(U * unsqueeze(others, -2), turned(V))


@op
class LogAbsDet(Function):
    """The sign of ``det A`` and ``ln |det A|``, side by side; ``gA = g A^-T`` for the latter."""

    label = "LinalgSlogdetBackward0"

    def forward(self, A: Array) -> Array:
        self.save(A)
        return self.xp.stack(self.xp.linalg.slogdet(A))

    def backward(self, g: Any) -> Any:
        (A,) = self.saved
        return (_over_matrices(g[1]) * turned(Inverse()(A)),)


Slogdet = named_result("linalg_slogdet", "sign logabsdet")


def det(A: Any) -> Any:
    """The determinant of square matrices.

    Shape:
        ``(*, n, n) -> (*)``

    >>> import tinyconv as tc
    >>> A = tc.tensor([[1., 2.], [3., 5.]], requires_grad=True)
    >>> tc.det(A).backward()
    >>> A.grad.round()
    tensor([[ 5., -3.],
            [-2.,  1.]])
    """
    check_matrices("linalg.det", A, square=True)
    return Det()(A)


def slogdet(A: Any) -> Any:
    """The sign of the determinant, and the logarithm of its absolute value, which does not overflow.

    Shape:
        ``(*, n, n) -> (*), (*)``

    >>> import tinyconv as tc
    >>> sign, logabsdet = tc.linalg.slogdet(-tc.eye(3))
    >>> sign, logabsdet
    (tensor(-1.), tensor(0.))
    """
    check_matrices("linalg.slogdet", A, square=True)
    both = LogAbsDet()(A)
    return Slogdet(both[0], both[1])


def logdet(input: Any) -> Any:
    """The logarithm of the determinant of square matrices; NaN if that is negative.

    >>> import tinyconv as tc
    >>> tc.logdet(2 * tc.eye(2))
    tensor(1.3863)
    """
    check_matrices("logdet", input, square=True)
    sign, logabsdet = slogdet(input)
    return named(where(sign == -1, NUMPY.nan, logabsdet), "WhereBackward0")
