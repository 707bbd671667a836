"""Several tensors into one, and one tensor repeated or turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.function import Function, op
from ..backend import Array
from ..errors import ShapeError
from ..shapes import Ints, wrap_dim, wrap_dims
from ._common import cast, ndim_of, result_dtype, shape_of
from .views import _sizes, expand, flatten, narrow, reshape


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
        raise ValueError("expected a non-empty list of Tensors")
    target = result_dtype(*xs).numpy
    xs = [cast(x, target) for x in xs]
    filled = [x for x in xs if shape_of(x) != (0,)] or xs  # torch skips empty vectors
    n = ndim_of(filled[0])
    for i, x in enumerate(xs):
        if not shape_of(x):
            raise ShapeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated", "Write stack().")
    d = wrap_dim(dim, n)
    for i, x in enumerate(filled):
        if ndim_of(x) != n:
            raise ShapeError(f"Tensors must have same number of dimensions: got {n} and {ndim_of(x)}")
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
    xs = [reshape(x, 1) if not ndim_of(x) else x for x in tensors]
    return cat(xs, 0 if ndim_of(xs[0]) == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Join along the first dimension; vectors become rows."""
    return cat([reshape(x, 1, -1) if ndim_of(x) < 2 else x for x in tensors], 0)


# ── turned and repeated ───────────────────────────────────────────────────────────────────────


@op
class Flip(Function):
    dims: Ints

    def forward(self, x: Array) -> Array:
        return self.xp.flip(x, self.dims).copy()

    def backward(self, g: Any) -> Any:
        return (Flip(self.dims)(g),)


def flip(x: Any, *dims: Any) -> Any:
    """Reverse the order along dimensions.

    >>> import tinyconv as tc
    >>> tc.tensor([1, 2, 3]).flip(0)
    tensor([3, 2, 1])
    """
    chosen = _sizes(dims)
    return Flip(wrap_dims(chosen, ndim_of(x)) if chosen else ())(x)


@op
class Roll(Function):
    shifts: Ints
    dims: Ints

    def forward(self, x: Array) -> Array:
        return self.xp.roll(x, self.shifts, self.dims)

    def backward(self, g: Any) -> Any:
        return (Roll(tuple(-s for s in self.shifts), self.dims)(g),)


def roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    """Shift along dimensions; what leaves at the end comes back at the start.

    >>> import tinyconv as tc
    >>> tc.arange(5).roll(2)
    tensor([3, 4, 0, 1, 2])
    """
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if not steps:
        raise ShapeError("`shifts` required")
    if dims is None or dims == ():
        if len(steps) != 1:
            raise ShapeError(f"shifts and dimensions must align. shifts: {len(steps)}, dims:0")
        return reshape(Roll(steps, (0,))(flatten(x)), shape_of(x))
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(along) != len(steps):
        raise ShapeError(f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(along)}")
    return Roll(steps, tuple(wrap_dim(d, ndim_of(x)) for d in along))(x)


def repeat(x: Any, *sizes: Any) -> Any:
    """Repeat the whole tensor ``sizes[d]`` times along each dimension, with a copy.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> x.repeat(3).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    times = _sizes(sizes)
    lead = len(times) - ndim_of(x)
    if lead < 0:
        raise ShapeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    shape = (1,) * lead + shape_of(x)
    pairs = [n for t, s in zip(times, shape, strict=True) for n in (t, s)]
    spaced = reshape(x, [n for s in shape for n in (1, s)])
    return _named_clone(reshape(expand(spaced, *pairs), [t * s for t, s in zip(times, shape, strict=True)]))


def _named_clone(x: Any) -> Any:
    return x if getattr(x, "base", None) is None else x.clone()  # repeat() never returns a view


def tile(x: Any, *dims: Any) -> Any:
    """:func:`repeat`, with missing leading counts taken as one."""
    times = _sizes(dims)
    return repeat(x, (1,) * (ndim_of(x) - len(times)) + times)


def repeat_interleave(x: Any, repeats: Any, dim: int | None = None) -> Any:
    """Repeat each element (or slice of ``dim``) ``repeats`` times."""
    if dim is None:
        x, dim = flatten(x), 0
    d = wrap_dim(dim, ndim_of(x))
    counts = repeats.tolist() if hasattr(repeats, "tolist") else repeats
    n = shape_of(x)[d]
    each = [counts] * n if isinstance(counts, int) else counts
    return x[(slice(None),) * d + ([i for i, c in enumerate(each) for _ in range(c)],)]


