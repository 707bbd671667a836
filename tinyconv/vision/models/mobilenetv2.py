"""MobileNet V2: convolutions of single channels between 1x1 convolutions."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...nn import functional as F
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, Layer
from .common import fan_out_normal, initialize, make_divisible, small_normal
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "MobileNetV2",
    "MobileNet_V2_Weights",
    "mobilenet_v2",
]


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; and add the input where sizes agree.

    Args:
        stride: 1 or 2
        expand_ratio: channels inside, in units of ``inp``
        norm_layer: called with the number of channels; BatchNorm2d unless given
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ArgumentError(
                f"stride should be 1 or 2 instead of {stride}",
                "For a smaller image, take two blocks of stride 2.",
            )
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        norm_layer = norm_layer or nn.BatchNorm2d
        activated: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        hidden = round(inp * expand_ratio)
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, **activated))
        layers += [
            Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, **activated),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# Table 2 of the paper: expand_ratio, output channels, how many, stride of the first.
_SETTING = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class MobileNetV2(nn.Module):
    """Rows of :class:`InvertedResidual`.

    Args:
        width_mult: makes all layers wider or narrower
        inverted_residual_setting: rows of expand_ratio, channels, how many blocks, first stride
        round_nearest: numbers of channels are multiples of it
        block: called as :class:`InvertedResidual` is
        norm_layer: called with the number of channels; BatchNorm2d unless given
        dropout: the probability of a zero before the last layer

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks
    (arXiv 1801.04381).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or len(setting[0]) != 4:
            raise ArgumentError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {setting}",
                "A row is expand_ratio, channels, how many blocks, stride of the first.",
            )
        activated: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        width = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [Conv2dNormActivation(3, width, stride=2, **activated)]
        for ratio, channels, blocks, stride in setting:
            outputs = make_divisible(channels * width_mult, round_nearest)
            for i in range(blocks):
                step = 1 if i else stride
                features.append(
                    block(width, outputs, step, expand_ratio=ratio, norm_layer=norm_layer)
                )
                width = outputs
        features.append(Conv2dNormActivation(width, self.last_channel, kernel_size=1, **activated))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        initialize(self, fan_out_normal, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), (1, 1)).flatten(1))


class MobileNet_V2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v2-b0353104", 3504872, (71.878, 90.286), 0.301, 13.555)
    IMAGENET1K_V2 = imagenet(
        "mobilenet_v2-7ebf99e0", 3504872, (72.154, 90.822), 0.301, 13.598, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


@register(MobileNet_V2_Weights)
def mobilenet_v2(**config: Any) -> MobileNetV2:
    """MobileNet V2."""
    return MobileNetV2(**config)
