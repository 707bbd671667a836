"""Convolution over three dimensions, by that over two.

A slice of the output is a convolution of the slices of the input that lie under the window, as if they were channels::

    y[n, :, i] = conv2d(x[n, c, i s_d + a d_d - p_d] as (c a), w as (f, c a, kh, kw))

So the slices are laid side by side (Im2Col, over images of rows as long as a slice), and each is an image of a
batch. The transpose goes the same way back (Col2Im). Gradients, groups and devices are those of what is called.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ...autograd.autocast import LOWER, recast
from ...shapes import Ints, conv_size
from .._common import shape_of
from ..pad import pad
from ..views import contiguous, named, permute, reshape
from .maps import Conv, ConvInput
from .unfolded import Col2Im, Im2Col


def _windows(kind: Any, size: Ints, k: int, s: int, p: int, d: int) -> Any:
    """The map between slices and windows of them: over (d, h w) as if it were an image."""
    return kind((size[0], prod(size[1:])), (k, 1), (s, 1), (p, 0), (d, 1))


def correlate(x: Any, w: Any, b: Any, s: Ints, p: Ints, d: Ints, groups: int) -> Any:
    """(n, c, d, h, w), (f, c/g, kd, kh, kw) -> (n, f, od, oh, ow)"""
    x, w, b = recast(LOWER, x, w, b)
    (n, c, *size), (f, cg, kd, *k) = shape_of(x), shape_of(w)
    depth = conv_size(size[0], kd, s[0], p[0], d[0])
    flat = reshape(x, n, c, size[0], size[1] * size[2])
    slices = _windows(Im2Col, tuple(size), kd, s[0], p[0], d[0])(flat)  # (n, c kd, od h w)
    images = permute(reshape(slices, n, c * kd, depth, *size[1:]), 0, 2, 1, 3, 4)
    images = reshape(images, n * depth, c * kd, *size[1:])
    filters = reshape(w, f, cg * kd, *k)
    conv = Conv(s[1:], p[1:], d[1:], groups)
    y = conv(images, filters) if b is None else conv(images, filters, b)
    y = permute(reshape(y, n, depth, f, *shape_of(y)[2:]), 0, 2, 1, 3, 4)
    return named(contiguous(y), "ConvolutionBackward0")


def transpose(x: Any, w: Any, b: Any, s: Ints, p: Ints, d: Ints, groups: int, size: Ints) -> Any:
    """(n, c, d, h, w), (c, f/g, kd, kh, kw) -> (n, f, *size)"""
    x, w, b = recast(LOWER, x, w, b)
    fits = conv_size(size[0], shape_of(w)[2], s[0], p[0], d[0])
    if fits > shape_of(x)[2]:  # output padding left room for more: they are empty
        x = pad(x, (0, 0, 0, 0, 0, fits - shape_of(x)[2]))
    (n, c, depth, *plane), (_, fg, kd, *k) = shape_of(x), shape_of(w)
    images = reshape(permute(x, 0, 2, 1, 3, 4), n * depth, c, *plane)
    filters = reshape(w, c, fg * kd, *k)
    slices = ConvInput(s[1:], p[1:], d[1:], groups, size[1:])(images, filters)
    slices = permute(reshape(slices, n, depth, fg * groups * kd, *size[1:]), 0, 2, 1, 3, 4)
    slices = reshape(slices, n, fg * groups * kd, depth * size[1] * size[2])
    y = _windows(Col2Im, size, kd, s[0], p[0], d[0])(slices)
    y = reshape(y, n, fg * groups, *size)
    if b is not None:
        y = y + reshape(b, -1, 1, 1, 1)
    return named(y, "ConvolutionBackward0")
