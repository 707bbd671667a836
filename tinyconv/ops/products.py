"""More products: of several dimensions or matrices at once, across and between vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from ..autograd.autocast import LOWER, will_cast
from ..autograd.function import type_name
from ..autograd.variable import Variable
from ..errors import DTypeError, ShapeError
from ..shapes import is_int, wrap_dim
from ._common import dtype_of, ndim_of, shape_of
from .elementwise import mul, sub
from .joining import roll
from .linalg import C_NAMES, dot, mm, outer
from .reduce import sum
from .views import named, permute, reshape, unsqueeze

ger = outer

# ── several dimensions at once ────────────────────────────────────────────────────────────────


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sum of products over some dimensions of both, side by side.

    Args:
        dims: the last so many of ``a`` with the first of ``b``; or a list for each.

    Shape:
        ``(n, k, l), (k, l, m) -> (n, m)`` with ``dims=2``

    >>> import tinyconv as tc
    >>> tc.tensordot(tc.ones(2, 3), tc.ones(3, 4), 1).shape
    tinyconv.Size([2, 4])
    """
    dims = dims.array.tolist() if isinstance(dims, Variable) else dims
    if is_int(dims):
        if dims < 0:
            raise ShapeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(ndim_of(a), ndim_of(b)):
            raise ShapeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = list(range(-dims, 0)), list(range(dims))
    given_a, given_b = ([int(d)] if is_int(d) else list(d) for d in dims)
    if len(given_a) != len(given_b):
        raise ShapeError("both dimension lists should have same length")
    if dtype_of(a) is not dtype_of(b) and not will_cast(LOWER, a, b):
        raise DTypeError(
            "both inputs should have same dtype",
            f"Write b.to({dtype_of(a)}), or a.to({dtype_of(b)}).",
        )
    over_a = [wrap_dim(d, ndim_of(a)) for d in given_a]
    over_b = [wrap_dim(d, ndim_of(b)) for d in given_b]
    for i, (p, q) in enumerate(zip(over_a, over_b, strict=True)):
        n, m = shape_of(a)[p], shape_of(b)[q]
        if n == 1 != m:  # as if it were stretched
            b = sum(b, q, keepdim=True, dtype=dtype_of(b))
        elif m == 1 != n:
            a = sum(a, p, keepdim=True, dtype=dtype_of(a))
        elif n != m:
            raise ShapeError(
                f"contracted dimensions need to match, but first has size {n} in dim {given_a[i]} and second has size "
                f"{m} in dim {given_b[i]}"
            )
    free_a = [d for d in range(ndim_of(a)) if d not in over_a]
    free_b = [d for d in range(ndim_of(b)) if d not in over_b]
    sizes = [shape_of(a)[d] for d in free_a], [shape_of(b)[d] for d in free_b]
    inner = prod(shape_of(a)[d] for d in over_a)
    left = reshape(permute(a, *free_a, *over_a) if ndim_of(a) else a, prod(sizes[0]), inner)
    right = reshape(permute(b, *over_b, *free_b) if ndim_of(b) else b, inner, prod(sizes[1]))
    return reshape(mm(left, right), (*sizes[0], *sizes[1]))


def inner(input: Any, other: Any) -> Any:
    """Sums of products over the last dimension of both; with a scalar, products.

    Shape:
        ``(n, k), (m, k) -> (n, m)``

    >>> import tinyconv as tc
    >>> tc.inner(tc.tensor([1., 2.]), tc.tensor([3., 4.]))
    tensor(11.)
    """
    if not ndim_of(input) or not ndim_of(other):
        return mul(input, other)
    if shape_of(input)[-1] != shape_of(other)[-1]:
        raise ShapeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(shape_of(input))} and {list(shape_of(other))}"
        )
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Any, other: Any) -> Any:
    """Scalar product of two vectors: of real numbers, :func:`dot`."""
    return dot(input, other)


def kron(input: Any, other: Any) -> Any:
    """Each element of one times the whole of the other, side by side: Kronecker's product.

    Shape:
        ``(n, m), (k, l) -> (n k, m l)``

    >>> import tinyconv as tc
    >>> tc.kron(tc.eye(2), tc.ones(1, 2))
    tensor([[1., 1., 0., 0.],
            [0., 0., 1., 1.]])
    """
    n = max(ndim_of(input), ndim_of(other))
    a, b = ((1,) * (n - ndim_of(x)) + tuple(shape_of(x)) for x in (input, other))
    left = reshape(input, [s for size in a for s in (size, 1)])
    right = reshape(other, [s for size in b for s in (1, size)])
    return reshape(mul(left, right), [p * q for p, q in zip(a, b, strict=True)])


# ── chains of matrices ────────────────────────────────────────────────────────────────────────


