"""``x[index]`` and ``x[index] = value``.

An index has two halves, as in torch (and unlike NumPy, where an integer counts as an array). Integers, slices, None
and ``...`` select a view; what is left of them, arrays of integers and masks, then picks elements of that view.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array, backend_of, demand_inside, place_of
from ..dtypes import FLOATS, HALVES
from ..errors import DeviceError, DTypeError, RangeError, ShapeError
from ..shapes import Shape, broadcast
from ._common import NUMPY, Number, cast, dtype_of, fitting, shape_of, unbroadcast
from .fill import copy_
from .slices import GetItem
from .take import PutBack, add_slices
from .views import expand, reshape

ALL = slice(None)

# ── the two halves of an index ────────────────────────────────────────────────────────────────


def _split(x: Any, index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as the basic index of a view, and what is to be picked of each dimension of that view."""
    shape = shape_of(x)
    items = [_item(x, i) for i in _as_tuple(index)]
    uses = [_uses(i) for i in items]
    used = sum(uses)
    if used > len(shape):
        raise _too_many(shape, items)
    view: list[Any] = []
    picks: list[Any] = []
    at = 0  # the dimension of x that comes next
    free = len(shape) - used  # what ``...`` stands for
    for i, n in zip(items, uses, strict=True):
        if i is Ellipsis:
            view += [ALL] * free
            picks += [ALL] * free
            at, free = at + free, 0
        elif i is None or isinstance(i, bool):
            view.append(None)
            picks.append(ALL if i is None else NUMPY.array([i]))
        elif isinstance(i, int):
            if not -shape[at] <= i < shape[at]:
                raise RangeError(
                    f"index {i} is out of bounds for dimension {at} with size {shape[at]}",
                    f"The tensor has shape {list(shape)}.",
                )
            view.append(i)
        else:
            view += [i if isinstance(i, slice) else ALL] * n
            picks.append(ALL if isinstance(i, slice) else i)
        at += n
    return tuple(view), picks


def _as_tuple(index: Any) -> tuple[Any, ...]:
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32 and any(map(_suggests_tuple, index)):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use x[tuple(seq)] instead of "
            "x[seq], or x[tensor(seq)] if that is what you mean.",
            stacklevel=4,
        )
        return tuple(index)
    return (index,)


def _suggests_tuple(i: Any) -> bool:
    return i is None or i is Ellipsis or isinstance(i, (Variable, list, tuple, slice))


def _uses(i: Any) -> int:
    """How many dimensions one item of an index takes up."""
    if i is None or i is Ellipsis or isinstance(i, bool):
        return 0
    return i.ndim if _is_mask(i) else 1


def _is_mask(i: Any) -> bool:
    return not isinstance(i, (int, slice)) and i.dtype.kind == "b"


def _item(x: Any, i: Any) -> Any:
    """One item of an index: None, ``...``, a bool, an int, a slice of ints, or an array of integers or bools."""
    if i is None or i is Ellipsis or isinstance(i, (bool, int)):
        return i
    if isinstance(i, slice):
        return _slice(i)
    if isinstance(i, Variable):
        if type(i.array) not in (type(x.array), NUMPY.ndarray):
            raise DeviceError(
                f"indices should be either on cpu or on the same device as the indexed tensor ({place_of(x.array)})",
                f"Write index.cpu(), or x.to('{place_of(i.array)}').",
            )
        return _index_array(i.array)
    if isinstance(i, (list, tuple, range)):
        data = NUMPY.asarray(_numbers(i))
        return _index_array(data if data.size else data.astype("int64"))
    if isinstance(i, NUMPY.ndarray):
        return _index_array(i)
    if hasattr(i, "__index__"):
        return operator.index(i)
    if isinstance(i, str):
        raise TypeError(
            "new(): invalid data type 'str'\nA tensor is indexed by place, not by name."
        )
    name = (
        type(i).__name__
        if type(i).__module__ == "builtins"
        else f"{type(i).__module__}.{type(i).__name__}"
    )
    raise RangeError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {name})"
    )


def _slice(s: slice) -> slice:
    try:
        start, stop, step = (
            None if v is None else operator.index(v) for v in (s.start, s.stop, s.step)
        )
    except TypeError:
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method"
        ) from None
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step is not None and step < 0:
        raise ValueError("step must be greater than zero\nWrite x.flip(dim) for the reverse.")
    return slice(start, stop, step)


def _numbers(data: Any) -> Any:
    """Nested sequences with the tensors among them turned into numbers."""
    if isinstance(data, (list, tuple, range)):
        return [_numbers(d) for d in data]
    return backend_of(data.array).to_numpy(data.array) if isinstance(data, Variable) else data


def _index_array(a: Array) -> Any:
    if a.dtype.kind not in "iub":
        raise RangeError(
            "tensors used as indices must be long, int, byte or bool tensors", "Write index.long()."
        )
    if a.dtype == "uint8":
        warnings.warn(
            "indexing with dtype uint8 is now deprecated, please use a dtype bool instead: write mask.bool().",
            stacklevel=5,
        )
        a = a.astype(bool)
    if a.ndim == 0:
        return a.item()
    return a if a.dtype.kind == "b" else a.astype("int64", copy=False)


