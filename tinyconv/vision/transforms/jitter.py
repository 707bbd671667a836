"""Colours by chance."""

from __future__ import annotations

from collections.abc import Sequence

from ...creation import randperm
from ...tensor import Tensor
from .base import Transform
from .blur import gaussian_blur
from .chance import happens, uniform
from .colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    solarize,
)
from .geometry import Picture, get_dimensions, pair
from .values import rgb_to_grayscale

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]


class _Perhaps(Transform):
    """A change that an image undergoes with probability ``p``; the attributes are its settings."""

    p: float

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def change(self, img: Picture) -> Picture:
        raise NotImplementedError(f"{type(self).__name__} needs a method change(self, img)")

    def __call__(self, img: Picture) -> Picture:
        return self.change(img) if happens(self.p) else img

    def __repr__(self) -> str:
        settings = ",".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class RandomGrayscale(_Perhaps):
    """Keep the luminance only, in as many channels as there are, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Picture) -> Picture:
        return rgb_to_grayscale(img, get_dimensions(img)[0])


class RandomInvert(_Perhaps):
    """Make a negative with probability ``p``."""

    def change(self, img: Picture) -> Picture:
        return invert(img)


class RandomPosterize(_Perhaps):
    """Keep the upper ``bits`` of each byte with probability ``p``.

    >>> RandomPosterize(2)
    RandomPosterize(bits=2,p=0.5)
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        self.bits = bits
        super().__init__(p)

    def change(self, img: Picture) -> Picture:
        return posterize(img, self.bits)


class RandomSolarize(_Perhaps):
    """Invert what is as bright as ``threshold`` or brighter with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        self.threshold = threshold
        super().__init__(p)

    def change(self, img: Picture) -> Picture:
        return solarize(img, self.threshold)


class RandomAdjustSharpness(_Perhaps):
    """Blur (factors below 1) or sharpen (above) with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        self.sharpness_factor = sharpness_factor
        super().__init__(p)

    def change(self, img: Picture) -> Picture:
        return adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Perhaps):
    """Stretch each channel from black to white with probability ``p``."""

    def change(self, img: Picture) -> Picture:
        return autocontrast(img)


class RandomEqualize(_Perhaps):
    """Make all brightnesses equally frequent with probability ``p``."""

    def change(self, img: Picture) -> Picture:
        return equalize(img)


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue by chance, in an order by chance.

    Each is given as a number ``v`` for factors from ``max(0, 1 - v)`` to ``1 + v`` (hue: from
    ``-v`` to ``v``), or as (lowest, highest).

    Args:
        brightness, contrast, saturation: factors as in :func:`functional.adjust_brightness` etc.
        hue: parts of the colour circle, between -0.5 and 0.5

    >>> ColorJitter(0.4, hue=(0, 0.1))
    ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=(0.0, 0.1))
    """

    changes = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        self.brightness = _range("brightness", brightness)
        self.contrast = _range("contrast", contrast)
        self.saturation = _range("saturation", saturation)
        self.hue = _range("hue", hue, 0, (-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """Draw an order of the four changes, and a factor for each from its range, if it has one."""
        order = randperm(4)
        b, c, s, h = (
            None if limits is None else uniform(limits[0], limits[1])
            for limits in (brightness, contrast, saturation, hue)
        )
        return order, b, c, s, h

    def __call__(self, img: Picture) -> Picture:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for k in order.tolist():
            factor = factors[k]
            img = img if factor is None else self.changes[k](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _range(
    name: str,
    value: float | Sequence[float],
    centre: float = 1,
    bound: tuple[float, float] = (0, float("inf")),
) -> tuple[float, float] | None:
    """Return lowest and highest, or None if both change nothing."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(
                f"If {name} is a single number, it must be non negative.\n"
                f"Got {value}: it is a distance from {centre}, to both sides."
            )
        low, high = centre - float(value), centre + float(value)
        low = max(low, 0.0) if centre else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(
            f"{name} should be a single number or a list/tuple with length 2.\nGot {value!r}."
        )
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(
            f"{name} values should be between {bound}, but got {[low, high]}.\n"
            "Write (lowest, highest), both inside."
        )
    return None if low == high == centre else (low, high)


class GaussianBlur(Transform):
    """Blur with a width by chance: see :func:`functional.gaussian_blur`.

    Args:
        kernel_size: how many pixels a mean takes, an odd number, or two: (across, down)
        sigma: width of the bell in pixels, or (lowest, highest)

    >>> GaussianBlur(5)
    GaussianBlur(kernel_size=(5, 5), sigma=(0.1, 2.0))
    """

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                "Kernel size value should be an odd and positive number.\n"
                f"Got {kernel_size}: there is a pixel in the middle and as many on both sides."
            )
        if isinstance(sigma, (int, float)):
            if sigma <= 0:
                raise ValueError(
                    "If sigma is a single number, it must be positive.\n"
                    f"Got {sigma}: it counts in pixels."
                )
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError(
                f"sigma should be a single number or a list/tuple with length 2.\nGot {sigma!r}."
            )
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError(
                f"sigma values should be positive and of the form (min, max).\nGot {sigma}."
            )
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw a width between two others."""
        return uniform(sigma_min, sigma_max)

    def __call__(self, img: Picture) -> Picture:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
