"""Save and load tensors, state dicts and plain containers.

The file is a safetensors container: tensors in its body, everything else as JSON in its metadata. Nothing in it is ever
executed. A flat dict of tensors keeps its own names, so any reader of safetensors can open a saved ``state_dict()``.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save as pack_tensors

from . import ops
from .backend import backend_of
from .dtypes import device, dtype, to_dtype
from .tensor import Parameter, Size, Tensor

_KEY = "tinyconv"
_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", Size: "size", set: "set"}
_BUILD: dict[str, Any] = {"list": list, "tuple": tuple, "size": Size, "set": set}


class _Packer:
    """Takes a container apart: tensors to ``arrays``, the rest to JSON with references to them."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.seen: dict[int, str] = {}

    def pack(self, value: Any, path: str) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Tensor):
            kind = "parameter" if isinstance(value, Parameter) else "tensor"
            return {"": kind, "name": self._store(value, path), "grad": value.leaf}
        if isinstance(value, np.ndarray):
            return {"": "array", "name": self._store(Tensor.wrap(value), path)}
        if isinstance(value, np.generic):
            return self.pack(value.item(), path)
        if isinstance(value, dict):
            pairs = [
                [self.pack(k, path), self.pack(v, f"{path}.{k}" if path else str(k))]
                for k, v in value.items()
            ]
            return {"": "ordered" if isinstance(value, OrderedDict) else "dict", "pairs": pairs}
        if type(value) in _SEQUENCES:
            items = [self.pack(v, f"{path}.{i}" if path else str(i)) for i, v in enumerate(value)]
            return {"": _SEQUENCES[type(value)], "items": items}
        if isinstance(value, dtype):
            return {"": "dtype", "name": value.name}
        if isinstance(value, device):
            return {"": "device", "name": str(value)}
        where = f" at {path!r}" if path else ""
        hint = "Save its state_dict(): save(model.state_dict(), path)." if hasattr(value, "state_dict") else (
            "Tensors, arrays, numbers, strings, None, and dicts, lists, tuples, sets of these can be saved."
        )  # fmt: skip
        raise TypeError(f"cannot save a {type(value).__name__}{where}\n{hint}")

    def _store(self, value: Tensor, path: str) -> str:
        array = backend_of(value.array).to_numpy(value.array)
        if id(value.array) in self.seen:  # one tensor in two places is stored once
            return self.seen[id(value.array)]
        name = path or "0"
        while name in self.arrays:
            name += "'"
        self.arrays[name] = array if array.flags.c_contiguous else array.copy(order="C")
        self.seen[id(value.array)] = name
        return name


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value[""]
    if kind in ("tensor", "parameter", "array"):
        found = tensors[value["name"]]
        if kind == "array":
            return found.array
        if kind == "parameter":
            return Parameter(found, value["grad"])
        return found.requires_grad_() if value["grad"] else found
    if kind in _BUILD:
        return _BUILD[kind](_unpack(v, tensors) for v in value["items"])
    if kind in ("dict", "ordered"):
        build: Any = OrderedDict if kind == "ordered" else dict
        return build((_unpack(k, tensors), _unpack(v, tensors)) for k, v in value["pairs"])
    return to_dtype(value["name"]) if kind == "dtype" else device(value["name"])


def save(obj: Any, f: Any) -> None:
    """Write tensors and plain containers of them to a file, all or nothing.

    Args:
        obj: a Tensor, or dicts, lists, tuples of tensors, numbers and strings: ``model.state_dict()``,
            ``{"model": ..., "optimizer": ..., "epoch": 3}``.
        f: a path, or an open binary file. A path is written aside and moved into place: a crash leaves the old file whole.

    Raises:
        TypeError: something else is in ``obj``; it says where.

    >>> import tinyconv as tc, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "x.safetensors")
    ...     tc.save({"w": tc.ones(2), "epoch": 3}, path)
    ...     tc.load(path)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    packer = _Packer()
    structure = packer.pack(obj, "")
    content = pack_tensors(packer.arrays, metadata={_KEY: json.dumps(structure)})
    if hasattr(f, "write"):
        f.write(content)
        return
    path = Path(f)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's file is for its owner alone
        os.replace(temporary, path)
    except BaseException:  # also Ctrl-C: nothing half-written stays behind
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_NAMES = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint", "BOOL": "bool"}


def _array(entry: dict[str, Any]) -> np.ndarray[Any, Any]:
    """One tensor of a parsed file, whose types are called F32 or BF16."""
    letters = entry["dtype"].rstrip("0123456789")
    kind = np.dtype(_NAMES[letters] + entry["dtype"][len(letters) :])
    return np.frombuffer(entry["data"], kind).reshape(entry["shape"]).copy()  # not read-only


def load(f: Any, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Read what :func:`save` wrote, or the tensors of any safetensors file as a dict.

    Args:
        f: a path, or an open binary file.
        map_location: the device for all tensors; the CPU unless given. Or, as a dict, a device for those of another.
        weights_only: nothing but data is ever loaded, whatever this says.

    Raises:
        RuntimeError: the file is of another kind, or damaged.
    """
    content = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    name = getattr(f, "name", None) or (str(f) if not hasattr(f, "read") else "the file")
    if content[:4] == b"PK\x03\x04" or content[:1] == b"\x80":
        raise RuntimeError(
            f"{name} was written by torch.save or pickle, which can run code when read\n"
            "In torch, write the weights with safetensors.torch.save_file(model.state_dict(), path), and load that."
        )
    try:
        arrays = {name: _array(entry) for name, entry in deserialize(content)}
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except Exception as error:  # safetensors raises an exception class of its own, json another
        raise RuntimeError(f"{name} is not a safetensors file, or is damaged: {error}") from error
    tensors = {k: Tensor.wrap(a) for k, a in arrays.items()}
    if callable(map_location):
        raise TypeError(
            "map_location is a device or a dict of devices\nA function of storages has nothing to do here: "
            "write map_location='cuda'."
        )
    if isinstance(map_location, dict):  # files do not say where tensors were: all come from the CPU
        map_location = map_location.get("cpu")
    if map_location is not None:
        tensors = {k: ops.to(t, map_location) for k, t in tensors.items()}
    structure = header.get("__metadata__", {}).get(_KEY)
    return tensors if structure is None else _unpack(json.loads(structure), tensors)
