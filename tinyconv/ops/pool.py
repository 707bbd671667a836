"""Pooling: the largest or the average element under each window."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ..autograd.function import Function, op, widened
from ..backend import XP, Array
from ..errors import ShapeError
from ..shapes import Ints, Shape, expand_ints, pool_size
from ._common import as_given, shape_of
from ._layout import alike, empty_batch, planes, settled
from ._pool import pool_max, pool_mean, unpool_max, unpool_mean
from .indexing import Gather
from .joining import cat
from .reduce import mean
from .slices import narrow
from .views import named, reshape, squeeze, unsqueeze

# ── windows ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Window:
    """What a window looks like, and how it moves."""

    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints

    def places(self, xp: Any, where: Array, w: int) -> Array:
        """From the taps that won to flat places in planes of rows of ``w``: (n, c, oh, ow), int64."""
        (sh, sw), (ph, pw), (dh, dw) = self.stride, self.padding, self.dilation
        oh, ow = where.shape[2:]
        a, b = xp.divmod(where.astype("int64"), self.kernel[1])
        i = (xp.arange(oh) * sh - ph)[:, None] + a * dh
        return i * w + xp.arange(ow) * sw - pw + b * dw


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
        picked = Gather(2)(reshape(g, n, c, h * w), places.reshape(n, c, prod(places.shape[2:])))
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


# ── checks ────────────────────────────────────────────────────────────────────────────────────


def _batched(x: Any, name: str) -> tuple[Any, bool]:
    shape = shape_of(x)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise ShapeError(
            f"{name}(): Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got: "
            f"{list(shape)}" if 0 in shape[1:] else
            f"non-empty 3D or 4D (batch mode) tensor expected for input, but got: {list(shape)}",
            "Images are (n, c, h, w).",
        )  # fmt: skip
    return (x, False) if len(shape) == 4 else (unsqueeze(x, 0), True)


def _window(
    x: Any, name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Window, Ints]:
    k = expand_ints(kernel_size, 2, "kernel_size")
    s = k if stride is None or stride in ((), []) else expand_ints(stride, 2, "stride")
    p, d = expand_ints(padding, 2, "padding"), expand_ints(dilation, 2, "dilation")
    if 0 in s:
        raise ShapeError("stride should not be zero")
    if min(k) <= 0:
        raise ShapeError(f"kernel size should be greater than zero, but got kH: {k[0]} kW: {k[1]}")
    if min(s) < 0:
        raise ShapeError(f"stride should be greater than zero, but got dH: {s[0]} dW: {s[1]}")
    if min(d) <= 0:
        raise ShapeError(
            f"dilation should be greater than zero, but got dilationH: {d[0]} dilationW: {d[1]}"
        )
    if min(p) < 0:
        raise ShapeError(f"pad must be non-negative, but got pad: {min(p)}")
    if any(q > (e * (n - 1) + 1) // 2 for q, n, e in zip(p, k, d, strict=True)):
        raise ShapeError(
            f"pad should be at most half of effective kernel size, but got pad={max(p)}, kernel_size={k[p.index(max(p))]} "
            f"and dilation={d[0]}",
            "A window must see at least one element of the image: pad with pad() before pooling.",
        )
    shape = shape_of(x)
    out = tuple(
        pool_size(*sizes, ceil_mode=ceil_mode) for sizes in zip(shape[2:], k, s, p, d, strict=True)
    )
    if min(out) < 1:
        raise ShapeError(
            f"Given input size: ({'x'.join(map(str, shape[1:]))}). Calculated output size: "
            f"({shape[1]}x{out[0]}x{out[1]}). Output size is too small",
            "The image has become smaller than the window: pool less before this layer.",
        )
    if max(d) > 1 and any(map(_blind, shape[2:], k, s, p, d, out)):
        raise ShapeError(
            f"a window has all its taps in the padding: input size ({'x'.join(map(str, shape[1:]))}), kernel_size={k}, "
            f"padding={p}, dilation={d}",
            "It sees nothing whose largest could be taken: pad or dilate less.",
        )
    return Window(k, s, p, d), out


def _blind(size: int, k: int, s: int, p: int, d: int, out: int) -> bool:
    """Tell whether some window steps over the whole image."""
    corners = range(-p, out * s - p, s)
    return not all(any(0 <= at + b * d < size for b in range(k)) for at in corners)


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
    x, single = _batched(input, "max_pool2d")
    pool = MaxPool(*_window(x, "max_pool2d", kernel_size, stride, padding, dilation, ceil_mode))
    y = pool(x)
    if not return_indices:
        return squeeze(y, 0) if single else y
    xp, w = _array_library(x), shape_of(x)[3]
    indices = y.wrap(pool.window.places(xp, pool.where, w))
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
    (k,), (p,), (d,) = (expand_ints(v, 1, "setting") for v in (kernel_size, padding, dilation))
    (s,) = (k,) if stride in (None, (), []) else expand_ints(stride, 1, "stride")
    out = max_pool2d(
        unsqueeze(input, -2), (1, k), (1, s), (0, p), (1, d), ceil_mode, return_indices
    )
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
    x, single = _batched(input, "avg_pool2d")
    window, out = _window(x, "avg_pool2d", kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise ShapeError("divisor must be not zero")
    y = AvgPool(window, out, count_include_pad, divisor_override or 0)(x)
    return squeeze(y, 0) if single else y


def _array_library(x: Any) -> Any:
    return XP[type(x.array)]


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Average under each window of a sequence; arguments as :func:`avg_pool2d`."""
    (k,), (p,) = (expand_ints(v, 1, "setting") for v in (kernel_size, padding))
    (s,) = (k,) if stride in (None, (), []) else expand_ints(stride, 1, "stride")
    return squeeze(
        avg_pool2d(unsqueeze(input, -2), (1, k), (1, s), (0, p), ceil_mode, count_include_pad), -2
    )


