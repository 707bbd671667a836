"""What many ops share: operands brought to one dtype, refusals, and the transpose of broadcasting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..autograd.function import Function, cast, op, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import (
    BY_NUMPY,
    FLOATS,
    bool_,
    dtype,
    float32,
    float64,
    get_default_dtype,
    int64,
    promote_types,
    to_dtype,
)
from ..shapes import Shape

NUMPY = XP[next(iter(XP))]  # the array library of the CPU, which also owns host-side scalars
Number = (bool, int, float)


# ── what an operand is ────────────────────────────────────────────────────────────────────────


def dtype_of(x: Any) -> dtype:
    """The dtype of a Variable or array."""
    kind = (x.array if isinstance(x, Variable) else x).dtype
    return BY_NUMPY.get(kind) or to_dtype(kind)  # the latter to complain


def kind_of(x: Any) -> Any:
    """The NumPy dtype of an array or a number, which is looked at on the CPU, where it is."""
    return x.dtype if hasattr(x, "dtype") else NUMPY.asarray(x).dtype


def shape_of(x: Any) -> Shape:
    """The shape of a Variable, array or number."""
    return x.array.shape if isinstance(x, Variable) else getattr(x, "shape", ())


def ndim_of(x: Any) -> int:
    """The number of dimensions of a Variable or array."""
    return len(shape_of(x))


def is_array(x: Any) -> bool:
    """Tell whether ``x`` is a Variable or an array of some device."""
    return isinstance(x, Variable) or type(x) in XP


def evenly(xp: Any, low: Any, high: Any, steps: int) -> Any:
    """``steps`` numbers from ``low`` to ``high``, two NumPy scalars of one type, both of which are met exactly.

    They are counted from the nearer end; float32 is rounded once, as where a product is added in one instruction.
    """
    kind = low.dtype
    wide = kind if kind != float32.numpy else float64.numpy
    step = (high - low) / kind.type(max(steps - 1, 1))
    low, high, step = (wide.type(v) for v in (low, high, step))
    i = xp.arange(steps, dtype=wide)
    return xp.where(i < steps // 2, low + step * i, high - step * i[::-1]).astype(kind)


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python number has among tensors."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else get_default_dtype()


def result_dtype(*operands: Any) -> dtype:
    """The dtype of a mixture of tensors and numbers: ``torch.result_type``.

    Tensors with dimensions decide; 0-d tensors, and after them Python numbers, matter only if they are
    of a higher category (bool < integer < floating point).
    """
    best: list[dtype | None] = [None, None, None]
    for x in operands:
        if is_array(x):
            at, kind = (0 if ndim_of(x) else 1), dtype_of(x)
        else:
            at, kind = 2, scalar_dtype(x)
        old = best[at]
        best[at] = kind if old is None else promote_types(old, kind)
    result = best[0]
    for lower in best[1:]:
        if lower is not None and (result is None or lower.rank > result.rank):
            result = lower
    assert result is not None, "an operation has operands"
    return result


# ── conversion ────────────────────────────────────────────────────────────────────────────────


def as_given(y: Any, x: Any) -> Any:
    """``y``, made of ``widened(x)`` by several Functions, in the dtype of ``x``: one rounding for all."""
    name = y.node and y.node.label
    y = cast(y, dtype_of(x).numpy)
    if name:
        y.node.label = name  # torch knows one operation
    return y


def floating(x: Any) -> Any:
    """Integers become the default floating-point dtype: sin(2) has a fraction."""
    if isinstance(x, Variable):
        if x.array.dtype not in FLOATS:
            return cast(x, get_default_dtype().numpy)
    elif hasattr(x, "dtype") and x.dtype not in FLOATS:
        return x.astype(get_default_dtype().numpy)
    return x


def fitting(value: Any, target: dtype) -> Any:
    """``value``, a Python number, as one of dtype ``target``; too large a number is an error."""
    if target.rank == 0:
        return bool(value)
    # An unsigned integer takes negative numbers, and wraps them around, down to minus its largest.
    if not (target.low or -target.high) <= value <= target.high:
        special = target.rank == 2 and (math.isinf(value) or math.isnan(value))
        if not special:
            raise RuntimeError(
                f"value cannot be converted to type {_C_NAMES[target.name]} without overflow\n"
                f"It is {value}; {target.name} ends at {target.high}."
            )
    return target.numpy.type(value) if target.rank == 2 else _wrapped(int(value), target)


def _wrapped(value: int, target: dtype) -> Any:
    """An integer of dtype ``target``, without the bits that do not fit."""
    try:
        return target.numpy.type(value)
    except OverflowError:
        if not -(2**63) <= value < 2**64:
            raise OverflowError(
                f"int too big to convert\n{value} takes more than 64 bits."
            ) from None
        return NUMPY.array(value).astype(target.numpy)[()]


_C_NAMES = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int",
            "int64": "int64_t", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float",
            "float64": "double"}  # fmt: skip


# ── two operands ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Takes:
    """What a function of two operands is called, and which of them may be Python numbers."""

    name: str
    input: bool = False
    other: bool = True
    symbol: str = ""  # the operator, if there is one
    second: str = "other"  # what torch calls the second operand


ANYTHING = Takes("the operation", input=True)


def operands(x: Any, y: Any, takes: Takes = ANYTHING) -> tuple[Any, Any]:
    """Bring two operands to the dtype of their result.

    Plain arrays (a backward pass) stay as they are, and so do Python numbers where NumPy, too, lets
    them take the dtype of the array they meet.
    """
    if isinstance(x, Variable):
        if isinstance(y, Variable):
            if x.array.dtype is y.array.dtype:
                return x, y
        elif takes.other and type(y) in _WEAK:
            kind = x.array.dtype
            if kind in FLOATS or (kind.kind != "b" and type(y) is int and 0 <= y < 128):
                return x, y
    elif isinstance(y, Variable):
        if takes.input and type(x) in _WEAK and y.array.dtype in FLOATS:
            return x, y
    elif type(x) in XP or type(y) in XP:
        return x, y
    return _promoted(x, y, takes)


_WEAK = (float, int)  # bool is an int to Python, but not to tensors


def _promoted(x: Any, y: Any, takes: Takes) -> tuple[Any, Any]:
    if isinstance(x, NUMPY.generic) and isinstance(y, NUMPY.generic):
        return x, y  # 0-d arithmetic in a backward pass
    x, y = _plain(x), _plain(y)
    _check(x, y, takes)
    target = result_dtype(x, y)
    return _as(x, target), _as(y, target)


def _plain(x: Any) -> Any:
    """A NumPy scalar as a Python number: it must not widen the tensor it meets."""
    return x.item() if isinstance(x, NUMPY.generic) else x


def _check(x: Any, y: Any, takes: Takes) -> None:
    """Refuse what is neither tensor nor number, and numbers where only tensors are taken."""
    for v in (x, y):
        if not isinstance(v, Number) and not is_array(v):
            kinds = f"'{_type(x)}' and '{_type(y)}'"
            raise TypeError(
                f"unsupported operand type(s) for {takes.symbol or takes.name}: {kinds}\n"
                "Tensors mix with tensors and numbers: write tensor(...) around the other."
            )
    for at, v, number, argument in (
        (1, x, takes.input, "input"),
        (2, y, takes.other, takes.second),
    ):
        if is_array(v) or (number and (is_array(x) or is_array(y))):
            continue
        if takes.other:  # numbers are fine elsewhere: torch shows its list of signatures
            got = f"({_type(x)}, {_type(y)})"
            text = f"{takes.name}() received an invalid combination of arguments - got {got}"
        else:
            text = f"{takes.name}(): argument '{argument}' (position {at}) must be Tensor, not {_type(v)}"
        raise TypeError(f"{text}\nWrite tensor({v}) instead of {v}.")


def _type(x: Any) -> str:
    return "Tensor" if isinstance(x, Variable) else type(x).__name__


def _as(x: Any, target: dtype) -> Any:
    if isinstance(x, Variable):
        return x if x.array.dtype == target.numpy else cast(x, target.numpy)
    if type(x) in XP:
        return x.astype(target.numpy)
    if target.rank != 1:
        return bool(x) if target.rank == 0 else float(x)
    return _wrapped(int(x), target)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


def not_implemented(kernel: str, x: Array, way_out: str) -> NotImplementedError:
    """The error for a number type that an op does not take, named as torch names its kernel."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(x)}'\n{way_out}")


