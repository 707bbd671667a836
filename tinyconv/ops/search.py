"""Searching in order, and counting in bins."""

from __future__ import annotations

import math
from typing import Any

from ..autograd.function import Function, op, require_one_device, type_name
from ..backend import XP, Array, demand
from ..dtypes import FLOATS
from ..errors import ShapeError
from ._common import Number, dtype_of, ndim_of, not_implemented, result_dtype, shape_of

# ── searching ─────────────────────────────────────────────────────────────────────────────────


@op
class Bisect(Function):
    """How many of the ordered numbers in the last dimension are less than ``x`` (or no larger).

    All are bisected at once, in as many steps as the length has bits; NaN is larger than anything.
    """

    differentiable = False
    right: bool
    result: str

    def forward(self, line: Array, x: Array) -> Array:
        xp, n = self.xp, line.shape[-1]
        low = xp.zeros(x.shape, "int64")
        high = xp.full(x.shape, n, "int64")
        line = xp.broadcast_to(line, (*x.shape[:-1], n)) if line.ndim > 1 else line
        for _ in range(n.bit_length()):
            middle = (low + high) // 2
            there = xp.minimum(middle, n - 1)
            v = line[there] if line.ndim == 1 else xp.take_along_axis(line, there, -1)
            beyond = (low < high) & ~((v > x) if self.right else (v >= x))
            low = xp.where(beyond, middle + 1, low)
            high = xp.where(beyond, high, middle)
        return low.astype(self.result)


def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where to insert numbers so that the order of the last dimension is kept.

    Args:
        out_int32: count in int32, not int64.
        right: behind equals, not before them; the same as ``side='right'``.
        sorter: the indices that sort ``sorted_sequence``, if it is not in order.

    Shape:
        ``(*, n), (*, m) -> (*, m)``, or ``(n), (*) -> (*)``

    Raises:
        ShapeError: the leading dimensions differ.

    >>> import tinyconv as tc
    >>> tc.searchsorted(tc.tensor([1, 3, 5]), tc.tensor([3, 6]))
    tensor([1, 3])
    """
    if isinstance(input, Number):
        x = sorted_sequence.wrap(XP[type(sorted_sequence.array)].asarray(input))
    else:
        x = input
        require_one_device("searchsorted", sorted_sequence=sorted_sequence, input=input)
    line, points = shape_of(sorted_sequence), shape_of(x)
    if side not in (None, "left", "right"):
        raise _refused(f"side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise _refused(
            "side and right can't be set to opposites, got side of left while right was True"
        )
    if not line:
        raise _refused("boundaries tensor should have positive dimension, but got 0 dimension")
    if not points and len(line) != 1:
        raise _refused(
            "input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({len(line)}) and input value's dim(0) numel(1)"
        )
    if len(line) > 1 and line[:-1] != points[:-1]:
        raise _refused(
            "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(line)} and input "
            f"value tensor {list(points)}"
        )
    if any(v.array.dtype.kind == "b" for v in (sorted_sequence, x)):
        raise not_implemented("searchsorted_out_cpu", sorted_sequence.array, "Write x.int() first.")
    if sorter is not None:
        sorted_sequence = _in_order(sorted_sequence, sorter)
    return Bisect(right or side == "right", "int32" if out_int32 else "int64")(sorted_sequence, x)


def _refused(text: str) -> ShapeError:
    return ShapeError(f"tinyconv.searchsorted(): {text}")


def _in_order(x: Any, sorter: Any) -> Any:
    if shape_of(sorter) != shape_of(x):
        raise _refused(
            "boundary and sorter must have the same size, but got boundary tensor "
            f"{list(shape_of(x))}and got sorter tensor {list(shape_of(sorter))}"
        )
    if dtype_of(sorter).name != "int64":
        raise _refused(
            f"sorter must be a tensor of long dtype but got dtype {type_name(sorter.array)}"
        )
    demand((sorter.array >= 0) & (sorter.array < shape_of(x)[-1]), _no_such_place)
    xp = XP[type(x.array)]
    return x.wrap(xp.take_along_axis(x.array, sorter.array, -1))


def _no_such_place(_: int) -> Exception:
    return _refused("sorter index out of range")


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Which elements are among others.

    Args:
        assume_unique: no number comes twice in either; it makes no difference here.
        invert: which are not.

    Shape:
        ``(*), (n) -> (*)`` of bool

    >>> import tinyconv as tc
    >>> tc.isin(tc.tensor([1, 2, 3]), tc.tensor([2, 5]))
    tensor([False,  True, False])
    """
    given = [v for v in (elements, test_elements) if not isinstance(v, Number)]
    if not given:
        raise TypeError("isin() received an invalid combination of arguments\nOne is a Tensor.")
    xp = XP[type(given[0].array)]
    if len(given) == 2:
        require_one_device("isin", elements=elements, test_elements=test_elements)
    for v in given:
        if v.array.dtype.kind == "b":
            raise RuntimeError(
                "Unsupported input type encountered for isin(): Bool\nWrite x.int() first."
            )
    kind = result_dtype(elements, test_elements).numpy
    x, others = (
        xp.asarray(v if isinstance(v, Number) else v.array).astype(kind)
        for v in (elements, test_elements)
    )
    return given[0].wrap(xp.isin(x, others.ravel(), invert=invert))


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Between which boundaries numbers are: ``boundaries[i - 1] < x <= boundaries[i]``.

    Args:
        out_int32: count in int32, not int64.
        right: ``boundaries[i - 1] <= x < boundaries[i]`` instead.

    Shape:
        ``(*), (n) -> (*)``

    Raises:
        ShapeError: the boundaries have not one dimension.

    >>> import tinyconv as tc
    >>> tc.bucketize(tc.tensor([3, 6]), tc.tensor([1, 3, 5]))
    tensor([1, 3])
    """
    if ndim_of(boundaries) != 1:
        raise ShapeError(
            f"boundaries tensor must be 1 dimension, but got dim({ndim_of(boundaries)})",
            "Of rows with boundaries each, see searchsorted().",
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


# ── counting ──────────────────────────────────────────────────────────────────────────────────


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements are in each of ``bins`` equal parts from ``min`` to ``max``.

    Args:
        min, max: of the elements, unless they differ; what lies outside is not counted.

    Shape:
        ``(*) -> (bins)``

    Raises:
        RuntimeError: there are no bins, or the range is empty or infinite.

    >>> import tinyconv as tc
    >>> tc.histc(tc.tensor([1., 2., 1., 4.]), bins=4, min=0, max=4)
    tensor([0., 2., 1., 1.])
    """
    x = input.array.reshape(-1)
    if x.dtype not in FLOATS:
        raise not_implemented("histogram_cpu", x, "Write x.float() first.")
    if bins <= 0:
        raise RuntimeError(
            f"tinyconv.histogram(): bins must be > 0, but got {bins} for dimension 0\n"
            "Count in at least one."
        )
    xp = XP[type(x)]
    low, high = float(min), float(max)
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(
            f"tinyconv.histc: range of [{low}, {high}] is not finite\nGive min and max."
        )
    if low > high:
        raise RuntimeError(
            "tinyconv.histc: max must be larger than min\nThey are the other way round."
        )
    inside = (x >= low) & (x <= high)
    place = xp.where(inside, (x - low) * bins / (high - low), 0).astype("int64")
    place = xp.where(inside, xp.minimum(place, bins - 1), bins)
    return input.wrap(xp.bincount(place, minlength=bins + 1)[:bins].astype(x.dtype))
