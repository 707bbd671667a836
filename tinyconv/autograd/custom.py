"""PyTorch's ``autograd.Function``: user-written operations with a ``ctx``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import GraphError, InplaceError
from . import function
from .function import op
from .mode import mode, no_grad
from .variable import Variable


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


class Function(function.Function):
    """Base of user-written operations: static ``forward(ctx, ...)`` and ``backward(ctx, *grads)``.

    ``ctx`` is the graph node. In ``forward``: ``ctx.save_for_backward(*tensors)``,
    ``ctx.mark_dirty``, ``ctx.mark_non_differentiable``, ``ctx.set_materialize_grads``; in ``backward``:
    ``ctx.saved_tensors``, ``ctx.needs_input_grad``. Run it with ``apply``. Source of the interface: PyTorch.

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

    _kept: tuple[Any, ...] | None = ()
    _dirty: tuple[Any, ...] = ()
    _constant: tuple[Any, ...] = ()
    _materialize = True

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record the call."""
        if kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        ctx = cls()
        ctx.name = f"{cls.__name__}Backward"  # type: ignore[misc]  # each user class has its own
        edges = [a.edge if isinstance(a, Variable) else None for a in args]
        ctx.needs_input_grad = tuple(e is not None for e in edges)
        recording = mode.enabled and any(ctx.needs_input_grad)
        split = "setup_context" in _own_names(cls)
        with no_grad():
            if split:
                outputs = cls.forward(*args)
                cls.setup_context(ctx, args, outputs)
            else:
                outputs = cls.forward(ctx, *args)  # type: ignore[arg-type]  # static: ctx stands where self would
        several = isinstance(outputs, tuple)
        results = list(outputs) if several else [outputs]
        if not recording:
            return outputs
        ctx.connect(*edges)
        ctx._shapes = [(r.array.shape, r.array.dtype, r.wrap) if isinstance(r, Variable) else None for r in results]
        for i, r in enumerate(results):
            if not isinstance(r, Variable) or r.array.dtype.kind != "f":
                continue
            if any(r is c for c in ctx._constant):
                continue
            if any(r is d for d in ctx._dirty):
                if r.leaf:
                    raise InplaceError(
                        "a leaf Variable that requires grad is being used in an in-place operation."
                    )
                r.bump()
            elif any(r is a for a in args) or r.base is not None:
                r = results[i] = r.wrap(r.array)  # an input returned as it is becomes a new Variable
            r.node = Output(i).connect(ctx) if several else ctx
            r.leaf = False
        ctx._guards_of = [
            (t, t.counter(), t.counter().count) for t in ctx._kept or () if isinstance(t, Variable)
        ]
        # A kept output would hold this node, and this node the output: keep its array instead.
        ctx._kept = tuple(
            _Own(i) if isinstance(t, Variable) and (i := _find(t, results)) is not None else t
            for t in ctx._kept or ()
        )
        ctx._arrays = {
            t.i: (results[t.i].array, results[t.i].wrap) for t in ctx._kept if isinstance(t, _Own)
        }
        ctx._outer = [results[t.i].node if isinstance(t, _Own) else None for t in ctx._kept]
        return tuple(results) if several else results[0]

    # ── what forward says ──

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
        """Say which inputs ``forward`` wrote to."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, ``backward`` gets None instead of zeros for outputs that nobody used."""
        self._materialize = value

    # ── what backward asks ──

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        if self._kept is None:
            self._saved = None
            return tuple(super().saved)  # raises torch's error
        for t, version, seen in self._guards_of:  # type: ignore[attr-defined]  # set by apply
            if version.count != seen:
                raise InplaceError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: a tensor of shape {list(t.array.shape)} that {self.name} saved is at version "
                    f"{version.count}; expected version {seen} instead.",
                    "Write to a .clone(), or use the out-of-place form.",
                )
        return tuple(self._own(t) if isinstance(t, _Own) else t for t in self._kept)

    def _own(self, own: _Own) -> Any:
        array, box = self._arrays[own.i]  # type: ignore[attr-defined]  # set by apply
        again = box(array)
        if mode.graph:
            again.node = self._outer[own.i] or self  # type: ignore[attr-defined]
        return again

    def backward(self, g: Any) -> Any:
        raise NotImplementedError(
            f"You must implement either the backward or vjp method for your custom autograd.Function "
            f"{type(self).__name__} to use it with backward mode AD."
        )

    def setup_context(self, inputs: Any, output: Any) -> None:
        """Optional: with it, ``forward`` takes no ctx, and this says what to save."""

    def release(self) -> None:
        if self._kept:
            self._kept = None
            self._arrays = {}

    def again(self) -> function.Function:
        return type(self)()

    def __init_subclass__(cls) -> None:
        """Wrap the user's ``backward(ctx, *grads)`` of Tensors into the engine's ``backward(g)``."""
        user = vars(cls).get("backward") or vars(cls).get("vjp")
        if user is None:
            return
        static = user.__func__ if isinstance(user, staticmethod) else user
        cls.user_backward = staticmethod(static)  # type: ignore[attr-defined]
        cls.backward = _engine_backward  # type: ignore[method-assign]  # the engine calls this one

    gives_away = False


class _Own:
    """Marks a saved tensor that is output ``i`` of the node itself."""

    def __init__(self, i: int) -> None:
        self.i = i


def _find(t: Variable, results: list[Any]) -> int | None:
    return next((i for i, r in enumerate(results) if r is t), None)


def _own_names(cls: type) -> set[str]:
    return {n for c in cls.__mro__[: cls.__mro__.index(Function)] for n in vars(c)}


def _engine_backward(self: Any, g: Any) -> Any:
    grads = g.grads if isinstance(g, Parts) else {0: g}
    shown = []
    for i, info in enumerate(self._shapes):
        given = grads.get(i)
        if given is None and self._materialize and info is not None:
            given = info[2](_zeros(info))
        elif given is not None and not isinstance(given, Variable):
            given = info[2](given)
        shown.append(given)
    with functools.partial(_Recording, mode.graph)():
        answers = type(self).user_backward(self, *shown)
    answers = answers if isinstance(answers, tuple) else (answers,)
    while len(answers) > len(self.edges) and answers[-1] is None:
        answers = answers[:-1]
    if len(answers) != len(self.edges):
        raise GraphError(
            f"function {self.name} returned an incorrect number of gradients (expected "
            f"{len(self.edges)}, got {len(answers)})",
            "Return one gradient, or None, for each argument of forward.",
        )
    return [a if mode.graph or a is None else a.array for a in answers]


class _Recording:
    """Record inside a user's backward only if the backward pass is being recorded."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.before, mode.enabled = mode.enabled, self.enabled

    def __exit__(self, *_: object) -> None:
        mode.enabled = self.before


def _zeros(info: Any) -> Any:
    from_shape = info[2]
    del from_shape
    return function.XP_default.zeros(info[0], info[1])


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a ``backward`` that is not itself differentiable: a second gradient is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        if mode.graph:
            raise GraphError(
                "trying to differentiate twice a function that was marked with @once_differentiable"
            )
        return backward(ctx, *grads)

    return wrapped
