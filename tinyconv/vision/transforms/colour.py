"""What colours are: brightness, contrast, sharpness, hue and histograms, each as a function.

PIL images are left to Pillow. The rest is arithmetic on Tensors (..., 1 or 3, H, W), in the number
types and with the rounding of torch; arrays pass through as Tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...creation import ones, tensor
from ...dtypes import float32, iinfo, uint8
from ...ops import gather, stack, where
from ...tensor import Tensor
from ..pillow import Image, ImageEnhance, ImageOps, is_image
from .blur import filtered, real
from .geometry import KINDS, Picture, each_plane, get_dimensions
from .values import convert_image_dtype, rgb_to_grayscale

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "invert",
    "posterize",
    "solarize",
]


def _colours(
    img: Picture, function: Callable[[Tensor], Tensor], least: int = 2, bytewise: bool = False
) -> Picture:
    """Apply a function of Tensors (..., 1 or 3, H, W) that keeps their shape to an array or a Tensor.

    A Tensor has at ``least`` so many dimensions; ``bytewise`` functions take uint8 only.
    """
    if not isinstance(img, (Tensor, np.ndarray)):
        raise TypeError(f"img should be PIL Image. Got {type(img)}\n{KINDS}")
    if isinstance(img, Tensor) and img.ndim < least:
        raise TypeError(
            f"Input image tensor should have at least {least} dimensions, but found {img.ndim}\n"
            "For a grey image (H, W) pass img[None]."
        )
    if bytewise and img.dtype not in (uint8, np.uint8):
        raise TypeError(
            f"Only torch.uint8 image tensors are supported, but found {img.dtype}\n"
            "Put it before ToTensor(), or behind ConvertImageDtype(uint8)."
        )
    channels = get_dimensions(img)[0]
    if channels not in (1, 3):
        raise TypeError(
            f"Input image tensor permitted channel values are [1, 3], but found {channels}\n{KINDS}"
        )

    def of_array(x: Any) -> Any:
        return function(Tensor.wrap(x if x.ndim > 2 else x[None])).array.reshape(x.shape)

    return each_plane(img, of_array)


def _white(x: Tensor) -> int:
    """The brightest number: floats count from 0 to 1."""
    return 1 if x.is_floating_point() else iinfo(x.dtype).max


def _mix(x: Tensor, other: Tensor | float, ratio: float) -> Tensor:
    """``ratio x + (1 - ratio) other``: between the two for ratios up to 1, further on beyond."""
    if other is x:
        return x  # to the bit
    return (ratio * x + (1.0 - ratio) * other).clamp(0, _white(x)).to(x.dtype)


# ----------------------------------------------------------------------------------- by some factor


def _adjusted(
    img: Picture, name: str, factor: float, enhancer: str, other: Callable[[Tensor], Any]
) -> Picture:
    """Mix an image with another one made of it; ``enhancer`` is Pillow's class that does so."""
    if is_image(img):
        return getattr(ImageEnhance, enhancer)(img).enhance(factor)
    if factor < 0:
        raise ValueError(
            f"{name} ({factor}) is not non-negative.\n1 leaves an image as it is, 2 doubles."
        )
    return _colours(img, lambda x: _mix(x, other(x), float(factor)))


def adjust_brightness(img: Picture, brightness_factor: float) -> Picture:
    """Make an image ``brightness_factor`` times as bright: 0 is black, 1 the image.

    >>> adjust_brightness(np.array([[0, 100, 200]], np.uint8), 1.5)
    array([[  0, 150, 255]], dtype=uint8)
    """
    return _adjusted(img, "brightness_factor", brightness_factor, "Brightness", lambda x: 0)


def adjust_contrast(img: Picture, contrast_factor: float) -> Picture:
    """Move all colours away from the mean grey: factor 0 is all grey, 1 the image.

    >>> adjust_contrast(np.array([[50, 100, 150]], np.uint8), 2)
    array([[  0, 100, 200]], dtype=uint8)
    """

    def mean_grey(x: Tensor) -> Tensor:
        grey = rgb_to_grayscale(x)
        return grey.to(real(x)).mean((-3, -2, -1), True)

    return _adjusted(img, "contrast_factor", contrast_factor, "Contrast", mean_grey)


