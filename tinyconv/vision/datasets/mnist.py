"""MNIST (Y. LeCun et al., 1998) and Fashion-MNIST (H. Xiao et al., arXiv:1708.07747)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...tensor import Tensor
from ..download import fetch
from .base import OnDisk
from .files import load, read_idx

__all__ = ["MNIST", "FashionMNIST"]


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

    def _load(self) -> None:
        folder = Path(self.raw_folder)
        published = self.train_list if self.train else self.test_list
        files: dict[str, str | None] = {}
        for name, checksum in published.items():
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
