"""Transforms without chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...dtypes import dtype
from ...tensor import Tensor
from .base import Transform
from .geometry import Picture, center_crop, five_crop, pad, pair, resize, sides, ten_crop
from .resample import InterpolationMode, mode_of
from .values import convert_image_dtype, pil_to_tensor, rgb_to_grayscale, to_pil_image

__all__ = [
    "CenterCrop",
    "ConvertImageDtype",
    "FiveCrop",
    "Grayscale",
    "LinearTransformation",
    "PILToTensor",
    "Pad",
    "Resize",
    "TenCrop",
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


class FiveCrop(Transform):
    """Cut out the four corners and the middle, for a tuple of five images; see :func:`functional.five_crop`."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")

    def __call__(self, img: Picture) -> tuple[Picture, ...]:
        return five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(Transform):
    """Return those five parts and, of the mirrored image, five more; see :func:`functional.ten_crop`."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")
        self.vertical_flip = vertical_flip

    def __call__(self, img: Picture) -> tuple[Picture, ...]:
        return ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


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

    bytewise = False

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
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
        self.interpolation = mode_of(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Picture) -> Picture:
        settings = self.interpolation, self.max_size, self.antialias, self.bytewise
        return resize(img, self.size, *settings)

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


class LinearTransformation(Transform):
    """Multiply the pixels of Tensors (..., C, H, W), less their means, by a matrix: ``(x - mean) @ matrix``.

    With the eigenvectors of a set of images, divided by the roots of their eigenvalues, this whitens the set.

    Args:
        transformation_matrix: (D, D) with D = C * H * W
        mean_vector: (D,)
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        shape, length = tuple(transformation_matrix.shape), len(mean_vector)
        if shape[0] != shape[1]:
            raise ValueError(
                f"transformation_matrix should be square. Got {shape} rectangular matrix.\n"
                "It has a row and a column for each of the C * H * W pixels."
            )
        if length != shape[0]:
            raise ValueError(
                f"mean_vector should have the same length {length} as any one of the dimensions of "
                f"the transformation_matrix [{shape}]\nIt has one number for each row."
            )
        for name in ("device", "dtype"):
            one, other = getattr(transformation_matrix, name), getattr(mean_vector, name)
            if one != other:
                have = "be on" if name == "device" else "have"
                raise ValueError(
                    f"Input tensors should {have} the same {name}. Got {one} and {other}\n"
                    f"Write mean_vector.to({one!r})."
                )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def __call__(self, tensor: Tensor) -> Tensor:
        pixels, size = tuple(tensor.shape[-3:]), len(self.mean_vector)
        if math.prod(pixels) != size:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{' x '.join(map(str, pixels))}] != {size}\nResize the images, or fit the matrix anew."
            )
        if tensor.device != self.mean_vector.device:
            raise ValueError(
                "Input tensor should be on the same device as transformation matrix and mean vector. "
                f"Got {tensor.device} vs {self.mean_vector.device}\n"
                f"Write images.to({str(self.mean_vector.device)!r})."
            )
        flat = tensor.reshape(-1, size) - self.mean_vector
        return (flat @ self.transformation_matrix.to(flat.dtype)).reshape(tensor.shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
