"""The transforms of images, for samples: each is that of :mod:`transforms` with :class:`OfImages` before it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....dtypes import dtype as DType
from ....dtypes import float32
from ....tensor import Tensor
from ... import transforms as of_one
from ...pillow import is_image
from ...tv_tensors import Image, wrap
from ..affine import Mode
from ..chance import integer
from ..geometry import crop, pad, pair, sides
from ..resample import InterpolationMode
from ..values import pil_to_tensor, to_pil_image
from . import functional as F
from .base import OfImages, Transform, is_a, is_pure_tensor, listed, query_chw, query_size

__all__ = [
    "RGB",
    "CenterCrop",
    "ColorJitter",
    "ConvertImageDtype",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Identity",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomAutocontrast",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
]


class _OfSize(OfImages):
    def check_images(self, flat_inputs: list[Any]) -> None:
        query_size(flat_inputs)


class _OfShape(OfImages):
    def check_images(self, flat_inputs: list[Any]) -> None:
        query_chw(flat_inputs)


# ── the same as for single images ─────────────────────────────────────────────────────────────


class CenterCrop(OfImages, of_one.CenterCrop):
    """Cut out the middle."""


class FiveCrop(OfImages, of_one.FiveCrop):
    """Cut out the corners and the middle, for a tuple of five images."""


class TenCrop(OfImages, of_one.TenCrop):
    """The same, and five more of the mirrored image."""


class Grayscale(OfImages, of_one.Grayscale):
    """Keep the luminance."""


class RandomHorizontalFlip(OfImages, of_one.RandomHorizontalFlip):
    """Swap left and right with probability ``p``."""


class RandomVerticalFlip(OfImages, of_one.RandomVerticalFlip):
    """Swap top and bottom with probability ``p``."""


class RandomRotation(OfImages, of_one.RandomRotation):
    """Turn by a random angle."""


class RandomAffine(_OfSize, of_one.RandomAffine):
    """Turn, shift, scale and shear at random."""


class RandomPerspective(_OfSize, of_one.RandomPerspective):
    """Move the corners at random."""


class RandomGrayscale(_OfShape, of_one.RandomGrayscale):
    """Keep the luminance only with probability ``p``."""


class RandomInvert(OfImages, of_one.RandomInvert):
    """Make a negative with probability ``p``."""


class RandomPosterize(OfImages, of_one.RandomPosterize):
    """Keep the upper bits with probability ``p``."""


class RandomSolarize(OfImages, of_one.RandomSolarize):
    """Invert what is bright with probability ``p``."""


class RandomAutocontrast(OfImages, of_one.RandomAutocontrast):
    """Stretch each channel from black to white with probability ``p``."""


class RandomEqualize(OfImages, of_one.RandomEqualize):
    """Make all brightnesses equally frequent with probability ``p``."""


class RandomAdjustSharpness(OfImages, of_one.RandomAdjustSharpness):
    """Blur or sharpen with probability ``p``."""


class GaussianBlur(OfImages, of_one.GaussianBlur):
    """Blur with a random width."""

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"sigma": [float(s) for s in self.sigma]}


class Pad(OfImages, of_one.Pad):
    """Put a border around an image."""

    def settings(self) -> dict[str, Any]:
        padding = self.padding if isinstance(self.padding, int) else list(self.padding)
        return super().settings() | {"padding": padding}


class Resize(OfImages, of_one.Resize):
    """Scale an image; bytes are rounded after each axis."""

    bytewise = True

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"size": listed(self.size)}


class RandomResizedCrop(_OfSize, of_one.RandomResizedCrop):
    """Cut out a random part, and scale it; bytes are rounded after each axis."""

    bytewise = True


class ToPILImage(OfImages, of_one.ToPILImage):
    """A Tensor or an array to a PIL image."""

    _transformed_types = (Tensor, np.ndarray)


class PILToTensor(OfImages, of_one.PILToTensor):
    """A PIL image to a Tensor of the same numbers."""

    _transformed_types = (is_image,)


class ToTensor(OfImages, of_one.ToTensor):
    """A PIL image or an array of bytes to a Tensor of floats from 0 to 1; the old way to do so."""

    _transformed_types = (is_image, np.ndarray)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(float32, scale=True)])`.",
            stacklevel=2,
        )


class _OfTensors(OfImages):
    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(map(is_image, flat_inputs)):
            raise TypeError(
                f"{type(self).__name__}() does not support PIL images.\nPut ToImage() before it."
            )


class Normalize(_OfTensors, of_one.Normalize):
    """``(x - mean) / std`` for each channel."""

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"mean": list(self.mean), "std": list(self.std)}


class LinearTransformation(_OfTensors, of_one.LinearTransformation):
    """Multiply the pixels by a matrix."""


# ── with something of their own ───────────────────────────────────────────────────────────────


class ColorJitter(OfImages, of_one.ColorJitter):
    """Change brightness, contrast, saturation and hue at random."""

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(brightness or 0, contrast or 0, saturation or 0, hue or 0)


class ElasticTransform(_OfSize, of_one.ElasticTransform):
    """Ripple at random; arguments may be integers."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Mode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] = 0,
    ) -> None:
        far, wide = ([float(v) for v in listed(given)] for given in (alpha, sigma))
        far, wide = (two * 2 if len(two) == 1 else two for two in (far, wide))
        super().__init__(far, wide, interpolation, fill)
        self._fill = fill

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"fill": self._fill}