def adjust_saturation(img: Picture, saturation_factor: float) -> Picture:
    """Move each colour away from its own grey: factor 0 is black and white, 1 the image.

    >>> adjust_saturation(np.array([[[255, 0, 0]]], np.uint8), 0.5)
    array([[[165,  38,  38]]], dtype=uint8)
    """

    def grey(x: Tensor) -> Tensor:
        return x if x.shape[-3] == 1 else rgb_to_grayscale(x, 3)

    return _adjusted(img, "saturation_factor", saturation_factor, "Color", grey)


def adjust_sharpness(img: Picture, sharpness_factor: float) -> Picture:
    """Move each pixel away from the mean around it: factor 0 blurs, 1 is the image, 2 sharpens.

    The mean is that of 3x3 pixels, the middle one counting five times; the edge stays as it is.

    >>> adjust_sharpness(np.array([[0, 0, 0], [0, 26, 0], [0, 0, 0]], np.uint8), 2)
    array([[ 0,  0,  0],
           [ 0, 42,  0],
           [ 0,  0,  0]], dtype=uint8)
    """

    def blurred(x: Tensor) -> Tensor:
        if min(x.shape[-2:]) <= 2:  # there is an edge only
            return x
        kernel = ones(3, 3, dtype=real(x), device=x.device)
        kernel[1, 1] = 5
        y = x.clone()
        y[..., 1:-1, 1:-1] = filtered(x, kernel / kernel.sum())
        return y

    return _adjusted(img, "sharpness_factor", sharpness_factor, "Sharpness", blurred)


def adjust_hue(img: Picture, hue_factor: float) -> Picture:
    """Turn all colours around the colour circle.

    Args:
        img: the image; a grey one stays as it is
        hue_factor: part of the whole circle, from -0.5 to 0.5

    >>> adjust_hue(np.array([[[255, 0, 0]]], np.uint8), 1 / 3)  # red is two steps from green
    array([[[  0, 255,   0]]], dtype=uint8)
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(
            f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].\n0.5 is half of the circle."
        )
    if is_image(img) and img.mode in ("L", "1", "I", "F"):
        return img
    if is_image(img):
        hue, saturation, value = img.convert("HSV").split()
        turned = hue.point([(k + int(hue_factor * 255)) % 256 for k in range(256)])
        return Image.merge("HSV", (turned, saturation, value)).convert(img.mode)

    def turn(x: Tensor) -> Tensor:
        if x.shape[-3] == 1:
            return x
        h, s, v = _hue_saturation_value(convert_image_dtype(x, float32))
        return convert_image_dtype(_red_green_blue((h + hue_factor) % 1.0, s, v), x.dtype)

    return _colours(img, turn)


# Note [Hexagon]: colours of one brightness and saturation lie on a hexagon with the corners red,
# yellow, green, cyan, blue and magenta, where hue counts from 0 to 1 around; along each of its
# sides one of red, green and blue goes up or down while the others stay (A. R. Smith, Color gamut
# transform pairs, SIGGRAPH 1978). Order of the arithmetic: torchvision's, so bytes come out alike.


def _hue_saturation_value(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See Note [Hexagon]: ``(..., 3, H, W) -> 3 times (..., H, W)``."""
    r, g, b = x.unbind(-3)
    high, low = x.amax(-3), x.amin(-3)
    grey = high == low
    one = high.new_ones(())
    saturation = (high - low) / where(grey, one, high)
    rc, gc, bc = ((high - c) / where(grey, one, high - low) for c in (r, g, b))
    sixths = where(high == r, bc - gc, where(high == g, 2.0 + rc - bc, 4.0 + gc - rc))
    return (sixths / 6.0 + 1.0).fmod(1.0), saturation, high


# Which of (high, falling, low, rising) red, green and blue are, on each side of the hexagon.
_SIDES = [[0, 1, 2, 2, 3, 0], [3, 0, 0, 1, 2, 2], [2, 2, 3, 0, 0, 1]]


