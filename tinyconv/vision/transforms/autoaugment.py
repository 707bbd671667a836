"""Transforms that pick from a list of changes, each with a magnitude, which nobody has to tune.

What a change does is a row of ``OPERATIONS``; how strong it gets, one of ``_strengths``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...creation import arange, linspace, rand, randint
from ...generator import current
from ...tensor import Tensor
from ..pillow import is_image
from .affine import affine, rotate
from .base import Transform
from .chance import integer
from .colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    solarize,
)
from .geometry import Picture, each_plane, get_dimensions
from .policies import POLICIES, AutoAugmentPolicy
from .resample import InterpolationMode
from .values import pil_to_tensor, to_pil_image

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


# -------------------------------------------------------------------------------------- the changes


def _sheared(img: Picture, x: float, y: float, how: dict[str, Any]) -> Picture:
    """Slope ``x`` of the vertical lines and ``y`` of the horizontal ones; the upper left corner stays."""
    angles = [math.degrees(math.atan(slope)) for slope in (x, y)]
    return affine(img, 0.0, [0, 0], 1.0, angles, center=[0, 0], **how)


def _shifted(img: Picture, x: float, y: float, how: dict[str, Any]) -> Picture:
    return affine(img, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0], **how)


# What an image, a magnitude, and interpolation and fill become.
OPERATIONS: dict[str, Callable[[Picture, float, dict[str, Any]], Picture]] = {
    "Identity": lambda img, m, how: img,
    "ShearX": lambda img, m, how: _sheared(img, m, 0.0, how),
    "ShearY": lambda img, m, how: _sheared(img, 0.0, m, how),
    "TranslateX": lambda img, m, how: _shifted(img, m, 0.0, how),
    "TranslateY": lambda img, m, how: _shifted(img, 0.0, m, how),
    "Rotate": lambda img, m, how: rotate(img, m, **how),
    "Brightness": lambda img, m, how: adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, how: adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, how: adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, how: adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, how: posterize(img, int(m)),
    "Solarize": lambda img, m, how: solarize(img, m),
    "AutoContrast": lambda img, m, how: autocontrast(img),
    "Equalize": lambda img, m, how: equalize(img),
    "Invert": lambda img, m, how: invert(img),
}

_PLACES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
_TONES = ("Brightness", "Color", "Contrast", "Sharpness")
_LEVELS = ("Posterize", "Solarize", "AutoContrast", "Equalize")
_SIGNED = {*_PLACES, *_TONES}  # go both ways from 0

Strengths = dict[str, tuple[float, float]]


def _strengths(
    slope: float, across: float, down: float, angle: float, tone: float, bits: tuple[int, int]
) -> Strengths:
    """Each operation's weakest and strongest magnitude, for those that have one.

    ``across`` and ``down`` are in pixels, ``angle`` in degrees; ``bits`` are kept of each byte.
    """
    strongest = dict(zip(_PLACES, (slope, slope, across, down, angle), strict=True))
    strongest |= dict.fromkeys(_TONES, tone)
    both_ways = {name: (0.0, strength) for name, strength in strongest.items()}
    return both_ways | {"Posterize": bits, "Solarize": (255.0, 0.0)}


def _steps(name: str, weakest: float, strongest: float, bins: int) -> list[float]:
    """Return ``bins`` magnitudes, in float32."""
    if name == "Posterize":
        lost = (arange(bins) / ((bins - 1) / (weakest - strongest))).round()
        return (weakest - lost).tolist()
    return linspace(weakest, strongest, bins).tolist()


class _Automatic(Transform):
    """Changes by name and magnitude; interpolation and fill are those of :func:`functional.affine`."""

    operations: Sequence[str]
    bins: int  # magnitudes of an operation
    interpolation: InterpolationMode
    fill: float | Sequence[float] | None
    settings: tuple[str, ...]  # to be shown

    def strengths(self, height: int, width: int) -> Strengths:
        """Those of an image of this size; most policies share them."""
        return _strengths(0.3, 150 / 331 * width, 150 / 331 * height, 30.0, 0.9, (8, 4))

    def magnitudes(self, img: Picture, name: str) -> list[float]:
        """Return those that an operation can have on an image, from weakest to strongest."""
        ends = self.strengths(*get_dimensions(img)[1:]).get(name)
        return [] if ends is None else _steps(name, *ends, self.bins)

    def change(self, img: Picture, name: str, magnitude: float) -> Picture:
        how = {"interpolation": self.interpolation, "fill": self.fill}
        return OPERATIONS[name](img, magnitude, how)

    def change_by_chance(self, img: Picture, which: Callable[[], int]) -> Picture:
        """Apply any of the operations, with the magnitude of number ``which()``."""
        name = self.operations[integer(0, len(self.operations))]
        values = self.magnitudes(img, name)
        magnitude = values[which()] if values else 0.0
        if name in _SIGNED and integer(0, 2):
            magnitude = -magnitude
        return self.change(img, name, magnitude)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)}" for name in self.settings)
        return f"{type(self).__name__}({settings})"


# ------------------------------------------------------------------------------------- the policies


class AutoAugment(_Automatic):
    """Apply one of 25 pairs of changes that a search found good for a dataset.

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data, CVPR 2019.

    Args:
        policy: the dataset
        interpolation: nearest or bilinear; for PIL images bicubic, too
        fill: the value of what was outside of the image, for all channels or one for each

    >>> AutoAugment(AutoAugmentPolicy.CIFAR10)
    AutoAugment(policy=AutoAugmentPolicy.CIFAR10, fill=None)
    """

    bins = 10
    settings = ("policy", "fill")

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: float | Sequence[float] | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(
                f"The provided policy {policy} is not recognized.\n"
                f"Write one of {', '.join(map(str, POLICIES))}."
            )
        self.policy = policy
        self.policies = POLICIES[policy]
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Draw one of so many pairs, and for both changes a number of [0, 1) and a sign, 0 or 1."""
        return integer(0, transform_num), rand(2), randint(2, (2,))

    def __call__(self, img: Picture) -> Picture:
        number, chances, signs = self.get_params(len(self.policies))
        pair = zip(self.policies[number], chances.tolist(), signs.tolist(), strict=True)
        for (name, p, which), chance, sign in pair:
            if chance <= np.float32(p):
                magnitude = 0.0 if which is None else self.magnitudes(img, name)[which]
                negative = name in _SIGNED and sign == 0
                img = self.change(img, name, -magnitude if negative else magnitude)
        return img


