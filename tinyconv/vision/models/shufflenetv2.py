"""ShuffleNet V2: half of the channels pass by, and then all are shuffled."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...ops import cat, channel_shuffle
from ...tensor import Tensor
from ..ops.misc import Layer
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, padding=0, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, channels, 3, stride, 1, bias=False, groups=channels)
    return [convolution, nn.BatchNorm2d(channels)]


class InvertedResidual(nn.Module):
    """Two branches: stride 1 leaves one half of the channels as it is; others take all for both.

    Args:
        stride: 1 to 3
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if stride not in (1, 2, 3):
            raise ArgumentError("illegal stride value", f"It is 1, 2 or 3, not {stride}.")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ArgumentError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. "
                "If stride == 1 then inp should be equal to oup // 2 << 1.",
                "With stride 1, half of the channels pass by: as many come out as go in.",
            )
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(*_depthwise(inp, stride), *_pointwise(inp, half))
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half),
            *_depthwise(half, stride),
            *_pointwise(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1) if self.stride == 1 else (self.branch1(x), x)
        return channel_shuffle(cat((left, self.branch2(right)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Three rows of :class:`InvertedResidual`.

    Args:
        stages_repeats: how many blocks there are in each of the three rows
        stages_out_channels: of the first convolution, the three rows, and the last convolution
        inverted_residual: called as :class:`InvertedResidual` is

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: Ma et al., ShuffleNet V2: practical guidelines for efficient CNN architecture design
    (arXiv 1807.11164).
    """

    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual: Layer = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ArgumentError(
                "expected stages_repeats as list of 3 positive ints", "One for each row of blocks."
            )
        if len(stages_out_channels) != 5:
            raise ArgumentError(
                "expected stages_out_channels as list of 5 positive ints",
                "The first and the last convolution count too.",
            )
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        rows = []
        for inputs, width, repeats in zip([first, *widths], widths, stages_repeats, strict=False):
            steps = [inverted_residual(inputs, width, 2)]
            steps += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            rows.append(nn.Sequential(*steps))
        self.stage2, self.stage3, self.stage4 = rows
        self.conv5 = nn.Sequential(*_pointwise(widths[-1], last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


# By the width in the name: channels of the three rows, and of the last convolution.
_WIDTHS = {
    0.5: [48, 96, 192, 1024],
    1.0: [116, 232, 464, 1024],
    1.5: [176, 352, 704, 1024],
    2.0: [244, 488, 976, 2048],
}


def _shufflenet(width: float, config: dict[str, Any]) -> ShuffleNetV2:
    return ShuffleNetV2([4, 8, 4], [24, *_WIDTHS[width]], **config)


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x0.5-f707e7126e", 1366792, (60.552, 81.746), 0.04, 5.282)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x1-5666bf0f80", 2278604, (69.362, 88.316), 0.145, 8.791)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "shufflenetv2_x1_5-3c479a10", 3503624, (72.996, 91.086), 0.296, 13.557, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "shufflenetv2_x2_0-8be3c8ee", 7393996, (76.23, 93.006), 0.583, 28.433, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


@register(ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2, 0.5 times as wide as the usual."""
    return _shufflenet(0.5, config)


@register(ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2 of the usual width."""
    return _shufflenet(1.0, config)


@register(ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2, 1.5 times as wide as the usual."""
    return _shufflenet(1.5, config)


@register(ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNet V2, 2.0 times as wide as the usual."""
    return _shufflenet(2.0, config)
