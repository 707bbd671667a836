"""Data sets whose parts have names: SVHN (Y. Netzer et al., 2011) and STL-10 (A. Coates et al., 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import pillow
from ..download import fetch
from .base import Published, Transform, VisionDataset, one_of
from .files import load, unpack

__all__ = ["STL10", "SVHN"]


class _Split(Published, VisionDataset):
    """Images and labels in memory, planes first.

    A subclass sets ``data``, uint8 (N, C, H, W), and ``labels``, N integers.
    """

    splits: ClassVar[tuple[str, ...]]
    root: str | Path
    data: np.ndarray
    labels: np.ndarray

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.split = one_of(self.splits, "split", split)
        self._load_or(download)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image = pillow.from_array(np.ascontiguousarray(self.data[index].transpose(1, 2, 0)))
        return self._transformed(image, int(self.labels[index]))

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def _loadmat(content: bytes) -> Mapping[str, Any]:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}\nThe files of SVHN are those of Matlab, which scipy reads: pip install scipy"
        ) from None
    return loadmat(BytesIO(content))


class SVHN(_Split):
    """Photographs of house numbers, 32x32 pixels, with the digit in the middle for a label.

    Files lie in ``root``. ``data`` is uint8 (N, 3, 32, 32), ``labels`` int64 (N,).

    Args:
        root: folder of the data sets
        split: ``"train"`` (73,257 images), ``"test"`` (26,032) or ``"extra"`` (531,131)
        transform: called with each image
        target_transform: called with each label
        download: fetch the file where it is missing or damaged

    Raises:
        RuntimeError: the file is missing or damaged, and ``download`` is off
        ModuleNotFoundError: scipy is not installed
    """

    splits = ("train", "test", "extra")
    mirrors: ClassVar = ["http://ufldl.stanford.edu/housenumbers/"]
    sums: ClassVar = {
        "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test": "eb5a983be6a315427106f1b164d9cef3",
        "extra": "a93ce644f1a588dc4d68dda5feec44a7",
    }

    @property
    def filename(self) -> str:
        """The file of the split."""
        return f"{self.split}_32x32.mat"

    def _load(self) -> None:
        files = {self.filename: self.sums[self.split]}
        (content,) = load(Path(self.root), files, _loadmat, self.remedy)
        self.data = content["X"].transpose(3, 2, 0, 1)
        self.labels = content["y"].astype(np.int64).reshape(-1) % 10  # the digit 0 is called 10

    def download(self) -> None:
        """Fetch the file of the split into ``root``."""
        urls = [mirror + self.filename for mirror in self.mirrors]
        fetch(self.filename, self.sums[self.split], urls, self.root)


class STL10(_Split):
    """Photographs of 96x96 pixels: few with a label (10 classes), and many without.

    Files lie in ``root/stl10_binary``. ``data`` is uint8 (N, 3, 96, 96), ``labels`` integers (N,),
    -1 where there is none.

    Args:
        root: folder of the data sets
        split: ``"train"`` (5,000 images), ``"test"`` (8,000), ``"unlabeled"`` (100,000) or
            ``"train+unlabeled"``
        folds: number 0..9 of one of the ten parts of 1,000 training images; None for all
        transform: called with each image
        target_transform: called with each label
        download: fetch the files where they are missing or damaged

    Raises:
        RuntimeError: files are missing or damaged, and ``download`` is off
    """

    splits = ("train", "train+unlabeled", "unlabeled", "test")
    base_folder = "stl10_binary"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    mirrors: ClassVar = ["http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"]
    sums: ClassVar = {
        "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        "train_y.bin": "5a34089d4802c674881badbb80307741",
        "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    }
    texts: ClassVar = ["class_names.txt", "fold_indices.txt"]  # of which no sum is published

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        folds: int | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        if folds is not None and not isinstance(folds, int):
            raise ValueError(
                f"Expected type None or int for argument folds, but got type {type(folds)}.\n"
                "Pass the number of one part, or None for all of the training images."
            )
        if folds is not None and folds not in range(10):
            raise ValueError(
                f"Value for argument folds should be in the range [0, 10), but got {folds}.\n"
                "There are ten parts of 1,000 training images each."
            )
        self.folds = folds
        super().__init__(root, split, transform, target_transform, download)

    def _read(self, *names: str) -> list[Any]:
        files = {name: self.sums.get(name) for name in names}
        return load(Path(self.root, self.base_folder), files, bytes, self.remedy)

    def _load(self) -> None:
        parts = [self._part(name) for name in self.split.split("+")]
        images, labels = zip(*parts, strict=True)
        self.data, self.labels = np.concatenate(images), np.concatenate(labels)
        names = Path(self.root, self.base_folder, "class_names.txt")
        if names.is_file():
            self.classes = names.read_text().splitlines()

    def _part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels of a part of the data set."""
        labelled = name != "unlabeled"
        pixels, *rest = self._read(f"{name}_X.bin", *([f"{name}_y.bin"] if labelled else []))
        columns_first = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 96, 96)
        images = columns_first.transpose(0, 1, 3, 2)
        if not labelled:
            return images, np.full(len(images), -1)
        labels = np.frombuffer(rest[0], np.uint8) - np.uint8(1)
        if name == "train" and self.folds is not None:
            (text,) = self._read("fold_indices.txt")
            rows = np.array(text.decode().splitlines()[self.folds].split(), np.int64)
            images, labels = images[rows], labels[rows]
        return images, labels

    def download(self) -> None:
        """Fetch the archive into ``root`` and unpack its files next to it."""
        archive = fetch(self.filename, self.tgz_md5, self.mirrors, self.root)
        unpack(archive, {*self.sums, *self.texts}, Path(self.root, self.base_folder))
