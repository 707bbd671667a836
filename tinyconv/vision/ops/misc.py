"""Groups of layers that many networks are built from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from ... import creation, nn
from ...tensor import Tensor

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "FrozenBatchNorm2d",
    "Layer",
    "Permute",
    "SqueezeExcitation",
]

Layer = Callable[..., nn.Module]  # a class of layers, or a function that makes one


def _options(inplace: bool | None) -> dict[str, bool]:
    """What to tell an activation: nothing where ``inplace`` is None, for not all know the word."""
    return {} if inplace is None else {"inplace": inplace}


def _same(kernel_size: Any, dilation: Any) -> Any:
    """The padding that keeps the size of an image, for odd filters and stride 1."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    n = len(kernel_size if isinstance(kernel_size, Sequence) else dilation)
    sizes, steps = (
        tuple(x) if isinstance(x, Iterable) else (x,) * n for x in (kernel_size, dilation)
    )
    return tuple(_same(k, d) for k, d in zip(sizes, steps, strict=True))


class ConvNormActivation(nn.Sequential):
    """What the two classes below share."""

    convolution: ClassVar[Layer]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        groups: int,
        norm_layer: Layer | None,
        activation_layer: Layer | None,
        dilation: Any,
        inplace: bool | None,
        bias: bool | None,
    ) -> None:
        convolution = type(self).convolution(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            _same(kernel_size, dilation) if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=norm_layer is None if bias is None else bias,
        )
        layers = [convolution]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**_options(inplace)))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(ConvNormActivation):
    """A convolution of images, a normalisation and an activation, one after the other.

    Args:
        padding: of all sides, in pixels; by default as much as keeps the size where stride is 1
        norm_layer: called with the number of channels; None for none
        activation_layer: called with ``inplace``; None for none
        inplace: None where the activation does not know the word
        bias: of the convolution; by default only where no normalisation follows

    >>> Conv2dNormActivation(3, 8)
    Conv2dNormActivation(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
      (2): ReLU(inplace=True)
    )
    """

    convolution = nn.Conv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
        )


class Conv3dNormActivation(ConvNormActivation):
    """:class:`Conv2dNormActivation` for volumes."""

    convolution = nn.Conv3d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int] = 3,
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm3d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int | tuple[int, int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
        )


class SqueezeExcitation(nn.Module):
    r"""Weigh each channel by what all channels are on average.

    .. math:: x \cdot \sigma(W_2\, \delta(W_1\, \bar x))

    Args:
        squeeze_channels: rows of :math:`W_1`
        activation: makes :math:`\delta`
        scale_activation: makes :math:`\sigma`

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``

    Source: Hu et al., Squeeze-and-excitation networks (arXiv 1709.01507), eq. 3.
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed)) * input


class MLP(nn.Sequential):
    """Linear layers with an activation and dropout behind each, the last with dropout only.

    Args:
        hidden_channels: outputs of each linear layer
        norm_layer: called with the number of features, before each activation; None for none
        inplace: of activations and dropout; None for their own defaults
        dropout: the probability of a zero

    Shape:
        ``(*, in_channels) -> (*, hidden_channels[-1])``
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: list[int],
        norm_layer: Layer | None = None,
        activation_layer: Layer | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        options = _options(inplace)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(
            [in_channels, *hidden_channels], hidden_channels[:-1], strict=False
        ):
            layers.append(nn.Linear(inputs, outputs, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(outputs))
            if activation_layer is not None:
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
        inputs = [in_channels, *hidden_channels][-2]
        layers.append(nn.Linear(inputs, hidden_channels[-1], bias=bias))
        layers.append(nn.Dropout(dropout, **options))
        super().__init__(*layers)


class Permute(nn.Module):
    """The dimensions of a tensor in another order, as a layer.

    >>> Permute([0, 2, 1])(creation.ones(2, 3, 4)).shape
    tinyconv.Size([2, 4, 3])
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


class FrozenBatchNorm2d(nn.Module):
    """A BatchNorm2d that has stopped learning: its numbers are buffers, and it counts nothing.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", creation.ones(num_features))
        self.register_buffer("bias", creation.zeros(num_features))
        self.register_buffer("running_mean", creation.zeros(num_features))
        self.register_buffer("running_var", creation.ones(num_features))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # of a BatchNorm2d
        super()._load_from_state_dict(state_dict, prefix, *others)

    def forward(self, x: Tensor) -> Tensor:
        numbers = (self.weight, self.bias, self.running_mean, self.running_var)
        weight, bias, mean, var = (v.reshape(1, -1, 1, 1) for v in numbers)
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"
