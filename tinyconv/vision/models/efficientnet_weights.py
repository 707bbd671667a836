"""Published weights of EfficientNets."""

from __future__ import annotations

from functools import partial

from ..transforms import InterpolationMode
from .weights import WeightsEnum, imagenet

__all__ = [
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
]

_imagenet = partial(imagenet, interpolation=InterpolationMode.BICUBIC)


class EfficientNet_B0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b0_rwightman-7f5810bc", 5288548, (77.692, 93.532), 0.386, 20.451, 224
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b1_rwightman-bac287d4", 7794184, (78.642, 94.186), 0.687, 30.134, 240
    )
    IMAGENET1K_V2 = _imagenet(
        "efficientnet_b1-c27df63c",
        7794184,
        (79.838, 94.934),
        0.687,
        30.136,
        240,
        255,
        interpolation=InterpolationMode.BILINEAR,
    )
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b2_rwightman-c35c1473", 9109994, (80.608, 95.31), 1.088, 35.174, 288, 288
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b3_rwightman-b3899882", 12233232, (82.008, 96.054), 1.827, 47.184, 300, 320
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b4_rwightman-23ab8bcd", 19341616, (83.384, 96.594), 4.394, 74.489, 380, 384
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b5_lukemelas-1a07897c", 30389784, (83.444, 96.628), 10.266, 116.864, 456, 456
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b6_lukemelas-24a108a5", 43040704, (84.008, 96.916), 19.068, 165.362, 528, 528
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e", 66347960, (84.122, 96.908), 37.746, 254.675, 600, 600
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_s-dd5fe13b",
        21458488,
        (84.228, 96.878),
        8.366,
        82.704,
        384,
        384,
        min_size=33,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_m-dc08266a",
        54139356,
        (85.112, 97.156),
        24.582,
        208.01,
        480,
        480,
        min_size=33,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_l-59c71312",
        118515272,
        (85.808, 97.788),
        56.08,
        454.573,
        480,
        480,
        interpolation=InterpolationMode.BICUBIC,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        min_size=33,
    )
    DEFAULT = IMAGENET1K_V1
