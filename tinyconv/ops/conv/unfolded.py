"""Windows of an image as columns, and back, as operations of their own."""

from __future__ import annotations

from math import prod
from typing import Any

from ...autograd.function import Function, op
from ...backend import Array
from ...shapes import Ints, conv_size
from .columns import fold_windows, unfold_windows


class Windows(Function):
    """What the two maps share: each is the transpose of the other."""

    widens = "cpu"
    size: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints

    def window(self) -> Ints:
        """What the kernels of convolution ask for."""
        out = map(conv_size, self.size, self.kernel, self.stride, self.padding, self.dilation)
        return (*out, *self.kernel, *self.stride, *self.padding, *self.dilation)


@op
class Im2Col(Windows):
    """(n, c, h, w) -> (n, c kh kw, oh ow)"""

    size: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints

    def forward(self, x: Array) -> Array:
        (n, c), (oh, ow, kh, kw, *_) = x.shape[:2], self.window()
        columns = self.xp.empty((c * kh * kw, n, oh * ow), x.dtype)
        unfold_windows(self.xp.ascontiguousarray(x), columns, *self.window())
        return self.xp.ascontiguousarray(columns.swapaxes(0, 1))

    def backward(self, g: Any) -> Any:
        return (Col2Im(self.size, self.kernel, self.stride, self.padding, self.dilation)(g),)


@op
class Col2Im(Windows):
    """(n, c kh kw, oh ow) -> (n, c, h, w), overlapping windows added up."""

    size: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints

    def forward(self, columns: Array) -> Array:
        n, rows = columns.shape[:2]
        x = self.xp.empty((n, rows // prod(self.kernel), *self.size), columns.dtype)
        fold_windows(self.xp.ascontiguousarray(columns.swapaxes(0, 1)), x, *self.window())
        return x

    def backward(self, g: Any) -> Any:
        return (Im2Col(self.size, self.kernel, self.stride, self.padding, self.dilation)(g),)
