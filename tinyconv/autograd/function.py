"""One differentiable operation, which is also the graph node of one application of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar, dataclass_transform

from ..backend import XP, Array, backend_of, hush, restore
from ..errors import DeviceError, GraphError, InplaceError
from .mode import mode
from .variable import Variable, Version

REGISTRY: dict[str, type[Function]] = {}
_clock = count()
_TYPE_NAMES = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long",
               "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}  # fmt: skip


def type_name(array: Array) -> str:
    """What torch's messages call a number type: ``Float``, ``Long``."""
    return _TYPE_NAMES.get(array.dtype.name, array.dtype.name)


class Function:
    """Subclass, decorate with ``@op``, and write two methods.

    ``forward``   input arrays to one output array; ``self.save(...)`` what backward will need
    ``backward``  the gradient of the output to one gradient (or None) per input; written in operators
                  and functions of ``ops``, so that it serves arrays and Variables alike

    Fields declared on the subclass are its settings (stride, dim, ...). ``self.needs[i]`` tells whether
    anybody wants the gradient of input ``i``; ``self.xp`` is numpy or cupy.
    """

    name: str  # as PyTorch prints it: "MulBackward0"
    differentiable: ClassVar[bool] = True
    gives_away: ClassVar[bool] = False  # backward's results are nobody else's memory
    view: bool = False  # forward returned memory of its first input
    part = 0  # which of several results of what torch regards as one operation

    needs: tuple[bool, ...] | list[bool] = ()
    edges: Any = ()
    order = -1
    hooks: Any = None  # functions of the gradient of the output
    after: Any = None  # functions of the gradients of the inputs and of the output
    _saved: tuple[Any, ...] | None = ()
    _guards: Any = ()  # per saved array: which input it is (-1: the output), its counter, its version

    def forward(self, *inputs: Any) -> Array:
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, g: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.backward")

    # ── the only door ──

    def __call__(self, *args: Any) -> Any:
        """Apply to Variables, arrays and scalars; record if anybody needs a gradient.

        With no Variable among ``args`` the result is a plain array and nothing is recorded.
        """
        arrays: list[Any] = []
        edges: list[Any] = []
        needs: list[bool] = []
        first: Any = None
        for a in args:
            edge: Any = None
            if isinstance(a, Variable):
                array = a.array
                if first is None:
                    first, kind = a, type(array)
                elif type(array) is not kind:
                    raise _mixed_devices(args)
                if a.base is not None and a.stamp != a.version.count:  # type: ignore[union-attr]  # views have a version
                    a.refresh()
                edge = a.node or (a if a.leaf else None)
                a = array
            arrays.append(a)
            edges.append(edge)
            needs.append(edge is not None)
        if first is None:
            return self._on_arrays(arrays)
        xp = self.xp = XP[kind]
        recording = True in needs
        if recording and not (mode.enabled and self.differentiable):
            recording, needs = False, [False] * len(needs)
        self.needs = needs

        token = hush()
        try:
            out = self.forward(*arrays)
        finally:
            restore(token)
        if type(out) is not kind and type(out) not in XP:  # NumPy turns 0-d results into scalars
            scalar, out = out, xp.asarray(out)
            if self._saved:
                self._saved = tuple(out if kept is scalar else kept for kept in self._saved)
        result = first.wrap(out)
        if self.view:
            self._lead(first, result)
        elif mode.inference:
            result.inference = True
        if recording:
            result.node = self
            self.edges = edges
            self.order = next(_clock)
            if self._saved:
                self._guard(args, result)
        return result

    def _lead(self, source: Variable, view: Variable) -> None:
        """Note where a view comes from: whose memory it is, and the way there."""
        view.base = source if source.base is None else source.base
        view.replay = (*source.replay, self)
        view.version = source.version or source.counter()
        view.stamp = view.version.count
        view.inference = source.inference
        view.born = source.born
        if not (view.born or mode.enabled):
            view.born = "inference" if mode.inference else "no_grad"

    def _on_arrays(self, arrays: list[Any]) -> Array:
        for a in arrays:
            if type(a) in XP:
                self.xp = XP[type(a)]
                break
        else:  # NumPy scalars only, from 0-d arithmetic in a backward pass
            self.xp = backend_of(XP_default.asarray(0)).xp
        arrays = [self.xp.asarray(a) if isinstance(a, XP_default.generic) else a for a in arrays]
        self.needs = (False,) * len(arrays)
        out = self.forward(*arrays)
        self._saved = ()
        return out if type(out) in XP else self.xp.asarray(out)

    def connect(self, *edges: Any) -> Function:
        """Record without running: enter the tape with these edges."""
        self.edges = list(edges)
        self.needs = [e is not None for e in edges]
        self.order = next(_clock)
        return self

    def parts(self, g: Any) -> tuple[Any, ...]:
        """The gradients of the outputs, one each."""
        return (g,)

    def again(self) -> Function:
        """A fresh instance with the same settings."""
        return replace(self)  # type: ignore[type-var]  # @op has made every subclass a dataclass

    # ── what backward needs ──

    def save(self, *arrays: Array | None) -> None:
        """Keep arrays for backward. Inputs and the output are guarded against in-place writes."""
        self._saved = arrays

    def _guard(self, args: tuple[Any, ...], result: Variable) -> None:
        """Note the versions of saved inputs and outputs: in backward they must be the same."""
        guards: list[tuple[int, Version, int] | None] = []
        taken = [-1]
        for kept in self._saved or ():
            owner: Any = None
            at = -1
            if kept is result.array:
                owner = result
            elif kept is not None:  # of inputs that share an array, each is taken once
                for i, a in enumerate(args):
                    if isinstance(a, Variable) and a.array is kept and at in taken:
                        owner, at = a, i
            if owner is None:
                guards.append(None)
                continue
            taken.append(at)
            if owner.inference:
                raise GraphError(
                    "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                    "inference mode in computation tracked by autograd.",
                    "Write x.clone(), or use no_grad() instead of inference_mode().",
                )
            version = owner.version or owner.counter()
            guards.append((at, version, version.count))
        self._guards = guards

    @property
    def saved(self) -> Any:
        """What was saved: arrays, or Variables on their old edges if backward itself is recorded."""
        if self._saved is None:
            raise GraphError(
                "Trying to backward through the graph a second time (or directly access saved tensors "
                "after they have already been freed). Saved intermediate values of the graph are freed "
                "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
                "backward through the graph a second time or if you need to access saved tensors after "
                "calling backward.",
                f"The node is {self.name}; a fresh forward pass before each backward() is the usual way.",
            )
        if not self._saved:
            return ()
        for guard, kept in zip(self._guards, self._saved, strict=True):
            if guard is not None and guard[1].count != guard[2]:
                raise self._overwritten(guard, kept)
        if not mode.graph:
            return self._saved
        return [self._variable(k, g) for k, g in zip(self._saved, self._guards, strict=True)]

    def _variable(self, kept: Any, guard: Any) -> Any:
        if kept is None or type(kept) not in XP:
            return kept
        edge = None if guard is None else self if guard[0] < 0 else self.edges[guard[0]]
        if isinstance(edge, Variable):
            return edge
        again = Variable.results.wrap(kept)
        again.node = edge
        if guard is not None:
            again.version = guard[1]
        return again

    def _overwritten(self, guard: tuple[int, Version, int], kept: Array) -> InplaceError:
        at, version, expected = guard
        maker = self if at < 0 else self.edges[at]
        which = f", which is output 0 of {maker.short_name}," if isinstance(maker, Function) else ""
        return InplaceError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: [tinyconv.{type_name(kept)}Tensor {list(kept.shape)}]{which} is at version "
            f"{version.count}; expected version {expected} instead.",
            f"{self.name} saved it for backward. Write to a .clone(), or use the out-of-place form "
            "(x = x + 1 instead of x += 1).",
        )

    def release(self) -> None:
        """Free what was saved; a second backward through here is then an error."""
        if self._saved:
            self._saved = None

    # ── what users look at ──

    @property
    def short_name(self) -> str:
        """What error messages call it: ``Mul``."""
        return self.name.removesuffix("0").removesuffix("Backward")

    def __repr__(self) -> str:
        return f"<{self.name} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that the gradient goes to next."""
        return tuple((AccumulateGrad(e) if isinstance(e, Variable) else e, 0) for e in self.edges)

    def register_hook(self, hook: Any) -> Handle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node's backward; what it returns replaces the former."""
        if self.after is None:
            self.after = {}
        return Handle(self.after, hook)

    def register_prehook(self, hook: Any) -> Handle:
        """Call ``hook(grad_outputs)`` before this node's backward; what it returns replaces them."""
        if self.hooks is None:
            self.hooks = {}
        return Handle(self.hooks, lambda g: (hook((g,)) or (None,))[0])


