"""Steps from images to Tensors, under torchvision's names and with torchvision's random numbers.

    >>> augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor()])

Each takes PIL images, arrays (H, W) or (H, W, C), and Tensors (..., C, H, W).
"""

from __future__ import annotations

from . import functional
from .base import Compose, Lambda, Normalize, ToTensor
from .batch import Batched
from .fixed import (
    CenterCrop,
    ConvertImageDtype,
    Grayscale,
    Pad,
    PILToTensor,
    Resize,
    ToPILImage,
)
from .random import Cutout, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from .resample import InterpolationMode

__all__ = [
    "Batched",
    "CenterCrop",
    "Compose",
    "ConvertImageDtype",
    "Cutout",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
    "functional",
]
