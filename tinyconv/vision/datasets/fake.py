"""Noise in the shape of a data set, for trying out the rest of a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...generator import Generator
from .. import pillow
from ..transforms.values import to_bytes
from .base import Transform, VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Images of random numbers with random labels, made when asked for; an index always gives the
    same.

    Args:
        size: number of images
        image_size: channels, height and width
        num_classes: labels are ``0 .. num_classes - 1``
        transform: called with each image
        target_transform: called with each label
        random_offset: other numbers, other images

    >>> FakeData(size=3, image_size=(3, 8, 8))
    Dataset FakeData
        Number of datapoints: 3
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform = None,
        target_transform: Transform = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform, target_transform)
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(
                f"{type(self).__name__} index out of range\n"
                f"Got {index}; the last is {len(self) - 1}."
            )
        generator = Generator().manual_seed(index + self.random_offset)
        noise = generator.normal(tuple(self.image_size), np.dtype("float32"))
        label = int(generator.integers(0, self.num_classes, (1,), np.dtype("int64"))[0])
        image = to_bytes(noise).transpose(1, 2, 0)
        image = image[:, :, 0] if image.shape[2] == 1 else image
        return self._transformed(pillow.from_array(np.ascontiguousarray(image)), label)
