"""Random rectangles of random proportions: one is kept, or one is wiped out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from ...creation import empty, tensor
from ...dtypes import float32
from ...tensor import Tensor
from .base import Transform
from .chance import happens, integer, uniform
from .geometry import Picture, get_dimensions, pair, resized_crop
from .resample import InterpolationMode, mode_of

__all__ = ["RandomErasing", "RandomResizedCrop", "erase"]

Range = Sequence[float]


def _sides(area: int, scale: Range, ratio: Range) -> Iterator[tuple[int, int]]:
    """Draw ten times, as long as nobody is content, an area and a ratio; return the two sides, in pixels."""
    lowest, highest = tensor(ratio).log().tolist()
    for _ in range(10):
        part = area * uniform(*scale)
        proportion = empty(1).uniform_(lowest, highest).exp().item()
        yield round(math.sqrt(part * proportion)), round(math.sqrt(part / proportion))


def _check_ranges(scale: Any, ratio: Any) -> None:
    for name, given in (("Scale", scale), ("Ratio", ratio)):
        if not isinstance(given, Sequence):
            raise TypeError(f"{name} should be a sequence\nGot {given!r}: write (0.5, 1.0).")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=3)


class RandomResizedCrop(Transform):
    """Cut out a random part of an image, and scale it.

    Source: Szegedy et al., Going Deeper with Convolutions, 2015 (arXiv 1409.4842), section 6. If ten parts drawn did
    not fit into the image, it is the largest one in the middle whose ratio is allowed.

    Args:
        size: (height, width) in pixels, or one number for both
        scale: the least and the largest share of the image's area
        ratio: the least and the largest width over height
        interpolation: how the pixels between pixels are made up
        antialias: for arrays and Tensors: blur what shrinks

    >>> RandomResizedCrop(8, ratio=(0.5, 2))
    RandomResizedCrop(size=(8, 8), scale=(0.08, 1.0), ratio=(0.5, 2), interpolation=bilinear, antialias=True)
    """

    bytewise = False  # see resize()

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Range = (0.08, 1.0),
        ratio: Range = (3 / 4, 4 / 3),
        interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")
        _check_ranges(scale, ratio)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = mode_of(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(img: Picture, scale: Range, ratio: Range) -> tuple[int, int, int, int]:
        """Draw top, left, height and width of a part."""
        _, h, w = get_dimensions(img)
        for width, height in _sides(h * w, scale, ratio):
            if 0 < width <= w and 0 < height <= h:
                return integer(0, h - height + 1), integer(0, w - width + 1), height, width
        height, width = h, w
        if w / h < min(ratio):
            height = round(w / min(ratio))
        elif w / h > max(ratio):
            width = round(h * max(ratio))
        return (h - height) // 2, (w - width) // 2, height, width

    def __call__(self, img: Picture) -> Picture:
        part = self.get_params(img, self.scale, self.ratio)
        settings = self.size, self.interpolation, self.antialias, self.bytewise
        return resized_crop(img, *part, *settings)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(x, 4) for x in given) for given in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


def erase(
    img: Tensor, i: int, j: int, h: int, w: int, v: Tensor | float, inplace: bool = False
) -> Tensor:
    """Overwrite a rectangle.

    Args:
        img: (..., C, H, W)
        i: top, in pixels
        j: left
        h: height
        w: width
        v: the new value, or values (C, h, w)
        inplace: overwrite it in ``img`` itself

    >>> import tinyconv as tc
    >>> erase(tc.ones(1, 2, 3), 0, 1, 1, 2, 0.0)
    tensor([[[1., 0., 0.],
             [1., 1., 1.]]])
    """
    _need_tensor(img)
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img


def _need_tensor(img: Any) -> None:
    if not isinstance(img, Tensor):
        raise TypeError(
            f"img should be Tensor Image. Got {type(img)}\nPut ToTensor() before RandomErasing()."
        )


class RandomErasing(Transform):
    """Overwrite a random rectangle of a Tensor, with probability ``p``.

    Source: Zhong et al., Random Erasing Data Augmentation, 2017 (arXiv 1708.04896).

    Args:
        p: probability
        scale: the least and the largest share of the image's area
        ratio: the least and the largest height over width
        value: the new value, one for all channels or one for each; or "random": a normal number for each pixel
        inplace: overwrite it in the image itself
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Range = (0.02, 0.33),
        ratio: Range = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError(
                "Argument value should be either a number or str or a sequence\n"
                f"Got {value!r}: write 0, (0, 0, 0) or 'random'."
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"If value is str, it should be 'random'\nGot {value!r}.")
        _check_ranges(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"Scale should be between 0 and 1\nGot {scale}, shares of the area.")
        if not 0 <= p <= 1:
            raise ValueError(f"Random erasing probability should be between 0 and 1\nGot {p}.")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Range, ratio: Range, value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """Draw top, left, height, width and values of a rectangle; None for ``value`` stands for "random"."""
        channels, h, w = img.shape[-3:]
        for height, width in _sides(h * w, scale, ratio):
            if height < h and width < w:
                if value is None:
                    v = empty(channels, height, width, dtype=float32).normal_()
                else:
                    v = tensor(value)[:, None, None]
                return integer(0, h - height + 1), integer(0, w - width + 1), height, width, v
        return 0, 0, h, w, img

    def __call__(self, img: Tensor) -> Tensor:
        if not happens(self.p):
            return img
        _need_tensor(img)
        values: Sequence[float] | None = None
        if not isinstance(self.value, str):
            given = self.value if isinstance(self.value, Sequence) else [self.value]
            values = [float(v) for v in given]
            if len(values) not in (1, img.shape[-3]):
                raise ValueError(
                    "If value is a sequence, it should have either a single value or "
                    f"{img.shape[-3]} (number of input channels)\nGot {len(values)} values."
                )
        return erase(img, *self.get_params(img, self.scale, self.ratio, values), self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
