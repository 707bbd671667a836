"""What a transform is, and how a chain of them takes a whole batch of images at once.

A transform turns one image into another. Chance enters as words, the 32-bit numbers of the random
stream: how many a transform takes per image depends on the size of the image alone, and what it
makes of them and of the pixels is the same for one image as for many. So a batch first takes the
words of all its images, in the order in which single images would; then each step treats the batch
as one Tensor (N, C, H, W). The results are those of single images, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...generator import current
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
    for a Tensor of many images, and what it takes from the random stream is told by :meth:`words`.
    """

    batchable = False

    def __call__(self, img: Picture) -> Picture:
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, img)")

    def prepare(self, img: Picture) -> Picture:
        """Do what comes before chance, such as padding."""
        return img

    def words(self, height: int, width: int) -> int:
        """Return how many random words one prepared image of this size takes."""
        return 0

    def batch(self, images: Tensor, words: np.ndarray) -> Tensor:
        """Treat prepared images (N, C, H, W), with the random words (N, K) they took."""
        return self(images)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransform(Transform):
    """A step that takes random words: a subclass defines what it makes of them."""

    def apply(self, img: Picture, words: np.ndarray) -> Picture:
        """Treat one prepared image, with the random words (K,) it took."""
        raise NotImplementedError(f"{type(self).__name__} needs a method apply(self, img, words)")

    def __call__(self, img: Picture) -> Picture:
        img = self.prepare(img)
        return self.apply(img, current().random32(self.words(*get_dimensions(img)[1:])))


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

    def batch(self, images: Tensor, words: np.ndarray) -> Tensor:
        return Tensor.wrap(scale(images.array))


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
    batch = Tensor.wrap(planes.copy(order="C"))
    ends = [0]  # of each step's columns in the table of words
    scout = Tensor.wrap(np.zeros_like(batch.array[:1]))  # a black image walks ahead, to see sizes
    for step in steps:
        scout = step.prepare(scout)
        taken = step.words(*scout.shape[-2:])
        ends.append(ends[-1] + taken)
        scout = step.batch(scout, np.zeros((1, taken), np.uint32))
    words = current().random32(len(images) * ends[-1]).reshape(len(images), ends[-1])
    for step, start, end in zip(steps, ends, ends[1:], strict=False):
        batch = step.batch(step.prepare(batch), words[:, start:end])
    return batch
