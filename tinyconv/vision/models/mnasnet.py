"""MNASNet: found by a search for networks that are fast on telephones."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor
from .common import fan_out_normal, initialize, make_divisible
from .registry import register
from .weights import WeightsEnum, imagenet

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]


_MOMENTUM = 1 - 0.9997  # of the published network's BatchNorm, in torch's sense


def _normed(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution that keeps the size where ``stride`` is 1, and a BatchNorm."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel, padding=kernel // 2, stride=stride, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs, momentum=_MOMENTUM)]


class _InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; and add the input where sizes agree."""

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int
    ) -> None:
        super().__init__()
        middle = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *_normed(in_ch, middle, 1),
            nn.ReLU(inplace=True),
            *_normed(middle, middle, kernel_size, stride, groups=middle),
            nn.ReLU(inplace=True),
            *_normed(middle, out_ch, 1),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _stack(
    in_ch: int, out_ch: int, kernel_size: int, stride: int, factor: int, repeats: int
) -> nn.Sequential:
    return nn.Sequential(
        _InvertedResidual(in_ch, out_ch, kernel_size, stride, factor),
        *(_InvertedResidual(out_ch, out_ch, kernel_size, 1, factor) for _ in range(repeats - 1)),
    )


def _stem(first: int, second: int) -> list[nn.Module]:
    return [
        *_normed(3, first, 3, stride=2),
        nn.ReLU(inplace=True),
        *_normed(first, first, 3, groups=first),
        nn.ReLU(inplace=True),
        *_normed(first, second, 1),
    ]


# Figure 7 of the paper: kernel, stride, expansion factor and length of each row of blocks.
_ROWS = [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)]


class MNASNet(nn.Module):
    """Six rows of blocks.

    Args:
        alpha: how wide it is
        dropout: the probability of a zero before the last layer

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: Tan et al., MnasNet: platform-aware neural architecture search for mobile
    (arXiv 1807.11626).
    """

    _version = 2  # in files of version 1, the first layers had the same width for every alpha

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ArgumentError(
                f"alpha should be greater than 0.0 instead of {alpha}", "1.0 is the usual width."
            )
        self.alpha = alpha
        self.num_classes = num_classes
        first, *widths = (make_divisible(alpha * n, 8) for n in (32, 16, 24, 40, 80, 96, 192, 320))
        self.layers = nn.Sequential(
            *_stem(first, widths[0]),
            *(
                _stack(inputs, outputs, *row)
                for inputs, outputs, row in zip(widths, widths[1:], _ROWS, strict=False)
            ),
            *_normed(widths[-1], 1280, 1),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        initialize(
            self,
            fan_out_normal,
            partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        version = local_metadata.get("version", self._version)
        if version not in (1, 2):
            raise ArgumentError(
                f"version should be set to 1 or 2 instead of {version}",
                "The file comes from a version of the network that is not known here.",
            )
        if version == 1 and self.alpha != 1.0:
            width = make_divisible(self.alpha * 24, 8)
            for i, layer in enumerate([*_stem(32, 16), _stack(16, width, *_ROWS[0])]):
                self.layers[i] = layer
            self._version = 1
            warnings.warn(
                "A new version of MNASNet model has been implemented. Your checkpoint was saved "
                "using the previous version. This checkpoint will load and work as before.",
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


class MNASNet0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "mnasnet0.5_top1_67.823-3ffadce67e", 2218512, (67.734, 87.49), 0.104, 8.591
    )
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "mnasnet0_75-7090bc5f", 3170208, (71.18, 90.496), 0.215, 12.303, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "mnasnet1.0_top1_73.512-f206786ef8", 4383312, (73.456, 91.51), 0.314, 16.915
    )
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "mnasnet1_3-a4c69d6f", 6282256, (76.506, 93.522), 0.526, 24.246, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


@register(MNASNet0_5_Weights)
def mnasnet0_5(**config: Any) -> MNASNet:
    """MNASNet, 0.5 times as wide as the usual."""
    return MNASNet(0.5, **config)


@register(MNASNet0_75_Weights)
def mnasnet0_75(**config: Any) -> MNASNet:
    """MNASNet, 0.75 times as wide as the usual."""
    return MNASNet(0.75, **config)


@register(MNASNet1_0_Weights)
def mnasnet1_0(**config: Any) -> MNASNet:
    """MNASNet of the usual width."""
    return MNASNet(1.0, **config)


@register(MNASNet1_3_Weights)
def mnasnet1_3(**config: Any) -> MNASNet:
    """MNASNet, 1.3 times as wide as the usual."""
    return MNASNet(1.3, **config)
