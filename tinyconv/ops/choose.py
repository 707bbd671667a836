"""Choosing between values: by a condition, or by limits."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..errors import DTypeError
from ..shapes import broadcast
from ._common import (
    Number,
    Select,
    cast,
    dtype_of,
    fitting,
    is_array,
    not_implemented,
    result_dtype,
    select,
    shape_of,
    type_name,
    unbroadcast,
)
from ._rows import twins

# ── by a condition ────────────────────────────────────────────────────────────────────────────


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Choose from ``input`` where ``condition`` is true, from ``other`` elsewhere.

    With ``condition`` alone: the indices where it is true, one tensor a dimension.

    Shape:
        ``(*), (*), (*) -> (*)``, broadcast

    Raises:
        DTypeError: the condition is not bool.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., -2.], requires_grad=True)
    >>> tc.where(x > 0, x, 0.1 * x).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.1000])
    """
    if input is None and other is None:
        return tuple(
            condition.wrap(i)
            for i in XP[type(condition.array)].atleast_1d(condition.array).nonzero()
        )
    for v in (condition, input, other):
        if not is_array(v) and (v is condition or not isinstance(v, Number)):
            kinds = ", ".join(type(v).__name__ for v in (condition, input, other))
            raise TypeError(
                f"where() received an invalid combination of arguments - got ({kinds})\n"
                "Write where(condition, x, y) with a tensor, then tensors or numbers."
            )
    mask = condition.array if isinstance(condition, Variable) else condition
    if mask.dtype.name not in ("bool", "uint8"):
        raise DTypeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{type_name(mask)}",
            "Compare first: where(x > 0, ...).",
        )
    target = result_dtype(input, other)
    x, y = (cast(v, target.numpy) if is_array(v) else fitting(v, target) for v in (input, other))
    broadcast(broadcast(shape_of(condition), shape_of(x)), shape_of(y))
    return Select()(cast(condition, "bool"), x, y)


# ── by limits ─────────────────────────────────────────────────────────────────────────────────


@op
class Clamp(Function):
    """min(max(x, low), high); the limits are arrays, numbers or None."""

    def forward(self, x: Array, low: Any, high: Any) -> Array:
        self.shapes = shape_of(x), shape_of(low), shape_of(high)
        if any(self.needs):
            self.save(x, low, high)
        if low is not None:
            x = self.xp.maximum(x, low)
        return x if high is None else self.xp.minimum(x, high)

    def backward(self, g: Any) -> Any:
        x, low, high = self.saved
        gx = glow = ghigh = None
        if self.needs[0]:
            above, below = low is None or x >= low, high is None or x <= high
            gx = unbroadcast(select(above & below, g, 0), self.shapes[0])
        if self.needs[1]:
            chosen = (x < low) & (high is None or low < high)
            glow = unbroadcast(select(chosen, g, 0), self.shapes[1])
        if self.needs[2]:
            chosen = (x > high) | (low is not None and low > high)
            ghigh = unbroadcast(select(chosen, g, 0), self.shapes[2])
        return gx, glow, ghigh


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Cut off below ``min`` and above ``max`` (numbers, or tensors that broadcast).

    .. math:: y = \\min(\\max(x, \\mathrm{min}), \\mathrm{max})

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: neither limit is given.

    >>> import tinyconv as tc
    >>> x = tc.tensor([-1., 0.5, 2.], requires_grad=True)
    >>> x.clamp(0, 1).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    if min is None and max is None:
        raise RuntimeError(
            "tinyconv.clamp: At least one of 'min' or 'max' must not be None\nWrite clamp(x, min=0)."
        )
    return _clamped("clamp", input, min, max)


def clamp_min(input: Any, min: Any) -> Any:
    """Cut off below ``min``."""
    return _clamped("clamp_min", input, min, None)


def clamp_max(input: Any, max: Any) -> Any:
    """Cut off above ``max``."""
    return _clamped("clamp_max", input, None, max)


def _clamped(name: str, x: Any, low: Any, high: Any) -> Any:
    limits = [v for v in (low, high) if v is not None]
    if not is_array(x) or not all(is_array(v) or isinstance(v, Number) for v in limits):
        kinds = ", ".join(type(v).__name__ for v in (x, *limits))
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({kinds})\n"
            "The first is a tensor, the limits are numbers or tensors."
        )
    shape = shape_of(x)
    for v in limits:
        if is_array(v):
            shape = broadcast(shape, shape_of(v))
    target, scalar = dtype_of(x), not any(is_array(v) for v in limits)
    if not scalar or target.rank < 2:
        target = result_dtype(x, *limits)
    if target.rank == 0 and (scalar or len(limits) == 2):
        kernel = (
            name
            if name != "clamp" or len(limits) == 2
            else f"clamp_{'max' if low is None else 'min'}"
        )
        raise not_implemented(f"{kernel}{'_scalar' * scalar}_cpu", x.array, "Write x.int() first.")
    node = Clamp()
    node.label = f"{_TITLES[name]}Backward{int(scalar == (name == 'clamp'))}"
    low, high = (v if v is None else cast(v, target.numpy) if is_array(v) else fitting(v, target)
                 for v in (low, high))  # fmt: skip
    return node(cast(x, target.numpy), low, high)


_TITLES = {"clamp": "Clamp", "clamp_min": "ClampMin", "clamp_max": "ClampMax"}


clamp_, clamp_min_, clamp_max_ = twins(clamp, clamp_min, clamp_max)
clip, clip_ = clamp, clamp_
