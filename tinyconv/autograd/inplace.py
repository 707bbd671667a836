"""Writes: an in-place twin for every function, and what a write does to the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, InplaceError, ShapeError
from .function import Function, op
from .mode import mode
from .variable import Variable


def follow(replay: tuple[Function, ...], x: Any) -> Any:
    """Apply view functions in turn, to a Variable or an array."""
    for function in replay:
        x = function.again()(x)
    return x


@op
class EraseSlices(Function):
    """Zero where a view shows; its own transpose."""

    replay: tuple[Function, ...]

    def forward(self, g: Any) -> Any:
        out = g.copy(order="C")
        follow(self.replay, out)[...] = 0
        return out

    def backward(self, g: Any) -> Any:
        return (EraseSlices(self.replay)(g),)


@op
class CopySlices(Function):
    """The node of a base whose view was written to: (base before, what was written) -> base."""

    name = "CopySlices"
    replay: tuple[Function, ...]

    def backward(self, g: Any) -> Any:
        gbase = EraseSlices(self.replay)(g) if self.needs[0] else None
        return gbase, follow(self.replay, g) if self.needs[1] else None


def inplace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``x.f_(...)`` out of ``f(x, ...)``: the same value and gradient, in the memory of ``x``."""

    def method(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = function(x, *args, **kwargs)
        write(x, out)
        return x

    method.__name__ = method.__qualname__ = f"{function.__name__}_"
    method.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return method


def write(x: Variable, out: Variable) -> None:
    """Replace the values of ``x`` by those of ``out``, and its history by that of ``out``."""
    recording = mode.enabled and (x.edge is not None or out.edge is not None)
    _check(x, out, recording)
    node = out.node
    if node is not None and node._saved and any(kept is x.array for kept in node._saved):
        # The op kept its operand, which is about to go: it keeps a copy instead, unguarded.
        owner = [kept is x.array for kept in node._saved]
        node._saved = tuple(
            k.copy() if mine else k for k, mine in zip(node._saved, owner, strict=True)
        )
        node._guards = [
            None if g is None else (g[0], *_frozen()) if mine else g
            for g, mine in zip(node._guards, owner, strict=True)
        ]
    x.array[...] = out.array
    x.bump()
    if node is not None and node._saved:  # the op kept its result: that is now the memory of x
        kept_result = [kept is out.array for kept in node._saved]
        if any(kept_result):
            version = x.counter()
            node._saved = tuple(
                x.array if mine else k for k, mine in zip(node._saved, kept_result, strict=True)
            )
            node._guards = [
                (-1, version, version.count) if mine else g
                for g, mine in zip(node._guards, kept_result, strict=True)
            ]
    if not recording:
        return
    if x.base is None:
        x.node, x.leaf = out.node or (None if out.edge is None else _pass_on(out)), False
        return
    base = x.base
    base.node, base.leaf = CopySlices(x.replay).connect(base.edge, out.edge), False
    base.node._box = base.wrap
    x.refresh()


def _frozen() -> tuple[Any, int]:
    """A guard that can never trip."""
    from_now = Variable(None).counter()
    return from_now, from_now.count


def _pass_on(leaf: Variable) -> Function:
    """A node in front of a leaf: the written Variable is not that leaf, only equal to it."""
    return CopySlices(()).connect(None, leaf)


def _check(x: Variable, out: Variable, recording: bool) -> None:
    a, b = x.array, out.array
    if a.shape != b.shape:
        raise ShapeError(
            f"output with shape {list(a.shape)} doesn't match the broadcast shape {list(b.shape)}",
            "An in-place operation cannot change the shape of its operand: use the out-of-place form.",
        )
    if "biuf".index(b.dtype.kind.replace("u", "i")) > "biuf".index(a.dtype.kind.replace("u", "i")):
        raise DTypeError(
            f"result type {_name(b)} can't be cast to the desired output type {_name(a)}",
            f"Convert the operand first: x.to({b.dtype.name}), or use the out-of-place form.",
        )
    if x.inference and not mode.inference:
        raise InplaceError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a "
            "clone to get a normal tensor before doing inplace update."
        )
    if not recording:
        return
    if x.base is not None and x.base.leaf:
        raise InplaceError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation.",
            "Wrap the write in no_grad(), or write to a .clone() of the leaf.",
        )
    if x.leaf:
        raise InplaceError(
            "a leaf Variable that requires grad is being used in an in-place operation.",
            "Wrap the write in no_grad(), or write to a .clone() of the leaf.",
        )
    if x.base is not None and x.born:
        what = (
            "This view was created in no_grad mode"
            if x.born == "no_grad"
            else "This view is the output of a function that returns multiple views. Such functions do "
            "not allow the output views to be modified inplace"
        )
        raise InplaceError(
            f"A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
            if x.born == "no_grad"
            else f"Output 0 of {x.node.name if x.node else 'a view'} is a view and is being modified "
            f"inplace. {what}.",
            "Write to a .clone(), or index the base directly: base[index] = ...",
        )


def _name(a: Any) -> str:
    names = {"float64": "Double", "float32": "Float", "float16": "Half", "int64": "Long",
             "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}  # fmt: skip
    return names.get(a.dtype.name, a.dtype.name)