class AccumulateGrad:
    """What ``next_functions`` shows at a leaf: the end of the road, where ``.grad`` is added to."""

    name = "AccumulateGrad"
    next_functions = ()

    def __init__(self, variable: Variable) -> None:
        self.variable = variable

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


class Handle:
    """Returned by every ``register_..._hook``: ``remove()`` takes the hook out again."""

    _ids = count()

    def __init__(self, hooks: dict[int, Any], hook: Any, first: bool = False) -> None:
        self.hooks, self.id = hooks, next(Handle._ids)
        hooks[self.id] = hook
        if first:
            for key in [k for k in hooks if k != self.id]:
                hooks[key] = hooks.pop(key)

    def remove(self) -> None:
        self.hooks.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


XP_default = XP[next(iter(XP))]  # numpy, without naming it


def _mixed_devices(args: tuple[Any, ...]) -> DeviceError:
    names = sorted({backend_of(a.array).name for a in args if isinstance(a, Variable)})
    return DeviceError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        + " and ".join(names) + "!",
        "Move one of them: x.to('cuda') or x.cpu().",
    )  # fmt: skip


@dataclass_transform(eq_default=False)
def op(cls: type) -> Any:
    """Class decorator: annotated fields become settings, and the op enters REGISTRY."""
    cls = dataclass(eq=False, repr=False)(cls)
    if "name" not in vars(cls):
        cls.name = cls.__name__ + "Backward0"  # type: ignore[attr-defined]  # declared on Function
    REGISTRY[cls.__name__] = cls
    return cls