class RandAugment(_Automatic):
    """Apply ``num_ops`` changes by chance, all of one magnitude.

    Source: Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search
    space, 2019 (arXiv 1909.13719).

    Args:
        num_ops: how many changes
        magnitude: which of the magnitudes, counted from 0
        num_magnitude_bins: of so many
        interpolation: nearest or bilinear; for PIL images bicubic, too
        fill: the value of what was outside of the image, for all channels or one for each
    """

    operations = ("Identity", *_PLACES, *_TONES, *_LEVELS)
    settings = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: float | Sequence[float] | None = None,
    ) -> None:
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.bins = self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, img: Picture) -> Picture:
        for _ in range(self.num_ops):
            img = self.change_by_chance(img, lambda: self.magnitude)
        return img


class TrivialAugmentWide(_Automatic):
    """Apply one change by chance, of a magnitude by chance, which may be large.

    Source: Müller & Hutter, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation,
    ICCV 2021 (arXiv 2103.10158).

    Args:
        num_magnitude_bins: how many magnitudes there are
        interpolation: nearest or bilinear; for PIL images bicubic, too
        fill: the value of what was outside of the image, for all channels or one for each
    """

    operations = RandAugment.operations
    settings = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: float | Sequence[float] | None = None,
    ) -> None:
        self.bins = self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def strengths(self, height: int, width: int) -> Strengths:
        return _strengths(0.99, 32.0, 32.0, 135.0, 0.99, (8, 2))

    def __call__(self, img: Picture) -> Picture:
        return self.change_by_chance(img, lambda: integer(0, self.bins))


