"""VGG: 3x3 convolutions in rows of equal width."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from .common import fan_out_normal, initialize, small_normal
from .registry import load, register
from .weights import WeightsEnum, imagenet

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]


class VGG(nn.Module):
    """Any features, and three linear layers.

    Args:
        features: a module ``(n, 3, h, w) -> (n, 512, *, *)``
        init_weights: replace the first values that layers have by themselves
        dropout: the probability of a zero

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, h and w at least 32

    Source: Simonyan & Zisserman, Very deep convolutional networks for large-scale image
    recognition (arXiv 1409.1556).
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialize(self, fan_out_normal, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Table 1 of the paper: output channels of convolutions, and M for pooling.
_ROWS = {
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def _features(row: str, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for word in row.split():
        if word == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, int(word), kernel_size=3, padding=1))
        channels = int(word)
        if batch_norm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, config: dict[str, Any]) -> VGG:
    return VGG(_features(_ROWS[depth], batch_norm), **config)


def _load(
    architecture: Callable[..., VGG], weights: WeightsEnum, progress: bool, config: dict[str, Any]
) -> VGG:
    return load(architecture, weights, progress, config | {"init_weights": False})


_imagenet = partial(imagenet, min_size=32)


class VGG11_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg11-8a719046", 132863336, (69.020, 88.628), 7.609, 506.84)
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg11_bn-6002323d", 132868840, (70.370, 89.810), 7.609, 506.881)
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg13-19584684", 133047848, (69.928, 89.246), 11.308, 507.545)
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg13_bn-abd245e5", 133053736, (71.586, 90.374), 11.308, 507.59)
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg16-397923af", 138357544, (71.592, 90.382), 15.47, 527.796)
    # Without a classifier: `features` only, for images that are normalized in another way.
    IMAGENET1K_FEATURES = _imagenet(
        "vgg16_features-amdegroot-88682ab5",
        138357544,
        (float("nan"), float("nan")),
        15.47,
        527.802,
        num_classes=None,
        mean=(0.48235, 0.45882, 0.40784),
        std=(1 / 255, 1 / 255, 1 / 255),
    )
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg16_bn-6c64b313", 138365992, (73.360, 91.516), 15.47, 527.866)
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg19-dcbb9e9d", 143667240, (72.376, 90.876), 19.632, 548.051)
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg19_bn-c79401a0", 143678248, (74.218, 91.842), 19.632, 548.143)
    DEFAULT = IMAGENET1K_V1


@register(VGG11_Weights, _load)
def vgg11(**config: Any) -> VGG:
    """VGG with 8 convolutions."""
    return _vgg(11, False, config)


@register(VGG11_BN_Weights, _load)
def vgg11_bn(**config: Any) -> VGG:
    """VGG with 8 convolutions, and a BatchNorm after each."""
    return _vgg(11, True, config)


@register(VGG13_Weights, _load)
def vgg13(**config: Any) -> VGG:
    """VGG with 10 convolutions."""
    return _vgg(13, False, config)


@register(VGG13_BN_Weights, _load)
def vgg13_bn(**config: Any) -> VGG:
    """VGG with 10 convolutions, and a BatchNorm after each."""
    return _vgg(13, True, config)


@register(VGG16_Weights, _load)
def vgg16(**config: Any) -> VGG:
    """VGG with 13 convolutions."""
    return _vgg(16, False, config)


@register(VGG16_BN_Weights, _load)
def vgg16_bn(**config: Any) -> VGG:
    """VGG with 13 convolutions, and a BatchNorm after each."""
    return _vgg(16, True, config)


@register(VGG19_Weights, _load)
def vgg19(**config: Any) -> VGG:
    """VGG with 16 convolutions."""
    return _vgg(19, False, config)


@register(VGG19_BN_Weights, _load)
def vgg19_bn(**config: Any) -> VGG:
    """VGG with 16 convolutions, and a BatchNorm after each."""
    return _vgg(19, True, config)
