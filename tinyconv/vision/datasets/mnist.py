"""MNIST (Y. LeCun et al., 1998) and its kin: Fashion-MNIST (H. Xiao et al., arXiv:1708.07747), Kuzushiji-MNIST
(T. Clanuwat et al., arXiv:1812.01718), EMNIST (G. Cohen et al., arXiv:1702.05373).
"""

from __future__ import annotations

import os
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...tensor import Tensor
from ..download import fetch
from .base import OnDisk, one_of
from .files import load, read_idx, unpack

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST"]


class MNIST(OnDisk):
    """70,000 grey handwritten digits of 28x28 pixels.

    Files lie in ``root/MNIST/raw``, each gzipped or not. ``data`` is a uint8 Tensor (N, 28, 28),
    ``targets`` an int64 Tensor (N,).

    Args:
        root: folder of the data sets
        train: the 60,000 images for training, or the 10,000 for testing
        transform: called with each image
        target_transform: called with each label
        download: fetch the files where they are missing or damaged

    Raises:
        RuntimeError: files are missing or damaged, and ``download`` is off
    """

    classes: Sequence[str] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip
    mirrors: ClassVar = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    train_list: ClassVar = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    }
    test_list: ClassVar = {
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    data: Tensor
    targets: Tensor

    @property
    def raw_folder(self) -> str:
        """The folder of the four files."""
        return os.path.join(self.root, type(self).__name__, "raw")

    def _published(self) -> Mapping[str, str | None]:
        """Return the MD5 sums of images and labels, by file name."""
        return self.train_list if self.train else self.test_list

    def _load(self) -> None:
        folder = Path(self.raw_folder)
        files: dict[str, str | None] = {}
        for name, checksum in self._published().items():
            plain = name.removesuffix(".gz")
            unpacked = (folder / plain).exists() and not (folder / name).exists()
            files |= {plain: None} if unpacked else {name: checksum}
        images, labels = load(folder, files, read_idx, self.remedy)
        self.data = Tensor.wrap(images)
        self.targets = Tensor.wrap(labels.astype(np.int64))

    def download(self) -> None:
        """Fetch the four files into the folder; they stay packed."""
        for name, checksum in (self.train_list | self.test_list).items():
            fetch(name, checksum, [mirror + name for mirror in self.mirrors], self.raw_folder)


class FashionMNIST(MNIST):
    """70,000 grey photographs of clothes, 28x28 pixels; for the rest see :class:`MNIST`."""

    classes: Sequence[str] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
    mirrors: ClassVar = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    train_list: ClassVar = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    }
    test_list: ClassVar = {
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


class KMNIST(MNIST):
    """70,000 characters of old Japanese script, 28x28 pixels; for the rest see :class:`MNIST`."""

    classes: Sequence[str] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    mirrors: ClassVar = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    train_list: ClassVar = {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
    }
    test_list: ClassVar = {
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    }


_CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MERGED = [c for c in _CHARACTERS if c not in "cijklmopsuvwxyz"]  # these look like their capitals


class EMNIST(MNIST):
    """Handwritten digits and letters, 28x28 pixels, which lie on their side: rows are columns.

    Args:
        root: folder of the data sets
        split: ``"byclass"``, ``"bymerge"``, ``"balanced"``, ``"letters"``, ``"digits"`` or
            ``"mnist"``
        train: images for training, or those for testing
        transform: called with each image
        target_transform: called with each label
        download: fetch the files where they are missing or damaged

    Raises:
        RuntimeError: files are missing or damaged, and ``download`` is off
    """

    filename = "gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    mirrors: ClassVar = ["https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"]
    classes_split_dict: ClassVar = {
        "byclass": list(_CHARACTERS),
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }
    splits = tuple(classes_split_dict)

    def __init__(self, root: str | Path, split: str, **kwargs: Any) -> None:
        self.split = one_of(self.splits, "split", split)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _published(self) -> Mapping[str, str | None]:
        return dict.fromkeys(self._names("train" if self.train else "test"))

    def _names(self, part: str) -> list[str]:
        return [
            f"emnist-{self.split}-{part}-{file}-ubyte.gz" for file in ("images-idx3", "labels-idx1")
        ]

    def download(self) -> None:
        """Fetch the archive and unpack the four files of the split next to it; they stay packed."""
        archive = fetch(self.filename, self.md5, self.mirrors, self.raw_folder)
        unpack(archive, [*self._names("train"), *self._names("test")], Path(self.raw_folder))