def _red_green_blue(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """The way back."""
    side = (h * 6.0).floor()
    along = h * 6.0 - side
    low, falling, rising = (
        (v * (1.0 - part)).clamp(0.0, 1.0) for part in (s, s * along, s * (1.0 - along))
    )
    which = tensor(_SIDES, device=h.device)[:, side.long() % 6].movedim(0, -3)
    return gather(stack((v, falling, low, rising), -3), -3, which)


def adjust_gamma(img: Picture, gamma: float, gain: float = 1) -> Picture:
    """Bend the scale of brightness: ``gain x^gamma``, for x from 0 to 1.

    Args:
        img: the image
        gamma: above 1 darkens what is neither black nor white, below 1 brightens it
        gain: a factor for the result, which is cut off at white

    >>> adjust_gamma(np.array([[0.0, 0.5, 1.0]]), 2)
    array([[0.  , 0.25, 1.  ]])
    """
    if gamma < 0:
        raise ValueError(f"Gamma should be a non-negative real number\nGot {gamma}.")
    if is_image(img):
        steps = 256 - 1e-3  # as in convert_image_dtype
        curve = [int(steps * gain * (k / 255.0) ** gamma) for k in range(256)]
        return img.convert("RGB").point(curve * 3).convert(img.mode)

    def bend(x: Tensor) -> Tensor:
        light = convert_image_dtype(x, real(x))
        return convert_image_dtype((gain * light.pow(gamma)).clamp(0, 1), x.dtype)

    return _colours(img, bend)


# ------------------------------------------------------------------------------------- byte by byte


def invert(img: Picture) -> Picture:
    """Make a negative: white becomes black.

    >>> invert(np.array([[0, 100, 255]], np.uint8))
    array([[255, 155,   0]], dtype=uint8)
    """
    if is_image(img):
        return ImageOps.invert(img)
    return _colours(img, lambda x: _white(x) - x, least=3)


def posterize(img: Picture, bits: int) -> Picture:
    """Keep the upper ``bits`` (0 to 8) of each byte.

    >>> posterize(np.array([[0, 100, 255]], np.uint8), 1)
    array([[  0,   0, 128]], dtype=uint8)
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}\nA byte has 8.")
    if is_image(img):
        return ImageOps.posterize(img, bits)
    mask = 256 - int(2 ** (8 - bits))
    return _colours(img, lambda x: x & mask, least=3, bytewise=True)


def solarize(img: Picture, threshold: float) -> Picture:
    """Invert what is as bright as ``threshold`` or brighter.

    >>> solarize(np.array([[0, 100, 255]], np.uint8), 100)
    array([[  0, 155,   0]], dtype=uint8)
    """
    if is_image(img):
        return ImageOps.solarize(img, math.ceil(threshold))  # whole: it is compared with bytes

    def fold(x: Tensor) -> Tensor:
        if threshold > _white(x):
            raise TypeError(
                "Threshold should be less than bound of img.\n"
                f"Got {threshold}, and white is {_white(x)} in {x.dtype}."
            )
        return where(x >= threshold, _white(x) - x, x)

    return _colours(img, fold, least=3)


# --------------------------------------------------------------------------------------- histograms


def autocontrast(img: Picture) -> Picture:
    """Stretch each channel from black to white.

    >>> autocontrast(np.array([[50, 100, 150]], np.uint8))
    array([[  0, 127, 255]], dtype=uint8)
    """
    if is_image(img):
        return ImageOps.autocontrast(img)

    def stretch(x: Tensor) -> Tensor:
        white = _white(x)
        low, high = (extreme((-2, -1), True).to(real(x)) for extreme in (x.amin, x.amax))
        scale = white / (high - low)
        flat = ~scale.isfinite()
        low, scale = where(flat, 0, low), where(flat, 1, scale)
        return ((x - low) * scale).clamp(0, white).to(x.dtype)

    return _colours(img, stretch, least=3)


def equalize(img: Picture) -> Picture:
    """Make all brightnesses of a channel equally frequent, as far as steps allow.

    ``y = (pixels darker than x + step / 2) / step``, where ``step`` is a 255th of the pixels that
    are not the brightest.

    >>> equalize(np.array([[0, 1, 2, 3]], np.uint8).repeat(85, 0))
    array([[  0,  85, 170, 255],
           [  0,  85, 170, 255],
           ...
    """
    if is_image(img):
        return ImageOps.equalize(img)

    def equal(x: Tensor) -> Tensor:
        planes = x.reshape(-1, x.shape[-2] * x.shape[-1]).long()
        counts = stack([plane.bincount(minlength=256) for plane in planes])
        brightest = gather(counts, 1, planes.amax(1, True))
        step = (planes.shape[1] - brightest) // 255
        darker = counts.cumsum(1) - counts
        table = ((darker + step // 2) // step.clamp(min=1)).clamp(0, 255)
        return where(step == 0, planes, gather(table, 1, planes)).to(uint8).reshape(x.shape)

    return _colours(img, equal, least=3, bytewise=True)
