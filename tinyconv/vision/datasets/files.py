"""From files on disk to arrays: checksums, archives, the pickles of CIFAR and the idx format of MNIST."""

from __future__ import annotations

import gzip
import io
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..download import md5

__all__ = ["Damaged", "load", "read_idx", "unpack", "unpickle"]


class Damaged(RuntimeError):
    """Files of a data set are missing, or are not what was published."""


def load(
    folder: Path, files: Mapping[str, str | None], parse: Callable[[bytes], Any], remedy: str
) -> list[Any]:
    """Read, verify and parse the files of a folder.

    Args:
        folder: where the files lie
        files: MD5 sum by file name; ``None`` where no sum is published
        parse: from the bytes of a file to what it means; ``ValueError`` where they mean nothing
        remedy: the last line of the error: what else the user can do

    Raises:
        Damaged: files are missing, or not what was published; the message names each
    """
    parsed, damage = [], []
    for name, checksum in files.items():
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            damage.append(f"    {name} is missing")
            continue
        if checksum is not None and md5(content) != checksum:
            damage.append(f"    {name} has MD5 {md5(content)}, not {checksum}")
            continue
        try:
            parsed.append(parse(content))
        except ValueError as error:
            damage.append(f"    {name}: {error}")
    if damage:
        raise Damaged(
            "\n".join(
                [
                    "Dataset not found or corrupted. You can use download=True to download it",
                    f"Looked in {folder.absolute()}:",
                    *damage,
                    remedy,
                ]
            )
        )
    return parsed


def unpack(archive: Path, wanted: Collection[str], folder: Path) -> None:
    """Write the files of these names from an archive, tar or zip, into a folder.

    Known names only, and nothing of their paths: no member decides where it lands.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, stream in _members(archive):
        name = path.rpartition("/")[2]
        if name in wanted:
            with (folder / name).open("wb") as file:
                shutil.copyfileobj(stream, file)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir():
                    yield info.filename, packed.open(info)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if stream := tar.extractfile(member):
                yield member.name, stream


# ----------------------------------------------------------------------------------- CIFAR: pickles


def _dtype(code: str, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    """``numpy.dtype`` as old pickles call it: with 0 and 1, of which NumPy 2.4.0 warns."""
    return np.dtype(code, bool(align), bool(copy))


_rebuild = np.empty(0).__reduce__()[
    0
]  # numpy's function for pickled arrays, wherever it lives today

_HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"): _rebuild,
    ("numpy._core.multiarray", "_reconstruct"): _rebuild,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}


class _Unpickler(pickle.Unpickler):
    """An unpickler of containers, strings, numbers and NumPy arrays, which calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _HARMLESS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the file asks for {module}.{name}, which a data file has no use for\n"
                "It may run code of a stranger and was not loaded: delete it and download it again."
            ) from None


def unpickle(content: bytes) -> Any:
    """Return the object in a pickle of containers, strings, numbers and arrays, such as a CIFAR
    batch.

    Raises:
        pickle.UnpicklingError: the pickle names any other class or function

    >>> unpickle(pickle.dumps({"labels": [3, 8]}))
    {'labels': [3, 8]}
    """
    return _Unpickler(
        io.BytesIO(content), encoding="latin1"
    ).load()  # as Python 2 wrote its strings


# --------------------------------------------------------------------------------------- MNIST: idx


_IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read_idx(content: bytes) -> np.ndarray:
    """Return the array in an idx file, gzipped or not.

    The file is ``0 0 dtype ndim``, then ``ndim`` sizes as big-endian 32-bit integers, then the
    numbers: http://yann.lecun.com/exdb/mnist/

    Raises:
        ValueError: the bytes are no idx file, or not all of one

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(f"the gzip stream is damaged ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES:
        raise ValueError(f"no idx file: it begins with {content[:4]!r}")
    dtype, ndim = np.dtype(_IDX_DTYPES[content[2]]), content[3]
    start = 4 + 4 * ndim
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    expected = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise ValueError(f"{len(content)} bytes, but the header {shape} promises {expected}")
    numbers = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return numbers.astype(dtype.newbyteorder("="))  # a writable copy in this machine's byte order
