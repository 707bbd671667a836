"""Inception V3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor
from ..ops.misc import Layer
from .inception_blocks import (
    BasicConv2d,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
    centred,
    truncated_normal,
)
from .registry import fixed, load, register
from .weights import WeightsEnum, imagenet

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "inception_v3"]


class InceptionOutputs(NamedTuple):
    """What :class:`Inception3` returns in training."""

    logits: Tensor
    aux_logits: Tensor | None


class Inception3(nn.Module):
    """Convolutions of several sizes side by side, and a second classifier for training.

    Args:
        aux_logits: have the second classifier
        transform_input: expect images that are normalized with the numbers of ImageNet
        inception_blocks: seven classes: of convolutions, of the parts A to E, of the classifier
        init_weights: draw first values anew, which True and None do
        dropout: the probability of a zero before the last layer

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``, in training :class:`InceptionOutputs`; h and w at
        least 75, and 299 as published

    Source: Szegedy et al., Rethinking the Inception architecture for computer vision
    (arXiv 1512.00567).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: list[Layer] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        blocks: list[Layer] = inception_blocks or [
            BasicConv2d,
            InceptionA,
            InceptionB,
            InceptionC,
            InceptionD,
            InceptionE,
            InceptionAux,
        ]
        if len(blocks) != 7:
            raise ArgumentError(
                f"length of inception_blocks should be 7 instead of {len(blocks)}",
                "They are a convolution, the parts A to E, and the second classifier.",
            )
        conv, a, b, c, d, e, aux = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits: nn.Module | None = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is not False:
            truncated_normal(self, 0.1)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        x = centred(x) if self.transform_input else x
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        aux = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


def _load(
    architecture: Callable[..., Inception3],
    weights: WeightsEnum,
    progress: bool,
    config: dict[str, Any],
) -> Inception3:
    config = {"transform_input": True} | fixed(config, aux_logits=True, init_weights=False)
    return load(architecture, weights, progress, config)


class Inception_V3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "inception_v3_google-0cc3c7bd",
        27161264,
        (77.294, 93.45),
        5.713,
        103.903,
        crop_size=299,
        resize_size=342,
        min_size=75,
    )
    DEFAULT = IMAGENET1K_V1


@register(Inception_V3_Weights, _load)
def inception_v3(**config: Any) -> Inception3:
    """Inception V3, for images of 299x299."""
    return Inception3(**config)
