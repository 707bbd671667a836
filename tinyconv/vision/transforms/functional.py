"""What the transforms do, as functions.

An image is a PIL image, an array (H, W) or (H, W, C), or a Tensor (..., C, H, W); a function
returns the kind it was given.
"""

from __future__ import annotations

from .geometry import center_crop, crop, get_dimensions, get_image_size, hflip, pad, resize, vflip
from .resample import InterpolationMode
from .values import (
    convert_image_dtype,
    normalize,
    pil_to_tensor,
    rgb_to_grayscale,
    to_grayscale,
    to_pil_image,
    to_tensor,
)

__all__ = [
    "InterpolationMode",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "get_dimensions",
    "get_image_size",
    "hflip",
    "normalize",
    "pad",
    "pil_to_tensor",
    "resize",
    "rgb_to_grayscale",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
