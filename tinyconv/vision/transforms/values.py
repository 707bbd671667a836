"""What pixels are: the ways between images, bytes, floats and greys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...creation import as_tensor, from_numpy
from ...dtypes import FLOATS, dtype, float32, get_default_dtype, iinfo
from ...tensor import Tensor
from ..pillow import Image, in_mode, is_image, require
from .geometry import KINDS, Picture, each_plane, get_dimensions

__all__ = [
    "convert_image_dtype",
    "normalize",
    "pil_to_tensor",
    "rgb_to_grayscale",
    "scale",
    "to_bytes",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
]


_MODE_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def to_tensor(pic: Picture) -> Tensor:
    """Turn a PIL image or an array into a Tensor, bytes ``0..255`` into floats ``0..1``.

    ``(H, W, C) or (H, W) -> (C, H, W)``; numbers other than uint8 keep their values and their
    dtype.

    >>> to_tensor(np.array([[0, 51, 255]], np.uint8))
    tensor([[[0.0000, 0.2000, 1.0000]]])
    """
    if not is_image(pic) and not isinstance(pic, np.ndarray):
        hint = (
            "It is a Tensor already: leave ToTensor() out, or use ConvertImageDtype(float32)."
            if isinstance(pic, Tensor)
            else "Pass a PIL image, or an array of shape (H, W) or (H, W, C)."
        )
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}\n{hint}")
    if is_image(pic):
        full = np.uint8(255 if pic.mode == "1" else 1)  # of a mode that knows 0 and 1 only
        pic = np.asarray(pic, _MODE_DTYPES.get(pic.mode, np.uint8)) * full
    x = _planes(pic)
    return Tensor.wrap(scale(x)) if x.dtype == np.uint8 else from_numpy(x.copy(order="C"))


def scale(x: Any) -> Any:
    """Divide uint8 by 255 in the default dtype."""
    real = get_default_dtype().numpy
    return np.divide(x, real.type(255), dtype=real, order="C")


def to_bytes(x: np.ndarray) -> np.ndarray:
    """Multiply by 255 and cut off the fraction; what lies outside of 0..1 wraps around."""
    return (x * x.dtype.type(255)).astype(np.int64).astype(np.uint8)  # by int64: defined everywhere


def pil_to_tensor(pic: Picture) -> Tensor:
    """Turn a PIL image into a Tensor of the same numbers: ``(H, W, C) -> (C, H, W)``."""
    if not is_image(pic):
        raise TypeError(
            f"pic should be PIL Image. Got {type(pic)}\n"
            "For arrays write from_numpy(x), or to_tensor(x) for floats from 0 to 1."
        )
    return from_numpy(_planes(np.asarray(pic)).copy(order="C"))


def _planes(x: np.ndarray) -> np.ndarray:
    """Show an array (H, W, C) or (H, W) as (C, H, W)."""
    if x.ndim not in (2, 3):
        raise ValueError(
            f"pic should be 2/3 dimensional. Got {x.ndim} dimensions.\n"
            "Pass one image, of shape (H, W) or (H, W, C)."
        )
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)


def to_pil_image(pic: Tensor | np.ndarray, mode: str | None = None) -> Any:
    """Turn a Tensor (C, H, W) or an array (H, W, C), or either of shape (H, W), into a PIL image.

    Floats count from 0 to 1 and become bytes, unless ``mode`` is "F".

    Args:
        pic: 1 to 4 channels
        mode: Pillow's name for what the channels mean; by default L, LA, RGB or RGBA

    Raises:
        ModuleNotFoundError: Pillow is not installed
    """
    require()
    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.\n{KINDS}")
    if pic.ndim not in (2, 3):
        raise ValueError(
            f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.\n"
            "Pass one image, not a batch: batch[0]."
        )
    x = pic.numpy() if isinstance(pic, Tensor) else pic
    x = x.transpose(1, 2, 0) if isinstance(pic, Tensor) and x.ndim == 3 else x
    x = to_bytes(x) if x.dtype in FLOATS and mode != "F" else x
    channels = x.shape[2] if x.ndim == 3 else 1
    if channels > 4:
        raise ValueError(
            f"pic should not have > 4 channels. Got {channels} channels.\n"
            "Arrays are read as (H, W, C) and Tensors as (C, H, W)."
        )
    x = x[:, :, 0] if x.ndim == 3 and channels == 1 else x
    modes = _MODES.get((channels, x.dtype.name))
    if modes is None:
        raise TypeError(
            f"Input type {x.dtype} is not supported\n"
            "Convert to uint8; one channel may also be int16, int32 or float32 (mode 'F')."
        )
    if mode is not None and mode not in modes:
        raise ValueError(
            f"Only modes {modes} are supported for {channels}D inputs\n"
            f"Got mode={mode!r} for {channels} channels of {x.dtype}."
        )
    return in_mode(x, mode or modes[0])


# What the channels of a number type may mean to Pillow, the usual meaning first.
_MODES = {
    (1, "uint8"): ["L"],
    (1, "int16"): ["I;16"],
    (1, "int32"): ["I"],
    (1, "float32"): ["F"],
    (2, "uint8"): ["LA"],
    (3, "uint8"): ["RGB", "YCbCr", "HSV"],
    (4, "uint8"): ["RGBA", "CMYK", "RGBX"],
}


def normalize(
    tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Tensor:
    """Return ``(tensor - mean) / std``, channel by channel.

    Args:
        tensor: floats (..., C, H, W)
        mean: one number per channel, or one for all
        std: likewise
        inplace: overwrite ``tensor``

    >>> import tinyconv as tc
    >>> normalize(tc.ones(1, 1, 2), [0.5], [0.25])
    tensor([[[2., 2.]]])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"img should be Tensor Image. Got {type(tensor)}\nPut ToTensor() before Normalize()."
        )
    if not tensor.is_floating_point():
        raise TypeError(
            f"Input tensor should be a float tensor. Got {tensor.dtype}.\n"
            "Put ToTensor() or ConvertImageDtype(float32) before Normalize()."
        )
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). "
            f"Got tensor.size() = {tensor.shape}\nFor a grey image (H, W) pass tensor[None]."
        )
    shift, scale = (_per_channel(values, tensor) for values in (mean, std))
    if (scale.array == 0).any():
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, "
            "leading to division by zero.\n"
            f"Got std={std}: pass the standard deviation of each channel."
        )
    return tensor.sub_(shift).div_(scale) if inplace else (tensor - shift) / scale


