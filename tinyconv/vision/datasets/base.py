"""What all data sets of images have in common: transforms, items, batches and how they print."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from ...tensor import Tensor
from ...utils.data import Dataset
from ...utils.data.collate import Batch
from .. import pillow
from ..transforms.base import batch_steps, run
from .files import Damaged

__all__ = ["ImageDataset", "OnDisk", "Published", "VisionDataset", "one_of"]

Transform = Callable[[Any], Any] | None


class VisionDataset(Dataset[Any]):
    """Base of data sets of images: a subclass defines ``__getitem__`` and ``__len__``.

    Args:
        root: folder of the data sets, or None
        transform: called with each image
        target_transform: called with each label
    """

    def __init__(
        self,
        root: str | Path | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} needs a method __len__(self)")

    def extra_repr(self) -> str:
        """Return more lines about the data set."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        lines = [f"Dataset {type(self).__name__}", *(f"    {line}" for line in body)]
        functions = {"Transform": self.transform, "Target transform": self.target_transform}
        if any(functions.values()):
            lines.append("    StandardTransform")
        for name, function in functions.items():
            if function is not None:
                indent = "\n" + " " * len(f"{name}: ")
                lines.append(f"{name}: " + repr(function).replace("\n", indent))
        return "\n".join(lines)

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class ImageDataset(VisionDataset):
    """Images and labels in memory.

    A subclass sets ``data``, uint8 (N, H, W, C) or (N, H, W); ``targets``, N integers; and
    ``classes``, their names.
    """

    data: Any
    targets: Any
    classes: Sequence[str]

    def __init__(
        self,
        root: str | Path | None,
        train: bool,
        transform: Transform,
        target_transform: Transform,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label by class name."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def _pixels(self) -> np.ndarray:
        return self.data.numpy() if isinstance(self.data, Tensor) else self.data

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image = pillow.from_array(self._pixels()[index])
        return self._transformed(image, int(self.targets[index]))

    def __getitems__(self, indices: Sequence[Any]) -> Sequence[Any]:
        """Return several items, the same as one by one, but at once where the transforms can."""
        usual = (
            type(self).__getitem__ is ImageDataset.__getitem__
            and self.target_transform is None
            and self._pixels().dtype == np.uint8
        )
        steps = batch_steps(self.transform) if usual else None
        if steps is None:
            return [self[index] for index in indices]
        rows = np.fromiter(map(operator.index, indices), np.int64)
        targets = np.fromiter((self.targets[row] for row in rows.tolist()), np.int64, len(rows))
        return _Items([run(steps, self._pixels()[rows]), Tensor.wrap(targets)])

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class _Items(Batch):
    """Images and labels of a batch, whose rows have plain integers for labels as items do."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Items([column[index] for column in self.columns])
        image, target = super().__getitem__(index)
        return image, int(target)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        images, targets = self.columns
        return zip(images, targets.tolist(), strict=True)


def one_of(allowed: Sequence[str], argument: str, value: Any) -> str:
    """Return ``value`` if it is one of the allowed words.

    >>> one_of(("train", "test"), "split", "test")
    'test'
    """
    if not isinstance(value, str):
        raise ValueError(
            f"Expected type str for argument {argument}, but got type {type(value)}.\n"
            f"Pass one of {', '.join(allowed)}."
        )
    if value not in allowed:
        words = ", ".join(map(repr, allowed))
        near = get_close_matches(value, allowed, 1)
        raise ValueError(
            f"Unknown value {value!r} for argument {argument}. Valid values are {{{words}}}.\n"
            f"Write {argument}={(near or allowed)[0]!r}."
        )
    return value


class Published:
    """What lies in published files: a subclass defines ``_load`` and ``download``."""

    remedy = (
        "Pass download=True to fetch the files, place them there by hand, or use "
        "datasets.Shapes10, which needs none."
    )

    def _load_or(self, download: bool) -> None:
        """Load the files, after fetching them where they are missing or damaged."""
        try:
            self._load()
        except Damaged:
            if not download:
                raise
            self.download()
            self._load()

    def _load(self) -> None:
        raise NotImplementedError

    def download(self) -> None:
        """Fetch the files into ``root``."""
        raise NotImplementedError


class OnDisk(Published, ImageDataset):
    """Images and labels in memory, from published files."""

    root: str | Path

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, train, transform, target_transform)
        self._load_or(download)