def multi_dot(tensors: Sequence[Any]) -> Any:
    """Product of two or more matrices in the order that takes the fewest multiplications.

    The first may be a vector, which counts as a row, and the last one, which counts as a column. The order is found
    as in Cormen et al., Introduction to Algorithms, 15.2.

    Shape:
        ``(a, b), (b, c), ..., (y, z) -> (a, z)``

    >>> import tinyconv as tc
    >>> tc.linalg.multi_dot([tc.ones(2, 3), tc.ones(3, 4), tc.ones(4)])
    tensor([12., 12.])
    """
    xs = list(tensors)
    if len(xs) < 2:
        raise ShapeError(f"multi_dot(): expected at least 2 tensors but got {len(xs)}")
    for at, word in ((0, "first"), (-1, "last")):
        if ndim_of(xs[at]) not in (1, 2):
            raise ShapeError(
                f"multi_dot(): the {word} tensor must be 1D or 2D but got {ndim_of(xs[at])}D"
            )
    for i, x in enumerate(xs[1:-1], 1):
        if ndim_of(x) != 2:
            raise ShapeError(f"multi_dot(): tensor {i} must be 2D but got {ndim_of(x)}D")
    for i, x in enumerate(xs):
        if dtype_of(x) is not dtype_of(xs[0]):
            raise DTypeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{C_NAMES[dtype_of(xs[0]).name]} and tensor {i} {C_NAMES[dtype_of(x).name]}"
            )
    row, column = ndim_of(xs[0]) == 1, ndim_of(xs[-1]) == 1
    shapes = [shape_of(x) for x in xs]
    xs[0] = unsqueeze(xs[0], 0) if row else xs[0]
    xs[-1] = unsqueeze(xs[-1], 1) if column else xs[-1]
    for i, (a, b) in enumerate(pairwise(xs)):
        if shape_of(a)[1] != shape_of(b)[0]:
            raise ShapeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(shapes[i])} and {list(shapes[i + 1])} cannot "
                "be multiplied"
            )
    sizes = [shape_of(x)[0] for x in xs] + [shape_of(xs[-1])[1]]
    out = _chain(xs, _cuts(sizes), 0, len(xs) - 1)
    return reshape(out, [] if row and column else -1) if row or column else out


def _cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """For the matrices i to j the last of the left factor, where the number of multiplications is least."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    cuts = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            ways = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cuts[i, j] = min(ways)
    return cuts


def _chain(xs: list[Any], cuts: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return xs[i]
    k = cuts[i, j]
    return mm(_chain(xs, cuts, i, k), _chain(xs, cuts, k + 1, j))


def chain_matmul(*matrices: Any) -> Any:
    """:func:`linalg.multi_dot` of matrices that are given one by one."""
    for x in matrices:
        if ndim_of(x) != 2:
            raise ShapeError(f"Tensor dimension is {ndim_of(x)}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


# ── vectors ───────────────────────────────────────────────────────────────────────────────────


def linalg_cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector product of vectors of three elements, which lie along ``dim``.

    .. math:: y = (a_2 b_3 - a_3 b_2,\\; a_3 b_1 - a_1 b_3,\\; a_1 b_2 - a_2 b_1)

    Shape:
        ``(*, 3), (*, 3) -> (*, 3)``, broadcast

    >>> import tinyconv as tc
    >>> tc.linalg.cross(tc.tensor([1., 0., 0.]), tc.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    if ndim_of(input) != ndim_of(other):
        raise ShapeError(
            "linalg.cross: inputs must have the same number of dimensions.", "Write unsqueeze()."
        )
    d = wrap_dim(dim, ndim_of(input))
    n, m = shape_of(input)[d], shape_of(other)[d]
    if n != 3 or m != 3:
        raise ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}"
        )
    if dtype_of(input) is not dtype_of(other):
        raise DTypeError(
            f"expected scalar type {type_name(input.array)} but found {type_name(other.array)}",
            f"Write y.to({dtype_of(input)}).",
        )
    forth = mul(roll(input, -1, d), roll(other, -2, d))
    back = mul(roll(input, -2, d), roll(other, -1, d))
    return named(sub(forth, back), "LinalgCrossBackward0")


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """:func:`linalg.cross` along ``dim``; unless given, along the first dimension of size three."""
    if dim is None:
        dim = next((d for d, n in enumerate(shape_of(input)) if n == 3), None)
        if dim is None:
            raise ShapeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Scalar products of vectors that lie along ``dim``.

    Shape:
        ``(*, n), (*, n) -> (*)``, broadcast

    >>> import tinyconv as tc
    >>> tc.linalg.vecdot(tc.ones(2, 3), tc.arange(3.))
    tensor([3., 3.])
    """
    return sum(mul(x, y), dim, dtype=dtype_of(x))
