"""SqueezeNet: narrow, then wide, with few parameters."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...ops import cat
from ...tensor import Tensor
from .common import initialize, small_normal
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "SqueezeNet",
    "SqueezeNet1_0_Weights",
    "SqueezeNet1_1_Weights",
    "squeezenet1_0",
    "squeezenet1_1",
]


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 side by side: ``(n, c, h, w)`` and back."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        large = self.expand3x3_activation(self.expand3x3(x))
        return cat([small, large], 1)


# Width and size of the first filters; then each Fire, whose squeeze_planes is a quarter of its
# two other widths, which are equal; and M for pooling.
_VERSIONS = {
    "1_0": (96, 7, "M 64 64 128 M 128 192 192 256 M 256"),
    "1_1": (64, 3, "M 64 64 M 128 128 M 192 192 256 256"),
}


def _features(channels: int, kernel_size: int, row: str) -> nn.Sequential:
    layers = [nn.Conv2d(3, channels, kernel_size=kernel_size, stride=2), nn.ReLU(inplace=True)]
    for word in row.split():
        if word == "M":
            layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        else:
            width = int(word)
            layers.append(Fire(channels, width // 4, width, width))
            channels = 2 * width
    return nn.Sequential(*layers)


class SqueezeNet(nn.Module):
    """A row of :class:`Fire`, and a convolution whose channels are the classes.

    Args:
        version: ``"1_0"``, or ``"1_1"``, which needs less than half the multiplications
        dropout: the probability of a zero

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, h and w at least 21, or 17 for version 1_1

    Source: Iandola et al., SqueezeNet (arXiv 1602.07360).
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _VERSIONS:
            raise ArgumentError(
                f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected",
                "Write version='1_1'.",
            )
        self.num_classes = num_classes
        self.features = _features(*_VERSIONS[version])
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        initialize(
            self, lambda w: small_normal(w) if w is last.weight else nn.init.kaiming_uniform_(w)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


class SqueezeNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "squeezenet1_0-b66bff10", 1248424, (58.092, 80.42), 0.819, 4.778, min_size=21
    )
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "squeezenet1_1-b8a52dc0", 1235496, (58.178, 80.624), 0.349, 4.729, min_size=17
    )
    DEFAULT = IMAGENET1K_V1


@register(SqueezeNet1_0_Weights)
def squeezenet1_0(**config: Any) -> SqueezeNet:
    """SqueezeNet as in the paper."""
    return SqueezeNet("1_0", **config)


@register(SqueezeNet1_1_Weights)
def squeezenet1_1(**config: Any) -> SqueezeNet:
    """SqueezeNet that pools earlier, and so computes less."""
    return SqueezeNet("1_1", **config)
