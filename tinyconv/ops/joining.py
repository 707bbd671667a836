"""Several tensors into one, and one tensor repeated or turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.function import Function, op, require_one_device
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import Ints, is_int, wrap_dim, wrap_dims
from ._common import NUMPY, SumTo, cast, is_array, ndim_of, result_dtype, shape_of
from .slices import narrow
from .take import Take
from .views import Reshape, _sizes, flatten, named, reshape


@op
class Cat(Function):
    dim: int

    def forward(self, *xs: Array) -> Array:
        self.lengths = [x.shape[self.dim] for x in xs]
        return self.xp.concatenate(xs, self.dim)

    def backward(self, g: Any) -> Any:
        out, start = [], 0
        for want, n in zip(self.needs, self.lengths, strict=True):
            out.append(narrow(g, self.dim, start, n) if want else None)
            start += n
        return out


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join along an existing dimension.

    Shape:
        ``(n, c_1, h, w), (n, c_2, h, w), ... -> (n, c_1 + c_2 + ..., h, w)`` with ``dim=1``

    Raises:
        ShapeError: other dimensions differ.

    >>> import tinyconv as tc
    >>> a, b = tc.zeros(2, requires_grad=True), tc.ones(3)
    >>> (tc.cat([a, b]) * tc.arange(5.)).sum().backward()
    >>> a.grad
    tensor([0., 1.])
    """
    xs = list(tensors)
    if not xs:
        raise ValueError("tinyconv.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(xs):
        if not is_array(x):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"
            )
    target = result_dtype(*xs).numpy
    xs = [cast(x, target) for x in xs]
    filled = [x for x in xs if shape_of(x) != (0,)] or xs  # torch skips empty vectors
    n = ndim_of(filled[0])
    for i, x in enumerate(xs):
        if not shape_of(x):
            raise ShapeError(
                f"zero-dimensional tensor (at position {i}) cannot be concatenated",
                "Write stack().",
            )
    d = wrap_dim(dim, n)
    for i, x in enumerate(filled):
        if ndim_of(x) != n:
            raise ShapeError(
                f"Tensors must have same number of dimensions: got {n} and {ndim_of(x)}"
            )
        for k, (p, q) in enumerate(zip(shape_of(filled[0]), shape_of(x), strict=True)):
            if k != d and p != q:
                raise ShapeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {p} but got size {q} for "
                    f"tensor number {i} in the list.",
                    f"Their shapes are {[list(shape_of(t)) for t in xs]}.",
                )
    return Cat(d)(*filled)


concat = concatenate = cat


@op
class Stack(Function):
    dim: int

    def forward(self, *xs: Array) -> Array:
        return self.xp.stack(xs, self.dim)

    def backward(self, g: Any) -> Any:
        at = (slice(None),) * self.dim
        return [g[(*at, i)] if want else None for i, want in enumerate(self.needs)]


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join along a new dimension.

    Shape:
        ``n tensors (c, h, w) -> (n, c, h, w)``

    >>> import tinyconv as tc
    >>> tc.stack([tc.zeros(2), tc.ones(2)], dim=1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    xs = list(tensors)
    if not xs:
        raise ShapeError("stack expects a non-empty TensorList")
    for i, x in enumerate(xs):
        if shape_of(x) != shape_of(xs[0]):
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(shape_of(xs[0]))} at entry 0 and "
                f"{list(shape_of(x))} at entry {i}"
            )
    target = result_dtype(*xs).numpy
    return Stack(wrap_dim(dim, ndim_of(xs[0]) + 1))(*(cast(x, target) for x in xs))


