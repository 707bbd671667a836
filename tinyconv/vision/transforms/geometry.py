"""Where pixels are: flips, crops, borders and scaling.

PIL images are left to Pillow. Arrays and Tensors meet in :func:`each_plane`, which shows both as
(..., H, W), so that one function of the last two axes serves them all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...tensor import Tensor
from ..pillow import Image, ImageOps, in_mode, is_image
from .resample import InterpolationMode, filter_of, mode_of, resample

__all__ = [
    "center_crop",
    "crop",
    "each_plane",
    "fill_of",
    "five_crop",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "pad",
    "pair",
    "resize",
    "resized_crop",
    "sides",
    "ten_crop",
    "vflip",
]

Picture = Any  # a PIL image, a numpy.ndarray or a Tensor

KINDS = "An image is a PIL image, an array (H, W) or (H, W, C), or a Tensor (..., C, H, W)."


def each_plane(img: Picture, function: Callable[[Any], Any]) -> Picture:
    """Apply a function of arrays (..., H, W) to an array or a Tensor of images."""
    if isinstance(img, Tensor):
        if img.requires_grad:
            raise RuntimeError(
                "transforms prepare data and record no gradient, but the image requires grad\n"
                "Call them on img.detach(), or write the step with tensor operations."
            )
        return Tensor.wrap(_fresh(function(img.array)))
    if isinstance(img, np.ndarray) and img.ndim == 2:
        return _fresh(function(img))
    if isinstance(img, np.ndarray) and img.ndim == 3:
        return _fresh(function(img.transpose(2, 0, 1)).transpose(1, 2, 0))
    raise TypeError(f"Unexpected type {type(img)}\n{KINDS}")


def _fresh(x: Any) -> Any:
    return x.copy(order="C")  # an image of its own, not a window into another one


# -------------------------------------------------------------------------------------------- sizes


def get_dimensions(img: Picture) -> list[int]:
    """Return channels, height and width.

    >>> get_dimensions(np.zeros((4, 6, 3), np.uint8))
    [3, 4, 6]
    """
    if is_image(img):
        return [len(img.getbands()), img.height, img.width]
    if isinstance(img, Tensor) and img.ndim >= 2:
        return [img.shape[-3] if img.ndim > 2 else 1, *img.shape[-2:]]
    if isinstance(img, np.ndarray) and img.ndim in (2, 3):
        return [img.shape[2] if img.ndim == 3 else 1, *img.shape[:2]]
    raise TypeError(f"Unexpected type {type(img)}\n{KINDS}")


def get_image_size(img: Picture) -> list[int]:
    """Return width and height, in this order."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Picture) -> int:
    """Return the number of channels."""
    return get_dimensions(img)[0]


def pair(size: int | Sequence[int], message: str) -> Sequence[int]:
    """Return ``size`` as (height, width), as given if it is that; one number stands for both."""
    if isinstance(size, int):
        return size, size
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"{message}\nGot {size}: write 32 or (32, 32).")
    return size


# ----------------------------------------------------------------------------------------- geometry


def hflip(img: Picture) -> Picture:
    """Swap left and right.

    >>> hflip(np.array([[1, 2, 3]]))
    array([[3, 2, 1]])
    """
    if is_image(img):
        return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return each_plane(img, lambda x: x[..., ::-1])


def vflip(img: Picture) -> Picture:
    """Swap top and bottom."""
    if is_image(img):
        return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return each_plane(img, lambda x: x[..., ::-1, :])


def crop(img: Picture, top: int, left: int, height: int, width: int) -> Picture:
    """Cut out a rectangle, in pixels; what lies outside of the image is 0.

    >>> crop(np.arange(9).reshape(3, 3), 1, 1, 2, 3)
    array([[4, 5, 0],
           [7, 8, 0]])
    """
    if is_image(img):
        return img.crop((left, top, left + width, top + height))

    def window(x: Any) -> Any:
        h, w = x.shape[-2:]
        above, before = max(-top, 0), max(-left, 0)
        below, behind = max(top + height - h, 0), max(left + width - w, 0)
        if above or before or below or behind:
            x = _frame(x, before, above, behind, below, 0)
        return x[..., top + above : top + above + height, left + before : left + before + width]

    return each_plane(img, window)


