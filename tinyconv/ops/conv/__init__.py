"""Convolution and its transpose, over one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, ShapeError
from ...shapes import Ints, conv_transpose_size
from .._common import ndim_of, shape_of
from ..elementwise import rsqrt
from ..pad import pad
from ..views import reshape, squeeze, unsqueeze
from . import volume
from .checks import check_channels, check_ranks, expanded, settings
from .maps import Conv, ConvBlock, ConvInput

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_block",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


def _conv(
    name: str,
    nd: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    check_ranks(name, x, w, nd)
    odd: list[int] = []
    if isinstance(padding, str):
        odd, padding = _named_padding(nd, w, stride, padding, dilation)
    s, p, d = settings(nd, stride, padding, dilation, groups)
    check_channels(name, x, w, b, nd, groups)
    if any(odd):
        x = pad(x, odd)
    single = ndim_of(x) == nd + 1
    if single:
        x = unsqueeze(x, 0)
    k = shape_of(w)[2:]
    padded = [n + 2 * q for n, q in zip(shape_of(x)[2:], p, strict=True)]
    reach = [e * (n - 1) + 1 for n, e in zip(k, d, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size",
            "The image has become smaller than the filter: pool less before this layer, or pad.",
        )
    if nd == 3:
        y = volume.correlate(x, w, b, s, p, d, groups)
    else:
        y = Conv(s, p, d, groups)(x, w) if b is None else Conv(s, p, d, groups)(x, w, b)
    return squeeze(y, 0) if single else y


def _named_padding(
    nd: int, w: Any, stride: Any, padding: str, dilation: Any
) -> tuple[list[int], Any]:
    """'valid' is none; 'same' pads ``d (k - 1)`` in all, the odd one at the end, which is told apart, as for ``pad``."""
    if padding == "valid":
        return [], 0
    if padding != "same":
        raise ArgumentError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
    if set(expanded(stride, nd, "stride")) != {1}:
        raise ShapeError(
            "padding='same' is not supported for strided convolutions",
            "Give the padding in pixels.",
        )
    sides = zip(expanded(dilation, nd, "dilation"), shape_of(w)[2:], strict=True)
    total = [d * (k - 1) for d, k in sides]
    return [n for t in reversed(total) for n in (0, t % 2)], tuple(t // 2 for t in total)


def _conv_transpose(
    name: str,
    nd: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    check_ranks(name, x, w, nd)
    s, p, d = settings(nd, stride, padding, dilation, groups)
    extra = expanded(output_padding, nd, "output_padding")
    if min(extra) < 0:
        raise ShapeError("negative output_padding is not supported")
    check_channels(name, x, w, b, nd, groups)
    if any(e >= max(a, c) for e, a, c in zip(extra, s, d, strict=True)):
        sides = ("depth", "height", "width")[-max(nd, 2) :]
        given = [("output_padding", extra), ("stride", s), ("dilation", d)]
        got = (f"{what}_{side}: {v[i - nd]}" for what, v in given for i, side in enumerate(sides))
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, but got {' '.join(got)}"
        )
    single = ndim_of(x) == nd + 1
    if single:
        x = unsqueeze(x, 0)
    spatial = tuple(map(conv_transpose_size, shape_of(x)[2:], shape_of(w)[2:], s, p, d, extra))
    if min(spatial) <= 0:
        raise ShapeError(
            f"Given input size per channel: ({' x '.join(map(str, shape_of(x)[2:]))}). Calculated output size per "
            f"channel: ({' x '.join(map(str, spatial))}). Output size is too small"
        )
    if nd == 3:
        y = volume.transpose(x, w, b, s, p, d, groups, spatial)
    else:
        conv = ConvInput(s, p, d, groups, spatial)
        y = conv(x, w) if b is None else conv(x, w, b)
    return squeeze(y, 0) if single else y


# ── public ────────────────────────────────────────────────────────────────────────────────────


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Correlate sequences with a bank of filters; arguments as :func:`conv2d`.

    Shape:
        ``(n, c, l), (f, c/g, k), (f) -> (n, f, ol)``
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Correlate images with a bank of filters.

    .. math:: y_{n,f,i,j} = b_f + \\sum_{c,a,b} w_{f,c,a,b}\\, x_{n,\\,c,\\,i s_h + a d_h - p_h,\\,j s_w + b d_w - p_w}

    Args:
        stride: pixels between windows.
        padding: zeros on each side in pixels; ``'same'`` for output of the input's size, ``'valid'`` for none.
        dilation: pixels between taps of the filter.
        groups: input and output channels fall into this many groups that do not see each other.

    Shape:
        ``(n, c, h, w), (f, c/g, kh, kw), (f) -> (n, f, oh, ow)``, ``oh = (h + 2p - d(k - 1) - 1) // s + 1``

    Raises:
        ShapeError: channels do not match, or the filter is larger than the padded image. DTypeError: dtypes differ.

    Source: arithmetic of sizes after Dumoulin & Visin, arXiv 1603.07285.

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 3, 3, requires_grad=True)
    >>> tc.nn.functional.conv2d(x, tc.ones(1, 1, 2, 2)).sum().backward()
    >>> x.grad[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Correlate volumes with a bank of filters; arguments as :func:`conv2d`, depth first.

    Shape:
        ``(n, c, d, h, w), (f, c/g, kd, kh, kw), (f) -> (n, f, od, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 2, 2, 3, requires_grad=True)
    >>> tc.nn.functional.conv3d(x, tc.ones(1, 1, 2, 1, 2)).sum().backward()
    >>> x.grad[0, 0]
    tensor([[1., 2., 1.],
            [1., 2., 1.]])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv1d`; arguments as :func:`conv_transpose2d`."""
    return _conv_transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv2d`: each input pixel paints its filter on the output.

    Args:
        output_padding: rows and columns added at one side, where several sizes convolve to the input's.

    Shape:
        ``(n, c, h, w), (c, f/g, kh, kw), (f) -> (n, f, oh, ow)``, ``oh = (h - 1)s - 2p + d(k - 1) + extra + 1``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 2, 2, requires_grad=True)
    >>> y = tc.nn.functional.conv_transpose2d(x, tc.ones(1, 1, 2, 2))
    >>> y[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]], grad_fn=<SelectBackward0>)
    """
    return _conv_transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv3d`; arguments as :func:`conv_transpose2d`, depth first.

    Shape:
        ``(n, c, d, h, w), (c, f/g, kd, kh, kw), (f) -> (n, f, od, oh, ow)``
    """
    return _conv_transpose(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_block(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    statistics: tuple[Any, Any, Any, Any, float] | None,
    relu: bool,
    pool: bool,
) -> Any:
    """:func:`conv2d`, BatchNorm with fixed ``statistics`` (mean, var, weight, bias, eps), ReLU and 2x2 max pooling.

    All is done in one pass over memory, without gradients; the normalisation goes into the filters.
    """
    if statistics is not None:
        mean, var, gamma, beta, eps = statistics
        scale = rsqrt(var + eps) if gamma is None else rsqrt(var + eps) * gamma
        shift = -mean if bias is None else bias - mean
        weight = weight * reshape(scale, (-1, 1, 1, 1))
        bias = shift * scale if beta is None else shift * scale + beta
    block = ConvBlock(stride, padding, dilation, groups, relu, pool)
    return block(input, weight) if bias is None else block(input, weight, bias)
