"""Random maps: turned, sheared, in perspective, rippled by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...creation import rand
from ...ops import cat
from ...tensor import Tensor
from .affine import Fill, Mode, affine, elastic_transform, perspective, rotate
from .base import Transform
from .blur import gaussian_blur
from .chance import happens, integer, uniform
from .geometry import Picture, get_dimensions
from .resample import InterpolationMode, mode_of

__all__ = ["ElasticTransform", "RandomAffine", "RandomPerspective", "RandomRotation"]

Params = tuple[float, tuple[int, int], float, tuple[float, float]]


class RandomRotation(Transform):
    """Turn an image by a random angle.

    Args:
        degrees: the least and the largest angle, counter-clockwise; or the largest in either direction
        interpolation: see :func:`functional.rotate`, as for the rest
        expand: make the image large enough
        center: the fixed point
        fill: the value of what was outside

    >>> RandomRotation(30)
    RandomRotation(degrees=[-30.0, 30.0], interpolation=nearest, expand=False, fill=0)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Mode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ) -> None:
        self.degrees = _angles(degrees, "degrees", 2)
        self.interpolation = mode_of(interpolation)
        self.expand = expand
        self.center = _perhaps(center, "center")
        self.fill = _filling(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw an angle."""
        return uniform(float(degrees[0]), float(degrees[1]))

    def __call__(self, img: Picture) -> Picture:
        angle = self.get_params(self.degrees)
        return rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Transform):
    """Turn, shift, scale and shear an image at random.

    Args:
        degrees: the least and the largest angle, clockwise; or the largest in either direction
        translate: the largest shift along x and y, as a share of width and height
        scale: the least and the largest factor
        shear: the least and the largest angle along x, then also along y; or the largest in either direction, along x
        interpolation: see :func:`functional.affine`, as for the rest
        fill: the value of what was outside
        center: the fixed point

    >>> RandomAffine(0, translate=(0.1, 0.2))
    RandomAffine(degrees=[0.0, 0.0], translate=(0.1, 0.2))
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Mode = InterpolationMode.NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = _angles(degrees, "degrees", 2)
        self.translate = _perhaps(translate, "translate")
        if not all(0 <= share <= 1 for share in translate or ()):
            raise ValueError(
                f"translation values should be between 0 and 1\nGot {translate}, shares of the size."
            )
        self.scale = _perhaps(scale, "scale")
        if not all(factor > 0 for factor in scale or ()):
            raise ValueError(f"scale values should be positive\nGot {scale}.")
        self.shear = None if shear is None else _angles(shear, "shear", 2, 4)
        self.interpolation = mode_of(interpolation)
        self.fill = _filling(fill)
        self.center = _perhaps(center, "center")

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> Params:
        """Draw angle, shift, scale and shear for an image of width and height ``img_size``."""
        angle = uniform(float(degrees[0]), float(degrees[1]))
        shift = [0, 0]
        if translate is not None:
            most = [share * pixels for share, pixels in zip(translate, img_size, strict=True)]
            shift = [round(uniform(-pixels, pixels)) for pixels in most]
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        ranges = shears or ()
        sheared = [uniform(*ranges[k : k + 2]) for k in range(0, len(ranges), 2)] + [0.0, 0.0]
        return angle, (shift[0], shift[1]), scale, (sheared[0], sheared[1])

    def __call__(self, img: Picture) -> Picture:
        _, h, w = get_dimensions(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, (w, h))
        return affine(img, *drawn, self.interpolation, self.fill, self.center)

    def __repr__(self) -> str:
        usual = {"interpolation": InterpolationMode.NEAREST, "fill": 0}
        names = ("translate", "scale", "shear", "interpolation", "fill", "center")
        given = [(name, getattr(self, name)) for name in names]
        told = [
            f", {name}={value.value if isinstance(value, InterpolationMode) else value}"
            for name, value in given
            if value != usual.get(name)
        ]
        return f"{type(self).__name__}(degrees={self.degrees}{''.join(told)})"


class RandomPerspective(Transform):
    """Move the corners of an image towards its middle, each by itself, with probability ``p``.

    Args:
        distortion_scale: how far at most: 0 not at all, 1 to the middle
        p: probability
        interpolation: see :func:`functional.perspective`
        fill: the value of what was outside
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Mode = InterpolationMode.BILINEAR,
        fill: Fill = 0,
    ) -> None:
        self.p = p
        self.distortion_scale = distortion_scale
        self.interpolation = mode_of(interpolation)
        self.fill = _filling(fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Return the corners (x, y), clockwise from the upper left one, and draw where they go."""
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        reach = [int(distortion_scale * (length // 2)) for length in (width, height)]
        moved = []
        for corner in corners:
            lowest = [max(at - r, 0) for at, r in zip(corner, reach, strict=True)]
            moved.append([integer(k, k + r + 1) for k, r in zip(lowest, reach, strict=True)])
        return corners, moved

    def __call__(self, img: Picture) -> Picture:
        _, h, w = get_dimensions(img)
        if not happens(self.p):
            return img
        places = self.get_params(w, h, self.distortion_scale)
        return perspective(img, *places, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ElasticTransform(Transform):
    """Ripple an image: look at each place somewhere beside it, at neighbouring ones on about the same side.

    Source: Simard, Steinkraus & Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis, ICDAR 2003.

    Args:
        alpha: how far at most, in half pixels; one number, or one for x and one for y
        sigma: how many pixels count as neighbours: the deviation of the Gaussian bell that blurs random places
        interpolation: nearest or bilinear
        fill: the value of what was outside
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Mode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] = 0,
    ) -> None:
        self.alpha = _two_floats(alpha, "alpha")
        self.sigma = _two_floats(sigma, "sigma")
        self.interpolation = mode_of(interpolation)
        if not isinstance(fill, (int, float, list, tuple)):
            raise TypeError(
                f"fill should be int or float or a list or tuple of them. Got {type(fill)}\nWrite 0."
            )
        self.fill = [float(v) for v in (fill if isinstance(fill, Sequence) else [fill])]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """Draw how far to look beside each place of an image of this height and width: (1, H, W, 2)."""
        parts = []
        for far, wide, length in zip(alpha, sigma, reversed(size), strict=True):
            part = rand(1, 1, *size) * 2 - 1
            if wide > 0:
                side = int(8 * wide + 1) | 1  # odd
                part = gaussian_blur(part, [side, side], list(sigma))
            parts.append(part * far / length)
        return cat(parts, 1).permute(0, 2, 3, 1)

    def __call__(self, tensor: Picture) -> Picture:
        displacement = self.get_params(self.alpha, self.sigma, get_dimensions(tensor)[1:])
        return elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


# ── checks ────────────────────────────────────────────────────────────────────────────────────


def _perhaps(values: Any, name: str) -> Any:
    """Return None or two values as they are."""
    return None if values is None else _checked(values, name, 2)


def _checked(values: Any, name: str, *lengths: int) -> Any:
    """Return a sequence of one of these lengths as it is."""
    message = f"{name} should be a sequence of length {' or '.join(map(str, lengths))}."
    if not isinstance(values, Sequence):
        raise TypeError(f"{message}\nGot {values!r}.")
    if len(values) not in lengths:
        raise ValueError(f"{message}\nGot {values!r}.")
    return values


def _angles(values: Any, name: str, *lengths: int) -> list[float]:
    """Return a range, or one number for both directions, as a list of floats."""
    if isinstance(values, (int, float)):
        if values < 0:
            raise ValueError(
                f"If {name} is a single number, it must be positive.\n"
                f"Got {values}: write ({values}, {-values}), or {-values}."
            )
        values = [-values, values]
    return [float(value) for value in _checked(values, name, *lengths)]


def _filling(fill: Any) -> Any:
    if fill is not None and not isinstance(fill, (int, float, Sequence)):
        raise TypeError(f"Fill should be either a sequence or a number.\nGot {fill!r}: write 0.")
    return 0 if fill is None else fill


def _two_floats(values: Any, name: str) -> Sequence[float]:
    if not isinstance(values, (float, Sequence)):
        raise TypeError(
            f"{name} should be float or a sequence of floats. Got {type(values)}\nWrite 5.0."
        )
    if isinstance(values, Sequence) and len(values) != 2:
        raise ValueError(
            f"If {name} is a sequence its length should be 2. Got {len(values)}\nWrite (x, y)."
        )
    pair = values if isinstance(values, Sequence) else [values] * 2
    for value in pair:
        if not isinstance(value, float):
            raise TypeError(
                f"{name} should be a sequence of floats. Got {type(value)}\nWrite (5.0, 5.0)."
            )
    return pair
