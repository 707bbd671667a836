"""Data sets and transforms in torchvision's place.

from tinyconv.vision import datasets, transforms
"""

from __future__ import annotations

from . import datasets, transforms

__all__ = ["datasets", "transforms"]
