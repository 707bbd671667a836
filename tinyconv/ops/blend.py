"""Three operands: a product or a quotient added, and the way from one tensor to another."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import Array
from ..dtypes import FLOATS
from ..errors import DTypeError
from ..shapes import Shape, broadcast
from ._common import (
    Number,
    cast,
    dtype_of,
    is_array,
    not_implemented,
    result_dtype,
    shape_of,
    unbroadcast,
)
from ._rows import twins


class Blend(Function):
    """A function of three operands; ``slopes`` gives the gradients before broadcasting is undone."""

    widens = "always"
    shapes: tuple[Shape, ...]

    def remember(self, *operands: Any) -> None:
        self.shapes = tuple(map(shape_of, operands))
        broadcast(broadcast(self.shapes[0], self.shapes[1]), self.shapes[2])  # says which dimension
        if True in self.needs:
            self.save(*operands)

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        raise NotImplementedError(f"{type(self).__name__}.slopes")

    def backward(self, g: Any) -> Any:
        slopes = zip(self.slopes(g), self.shapes, self.needs, strict=True)
        return tuple(unbroadcast(gx, shape) if wanted else None for gx, shape, wanted in slopes)


# ── a product or a quotient added ─────────────────────────────────────────────────────────────


@op
class Addcmul(Blend):
    factor: Any

    def forward(self, x: Array, a: Array, b: Array) -> Array:
        self.remember(x, a, b)
        return x + self.factor * a * b

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        _, a, b = self.saved
        return g, g * (b * self.factor), g * (a * self.factor)


@op
class Addcdiv(Blend):
    factor: Any

    def forward(self, x: Array, a: Array, b: Array) -> Array:
        self.remember(x, a, b)
        return x + self.factor * a / b

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        _, a, b = self.saved
        return g, g * (self.factor / b), -g * (self.factor * a / (b * b))


def _together(name: str, input: Any, tensor1: Any, tensor2: Any, value: Any) -> list[Any]:
    """The operands in one dtype, and ``value`` fit for it."""
    for at, (argument, x) in enumerate(
        (("input", input), ("tensor1", tensor1), ("tensor2", tensor2)), 1
    ):
        if not is_array(x):
            raise TypeError(
                f"{name}(): argument '{argument}' (position {at}) must be Tensor, not "
                f"{type(x).__name__}\nWrite tensor(...) around it, or value= for a factor."
            )
    broadcast(broadcast(shape_of(input), shape_of(tensor1)), shape_of(tensor2))
    kind = result_dtype(input, tensor1, tensor2)
    if kind.rank == 0:
        raise not_implemented(f"{name}_cpu_out", input.array, "Write x.int() first.")
    factor = float(value) if kind.is_floating_point else int(value)
    return [*(cast(x, kind.numpy) for x in (input, tensor1, tensor2)), factor]


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """Add a product.

    .. math:: y = x + \\mathrm{value} \\, a \\, b

    Shape:
        ``(*), (*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> a = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.addcmul(tc.zeros(2), a, a, value=0.5).sum().backward()
    >>> a.grad
    tensor([1., 2.])
    """
    *operands, factor = _together("addcmul", input, tensor1, tensor2, value)
    return Addcmul(factor)(*operands)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """Add a quotient.

    .. math:: y = x + \\mathrm{value} \\, a / b

    Shape:
        ``(*), (*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast. DTypeError: integers are divided.

    >>> import tinyconv as tc
    >>> b = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.addcdiv(tc.zeros(2), tc.ones(2), b).sum().backward()
    >>> b.grad
    tensor([-1.0000, -0.2500])
    """
    tensors = (tensor1, tensor2)
    if all(is_array(x) and not dtype_of(x).is_floating_point for x in tensors):
        raise DTypeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv "
            "will perform a true division of tensor1 and tensor2.",
            "Write tensor1.float(), or x + value * div(tensor1, tensor2, rounding_mode='trunc').",
        )
    *operands, factor = _together("addcdiv", input, tensor1, tensor2, value)
    return Addcdiv(factor)(*operands)


# ── from one to another ───────────────────────────────────────────────────────────────────────


@op
class Lerp(Blend):
    """Counted from the nearer end, so that either is met exactly."""

    def forward(self, x: Array, y: Array, w: Any) -> Array:
        self.remember(x, y, w)
        way = y - x
        if isinstance(w, float):
            return x + w * way if abs(w) < 0.5 else y - way * (1 - w)
        return self.xp.where(self.xp.abs(w) < 0.5, x + w * way, y - way * (1 - w))

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        x, y, w = self.saved
        return g * (1 - w), g * w, g * (y - x)


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Go from ``input`` to ``end``, a part of the way.

    .. math:: z = x + w (y - x)

    Args:
        weight: the part, a number or a tensor.

    Shape:
        ``(*), (*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast. DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.lerp(x, tc.ones(2), 0.25).sum().backward()
    >>> x.grad
    tensor([0.7500, 0.7500])
    """
    number = isinstance(weight, Number)
    if not (is_array(input) and is_array(end) and (number or is_array(weight))):
        kinds = ", ".join(
            "Tensor" if is_array(x) else type(x).__name__ for x in (input, end, weight)
        )
        raise TypeError(
            f"lerp() received an invalid combination of arguments - got ({kinds})\n"
            "Two tensors, and a tensor or a number for the way between them."
        )
    kind = dtype_of(input)
    for name, x in (("end", end), ("weight", weight)):
        free = x is weight and (number or not shape_of(x))  # a number, or as good as one
        if not free and dtype_of(x) is not kind:
            raise DTypeError(
                f"expected dtype {_NAMES[kind.name]} for `{name}` but got dtype "
                f"{_NAMES[dtype_of(x).name]}",
                f"Write {name}.to(tinyconv.{kind.name}).",
            )
    if input.array.dtype not in FLOATS:
        kernel = f"lerp_kernel_{'scalar' if number else 'tensor'}"
        raise not_implemented(kernel, input.array, "Write x.float() first.")
    node = Lerp()
    node.label = f"LerpBackward{int(not number)}"
    return node(input, end, float(weight) if number else cast(weight, kind.numpy))


_NAMES = {"uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
          "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float",
          "float64": "double", "bool": "bool"}  # fmt: skip

addcmul_, addcdiv_, lerp_ = twins(addcmul, addcdiv, lerp)