def _per_channel(values: Any, tensor: Tensor) -> Tensor:
    numbers = as_tensor(values, dtype=tensor.dtype, device=tensor.device)
    channels = tensor.shape[-3]
    if numbers.ndim > 1 or numbers.numel() not in (1, channels):
        raise RuntimeError(
            f"The size of tensor a ({channels}) must match the size of tensor b ({numbers.numel()})"
            f" at non-singleton dimension {tensor.ndim - 3}\n"
            f"The image has {channels} channels: mean and std take one number for each, or one."
        )
    return numbers.reshape(-1, 1, 1)


def convert_image_dtype(image: Tensor, dtype: dtype = float32) -> Tensor:
    """Convert a Tensor and scale it: integers fill their range, floats go from 0 to 1.

    >>> import tinyconv as tc
    >>> convert_image_dtype(tc.tensor([0.0, 0.5, 1.0]), tc.uint8)
    tensor([  0, 127, 255], dtype=tinyconv.uint8)
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"Input img should be Tensor Image. Got {type(image)}\nUse to_tensor(img).")
    old, new = image.dtype, dtype
    if old is new or (old.is_floating_point and new.is_floating_point):
        return image.to(new)
    if new.is_floating_point:
        return image.to(new) / iinfo(old).max
    if old.is_floating_point:
        if new.itemsize >= old.itemsize:
            raise RuntimeError(
                f"The cast from {old} to {new} cannot be performed safely\n"
                f"{old} has fewer digits: choose uint8 or int16."
            )
        return (image * (iinfo(new).max + 1.0 - 1e-3)).to(new)
    ratio = (iinfo(new).max + 1) / (iinfo(old).max + 1)
    return image.to(new) * int(ratio) if ratio >= 1 else (image // int(1 / ratio)).to(new)


def rgb_to_grayscale(img: Picture, num_output_channels: int = 1) -> Picture:
    """Return the luminance ``0.299 R + 0.587 G + 0.114 B``, in 1 channel or 3 equal ones.

    Rounding is Pillow's for PIL images and arrays of bytes, torch's for Tensors.
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3\nGot {num_output_channels}.")
    if is_image(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))
    if isinstance(img, np.ndarray) and img.ndim == 2:
        return img.copy() if num_output_channels == 1 else np.stack([img] * 3, -1)
    channels = get_dimensions(img)[0]
    if channels not in (1, 3):
        raise TypeError(
            f"Input image tensor permitted channel values are [1, 3], but found {channels}\n{KINDS}"
        )

    def grey_planes(x: Any) -> Any:
        if channels == 1:
            grey = x
        elif x.dtype == np.uint8 and not isinstance(img, Tensor):
            weights = np.array([19595, 38470, 7471])[:, None, None]  # in units of 2**-16
            grey = ((x * weights).sum(-3, keepdims=True) + (1 << 15) >> 16).astype(np.uint8)
        else:
            wide = x if x.dtype in FLOATS else x.astype(float32.numpy)
            r, g, b = (wide[..., k : k + 1, :, :] for k in range(3))
            grey = (0.2989 * r + 0.587 * g + 0.114 * b).astype(x.dtype)
        return grey.repeat(num_output_channels, -3)

    return each_plane(img, grey_planes)


to_grayscale = rgb_to_grayscale
