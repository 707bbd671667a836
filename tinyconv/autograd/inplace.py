"""Writes: an in-place twin for every function, and what a write does to the tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..backend import XP, Array
from ..dtypes import BY_NUMPY
from ..errors import DTypeError, InplaceError, ShapeError
from ..shapes import Ints
from .function import Function, differing_devices, op, type_name, where_is
from .mode import mode
from .variable import Variable, Version, follow, unwritable


def inplace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``x.f_(...)`` out of ``f(x, ...)``: the same value and gradient, in the memory of ``x``."""

    def method(x: Any, *args: Any, **kwargs: Any) -> Any:
        others = [a for a in (*args, *kwargs.values()) if isinstance(a, Variable)]
        recording = _check_write(x, others)
        _write(x, function(x, *args, **kwargs), recording)
        return x

    method.__name__ = method.__qualname__ = f"{function.__name__.lstrip('_')}_"
    method.__module__ = function.__module__
    method.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return method


def inplace_view(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``x.f_(...)`` out of a view ``f(x, ...)``: the same memory, from now on in the shape that ``f`` gives it."""

    def method(x: Any, *args: Any, **kwargs: Any) -> Any:
        if mode.enabled and x.requires_grad:
            check_history(x)
        _turn(x, function, args, kwargs)
        return x

    method.__name__ = method.__qualname__ = f"{function.__name__}_"
    method.__module__ = function.__module__
    method.__doc__ = f"In-place version of :func:`{function.__name__}`: no element moves."
    return method


def _turn(x: Variable, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    before = mode.enabled
    mode.enabled = before or x.node is not None  # whoever asks, the gradient comes in the new shape
    try:
        out = function(x, *args, **kwargs)
    finally:
        mode.enabled = before
    if x.base is None:  # views that were taken earlier start from the shape of then
        x.undo = (out.replay[-1].inverse(), *x.undo)
    x.array, x.replay = out.array, out.replay
    x.bump()
    if out.node is not None:
        x.adopt(out.node)
    x.stamp = x.counter().count


def write(x: Variable, out: Variable) -> None:
    """Replace the values of ``x`` by those of ``out``, and its history by that of ``out``."""
    _write(x, out, _check_write(x, [out]))


def _write(x: Variable, out: Variable, recording: bool) -> None:
    if type(out.array) is not type(x.array):
        raise differing_devices("what is written to", x, where_is(out))
    _check_result(x.array, out.array)
    if recording and out.array.dtype != x.array.dtype:
        out = out.type_as(x)  # type: ignore[attr-defined]  # a Tensor: the gradient is converted back
    if out.node is not None:
        _save_again(out.node, x, out)
    x.array[...] = out.array
    x.bump()
    if recording:
        rebase(x, out.node)


def rebase(x: Variable, node: Function | None) -> None:
    """Give ``x``, whose memory was written to, its new history; through the base, if it is a view."""
    if x.base is None:
        x.adopt(node)
        return
    base, strides = x.base, x.base.array.strides
    layout = tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))
    base.adopt(CopySlices(x.way, layout).connect(base.edge, node))
    x.refresh()


@op
class CopySlices(Function):
    """The node of a base whose view was written to: (base before, what was written) -> base."""

    label = "CopySlices"
    replay: tuple[Function, ...]
    layout: Ints

    def backward(self, g: Any) -> Any:
        gbase = EraseSlices(self.replay, self.layout)(g) if self.needs[0] else None
        return gbase, follow(self.replay, g) if self.needs[1] else None


@op
class EraseSlices(Function):
    """Zero where a view shows; its own transpose.

    ``layout`` lists the dimensions of the base by falling stride: a gradient that lies in memory as the
    base does has the same views.
    """

    replay: tuple[Function, ...]
    layout: Ints

    def forward(self, g: Array) -> Array:
        there = [self.layout.index(d) for d in range(g.ndim)]
        out = g.transpose(self.layout).copy(order="C").transpose(there)
        part = follow(self.replay, out)
        if part.size and not self.xp.may_share_memory(part, out):
            raise InplaceError(
                "a write through as_strided() to memory with gaps has no gradient",
                "Write x.contiguous() first.",
            )
        part[...] = 0
        return out

    def backward(self, g: Any) -> Any:
        return (EraseSlices(self.replay, self.layout)(g),)


def _save_again(node: Function, x: Variable, out: Variable) -> None:
    """Let the op keep what the write would spoil: a copy of its first operand, and of its result the place."""
    after = x.counter().count + 1
    saved, guards = list(node._saved or ()), node._guards
    for k, guard in enumerate(guards):
        if guard is None:
            continue
        if guard[0] == 0 and saved[k] is x.array:
            saved[k], guards[k] = x.array.copy(), (0, Version(), 0)
        elif guard[0] < 0:
            saved[k], guards[k] = x.array, (-1, x.counter(), after)
    if guards:
        node._saved = tuple(saved)


# ── what must not be written ──────────────────────────────────────────────────────────────────


def _check_write(x: Variable, others: Iterable[Variable]) -> bool:
    """Refuse what must not be written to; tell whether the write is to be recorded."""
    if x.inference and not mode.inference:
        raise InplaceError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.",
            "Write to a .clone(), or use no_grad() instead of inference_mode().",
        )
    recording = mode.enabled and (x.requires_grad or any(y.requires_grad for y in others))
    if recording:
        check_history(x)
    steps, shape = x.array.strides, x.array.shape
    if (
        0 in steps
        and x.array.size
        and any(s == 0 and n > 1 for s, n in zip(steps, shape, strict=True))
    ):
        raise InplaceError(
            "unsupported operation: more than one element of the written-to tensor refers to a single "
            "memory location. Please clone() the tensor before performing the operation.",
            f"It was expanded to {list(shape)}: its rows share their memory.",
        )
    if any(y is not x and _overlap(x.array, y.array) for y in others):
        raise InplaceError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
            "single memory location. Please clone() the tensor before performing the operation.",
            "Write x[1:] = x[:-1].clone().",
        )
    return recording


def check_history(x: Variable) -> None:
    """Refuse a write that is to be recorded, but cannot be."""
    if x.base is not None and x.born:
        raise unwritable(x, "is being")
    of_leaf = x.base is not None and x.base.leaf
    if of_leaf or x.leaf:
        raise InplaceError(
            f"{'a view of ' * of_leaf}a leaf Variable that requires grad is being used in an in-place "
            "operation.",
            "Wrap the write in no_grad(), or write to a .clone() of the leaf.",
        )


def _overlap(a: Array, b: Array) -> bool:
    """Two arrays without gaps share some, but not all, of their memory in the same order."""
    if type(a) is not type(b) or not XP[type(a)].may_share_memory(a, b):
        return False
    steps_a, steps_b = _steps(a), _steps(b)
    if not (_dense(steps_a, a.itemsize) and _dense(steps_b, b.itemsize)):
        return False
    return steps_a != steps_b or address(a) != address(b)


def _steps(a: Array) -> list[tuple[int, int]]:
    """Stride and size of each dimension that has more than one element."""
    return [(step, n) for step, n in zip(a.strides, a.shape, strict=True) if n != 1]


def _dense(steps: list[tuple[int, int]], size: int) -> bool:
    for step, n in sorted(steps):
        if step != size:
            return False
        size *= n
    return True


def address(a: Array) -> int:
    return int(a.ctypes.data if hasattr(a, "ctypes") else a.data.ptr)


def _check_result(a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise ShapeError(
            f"output with shape {list(a.shape)} doesn't match the broadcast shape {list(b.shape)}",
            "An in-place operation cannot change the shape of its operand: use the out-of-place form.",
        )
    if BY_NUMPY[b.dtype].rank > BY_NUMPY[a.dtype].rank:
        raise DTypeError(
            f"result type {type_name(b)} can't be cast to the desired output type {type_name(a)}",
            f"Convert the operand first: x.to({b.dtype.name}), or use the out-of-place form.",
        )
