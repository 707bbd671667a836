"""What a transform is, and how a chain of them takes a whole batch of images at once.

A transform turns one image into another. Two facts about it make batches possible: what it draws
from the random generator depends on the size of the image alone, and what it does to the pixels is
the same for one image as for many. So a batch first draws for every image, image by image and step
by step, in the order in which single images would; then each step treats the batch as one Tensor
(N, C, H, W). The results are those of single images, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...tensor import Tensor
from .geometry import Picture, get_dimensions
from .values import normalize, scale, to_tensor

__all__ = [
    "Compose",
    "Lambda",
    "Normalize",
    "RandomTransform",
    "ToTensor",
    "Transform",
    "batch_steps",
    "run",
]


class Transform:
    """One step from image to image.

    ``batchable`` in a class's own body (a subclass does not inherit it) says: the step is the same
    for a Tensor of many images, and draws random numbers in :meth:`draw` only.
    """

    batchable = False

    def __call__(self, img: Picture) -> Picture:
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, img)")

    def batch(self, images: Tensor, drawn: Sequence[Any]) -> Tensor:
        """Treat images (N, C, H, W), given what :meth:`draw` returned for each."""
        return self(images)

    def prepare(self, img: Picture) -> Picture:
        """Do what comes before the drawing, such as padding."""
        return img

    def draw(self, height: int, width: int) -> Any:
        """Take random numbers for one image of this size."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransform(Transform):
    """A step in two: :meth:`draw` takes random numbers, :meth:`apply` knows no chance."""

    def apply(self, img: Picture, drawn: Any) -> Picture:
        """Treat one image, given what :meth:`draw` returned for it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method apply(self, img, drawn)")

    def __call__(self, img: Picture) -> Picture:
        img = self.prepare(img)
        return self.apply(img, self.draw(*get_dimensions(img)[1:]))


class Compose(Transform):
    """Several transforms, one after the other.

    >>> Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.5,), std=(0.5,))
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class Lambda(Transform):
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(
                f"Argument lambd should be callable, got {type(lambd).__name__!r}\n"
                "Write Lambda(lambda img: ...)."
            )
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class ToTensor(Transform):
    """A PIL image or uint8 array (H, W, C) in 0..255 to a float Tensor (C, H, W) in 0..1."""

    batchable = True

    def __call__(self, img: Picture) -> Tensor:
        return to_tensor(img)

    def batch(self, images: Tensor, drawn: Sequence[Any]) -> Tensor:
        return Tensor(scale(images.array))


class Normalize(Transform):
    """``(x - mean) / std`` with one number per channel, for Tensors (..., C, H, W)."""

    batchable = True

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, img: Tensor) -> Tensor:
        return normalize(img, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


def batch_steps(transform: Any) -> list[Transform] | None:
    """Return the steps of a chain that turns a batch of bytes into floats at once, or None.

    That is: batchable steps only, :class:`ToTensor` once among them, :class:`Normalize` not before.
    """
    steps = _flat(transform)
    if not all(vars(type(step)).get("batchable") for step in steps):
        return None
    kinds = [type(step) for step in steps]
    if kinds.count(ToTensor) != 1 or Normalize in kinds[: kinds.index(ToTensor)]:
        return None
    return steps


def _flat(transform: Any) -> list[Any]:
    if type(transform) is Compose:
        return [step for part in transform.transforms for step in _flat(part)]
    return [transform]


def run(steps: Sequence[Transform], images: np.ndarray) -> Tensor:
    """Run a chain of :func:`batch_steps`: bytes ``(N, H, W, C) or (N, H, W) -> (N, C, H, W)``."""
    planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    batch = Tensor(planes.copy(order="C"))
    sizes = []
    scout = Tensor(
        batch.array[:0]
    )  # no images at all walk ahead, and see which size each step will meet
    for step in steps:
        scout = step.prepare(scout)
        sizes.append(scout.shape[-2:])
        scout = step.batch(scout, [])
    drawn = [[step.draw(*size) for step, size in zip(steps, sizes, strict=True)] for _ in images]
    for step, choices in zip(steps, zip(*drawn, strict=True), strict=True):
        batch = step.batch(step.prepare(batch), choices)
    return batch
