"""Transforms without chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dtypes import dtype
from ...tensor import Tensor
from .base import Transform
from .geometry import Picture, center_crop, pad, pair, resize, sides
from .resample import InterpolationMode
from .values import convert_image_dtype, pil_to_tensor, rgb_to_grayscale, to_pil_image

__all__ = [
    "CenterCrop",
    "ConvertImageDtype",
    "Grayscale",
    "PILToTensor",
    "Pad",
    "Resize",
    "ToPILImage",
]


class CenterCrop(Transform):
    """Cut out the middle: ``size`` pixels, or (height, width)."""

    batchable = True

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")

    def __call__(self, img: Picture) -> Picture:
        return center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(Transform):
    """Put a border around an image: arguments as in :func:`functional.pad`."""

    batchable = True

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        sides(padding)  # a wrong setting fails here, not at the first image
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Picture) -> Picture:
        return pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class Resize(Transform):
    """Scale an image: arguments as in :func:`functional.resize`."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | str = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(size, (int, list, tuple)):
            raise TypeError(
                f"Size should be int or sequence. Got {type(size)}\nWrite 32 or (32, 32)."
            )
        if not isinstance(size, int):
            pair(size, "If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.interpolation = InterpolationMode(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Picture) -> Picture:
        return resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class ToPILImage(Transform):
    """A Tensor (C, H, W) or an array (H, W, C) to a PIL image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class PILToTensor(Transform):
    """A PIL image to a Tensor (C, H, W) of the same numbers."""

    def __call__(self, pic: Any) -> Tensor:
        return pil_to_tensor(pic)


class ConvertImageDtype(Transform):
    """Convert a Tensor and scale it: integers fill their range, floats go from 0 to 1."""

    def __init__(self, dtype: dtype) -> None:
        self.dtype = dtype

    def __call__(self, image: Tensor) -> Tensor:
        return convert_image_dtype(image, self.dtype)


class Grayscale(Transform):
    """Keep the luminance, in 1 channel or 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, img: Picture) -> Picture:
        return rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"
