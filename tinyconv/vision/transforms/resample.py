"""Resizing as a product with two matrices: one mixes the columns of an image, one its rows.

A new pixel is a weighted mean of the old ones around its centre. The weights are a bump (a
triangle, or the cubic of R. Keys, IEEE Trans. ASSP 29, 1981) which, when an image shrinks, is as
many times wider: that is antialiasing.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from ...dtypes import FLOATS

__all__ = ["InterpolationMode", "nearest", "resample"]

_KEYS = -0.5  # the cubic's free parameter


class InterpolationMode(Enum):
    """How the pixels between pixels are made up."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    inner = ((_KEYS + 2) * x - (_KEYS + 3)) * x * x + 1
    outer = _KEYS * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


_BUMPS = {InterpolationMode.BILINEAR: _triangle, InterpolationMode.BICUBIC: _cubic}


def _weights(old: int, new: int, mode: InterpolationMode, antialias: bool) -> np.ndarray:
    """Return the float64 matrix (new, old) that resizes a row of ``old`` pixels."""
    step = old / new
    centres = (np.arange(new) + 0.5) * step
    width = max(step, 1.0) if antialias else 1.0
    weights = _BUMPS[mode]((np.arange(old) + 0.5 - centres[:, None]) / width)
    return weights / weights.sum(1, keepdims=True)


def resample(x: Any, height: int, width: int, mode: InterpolationMode, antialias: bool) -> Any:
    """Resize the last two axes: ``(..., H, W) -> (..., height, width)``.

    Integers are rounded once, at the end, and clipped to their range.
    """
    across = _weights(x.shape[-1], width, mode, antialias)
    down = _weights(x.shape[-2], height, mode, antialias)
    y = down @ (x @ across.T)
    if x.dtype not in FLOATS:
        limits = np.iinfo(x.dtype)
        y = np.clip(np.floor(y + 0.5), limits.min, limits.max)
    return y.astype(x.dtype)


def nearest(x: Any, height: int, width: int, centred: bool) -> Any:
    """Pick the pixel under the centre (or, as torch does, under the corner) of each new one."""
    corner_or_centre = 1 if centred else 0  # in half pixels
    rows, columns = (
        (2 * np.arange(new) + corner_or_centre) * old // (2 * new)
        for old, new in zip(x.shape[-2:], (height, width), strict=True)
    )
    return x[..., rows[:, None], columns]
