"""Several transforms as one. Chance comes from the generator of Tensors here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ....creation import rand, randperm, tensor
from ....ops import multinomial
from .base import Transform

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]

Steps = Sequence[Callable[..., Any]]


class _Several(Transform):
    def __init__(self, transforms: Steps) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(
                "Argument transforms should be a sequence of callables\n"
                f"Got {type(transforms)}: write [...]."
            )
        if not transforms:
            raise ValueError("Pass at least one transform\nGot none; Identity() does nothing.")
        self.transforms = transforms

    def chosen(self) -> Iterable[Any]:
        """Return the steps to take, in order."""
        return self.transforms

    def forward(self, *inputs: Any) -> Any:
        several = len(inputs) > 1
        for transform in self.chosen():
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return inputs if several else inputs[0]


class Compose(_Several):
    """Several transforms, one after the other.

    >>> from . import Identity, ToImage
    >>> Compose([ToImage(), Identity()])
    Compose(
          ToImage()
          Identity()
    )
    """

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomApply(Compose):
    """Apply transforms one after the other with probability ``p``, or none."""

    def __init__(self, transforms: Steps, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0 <= p <= 1:
            raise ValueError(
                f"`p` should be a floating point value in the interval [0.0, 1.0].\nGot {p}."
            )
        self.p = p

    def chosen(self) -> Iterable[Any]:
        return () if bool(rand(1) >= self.p) else self.transforms


class RandomChoice(_Several):
    """Apply one of several transforms; ``p`` tells how likely each is, in any unit."""

    def __init__(self, transforms: Steps, p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1] * len(transforms) if p is None else p
        if len(weights) != len(transforms):
            raise ValueError(
                "Length of p doesn't match the number of transforms: "
                f"{len(weights)} != {len(transforms)}\nPass one number for each."
            )
        self.p = [weight / sum(weights) for weight in weights]

    def chosen(self) -> Iterable[Any]:
        return [self.transforms[int(multinomial(tensor(self.p), 1).item())]]


class RandomOrder(_Several):
    """Apply transforms in random order."""

    def chosen(self) -> Iterable[Any]:
        return [self.transforms[k] for k in randperm(len(self.transforms)).tolist()]
