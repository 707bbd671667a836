"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from .. import creation, ops
from ..shapes import Ints, conv_transpose_size, expand_ints
from . import init
from .module import Module
from .parameter import Parameter


class _Conv(Module):
    """What all convolutions share: settings, a bank of filters, its initialisation."""

    dims: ClassVar[int]
    transposed: ClassVar[bool] = False
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
        output_padding: Any = 0,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        modes = {"zeros", "reflect", "replicate", "circular"}
        if padding_mode not in modes:
            raise ValueError(
                f"padding_mode must be one of {sorted(modes)}, but got padding_mode='{padding_mode}'"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
            )
        n = self.dims
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = expand_ints(kernel_size, n, "kernel_size")
        self.stride = expand_ints(stride, n, "stride")
        self.padding: Any = (
            padding if isinstance(padding, str) else expand_ints(padding, n, "padding")
        )
        self.dilation = expand_ints(dilation, n, "dilation")
        self.output_padding = expand_ints(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        inner, outer = (
            (out_channels, in_channels) if self.transposed else (in_channels, out_channels)
        )
        self.weight = Parameter(
            creation.empty(outer, inner // groups, *self.kernel_size, device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(creation.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from +-1 / sqrt(inputs of one output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.array[0].size
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _border(self) -> list[int]:
        """The padding as ``pad`` takes it: last dimension first, both sides."""
        if self.padding == "valid":
            return [0] * 2 * self.dims
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [side for t in reversed(total) for side in (t // 2, t - t // 2)]
        return [p for p in reversed(self.padding) for _ in range(2)]

    def forward(self, input: Any) -> Any:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = ops.pad(input, self._border(), self.padding_mode), 0
        return type(self).function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        zero, one = (0,) * self.dims, (1,) * self.dims
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != zero:
            text += f", padding={self.padding}"
        if self.dilation != one:
            text += f", dilation={self.dilation}"
        if self.output_padding != zero:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Forward(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Forward):
    """Correlate sequences with a bank of filters; arguments as :class:`Conv2d`.

    Shape:
        ``(n, c, l) -> (n, f, ol)``
    """

    dims = 1
    function = staticmethod(ops.conv1d)


class Conv2d(_Forward):
    """Correlate images with a bank of filters.

    Args:
        in_channels, out_channels: channels before and after.
        kernel_size: height and width of a filter in pixels.
        stride: pixels between windows. padding: border in pixels, ``'same'`` or ``'valid'``.
        dilation: pixels between taps. groups: groups of channels that do not see each other.
        bias: whether to add a number per output channel.
        padding_mode: ``'zeros' 'reflect' 'replicate' 'circular'``.

    Shape:
        ``(n, c, h, w) -> (n, f, oh, ow)``, ``oh = (h + 2p - d(k - 1) - 1) // s + 1``

    Raises:
        ValueError: channels are not divisible by groups.

    >>> import tinyconv as tc
    >>> layer = tc.nn.Conv2d(3, 16, 5, padding='same')
    >>> layer(tc.zeros(2, 3, 32, 32)).shape
    tinyconv.Size([2, 16, 32, 32])
    >>> layer(tc.zeros(2, 3, 32, 32)).sum().backward()
    >>> layer.bias.grad[0]
    tensor(2048.)
    """

    dims = 2
    function = staticmethod(ops.conv2d)


class Conv3d(_Forward):
    """Correlate volumes with a bank of filters; arguments as :class:`Conv2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, f, od, oh, ow)``
    """

    dims = 3
    function = staticmethod(ops.conv3d)


class _Transpose(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
            output_padding,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra: Any = self.output_padding
        if output_size is not None:
            extra = self._extra(input, tuple(output_size))
        return type(self).function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _extra(self, input: Any, wanted: Ints) -> Ints:
        """The output padding that gives ``wanted`` rows and columns."""
        spatial = input.shape[-self.dims :]
        lead = input.ndim - self.dims
        if len(wanted) not in (self.dims, input.ndim):
            raise ValueError(
                f"ConvTranspose{self.dims}D: for {input.ndim}D input, output_size must have {self.dims} or "
                f"{lead + self.dims} elements (got {len(wanted)})"
            )
        wanted = wanted[-self.dims :]
        sides = (
            spatial,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            (0,) * self.dims,
        )
        least = list(map(conv_transpose_size, *sides))
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if not all(a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} (for an input of "
                f"{spatial})"
            )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose1d(_Transpose):
    """The transpose of :class:`Conv1d`; arguments as :class:`ConvTranspose2d`."""

    dims = 1
    function = staticmethod(ops.conv_transpose1d)


class ConvTranspose2d(_Transpose):
    """The transpose of :class:`Conv2d`: each input pixel paints its filter on the output.

    Args:
        output_padding: rows and columns added at one side, where several sizes convolve to the input's; or call the
            layer with ``output_size``. The others as :class:`Conv2d`.

    Shape:
        ``(n, c, h, w) -> (n, f, oh, ow)``, ``oh = (h - 1)s - 2p + d(k - 1) + extra + 1``

    >>> import tinyconv as tc
    >>> tc.nn.ConvTranspose2d(8, 4, 2, stride=2)(tc.zeros(1, 8, 5, 5)).shape
    tinyconv.Size([1, 4, 10, 10])
    """

    dims = 2
    function = staticmethod(ops.conv_transpose2d)


class ConvTranspose3d(_Transpose):
    """The transpose of :class:`Conv3d`; arguments as :class:`ConvTranspose2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, f, od, oh, ow)``
    """

    dims = 3
    function = staticmethod(ops.conv_transpose3d)
