"""The door to Pillow, which is optional: without it images are arrays (H, W, C) or (H, W)."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

try:
    from PIL import Image, ImageColor, ImageDraw, ImageEnhance, ImageFont, ImageOps
except ModuleNotFoundError:
    Image = ImageColor = ImageDraw = ImageEnhance = ImageFont = ImageOps = None  # type: ignore[assignment]  # nobody asks before `installed`

__all__ = [
    "Image",
    "ImageColor",
    "ImageDraw",
    "ImageEnhance",
    "ImageFont",
    "ImageOps",
    "from_array",
    "in_mode",
    "installed",
    "is_image",
    "require",
]


def installed() -> bool:
    """Tell whether Pillow can be used."""
    return Image is not None


def require() -> None:
    """Raise where Pillow cannot be used.

    Raises:
        ModuleNotFoundError: Pillow is not installed
    """
    if not installed():
        raise ModuleNotFoundError(
            "No module named 'PIL'\nPIL images need Pillow: pip install pillow"
        )


def is_image(thing: Any) -> TypeGuard[Any]:
    """Tell whether ``thing`` is a PIL image."""
    return installed() and isinstance(thing, Image.Image)


def from_array(array: np.ndarray) -> Any:
    """Return a uint8 array (H, W, C) or (H, W) as a PIL image, or as it is without Pillow."""
    return Image.fromarray(array) if installed() else array


def in_mode(array: np.ndarray, mode: str) -> Any:
    """Return an array (H, W, C) or (H, W) as a PIL image of the given mode."""
    if mode == "1":
        return Image.fromarray(array)  # eight pixels to a byte
    return Image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes())
