"""Several transforms as one, by chance; :class:`Compose` is the one without."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from ...creation import rand
from .base import Transform

__all__ = ["RandomApply", "RandomChoice", "RandomOrder"]

Steps = Sequence[Callable[[Any], Any]]


class RandomApply(Transform):
    """Apply transforms one after the other with probability ``p``, or none.

    >>> RandomApply([abs], p=0.3)
    RandomApply(
        p=0.3
        <built-in function abs>
    )
    """

    def __init__(self, transforms: Steps, p: float = 0.5) -> None:
        self.transforms = transforms
        self.p = p

    def __call__(self, img: Any) -> Any:
        if not bool(rand(1) > self.p):
            for transform in self.transforms:
                img = transform(img)
        return img

    def __repr__(self) -> str:
        return _block(self, f"p={self.p}", *self.transforms)


class _Several(Transform):
    def __init__(self, transforms: Steps) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(
                f"Argument transforms should be a sequence\nGot {type(transforms)}: write [...]."
            )
        self.transforms = transforms

    def __repr__(self) -> str:
        return _block(self, *self.transforms)


class RandomOrder(_Several):
    """Apply transforms in an order that Python's ``random`` shuffles."""

    def __call__(self, img: Any) -> Any:
        order = list(self.transforms)
        random.shuffle(order)
        for transform in order:
            img = transform(img)
        return img


class RandomChoice(_Several):
    """Apply one of several transforms, which Python's ``random`` picks.

    Args:
        transforms: these
        p: how likely each is, in any unit; all the same unless given
    """

    def __init__(self, transforms: Steps, p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(
                f"Argument p should be a sequence\nGot {p!r}: write one number for each."
            )
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


def _block(transform: Transform, *lines: Any) -> str:
    return "\n".join([f"{type(transform).__name__}(", *(f"    {line}" for line in lines), ")"])