def _too_many(shape: Shape, items: list[Any]) -> RangeError:
    if not shape and isinstance(items[0], int):
        return RangeError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
        )
    if not shape and isinstance(items[0], slice):
        return RangeError("slice() cannot be applied to a 0-dim tensor.", "Write x.view(1) first.")
    return RangeError(
        f"too many indices for tensor of dimension {len(shape)}",
        f"The tensor has shape {list(shape)}.",
    )


def _trivial(view: tuple[Any, ...]) -> bool:
    return all(isinstance(i, slice) and i == ALL for i in view)


# ── arrays of integers, and masks ─────────────────────────────────────────────────────────────


def add_at(out: Array, place: Array, values: Array) -> None:
    """``out[place[i]] += values[i]``, for vectors, in the same order each time."""
    if out.dtype in HALVES:
        wide, values = out.astype("float32"), values.astype("float32")
    elif out.dtype in FLOATS or isinstance(out, NUMPY.ndarray):
        wide = out
    else:  # the integers that a GPU adds to in memory
        wide, values = (a.astype("int64").view("uint64") for a in (out, values))
    add_slices(values.reshape(1, -1, 1), place, wide.reshape(1, -1, 1))
    if wide is not out:
        out[...] = (wide.view("int64") if wide.dtype == "uint64" else wide).astype(out.dtype)


def _add_at(xp: Any, out: Array, places: tuple[Any, ...], values: Any) -> None:
    """Add where ``places`` point to, also to one element several times."""
    place = xp.arange(out.size).reshape(out.shape)[places]
    values = xp.broadcast_to(xp.asarray(values, out.dtype), place.shape)
    add_at(out.reshape(-1), place.reshape(-1), values.reshape(-1))


@op
class Index(Function):
    """Pick elements: a copy. ``places`` are slices and arrays of integers that lie inside; if ``distinct``, none occurs twice."""

    places: tuple[Any, ...]
    distinct: bool

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        return x[self.places]

    def backward(self, g: Any) -> Any:
        return (AddAt(self.places, self.distinct, self.source)(g),)


@op
class AddAt(Function):
    """Zeros with elements added at ``places``: the transpose of Index."""

    widens = "always"
    places: tuple[Any, ...]
    distinct: bool
    shape: Shape

    def forward(self, g: Array) -> Array:
        arrays = [d for d, p in enumerate(self.places) if not isinstance(p, slice)]
        if len(arrays) == 1 and not self.distinct:
            (axis,) = arrays
            return PutBack(axis, self.places[axis] % self.shape[axis], self.shape)(g)
        out = self.xp.zeros(self.shape, g.dtype)
        if self.distinct:
            out[self.places] = g
        else:
            _add_at(self.xp, out, self.places, g)
        return out

    def backward(self, g: Any) -> Any:
        return (Index(self.places, self.distinct)(g),)


@op
class IndexPut(Function):
    """A copy with other values at ``places``, or with values added there."""

    places: tuple[Any, ...]
    distinct: bool
    accumulate: bool

    def forward(self, x: Array, v: Any) -> Array:
        self.value_shape = getattr(v, "shape", ())
        out = x.copy()
        if self.accumulate:
            _add_at(self.xp, out, self.places, v)
        else:
            out[self.places] = v
        return out

    def backward(self, g: Any) -> Any:
        gx = g
        if not self.accumulate:
            gx = IndexPut(self.places, self.distinct, False)(g, 0)
        gv = (
            unbroadcast(Index(self.places, self.distinct)(g), self.value_shape)
            if self.needs[1]
            else None
        )
        return gx, gv


def _places(x: Any, picks: list[Any]) -> tuple[tuple[Any, ...], bool]:
    """Checked indices on the device of x, with masks as the indices of what is true; and whether none can occur twice."""
    shape, xp = shape_of(x), XP[type(x.array)]
    places: list[Any] = []
    for pick in picks:
        at = len(places)
        if isinstance(pick, slice):
            places.append(pick)
        elif _is_mask(pick):
            _check_mask(shape, pick.shape, at)
            places += map(xp.asarray, pick.nonzero())
        else:
            _check_bounds(pick, at, shape[at])
            places.append(xp.asarray(pick))
    arrays = [p for p in places if not isinstance(p, slice)]
    together: Shape = ()
    for a in arrays:
        try:
            together = broadcast(together, a.shape)
        except ShapeError:
            shapes = ", ".join(str(list(b.shape)) for b in arrays)
            raise RangeError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}",
                "Index arrays are read side by side; for every combination write x[rows][:, columns].",
            ) from None
    masks = [p for p in picks if _is_mask(p)]
    return tuple(places), len(masks) == 1 and len(arrays) == masks[0].ndim


