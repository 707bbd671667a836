"""Triangles and diagonals of matrices: parts of them, and matrices made of them."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..backend import XP, Array
from ..errors import ShapeError
from ..shapes import Ints, wrap_dim
from ._common import cast, ndim_of, not_implemented, result_dtype, shape_of
from .elementwise import clone
from .indexing import masked_fill_
from .reduce import sum
from .slices import GetItem, PutDiagonal, diagonal
from .views import flatten, reshape

# ── triangles ─────────────────────────────────────────────────────────────────────────────────


@op
class Tril(Function):
    """What is on and below the diagonal number ``diagonal``, zeros above."""

    diagonal: int

    def forward(self, x: Array) -> Array:
        return self.xp.tril(x, self.diagonal)

    def backward(self, g: Any) -> Any:
        return (type(self)(self.diagonal)(g),)


@op
class Triu(Tril):
    """What is on and above it, zeros below."""

    diagonal: int

    def forward(self, x: Array) -> Array:
        return self.xp.triu(x, self.diagonal)


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of matrices, with zeros above: where column - row <= ``diagonal``.

    Shape:
        ``(..., n, m) -> (..., n, m)``

    >>> import tinyconv as tc
    >>> x = tc.ones(2, 2, requires_grad=True)
    >>> x.tril().sum().backward()
    >>> x.grad
    tensor([[1., 0.],
            [1., 1.]])
    """
    _at_least_matrices("tril", input)
    return Tril(int(diagonal))(input)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of matrices, with zeros below: where column - row >= ``diagonal``.

    >>> import tinyconv as tc
    >>> tc.ones(3, 3).triu(1)
    tensor([[0., 1., 1.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    _at_least_matrices("triu", input)
    return Triu(int(diagonal))(input)


tril_, triu_ = inplace(tril), inplace(triu)


def _at_least_matrices(name: str, x: Any) -> None:
    if ndim_of(x) < 2:
        raise ShapeError(
            f"{name}: input tensor must have at least 2 dimensions", "Write x.unsqueeze(0) first."
        )


# ── diagonals ─────────────────────────────────────────────────────────────────────────────────


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices of zeros with the last dimension on their diagonal number ``offset``.

    Shape:
        ``(*, n) -> (*, n + |offset|, n + |offset|)``

    >>> import tinyconv as tc
    >>> tc.diag_embed(tc.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    n = ndim_of(input) + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if n < 2:
        raise ShapeError("diag_embed: a 0-dim tensor has no last dimension", "Write x.view(1).")
    shape = list(shape_of(input)[:-1])
    for d in sorted((a, b)):
        shape.insert(d, shape_of(input)[-1] + abs(offset))
    return PutDiagonal(offset, a, b, tuple(shape))(input)


def diag(input: Any, diagonal: int = 0) -> Any:
    """A square matrix with a vector on its diagonal; or a copy of the diagonal of a matrix.

    Shape:
        ``(n) -> (n + |diagonal|, n + |diagonal|)``, or ``(n, m) -> (k)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2.], [3., 4.]], requires_grad=True)
    >>> x.diag().prod().backward()
    >>> x.grad
    tensor([[4., 0.],
            [0., 1.]])
    """
    n = ndim_of(input)
    if n not in (1, 2):
        raise ShapeError(
            f"diag(): Supports 1D or 2D tensors. Got {n}D", "Write diag_embed() or diagonal()."
        )
    return diag_embed(input, diagonal) if n == 1 else clone(_diagonal(input, diagonal))


_diagonal = diagonal  # where an argument bears its name


def diagflat(input: Any, offset: int = 0) -> Any:
    """A square matrix with all elements, in order, on its diagonal.

    >>> import tinyconv as tc
    >>> tc.diagflat(tc.tensor([[1], [2]]), 1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    return diag_embed(flatten(input), offset)


def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, 2, requires_grad=True)
    >>> x.trace().backward()
    >>> x.grad
    tensor([[1., 0.],
            [0., 1.]])
    """
    if ndim_of(input) != 2:
        raise ShapeError(
            f"trace: expected a matrix, but got tensor with dim {ndim_of(input)}",
            "Write x.diagonal(dim1=-2, dim2=-1).sum(-1) for batches.",
        )
    if input.array.dtype == bool:
        raise not_implemented("trace", input.array, "Write x.int() first.")
    return sum(diagonal(input))


def fill_diagonal_(input: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write a number on the main diagonal; with ``wrap``, in a tall matrix again and again below it.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2).fill_diagonal_(3)
    tensor([[3., 0.],
            [0., 3.]])
    """
    shape = shape_of(input)
    if len(shape) < 2:
        raise ShapeError("dimensions must larger than 1", "A vector has no diagonal.")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ShapeError("all dimensions of input must be of equal length")
    xp, n = XP[type(input.array)], min(shape)
    there = xp.zeros(shape, bool)
    there[(xp.arange(n),) * len(shape)] = True
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        there.reshape(-1)[:: shape[1] + 1] = True
    value = fill_value if not hasattr(fill_value, "item") else fill_value.item()
    return masked_fill_(
        input, input.wrap(there), value if input.array.dtype.kind not in "iu" else int(value)
    )


# ── matrices of matrices ──────────────────────────────────────────────────────────────────────


@op
class BlockDiag(Function):
    """Matrices along the diagonal of one of zeros."""

    def forward(self, *xs: Array) -> Array:
        self.corners: list[Ints] = []
        row = column = 0
        for x in xs:
            self.corners.append((row, column))
            row, column = row + len(x), column + x.shape[1]
        self.shapes = [x.shape for x in xs]
        out = self.xp.zeros((row, column), xs[0].dtype)
        for x, place in zip(xs, self._places(), strict=True):
            out[place] = x
        return out

    def _places(self) -> list[tuple[slice, ...]]:
        pairs = zip(self.corners, self.shapes, strict=True)
        return [tuple(slice(a, a + n) for a, n in zip(*pair, strict=True)) for pair in pairs]

    def backward(self, g: Any) -> Any:
        places = zip(self.needs, self._places(), strict=True)
        return [GetItem(place)(g) if want else None for want, place in places]


def block_diag(*tensors: Any) -> Any:
    """A matrix of zeros with matrices (vectors count as rows) along its diagonal.

    >>> import tinyconv as tc
    >>> tc.block_diag(tc.tensor([[1, 2]]), tc.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for i, x in enumerate(tensors):
        if ndim_of(x) > 2:
            raise ShapeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {i} has {ndim_of(x)} dimensions"
            )
    if not tensors:
        raise ShapeError("block_diag expects at least one tensor", "Write zeros(1, 0).")
    target = result_dtype(*tensors).numpy
    return BlockDiag()(
        *(cast(x if ndim_of(x) == 2 else reshape(x, 1, -1), target) for x in tensors)
    )


def matrix_diagonals(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """:func:`diagonal` of matrices, which the last two dimensions span unless others are named: a view.

    >>> import tinyconv as tc
    >>> tc.linalg.diagonal(tc.eye(2))
    tensor([1., 1.])
    """
    return diagonal(A, offset, dim1, dim2)
