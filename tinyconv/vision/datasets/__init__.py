"""Data sets under torchvision's names and in its folders, and two that need no files."""

from __future__ import annotations

from .base import VisionDataset
from .cifar import CIFAR10, CIFAR100
from .fake import FakeData
from .mnist import MNIST, FashionMNIST
from .shapes import Shapes10

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FakeData", "FashionMNIST", "Shapes10", "VisionDataset"]
