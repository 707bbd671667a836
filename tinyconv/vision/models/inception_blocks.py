"""Convolutions of several sizes side by side: the parts of Inception V3."""

from __future__ import annotations

from typing import Any

from ... import creation, nn
from ...nn import functional as F
from ...ops import cat
from ...tensor import Tensor
from ..ops.misc import Layer

__all__ = [
    "BasicConv2d",
    "InceptionA",
    "InceptionAux",
    "InceptionB",
    "InceptionC",
    "InceptionD",
    "InceptionE",
    "centred",
    "truncated_normal",
]


def centred(x: Tensor) -> Tensor:
    """Normalize with 0.5 for all channels what is normalized with the numbers of ImageNet."""
    like: dict[str, Any] = {"dtype": x.dtype, "device": x.device}
    std = creation.tensor([v / 0.5 for v in (0.229, 0.224, 0.225)], **like)
    mean = creation.tensor([(v - 0.5) / 0.5 for v in (0.485, 0.456, 0.406)], **like)
    return x[:, :3] * std.view(3, 1, 1) + mean.view(3, 1, 1)


def truncated_normal(model: nn.Module, std: float) -> None:
    """Fill weights from a normal distribution cut at -2 and 2; ``stddev`` of a layer goes first."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(layer.weight, std=getattr(layer, "stddev", std))
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


class BasicConv2d(nn.Module):
    """A convolution, a BatchNorm, a ReLU; ``kwargs`` as for Conv2d."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Mixed(nn.Module):
    """Branches of convolutions, and pooling, all of whose channels come out side by side.

    A branch is a list of (channels, kernel) or, where the size is halved, (channels, kernel, 2).
    Its layers are called ``branch_1``, ``branch_2``, ..., or just ``branch`` where there is one. A
    list of kernels is a fork into ``branch_2a`` and ``branch_2b``, whose channels are joined.
    What is called ``branch_pool`` comes after average pooling. Without it, there is a branch of
    maximum pooling.
    """

    def __init__(
        self, channels: int, conv_block: Layer | None, **branches: list[tuple[Any, ...]]
    ) -> None:
        super().__init__()
        self.paths: dict[str, list[list[str]]] = {}  # names of layers; more than one in a fork
        for branch, steps in branches.items():
            path = self.paths[branch] = []
            inputs = channels
            for i, (outputs, kernel, *stride) in enumerate(steps, 1):
                name = branch if len(steps) == 1 else f"{branch}_{i}"
                fork = kernel if isinstance(kernel, list) else [kernel]
                names = [name] if len(fork) == 1 else [f"{name}{letter}" for letter in "ab"]
                for name, kernel in zip(names, fork, strict=True):
                    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
                    place = (
                        {"stride": stride[0]}
                        if stride
                        else {"padding": tuple(side // 2 for side in sides)}
                    )
                    block = conv_block or BasicConv2d
                    self.add_module(name, block(inputs, outputs, kernel_size=kernel, **place))
                path.append(names)
                inputs = outputs

    def _branch(self, name: str, x: Tensor) -> Tensor:
        for names in self.paths[name]:
            parts = [self.get_submodule(name)(x) for name in names]
            x = parts[0] if len(parts) == 1 else cat(parts, 1)
        return x

    def forward(self, x: Tensor) -> Tensor:
        results = [self._branch(name, x) for name in self.paths if name != "branch_pool"]
        if "branch_pool" in self.paths:
            mean = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
            results.append(self._branch("branch_pool", mean))
        else:
            results.append(F.max_pool2d(x, kernel_size=3, stride=2))
        return cat(results, 1)


class InceptionA(_Mixed):
    """Figure 5 of the paper."""

    def __init__(
        self, in_channels: int, pool_features: int, conv_block: Layer | None = None
    ) -> None:
        super().__init__(
            in_channels,
            conv_block,
            branch1x1=[(64, 1)],
            branch5x5=[(48, 1), (64, 5)],
            branch3x3dbl=[(64, 1), (96, 3), (96, 3)],
            branch_pool=[(pool_features, 1)],
        )


class InceptionB(_Mixed):
    """Figure 10 of the paper: half the size."""

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        super().__init__(
            in_channels,
            conv_block,
            branch3x3=[(384, 3, 2)],
            branch3x3dbl=[(64, 1), (96, 3), (96, 3, 2)],
        )


class InceptionC(_Mixed):
    """Figure 6 of the paper: long filters in both directions."""

    def __init__(
        self, in_channels: int, channels_7x7: int, conv_block: Layer | None = None
    ) -> None:
        c7, wide, high = channels_7x7, (1, 7), (7, 1)
        super().__init__(
            in_channels,
            conv_block,
            branch1x1=[(192, 1)],
            branch7x7=[(c7, 1), (c7, wide), (192, high)],
            branch7x7dbl=[(c7, 1), (c7, high), (c7, wide), (c7, high), (192, wide)],
            branch_pool=[(192, 1)],
        )


class InceptionD(_Mixed):
    """Half the size, after long filters."""

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        super().__init__(
            in_channels,
            conv_block,
            branch3x3=[(192, 1), (320, 3, 2)],
            branch7x7x3=[(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)],
        )


class InceptionE(_Mixed):
    """Figure 7 of the paper: filters of both directions side by side."""

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        both = [(1, 3), (3, 1)]
        super().__init__(
            in_channels,
            conv_block,
            branch1x1=[(320, 1)],
            branch3x3=[(384, 1), (384, both)],
            branch3x3dbl=[(448, 1), (384, 3), (384, both)],
            branch_pool=[(192, 1)],
        )


class InceptionAux(nn.Module):
    """A second classifier, half-way, for training: ``(n, c, 17, 17) -> (n, num_classes)``."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))