# ── broadcasting and its transpose ────────────────────────────────────────────────────────────


@op
class SumTo(Function):
    """Sum over the axes along which ``shape`` was stretched: the transpose of broadcasting."""

    widens = "always"
    shape: Shape

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        lead = x.ndim - len(self.shape)
        axes = tuple(range(lead)) + tuple(
            lead + a for a, n in enumerate(self.shape) if n == 1 and x.shape[lead + a] != 1
        )
        return x.sum(axis=axes, keepdims=True, dtype=x.dtype).reshape(self.shape)

    def backward(self, g: Any) -> Any:
        return (Expand(self.source)(g),)


@op
class Expand(Function):
    """Stretch axes of size one, without copying."""

    view = True
    shape: Shape

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        added = len(self.shape) - x.ndim
        if self.shape == (1,) * added + x.shape:  # nothing is stretched: the view may be written to
            return x[(*(None,) * added, ...)]
        return self.xp.broadcast_to(x, self.shape)

    def backward(self, g: Any) -> Any:
        return (unbroadcast(g, self.source),)


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Sum ``g`` down to ``shape``."""
    return g if shape_of(g) == shape else SumTo(shape)(g)


# ── pieces of derivatives ─────────────────────────────────────────────────────────────────────


@op
class Zeros(Function):
    """Zeros in the shape of the operand, whatever it holds: not ``x * 0``, which is NaN at infinity."""

    differentiable = False

    def forward(self, x: Array) -> Array:
        return self.xp.zeros_like(x)


def zeros_like(x: Any) -> Any:
    """Zeros in the shape and dtype of ``x``, without a past."""
    return Zeros()(x)


@op
class Select(Function):
    """``x`` where the condition holds, ``y`` elsewhere; the NaN of the branch not taken does not leak."""

    label = "WhereBackward0"
    widens = "numbers"

    def forward(self, c: Array, x: Array, y: Array) -> Array:
        self.shapes = shape_of(x), shape_of(y)
        self.save(c)
        return self.xp.where(c, x, y)

    def backward(self, g: Any) -> Any:
        (c,) = self.saved
        sx, sy = self.shapes
        gx = unbroadcast(select(c, g, 0), sx) if self.needs[1] else None
        return None, gx, unbroadcast(select(c, 0, g), sy) if self.needs[2] else None


@op
class Keep(Function):
    """``x`` where the condition holds, 0 elsewhere."""

    def forward(self, c: Array, x: Array) -> Array:
        self.source = x.shape
        self.save(c)
        if self.xp is NUMPY and x.size > 1000:
            y = x * c  # ten times as fast as where(), but NaN where x is infinite and dropped
            total = y.sum()
            if total == total:
                return y
        return self.xp.where(c, x, 0)

    def backward(self, g: Any) -> Any:
        (c,) = self.saved
        return None, unbroadcast(select(c, g, 0), self.source)


def select(condition: Any, x: Any, y: Any) -> Any:
    """``where`` of derivatives: operands of one dtype, or Python numbers."""
    if type(y) is int and y == 0:
        return Keep()(condition, x)
    if type(x) is int and x == 0:
        return Keep()(~condition, y)
    return Select()(condition, x, y)
