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


class MaxPool3d(_MaxPool):
    """Take the largest value under each window of a volume; arguments as :class:`MaxPool2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``
    """

    function = staticmethod(ops.max_pool3d)


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


class _AvgPool(Module):
    function: ClassVar[Callable[..., Any]]

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
        return type(self).function(
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


class AvgPool2d(_AvgPool):
    """Average under each window of an image.

    Args:
        kernel_size, stride, padding, ceil_mode: as :class:`MaxPool2d`; padding is zeros.
        count_include_pad: count the padding in the average. divisor_override: divide by this instead.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``
    """

    function = staticmethod(ops.avg_pool2d)


class AvgPool3d(_AvgPool):
    """Average under each window of a volume; arguments as :class:`AvgPool2d`, depth first.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``
    """

    function = staticmethod(ops.avg_pool3d)


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


class AdaptiveAvgPool3d(_Adaptive):
    """Average over windows that divide a volume into ``output_size`` slices, rows and columns.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``
    """

    function = staticmethod(ops.adaptive_avg_pool3d)


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


class AdaptiveMaxPool3d(_AdaptiveMax):
    """Largest value over windows that divide a volume into ``output_size`` slices, rows and columns.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``
    """

    function = staticmethod(ops.adaptive_max_pool3d)


class _LPPool(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        return type(self).function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The norm of each window of a sequence; arguments as :class:`LPPool2d`."""

    function = staticmethod(ops.lp_pool1d)


class LPPool2d(_LPPool):
    """The norm of each window of an image.

    Args:
        norm_type: p; 1 is the sum, infinity the largest absolute value.
        kernel_size, stride, ceil_mode: as :class:`MaxPool2d`.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``

    >>> import tinyconv as tc
    >>> tc.nn.LPPool2d(2, 2)(tc.tensor([[[3., 0.], [0., 4.]]]))
    tensor([[[5.]]])
    """

    function = staticmethod(ops.lp_pool2d)


class LPPool3d(_LPPool):
    """The norm of each window of a volume; arguments as :class:`LPPool2d`."""

    function = staticmethod(ops.lp_pool3d)


class _MaxUnpool(Module):
    function: ClassVar[Callable[..., Any]]
    dims: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            v if isinstance(v, (tuple, list)) else (v,) * self.dims
            for v in (kernel_size, kernel_size if stride is None else stride, padding)
        )

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Lay what :class:`MaxPool1d` took back to its places; arguments as :class:`MaxUnpool2d`."""

    dims = 1
    function = staticmethod(ops.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Lay what :class:`MaxPool2d` took back to its places, among zeros.

    Args:
        kernel_size, stride, padding: those of the pooling. The layer is called with what
            ``MaxPool2d(..., return_indices=True)`` returns and, if several sizes pool to the input's, ``output_size``.

    Shape:
        ``(n, c, oh, ow), (n, c, oh, ow) -> (n, c, h, w)``, ``h = (oh - 1)s - 2p + k``

    >>> import tinyconv as tc
    >>> y, places = tc.nn.MaxPool2d(2, return_indices=True)(tc.tensor([[[1., 2.], [3., 4.]]]))
    >>> tc.nn.MaxUnpool2d(2)(y, places)
    tensor([[[0., 0.],
             [0., 4.]]])
    """

    dims = 2
    function = staticmethod(ops.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Lay what :class:`MaxPool3d` took back to its places; arguments as :class:`MaxUnpool2d`."""

    dims = 3
    function = staticmethod(ops.max_unpool3d)
