"""Data sets, networks, transforms and pictures of tensors in torchvision's place.

from tinyconv.vision import datasets, transforms
"""

from __future__ import annotations

from . import datasets, models, ops, transforms, utils

__all__ = ["datasets", "models", "ops", "transforms", "utils"]