class AugMix(_Automatic):
    """Mix an image with several others, each made of it by a chain of changes.

    Source: Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and
    Uncertainty, ICLR 2020 (arXiv 1912.02781).

    Args:
        severity: magnitudes by chance are the lowest so many of 10
        mixture_width: how many chains
        chain_depth: how many changes in a chain; 1 to 3 by chance if it is not positive
        alpha: of the Dirichlet distributions from which the shares come
        all_ops: change brightness, contrast, saturation and sharpness, too
        interpolation: nearest or bilinear
        fill: the value of what was outside of the image, for all channels or one for each
    """

    bins = 10
    settings = (
        *("severity", "mixture_width", "chain_depth", "alpha", "all_ops"),
        *("interpolation", "fill"),
    )

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] | None = None,
    ) -> None:
        if not 1 <= severity <= self.bins:
            raise ValueError(
                f"The severity must be between [1, {self.bins}]. Got {severity} instead.\n"
                "Mild magnitudes only are taken at 1, all at 10."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill
        self.operations = (*_PLACES, *_LEVELS, *(_TONES if all_ops else ()))

    def strengths(self, height: int, width: int) -> Strengths:
        return _strengths(0.3, width / 3.0, height / 3.0, 30.0, 0.9, (4, 0))

    def __call__(self, img: Picture) -> Picture:
        if is_image(img):
            return to_pil_image(self(pil_to_tensor(img)))
        return each_plane(img, lambda x: self._mixed(Tensor.wrap(x)).array)

    def _mixed(self, img: Tensor) -> Tensor:
        images = img.reshape(*[1] * (4 - img.ndim), *img.shape)
        one_each = (len(images), *[1] * (images.ndim - 1))

        def shares(parts: int) -> Tensor:
            return _dirichlet(self.alpha, len(images), parts).to(images.device)

        own, others = shares(2).unbind(1)
        weights = shares(self.mixture_width) * others[:, None]
        mix = own.reshape(one_each) * images
        for weight in weights.unbind(1):
            changed = images
            for _ in range(self.chain_depth if self.chain_depth > 0 else integer(1, 4)):
                changed = self.change_by_chance(changed, lambda: integer(0, self.severity))
            mix = mix + weight.reshape(one_each) * changed
        return mix.reshape(img.shape).to(img.dtype)


# ----------------------------------------------------------------------------------- random shares


def _dirichlet(alpha: float, n: int, parts: int) -> Tensor:
    """Draw ``n`` times numbers that add up to 1, ``(n, parts)``: shares of gamma distributed ones."""
    alpha = float(np.float32(alpha))
    tiny = np.finfo(np.float64).tiny
    gammas = np.array([max(_gamma(alpha), tiny) for _ in range(n * parts)]).reshape(n, parts)
    shares = (gammas / gammas.sum(1, keepdims=True)).astype(np.float32)
    below_one = np.nextafter(np.float32(1), np.float32(0))
    return Tensor.wrap(shares.clip(np.finfo(np.float32).tiny, below_one))


_THIRD, _SQUEEZE = float(np.float32(1 / 3)), float(np.float32(0.0331))  # as torch rounds them


def _gamma(alpha: float) -> float:
    """Draw from the gamma distribution, as torch does.

    Source: Marsaglia & Tsang, A simple method for generating gamma variables, ACM TOMS 26, 2000.
    """

    def unit() -> float:
        return 1 - float(current().uniform((), np.dtype(np.float64)))

    if alpha < 1:  # a larger alpha's, made smaller by chance
        return unit() ** (1 / alpha) * _gamma(alpha + 1) if alpha else 0.0
    d = alpha - _THIRD
    c = 1 / math.sqrt(9 * d)
    while True:
        x = float(current().normal((), np.dtype(np.float64)))
        v = (1 + c * x) ** 3
        if v <= 0:
            continue
        u = unit()
        if u < 1 - _SQUEEZE * x**4 or math.log(u) < 0.5 * x**2 + d * (1 - v + math.log(v)):
            return d * v
