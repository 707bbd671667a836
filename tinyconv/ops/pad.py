"""Borders around the last dimensions, or, where padding is negative, less of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.autocast import FLOAT32_ON_CPU, recast
from ..autograd.function import Function, op, widened
from ..backend import XP, Array
from ..errors import ShapeError
from ..shapes import Shape, is_int
from ._common import as_given, shape_of
from .elementwise import clone
from .take import Take

Pads = tuple[tuple[int, int], ...]  # before and after, for each dimension


@op
class ConstantPad(Function):
    """A border of one number; the transpose of a border is the cut that removes it."""

    label = "ConstantPadNdBackward0"
    pads: Pads
    value: float

    def forward(self, x: Array) -> Array:
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, self.pads, strict=True))
        out = self.xp.full(shape, x.dtype.type(self.value).item(), x.dtype)
        inside, kept = _inside(shape, self.pads, 1), _inside(x.shape, self.pads, -1)
        out[inside] = x[kept]
        return out

    def backward(self, g: Any) -> Any:
        return (ConstantPad(tuple((-a, -b) for a, b in self.pads), 0)(g),)


def _inside(shape: Shape, pads: Pads, sign: int) -> tuple[slice, ...]:
    """What lies between the borders of positive width, after multiplication by ``sign``."""
    return tuple(
        slice(max(sign * a, 0), n - max(sign * b, 0)) for n, (a, b) in zip(shape, pads, strict=True)
    )


def _source(xp: Any, mode: str, n: int, before: int, after: int) -> Array:
    """Where each slice of the padded axis comes from."""
    i = xp.arange(-before, n + after)
    if mode == "replicate":
        return xp.clip(i, 0, n - 1)
    if mode == "reflect":
        return n - 1 - xp.abs(n - 1 - xp.abs(i))
    first, last = max(-before, 0), n - max(-after, 0)  # of what is left after cutting
    return (i - first) % (last - first) + first


_NAMES = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Put borders around the last dimensions.

    Args:
        pad: widths in elements: before and after the last dimension, then of the one before it, and
            so on; negative ones cut off.
        mode: what the border holds: ``'constant'`` ``value``, ``'reflect'`` the mirror image
            without the edge, ``'replicate'`` the edge, ``'circular'`` the other end.
        value: 0 unless given.

    Shape:
        ``(*, h, w) -> (*, pad[2] + h + pad[3], pad[0] + w + pad[1])``

    Raises:
        ShapeError: a border wider than ``mode`` can fill. NotImplementedError: an unknown mode, or
            one that does not pad so many dimensions.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2., 3.]], requires_grad=True)
    >>> y = tc.nn.functional.pad(x, (2, 1), mode="reflect")
    >>> y.tolist()
    [[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]
    >>> y.sum().backward()
    >>> x.grad
    tensor([[1., 3., 2.]])
    """
    shape = shape_of(input)
    if isinstance(pad, str) or not isinstance(pad, Sequence) or not all(map(is_int, pad)):
        raise TypeError(
            f"pad(): argument 'pad' (position 2) must be tuple of ints, not {type(pad).__name__}\n"
            "Write (before, after), two numbers for each dimension, the last first."
        )
    if len(pad) % 2:
        raise ShapeError(
            "Padding length must be divisible by 2", f"It is {list(pad)}: before, after."
        )
    pairs = tuple((int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=True))[::-1]
    if len(pairs) > len(shape):
        raise ShapeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {len(shape)}"
        )
    first = len(shape) - len(pairs)
    if mode == "constant":
        if any(n + a + b < 0 for n, (a, b) in zip(shape[first:], pairs, strict=True)):
            raise ShapeError(
                "narrow(): length must be non-negative.",
                f"Padding {list(pad)} cuts off more than there is of shape {list(shape)}.",
            )
        return ConstantPad(((0, 0),) * first + pairs, value or 0)(input)
    _check(shape, pairs, mode, value)
    xp = XP[type(input.array)]
    given = input if mode == "circular" else recast(FLOAT32_ON_CPU, input)[0]
    x = start = widened(given)
    for axis, (a, b) in enumerate(pairs, first):
        if a or b:
            x = Take(axis, _source(xp, mode, shape[axis], a, b))(x)
    if x is start:
        return clone(given)
    if x.node is not None:
        x.node.label = f"{_NAMES[mode]}{len(pairs)}DBackward0"
    return as_given(x, given)


def _check(shape: Shape, pairs: Pads, mode: str, value: float | None) -> None:
    """Refuse what a border that is made of the input cannot do."""
    if mode not in _NAMES:
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}\nKnown are constant, {', '.join(_NAMES)}."
        )
    if value:
        raise RuntimeError(
            f'Padding mode "{mode}" doesn\'t take in value argument\n'
            "It takes the border from the input."
        )
    dims = len(pairs)
    if dims > 3 or len(shape) - dims not in (1, 2):
        raise NotImplementedError(
            f"Padding size {2 * dims} is not supported for {len(shape)}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    first = len(shape) - dims
    if mode != "circular" and 0 in shape[first - 1 :]:
        raise ShapeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(shape)}"
        )
    for axis, (a, b) in enumerate(pairs, first):
        n = shape[axis]
        if mode == "reflect" and (a >= n or b >= n):
            raise ShapeError(
                f"Argument #{2 + 2 * (len(shape) - axis)}: Padding size should be less than the "
                f"corresponding input dimension, but got: padding ({a}, {b}) at dimension {axis} "
                f"of input {list(shape)}",
                f"A mirror image of {n} without its edge has {n - 1} elements.",
            )
        if mode == "circular" and (a > n or b > n):
            raise ShapeError(
                "Padding value causes wrapping around more than once.",
                f"Padding ({a}, {b}) of dimension {axis} is wider than its {n} elements.",
            )
        if n + a + b < 0:
            out = [
                *shape[:first],
                *(m + c + d for m, (c, d) in zip(shape[first:], pairs, strict=True)),
            ]
            raise ShapeError(f"Trying to create tensor with negative dimension {n + a + b}: {out}")