def hstack(tensors: Sequence[Any]) -> Any:
    """Join along the second dimension (the first of vectors)."""
    if not tensors:
        raise ShapeError("hstack expects a non-empty TensorList")
    xs = [reshape(x, 1) if not ndim_of(x) else x for x in tensors]
    return cat(xs, 0 if ndim_of(xs[0]) == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Join along the first dimension; vectors become rows."""
    if not tensors:
        raise ShapeError("vstack expects a non-empty TensorList")
    return cat([reshape(x, 1, -1) if ndim_of(x) < 2 else x for x in tensors], 0)


# ── turned and repeated ───────────────────────────────────────────────────────────────────────


@op
class Flip(Function):
    dims: Ints

    def forward(self, x: Array) -> Array:
        return self.xp.flip(x, self.dims).copy()

    def backward(self, g: Any) -> Any:
        return (Flip(self.dims)(g),)


def flip(input: Any, *axes: Any, dims: Any = None) -> Any:
    """Reverse the order along dimensions.

    >>> import tinyconv as tc
    >>> tc.tensor([1, 2, 3]).flip(0)
    tensor([3, 2, 1])
    """
    chosen = _sizes(axes, dims)
    return Flip(wrap_dims(chosen, ndim_of(input)) if chosen else ())(input)


@op
class Roll(Function):
    """``dims`` of None: as if the elements lay in one dimension."""

    shifts: Ints
    dims: Ints | None

    def forward(self, x: Array) -> Array:
        return self.xp.roll(x, self.shifts if self.dims is not None else self.shifts[0], self.dims)

    def backward(self, g: Any) -> Any:
        return (Roll(tuple(-s for s in self.shifts), self.dims)(g),)


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Shift along dimensions (without ``dims``, through all elements); what leaves at the end comes back in front.

    >>> import tinyconv as tc
    >>> tc.arange(5).roll(2)
    tensor([3, 4, 0, 1, 2])
    """
    steps = (int(shifts),) if is_int(shifts) else tuple(shifts)
    along = () if dims is None else (int(dims),) if is_int(dims) else tuple(dims)
    if not steps:
        raise ShapeError("`shifts` required")
    if not along and len(steps) == 1:
        return Roll(steps, None)(input)
    if len(along) != len(steps):
        raise ShapeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(along)}"
        )
    if not ndim_of(input):
        raise RangeError(f"Dimension specified as {along[0]} but tensor has no dimensions")
    return Roll(steps, tuple(wrap_dim(d, ndim_of(input)) for d in along))(input)


@op
class Repeat(Function):
    times: Ints

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        return self.xp.tile(x, self.times)

    def backward(self, g: Any) -> Any:
        sizes = (1,) * (len(self.times) - len(self.source)) + self.source
        copies = Reshape(tuple(n for pair in zip(self.times, sizes, strict=True) for n in pair))(g)
        return (Reshape(self.source)(SumTo(tuple(n for size in sizes for n in (1, size)))(copies)),)


def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """Repeat the whole tensor ``sizes[d]`` times along each dimension, with a copy.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> x.repeat(3).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    times = _sizes(sizes, repeats)
    if len(times) < ndim_of(input):
        raise ShapeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
            f"The tensor has {ndim_of(input)} dimensions: give as many counts.",
        )
    if any(t < 0 for t in times):
        raise ShapeError(
            f"Trying to create tensor with negative dimension {min(times)}: {list(times)}"
        )
    return Repeat(times)(input)


def tile(input: Any, *counts: Any, dims: Any = None) -> Any:
    """:func:`repeat`, with missing leading counts taken as one."""
    times = _sizes(counts, dims)
    return repeat(input, (1,) * (ndim_of(input) - len(times)) + times)


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Repeat each element (or slice of ``dim``) ``repeats`` times: one number, or a tensor of one for each.

    With one tensor alone: its indices, each as often as it says.

    >>> import tinyconv as tc
    >>> tc.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    >>> tc.repeat_interleave(tc.tensor([1, 2]))
    tensor([0, 1, 1])
    """
    if repeats is None:
        return input.wrap(_each(input.array, input.array.size))
    if dim is None:
        input, dim = flatten(input), 0
    require_one_device("repeat_interleave", input=input, repeats=repeats)
    d = wrap_dim(dim, ndim_of(input))
    n = shape_of(input)[d] if shape_of(input) else 1
    counts = (repeats.array if isinstance(repeats, Variable) else NUMPY.asarray(repeats)).reshape(
        -1
    )
    if ndim_of(repeats) > 1:
        raise ShapeError("repeats must be 0-dim or 1-dim tensor")
    if counts.dtype.kind not in "iu":
        raise DTypeError(
            "repeats must be int32/int64 tensor".replace("int32/int64", "of integers"),
            "Write repeats.long().",
        )
    if counts.size and counts.min() < 0:
        raise ShapeError("repeats can not be negative")
    if counts.size not in (1, n):
        raise ShapeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and "
            f"input.size({d}) = {n}"
        )
    places = XP[type(input.array)].asarray(_each(counts, n))
    return named(
        Take(d, places)(input),
        "IndexSelectBackward0" if isinstance(repeats, Variable) else "ViewBackward0",
    )


def _each(counts: Array, n: int) -> Array:
    """The indices 0 to n - 1, each as often as it is counted."""
    xp = XP[type(counts)]
    return xp.repeat(xp.arange(n), counts)
