"""What is done to an image before a network sees it."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...dtypes import float32
from ...tensor import Tensor
from ..transforms import InterpolationMode
from ..transforms import functional as F

__all__ = ["ImageClassification"]


class ImageClassification(nn.Module):
    """Resize, cut out the middle, turn into floats and normalize, as where the weights come from.

    Args:
        crop_size: height and width of the middle, in pixels
        resize_size: the shorter side before that
        mean: of each channel, between 0 and 1
        std: standard deviation of each channel
        interpolation: how pixels are made up
        antialias: smooth where the image shrinks

    Shape:
        ``PIL image or (*, c, h, w) -> (*, c, crop_size, crop_size)``
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, float32), self.mean, self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = [f"    {name}={getattr(self, name)}" for name in names]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    def describe(self) -> str:
        """Say in words what is done."""
        return (
            f"PIL images, and Tensors (C, H, W) or (B, C, H, W), are resized to "
            f"resize_size={self.resize_size} with interpolation={self.interpolation}, cut to the "
            f"middle crop_size={self.crop_size}, scaled to [0.0, 1.0] and normalized with "
            f"mean={self.mean} and std={self.std}."
        )
