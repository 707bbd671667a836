"""Shapes10: a classification task drawn on the spot, where there is no data and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .base import ImageDataset

__all__ = ["Shapes10"]

_SIDE = 32  # pixels
_BLOCK = 256  # images drawn at once: their floats stay in the cache
_STROKES = 2  # lines of clutter per image
_NOISE = 40  # height of the noise, in grey levels
_TINT = 30, 80  # how much brighter than the ground things are, in grey levels
_TURN = 0.5  # largest turn of a shape, in radians

# A shape is a signed distance: negative inside, zero on the outline, positive outside (exact near
# the outline, which is all that drawing needs). It fills a circle of radius 1. Shapes combine by
# min (union) and max (intersection); abs leaves the outline.


def _radius(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y)  # half the time of np.hypot, which guards against overflow


def _box(x: np.ndarray, y: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _circle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _radius(x, y) - 0.9


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(_radius(x, y) - 0.75) - 0.2


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _box(x, y, 0.75, 0.75)


def _frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(_box(x, y, 0.65, 0.65)) - 0.2


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x) * 0.866 - y * 0.5, y) - 0.55


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sector = 2 * np.pi / 5
    notch = (np.arctan2(y, x) + np.pi / 2) % sector - sector / 2
    away = np.abs(notch)  # the angle from the nearest notch between two points
    return _radius(x, y) * np.cos(away + 0.5) - 0.45


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(_box(x, y, 1.0, 0.28), _box(x, y, 0.28, 1.0))


def _crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(_radius(x, y) - 0.95, 0.8 - _radius(x - 0.55, y))


def _bar(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _box(x, y, 1.0, 0.3)


def _corner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(_box(x + 0.6, y, 0.25, 0.9), _box(x, y + 0.65, 0.85, 0.25))


_SHAPES = {
    "circle": _circle,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "crescent": _crescent,
    "bar": _bar,
    "corner": _corner,
}


class Shapes10(ImageDataset):
    """Noisy colour images of 32x32 pixels, each with one of ten shapes; no file is needed.

    Place, size, rotation, colours, clutter and noise are random and say nothing about the label:
    only the outline does. Three epochs take a small convolutional network to almost 90 %, and one
    without convolutions to half of that. ``data`` is uint8 (N, 32, 32, 3), ``targets`` a list of
    int, equally many per class.

    Args:
        root: not used; there so that the call looks like CIFAR10's
        train: training or test images: other images from the same distribution
        transform: called with each image
        target_transform: called with each label
        download: not needed; there as in CIFAR10
        size: number of images; 10,000 for training and 2,000 for testing by default
        seed: other seeds, other images

    >>> shapes = Shapes10(train=False, size=20)
    >>> shapes.data.shape, shapes.classes[shapes.targets[0]]
    ((20, 32, 32, 3), 'circle')
    """

    classes: Sequence[str] = list(_SHAPES)

    def __init__(
        self,
        root: Any = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        *,
        size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(None, train, transform, target_transform)
        count = size if size is not None else 10_000 if train else 2_000
        rng = np.random.default_rng([seed, 0 if train else 1])
        labels = rng.permutation(np.arange(count) % len(_SHAPES))
        self.data = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
        for start in range(0, count, _BLOCK):
            block = slice(start, start + _BLOCK)
            self.data[block] = _draw(labels[block], rng)
        self.targets = labels.tolist()


def _draw(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one image per label: ground, clutter, shape, noise."""
    planes = (3, len(labels), _SIDE, _SIDE)
    image = rng.random(planes, np.float32)
    image *= _NOISE
    image += rng.uniform(40, 150, (3, len(labels), 1, 1)).astype(np.float32)
    for _ in range(_STROKES):
        _paint(image, _stroke(len(labels), rng), rng)
    _paint(image, _shape(labels, rng), rng)
    return np.clip(image, 0, 255, out=image).astype(np.uint8).transpose(1, 2, 3, 0)


def _paint(image: np.ndarray, distance: np.ndarray, rng: np.random.Generator) -> None:
    """Brighten the inside of an outline, ``distance`` in pixels, by a random colour."""
    tint = rng.uniform(*_TINT, (3, len(distance), 1, 1)).astype(np.float32)
    image += np.clip(0.5 - distance, 0, 1) * tint


def _frames(
    n: int, rng: np.random.Generator, margin: float, turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels' coordinates (n, 32, 32) in n frames of random origin and direction.

    Origins stay ``margin`` pixels away from the border, directions within ``turn`` radians of
    upright.
    """
    low, high = (margin, margin, -turn), (_SIDE - margin, _SIDE - margin, turn)
    x0, y0, angle = rng.uniform(low, high, (n, 3)).astype(np.float32).T
    x = np.arange(_SIDE, dtype=np.float32) - x0[:, None, None]
    y = np.arange(_SIDE, dtype=np.float32)[:, None] - y0[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    return cos * x + sin * y, cos * y - sin * x


def _stroke(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the distance to n random line segments with round ends."""
    x, y = _frames(n, rng, 0, np.pi)
    length, width = rng.uniform((2, 0.7), (8, 1.6), (n, 2)).astype(np.float32).T[:, :, None, None]
    beyond = np.maximum(np.abs(x) - length, 0)
    return _radius(beyond, y) - width


def _shape(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the distance to the outline of the shape of each label."""
    n = len(labels)
    radius = rng.uniform(6, 11, n).astype(np.float32)[:, None, None]
    x, y = _frames(n, rng, 10, _TURN)
    x /= radius
    y /= radius
    distance = np.empty_like(x)
    for label, shape in enumerate(_SHAPES.values()):
        here = labels == label
        distance[here] = shape(x[here], y[here])
    return distance * radius
