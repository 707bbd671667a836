"""One differentiable operation, which is also the graph node of one application of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from itertools import count
from typing import Any, ClassVar, dataclass_transform

from ..backend import XP, Array, backend_of, hush, place_of, restore
from ..dtypes import FLOATS, HALVES
from ..errors import DeviceError, GraphError, InplaceError
from .mode import mode
from .variable import Variable, Version

REGISTRY: dict[str, type[Function]] = {}
_clock = count()
_TYPE_NAMES = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
               "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}  # fmt: skip


def type_name(array: Array) -> str:
    """What torch's messages call a number type: ``Float``, ``Long``."""
    return _TYPE_NAMES.get(array.dtype.name, array.dtype.name)


def named_type(name: str) -> str:
    """The number type meant by the old name of a tensor's type, ``torch.FloatTensor``, or by its own."""
    old = name.rpartition(".")[2].removesuffix("Tensor")
    return next((new for new, called in _TYPE_NAMES.items() if called == old), name)


class Function:
    """Subclass, decorate with ``@op``, and write two methods.

    ``forward``   input arrays to one output array; ``self.save(...)`` what backward will need
    ``backward``  the gradient of the output to one gradient (or None) per input; written in operators
                  and functions of ``ops``, so that it serves arrays and Variables alike

    Fields declared on the subclass are its settings (stride, dim, ...). ``self.needs[i]`` tells whether
    anybody wants the gradient of input ``i``; ``self.xp`` is numpy or cupy.
    """

    label: str  # as PyTorch prints it: "MulBackward0"
    differentiable: ClassVar[bool] = True
    gives_away: ClassVar[bool] = False  # backward's results are nobody else's memory
    view: bool = False  # forward returned memory of its first input
    widens: ClassVar[str] = ""  # whether halves are computed in float32; see ``_in_float32``
    autocast: ClassVar[Mapping[str, str]] = {}  # what ``autocast`` makes of the inputs, by device
    part = 0  # which of several results of what torch regards as one operation

    needs: tuple[bool, ...] | list[bool] = ()
    edges: Any = ()
    order = -1
    hooks: Any = None  # functions of the gradient of the output
    after: Any = None  # functions of the gradients of the inputs and of the output
    trace: Any = None  # under ``detect_anomaly()``: the lines that led here
    kinds: Any = None  # if halves were computed in float32: the number types of the inputs
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
        if self.autocast and mode.autocast is not None:
            args = mode.autocast.cast(self.autocast, args)
        arrays: list[Any] = []
        edges: list[Any] = []
        needs: list[bool] = []
        first: Any = None
        short = False  # there may be halves
        for a in args:
            edge: Any = None
            if isinstance(a, Variable):
                array = a.array
                if first is None:
                    first, kind = a, type(array)
                elif type(array) is not kind:
                    return self(*together(self, args))
                if a.base is not None and a.stamp != a.version.count:  # type: ignore[union-attr]  # views have a version
                    a.refresh()
                edge = a.node or (a if a.leaf else None)
                if array.itemsize == 2:
                    short = True
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
            out = self._in_float32(arrays) if short and self.widens else self.forward(*arrays)
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
            for watch in mode.watchers:
                watch(self)
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
        short = self.widens and 2 in [getattr(a, "itemsize", 0) for a in arrays]
        out = self._in_float32(arrays) if short else self.forward(*arrays)
        self._saved = ()
        return out if type(out) in XP else self.xp.asarray(out)

    def _in_float32(self, arrays: list[Any]) -> Array:
        """``forward`` of halves in float32, with one rounding at the end; the engine does ``backward`` so, too.

        Not where ``widens`` is ``"cpu"`` and kernels of another device do it themselves, nor where it is
        ``"numbers"`` (of Python, which would be rounded to halves first) and there are none. Inputs and
        output are saved as halves, as they came and go.
        """
        kinds = [getattr(a, "dtype", None) for a in arrays]
        half = next((k for k in kinds if k in HALVES), None)
        elsewhere = self.widens == "cpu" and self.xp is not XP_default
        if half is None or elsewhere or (self.widens == "numbers" and None not in kinds):
            return self.forward(*arrays)
        wide = [
            a.astype("float32") if k in HALVES else a for a, k in zip(arrays, kinds, strict=True)
        ]
        out = self.forward(*wide)
        rounded = out.astype(half) if out.dtype == "float32" else out
        self.kinds = kinds
        if self._saved:
            ids = map(id, (*wide, out))
            given = dict(zip(ids, (*arrays, rounded), strict=True))
            self._saved = tuple(given.get(id(kept), kept) for kept in self._saved)
        return rounded

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
                f"The node is {self.label}; a fresh forward pass before each backward() is the usual way.",
            )
        if not self._saved:
            return ()
        kept: Any = self._saved
        for guard, k in zip(self._guards, kept, strict=True):
            if type(k) is Packed:
                kept = [p.array if type(p) is Packed else p for p in kept]
                break
            if guard is not None and guard[1].count != guard[2]:
                raise self._overwritten(guard, k)
        if mode.graph:
            kept = [self._variable(k, g) for k, g in zip(kept, self._guards, strict=True)]
        return kept if self.kinds is None else list(map(widened, kept))

    def repack(self, pack: Callable[[Variable], Packed]) -> None:
        """Exchange what was saved for another form of it."""
        pairs = zip(self._saved or (), self._guards, strict=True)
        packed = [pack(self._variable(k, g)) if type(k) in XP else k for k, g in pairs]
        self._saved = tuple(packed)

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
            f"{self.label} saved it for backward. Write to a .clone(), or use the out-of-place form "
            "(x = x + 1 instead of x += 1).",
        )

    def release(self) -> None:
        """Free what was saved; a second backward through here is then an error."""
        if self._saved:
            self._saved = None

    # ── what users look at ──

    def name(self) -> str:
        """What PyTorch calls this node: ``MulBackward0``."""
        return self.label

    @property
    def short_name(self) -> str:
        """What error messages call it: ``Mul``."""
        return self.label.removesuffix("0").removesuffix("Backward")

    def __repr__(self) -> str:
        return f"<{self.label} object at {id(self):#x}>"

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


