"""ResNet and its relatives: wider ones, and ResNeXt with convolutions in groups."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor
from ..ops.misc import Layer
from .common import fan_out_normal, initialize
from .registry import fixed, register
from .residual import BasicBlock, Block, Bottleneck, conv1x1
from .residual import conv3x3 as conv3x3
from .weights import WeightsEnum, imagenet

__all__ = [
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]


class ResNet(nn.Module):
    """Four rows of blocks, each of half the size and twice the channels of the one before.

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`
        layers: how many blocks there are in each row
        zero_init_residual: start with branches that add nothing
        groups: of 3x3 convolutions
        width_per_group: channels in a group of the first row, in a :class:`Bottleneck`
        replace_stride_with_dilation: for the last three rows, keep the size and spread the filters
        norm_layer: called with the number of channels; BatchNorm2d unless given

    Shape:
        ``(n, 3, h, w) -> (n, num_classes)``

    Source: He et al., Deep residual learning for image recognition (arXiv 1512.03385).
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ArgumentError(
                "replace_stride_with_dilation should be None or a 3-element tuple, "
                f"got {replace_stride_with_dilation}",
                "One for each row of blocks after the first.",
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialize(self, fan_out_normal)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, Block) and getattr(m, m.last).weight is not None:
                    nn.init.zeros_(getattr(m, m.last).weight)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        before = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, outputs, stride), self._norm_layer(outputs)
            )
        shape = (self.groups, self.base_width)
        row = [block(self.inplanes, planes, stride, downsample, *shape, before, self._norm_layer)]
        self.inplanes = outputs
        for _ in range(1, blocks):
            row.append(block(outputs, planes, 1, None, *shape, self.dilation, self._norm_layer))
        return nn.Sequential(*row)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet18-f37072fd", 11689512, (69.758, 89.078), 1.814, 44.661)
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet34-b627a593", 21797672, (73.314, 91.42), 3.664, 83.275)
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet50-0676ba61", 25557032, (76.13, 92.862), 4.089, 97.781)
    IMAGENET1K_V2 = imagenet(
        "resnet50-11ad3fa6", 25557032, (80.858, 95.434), 4.089, 97.79, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet101-63fe2227", 44549160, (77.374, 93.546), 7.801, 170.511)
    IMAGENET1K_V2 = imagenet(
        "resnet101-cd907fc2", 44549160, (81.886, 95.78), 7.801, 170.53, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet152-394f9c45", 60192808, (78.312, 94.046), 11.514, 230.434)
    IMAGENET1K_V2 = imagenet(
        "resnet152-f82ba261", 60192808, (82.284, 96.002), 11.514, 230.474, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnext50_32x4d-7cdf4587", 25028904, (77.618, 93.698), 4.23, 95.789)
    IMAGENET1K_V2 = imagenet(
        "resnext50_32x4d-1a0047aa", 25028904, (81.198, 95.34), 4.23, 95.833, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "resnext101_32x8d-8ba56ff5", 88791336, (79.312, 94.526), 16.414, 339.586
    )
    IMAGENET1K_V2 = imagenet(
        "resnext101_32x8d-110c445d", 88791336, (82.834, 96.228), 16.414, 339.673, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "resnext101_64x4d-173b62eb", 83455272, (83.246, 96.454), 15.46, 319.318, resize_size=232
    )
    DEFAULT = IMAGENET1K_V1


class Wide_ResNet50_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("wide_resnet50_2-95faca4d", 68883240, (78.468, 94.086), 11.398, 131.82)
    IMAGENET1K_V2 = imagenet(
        "wide_resnet50_2-9ba9bcbe", 68883240, (81.602, 95.758), 11.398, 263.124, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "wide_resnet101_2-32ee1156", 126886696, (78.848, 94.284), 22.753, 242.896
    )
    IMAGENET1K_V2 = imagenet(
        "wide_resnet101_2-d733dc28", 126886696, (82.51, 96.02), 22.753, 484.747, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


@register(ResNet18_Weights)
def resnet18(**config: Any) -> ResNet:
    """ResNet with 18 layers."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **config)


@register(ResNet34_Weights)
def resnet34(**config: Any) -> ResNet:
    """ResNet with 34 layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **config)


@register(ResNet50_Weights)
def resnet50(**config: Any) -> ResNet:
    """ResNet with 50 layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **config)


@register(ResNet101_Weights)
def resnet101(**config: Any) -> ResNet:
    """ResNet with 101 layers."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **config)


@register(ResNet152_Weights)
def resnet152(**config: Any) -> ResNet:
    """ResNet with 152 layers."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **config)


@register(ResNeXt50_32X4D_Weights)
def resnext50_32x4d(**config: Any) -> ResNet:
    """ResNeXt-50: 32 groups of 4 channels (Xie et al., arXiv 1611.05431)."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **fixed(config, groups=32, width_per_group=4))


@register(ResNeXt101_32X8D_Weights)
def resnext101_32x8d(**config: Any) -> ResNet:
    """ResNeXt-101 with 32 groups of 8 channels."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **fixed(config, groups=32, width_per_group=8))


@register(ResNeXt101_64X4D_Weights)
def resnext101_64x4d(**config: Any) -> ResNet:
    """ResNeXt-101 with 64 groups of 4 channels."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **fixed(config, groups=64, width_per_group=4))


@register(Wide_ResNet50_2_Weights)
def wide_resnet50_2(**config: Any) -> ResNet:
    """ResNet-50, twice as wide inside the blocks (Zagoruyko & Komodakis, arXiv 1605.07146)."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **fixed(config, width_per_group=128))


@register(Wide_ResNet101_2_Weights)
def wide_resnet101_2(**config: Any) -> ResNet:
    """ResNet-101, twice as wide inside the blocks."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **fixed(config, width_per_group=128))
