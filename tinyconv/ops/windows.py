"""Views with overlaps: windows along a dimension, and any strides at all."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import address, inplace_view
from ..backend import Array
from ..errors import ShapeError
from ..shapes import Ints, Shape, wrap_dim
from ._common import shape_of
from .slices import GetItem
from .subscript import add_at
from .views import reshape

# ── windows ───────────────────────────────────────────────────────────────────────────────────


@op
class Unfold(Function):
    """Windows of ``size`` elements of ``dim``, ``step`` apart: a view."""

    view = True
    dim: int
    size: int
    step: int

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        d, stride = self.dim, x.strides[self.dim]
        count = (x.shape[d] - self.size) // self.step + 1
        shape = (*x.shape[:d], count, *x.shape[d + 1 :], self.size)
        strides = (*x.strides[:d], stride * self.step, *x.strides[d + 1 :], stride)
        return self.xp.lib.stride_tricks.as_strided(x, shape, strides)

    def backward(self, g: Any) -> Any:
        return (AddWindows(self.dim, self.size, self.step, self.source)(g),)


@op
class AddWindows(Function):
    """Windows added to zeros where :class:`Unfold` takes them: its transpose."""

    widens = "always"
    dim: int
    size: int
    step: int
    shape: Shape

    def forward(self, g: Array) -> Array:
        out = self.xp.zeros(self.shape, g.dtype)
        count, before = g.shape[self.dim], (slice(None),) * self.dim
        if self.size <= count:  # the same element of all windows: these are apart
            for i in range(self.size):
                stop = i + (count - 1) * self.step + 1
                out[(*before, slice(i, stop, self.step))] += g[..., i]
        else:
            windows = self.xp.moveaxis(g, -1, self.dim + 1)
            for i in range(count):
                out[(*before, slice(i * self.step, i * self.step + self.size))] += windows[
                    (*before, i)
                ]
        return out

    def backward(self, g: Any) -> Any:
        return (Unfold(self.dim, self.size, self.step)(g),)


def windows(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of ``size`` elements along ``dimension``, ``step`` apart, as a last dimension: a view.

    This is ``Tensor.unfold``; the columns of a convolution are ``nn.functional.unfold``.

    Shape:
        ``(*, n, *) -> (*, (n - size) // step + 1, *, size)``

    >>> import tinyconv as tc
    >>> x = tc.arange(5.).requires_grad_()
    >>> x.unfold(0, 3, 1).sum().backward()
    >>> x.grad
    tensor([1., 2., 3., 2., 1.])
    """
    d = wrap_dim(dimension, len(shape_of(input)))
    length = shape_of(input)[d] if shape_of(input) else 1
    if size < 0:
        raise ShapeError(f"size is {size} but must be >= 0")
    if size > length:
        raise ShapeError(
            f"maximum size for tensor at dimension {dimension} is {length} but size is {size}",
            "A window is no longer than what it slides along.",
        )
    if step <= 0:
        raise ShapeError(f"step is {step} but must be > 0")
    if not shape_of(input):  # one window, and it has no place of its own
        return GetItem((slice(size),))(reshape(input, 1))
    return Unfold(d, int(size), int(step))(input)


# ── any strides ───────────────────────────────────────────────────────────────────────────────


@op
class AsStrided(Function):
    """``size`` elements by steps of ``stride`` from ``offset`` on, counted from the first element of an operand whose
    own steps are ``own``. An operand that lies in memory otherwise, as a gradient may, is read as if it lay so.
    """

    view = True
    size: Shape
    stride: Ints
    offset: int
    own: Ints

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        if not _lies(x, self.own):
            places, there = _places(self.xp, self, x.shape)
            return self.xp.where(there, x.reshape(-1)[places], 0).astype(x.dtype).reshape(self.size)
        as_strided, n = self.xp.lib.stride_tricks.as_strided, x.itemsize
        first = as_strided(x, (2,), (self.offset * n,))[1:]  # wherever that is
        return as_strided(first, self.size, tuple(s * n for s in self.stride))

    def backward(self, g: Any) -> Any:
        return (PutStrided(self.size, self.stride, self.offset, self.own, self.source)(g),)

    def inverse(self) -> AsStrided:
        return AsStrided(self.source, self.own, -self.offset, self.stride)


