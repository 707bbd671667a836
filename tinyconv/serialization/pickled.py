"""Read what ``torch.save`` wrote, and run nothing that is in it.

Such a file is a pickle in which a tensor is the call of a function on a storage; the storages lie beside it, as members
of a zip archive (since PyTorch 1.6) or one after the other behind it. A pickle names the functions it wants called.
Here it gets those of a list, which build data, and everything else is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import device, to_dtype
from ..tensor import Parameter, Size, Tensor

_MAGIC = 0x1950A86A20F9469CFC6C  # how a file without an archive begins
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip


def is_pickled(content: bytes) -> bool:
    """Tell whether a file begins like one of ``torch.save``, or like any pickle; safetensors have a ``{`` after 8 bytes."""
    return content[:2] == b"PK" or (content[:1] == b"\x80" and content[8:9] != b"{")


def read(content: bytes, place: Callable[[Tensor], Tensor]) -> Any:
    """Return what is in a file of ``torch.save``, with each tensor where ``place`` brings it.

    Raises:
        pickle.UnpicklingError: it holds something else than data.
    """
    if content[:2] == b"PK":
        return _read_archive(zipfile.ZipFile(io.BytesIO(content)), place)
    return _read_stream(io.BytesIO(content), place)


def _read_archive(archive: zipfile.ZipFile, place: Callable[[Tensor], Tensor]) -> Any:
    names = archive.namelist()
    pickles = [name for name in names if name.endswith("/data.pkl")]
    if len(pickles) != 1 or f"{pickles[0][:-8]}constants.pkl" in names:
        raise pickle.UnpicklingError("an archive of another kind, such as one of torch.jit.save")
    folder = pickles[0][:-8]
    order = f"{folder}byteorder"
    if order in names and archive.read(order) != b"little":
        raise pickle.UnpicklingError("its numbers were written by a big-endian machine")
    storages: dict[str, np.ndarray] = {}

    def storage(dtype: np.dtype, key: str, size: int) -> np.ndarray:
        if key not in storages:
            data = bytearray(archive.read(f"{folder}data/{key}"))  # which can be written to
            storages[key] = np.frombuffer(data, np.uint8)
        return storages[key].view(dtype)[:size]

    return _Unpickler(io.BytesIO(archive.read(pickles[0])), storage, place).load()


def _read_stream(file: io.BytesIO, place: Callable[[Tensor], Tensor]) -> Any:
    storages: dict[str, np.ndarray] = {}

    def storage(dtype: np.dtype, key: str, size: int) -> np.ndarray:
        return storages.setdefault(key, np.empty(size, dtype))  # its numbers come at the end

    def load() -> Any:
        return _Unpickler(file, storage, lambda x: x).load()

    if load() != _MAGIC:
        raise pickle.UnpicklingError("a pickle that torch.save did not write")
    load()  # the number of the format, which has been one since 2016
    if not load()["little_endian"]:
        raise pickle.UnpicklingError("its numbers were written by a big-endian machine")
    start = file.tell()
    load()
    for key in load():
        found = storages[key]
        size = int.from_bytes(file.read(8), "little")
        data = file.read(found.nbytes)
        if size != len(found) or len(data) != found.nbytes:
            raise EOFError(f"storage {key} is cut short")
        found.view(np.uint8)[...] = np.frombuffer(data, np.uint8)
    file.seek(start)  # now that the numbers are there
    return _Unpickler(file, storage, place).load()


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        file: io.BytesIO,
        storage: Callable[..., np.ndarray],
        place: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(file, encoding="utf-8")
        self._storage, self._place = storage, place

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, size, *views = pid
        if any(view is not None for view in views):
            raise pickle.UnpicklingError("its storages are parts of others")
        return self._storage(dtype, key, size)

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module.replace('__builtin__', 'builtins')}.{name}"  # as Python 2 called it
        if path == "torch._utils._rebuild_tensor_v2":
            return self._tensor
        if path in _BUILDERS:
            return _BUILDERS[path]
        raise pickle.UnpicklingError(f"it asks for {path}, which is code")

    def _tensor(
        self, storage: np.ndarray, offset: int, size: Any, stride: Any, grad: bool, *_: Any
    ) -> Tensor:
        """A view of a storage, like others of the same one."""
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if min(offset, *size, *stride, 0) < 0 or (0 not in size and last >= len(storage)):
            raise pickle.UnpicklingError(f"a tensor {list(size)} reaches beyond its storage")
        steps = tuple(s * storage.itemsize for s in stride)
        array = np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), steps)
        return self._place(Tensor.wrap(array)).requires_grad_(grad)


def _parameter(data: Tensor, requires_grad: bool, *_: Any) -> Parameter:
    return Parameter(data, requires_grad)


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)  # how a pickle that Python 2 can read has its bytes


_BUILDERS: dict[str, Any] = {
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": Size,
    "torch.device": device,
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "collections.defaultdict": defaultdict,
    "_codecs.encode": _encode,
    **{f"builtins.{kind.__name__}": kind for kind in (bytearray, dict, float, int, list, set, str)},
    **{f"torch.{name}": to_dtype(name) for name in _STORAGES.values()},
    **{f"torch.{storage}": to_dtype(name).numpy for storage, name in _STORAGES.items()},
}
