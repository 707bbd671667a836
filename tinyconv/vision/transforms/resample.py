"""How the pixels between pixels are made up, and resizing."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from ...dtypes import dtype, to_dtype
from ...ops import interpolate
from ...tensor import Tensor
from ..pillow import Image

__all__ = ["InterpolationMode", "filter_of", "mode_of", "resample", "rounded"]


class InterpolationMode(Enum):
    """How the pixels between pixels are made up; the last three are for PIL images."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers 0 to 5.
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def mode_of(interpolation: Any) -> InterpolationMode:
    """Return a mode given as such, by its name, or by Pillow's number."""
    if isinstance(interpolation, int) and 0 <= interpolation < len(_FILTERS):
        interpolation = _FILTERS[interpolation]
    if not isinstance(interpolation, (str, InterpolationMode)):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer "
            f"constant\nGot {interpolation!r}: write InterpolationMode.BILINEAR."
        )
    names = [mode.value for mode in InterpolationMode]
    if isinstance(interpolation, str) and interpolation not in names:
        raise ValueError(
            f"Invalid interpolation mode: '{interpolation}'. Supported string values are: {names}.\n"
            "Write InterpolationMode.BILINEAR."
        )
    return InterpolationMode(interpolation)


def filter_of(mode: InterpolationMode) -> Any:
    """Return Pillow's name for a mode."""
    return Image.Resampling(_FILTERS.index(mode.value.removesuffix("-exact")))


def resample(
    x: Any, height: int, width: int, mode: InterpolationMode, antialias: bool, bytewise: bool
) -> Any:
    """Resize the last two axes of an array: ``(..., H, W) -> (..., height, width)``.

    Integers are rounded once, at the end; or bytes after each of the two axes, if ``bytewise``.
    """
    smooth = mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    images = Tensor.wrap(x.reshape(1, -1, *x.shape[-2:]))
    if x.dtype not in (np.float32, np.float64) and not (bytewise and x.dtype == np.uint8):
        images = images.float()
    images = interpolate(images, (height, width), mode=mode.value, antialias=antialias and smooth)
    if mode is InterpolationMode.BICUBIC and x.dtype == np.uint8:
        images = images.clamp(0, 255)
    return rounded(images, to_dtype(x.dtype)).array.reshape(*x.shape[:-2], height, width)


def rounded(images: Tensor, kind: dtype) -> Tensor:
    """Return pixels in the number type they had, integers rounded."""
    return (images if kind.is_floating_point else images.round()).to(kind)
