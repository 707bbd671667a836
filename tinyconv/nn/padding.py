"""Borders as layers."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..errors import ArgumentError
from .module import Module


class _Pad(Module):
    """``padding``: one width for all sides, or (left, right, top, bottom, ...) in pixels."""

    mode: ClassVar[str]
    dims: ClassVar[int]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (
            tuple(padding) if hasattr(padding, "__iter__") else (padding,) * (2 * self.dims)
        )

    def forward(self, input: Any) -> Any:
        return ops.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return ops.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of one number around sequences.

    Args:
        padding: widths (left, right), or one for both. value: the number.

    Shape:
        ``(*, w) -> (*, left + w + right)``

    >>> import tinyconv as tc
    >>> tc.nn.ConstantPad1d(1, 7.)(tc.zeros(1, 2))
    tensor([[7., 0., 0., 7.]])
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of one number around images.

    Args:
        padding: widths (left, right, top, bottom) in pixels, or one for all. value: the number.

    Shape:
        ``(*, h, w) -> (*, top + h + bottom, left + w + right)``
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of one number around volumes.

    Args:
        padding: widths (left, right, top, bottom, front, back), or one for all. value: the number.

    Shape:
        ``(*, d, h, w) -> (*, front + d + back, top + h + bottom, left + w + right)``
    """

    dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """:class:`ConstantPad1d` of zeros."""

    dims = 1


class ZeroPad2d(_ZeroPad):
    """:class:`ConstantPad2d` of zeros."""

    dims = 2


class ZeroPad3d(_ZeroPad):
    """:class:`ConstantPad3d` of zeros."""

    dims = 3


class ReflectionPad1d(_Pad):
    """A border that mirrors the sequence, without its edge; arguments as :class:`ZeroPad1d`.

    >>> import tinyconv as tc
    >>> tc.nn.ReflectionPad1d(2)(tc.arange(3.).reshape(1, 3))
    tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    mode, dims = "reflect", 1


class ReflectionPad2d(_Pad):
    """A border that mirrors the image, without its edge; arguments as :class:`ZeroPad2d`."""

    mode, dims = "reflect", 2


class ReflectionPad3d(_Pad):
    """A border that mirrors the volume, without its edge; arguments as :class:`ZeroPad3d`."""

    mode, dims = "reflect", 3


class ReplicationPad1d(_Pad):
    """A border that repeats the edge; arguments as :class:`ZeroPad1d`.

    >>> import tinyconv as tc
    >>> tc.nn.ReplicationPad1d(2)(tc.arange(3.).reshape(1, 3))
    tensor([[0., 0., 0., 1., 2., 2., 2.]])
    """

    mode, dims = "replicate", 1


class ReplicationPad2d(_Pad):
    """A border that repeats the edge; arguments as :class:`ZeroPad2d`."""

    mode, dims = "replicate", 2


class ReplicationPad3d(_Pad):
    """A border that repeats the edge; arguments as :class:`ZeroPad3d`."""

    mode, dims = "replicate", 3


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Any) -> Any:
        ranks = self.dims + 1, self.dims + 2
        if input.dim() not in ranks:
            raise ArgumentError(
                f"expected {ranks[0]}D or {ranks[1]}D input (got {input.dim()}D input)",
                "The dimensions are batch (or none), channels, and those that get a border.",
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """A border that goes on at the other end; arguments as :class:`ZeroPad1d`.

    >>> import tinyconv as tc
    >>> tc.nn.CircularPad1d(2)(tc.arange(3.).reshape(1, 3))
    tensor([[1., 2., 0., 1., 2., 0., 1.]])
    """

    dims = 1


class CircularPad2d(_CircularPad):
    """A border that goes on at the other end; arguments as :class:`ZeroPad2d`."""

    dims = 2


class CircularPad3d(_CircularPad):
    """A border that goes on at the other end; arguments as :class:`ZeroPad3d`."""

    dims = 3
