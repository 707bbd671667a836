"""Pooling of volumes: windows over (h, w) in each slice, then windows over the slices."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import FLOAT32_ON_CPU, recast
from ..autograd.function import widened
from ..backend import XP
from ._common import as_given, dtype_of, shape_of
from ._pool_window import Window, batched, check_divisor, refuse_others, settle
from .elementwise import div
from .indexing import gather
from .pool import AvgPool, MaxPool
from .views import named, reshape, squeeze


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the largest value under each window of a volume; arguments as :func:`max_pool2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``, with ``return_indices`` also the flat places of the winners

    Raises:
        ShapeError: no window fits, or the padding is more than half the kernel.

    >>> import tinyconv as tc
    >>> x = tc.arange(8.).reshape(1, 2, 2, 2).requires_grad_()
    >>> tc.nn.functional.max_pool3d(x, 2).sum().backward()
    >>> x.grad[0, 1]
    tensor([[0., 0.],
            [0., 1.]])
    """
    window, out = settle("max_pool3d", input, 3, kernel_size, stride, padding, dilation, ceil_mode)
    refuse_others(input, "max_pool3d", "ints")
    (input,) = recast(FLOAT32_ON_CPU, input)
    x, single = batched(input, 3)
    (n, c, d, h, w), (od, oh, ow) = shape_of(x), out
    across = MaxPool(window.in_plane(), (oh, ow))
    along = MaxPool(window.in_depth(), (od, oh * ow))
    y = across(reshape(x, n, c * d, h, w))  # the best of each slice, then of these
    y = along(reshape(y, n, c, d, oh * ow))
    y = named(reshape(y, n, c, *out), "MaxPool3DWithIndicesBackward0")
    if not return_indices:
        return squeeze(y, 0) if single else y
    xp = XP[type(x.array)]
    in_slice = across.window.places(xp, across.where, w).reshape(n, c, d * oh * ow)
    best = along.window.places(xp, along.where, oh * ow).reshape(n, c, od * oh * ow)
    places = gather(x.wrap(in_slice), 2, x.wrap(best)) + x.wrap(best // (oh * ow) * (h * w))
    places = reshape(places, n, c, *out)
    return (squeeze(y, 0), squeeze(places, 0)) if single else (y, places)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Average under each window of a volume; arguments as :func:`avg_pool2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 2, 2, 2, requires_grad=True)
    >>> tc.nn.functional.avg_pool3d(x, 2).sum().backward()
    >>> x.grad[0, 0]
    tensor([[0.1250, 0.1250],
            [0.1250, 0.1250]])
    """
    window, out = settle("avg_pool3d", input, 3, kernel_size, stride, padding, 1, ceil_mode)
    check_divisor(divisor_override)
    sizes = shape_of(input)[-3:]
    refuse_others(input, "avg_pool3d_out_frame", "int64")
    (input,) = recast(FLOAT32_ON_CPU, input)
    x, single = batched(input, 3)
    if dtype_of(x).is_floating_point:
        y = _means(widened(x), window, out, count_include_pad, divisor_override or 0)
    else:
        counts = window.counts(XP[type(x.array)], sizes, out, count_include_pad)
        sums = _means(x, window, out, True, 1)
        y = div(sums, divisor_override or x.wrap(counts), rounding_mode="trunc")
    y = as_given(named(y, "AvgPool3DBackward0"), x)
    return squeeze(y, 0) if single else y


def _means(x: Any, window: Window, out: Any, padded: bool, divisor: int) -> Any:
    """The average of averages, as what counts under a window is a box; a ``divisor`` divides once."""
    (n, c, d, h, w), (od, oh, ow) = shape_of(x), out
    y = AvgPool(window.in_plane(), (oh, ow), padded, divisor)(reshape(x, n, c * d, h, w))
    y = reshape(y, n, c, d, oh * ow)
    y = AvgPool(window.in_depth(), (od, oh * ow), padded, 1 if divisor else 0)(y)
    return reshape(y, n, c, *out)
