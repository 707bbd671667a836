"""The networks that are timed; ``make(lib)`` builds each in tinyconv or in torch, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A network with the batch and the optimizer it is trained with."""

    name: str
    about: str
    make: Callable[[Any], Any]
    batch: int
    image: tuple[int, int, int]
    classes: int
    optimizer: str
    settings: dict[str, float]

    def __str__(self) -> str:
        return f"{self.name}, batch {self.batch} ({self.about})"

    def network(self, lib: Any) -> Any:
        """The network, with the weights of seed 0."""
        lib.manual_seed(0)
        return self.make(lib)

    def data(self, lib: Any, batch: int | None = None) -> tuple[Any, Any]:
        """Random images and labels, the same in both libraries."""
        lib.manual_seed(1)
        n = batch or self.batch
        return lib.randn(n, *self.image), lib.randint(0, self.classes, (n,))


def two_convolutions(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16384, 10),
    )  # fmt: skip


def batch_norm_blocks(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *_conv_bn_relu(nn, 3, 32),
        *_conv_bn_relu(nn, 32, 64), nn.MaxPool2d(2),
        *_conv_bn_relu(nn, 64, 128), nn.MaxPool2d(2),
        *_conv_bn_relu(nn, 128, 64), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 100),
    )  # fmt: skip


def mnist_pool_first(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(2304, 600), nn.ReLU(), nn.Linear(600, 120), nn.ReLU(), nn.Linear(120, 10),
    )  # fmt: skip


def fashion_mnist(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def lenet(lib: Any) -> Any:
    """LeNet-5 (LeCun et al., 1998) as it is taught: ReLU and the largest of each 2x2."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg16(lib: Any) -> Any:
    """VGG16 with BatchNorm (Simonyan & Zisserman, 2015, column D); at 32x32 one linear layer remains."""
    nn = lib.nn
    layers: list[Any] = []
    width = 3
    for wide, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += _conv_bn_relu(nn, width, wide)
            width = wide
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def resnet18(lib: Any) -> Any:
    """ResNet-18 (He et al., 2016) for CIFAR: a 3x3 stem and no first pooling."""
    nn, residual = lib.nn, _residual(lib)

    def block(i: int, o: int, stride: int) -> list[Any]:
        body = nn.Sequential(*_conv_bn_relu(nn, i, o, stride=stride), *_conv_bn(nn, o, o))
        same = i == o and stride == 1
        around = nn.Identity() if same else nn.Sequential(*_conv_bn(nn, i, o, 1, stride=stride))
        return [residual(body, around), nn.ReLU()]

    layers = _conv_bn_relu(nn, 3, 64)
    for i, o in pairwise((64, 64, 128, 256, 512)):
        layers += [*block(i, o, 1 if i == o else 2), *block(o, o, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mobilenet(lib: Any) -> Any:
    """A short MobileNetV2 (Sandler et al., 2018): inverted residuals with depthwise convolutions and ReLU6."""
    nn, residual = lib.nn, _residual(lib)

    def block(i: int, o: int, stride: int) -> Any:
        wide = 6 * i
        body = nn.Sequential(
            *_conv_bn(nn, i, wide, 1), nn.ReLU6(),
            *_conv_bn(nn, wide, wide, stride=stride, groups=wide), nn.ReLU6(),
            *_conv_bn(nn, wide, o, 1),
        )  # fmt: skip
        return residual(body, nn.Identity()) if i == o and stride == 1 else body

    widths = ((16, 24, 1), (24, 24, 1), (24, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
    return nn.Sequential(
        *_conv_bn(nn, 3, 16), nn.ReLU6(), *(block(*w) for w in widths),
        *_conv_bn(nn, 64, 256, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def _conv_bn(nn: Any, i: int, o: int, k: int = 3, stride: int = 1, groups: int = 1) -> list[Any]:
    conv = nn.Conv2d(i, o, k, stride=stride, padding=k // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(o)]


def _conv_bn_relu(nn: Any, i: int, o: int, stride: int = 1) -> list[Any]:
    return [*_conv_bn(nn, i, o, stride=stride), nn.ReLU()]


def _residual(lib: Any) -> Any:
    """The class of modules that compute ``body(x) + around(x)``, in the library."""

    class Residual(lib.nn.Module):
        def __init__(self, body: Any, around: Any) -> None:
            super().__init__()
            self.body, self.around = body, around

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.around(x)

    return Residual


CIFAR, MNIST = (3, 32, 32), (1, 28, 28)
ADAM, SGD, MOMENTUM = {"lr": 1e-3}, {"lr": 0.01}, {"lr": 0.01, "momentum": 0.9}

MODELS = {
    "a": Recipe("two convolutions", "conv5x5 3-32, conv3x3 32-16, Linear; SGD", two_convolutions, 64, CIFAR, 10, "SGD", SGD),
    "b": Recipe("BatchNorm blocks", "four conv-BatchNorm-ReLU, three Linear, Dropout; Adam", batch_norm_blocks, 64, CIFAR, 100, "Adam", ADAM),
    "c": Recipe("MNIST", "two conv-pool-ReLU, three Linear; Adam", mnist_pool_first, 16, MNIST, 10, "Adam", ADAM),
    "d": Recipe("Fashion-MNIST", "two conv-ReLU-pool, two Linear; SGD with momentum", fashion_mnist, 512, MNIST, 10, "SGD", MOMENTUM),
    "e": Recipe("VGG16", "with BatchNorm; SGD with momentum", vgg16, 32, CIFAR, 10, "SGD", MOMENTUM),
    "f": Recipe("ResNet-18", "for CIFAR; SGD with momentum", resnet18, 32, CIFAR, 10, "SGD", MOMENTUM),
    "g": Recipe("MobileNetV2", "shortened; SGD with momentum", mobilenet, 64, CIFAR, 10, "SGD", MOMENTUM),
    "h": Recipe("LeNet-5", "two conv5x5-ReLU-pool, three Linear; SGD with momentum", lenet, 64, MNIST, 10, "SGD", MOMENTUM),
    "i": Recipe("LeNet-5", "the same, four images at a time", lenet, 4, MNIST, 10, "SGD", MOMENTUM),
}  # fmt: skip
SMALL = ("a", "b", "c", "d")
