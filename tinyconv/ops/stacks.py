"""Tensors joined into matrices and grids, and taken apart again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations as choose
from itertools import combinations_with_replacement as choose_again
from itertools import pairwise
from typing import Any

from ..autograd.function import type_name
from ..autograd.variable import Variable
from ..backend import XP
from ..errors import DTypeError, ShapeError
from ..shapes import is_int, wrap_dim
from ._common import NUMPY, dtype_of, ndim_of, shape_of
from .arrange import _one_or_several, atleast_3d
from .joining import cat, stack, vstack
from .slices import _several, narrow, split
from .take import Take
from .views import expand, flatten, reshape

row_stack = vstack

# ── joined ────────────────────────────────────────────────────────────────────────────────────


def dstack(tensors: Sequence[Any]) -> Any:
    """Join along the third dimension; vectors and matrices get it first.

    Shape:
        ``(n), (n) -> (1, n, 2)``

    >>> import tinyconv as tc
    >>> tc.dstack([tc.zeros(2, 3), tc.ones(2, 3)]).shape
    tinyconv.Size([2, 3, 2])
    """
    if not tensors:
        raise ShapeError("dstack expects a non-empty TensorList")
    return cat(list(map(atleast_3d, tensors)), 2)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Join along the second dimension; vectors become columns.

    >>> import tinyconv as tc
    >>> tc.column_stack([tc.tensor([1, 2]), tc.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    if not tensors:
        raise ShapeError("column_stack expects a non-empty TensorList")
    return cat([x if ndim_of(x) > 1 else reshape(x, -1, 1) for x in tensors], 1)


# ── grids ─────────────────────────────────────────────────────────────────────────────────────


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Coordinates of all points of a grid, from the coordinates along each axis: views.

    Args:
        indexing: ``'ij'``, the default: the first axis is the first dimension; ``'xy'``: it is the second.

    Shape:
        ``(n), (m) -> (n, m), (n, m)``, or ``(m, n), (m, n)`` with ``'xy'``

    >>> import tinyconv as tc
    >>> y, x = tc.meshgrid(tc.arange(2), tc.arange(3), indexing="ij")
    >>> x
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    xs = _one_or_several(tensors)
    if not xs:
        raise ShapeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for x in xs:
        if ndim_of(x) > 1:
            raise ShapeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(shape_of(x))}",
                "Write x.flatten().",
            )
        if dtype_of(x) is not dtype_of(xs[0]):
            raise DTypeError("meshgrid expects all tensors to have the same dtype")
    swapped = indexing == "xy" and len(xs) > 1
    if swapped:
        xs[:2] = xs[1::-1]
    lengths = [x.array.size for x in xs]
    grids = []
    for i, x in enumerate(xs):
        column = reshape(x, *(n if d == i else 1 for d, n in enumerate(lengths)))
        grids.append(expand(column, lengths))
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one element of each vector, as rows.

    >>> import tinyconv as tc
    >>> tc.cartesian_prod(tc.tensor([1, 2]), tc.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    xs = _one_or_several(tensors)
    for x in xs:
        _check_vector(x)
    if len(xs) == 1:
        return xs[0]
    return stack([flatten(g) for g in meshgrid(xs)], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of ``r`` elements of a vector in their order, as rows; with replacement one may come again.

    >>> import tinyconv as tc
    >>> tc.combinations(tc.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    _check_vector(input)
    if r < 0:
        raise ShapeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return narrow(input, 0, 0, 0)
    pick = choose_again if with_replacement else choose
    rows = list(pick(range(input.array.size), r))
    places = NUMPY.array(rows, "int64").reshape(len(rows), r)
    return Take(0, XP[type(input.array)].asarray(places))(input)


def _check_vector(x: Any) -> None:
    if ndim_of(x) != 1:
        raise ShapeError(f"Expect a 1D vector, but got shape {list(shape_of(x))}")


# ── taken apart ───────────────────────────────────────────────────────────────────────────────


def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """:func:`split` by a list of sizes."""
    return split(input, list(split_sizes), dim)


def tensor_split(
    input: Any, indices_or_sections: Any = None, dim: int = 0, **named: Any
) -> tuple[Any, ...]:
    """Views of so many parts, the first of which may be longer by one; or of the parts between indices.

    >>> import tinyconv as tc
    >>> tc.arange(5).tensor_split(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    >>> tc.arange(5).tensor_split((1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    where = named.pop("indices", named.pop("sections", indices_or_sections))
    where = named.pop("tensor_indices_or_sections", where)
    if isinstance(where, Variable):
        where = _listed(where)
    if not is_int(where) and not isinstance(where, (list, tuple)):
        raise TypeError(
            "tensor_split() received an invalid combination of arguments - got (Tensor, "
            f"{type(where).__name__})\nGive a number of parts, or a tuple of indices."
        )
    n = ndim_of(input)
    if not n:
        raise ShapeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = wrap_dim(dim, n)
    if is_int(where) and where < 1:
        raise ShapeError(f"number of sections must be larger than 0, got {where}")
    bounds = list(_bounds(shape_of(input)[d], where))
    parts = (narrow(input, d, a, max(b - a, 0)) for a, b in bounds)
    return _several(parts, "SliceBackward0")


def _bounds(length: int, where: Any) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends."""
    if is_int(where):
        small, more = divmod(length, int(where))
        cuts = [i * small + min(i, more) for i in range(int(where) + 1)]
    else:
        cuts = [0, *(slice(int(i)).indices(length)[1] for i in where), length]
    yield from pairwise(cuts)


def _listed(where: Variable) -> Any:
    """A tensor that says where to split, as an int or a list."""
    if where.array.ndim > 1:
        raise ShapeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but "
            f"got a tensor with {where.array.ndim} dims"
        )
    if dtype_of(where).name != "int64":
        raise DTypeError(
            "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
            f"{type_name(where.array)}"
        )
    return where.array.tolist()


def hsplit(input: Any, indices_or_sections: Any = None, **named: Any) -> tuple[Any, ...]:
    """:func:`tensor_split` into equal parts along the second dimension, of a vector along the first.

    >>> import tinyconv as tc
    >>> tc.hsplit(tc.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _equal("hsplit", input, indices_or_sections, named, 1, min(1, ndim_of(input) - 1))


def vsplit(input: Any, indices_or_sections: Any = None, **named: Any) -> tuple[Any, ...]:
    """:func:`tensor_split` into equal parts along the first dimension of what has at least two."""
    return _equal("vsplit", input, indices_or_sections, named, 2, 0)


def dsplit(input: Any, indices_or_sections: Any = None, **named: Any) -> tuple[Any, ...]:
    """:func:`tensor_split` into equal parts along the third dimension."""
    return _equal("dsplit", input, indices_or_sections, named, 3, 2)


def _equal(
    name: str, x: Any, where: Any, named: dict[str, Any], least: int, dim: int
) -> tuple[Any, ...]:
    where = named.pop("indices", named.pop("sections", where))
    if not is_int(where) and not isinstance(where, (list, tuple)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (Tensor, {type(where).__name__})\n"
            "Give a number of parts, or a tuple of indices."
        )
    if ndim_of(x) < least:
        raise ShapeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with "
            f"{ndim_of(x)} dimensions!"
        )
    length = shape_of(x)[dim]
    if is_int(where) and (where == 0 or length % where):
        raise ShapeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {length} is not "
            f"divisible by the split_size {where}!",
            "Write tensor_split() for parts of different sizes.",
        )
    return tensor_split(x, where, dim)