class Packed:
    """A saved tensor in another form; see `graph`."""

    __slots__ = ("unpack", "value")

    def __init__(self, value: Any, unpack: Callable[[Any], Any]) -> None:
        self.value, self.unpack = value, unpack

    @property
    def array(self) -> Array:
        tensor = self.unpack(self.value)
        if not isinstance(tensor, Variable):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__}"
            )
        return tensor.array


class AccumulateGrad:
    """What ``next_functions`` shows at a leaf: the end of the road, where ``.grad`` is added to."""

    next_functions = ()

    def __init__(self, variable: Variable) -> None:
        self.variable = variable

    def name(self) -> str:
        """What it is called, with the place that PyTorch, too, puts before it."""
        return "tinyconv::autograd::AccumulateGrad"

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


def together(function: Function, args: tuple[Any, ...]) -> list[Any]:
    """The operands on one device: scalars of the CPU follow the others.

    Raises:
        DeviceError: there are other tensors on the CPU.
    """
    names = [*signature(function.forward).parameters]
    names += names[-1:] * len(args)  # of forward(*xs)
    home = min({where_is(a) for a in args if isinstance(a, Variable)} - {"cpu"})
    moved = list(args)
    for i, a in enumerate(args):
        if isinstance(a, Variable) and where_is(a) == "cpu":
            if a.array.ndim:
                what = f"argument {names[i]} of {type(function).__name__}"
                raise differing_devices(what, a, home)
            moved[i] = a.to(home)  # type: ignore[attr-defined]  # a Tensor
    return moved


def require_one_device(name: str, **tensors: Any) -> None:
    """Refuse arguments of the function ``name`` that are on different devices; None and numbers are on any."""
    there = {k: x for k, x in tensors.items() if isinstance(x, Variable)}
    homes = {where_is(x) for x in there.values()}
    if len(homes) > 1:
        which, x = next((k, x) for k, x in there.items() if where_is(x) == "cpu")
        raise differing_devices(f"argument {which} of {name}()", x, min(homes - {"cpu"}))


def differing_devices(what: str, x: Variable, home: str) -> DeviceError:
    """The error for ``x``, named ``what``, that is not where the others are."""
    here = where_is(x)
    return DeviceError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{home} and {here}!",
        f"It is {what} that is on {here}, of shape {list(x.array.shape)}: write .to('{home}') behind it. "
        f"A model moves as a whole: model.to('{home}').",
    )


def where_is(x: Variable) -> str:
    """The name of the device of a Variable."""
    return str(place_of(x.array))


@dataclass_transform(eq_default=False)
def op(cls: type) -> Any:
    """Class decorator: annotated fields become settings, and the op enters REGISTRY."""
    cls = dataclass(eq=False, repr=False)(cls)
    if "label" not in vars(cls):
        cls.label = cls.__name__ + "Backward0"  # type: ignore[attr-defined]  # declared on Function
    REGISTRY[cls.__name__] = cls
    return cls


# ── number types ──────────────────────────────────────────────────────────────────────────────


@op
class Cast(Function):
    """To another number type; the gradient comes back in the old one."""

    label = "ToCopyBackward0"
    dtype: Any

    def forward(self, x: Array) -> Array:
        self.source = x.dtype
        return _converted(x, self.dtype)

    def backward(self, g: Any) -> Any:
        return (cast(g, self.source),)


@op
class _Round(Function):
    """To a number type without gradients."""

    differentiable = False
    dtype: Any

    def forward(self, x: Array) -> Array:
        return _converted(x, self.dtype)


def _converted(x: Array, target: Any) -> Array:
    if x.dtype.itemsize == 8 and target in HALVES:
        x = x.astype("float32")  # on the way: torch rounds twice
    return x.astype(target)


def cast(x: Any, target: Any) -> Any:
    """Convert to a NumPy dtype, or return ``x`` itself if it has it already."""
    if not isinstance(x, Variable):
        return x if x.dtype == target else _converted(x, target)
    if x.array.dtype == target:
        return x
    return (Cast if XP_default.dtype(target) in FLOATS else _Round)(target)(x)


def widened(x: Any) -> Any:
    """Halves in float32, anything else as it is."""
    kind = getattr(x.array if isinstance(x, Variable) else x, "dtype", None)
    return cast(x, "float32") if kind in HALVES else x


def gradients(node: Function, g: Any) -> Any:
    """``node.backward(g)``; of a node that computed halves in float32 so, with one rounding at the end."""
    if node.kinds is None:
        return node.backward(g)
    grads = node.backward(widened(g))
    return [
        gx if gx is None or kind is None else cast(gx, kind)
        for gx, kind in zip(grads, node.kinds, strict=False)
    ]
