"""ConvNeXt: a convolution network in the manner of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import creation, nn
from ...nn import functional as F
from ...tensor import Tensor
from ..ops import Conv2dNormActivation, Permute, StochasticDepth
from ..ops.misc import Layer
from .common import check_setting
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of images: ``(n, c, h, w) -> (n, c, h, w)``."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """Filter each channel by itself, mix channels twice, and add a little of that to the input.

    Args:
        layer_scale: how little, at first
        stochastic_depth_prob: the probability of adding nothing, in training
        norm_layer: called with the number of channels, for channels last; LayerNorm unless given
    """

    def __init__(
        self,
        dim: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm_layer(dim),
            nn.Linear(dim, 4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(4 * dim, dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(creation.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """A row of ``num_layers`` blocks, and how many channels come after it, None for the last."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class ConvNeXt(nn.Module):
    """Rows of :class:`CNBlock`, each of half the size of the one before.

    Args:
        block_setting: the settings of the rows
        stochastic_depth_prob: of the last block; that of the others grows evenly up to it
        layer_scale: at first, how much of a block is added to its input
        block: called as :class:`CNBlock` is
        norm_layer: called with the number of channels; LayerNorm over these unless given

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, h and w at least 32

    Source: Liu et al., A ConvNet for the 2020s (arXiv 2201.03545).
    """

    def __init__(
        self,
        block_setting: Sequence[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        **kwargs: Any,  # without a meaning, as in torchvision
    ) -> None:
        super().__init__()
        check_setting(block_setting, CNBlockConfig, "block_setting")
        block = block or CNBlock
        norm_layer = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                kernel_size=4,
                stride=4,
                padding=0,
                norm_layer=norm_layer,
                activation_layer=None,
                bias=True,
            )
        ]
        blocks = sum(cnf.num_layers for cnf in block_setting)
        done = 0
        for cnf in block_setting:
            row = []
            for _ in range(cnf.num_layers):
                chance = stochastic_depth_prob * done / (blocks - 1.0)
                row.append(block(cnf.input_channels, layer_scale, chance))
                done += 1
            layers.append(nn.Sequential(*row))
            if cnf.out_channels is not None:
                layers.append(
                    nn.Sequential(
                        norm_layer(cnf.input_channels),
                        nn.Conv2d(cnf.input_channels, cnf.out_channels, kernel_size=2, stride=2),
                    )
                )
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            norm_layer(last), nn.Flatten(1), nn.Linear(last, num_classes)
        )
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(
    width: int, lengths: list[int], stochastic_depth_prob: float, config: dict[str, Any]
) -> ConvNeXt:
    """Rows of these lengths, each twice as wide as the one before."""
    widths = [width, 2 * width, 4 * width, 8 * width]
    rows = zip(widths, [*widths[1:], None], lengths, strict=True)
    setting = [CNBlockConfig(*row) for row in rows]
    return ConvNeXt(setting, **{"stochastic_depth_prob": stochastic_depth_prob} | config)


_imagenet = partial(imagenet, min_size=32)


class ConvNeXt_Tiny_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_tiny-983f1562", 28589128, (82.52, 96.146), 4.456, 109.119, resize_size=236
    )
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_small-0c510722", 50223688, (83.616, 96.65), 8.684, 191.703, resize_size=230
    )
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_base-6075fbad", 88591464, (84.062, 96.87), 15.355, 338.064, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_large-ea097f82", 197767336, (84.414, 96.976), 34.361, 754.537, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


@register(ConvNeXt_Tiny_Weights)
def convnext_tiny(**config: Any) -> ConvNeXt:
    """ConvNeXt Tiny."""
    return _convnext(96, [3, 3, 9, 3], 0.1, config)


@register(ConvNeXt_Small_Weights)
def convnext_small(**config: Any) -> ConvNeXt:
    """ConvNeXt Small."""
    return _convnext(96, [3, 3, 27, 3], 0.4, config)


@register(ConvNeXt_Base_Weights)
def convnext_base(**config: Any) -> ConvNeXt:
    """ConvNeXt Base."""
    return _convnext(128, [3, 3, 27, 3], 0.5, config)


@register(ConvNeXt_Large_Weights)
def convnext_large(**config: Any) -> ConvNeXt:
    """ConvNeXt Large."""
    return _convnext(192, [3, 3, 27, 3], 0.5, config)
