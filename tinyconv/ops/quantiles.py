"""Where an element stands among the others: medians, quantiles, the k-th, the most frequent."""

from __future__ import annotations

import math
from math import prod as product
from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import float32, float64
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import Shape, wrap_dim
from ._common import dtype_of, is_array, ndim_of, not_implemented, select, shape_of
from .blend import lerp
from .elementwise import ceil, floor, mul, round, sub
from .extrema import Max, Pick
from .indexing import gather
from .reduce import sum
from .results import KthvalueResult, MedianResult, ModeResult, NanmedianResult
from .scans import running
from .sorting import sort
from .views import Reshape, movedim, reshape

# ── by rank ───────────────────────────────────────────────────────────────────────────────────


@op
class Ranked(Function):
    """Where the element of a rank is along ``dim``: the ``k``-th, or the lower median; NaN ranks last.

    The median of a row with NaN is NaN, unless ``skip`` says to leave NaN out.
    """

    differentiable = False
    dim: int
    k: int | None = None
    skip: bool = False

    def forward(self, x: Array) -> Array:
        xp, d = self.xp, self.dim
        order = xp.argsort(x, axis=d, kind="stable")
        n = x.shape[d]
        if self.k is not None:
            return order.take(xp.asarray([self.k - 1]), d)
        lost = (x != x).sum(axis=d, keepdims=True)  # how many are NaN
        rank = xp.maximum((n - lost - 1) // 2, 0)
        if not self.skip:
            rank = xp.where(lost > 0, n - lost, rank)
        return xp.take_along_axis(order, rank, d)


def _picked(name: str, result: Any, x: Any, at: Any, d: int, keepdim: bool, label: str) -> Any:
    """The pair of values and indices; ``at`` keeps the dimension."""
    node = Pick(d, keepdim and bool(shape_of(x)))
    node.label = label
    values = node(_row(x), at)
    return result(values, Reshape(shape_of(values))(at))


def _row(x: Any) -> Any:
    """A scalar as a row of one."""
    return x if shape_of(x) else Reshape((1,))(x)


def _refuse(name: str, x: Any, d: int | None) -> None:
    median = "median" in name
    if dtype_of(x).rank == 0 and (median or (shape_of(x) and name != "mode")):
        kernel = f"median_{'cpu' if d is None else 'out'}" if median else f"{name}_cpu"
        raise not_implemented(kernel, x.array, "Write x.int() first.")
    if d is not None and shape_of(x)[d : d + 1] == (0,):
        raise RangeError(
            f"{'median' if median else name}(): Expected reduction dim {d} to have non-zero size.",
            f"The tensor has shape {list(shape_of(x))}.",
        )


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest along ``dim``, counted from 1, and where it is.

    Shape:
        ``(..., n, ...) -> (..., ...)``, a pair ``(values, indices)``

    Raises:
        ShapeError: there are fewer than ``k`` elements.

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 1., 2.], requires_grad=True)
    >>> values, indices = x.kthvalue(2)
    >>> values.backward()
    >>> x.grad
    tensor([0., 0., 1.])
    """
    d = wrap_dim(dim, ndim_of(input))
    _refuse("kthvalue", input, d)
    size = shape_of(input)[d] if shape_of(input) else 1
    if not 1 <= k <= size:
        raise ShapeError(
            f"kthvalue(): selected number k out of range for dimension {d}",
            f"k is {k}; the dimension has {size} elements.",
        )
    at = Ranked(d, k)(_row(input))
    return _picked("kthvalue", KthvalueResult, input, at, d, keepdim, "KthvalueBackward0")


@op
class Median(Max):
    """Of all elements, the lower of two; equals share the gradient."""

    label = "MedianBackward0"
    skip: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        if x.size:
            y = x.reshape(-1)
            y = y[Ranked(0, None, self.skip)(y)].reshape(())
        else:
            y = self.xp.full((), math.nan).astype(x.dtype)
        if self.needs[0]:
            self.save(x, y)
        return y


def _median(name: str, result: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    skip = name == "nanmedian"
    label = f"{name.title()}Backward"
    if dim is None:
        _refuse(name, x, None)
        node = Median(tuple(range(ndim_of(x))), False, skip)
        node.label = f"{label}0"
        return node(x)
    d = wrap_dim(dim, ndim_of(x))
    _refuse(name, x, d)
    at = Ranked(d, None, skip)(_row(x))
    return _picked(name, result, x, at, d, keepdim, f"{label}1")


def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle one in order, the lower of two; with ``dim`` along it, and where it is. NaN if there is one.

    Shape:
        ``(*) -> ()``; with ``dim`` a pair ``(values, indices)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([5., 1., 2.], requires_grad=True)
    >>> x.median().backward()
    >>> x.grad
    tensor([0., 0., 1.])
    """
    return _median("median", MedianResult, input, dim, keepdim)


def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """:func:`median` of what is not NaN.

    >>> import tinyconv as tc
    >>> tc.tensor([5., float("nan"), 2.]).nanmedian()
    tensor(2.)
    """
    return _median("nanmedian", NanmedianResult, input, dim, keepdim)


# ── by frequency ──────────────────────────────────────────────────────────────────────────────


