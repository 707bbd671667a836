"""Transforms with chance: from the default generator's words they make what torchvision makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...generator import current
from ...tensor import Tensor
from .base import RandomTransform
from .geometry import Picture, crop, each_plane, get_dimensions, hflip, pad, pair, vflip

__all__ = ["Cutout", "RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"]

_LOW_BITS = np.uint32(2**24 - 1)  # of a word: they make a float32 in [0, 1)


class _RandomFlip(RandomTransform):
    axis: int  # of a Tensor (..., C, H, W)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def words(self, height: int, width: int) -> int:
        return 1

    def happens(self, words: np.ndarray) -> Any:
        """Compare a float32 for each of the words (..., 1) with ``p``."""
        return (words[..., 0] & _LOW_BITS) * np.float32(2**-24) < np.float32(self.p)

    def batch(self, images: Tensor, words: np.ndarray) -> Tensor:
        chosen = self.happens(words)
        x = images.array.copy()
        x[chosen] = np.flip(x[chosen], self.axis)
        return Tensor.wrap(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Swap left and right with probability ``p``."""

    batchable = True
    axis = -1

    def apply(self, img: Picture, words: np.ndarray) -> Picture:
        return hflip(img) if self.happens(words) else img


class RandomVerticalFlip(_RandomFlip):
    """Swap top and bottom with probability ``p``."""

    batchable = True
    axis = -2

    def apply(self, img: Picture, words: np.ndarray) -> Picture:
        return vflip(img) if self.happens(words) else img


class RandomCrop(RandomTransform):
    """Cut out a rectangle at a random place.

    Args:
        size: (height, width) in pixels, or one number for both
        padding: a border put around the image first, see :func:`functional.pad`
        pad_if_needed: widen the border of images that are smaller than ``size``
        fill: value of the border
        padding_mode: "constant", "edge", "reflect" or "symmetric"

    >>> RandomCrop(32, padding=4)
    RandomCrop(size=(32, 32), padding=4)
    """

    batchable = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        height, width = pair(size, "Please provide only two dimensions (h, w) for size.")
        self.size = height, width
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Picture, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width of a rectangle inside an image."""
        cut = RandomCrop(output_size)
        _, h, w = get_dimensions(img)
        top, left = cut.corner(current().random32(cut.words(h, w)), h, w)
        return int(top), int(left), *cut.size

    def prepare(self, img: Picture) -> Picture:
        if self.padding is not None:
            img = pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, h, w = get_dimensions(img)
            missing_h, missing_w = self.size[0] - h, self.size[1] - w
            if missing_w > 0:
                img = pad(img, [missing_w, 0], self.fill, self.padding_mode)
            if missing_h > 0:
                img = pad(img, [0, missing_h], self.fill, self.padding_mode)
        return img

    def words(self, height: int, width: int) -> int:
        if height < self.size[0] or width < self.size[1]:
            raise ValueError(
                f"Required crop size {self.size} is larger than "
                f"input image size {(height, width)}\n"
                "Pass padding=..., pad_if_needed=True, or a smaller size."
            )
        return 0 if (height, width) == self.size else 2

    def corner(self, words: np.ndarray, height: int, width: int) -> tuple[Any, Any]:
        """Return top and left for each of the words (..., 2), or (..., 0) where all is kept."""
        if words.shape[-1] == 0:
            words = np.zeros((*words.shape[:-1], 2), np.uint32)
        rows, columns = height - self.size[0] + 1, width - self.size[1] + 1
        return words[..., 0] % rows, words[..., 1] % columns

    def apply(self, img: Picture, words: np.ndarray) -> Picture:
        top, left = self.corner(words, *get_dimensions(img)[1:])
        return crop(img, int(top), int(left), *self.size)

    def batch(self, images: Tensor, words: np.ndarray) -> Tensor:
        top, left = self.corner(words, *images.shape[2:])
        windows = np.lib.stride_tricks.sliding_window_view(images.array, self.size, (2, 3))
        return Tensor.wrap(windows[np.arange(len(words)), :, top, left])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class Cutout(RandomTransform):
    """Put a square of zeros at a random place: its centre is any pixel, and what lies outside is lost.

    Source: DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017
    (arXiv 1708.04552). After Normalize, zeros are the mean.

    Args:
        length: side of the square in pixels

    >>> import tinyconv as tc
    >>> Cutout(1)(tc.ones(3, 8, 8)).sum((1, 2))
    tensor([63., 63., 63.])
    """

    batchable = True

    def __init__(self, length: int) -> None:
        self.length = length

    def words(self, height: int, width: int) -> int:
        return 2

    def corner(self, words: np.ndarray, height: int, width: int) -> tuple[Any, Any]:
        """Return top and left of the square for each of the words (..., 2); they may be negative."""
        middle = np.int64(self.length // 2)
        return words[..., 0] % height - middle, words[..., 1] % width - middle

    def batch(self, images: Tensor, words: np.ndarray) -> Tensor:
        return Tensor.wrap(self._cut(images.array, words))

    def apply(self, img: Picture, words: np.ndarray) -> Picture:
        return each_plane(img, lambda x: self._cut(x[None], words[None])[0])

    def _cut(self, x: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Zeros in arrays (N, ..., H, W), with words (N, 2)."""
        h, w = x.shape[-2:]
        top, left = (place.reshape(-1, 1, 1) for place in self.corner(words, h, w))
        row, column = np.arange(h)[:, None], np.arange(w)
        cut = (row >= top) & (row < top + self.length)
        cut = cut & (column >= left) & (column < left + self.length)
        return np.where(cut.reshape(len(x), *[1] * (x.ndim - 3), h, w), x.dtype.type(0), x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(length={self.length})"
