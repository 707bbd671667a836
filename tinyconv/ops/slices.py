"""Parts of a tensor as views: basic indexing and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array
from ..errors import RangeError, ShapeError
from ..shapes import Shape, is_int, wrap_dim
from ._common import shape_of

Index = tuple[Any, ...]  # of ints, slices, None, Ellipsis


_KINDS = {type(None): "Unsqueeze", slice: "Slice", type(Ellipsis): "Alias"}


@op
class GetItem(Function):
    """Select by integers, slices, None and Ellipsis: a view."""

    view = True
    index: Index

    def __post_init__(self) -> None:
        last = next(
            (i for i in reversed(self.index) if i is not Ellipsis and i != slice(None)), Ellipsis
        )
        kind = "Slice" if self.index == (slice(None),) else _KINDS.get(type(last), "Select")
        self.label = f"{kind}Backward0"  # torch names three ops where this is one

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        index = self.index
        if index and Ellipsis not in index:
            index = (*index, Ellipsis)  # with it NumPy gives a view even of one element
        return x[index or Ellipsis]

    def backward(self, g: Any) -> Any:
        return (PutItem(self.index, self.source)(g),)


@op
class PutItem(Function):
    """Zeros, but for the elements that ``index`` selects: the transpose of GetItem."""

    index: Index
    shape: Shape

    def forward(self, g: Array) -> Array:
        out = self.xp.zeros(self.shape, g.dtype)
        out[self.index] = g
        return out

    def backward(self, g: Any) -> Any:
        return (GetItem(self.index)(g),)


def select(input: Any, dim: int, index: int) -> Any:
    """The slice at ``index`` of one dimension, which is dropped."""
    shape = shape_of(input)
    d = wrap_dim(dim, len(shape))
    if not -shape[d] <= index < shape[d]:
        raise RangeError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}"
        )
    return GetItem((slice(None),) * d + (int(index),))(input)


def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """``length`` slices of one dimension from ``start`` on."""
    shape = shape_of(input)
    if not shape:
        raise ShapeError("narrow() cannot be applied to a 0-dim tensor.", "Write x.view(1) first.")
    if isinstance(start, Variable) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise ShapeError("start must be an 0-dim integral Tensor.")
    d, start = wrap_dim(dim, len(shape)), int(start)
    if length < 0:
        raise ShapeError("narrow(): length must be non-negative.")
    if not -shape[d] <= start <= shape[d]:
        raise RangeError(
            f"start out of range (expected to be in range of [{-shape[d]}, {shape[d]}], but got {start})"
        )
    start += shape[d] * (start < 0)
    if start + length > shape[d]:
        raise ShapeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({shape[d]})."
        )
    return GetItem((slice(None),) * d + (slice(start, start + length),))(input)


def _several(views: Iterable[Any], name: str) -> tuple[Any, ...]:
    """Mark views that torch makes by one op: writes through them are refused, if they are to be recorded."""
    views = tuple(views)
    for i, v in enumerate(views):
        if isinstance(v, Variable):
            v.born = v.born or "multiple"
            if v.node is not None:
                v.node.label, v.node.part = name, i  # torch names the op that made them all
    return views


def split(input: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Views of ``split_size`` slices each (the last may be smaller), or of the sizes listed.

    >>> import tinyconv as tc
    >>> tc.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    shape = shape_of(input)
    d = wrap_dim(dim, len(shape))
    if not shape:
        raise ShapeError("split expects at least a 1-dimensional tensor")
    n = shape[d]
    if is_int(split_size_or_sections):
        size = int(split_size_or_sections)
        if size < 0:
            raise ShapeError(f"split expects split_size be non-negative, but got split_size={size}")
        if size == 0 and n != 0:
            raise ShapeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
        sizes = [min(size, n - i) for i in range(0, n, size)] if n and size else [n]
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension "
                f"{d}), but got split_sizes={sizes}"
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    name = "SplitBackward0" if is_int(split_size_or_sections) else "SplitWithSizesBackward0"
    return _several((narrow(input, d, a, s) for a, s in zip(starts, sizes, strict=True)), name)


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Views of equal size, at most ``chunks`` of them; the last may be smaller."""
    if chunks < 1:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = shape_of(input)[wrap_dim(dim, len(shape_of(input)))]
    if n == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-n // chunks), dim)


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along one dimension."""
    shape = shape_of(input)
    if not shape:
        raise RangeError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, len(shape))
    return _several((select(input, d, i) for i in range(shape[d])), "UnbindBackward0")


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of the matrices that two dimensions span, as the last dimension."""
    n = len(shape_of(input))
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return Diagonal(offset, a, b)(input)


def _diagonal(xp: Any, x: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The diagonal as memory that can be written to, which NumPy's own cannot."""
    planes = xp.moveaxis(x, (dim1, dim2), (-2, -1))[..., max(-offset, 0) :, max(offset, 0) :]
    *lead, row, column = planes.strides
    shape = (*planes.shape[:-2], min(planes.shape[-2:]))
    return xp.lib.stride_tricks.as_strided(planes, shape, (*lead, row + column))


@op
class Diagonal(Function):
    view = True
    offset: int
    dim1: int
    dim2: int

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        return _diagonal(self.xp, x, self.offset, self.dim1, self.dim2)

    def backward(self, g: Any) -> Any:
        return (PutDiagonal(self.offset, self.dim1, self.dim2, self.source)(g),)


@op
class PutDiagonal(Function):
    offset: int
    dim1: int
    dim2: int
    shape: Shape

    def forward(self, g: Array) -> Array:
        out = self.xp.zeros(self.shape, g.dtype)
        _diagonal(self.xp, out, self.offset, self.dim1, self.dim2)[...] = g
        return out

    def backward(self, g: Any) -> Any:
        return (Diagonal(self.offset, self.dim1, self.dim2)(g),)