@op
class PutStrided(Function):
    """Zeros with each element added where :class:`AsStrided` takes it: its transpose."""

    size: Shape
    stride: Ints
    offset: int
    own: Ints
    shape: Shape

    def forward(self, g: Array) -> Array:
        places, there = _places(self.xp, self, self.shape)
        out = self.xp.zeros(self.shape, g.dtype)
        if out.size:
            add_at(out.reshape(-1), places, self.xp.where(there, g.reshape(-1), 0).astype(g.dtype))
        return out

    def backward(self, g: Any) -> Any:
        return (AsStrided(self.size, self.stride, self.offset, self.own)(g),)


def _places(xp: Any, how: AsStrided | PutStrided, shape: Shape) -> tuple[Array, Array]:
    """For each element of a result its place among those of an operand of ``shape``; and whether it is one of them."""
    own = _addresses(xp, shape, how.own)
    wanted = _addresses(xp, how.size, how.stride) + how.offset
    if not own.size:
        return xp.zeros(wanted.shape, "int64"), xp.zeros(wanted.shape, bool)
    order = xp.argsort(own)
    own = own[order]
    at = xp.minimum(xp.searchsorted(own, wanted), own.size - 1)
    return order[at], own[at] == wanted


def _addresses(xp: Any, shape: Shape, steps: Ints) -> Array:
    """Where in memory the elements lie, in their order, counted from the first."""
    total = xp.zeros((), "int64")
    for n, step in zip(shape, steps, strict=True):
        total = total[..., None] + xp.arange(n) * step
    return total.reshape(-1)


def _lies(x: Array, steps: Ints) -> bool:
    """Whether the elements lie these steps apart; a dimension of size one has none."""
    found = zip(x.shape, x.strides, steps, strict=True)
    return x.size < 2 or all(n == 1 or s == step * x.itemsize for n, s, step in found)


def _reach(shape: Shape, steps: Ints) -> int:
    """How many elements there are from the first to the last, with the gaps between them."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))


def storage_offset(input: Any) -> int:
    """How many elements of the memory that this tensor is a view of lie before its first."""
    if input.base is None or not input.array.size:
        return 0
    return (address(input.array) - address(input.base.array)) // input.array.itemsize


def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view of memory by any steps, which may overlap; the steps and the offset are counted in elements.

    Args:
        storage_offset: from the beginning of the memory that ``input`` is a view of; where it begins itself, unless given.

    Raises:
        ShapeError: the last element would lie behind the end of that memory.

    >>> import tinyconv as tc
    >>> x = tc.arange(4.).requires_grad_()
    >>> y = x.as_strided((2, 3), (1, 1))
    >>> y.sum().backward()
    >>> x.grad
    tensor([1., 2., 2., 1.])
    """
    shape, steps = tuple(map(int, size)), tuple(map(int, stride))
    before = offset_of(input)
    offset = before if storage_offset is None else storage_offset
    if len(shape) != len(steps):
        raise ShapeError("mismatch in length of strides and shape")
    if any(s < 0 for s in steps):
        raise ShapeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(steps)}",
            "Write flip().",
        )
    if offset < 0:
        raise ShapeError(f"Tensor: invalid storage offset {offset}")
    array = input.array
    whole = array if input.base is None else input.base.array
    size_of = array.itemsize
    have = _reach(whole.shape, tuple(s // size_of for s in whole.strides))
    needed = _reach(shape, steps)
    if needed and offset + needed > have:
        raise ShapeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset}, and itemsize {size_of} "
            f"requiring a storage size of {(offset + needed) * size_of} are out of bounds for storage of size "
            f"{have * size_of}"
        )
    own = tuple(s // size_of for s in array.strides)
    return AsStrided(shape, steps, offset - before, own)(input)


offset_of = storage_offset  # where an argument bears its name


as_strided_ = inplace_view(as_strided)
