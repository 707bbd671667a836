"""Order: sorting, the largest, the distinct, counts."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op, require_one_device
from ..backend import XP, Array
from ..errors import ShapeError
from ..shapes import Shape, wrap_dim
from ._common import ndim_of, shape_of
from .indexing import Gather
from .results import SortResult, TopkResult
from .views import named


@op
class Order(Function):
    """The indices that sort, equals in their old order; NaN counts as the largest."""

    differentiable = False
    widens = "always"  # nobody sorts halves faster
    dim: int
    descending: bool

    def forward(self, x: Array) -> Array:
        if not x.ndim:
            return self.xp.zeros((), "int64")
        if not self.descending:
            return self.xp.argsort(x, axis=self.dim, kind="stable")
        back = self.xp.argsort(self.xp.flip(x, self.dim), axis=self.dim, kind="stable")
        return x.shape[self.dim] - 1 - self.xp.flip(back, self.dim)


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Sort along ``dim``: values and where they were. Equals keep their order, ``stable`` or not.

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 1., 2.], requires_grad=True)
    >>> values, indices = x.sort()
    >>> indices
    tensor([1, 2, 0])
    >>> (values * tc.tensor([1., 10., 100.])).sum().backward()
    >>> x.grad
    tensor([100.,   1.,  10.])
    """
    d = wrap_dim(dim, ndim_of(input))
    order = Order(d, descending)(input)
    return SortResult(named(Gather(d)(input, order), "SortBackward0"), order)


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort along ``dim``.

    >>> import tinyconv as tc
    >>> tc.tensor([3, 1, 2]).argsort(descending=True)
    tensor([0, 2, 1])
    """
    return Order(wrap_dim(dim, ndim_of(input)), descending)(input)


def msort(input: Any) -> Any:
    """Sort along the first dimension: the values.

    >>> import tinyconv as tc
    >>> tc.msort(tc.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0).values


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) along ``dim``, in order: values and where they were.

    Shape:
        ``(..., n, ...) -> (..., k, ...)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 1., 2.], requires_grad=True)
    >>> x.topk(2).values.sum().backward()
    >>> x.grad
    tensor([1., 0., 1.])
    """
    d = wrap_dim(dim, ndim_of(input))
    size = shape_of(input)[d] if shape_of(input) else 1
    if not 0 <= k <= size:
        raise ShapeError(
            "selected index k out of range", f"k is {k}; the dimension has {size} elements."
        )
    order = Order(d, largest)(input)
    if shape_of(input):
        order = order.wrap(order.array[(slice(None),) * d + (slice(k),)].copy())
    return TopkResult(named(Gather(d)(input, order), "TopkBackward0"), order)


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements (or slices of ``dim``) in order; on request also where each went, and how many there are.

    >>> import tinyconv as tc
    >>> tc.tensor([3, 1, 3]).unique(return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    axis = None if dim is None else wrap_dim(dim, ndim_of(input))
    if axis is not None:
        _refuse_nothing(input.array.shape, axis)
    xp = XP[type(input.array)]
    found = xp.unique(
        input.array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    values, inverse, counts = (input.wrap(a) for a in found)
    chosen = [values] + [inverse] * return_inverse + [counts] * return_counts
    return tuple(chosen) if len(chosen) > 1 else values


def _refuse_nothing(shape: Shape, d: int) -> None:
    """There may be no slices of a dimension, but each must have elements."""
    if shape.count(0) > (shape[d] == 0):
        text = (
            "Number of zero sized dimensions is more than one, so unique cannot be applied "
            if shape[d] == 0
            else "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
        raise ShapeError(text, f"The tensor has shape {list(shape)}.")


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of each run of equal elements (or slices of ``dim``); on request also where each went, and how long the runs are.

    >>> import tinyconv as tc
    >>> tc.tensor([1, 1, 3, 1]).unique_consecutive(return_counts=True)
    (tensor([1, 3, 1]), tensor([2, 1, 1]))
    """
    a = input.array
    xp, flat = XP[type(a)], dim is None
    d = 0 if dim is None else wrap_dim(dim, a.ndim)
    if not flat:
        _refuse_nothing(a.shape, d)
    rows = a.reshape(-1) if flat else xp.moveaxis(a, d, 0)
    new = xp.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(tuple(range(1, rows.ndim)))
    starts = xp.flatnonzero(new)
    inverse = xp.cumsum(new) - 1
    counts = xp.diff(xp.append(starts, len(rows)))
    values = rows[new]
    chosen = [input.wrap(values if flat else xp.ascontiguousarray(xp.moveaxis(values, 0, d)))]
    if return_inverse:
        chosen.append(input.wrap(inverse.reshape(a.shape) if flat else inverse))
    if return_counts:
        chosen.append(input.wrap(counts))
    return tuple(chosen) if len(chosen) > 1 else chosen[0]


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each non-negative integer occurs, or the sum of its weights.

    Shape:
        ``(n) -> (max + 1)``, at least ``minlength``

    >>> import tinyconv as tc
    >>> tc.bincount(tc.tensor([0, 2, 2]), minlength=4)
    tensor([1, 0, 2, 0])
    """
    require_one_device("bincount", input=input, weights=weights)
    a = input.array
    if a.ndim != 1 or a.dtype.kind not in "iu" or (a.size and a.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and shape_of(weights) != a.shape:
        raise ShapeError("weights should be 1-d and have the same length as input")
    counts = XP[type(a)].bincount(a, None if weights is None else weights.array, minlength)
    return input.wrap(
        counts.astype("float32")
        if weights is not None and weights.array.dtype == "float32"
        else counts
    )
