"""Lengths of vectors, and sizes of matrices."""

from __future__ import annotations

import math
from math import prod
from typing import Any

from ..autograd.function import type_name
from ..autograd.variable import Variable
from ..dtypes import FLOATS, to_dtype
from ..errors import DTypeError, ShapeError
from ..shapes import Ints, is_int, wrap_dim
from ._common import cast, ndim_of, shape_of
from .elementwise import abs
from .extrema import amax, amin
from .reduce import Norm, dims_of, sum
from .spectral import svdvals
from .views import movedim, unsqueeze

ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)  # of matrices


def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Length of vectors: the p-th root of the sum of p-th powers.

    .. math:: y = \\Bigl(\\sum_i |x_i|^p\\Bigr)^{1/p}

    Args:
        ord: p: a number, ``inf`` for the largest, ``-inf`` for the smallest, 0 for how many are not zero.
        dim: a dimension or several; all unless given.

    Shape:
        ``(*) -> ()`` without ``dim``

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 4.], requires_grad=True)
    >>> tc.linalg.vector_norm(x).backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    if isinstance(ord, str):
        raise TypeError(
            "linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str\n"
            "Write linalg.matrix_norm() for 'fro' and 'nuc'."
        )
    _check("linalg.vector_norm", x)
    x = x if dtype is None else cast(x, to_dtype(dtype).numpy)
    array, order = x.array if isinstance(x, Variable) else x, float(ord)
    node = Norm(dims_of("norm", x, dim), keepdim, order)
    if (math.isinf(order) or order < 0) and not prod(array.shape[d] for d in node.dims):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order} norm on an empty tensor because the operation does not have "
            "an identity"
        )
    return node(x)


def _check(name: str, x: Any) -> None:
    array = x.array if isinstance(x, Variable) else x
    if array.dtype not in FLOATS:
        raise DTypeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(array)}",
            "Write x.float() first.",
        )


def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Size of matrices, which two dimensions span.

    Args:
        ord: ``'fro'``: the length of all elements; ``'nuc'``: the sum of the singular values; 2 and -2: the largest and
            smallest of these; 1 and -1: the largest and smallest sum of the absolute values of a column; ``inf`` and
            ``-inf``: of a row.

    Shape:
        ``(*, n, m) -> (*)``

    >>> import tinyconv as tc
    >>> A = tc.tensor([[3., 0.], [0., -2.]], requires_grad=True)
    >>> tc.linalg.matrix_norm(A, "nuc").backward()
    >>> A.grad
    tensor([[ 1.,  0.],
            [ 0., -1.]])
    """
    if ndim_of(A) < 2:
        raise ShapeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    _check("linalg.matrix_norm", A)
    if is_int(dim):
        raise TypeError(
            "linalg_matrix_norm() received an invalid combination of arguments - got (Tensor, dim=int)\n"
            "A matrix has two: dim=(-2, -1)."
        )
    if len(dim) != 2:
        raise ShapeError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dim))}"
        )
    rows, columns = (wrap_dim(d, ndim_of(A)) for d in dim)
    if rows == columns:
        raise ShapeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    A = A if dtype is None else cast(A, to_dtype(dtype).numpy)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord not in ORDERS:
        raise _unknown(ord)
    if ord in ("nuc", 2, -2):
        sizes = svdvals(movedim(A, (rows, columns), (-2, -1)))
        y = sum(sizes, -1) if ord == "nuc" else _extreme(sizes, -1, False, ord > 0)
        return _kept(y, (rows, columns)) if keepdim else y
    along, across = (columns, rows) if math.isinf(ord) else (rows, columns)  # vectors, and many
    sizes = sum(abs(A), along, keepdim)
    return _extreme(sizes, across - (along < across and not keepdim), keepdim, ord > 0)


def _unknown(order: Any) -> RuntimeError:
    return RuntimeError(
        f"linalg.matrix_norm: Order {order} not supported.\nKnown are 'fro', 'nuc', inf, -inf, 1, -1, 2 and -2."
    )


def _extreme(sizes: Any, dim: int, keepdim: bool, largest: bool) -> Any:
    """The largest of one dimension, which is 0 of nothing; or the smallest."""
    if largest and not shape_of(sizes)[dim]:
        return sum(sizes, dim, keepdim).detach()
    return (amax if largest else amin)(sizes, dim, keepdim)


def _kept(y: Any, dims: Ints) -> Any:
    for d in sorted(dims):
        y = unsqueeze(y, d)
    return y


def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Length of vectors or size of matrices: one dimension, or none and no ``ord``, means the former; two the latter.

    >>> import tinyconv as tc
    >>> tc.linalg.norm(tc.tensor([[3., 0.], [0., 4.]]), 2)
    tensor(4.)
    """
    if dim is not None:
        dim = (int(dim),) if is_int(dim) else tuple(dim)
        if len(dim) not in (1, 2) and ord is not None:
            raise ShapeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}"
            )
    elif ord is not None and ndim_of(A) not in (1, 2):
        raise ShapeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{ndim_of(A)}D.",
            "Write dim=-1, or dim=(-2, -1).",
        )
    if ord is not None and (isinstance(ord, str) or len(dim or shape_of(A)) == 2):
        return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """:func:`linalg.vector_norm` over all elements, or over ``dim``; with ``p='nuc'`` the nuclear norm of matrices.

    Args:
        p: a number, ``inf``, ``-inf``, ``'fro'`` (2) or ``'nuc'``.
        dim: a dimension or several; all unless given.

    Shape:
        ``(*) -> ()`` without ``dim``

    Raises:
        DTypeError: the elements are integers.

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 4.], requires_grad=True)
    >>> x.norm().backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    x = input if dtype is None else cast(input, to_dtype(dtype).numpy)
    if p in ("fro", None):
        return vector_norm(x, 2, dim, keepdim)
    if not isinstance(p, str):
        return vector_norm(x, p, dim, keepdim)
    if p not in ORDERS:
        raise _unknown(p)
    dims = tuple(range(ndim_of(x))) if dim is None else (dim,) if is_int(dim) else tuple(dim)
    return matrix_norm(x, p, dims, keepdim)
