"""Tensors that are known to be images: what the transforms of :mod:`transforms.v2` look for in a sample."""

from __future__ import annotations

from typing import Any

from ..creation import as_tensor
from ..tensor import Tensor
from .pillow import is_image
from .transforms.values import pil_to_tensor

__all__ = ["Image", "wrap"]


class Image(Tensor):
    """A Tensor (..., C, H, W) that is an image. What is computed from it is an ordinary Tensor.

    Args:
        data: anything :func:`tensor` takes, or a PIL image; (H, W) becomes (1, H, W)
        dtype: number type; that of ``data`` unless given
        device: likewise
        requires_grad: likewise

    Raises:
        ValueError: less than two dimensions

    >>> Image([[1, 2]]).shape
    tinyconv.Size([1, 1, 2])
    """

    def __init__(
        self,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> None:
        x = as_tensor(pil_to_tensor(data) if is_image(data) else data, dtype=dtype, device=device)
        if x.ndim < 2:
            raise ValueError(
                f"Tensor must be 2D or higher, got {x.ndim}D tensor.\nAn image is (..., C, H, W)."
            )
        self.array = (x[None] if x.ndim == 2 else x).array
        if x.requires_grad if requires_grad is None else requires_grad:
            self.requires_grad_(True)

    def __repr__(self) -> str:
        text = super().__repr__().removeprefix("tensor")
        return f"Image{text[:-1]}, )".replace("\n ", "\n")  # one column less in front


def wrap(wrappee: Tensor, *, like: Any) -> Any:
    """Return a Tensor as an :class:`Image`, if ``like`` is one."""
    return Image(wrappee) if isinstance(like, Image) else wrappee
