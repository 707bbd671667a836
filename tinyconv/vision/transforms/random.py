"""Transforms that draw from the default generator, number for number as torchvision's do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...generator import current
from ...tensor import Tensor
from .base import RandomTransform
from .geometry import Picture, crop, get_dimensions, hflip, pad, pair, vflip

__all__ = ["RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"]

_F32, _I64 = np.dtype("float32"), np.dtype("int64")


def _chance(p: float) -> bool:
    return bool(current().uniform((1,), _F32)[0] < p)


def _below(n: int) -> int:
    return int(current().integers(0, n, (1,), _I64)[0])


class _RandomFlip(RandomTransform):
    axis: int  # of a Tensor (..., C, H, W)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def draw(self, height: int, width: int) -> bool:
        return _chance(self.p)

    def batch(self, images: Tensor, drawn: Sequence[bool]) -> Tensor:
        chosen = np.array(drawn, bool)
        x = images.array.copy()
        x[chosen] = np.flip(x[chosen], self.axis)
        return Tensor(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Swap left and right with probability ``p``."""

    batchable = True
    axis = -1

    def apply(self, img: Picture, drawn: bool) -> Picture:
        return hflip(img) if drawn else img


class RandomVerticalFlip(_RandomFlip):
    """Swap top and bottom with probability ``p``."""

    batchable = True
    axis = -2

    def apply(self, img: Picture, drawn: bool) -> Picture:
        return vflip(img) if drawn else img


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
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Picture, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width of a rectangle inside an image."""
        _, h, w = get_dimensions(img)
        return (*_corner(h, w, *output_size), *output_size)

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

    def draw(self, height: int, width: int) -> tuple[int, int]:
        return _corner(height, width, *self.size)

    def apply(self, img: Picture, drawn: tuple[int, int]) -> Picture:
        return crop(img, *drawn, *self.size)

    def batch(self, images: Tensor, drawn: Sequence[tuple[int, int]]) -> Tensor:
        _require(*images.shape[2:], *self.size)
        top, left = np.array(drawn, int).reshape(-1, 2).T
        windows = np.lib.stride_tricks.sliding_window_view(images.array, self.size, (2, 3))
        return Tensor(windows[np.arange(len(top)), :, top, left])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


def _corner(h: int, w: int, height: int, width: int) -> tuple[int, int]:
    """Draw top and left of a rectangle inside an image of h x w pixels."""
    _require(h, w, height, width)
    if (h, w) == (height, width):
        return 0, 0  # without drawing
    return _below(h - height + 1), _below(w - width + 1)


def _require(h: int, w: int, height: int, width: int) -> None:
    if h < height or w < width:
        raise ValueError(
            f"Required crop size {(height, width)} is larger than input image size {(h, w)}\n"
            "Pass padding=..., pad_if_needed=True, or a smaller size."
        )
