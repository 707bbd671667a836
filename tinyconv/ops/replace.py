"""A part that a view would show, replaced in a copy."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import EraseSlices
from ..backend import Array
from ..errors import RangeError, ShapeError
from ..shapes import wrap_dim
from ._common import cast, ndim_of, shape_of
from .slices import Diagonal, GetItem, select
from .views import named


@op
class Replace(Function):
    """A copy with ``src`` in the part that the view function ``shows``."""

    shows: Any

    def forward(self, x: Array, src: Array) -> Array:
        self.kind = src.dtype
        out = x.copy(order="C")
        self.shows.again()(out)[...] = src
        return out

    def backward(self, g: Any) -> Any:
        rows = tuple(range(ndim_of(g)))
        gx = EraseSlices((self.shows,), rows)(g) if self.needs[0] else None
        return gx, cast(self.shows.again()(g), self.kind) if self.needs[1] else None


def _replaced(shape: Any, shows: Any, x: Any, src: Any) -> Any:
    if shape_of(src) != shape:
        raise ShapeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(shape_of(src))}, slice size = {list(shape)}"
        )
    return Replace(shows)(x, src)


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy with ``src`` as the slice at ``index`` of one dimension.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2).select_scatter(tc.tensor([1., 2.]), 1, 0)
    tensor([[1., 0.],
            [2., 0.]])
    """
    if not shape_of(input):
        raise RangeError("select() cannot be applied to a 0-dim tensor.")
    shape = shape_of(select(input.detach(), dim, index))
    d = wrap_dim(dim, ndim_of(input))
    shows = GetItem((*(slice(None),) * d, int(index)))
    return named(_replaced(shape, shows, input, src), "SelectScatterBackward0")


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    """A copy with ``src`` in the place of ``input[start:end:step]`` along ``dim``.

    >>> import tinyconv as tc
    >>> tc.zeros(4).slice_scatter(tc.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])
    """
    d = wrap_dim(dim, ndim_of(input))
    if step < 1:
        raise ShapeError("slice step must be positive")
    index = (*(slice(None),) * d, slice(start, end, step))
    shape = list(shape_of(input))
    shape[d] = len(range(*index[-1].indices(shape[d])))
    return named(_replaced(tuple(shape), GetItem(index), input, src), "SliceScatterBackward0")


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy with ``src`` on the diagonal of the matrices that two dimensions span.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2).diagonal_scatter(tc.tensor([1., 2.]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    n = ndim_of(input)
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    shows = Diagonal(offset, a, b)
    shape = shape_of(shows.again()(input.array))
    return named(_replaced(shape, shows, input, src), "DiagonalScatterBackward0")
