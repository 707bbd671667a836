"""EfficientNet: depth, width and size of images grow together. V2 also joins convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, Layer
from .common import check_setting, fan_out_normal, initialize
from .efficientnet_blocks import BlockConfig, FusedMBConvConfig, MBConvConfig
from .efficientnet_blocks import FusedMBConv as FusedMBConv
from .efficientnet_blocks import MBConv as MBConv
from .efficientnet_weights import (
    EfficientNet_B0_Weights,
    EfficientNet_B1_Weights,
    EfficientNet_B2_Weights,
    EfficientNet_B3_Weights,
    EfficientNet_B4_Weights,
    EfficientNet_B5_Weights,
    EfficientNet_B6_Weights,
    EfficientNet_B7_Weights,
    EfficientNet_V2_L_Weights,
    EfficientNet_V2_M_Weights,
    EfficientNet_V2_S_Weights,
)
from .registry import register

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]


def _uniform(weight: Tensor) -> None:
    bound = 1.0 / math.sqrt(len(weight))
    nn.init.uniform_(weight, -bound, bound)


class EfficientNet(nn.Module):
    """Rows of blocks.

    Args:
        inverted_residual_setting: the settings of the rows
        dropout: the probability of a zero before the last layer
        stochastic_depth_prob: the probability of leaving a block out, for one after the last; that
            of the others grows evenly up to it
        norm_layer: called with the number of channels; BatchNorm2d unless given
        last_channel: features before the last layer; four times those of the blocks unless given

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: Tan & Le, EfficientNet: rethinking model scaling for convolutional neural networks
    (arXiv 1905.11946), and EfficientNetV2: smaller models and faster training (arXiv 2104.00298).
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[BlockConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        check_setting(setting, BlockConfig, "inverted_residual_setting", "MBConvConfig")
        norm_layer = norm_layer or nn.BatchNorm2d
        activated = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [activated(3, setting[0].input_channels, kernel_size=3, stride=2)]
        blocks = sum(cnf.num_layers for cnf in setting)
        done = 0
        for cnf in setting:
            row = []
            for settings in [cnf] + [cnf.following()] * (cnf.num_layers - 1):
                chance = stochastic_depth_prob * done / blocks
                row.append(settings.block(settings, chance, norm_layer))
                done += 1
            layers.append(nn.Sequential(*row))
        outputs = setting[-1].out_channels
        last = 4 * outputs if last_channel is None else last_channel
        layers.append(activated(outputs, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes)
        )
        initialize(self, fan_out_normal, _uniform)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Each row: expand_ratio, kernel, stride, input and output channels, how many blocks.
_B0 = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
]
_V2 = {  # the first three rows are of fused blocks
    "s": [
        (1, 3, 1, 24, 24, 2),
        (4, 3, 2, 24, 48, 4),
        (4, 3, 2, 48, 64, 4),
        (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9),
        (6, 3, 2, 160, 256, 15),
    ],
    "m": [
        (1, 3, 1, 24, 24, 3),
        (4, 3, 2, 24, 48, 5),
        (4, 3, 2, 48, 80, 5),
        (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14),
        (6, 3, 2, 176, 304, 18),
        (6, 3, 1, 304, 512, 5),
    ],
    "l": [
        (1, 3, 1, 32, 32, 4),
        (4, 3, 2, 32, 64, 7),
        (4, 3, 2, 64, 96, 7),
        (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19),
        (6, 3, 2, 224, 384, 25),
        (6, 3, 1, 384, 640, 7),
    ],
}


def _b(
    width_mult: float, depth_mult: float, dropout: float, config: dict[str, Any], **more: Any
) -> EfficientNet:
    rows = [MBConvConfig(*row, width_mult=width_mult, depth_mult=depth_mult) for row in _B0]
    return EfficientNet(rows, **{"dropout": dropout} | config, **more)


def _v2(size: str, dropout: float, config: dict[str, Any]) -> EfficientNet:
    rows: list[BlockConfig] = [FusedMBConvConfig(*row) for row in _V2[size][:3]]
    rows += [MBConvConfig(*row) for row in _V2[size][3:]]
    norm = partial(nn.BatchNorm2d, eps=1e-3)
    return EfficientNet(rows, **{"dropout": dropout} | config, last_channel=1280, norm_layer=norm)


_other_norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


@register(EfficientNet_B0_Weights)
def efficientnet_b0(**config: Any) -> EfficientNet:
    """EfficientNet B0, for images of 224x224."""
    return _b(1.0, 1.0, 0.2, config)


@register(EfficientNet_B1_Weights)
def efficientnet_b1(**config: Any) -> EfficientNet:
    """EfficientNet B1, for images of 240x240."""
    return _b(1.0, 1.1, 0.2, config)


@register(EfficientNet_B2_Weights)
def efficientnet_b2(**config: Any) -> EfficientNet:
    """EfficientNet B2, for images of 288x288."""
    return _b(1.1, 1.2, 0.3, config)


@register(EfficientNet_B3_Weights)
def efficientnet_b3(**config: Any) -> EfficientNet:
    """EfficientNet B3, for images of 300x300."""
    return _b(1.2, 1.4, 0.3, config)


@register(EfficientNet_B4_Weights)
def efficientnet_b4(**config: Any) -> EfficientNet:
    """EfficientNet B4, for images of 380x380."""
    return _b(1.4, 1.8, 0.4, config)


@register(EfficientNet_B5_Weights)
def efficientnet_b5(**config: Any) -> EfficientNet:
    """EfficientNet B5, for images of 456x456."""
    return _b(1.6, 2.2, 0.4, config, norm_layer=_other_norm)


@register(EfficientNet_B6_Weights)
def efficientnet_b6(**config: Any) -> EfficientNet:
    """EfficientNet B6, for images of 528x528."""
    return _b(1.8, 2.6, 0.5, config, norm_layer=_other_norm)


@register(EfficientNet_B7_Weights)
def efficientnet_b7(**config: Any) -> EfficientNet:
    """EfficientNet B7, for images of 600x600."""
    return _b(2.0, 3.1, 0.5, config, norm_layer=_other_norm)


@register(EfficientNet_V2_S_Weights)
def efficientnet_v2_s(**config: Any) -> EfficientNet:
    """EfficientNet V2 S, for images of 384x384."""
    return _v2("s", 0.2, config)


@register(EfficientNet_V2_M_Weights)
def efficientnet_v2_m(**config: Any) -> EfficientNet:
    """EfficientNet V2 M, for images of 480x480."""
    return _v2("m", 0.3, config)


@register(EfficientNet_V2_L_Weights)
def efficientnet_v2_l(**config: Any) -> EfficientNet:
    """EfficientNet V2 L, for images of 480x480."""
    return _v2("l", 0.4, config)
