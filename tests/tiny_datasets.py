"""CIFAR and MNIST in miniature: files of the published formats, with sums of their own."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np

from tinyconv.vision import datasets


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def as_python2(pickled: bytes) -> bytes:
    """Give a pickled array the names and the 0 and 1 for False and True that the published have."""
    pickled = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    false_true, zero_one = b"\x89\x88\x87", b"K\0K\1\x87"
    assert false_true in pickled
    return pickled.replace(false_true, zero_one)


def tiny_cifar(root: Path, kind: type = datasets.CIFAR10) -> type:
    """Write 4 images per training file and 5 for testing; return the class that reads them."""
    rng = np.random.default_rng(0)
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    classes = 100 if kind is datasets.CIFAR100 else 10
    for name in [*kind.train_list, *kind.test_list]:
        n = 5 if name.startswith("test") else 4
        batch = {
            "data": rng.integers(0, 256, (n, 3072), np.uint8),
            kind.label_key: rng.integers(0, classes, n).tolist(),
        }
        (folder / name).write_bytes(as_python2(pickle.dumps(batch, protocol=3)))
    for name in kind.meta:
        names = {kind.names_key: [f"class {k}" for k in range(classes)]}
        (folder / name).write_bytes(pickle.dumps(names, protocol=3))

    def sums(names):
        return {name: md5(folder / name) for name in names}

    lists = {key: sums(getattr(kind, key)) for key in ("train_list", "test_list", "meta")}
    return type(kind.__name__, (kind,), lists)


def idx(array: np.ndarray) -> bytes:
    """Return the idx file of a uint8 array."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def tiny_mnist(root: Path, kind: type = datasets.MNIST, packed: bool = True) -> type:
    """Write 12 images for training and 5 for testing; return the class that reads them."""
    rng = np.random.default_rng(0)
    folder = root / kind.__name__ / "raw"
    folder.mkdir(parents=True)
    lists = {}
    for key, n in (("train_list", 12), ("test_list", 5)):
        images, labels = getattr(kind, key)
        contents = {
            images: idx(rng.integers(0, 256, (n, 28, 28), np.uint8)),
            labels: idx(rng.integers(0, 10, n).astype(np.uint8)),
        }
        lists[key] = {}
        for name, content in contents.items():
            if packed:
                (folder / name).write_bytes(gzip.compress(content, mtime=0))
                lists[key][name] = md5(folder / name)
            else:
                (folder / name.removesuffix(".gz")).write_bytes(content)
                lists[key][name] = "0" * 32
    return type(kind.__name__, (kind,), lists)