class RandomErasing(_OfShape, of_one.RandomErasing):
    """Overwrite a random rectangle with probability ``p``, in PIL images too."""

    def settings(self) -> dict[str, Any]:
        v = self.value
        value = None if isinstance(v, str) else [float(x) for x in listed(v)]
        return super().settings() | {"value": value}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if is_image(inpt):
            return to_pil_image(super().transform(pil_to_tensor(inpt), params), inpt.mode)
        return super().transform(inpt, params)


class RandomCrop(Transform):
    """Cut out a rectangle at a random place: arguments as in :class:`transforms.RandomCrop`.

    Where an image has the right height, or width, nothing is drawn for that.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair(size, "Please provide only two dimensions (h, w) for size.")
        left, top, right, bottom = sides(padding or 0)
        self.padding = [left, right, top, bottom] if padding else None
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    get_params = staticmethod(of_one.RandomCrop.get_params)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        old = list(query_size(flat_inputs))
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        border = [[top, bottom], [left, right]]
        places = []
        for axis, (length, new) in enumerate(zip(old, self.size, strict=True)):
            missing = max(new - length - sum(border[axis]), 0) if self.pad_if_needed else 0
            border[axis] = [width + missing for width in border[axis]]
            old[axis] = length + sum(border[axis])
        if old[0] < self.size[0] or old[1] < self.size[1]:
            raise ValueError(
                f"Required crop size {tuple(self.size)} is larger than "
                f"{'padded ' if self.padding else ''}input image size {tuple(old)}.\n"
                "Pass padding=..., pad_if_needed=True, or a smaller size."
            )
        for length, new in zip(old, self.size, strict=True):
            places.append(integer(0, length - new + 1) if length > new else 0)
        (top, bottom), (left, right) = border
        return {"padding": [left, top, right, bottom], "places": places}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        output = inpt
        if any(params["padding"]):
            output = pad(output, params["padding"], self.fill, self.padding_mode)
        return wrap(crop(output, *params["places"], *self.size), like=inpt)


class RGB(Transform):
    """Give grey images three equal channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return wrap(F.grayscale_to_rgb(inpt), like=inpt)


class GaussianNoise(Transform):
    """Add a normal number to each pixel of each image: see :func:`functional.gaussian_noise`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return wrap(F.gaussian_noise(inpt, self.mean, self.sigma, self.clip), like=inpt)


class ToImage(Transform):
    """A PIL image, an array (H, W, C) or a Tensor to an :class:`tv_tensors.Image` of the same numbers."""

    _transformed_types = (is_pure_tensor, is_image, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_image(inpt)


class ToPureTensor(Transform):
    """An :class:`tv_tensors.Image` to an ordinary Tensor."""

    _transformed_types = (Image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt.view(inpt.shape)


class ToDtype(Transform):
    """Convert the images: see :func:`functional.to_dtype`.

    >>> import tinyconv as tc
    >>> ToDtype(tc.float32, scale=True)(tc.full((1, 1, 1), 255, dtype=tc.uint8))
    tensor([[[1.]]])
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: DType, scale: bool = False) -> None:
        if not isinstance(dtype, DType):
            raise ValueError(
                f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead\nWrite float32."
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return wrap(F.to_dtype(inpt, self.dtype, self.scale), like=inpt)


class ConvertImageDtype(ToDtype):
    """Convert the images and scale them; the old way to do so."""

    def __init__(self, dtype: DType = float32) -> None:
        super().__init__(dtype, scale=True)

    def extra_repr(self) -> str:
        return ""


class Identity(Transform):
    """Change nothing."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """Any function as a transform: of all that is in a sample, or of what is of some types."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        self.lambd = lambd
        self.types = types or self._transformed_types

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if is_a(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[t.__name__ for t in self.types]}"])
