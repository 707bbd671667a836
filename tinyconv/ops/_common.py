"""What many ops share: operands brought to one dtype, and the transpose of broadcasting."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import bool_, dtype, float32, get_default_dtype, int64, promote_types, to_dtype
from ..errors import DTypeError
from ..shapes import Shape

NUMPY = XP[next(iter(XP))]  # the array library of the CPU, which also owns host-side scalars


@op
class Cast(Function):
    """To another number type; the gradient comes back in the old one."""

    name = "ToCopyBackward0"
    dtype: Any

    def forward(self, x: Array) -> Array:
        self.source = x.dtype
        return x.astype(self.dtype)

    def backward(self, g: Any) -> Any:
        return (cast(g, self.source),)


def cast(x: Any, target: Any) -> Any:
    """Convert to a NumPy dtype, or return ``x`` itself if it has it already."""
    if (x.array if isinstance(x, Variable) else x).dtype == target:
        return x
    if NUMPY.dtype(target).kind != "f":
        return _Round(target)(x)
    return Cast(target)(x)


@op
class _Round(Function):
    """To a number type without gradients."""

    differentiable = False
    dtype: Any

    def forward(self, x: Array) -> Array:
        return x.astype(self.dtype)


def dtype_of(x: Any) -> dtype:
    """The dtype of a Variable or array."""
    return to_dtype((x.array if isinstance(x, Variable) else x).dtype)


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python number has among tensors."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else get_default_dtype()


def result_dtype(*operands: Any) -> dtype:
    """The dtype of a mixture of tensors and numbers: ``torch.result_type``.

    Tensors with dimensions decide; 0-d tensors, and after them Python numbers, matter only if they are of
    a higher category (bool < integer < floating point).
    """
    best: list[dtype | None] = [None, None, None]
    for x in operands:
        if isinstance(x, Variable) or type(x) in XP:
            array = x.array if isinstance(x, Variable) else x
            at, kind = (0 if array.ndim else 1), to_dtype(array.dtype)
        else:
            at, kind = 2, scalar_dtype(x)
        old = best[at]
        best[at] = kind if old is None else promote_types(old, kind)
    result = best[0]
    for lower in best[1:]:
        if lower is not None and (result is None or lower.rank > result.rank):
            result = lower
    assert result is not None
    return result


def _plain(x: Any) -> Any:
    """A NumPy scalar as a Python number: it must not widen the tensor it meets."""
    return x.item() if isinstance(x, NUMPY.generic) else x


def operands(x: Any, y: Any) -> tuple[Any, Any]:
    """Bring two operands to the dtype of their result. Plain arrays (a backward pass) stay as they are."""
    if isinstance(x, Variable):
        if isinstance(y, Variable) and x.array.dtype is y.array.dtype:
            return x, y
    elif not isinstance(y, Variable):
        return x, y
    x, y = _plain(x), _plain(y)
    target = result_dtype(x, y)
    return _as(x, target), _as(y, target)


def _as(x: Any, target: dtype) -> Any:
    if isinstance(x, Variable):
        return x if x.array.dtype == target.numpy else cast(x, target.numpy)
    if type(x) in XP:
        return x.astype(target.numpy)
    if not isinstance(x, (bool, int, float)):
        raise TypeError(f"unsupported operand: {type(x).__name__}\nTensors mix with tensors and numbers.")
    if target.rank == 1:
        return NUMPY.array(int(x)).astype(target.numpy)[()]  # wraps around, as in C
    return bool(x) if target.rank == 0 else float(x)


def floating(x: Any) -> Any:
    """Integers become the default floating-point dtype: sin(2) has a fraction."""
    if isinstance(x, Variable):
        if x.array.dtype.kind != "f":
            return cast(x, get_default_dtype().numpy)
    elif x.dtype.kind != "f":
        return x.astype(float32.numpy)
    return x


def require_floating(x: Any, name: str) -> None:
    """Refuse integers where torch does, with the way out."""
    d = dtype_of(x)
    if not d.is_floating_point:
        raise DTypeError(
            f'"{name}" not implemented for \'{d.name.capitalize()}\'', "Write x.float() first."
        )


def shape_of(x: Any) -> Shape:
    """The shape of a Variable, array or number."""
    return x.array.shape if isinstance(x, Variable) else getattr(x, "shape", ())


def ndim_of(x: Any) -> int:
    """The number of dimensions of a Variable or array."""
    return len(shape_of(x))


@op
class SumTo(Function):
    """Sum over the axes along which ``shape`` was stretched: the transpose of broadcasting."""

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
        return self.xp.broadcast_to(x, self.shape)

    def backward(self, g: Any) -> Any:
        return (unbroadcast(g, self.source),)


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Sum ``g`` down to ``shape``."""
    return g if shape_of(g) == shape else SumTo(shape)(g)
