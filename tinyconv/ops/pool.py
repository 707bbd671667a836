"""Pooling: the largest or the average element under each window."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..backend import XP, Array
from ..shapes import Ints, Shape
from ._common import dtype_of, shape_of
from ._layout import alike, empty_batch, planes, settled
from ._pool import pool_max, pool_mean, unpool_max, unpool_mean
from ._pool_window import (
    Window,
    batched,
    check_divisor,
    in_a_row,
    refuse_others,
    settle,
    settle_sequence,
)
from .elementwise import div
from .indexing import Gather
from .views import reshape, squeeze, unsqueeze

# ── functions ─────────────────────────────────────────────────────────────────────────────────


@op
class MaxPool(Function):
    label = "MaxPool2DWithIndicesBackward0"
    gives_away = True
    window: Window
    out: Ints

    def forward(self, x: Array) -> Array:
        self.source, v = x.shape, self.window
        x, self.last = settled(x)
        y = empty_batch(self.xp, (*x.shape[:2], *self.out), x.dtype, self.last)
        kind = "uint8" if prod(v.kernel) <= 256 else "int32"
        self.where = empty_batch(self.xp, y.shape, kind, self.last)
        pool_max(
            *[planes(a, self.last) for a in (x, y, self.where)],
            *v.kernel, *v.stride, *v.padding, *v.dilation,
        )  # fmt: skip
        self.save(self.where)
        return y

    def release(self) -> None:
        super().release()
        del self.where

    def backward(self, gy: Any) -> Any:
        (where,) = self.saved
        return (Unpool(self.window, self.source, self.last)(gy, where),)


@op
class Unpool(Function):
    """Each element goes to the place of the tap ``where`` in an empty plane; the transpose of picking them."""

    widens = "cpu"
    window: Window
    source: Shape
    last: bool  # in memory

    def forward(self, gy: Array, where: Array) -> Array:
        self.save(None, where)
        v, last = self.window, self.last
        gx = empty_batch(self.xp, self.source, gy.dtype, last)
        unpool_max(
            *[planes(a, last) for a in (alike(gy, last), where, gx)],
            *v.kernel, *v.stride, *v.padding, *v.dilation,
        )  # fmt: skip
        return gx

    def backward(self, g: Any) -> Any:
        _, where = self.saved
        n, c, h, w = self.source
        places = self.window.places(self.xp, getattr(where, "array", where), w)
        picked = Gather(2)(
            reshape(g, n, c, h * w), places.reshape(n, c, places.shape[2] * places.shape[3])
        )
        return reshape(picked, places.shape), None


@op
class AvgPool(Function):
    label = "AvgPool2DBackward0"
    gives_away = True
    widens = "cpu"
    window: Window
    out: Ints
    padded: bool = True  # divide by the number of elements under the window, padding included
    divisor: int = 0  # or by this

    def forward(self, x: Array) -> Array:
        self.source, v = x.shape, self.window
        x, self.last = settled(x)
        y = empty_batch(self.xp, (*x.shape[:2], *self.out), x.dtype, self.last)
        pool_mean(
            *[planes(a, self.last) for a in (x, y)],
            self.padded, self.divisor, *v.kernel, *v.stride, *v.padding,
        )  # fmt: skip
        return y

    def backward(self, gy: Any) -> Any:
        return (AvgUnpool(self.window, self.source, self.padded, self.divisor, self.last)(gy),)


@op
class AvgUnpool(Function):
    label = "AvgPool2DBackwardBackward0"
    widens = "cpu"
    window: Window
    source: Shape
    padded: bool
    divisor: int
    last: bool

    def forward(self, gy: Array) -> Array:
        self.out, v, last = gy.shape[2:], self.window, self.last
        gx = empty_batch(self.xp, self.source, gy.dtype, last)
        unpool_mean(
            *[planes(a, last) for a in (alike(gy, last), gx)],
            self.padded, self.divisor, *v.kernel, *v.stride, *v.padding,
        )  # fmt: skip
        return gx

    def backward(self, g: Any) -> Any:
        return (AvgPool(self.window, self.out, self.padded, self.divisor)(g),)


# ── public ────────────────────────────────────────────────────────────────────────────────────


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the largest value under each window of an image.

    .. math:: y_{n,c,i,j} = \\max_{a < k_h,\\, b < k_w} x_{n,\\,c,\\,i s_h + a d_h - p_h,\\,j s_w + b d_w - p_w}

    Args:
        kernel_size: height and width of the window in pixels.
        stride: pixels between windows; the kernel size unless given.
        padding: border in pixels that never wins; at most half the kernel.
        ceil_mode: count a last, partial window too.
        return_indices: also the flat place of each winner in its plane.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``, ``oh = (h + 2p - d(k - 1) - 1) // s + 1``

    Raises:
        ShapeError: no window fits, or the padding is more than half the kernel.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[[[1., 5., 2., 0.], [3., 4., 8., 6.]]]], requires_grad=True)
    >>> y = tc.nn.functional.max_pool2d(x, 2)
    >>> y.sum().backward()
    >>> x.grad[0, 0]
    tensor([[0., 1., 0., 0.],
            [0., 0., 1., 0.]])
    """
    window, out = settle("max_pool2d", input, 2, kernel_size, stride, padding, dilation, ceil_mode)
    refuse_others(input, "max_pool2d", "ints")
    x, single = batched(input, 2)
    pool = MaxPool(window, out)
    y = pool(x)
    if not return_indices:
        return squeeze(y, 0) if single else y
    xp, w = XP[type(x.array)], shape_of(x)[3]
    indices = y.wrap(window.places(xp, pool.where, w))
    return (squeeze(y, 0), squeeze(indices, 0)) if single else (y, indices)


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the largest value under each window of a sequence; arguments as :func:`max_pool2d`."""
    if not return_indices:
        settle_sequence(input, kernel_size, stride, padding, dilation, ceil_mode)
        refuse_others(input, "max_pool1d_impl", "")
    k, s, p, d = in_a_row("max_pool1d", input, kernel_size, stride, padding, dilation)
    out = max_pool2d(unsqueeze(input, -2), k, s, p, d, ceil_mode, return_indices)
    return tuple(squeeze(v, -2) for v in out) if return_indices else squeeze(out, -2)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Average under each window of an image.

    Args:
        kernel_size, stride, padding, ceil_mode: as :func:`max_pool2d`; padding is zeros.
        count_include_pad: divide by the size of the window, padding included.
        divisor_override: divide by this instead.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 2, 2, requires_grad=True)
    >>> tc.nn.functional.avg_pool2d(x, 2).sum().backward()
    >>> x.grad[0, 0]
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    window, out = settle("avg_pool2d", input, 2, kernel_size, stride, padding, 1, ceil_mode)
    check_divisor(divisor_override)
    refuse_others(input, "avg_pool2d", "int64")
    x, single = batched(input, 2)
    settings = window, out, count_include_pad, divisor_override or 0
    y = AvgPool(*settings)(x) if dtype_of(x).is_floating_point else _integer_mean(x, *settings)
    return squeeze(y, 0) if single else y


def _integer_mean(x: Any, window: Window, out: Ints, padded: bool, divisor: int) -> Any:
    """The sum under each window divided by what counts, without the fraction."""
    counts = divisor or x.wrap(window.counts(XP[type(x.array)], shape_of(x)[2:], out, padded))
    return div(AvgPool(window, out, divisor=1)(x), counts, rounding_mode="trunc")


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Average under each window of a sequence; arguments as :func:`avg_pool2d`."""
    k, s, p, _ = in_a_row("avg_pool1d", input, kernel_size, stride, padding, 1)
    return squeeze(avg_pool2d(unsqueeze(input, -2), k, s, p, ceil_mode, count_include_pad), -2)
