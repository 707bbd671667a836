"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import ops
from .module import Module


class _MaxPool(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        return type(self).function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Take the largest value under each window of a sequence; arguments as :class:`MaxPool2d`."""

    function = staticmethod(ops.max_pool1d)


class MaxPool2d(_MaxPool):
    """Take the largest value under each window of an image.

    Args:
        kernel_size: height and width of the window in pixels. stride: pixels between windows, the kernel size
            unless given. padding: border that never wins. dilation: pixels between taps.
        return_indices: also the flat place of each winner. ceil_mode: count a last, partial window too.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``, ``oh = (h + 2p - d(k - 1) - 1) // s + 1``

    >>> import tinyconv as tc
    >>> tc.nn.MaxPool2d(2)(tc.zeros(1, 8, 7, 7)).shape
    tinyconv.Size([1, 8, 3, 3])
    """

    function = staticmethod(ops.max_pool2d)


class AvgPool1d(Module):
    """Average under each window of a sequence; arguments as :class:`AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = (
            (v,) if isinstance(v, int) else v for v in (kernel_size, padding)
        )
        self.stride = (
            self.kernel_size if stride is None else (stride,) if isinstance(stride, int) else stride
        )
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        return ops.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """Average under each window of an image.

    Args:
        kernel_size, stride, padding, ceil_mode: as :class:`MaxPool2d`; padding is zeros.
        count_include_pad: count the padding in the average. divisor_override: divide by this instead.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        return ops.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _Adaptive(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """Average over windows that divide a sequence into ``output_size`` parts."""

    function = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """Average over windows that divide an image into ``output_size`` rows and columns (None: as many as there are).

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``
    """

    function = staticmethod(ops.adaptive_avg_pool2d)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Largest value over windows that divide a sequence into ``output_size`` parts."""

    function = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest value over windows that divide an image into ``output_size`` rows and columns.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``
    """

    function = staticmethod(ops.adaptive_max_pool2d)
