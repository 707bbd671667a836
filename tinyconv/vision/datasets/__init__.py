"""Data sets under torchvision's names and in its folders, and two that need no files."""

from __future__ import annotations

from .base import VisionDataset
from .cifar import CIFAR10, CIFAR100
from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .mnist import EMNIST, KMNIST, MNIST, FashionMNIST
from .shapes import Shapes10
from .splits import STL10, SVHN

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "STL10",
    "SVHN",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "Shapes10",
    "VisionDataset",
]
