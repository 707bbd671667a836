"""MobileNet V3: as V2, with squeeze-and-excitation and hard swish where they pay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, Layer, SqueezeExcitation
from .common import check_setting, fan_out_normal, initialize, make_divisible, small_normal
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]


class InvertedResidualConfig:
    """A row of tables 1 and 2 of the paper, made wider or narrower.

    Args:
        activation: ``"HS"`` for hard swish, ``"RE"`` for ReLU
        width_mult: what all numbers of channels are multiplied by
    """

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """Multiply and round a number of channels."""
        return make_divisible(channels * width_mult, 8)


_Weighing = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, weigh channels, narrow; and add the input.

    Source: section 5 of the paper.
    """

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Layer,
        se_layer: Layer = _Weighing,
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ArgumentError("illegal stride value", f"It is 1 or 2, not {cnf.stride}.")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        inputs, width, outputs = cnf.input_channels, cnf.expanded_channels, cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        normed = partial(Conv2dNormActivation, norm_layer=norm_layer)
        layers: list[nn.Module] = []
        if width != inputs:
            layers.append(normed(inputs, width, kernel_size=1, activation_layer=activation))
        layers.append(
            normed(
                width,
                width,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=width,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(width, make_divisible(width // 4, 8)))
        layers.append(normed(width, outputs, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = outputs

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """A row of :class:`InvertedResidual`.

    Args:
        inverted_residual_setting: the settings of the blocks
        last_channel: features before the last layer
        block: called as :class:`InvertedResidual` is
        norm_layer: called with the number of channels; BatchNorm2d unless given
        dropout: the probability of a zero before the last layer

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: Howard et al., Searching for MobileNetV3 (arXiv 1905.02244).
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        **kwargs: Any,  # without a meaning, as in torchvision
    ) -> None:
        super().__init__()
        check_setting(
            inverted_residual_setting, InvertedResidualConfig, "inverted_residual_setting"
        )
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        swished = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish
        )
        first = inverted_residual_setting[0].input_channels
        last = inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            swished(3, first, kernel_size=3, stride=2),
            *(block(cnf, norm_layer) for cnf in inverted_residual_setting),
            swished(last, 6 * last, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(self, fan_out_normal, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Tables 1 and 2 of the paper: input, kernel, expanded, output, squeeze-and-excitation, activation,
# stride. The last three rows may be dilated, and have a reduced width.
_ROWS: dict[str, list[tuple[Any, ...]]] = {
    "large": [
        (16, 3, 16, 16, False, "RE", 1),
        (16, 3, 64, 24, False, "RE", 2),
        (24, 3, 72, 24, False, "RE", 1),
        (24, 5, 72, 40, True, "RE", 2),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 3, 240, 80, False, "HS", 2),
        (80, 3, 200, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 480, 112, True, "HS", 1),
        (112, 3, 672, 112, True, "HS", 1),
        (112, 5, 672, 160, True, "HS", 2),
        (160, 5, 960, 160, True, "HS", 1),
        (160, 5, 960, 160, True, "HS", 1),
    ],
    "small": [
        (16, 3, 16, 16, True, "RE", 2),
        (16, 3, 72, 24, False, "RE", 2),
        (24, 3, 88, 24, False, "RE", 1),
        (24, 5, 96, 40, True, "HS", 2),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 120, 48, True, "HS", 1),
        (48, 5, 144, 48, True, "HS", 1),
        (48, 5, 288, 96, True, "HS", 2),
        (96, 5, 576, 96, True, "HS", 1),
        (96, 5, 576, 96, True, "HS", 1),
    ],
}


def _mobilenet_v3(
    size: str,
    last_channel: int,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **config: Any,
) -> MobileNetV3:
    part = 2 if reduced_tail else 1
    rows = _ROWS[size]
    setting = []
    for i, row in enumerate(rows, 3 - len(rows)):
        inputs, kernel, width, outputs, use_se, activation, stride = row
        if i == 0:  # the tail begins
            outputs //= part
        elif i > 0:
            inputs, width, outputs = inputs // part, width // part, outputs // part
        dilation = 2 if dilated and i >= 0 else 1
        channels = (inputs, kernel, width, outputs)
        setting.append(
            InvertedResidualConfig(*channels, use_se, activation, stride, dilation, width_mult)
        )
    last = InvertedResidualConfig.adjust_channels(last_channel // part, width_mult)
    return MobileNetV3(setting, last, **config)


class MobileNet_V3_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_large-8738ca79", 5483032, (74.042, 91.34), 0.217, 21.114)
    IMAGENET1K_V2 = imagenet(
        "mobilenet_v3_large-5c1a4163", 5483032, (75.274, 92.566), 0.217, 21.107, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_small-047dcff4", 2542856, (67.668, 87.402), 0.057, 9.829)
    DEFAULT = IMAGENET1K_V1


@register(MobileNet_V3_Large_Weights)
def mobilenet_v3_large(**config: Any) -> MobileNetV3:
    """The large MobileNet V3; ``config`` also takes width_mult, reduced_tail and dilated."""
    return _mobilenet_v3("large", 1280, **config)


@register(MobileNet_V3_Small_Weights)
def mobilenet_v3_small(**config: Any) -> MobileNetV3:
    """The small MobileNet V3; ``config`` also takes width_mult, reduced_tail and dilated."""
    return _mobilenet_v3("small", 1024, **config)
