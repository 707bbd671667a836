"""Means of neighbouring pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...creation import linspace
from ...dtypes import dtype, float32
from ...ops import conv2d, pad
from ...tensor import Tensor
from ..pillow import is_image
from .geometry import KINDS, Picture, each_plane
from .resample import rounded
from .values import pil_to_tensor, to_pil_image

__all__ = ["filtered", "gaussian_blur", "real"]


def real(x: Tensor) -> dtype:
    """Return the number type to calculate in."""
    return x.dtype if x.is_floating_point() else float32


def gaussian_blur(
    img: Picture,
    kernel_size: int | Sequence[int],
    sigma: float | Sequence[float] | None = None,
) -> Picture:
    """Replace each pixel by a mean around it, weighted by ``exp(-distance^2 / (2 sigma^2))``.

    Args:
        img: the image; outside of it lies its mirror image
        kernel_size: how many pixels the mean takes, an odd number, or two: (across, down)
        sigma: width of the bell in pixels, or two: (across, down);
            ``0.15 kernel_size + 0.35`` unless given

    >>> gaussian_blur(np.array([[0, 0, 100, 0, 0]] * 5, np.uint8), 3)[2]
    array([ 0, 24, 52, 24,  0], dtype=uint8)
    """
    sizes, widths = _kernel_sizes(kernel_size), _widths(sigma, kernel_size)
    if is_image(img):
        return to_pil_image(_blurred(pil_to_tensor(img), sizes, widths), img.mode)
    if not isinstance(img, (Tensor, np.ndarray)):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}\n{KINDS}")
    return each_plane(img, lambda x: _blurred(Tensor.wrap(x), sizes, widths).array)


def _kernel_sizes(kernel_size: int | Sequence[int]) -> Sequence[int]:
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            "kernel_size should be int or a sequence of integers. "
            f"Got {type(kernel_size)}\nWrite 5 or (5, 5)."
        )
    sizes = [kernel_size, kernel_size] if isinstance(kernel_size, int) else kernel_size
    if len(sizes) != 2:
        raise ValueError(
            f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}\n"
            "Write 5, or (across, down)."
        )
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(
            f"kernel_size should have odd and positive integers. Got {sizes}\n"
            "A kernel has a pixel in the middle and as many on both sides."
        )
    return sizes


def _widths(
    sigma: float | Sequence[float] | None, kernel_size: int | Sequence[int]
) -> Sequence[float]:
    if sigma is None:
        return [size * 0.15 + 0.35 for size in _kernel_sizes(kernel_size)]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(
            f"sigma should be either float or sequence of floats. Got {type(sigma)}\n"
            "Write 1.5 or (1.5, 1.5)."
        )
    widths = [float(sigma)] if isinstance(sigma, (int, float)) else list(sigma)
    widths = widths * 2 if len(widths) == 1 else widths
    if len(widths) != 2:
        raise ValueError(
            f"If sigma is a sequence, its length should be 2. Got {len(widths)}\n"
            "Write 1.5, or (across, down)."
        )
    if min(widths) <= 0.0:
        raise ValueError(f"sigma should have positive values. Got {widths}\nIt counts in pixels.")
    return widths


def _blurred(x: Tensor, sizes: Sequence[int], widths: Sequence[float]) -> Tensor:
    def bell(size: int, width: float) -> Tensor:
        middle = (size - 1) * 0.5
        at = linspace(-middle, middle, size, dtype=real(x), device=x.device)
        weights = (-0.5 * (at / width).pow(2)).exp()
        return weights / weights.sum()

    across, down = map(bell, sizes, widths)
    kx, ky = (size // 2 for size in sizes)
    wide = pad(x.reshape(-1, *x.shape[-3:]), (kx, kx, ky, ky), "reflect")
    return filtered(wide, down[:, None] @ across[None]).reshape(x.shape)


def filtered(x: Tensor, kernel: Tensor) -> Tensor:
    """Sums of ``(..., C, H, W)`` weighted by a kernel (kh, kw), wherever it fits in."""
    channels = x.shape[-3]
    batch = x.reshape(-1, *x.shape[-3:]).to(real(x))
    y = conv2d(batch, kernel.expand(channels, 1, *kernel.shape), groups=channels)
    return rounded(y, x.dtype).reshape(*x.shape[:-2], *y.shape[-2:])
