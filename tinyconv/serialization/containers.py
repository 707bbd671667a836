"""Save and load tensors, state dicts and plain containers.

The file is a safetensors container: tensors in its body, everything else as JSON in its metadata. A flat dict of tensors
keeps its own names, so any reader of safetensors can open a saved ``state_dict()``. Objects of other classes, such as a whole
model, are pickled into it, and only ``weights_only=False`` wakes them: nothing else in a file is ever executed.
"""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save as pack_tensors

from .. import ops
from ..backend import backend_of
from ..dtypes import device, dtype, to_dtype
from ..tensor import Parameter, Size, Tensor
from .pickled import is_pickled, read

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
        return {"": "pickled", "name": self._pickle(value, path), "class": type(value).__name__}

    def _pickle(self, value: Any, path: str) -> str:
        try:
            data = pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:  # as the object likes
            where = f" at {path!r}" if path else ""
            hint = (
                "Save its state_dict(): save(model.state_dict(), path)."
                if hasattr(value, "state_dict")
                else "Tensors, arrays, numbers, strings, containers of these, and what pickle takes can be saved."
            )
            raise TypeError(
                f"cannot save a {type(value).__name__}{where}: {error}\n{hint}"
            ) from error
        return self._store(Tensor.wrap(np.frombuffer(data, np.uint8)), path)

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


def _unpack(value: Any, tensors: dict[str, Tensor], wake: Callable[[str, bytes], Any]) -> Any:
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
    if kind == "pickled":
        return wake(value["class"], ops.to(tensors[value["name"]], "cpu").array.tobytes())
    if kind in _BUILD:
        return _BUILD[kind](_unpack(v, tensors, wake) for v in value["items"])
    if kind in ("dict", "ordered"):
        build: Any = OrderedDict if kind == "ordered" else dict
        return build(
            (_unpack(k, tensors, wake), _unpack(v, tensors, wake)) for k, v in value["pairs"]
        )
    return to_dtype(value["name"]) if kind == "dtype" else device(value["name"])


def save(obj: Any, f: Any) -> None:
    """Write tensors and plain containers of them to a file, all or nothing.

    Args:
        obj: a Tensor, or dicts, lists, tuples of tensors, numbers and strings: ``model.state_dict()``,
            ``{"model": ..., "optimizer": ..., "epoch": 3}``. Other objects are pickled.
        f: a path, or an open binary file. A path is written aside and moved into place: a crash leaves the old file whole.

    Raises:
        TypeError: there is something in ``obj`` that cannot be pickled; it says where.

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
    """Read what :func:`save` or ``torch.save`` wrote, or the tensors of any safetensors file as a dict.

    Args:
        f: a path, or an open binary file.
        map_location: the device for all tensors; the CPU unless given. Or, as a dict, a device for those of another; or a
            function of a tensor and its device's name that returns the tensor where it shall be.
        weights_only: refuse objects of other classes than tensors and containers: to make one, code named in the file runs.
            Say False only of a file whose writer you trust. Of a file of ``torch.save`` nothing but data is ever loaded.

    Raises:
        pickle.UnpicklingError: there is more than data in it, a whole model, say.
        RuntimeError: the file is of another kind, or damaged.
    """
    content = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    name = getattr(f, "name", None) or (str(f) if not hasattr(f, "read") else "the file")
    place = _placing(map_location)
    if is_pickled(content):
        return _load_pickled(content, name, place)
    try:
        arrays = {name: _array(entry) for name, entry in deserialize(content)}
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except Exception as error:  # safetensors raises an exception class of its own, json another
        raise RuntimeError(f"{name} is not a safetensors file, or is damaged: {error}") from error
    tensors = {k: place(Tensor.wrap(a)) for k, a in arrays.items()}
    structure = header.get("__metadata__", {}).get(_KEY)
    if structure is None:
        return tensors
    return _unpack(json.loads(structure), tensors, _only_data if weights_only else _from_pickle)


def _only_data(kind: str, data: bytes) -> Any:
    raise pickle.UnpicklingError(
        f"Weights only load failed. The file holds a {kind}, and to make one, code runs that the file names\n"
        "If you trust whoever wrote it: load(path, weights_only=False). Better save the weights: "
        "save(model.state_dict(), path)."
    )


def _from_pickle(kind: str, data: bytes) -> Any:
    return pickle.loads(data)


def _placing(map_location: Any) -> Callable[[Tensor], Tensor]:
    """What brings a tensor that was read, on the CPU, to where it shall be."""
    if callable(map_location):
        return lambda x: map_location(x, "cpu")
    if isinstance(map_location, dict):  # all come from the CPU, wherever they once were
        map_location = map_location.get("cpu")
    return lambda x: x if map_location is None else ops.to(x, map_location)


def _load_pickled(content: bytes, name: str, place: Callable[[Tensor], Tensor]) -> Any:
    try:
        return read(content, place)
    except pickle.UnpicklingError as error:
        raise pickle.UnpicklingError(
            f"Weights only load failed. {name}: {error}\n"
            "Only data is read. In torch, save the weights: torch.save(model.state_dict(), path)."
        ) from error
    except Exception as error:  # a damaged pickle may end in any exception
        raise RuntimeError(f"{name} is damaged, or torch.save did not write it: {error}") from error