def _adaptive_sizes(x: Any, output_size: Any, nd: int) -> Ints:
    sizes = (
        (output_size,) * nd if not isinstance(output_size, (tuple, list)) else tuple(output_size)
    )
    if len(sizes) != nd:
        raise ShapeError(f"adaptive_pool{nd}d: output_size must be {nd}")
    shape = shape_of(x)[-nd:]
    chosen = tuple(n if o is None else int(o) for o, n in zip(sizes, shape, strict=True))
    if min(chosen) < 0:
        raise ShapeError(
            "adaptive_pool: elements of output_size must be greater than or equal to 0"
        )
    return chosen


def _adaptive_window(size: int, out: int) -> tuple[int, int] | None:
    """Kernel and stride if all adaptive windows of an axis are alike."""
    return (size // out, size // out) if out and size % out == 0 else None


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    """Window i of an adaptive pool: from floor(i size / out) to ceil((i + 1) size / out)."""
    return [(i * size // out, -((-(i + 1) * size) // out)) for i in range(out)]


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Average over windows that divide an image into ``output_size`` rows and columns.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 2, 2, requires_grad=True)
    >>> tc.nn.functional.adaptive_avg_pool2d(x, 1).sum().backward()
    >>> x.grad[0, 0]
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    x, single = _batched(input, "adaptive_avg_pool2d")
    oh, ow = _adaptive_sizes(x, output_size, 2)
    h, w = shape_of(x)[2:]
    rows, cols = _adaptive_window(h, oh), _adaptive_window(w, ow)
    if oh == ow == 1:
        y = mean(x, (2, 3), True)
    elif rows and cols:
        y = avg_pool2d(x, (rows[0], cols[0]))
    else:  # rows, then columns: the average of averages of equal counts
        y = as_given(_axis_means(_axis_means(widened(x), 2, _bounds(h, oh)), 3, _bounds(w, ow)), x)
    named(y, "MeanBackward1" if oh == ow == 1 else "AdaptiveAvgPool2DBackward0")
    return squeeze(y, 0) if single else y


def _axis_means(x: Any, dim: int, bounds: list[tuple[int, int]]) -> Any:
    if not bounds:
        return narrow(x, dim, 0, 0)
    return cat([mean(narrow(x, dim, a, b - a), dim, True) for a, b in bounds], dim)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Average over windows that divide a sequence into ``output_size`` parts."""
    (n,) = _adaptive_sizes(input, output_size, 1)
    return squeeze(adaptive_avg_pool2d(unsqueeze(input, -2), (1, n)), -2)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest value over windows that divide an image into ``output_size`` rows and columns.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``, with ``return_indices`` also the flat places of the winners
    """
    x, single = _batched(input, "adaptive_max_pool2d")
    oh, ow = _adaptive_sizes(x, output_size, 2)
    n, c, h, w = shape_of(x)
    xp, a = _array_library(x), x.array
    where = xp.empty((n, c, oh, ow), "int64")
    for i, (top, bottom) in enumerate(_bounds(h, oh)):
        for j, (left, right) in enumerate(_bounds(w, ow)):
            part = a[:, :, top:bottom, left:right].reshape(n, c, -1)
            r, q = xp.divmod(part.argmax(2), right - left)
            where[:, :, i, j] = (r + top) * w + q + left
    places = x.wrap(where)
    y = Gather(2)(reshape(x, n, c, h * w), reshape(places, n, c, oh * ow))
    y = named(reshape(y, n, c, oh, ow), "AdaptiveMaxPool2DBackward0")
    if single:
        y, places = squeeze(y, 0), squeeze(places, 0)
    return (y, places) if return_indices else y


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest value over windows that divide a sequence into ``output_size`` parts."""
    (n,) = _adaptive_sizes(input, output_size, 1)
    y, places = adaptive_max_pool2d(unsqueeze(input, -2), (1, n), True)
    return (squeeze(y, -2), squeeze(places, -2)) if return_indices else squeeze(y, -2)
