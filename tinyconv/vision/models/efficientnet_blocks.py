"""The blocks of an EfficientNet, and their settings."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Self

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, Layer, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from .common import make_divisible

__all__ = ["BlockConfig", "FusedMBConv", "FusedMBConvConfig", "MBConv", "MBConvConfig"]


@dataclass
class BlockConfig:
    """A row of blocks.

    Args:
        expand_ratio: channels inside a block, in units of its input
        kernel: height and width of filters
        stride: of the first block
        num_layers: how many blocks there are
        block: called with these settings, the probability of leaving it out, and a norm_layer
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Multiply and round a number of channels."""
        return make_divisible(channels * width_mult, 8, min_value)

    def following(self) -> Self:
        """The settings of the blocks after the first."""
        other = copy.copy(self)
        other.input_channels = self.out_channels
        other.stride = 1
        return other


class MBConvConfig(BlockConfig):
    """A row of table 1 of the first paper, made wider and longer; or one of V2."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """Multiply a number of blocks and round it up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(BlockConfig):
    """A row of table 4 of the second paper."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            input_channels,
            out_channels,
            num_layers,
            block or FusedMBConv,
        )


class _Block(nn.Module):
    """Layers, whose input is added to what they make of it where sizes agree."""

    def __init__(self, cnf: BlockConfig, stochastic_depth_prob: float, *layers: nn.Module) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ArgumentError("illegal stride value", f"It is 1 or 2, not {cnf.stride}.")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """Widen, filter each channel by itself, weigh channels, narrow."""

    def __init__(
        self,
        cnf: BlockConfig,
        stochastic_depth_prob: float,
        norm_layer: Layer,
        se_layer: Layer = SqueezeExcitation,
    ) -> None:
        inputs, outputs = cnf.input_channels, cnf.out_channels
        width = cnf.adjust_channels(inputs, cnf.expand_ratio)
        normed = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        widen = [normed(inputs, width, kernel_size=1)] if width != inputs else []
        super().__init__(
            cnf,
            stochastic_depth_prob,
            *widen,
            normed(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width),
            se_layer(width, max(1, inputs // 4), activation=partial(nn.SiLU, inplace=True)),
            normed(width, outputs, kernel_size=1, activation_layer=None),
        )


class FusedMBConv(_Block):
    """Widen with large filters, narrow; or one convolution where there is nothing to widen."""

    def __init__(self, cnf: BlockConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        inputs, outputs = cnf.input_channels, cnf.out_channels
        width = cnf.adjust_channels(inputs, cnf.expand_ratio)
        normed = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        filters = partial(normed, kernel_size=cnf.kernel, stride=cnf.stride)
        layers = (
            [
                filters(inputs, width),
                normed(width, outputs, kernel_size=1, activation_layer=None),
            ]
            if width != inputs
            else [filters(inputs, outputs)]
        )
        super().__init__(cnf, stochastic_depth_prob, *layers)
