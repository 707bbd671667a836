"""DenseNet: each layer sees what all before it have found."""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial
from typing import Any

from ... import nn
from ...nn import functional as F
from ...ops import cat
from ...tensor import Tensor
from ...utils.checkpoint import checkpoint
from .common import initialize
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """All features so far to ``growth_rate`` new ones, by way of ``bn_size`` times as many."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        middle = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, middle, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(middle, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, *features: Tensor) -> Tensor:
        """The first half of the layer."""
        return self.conv1(self.relu1(self.norm1(cat(features, 1))))

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        features = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(x.requires_grad for x in features):
            x = checkpoint(self.bn_function, *features, use_reentrant=False)
        else:
            x = self.bn_function(*features)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        for key in [k for k in state_dict if k.startswith(prefix)]:  # published are norm.1, conv.2
            name = re.sub(r"^(norm|relu|conv)\.([12])\.", r"\1\2.", key[len(prefix) :])
            state_dict[prefix + name] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *others)


class _DenseBlock(nn.ModuleDict):
    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            self[f"denselayer{i + 1}"] = _DenseLayer(
                num_input_features + i * growth_rate,
                growth_rate,
                bn_size,
                drop_rate,
                memory_efficient,
            )

    _version = 2

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer features, at half the size."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            num_input_features, num_output_features, kernel_size=1, stride=1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Blocks of layers that see all that was found before, with transitions between.

    Args:
        growth_rate: features that each layer adds
        block_config: how many layers there are in each block
        num_init_features: of the first convolution
        bn_size: features inside a layer, in units of ``growth_rate``
        drop_rate: the probability of a zero after each layer
        memory_efficient: compute half of each layer again in the backward pass, not keep it

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, h and w at least 29

    Source: Huang et al., Densely connected convolutional networks (arXiv 1608.06993).
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, int, int, int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        features: OrderedDict[str, nn.Module] = OrderedDict()
        features["conv0"] = nn.Conv2d(
            3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False
        )
        features["norm0"] = nn.BatchNorm2d(num_init_features)
        features["relu0"] = nn.ReLU(inplace=True)
        features["pool0"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        width = num_init_features
        for i, num_layers in enumerate(block_config, 1):
            features[f"denseblock{i}"] = _DenseBlock(
                num_layers, width, bn_size, growth_rate, drop_rate, memory_efficient
            )
            width += num_layers * growth_rate
            if i != len(block_config):
                features[f"transition{i}"] = _Transition(width, width // 2)
                width //= 2
        features["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(features)
        self.classifier = nn.Linear(width, num_classes)
        initialize(self, nn.init.kaiming_normal_, lambda weight: None)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


_imagenet = partial(imagenet, min_size=29)


class DenseNet121_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet121-a639ec97", 7978856, (74.434, 91.972), 2.834, 30.845)
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet161-8d451a50", 28681000, (77.138, 93.56), 7.728, 110.369)
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet169-b2777c0a", 14149480, (75.6, 92.806), 3.36, 54.708)
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet201-c1103571", 20013928, (76.896, 93.37), 4.291, 77.373)
    DEFAULT = IMAGENET1K_V1


@register(DenseNet121_Weights)
def densenet121(**config: Any) -> DenseNet:
    """DenseNet with 121 layers."""
    return DenseNet(32, (6, 12, 24, 16), 64, **config)


@register(DenseNet161_Weights)
def densenet161(**config: Any) -> DenseNet:
    """DenseNet with 161 layers."""
    return DenseNet(48, (6, 12, 36, 24), 96, **config)


@register(DenseNet169_Weights)
def densenet169(**config: Any) -> DenseNet:
    """DenseNet with 169 layers."""
    return DenseNet(32, (6, 12, 32, 32), 64, **config)


@register(DenseNet201_Weights)
def densenet201(**config: Any) -> DenseNet:
    """DenseNet with 201 layers."""
    return DenseNet(32, (6, 12, 48, 32), 64, **config)