@op
class MostFrequent(Function):
    """Where the most frequent element is: the smallest of several, the last of equals."""

    differentiable = False
    dim: int

    def forward(self, x: Array) -> Array:
        xp, d = self.xp, self.dim
        order = xp.argsort(x, axis=d, kind="stable")
        x = xp.moveaxis(xp.take_along_axis(x, order, d), d, 0)
        place = xp.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
        starts = xp.zeros(x.shape, "int64")
        starts[1:] = xp.where(x[1:] != x[:-1], place[1:], 0)
        length = place - running(xp, starts, 0, xp.maximum)
        at = xp.expand_dims(length.argmax(0), d)  # the end of the first of the longest runs
        return xp.take_along_axis(order, at, d)


def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along ``dim``, the smallest of several, and where it is: the last of equals.

    Shape:
        ``(..., n, ...) -> (..., ...)``, a pair ``(values, indices)``

    >>> import tinyconv as tc
    >>> tc.tensor([3, 1, 3, 2]).mode().values
    tensor(3)
    """
    d = wrap_dim(dim, ndim_of(input))
    _refuse("mode", input, d)
    at = MostFrequent(d)(_row(input))
    return _picked("mode", ModeResult, input, at, d, keepdim, "ModeBackward0")


# ── quantiles ─────────────────────────────────────────────────────────────────────────────────

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """The value that a part ``q`` of the elements does not exceed, along ``dim`` or of all.

    Args:
        q: a number from 0 to 1, or a tensor of several.
        interpolation: between neighbours: ``'linear'``, ``'lower'``, ``'higher'``, ``'midpoint'``, ``'nearest'``.

    Shape:
        ``(..., n, ...) -> (..., ...)``; behind the length of ``q``, if that has one

    Raises:
        DTypeError: the elements are neither float32 nor float64, or ``q`` is of another dtype.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0., 1., 5.], requires_grad=True)
    >>> x.quantile(0.75).backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    return _quantile(input, q, dim, keepdim, interpolation, skip=False)


def nanquantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """:func:`quantile` of what is not NaN.

    >>> import tinyconv as tc
    >>> tc.tensor([0., float("nan"), 5.]).nanquantile(0.5)
    tensor(2.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, skip=True)


def _quantile(x: Any, q: Any, dim: Any, keepdim: bool, how: str, skip: bool) -> Any:
    _check_quantile(x, q, how)
    shape = shape_of(x)
    parts = shape_of(q)  # () or (m,)
    d = 0 if dim is None else wrap_dim(dim, len(shape))
    kept: Shape
    if dim is None or not shape:
        rows, kept = reshape(x, (1, -1)), (1,) * len(shape) if keepdim else ()
    else:
        rows = movedim(x, d, -1)
        kept = shape_of(rows)[:-1]
        rows = reshape(rows, (-1, shape[d]))
        if keepdim:
            kept = (*shape[:d], 1, *shape[d + 1 :])
    values = _of_rows(rows, q, skip, how)  # (rows, m)
    return reshape(values.T if parts else values, (*parts, *kept))


def _of_rows(rows: Any, q: Any, skip: bool, how: str) -> Any:
    """(r, n), (m) or () -> (r, m)."""
    ordered = sort(rows, 1).values
    number = rows == rows
    counts = sum(number, 1, True)
    last = rows.wrap((counts.array - 1).astype(rows.array.dtype))
    ranks = mul(reshape(q, (1, -1)), last) if isinstance(q, Variable) else mul(last, q)
    if skip:
        ranks = select(last.array < 0, 0, ranks)
    else:  # a row with NaN answers NaN, which is its last element
        ranks = select(counts.array < shape_of(rows)[1], shape_of(rows)[1] - 1.0, ranks)
    if how in _ROUNDED:
        ranks = _ROUNDED[how](ranks)
    low = floor(ranks)
    at = low.detach().long()
    below = gather(ordered, 1, at)
    if how in _ROUNDED:
        return below
    way = 0.5 if how == "midpoint" else sub(ranks, low)
    return lerp(below, gather(ordered, 1, ceil(ranks).detach().long()), way)


_ROUNDED = {"lower": floor, "higher": ceil, "nearest": round}


def _check_quantile(x: Any, q: Any, how: str) -> None:
    if not is_array(x):
        raise TypeError(
            f"quantile(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}"
        )
    if not product(shape_of(x)):
        raise ShapeError("quantile() input tensor must be non-empty", "Nothing has no quantiles.")
    if dtype_of(x) not in (float32, float64):
        raise DTypeError(
            "quantile() input tensor must be either float or double dtype", "Write x.float()."
        )
    if how not in _WAYS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but "
            f"got {how}"
        )
    if not isinstance(q, Variable):
        if not 0 <= q <= 1:
            raise RuntimeError(
                f"quantile() q must be in the range [0, 1] but got {q}\nIt is a part of the elements."
            )
        return
    if ndim_of(q) > 1:
        raise ShapeError("quantile() q must be a scalar or 1D tensor", "Write q.flatten().")
    if dtype_of(q) is not dtype_of(x):
        raise DTypeError(
            "quantile() q tensor must be same dtype as the input tensor",
            f"Write q.to(tinyconv.{dtype_of(x).name}).",
        )
