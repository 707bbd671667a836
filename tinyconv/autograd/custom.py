"""PyTorch's ``autograd.Function``: user-written operations with a ``ctx``."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from ..backend import XP
from ..dtypes import FLOATS
from ..errors import GraphError, ShapeError
from . import function
from .function import op
from .inplace import check_history, rebase
from .mode import mode, no_grad
from .variable import Variable


class Function:
    """Base of user-written operations: static ``forward(ctx, ...)`` and ``backward(ctx, *grads)``.

    ``backward`` takes one gradient per output and returns one (or None) per argument of ``forward``. With a static
    ``setup_context(ctx, inputs, output)``, ``forward`` takes no ``ctx``. Run it with ``apply``.

    >>> import tinyconv as tc
    >>> class Double(tc.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = tc.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the outputs; nothing is recorded meanwhile."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        """Say what to keep, if ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        """Compute the gradients of the arguments from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run ``forward`` and record the call."""
        call = Call(cls)
        call.connect(*(a.edge if isinstance(a, Variable) else None for a in args))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                outputs = cls.forward(call.ctx, *args)
            else:
                outputs = cls.forward(*args)
                cls.setup_context(call.ctx, args, outputs)
        return call.returned(args, outputs)


class Context:
    """``ctx``: what ``forward`` tells ``backward``. Put numbers and settings on it as attributes."""

    def __init__(self, call: Call) -> None:
        self._call = weakref.ref(call)  # the call holds its context
        self._kept: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward; writing to them before then is an error."""
        for t in tensors:
            if t is not None and not isinstance(t, Variable):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}\n"
                    "Keep other things as attributes: ctx.name = value."
                )
        self._kept = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs ``forward`` wrote to; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, ``backward`` gets None instead of zeros for outputs that nobody used."""
        self._materialize = value

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each argument of ``forward``, whether anybody wants its gradient."""
        call = self._call()
        return () if call is None else tuple(call.needs)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept."""
        call = self._call()
        return self._kept if call is None or call.unfinished else tuple(call.unpacked())


class Parts:
    """The gradients of several outputs on their way to the one node that made them."""

    def __init__(self, grads: dict[int, Any]) -> None:
        self.grads = grads

    def __add__(self, other: Parts) -> Parts:
        total = dict(self.grads)
        for i, g in other.grads.items():
            total[i] = total[i] + g if i in total else g
        return Parts(total)


@op
class Output(function.Function):
    """The node of one output of an operation with several: hands its gradient on, labelled."""

    index: int

    def backward(self, g: Any) -> Any:
        return (Parts({self.index: g}),)


class Call(function.Function):
    """The node of one call of a user's Function."""

    unfinished = True  # forward has not returned

    def __init__(self, user: type[Function]) -> None:
        self.user = user
        self.label = f"{user.__name__}Backward"  # each user class has its own
        self.ctx = Context(self)

    # ── after forward ──

    def returned(self, args: tuple[Any, ...], outputs: Any) -> Any:
        """Give the outputs their history."""
        self.several = isinstance(outputs, tuple)
        results = list(outputs) if self.several else [outputs]
        recording = mode.enabled and any(self.needs)
        self.inputs = [
            (a.array.shape, a.array.dtype) if isinstance(a, Variable) else None for a in args
        ]
        self.outputs = [(type(r.array), r.array.shape, r.array.dtype) if isinstance(r, Variable) else None
                        for r in results]  # fmt: skip
        self.unfinished = False
        for d in self.ctx._dirty:
            if recording:
                check_history(d)
            d.bump()
        if recording:
            self._keep(args, results)
        results = [
            self._output(i, r, args, recording) if isinstance(r, Variable) else r
            for i, r in enumerate(results)
        ]
        return tuple(results) if self.several else results[0]

    def _output(self, i: int, r: Variable, args: tuple[Any, ...], recording: bool) -> Variable:
        dirty = _among(r, self.ctx._dirty)
        if not dirty and (_among(r, args) or r.base is not None):
            r = _alias(
                r, args
            )  # never the very input, nor a view whose way back would pass by this node
        if not recording or r.array.dtype not in FLOATS or _among(r, self.ctx._constant):
            return r
        node = self.entry(i) if self.several else self
        if dirty:
            rebase(r, node)
        else:
            r.node, r.leaf = node, False
        return r

    def entry(self, i: int) -> Output:
        """The node of one of several outputs, which prints as this one."""
        node = Output(i)
        node.label = self.label
        node.connect(self)
        return node

    def _keep(self, args: tuple[Any, ...], results: list[Any]) -> None:
        """Keep arrays instead of tensors: an output holds this node, which must not hold it in turn."""
        owners = [(-1 - i, r) for i, r in enumerate(results)] + list(enumerate(args))
        self._guards = []
        for t in self.ctx._kept:
            at = next((i for i, v in owners if v is t and t is not None), None)
            self._guards.append(None if at is None else (at, t.counter(), t.counter().count))
        self._saved = tuple(None if t is None else t.array for t in self.ctx._kept)
        self.ctx._kept = ()
        for watch in mode.watchers:
            watch(self)

    # ── in backward ──

    def unpacked(self) -> list[Any]:
        """What was kept, as Variables on their old edges, whether backward is recorded or not."""
        before, mode.graph = mode.graph, True
        try:
            return list(self.saved)
        finally:
            mode.graph = before

    def _variable(self, kept: Any, guard: Any) -> Any:
        again = super()._variable(kept, guard)
        if self.several and guard is not None and guard[0] < 0:
            again.node = self.entry(-1 - guard[0])
        return again

    def parts(self, g: Any) -> tuple[Any, ...]:
        grads = g.grads if isinstance(g, Parts) else {0: g}
        return tuple(grads.get(i) for i in range(len(self.outputs)))

    def backward(self, g: Any) -> Any:
        shown = []
        for gy, about in zip(self.parts(g), self.outputs, strict=True):
            if gy is None and about is not None and self.ctx._materialize:
                kind, shape, dtype = about
                gy = XP[kind].zeros(shape, dtype)
            shown.append(
                gy if gy is None or isinstance(gy, Variable) else Variable.results.wrap(gy)
            )
        rule = self.user.vjp if self.user.backward is Function.backward else self.user.backward
        answers = rule(self.ctx, *shown)
        answers = list(answers) if isinstance(answers, tuple) else [answers]
        while len(answers) > len(self.edges) and answers[-1] is None:
            answers.pop()
        if len(answers) != len(self.edges):
            raise GraphError(
                f"function {self.label} returned an incorrect number of gradients (expected {len(self.edges)}, got "
                f"{len(answers)})",
                "Return one gradient, or None, for each argument of forward.",
            )
        answers = [self._fitted(i, a) for i, a in enumerate(answers)]
        return answers if mode.graph else [None if a is None else a.array for a in answers]

    def _fitted(self, i: int, g: Any) -> Any:
        """A gradient that the user returned, checked, in shape and dtype of its input."""
        about = self.inputs[i]
        if g is None or (about is not None and not self.needs[i]):
            return None
        if about is None:
            raise GraphError(
                f"function {self.label} returned a gradient different from None at position {i + 1}, but the "
                "corresponding forward input was not a Variable"
            )
        if not isinstance(g, Variable):
            raise TypeError(f"expected Variable or None (got {type(g).__name__})")
        shape, dtype = about
        out: Any = g
        if out.array.shape != shape:
            lead = out.array.ndim - len(shape)
            fits = lead >= 0 and all(
                n in (1, m) for n, m in zip(shape, out.array.shape[lead:], strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"Function {self.label} returned an invalid gradient at index {i} - got {list(out.array.shape)} but "
                    f"expected shape compatible with {list(shape)}"
                )
            stretched = [
                d
                for d in range(out.array.ndim)
                if d < lead or shape[d - lead] != out.array.shape[d]
            ]
            out = out.sum(stretched, True).reshape(shape)
        return out if out.array.dtype == dtype else out.to(dtype)


def _among(t: Variable, tensors: tuple[Any, ...]) -> bool:
    return any(t is other for other in tensors)


def _alias(r: Variable, args: tuple[Any, ...]) -> Variable:
    """Another Variable on the same memory; a write through one that shows an input cannot be recorded."""
    new = r.wrap(r.array)
    new.version, new.inference = r.counter(), r.inference
    base = r if r.base is None else r.base
    if any(isinstance(a, Variable) and (a is base or a.base is base) for a in args):
        new.base, new.replay, new.born, new.stamp = base, r.replay, "custom", new.version.count
    return new


# ── no second gradient ────────────────────────────────────────────────────────────────────────


class Barrier(function.Function):
    """The node of a gradient that has no gradient itself."""

    label = "DelayedErrorBackward"

    def backward(self, g: Any) -> Any:
        raise GraphError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a ``backward`` that is not itself differentiable: a second gradient is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Context, *grads: Any) -> Any:
        with no_grad():
            answers = backward(ctx, *grads)
        edges = [g.edge for g in grads if isinstance(g, Variable)]
        if not mode.enabled or not any(edges):
            return answers
        barred = [
            a if a is None else a.wrap(a.array)
            for a in (answers if isinstance(answers, tuple) else (answers,))
        ]
        for a in barred:
            if a is not None:
                a.node = Barrier().connect(*edges)
        return tuple(barred)

    return wrapped