def center_crop(img: Picture, output_size: int | Sequence[int]) -> Picture:
    """Cut out the middle, ``output_size`` pixels high and wide; smaller images get a black border.

    >>> center_crop(np.arange(9).reshape(3, 3), 1)
    array([[4]])
    """
    height, width = pair(output_size, "Please provide only two dimensions (h, w) for size.")
    _, h, w = get_dimensions(img)
    return crop(img, _centred(h, height), _centred(w, width), height, width)


def five_crop(img: Picture, size: int | Sequence[int]) -> tuple[Picture, ...]:
    """Cut out the four corners (the upper ones first) and the middle, ``size`` pixels or (height, width)."""
    height, width = pair(size, "Please provide only two dimensions (h, w) for size.")
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        raise ValueError(
            f"Requested crop size {(height, width)} is bigger than input size {(h, w)}\n"
            "Choose a smaller size, or put Pad() or Resize() before."
        )
    corners = [(top, left) for top in (0, h - height) for left in (0, w - width)]
    parts = [crop(img, top, left, height, width) for top, left in corners]
    return *parts, center_crop(img, (height, width))


def ten_crop(
    img: Picture, size: int | Sequence[int], vertical_flip: bool = False
) -> tuple[Picture, ...]:
    """Return the five parts of :func:`five_crop`, then those of the image mirrored."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def _centred(old: int, new: int) -> int:
    """Return where ``new`` pixels in the middle of ``old``, or around them, begin."""
    return round((old - new) / 2) if old >= new else -((new - old) // 2)


def pad(
    img: Picture,
    padding: int | Sequence[int],
    fill: float | Sequence[float] = 0,
    padding_mode: str = "constant",
) -> Picture:
    """Put a border around an image.

    Args:
        img: the image
        padding: in pixels, for all sides; or (left and right, top and bottom); or (left, top,
            right, bottom)
        fill: the border's value, for all channels or one for each
        padding_mode: "constant", "edge" (the outermost pixel goes on), "reflect" (a mirror in the
            outermost pixel) or "symmetric" (a mirror outside of it)

    >>> pad(np.array([[1, 2]]), (1, 0), fill=9)
    array([[9, 1, 2, 9]])
    """
    left, top, right, bottom = sides(padding)
    if not isinstance(fill, (int, float, list, tuple)):
        raise TypeError(f"Got inappropriate fill arg\nGot {fill!r}: write 0 or (0, 0, 0).")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            "Padding mode should be either constant, edge, reflect or symmetric\n"
            f"Got {padding_mode!r}."
        )
    constant = padding_mode == "constant"
    if is_image(img) and constant:
        return ImageOps.expand(img, (left, top, right, bottom), fill_of(fill, img))
    if is_image(img):  # Pillow has no mirrors
        padded = in_mode(pad(np.asarray(img), padding, fill, padding_mode), img.mode)
        if img.mode == "P":
            padded.putpalette(img.getpalette())
        return padded
    if constant:
        return each_plane(img, lambda x: _frame(x, left, top, right, bottom, fill))
    mode: Any = padding_mode
    here = [(top, bottom), (left, right)]
    return each_plane(img, lambda x: np.pad(x, [(0, 0)] * (x.ndim - 2) + here, mode=mode))


def fill_of(fill: float | Sequence[float] | None, img: Any) -> Any:
    """Return ``fill``, one value for all channels or one for each, as Pillow wants it for this PIL image."""
    bands = len(img.getbands())
    values: list[float] = list(fill) if isinstance(fill, Sequence) else [fill or 0]
    values = values * bands if len(values) == 1 else values
    if len(values) != bands:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {bands})\nPass one number, or {bands}."
        )
    values = values if img.mode == "F" else [int(value) for value in values]
    return tuple(values) if bands > 1 else values[0]


def sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Return padding given as 1, 2 or 4 numbers as (left, top, right, bottom)."""
    if not isinstance(padding, (int, list, tuple)):
        raise TypeError(f"Got inappropriate padding arg\nGot {padding!r}: write 4 or (4, 4, 4, 4).")
    if isinstance(padding, int):
        padding = (padding,)
    if len(padding) not in (1, 2, 4):
        raise ValueError(
            "Padding must be an int or a 1, 2, or 4 element tuple, "
            f"not a {len(padding)} element tuple\n"
            "Write 4, or (left and right, top and bottom), or (left, top, right, bottom)."
        )
    left, top, right, bottom = tuple(padding) * (4 // len(padding))
    if min(left, top, right, bottom) < 0:
        raise ValueError(
            f"Padding must not be negative, got {tuple(padding)}\nUse crop to cut off."
        )
    return left, top, right, bottom


def _frame(x: Any, left: int, top: int, right: int, bottom: int, fill: Any) -> Any:
    h, w = x.shape[-2:]
    y = np.empty_like(x, shape=(*x.shape[:-2], top + h + bottom, left + w + right))
    y[...] = fill if isinstance(fill, (int, float)) else np.array(fill)[:, None, None]
    y[..., top : top + h, left : left + w] = x
    return y


def resize(
    img: Picture,
    size: int | Sequence[int],
    interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
    bytewise: bool = False,
) -> Picture:
    """Scale an image.

    Args:
        img: the image
        size: (height, width) in pixels; or the shorter side's, and the longer one follows
        interpolation: how the pixels between pixels are made up
        max_size: with one ``size`` only: the longer side stays below
        antialias: for arrays and Tensors: blur what shrinks, as is always done with PIL images
        bytewise: round bytes after each axis, as torchvision.transforms.v2 does; else at the end

    >>> resize(np.array([[0, 100]], np.uint8), (1, 4))
    array([[  0,  25,  75, 100]], dtype=uint8)
    """
    mode = mode_of(interpolation)
    _, h, w = get_dimensions(img)
    height, width = _resized(h, w, size, max_size)
    if (height, width) == (h, w):
        return img
    if is_image(img):
        if antialias is False:
            warnings.warn(
                "Anti-alias option is always applied for PIL Image input. Argument antialias is "
                "ignored.\nPut ToTensor() before to go without.",
                stacklevel=2,
            )
        return img.resize((width, height), filter_of(mode))
    if mode is InterpolationMode.NEAREST and not isinstance(img, Tensor):
        mode = InterpolationMode.NEAREST_EXACT  # what Pillow calls nearest
    return each_plane(img, lambda x: resample(x, height, width, mode, bool(antialias), bytewise))


def resized_crop(
    img: Picture,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
    bytewise: bool = False,
) -> Picture:
    """Cut out a rectangle as :func:`crop` does, and scale it as :func:`resize` does."""
    part = crop(img, top, left, height, width)
    return resize(part, size, interpolation, None, antialias, bytewise)


def _resized(h: int, w: int, size: int | Sequence[int], max_size: int | None) -> tuple[int, int]:
    if not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge\n"
                f"Got size={size}: leave max_size out, or pass one number as size."
            )
        return size[0], size[1]
    short = pair(size, "If size is a sequence, it should have 1 or 2 values")[0]
    long = int(short * max(h, w) / min(h, w))
    if max_size is not None:
        if max_size <= short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size "
                f"for the smaller edge size = {size}\n"
                "Pass a larger max_size, or (height, width) as size."
            )
        if long > max_size:
            short, long = int(max_size * short / long), max_size
    return (long, short) if w <= h else (short, long)