def _check_mask(shape: Shape, mask: Shape, at: int) -> None:
    for k, n in enumerate(mask):
        if n != shape[at + k]:
            raise RangeError(
                f"The shape of the mask {list(mask)} at index {k} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {at + k}"
            )


def _check_bounds(index: Array, dim: int, size: int) -> None:
    demand_inside(index, -size, size, _out_of_bounds, dim, size)


def _out_of_bounds(index: int, dim: int, size: int) -> Exception:
    if size == 0:
        return RangeError("index is out of bounds for dimension with size 0")
    return RangeError(
        f"index {index} is out of bounds for dimension {dim} with size {size}",
        f"Indices must lie in [{-size}, {size}).",
    )


# ── the functions ─────────────────────────────────────────────────────────────────────────────


def getitem(input: Any, index: Any) -> Any:
    """``x[index]`` with ints, slices, None, ``...``: a view; with lists, masks or integer tensors: a copy.

    Raises:
        RangeError: an index lies outside, or there are too many.

    >>> import tinyconv as tc
    >>> x = tc.arange(6.).reshape(2, 3).requires_grad_()
    >>> x[:, [0, 0, 2]].sum().backward()
    >>> x.grad
    tensor([[2., 0., 1.],
            [2., 0., 1.]])
    """
    if type(index) is int and input.array.ndim and 0 <= index < len(input.array):
        return GetItem((index,))(input)  # the most frequent index takes the shortest way
    view, picks = _split(input, index)
    if all(isinstance(p, slice) for p in picks):
        return GetItem(view)(input)
    x = input if _trivial(view) else GetItem(view)(input)
    return Index(*_places(x, picks))(x)


def setitem(input: Any, index: Any, value: Any) -> None:
    """``x[index] = value``: differentiable in both.

    >>> import tinyconv as tc
    >>> v = tc.tensor(3., requires_grad=True)
    >>> y = tc.zeros(2, 2)
    >>> y[0, 1] = v * v
    >>> y.sum().backward()
    >>> v.grad
    tensor(6.)
    """
    if index is False:
        return  # selects nothing
    value = _value(input, value)
    view, picks = _split(input, index)
    x = input if _trivial(view) else GetItem(view)(input)
    if not all(isinstance(p, slice) for p in picks):
        _put_(x, *_places(x, picks), value)
        return
    if shape_of(value) != shape_of(x):
        value = expand(value, *shape_of(x)) if shape_of(value) else value
    copy_(x, value)


def _value(x: Any, value: Any) -> Any:
    """What is assigned: a number that fits, or a tensor without leading dimensions of size one."""
    if isinstance(value, Number):
        return fitting(value, dtype_of(x))
    if not isinstance(value, Variable):
        kind = type(value)
        name = (
            kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        )
        raise TypeError(
            f"can't assign a {name} to a tinyconv.{type_name(x.array)}Tensor\nWrite tensor(value, dtype=x.dtype)."
        )
    shape = shape_of(value)
    lead = next((d for d, n in enumerate(shape) if n != 1), len(shape))
    return reshape(value, shape[lead:]) if lead else value


def _picked(shape: Shape, places: tuple[Any, ...]) -> Shape:
    """The shape of what ``places`` pick: index arrays side by side stay where they are, others go in front."""
    arrays = [d for d, p in enumerate(places) if not isinstance(p, slice)]
    together: Shape = ()
    for d in arrays:
        together = broadcast(together, places[d].shape)
    rest = [n for d, n in enumerate(shape) if d not in arrays]
    at = arrays[0] if arrays[-1] - arrays[0] == len(arrays) - 1 else 0
    return (*rest[:at], *together, *rest[at:])


def _put(
    x: Any, places: tuple[Any, ...], distinct: bool, value: Any, accumulate: bool = False
) -> Any:
    if isinstance(value, Variable):
        if distinct and not accumulate and value.array.size == 1:
            value = cast(value, x.array.dtype)  # torch fills where a mask is true
        if value.array.dtype != x.array.dtype:
            raise DTypeError(
                f"Index put requires the source and destination dtypes match, got {type_name(x.array)} for the "
                f"destination and {type_name(value.array)} for the source.",
                f"Write value.to({dtype_of(x)}).",
            )
        there = _picked(shape_of(x), places)
        try:
            fits = broadcast(there, shape_of(value)) == there
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(
                f"shape mismatch: value tensor of shape {list(shape_of(value))} cannot be broadcast to indexing "
                f"result of shape {list(there)}"
            )
    return IndexPut(places, distinct, accumulate)(x, value)


_put_ = inplace(_put)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy with ``values`` written (or added, with ``accumulate``) at ``indices``, one tensor a dimension.

    >>> import tinyconv as tc
    >>> tc.zeros(3).index_put((tc.tensor([0, 2, 0]),), tc.ones(3), accumulate=True)
    tensor([2., 0., 1.])
    """
    view, picks = _split(input, tuple(indices))
    x = input if _trivial(view) else GetItem(view)(input)
    return _put(x, *_places(x, picks), values, accumulate)


index_put_ = inplace(index_put)
