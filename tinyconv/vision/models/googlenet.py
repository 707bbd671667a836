"""GoogLeNet: the first network with convolutions of several sizes side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import nn
from ...errors import ArgumentError
from ...nn import functional as F
from ...ops import cat
from ...tensor import Tensor
from ..ops.misc import Layer
from .inception_blocks import BasicConv2d, centred, truncated_normal
from .registry import fixed, load, register
from .weights import WeightsEnum, imagenet

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "googlenet"]


class GoogLeNetOutputs(NamedTuple):
    """What :class:`GoogLeNet` returns in training."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class Inception(nn.Module):
    """Four branches side by side, the last after pooling. (What is named 5x5 is 3x3, as published.)

    Shape:
        ``(n, in_channels, h, w) -> (n, ch1x1 + ch3x3 + ch5x5 + pool_proj, h, w)``
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Layer | None = None,
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier on the way, for training: ``(n, in_channels, h, w) -> (n, num_classes)``."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Layer | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Nine :class:`Inception` in a row, and two more classifiers for training.

    Args:
        aux_logits: have the two classifiers
        transform_input: expect images that are normalized with the numbers of ImageNet
        init_weights: draw first values anew, which True and None do
        blocks: three classes: of convolutions, of branches, of classifiers on the way
        dropout: the probability of a zero before the last layer
        dropout_aux: that in the two classifiers

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, in training :class:`GoogLeNetOutputs`; h and w at
        least 15

    Source: Szegedy et al., Going deeper with convolutions (arXiv 1409.4842).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[Layer] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        blocks = blocks or [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ArgumentError(
                f"blocks length should be 3 instead of {len(blocks)}",
                "They are a convolution, a module of branches, and a classifier.",
            )
        conv, inception, aux = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1: nn.Module | None = None
        self.aux2: nn.Module | None = None
        if aux_logits:
            self.aux1 = aux(512, num_classes, dropout=dropout_aux)
            self.aux2 = aux(528, num_classes, dropout=dropout_aux)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is not False:
            truncated_normal(self, 0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        x = centred(x) if self.transform_input else x
        x = self.conv3(self.conv2(self.maxpool1(self.conv1(x))))
        x = self.inception3b(self.inception3a(self.maxpool2(x)))
        x = self.inception4a(self.maxpool3(x))
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        x = self.fc(self.dropout(x.flatten(1)))
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


def _load(
    architecture: Callable[..., GoogLeNet],
    weights: WeightsEnum,
    progress: bool,
    config: dict[str, Any],
) -> GoogLeNet:
    """The file has both classifiers on the way, but not trained: they go, unless asked for."""
    wanted = config.get("aux_logits", False)
    config = {"transform_input": True} | fixed(config, aux_logits=True, init_weights=False)
    model = load(architecture, weights, progress, config)
    if wanted:
        warnings.warn(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to "
            "train them",
            stacklevel=3,
        )
    else:
        model.aux_logits = False
        model.aux1 = model.aux2 = None
    return model


class GoogLeNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "googlenet-1378be20", 6624904, (69.778, 89.53), 1.498, 49.731, min_size=15
    )
    DEFAULT = IMAGENET1K_V1


@register(GoogLeNet_Weights, _load)
def googlenet(**config: Any) -> GoogLeNet:
    """GoogLeNet; with weights, ``aux_logits=True`` keeps the classifiers on the way."""
    return GoogLeNet(**config)
