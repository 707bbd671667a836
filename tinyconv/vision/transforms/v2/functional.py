"""What the transforms of samples do to one image, as functions: those of :mod:`transforms.functional` and some more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....creation import from_numpy, randn_like
from ....dtypes import dtype as DType
from ....dtypes import float32, iinfo, int16, uint8
from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import Image
from .. import functional as of_one
from ..functional import *  # noqa: F403  # all of them, whatever they are
from ..functional import (
    InterpolationMode,
    convert_image_dtype,
    elastic_transform,
    get_dimensions,
    get_image_num_channels,
    hflip,
    pil_to_tensor,
    rgb_to_grayscale,
    vflip,
)

__all__ = [
    *of_one.__all__,
    "elastic",
    "gaussian_noise",
    "get_num_channels",
    "get_size",
    "grayscale_to_rgb",
    "horizontal_flip",
    "to_dtype",
    "to_image",
    "vertical_flip",
]

elastic = elastic_transform
get_num_channels = get_image_num_channels
horizontal_flip, vertical_flip = hflip, vflip
Mode = InterpolationMode | str | int


def resize(  # type: ignore[no-redef]  # its own, of the same name
    inpt: Any,
    size: int | Sequence[int],
    interpolation: Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Scale an image, rounding bytes after each axis: see :func:`transforms.functional.resize`."""
    return of_one.resize(inpt, size, interpolation, max_size, antialias, bytewise=True)


def resized_crop(  # type: ignore[no-redef]  # likewise
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Mode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut out a rectangle, and scale it."""
    part = of_one.crop(inpt, top, left, height, width)
    return resize(part, size, interpolation, None, antialias)


def get_size(inpt: Any) -> list[int]:
    """Return height and width."""
    return get_dimensions(inpt)[1:]


def to_image(inpt: Any) -> Image:
    """Turn a PIL image, an array (H, W, C) or (H, W), or a Tensor into an Image (C, H, W) of the same numbers."""
    if isinstance(inpt, np.ndarray):
        inpt = from_numpy(np.atleast_3d(inpt).transpose(2, 0, 1).copy())
    elif is_image(inpt):
        inpt = pil_to_tensor(inpt)
    elif not isinstance(inpt, Tensor):
        raise TypeError(
            "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
            f"{type(inpt)} instead.\nOpen files with PIL.Image.open(path)."
        )
    return Image(inpt)


def to_dtype(inpt: Tensor, dtype: DType = float32, scale: bool = False) -> Tensor:
    """Convert a Tensor; with ``scale``, integers fill their range and floats go from 0 to 1.

    >>> import tinyconv as tc
    >>> to_dtype(tc.tensor([0, 255], dtype=tc.uint8), scale=True)
    tensor([0., 1.])
    """
    if not scale:
        return inpt.to(dtype)
    if dtype.is_floating_point and not inpt.is_floating_point():
        return inpt.to(dtype) * (1.0 / iinfo(inpt.dtype).max)
    return convert_image_dtype(inpt, dtype)


def grayscale_to_rgb(inpt: Any) -> Any:
    """Give a grey image three equal channels."""
    if is_image(inpt):
        return inpt.convert("RGB")
    return inpt if get_num_channels(inpt) >= 3 else rgb_to_grayscale(inpt, 3)


def gaussian_noise(
    inpt: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True
) -> Tensor:
    """Add a normal number to each pixel.

    Args:
        inpt: floats from 0 to 1, or bytes
        mean: of the normal numbers, 1 being the way from black to white, for bytes too
        sigma: their standard deviation
        clip: put what is then below black or above white back to these
    """
    if is_image(inpt):
        raise ValueError(
            "Gaussian Noise is not implemented for PIL images.\nPut ToImage() before GaussianNoise()."
        )
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}\nIt is a deviation.")
    if inpt.is_floating_point():
        output = inpt + (mean + randn_like(inpt) * sigma)
        return output.clamp(0, 1) if clip else output
    if inpt.dtype is not uint8:
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={inpt.dtype}\n"
            "Put ToDtype(float32, scale=True) before GaussianNoise()."
        )
    output = inpt + (mean * 255 + randn_like(inpt, dtype=float32) * (sigma * 255)).to(int16)
    return (output.clamp(0, 255) if clip else output).to(uint8)
