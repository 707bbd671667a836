"""Transforms of batches that mix each image with the one before it, and their labels likewise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....func.pytree import flatten, unflatten
from ....generator import current
from ....ops import one_hot
from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import wrap
from ..chance import integer
from .base import Transform, is_pure_tensor, query_size

__all__ = ["CutMix", "MixUp"]


class _Mixing(Transform):
    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: str | Callable[[Any], Any] | None = "default",
    ) -> None:
        self.alpha = float(alpha)
        self.num_classes = num_classes
        if labels_getter != "default" and not callable(labels_getter):
            raise ValueError(
                "labels_getter should either be 'default', a callable, or None, but got "
                f"{labels_getter}.\nWrite lambda sample: sample[1]."
            )
        self._labels_getter = labels_getter if callable(labels_getter) else _labels_of

    def mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        """Mix images (N, C, H, W) each with the one before it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method mix(self, images, params)")

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves, structure = flatten(sample)
        if any(map(is_image, leaves)):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints "
                "and masks.\nIt mixes the images of a batch: apply it after the DataLoader."
            )
        labels = self._checked(self._labels_getter(sample))
        chosen = [
            image and x is not labels
            for x, image in zip(leaves, self.images_among(leaves), strict=True)
        ]
        images = [x for x, image in zip(leaves, chosen, strict=True) if image]
        params = self.make_params(images)
        for x in images:
            self._check_batch(x, len(labels))

        def mixed(x: Any, image: bool) -> Any:
            if x is labels:
                return self._mixed_labels(labels, params["share"])
            return wrap(self.mix(x, params), like=x) if image else x

        return unflatten(structure, map(mixed, leaves, chosen))

    def _checked(self, labels: Any) -> Tensor:
        if not isinstance(labels, Tensor):
            raise ValueError(
                f"The labels must be a tensor, but got {type(labels)} instead.\n"
                "Pass a batch: images (N, C, H, W), and labels (N,)."
            )
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                f"shape (batch_size, num_classes), but got a tensor of shape {labels.shape} instead."
                "\nPass one number for each image."
            )
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {self.num_classes}. "
                "You can Leave num_classes to None.\nThey have a column for each class."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError(
                "num_classes must be passed if the labels are index-based (1D)\n"
                f"Write {type(self).__name__}(num_classes=10)."
            )
        return labels

    def _check_batch(self, images: Tensor, size: int) -> None:
        if images.ndim != 4:
            raise ValueError(
                f"Expected a batched input with 4 dims, but got {images.ndim} dimensions instead.\n"
                "Apply it after the DataLoader."
            )
        if len(images) != size:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{len(images)} != {size}.\nPass one label for each image."
            )

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            labels = one_hot(labels, self.num_classes or -1)
        return _mean(labels if labels.is_floating_point() else labels.float(), share)


class MixUp(_Mixing):
    """Mix each image of a batch with the one before it: ``share * x + (1 - share) * x.roll(1, 0)``.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017 (arXiv 1710.09412).

    Args:
        alpha: the share comes from the beta distribution with both parameters ``alpha``
        num_classes: may be None if labels are (N, classes)
        labels_getter: a function from the sample to its labels; by default, the second part of a tuple, or what a
            dict has under a name with "label" in it

    Shapes: images (N, C, H, W), labels (N,) -> (N, C, H, W), (N, num_classes)
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"share": _beta(self.alpha)}

    def mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        return _mean(images, params["share"])


class CutMix(_Mixing):
    """Put a rectangle of the image before it into each image of a batch.

    Source: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019
    (arXiv 1905.04899).

    Args:
        alpha: the share of the rectangle, at least where it is not cut off, is one less what comes from the beta
            distribution with both parameters ``alpha``
        num_classes: as for :class:`MixUp`
        labels_getter: as for :class:`MixUp`

    Shapes: images (N, C, H, W), labels (N,) -> (N, C, H, W), (N, num_classes)
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        part = 0.5 * math.sqrt(1 - _beta(self.alpha))
        h, w = query_size(flat_inputs)
        ends = []
        for length in (w, h):
            middle, half = integer(0, length), int(part * length)
            ends.append((max(middle - half, 0), min(middle + half, length)))
        (left, right), (top, bottom) = ends
        share = 1 - (right - left) * (bottom - top) / (w * h)
        return {"share": share, "box": (slice(top, bottom), slice(left, right))}

    def mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        box = (..., *params["box"])
        output = images.clone()
        output[box] = images.roll(1, 0)[box]
        return output


def _mean(x: Tensor, share: float) -> Tensor:
    return x.roll(1, 0).mul_(1.0 - share).add_(x.mul(share))


def _labels_of(sample: Any) -> Any:
    found = sample[1] if isinstance(sample, (tuple, list)) else sample
    if is_pure_tensor(found):
        return found
    if not isinstance(found, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary "
            "or a two-tuple whose second item is a dictionary or a tensor, but got "
            f"{found} instead.\nPass labels_getter=lambda sample: ..."
        )
    names = sorted(
        (key.lower() != "labels", k, key) for k, key in enumerate(found) if "label" in key.lower()
    )
    if not names:
        raise ValueError(
            "Could not infer where the labels are in the sample. Try passing a callable as the "
            "labels_getter parameter?\nNo key has 'label' in its name."
        )
    return found[names[0][2]]


# ── the beta distribution ─────────────────────────────────────────────────────────────────────


def _beta(alpha: float) -> float:
    """Draw from the beta distribution with both parameters ``alpha``: one of two gamma numbers over their sum."""
    one, other = _gamma(alpha), _gamma(alpha)
    return float(np.float32(one / (one + other)))


def _gamma(alpha: float) -> float:
    """Draw from the gamma distribution, in float64 as torch does.

    Source: Marsaglia & Tsang, A Simple Method for Generating Gamma Variables, ACM TOMS 26, 2000.
    """
    generator, double = current(), np.dtype(np.float64)

    def unit() -> float:
        return 1 - float(generator.uniform((1,), double)[0])

    scale, alpha = 1.0, float(np.float32(alpha))
    if alpha < 1:
        scale, alpha = unit() ** (1 / alpha), alpha + 1
    d = alpha - 1 / 3
    while True:
        y = 0.0
        while y <= 0:
            x = float(generator.normal((1,), double)[0])
            y = 1 + x / math.sqrt(9 * d)
        v, u = y * y * y, unit()
        if u < 1 - 0.0331 * x**4 or math.log(u) < 0.5 * x * x + d * (1 - v + math.log(v)):
            return max(scale * d * v, np.finfo(np.float64).tiny)
