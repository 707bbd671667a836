"""Writing values into a tensor: the past of what was there ends."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array, place_of
from ..errors import ShapeError
from ..shapes import broadcast
from ._common import Number, cast, dtype_of, fitting, shape_of, unbroadcast, zeros_like
from .convert import to


@op
class Overwrite(Function):
    """The values of the second operand in the shape and dtype of the first."""

    label = "CopyBackwards"

    def forward(self, x: Array, y: Any) -> Array:
        self.source = shape_of(y), getattr(y, "dtype", None)
        out = self.xp.empty(x.shape, x.dtype)
        out[...] = y
        return out

    def backward(self, g: Any) -> Any:
        shape, d = self.source
        gy = cast(unbroadcast(g, shape), d) if self.needs[1] else None
        return zeros_like(g) if self.needs[0] else None, gy


def _overwritten(x: Any, y: Any, name: str = Overwrite.label) -> Any:
    """``y`` in the place of ``x``, out of place."""
    if (shape := broadcast(shape_of(x), shape_of(y))) != shape_of(x):
        raise ShapeError(
            f"output with shape {list(shape_of(x))} doesn't match the broadcast shape {list(shape)}",
            "What is written is stretched to the shape of the target, not the other way round.",
        )
    node = Overwrite()
    node.label = name
    return node(x, y)


overwrite_ = inplace(_overwritten)


def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy the values of ``src``, broadcast and converted, into the memory of ``input``.

    >>> import tinyconv as tc
    >>> tc.zeros(2).copy_(tc.tensor([1, 2]))
    tensor([1., 2.])
    """
    if isinstance(src, Variable):  # wherever it is
        src = to(src, device=place_of(input.array), non_blocking=non_blocking)
    return overwrite_(input, src)


def fill_(input: Any, value: Any) -> Any:
    """Fill with one number (or a 0-d tensor).

    >>> import tinyconv as tc
    >>> tc.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    if isinstance(value, Variable):
        if value.array.ndim:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value.array.ndim} dimensions.\nWrite x.copy_(value)."
            )
        return overwrite_(input, value, "FillBackward3")
    value = value if isinstance(value, Number) else value.item()
    return overwrite_(input, fitting(value, dtype_of(input)), "FillBackward2")


def zero_(input: Any) -> Any:
    """Fill with zeros.

    >>> import tinyconv as tc
    >>> tc.ones(2).zero_()
    tensor([0., 0.])
    """
    return overwrite_(input, 0, "ZeroBackward0")
