"""Names of number types and devices, the default type, and which type a mixture has."""

from __future__ import annotations

import threading
from typing import Any

import ml_dtypes
import numpy as np

from .alias import library
from .errors import DeviceError

__all__ = [
    "FLOATS",
    "HALVES",
    "bfloat16",
    "bool_",
    "can_cast",
    "channels_last",
    "contiguous_format",
    "device",
    "dtype",
    "finfo",
    "float16",
    "float32",
    "float64",
    "get_default_device",
    "get_default_dtype",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "layout",
    "memory_format",
    "preserve_format",
    "promote_types",
    "set_default_device",
    "set_default_dtype",
    "strided",
    "uint8",
]


class dtype:
    """A number type: prints as ``tinyconv.float32``, knows its NumPy twin."""

    __slots__ = (
        "high",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "low",
        "name",
        "numpy",
        "rank",
    )
    is_complex = False

    def __init__(self, name: str, rank: int, low: float, high: float) -> None:
        self.name = name
        self.low, self.high = low, high  # the range of finite values
        self.numpy = np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = rank == 2
        self.is_signed = low < 0
        self.rank = rank  # 0 bool, 1 integer, 2 floating point: torch's three categories

    def __repr__(self) -> str:
        return f"{library()}.{self.name}"

    def __reduce__(self) -> Any:
        return to_dtype, (self.name,)

    def to_complex(self) -> dtype:
        """Raise: there are no complex numbers here."""
        raise TypeError("complex numbers are not supported")


def _integer(name: str) -> dtype:
    limits = np.iinfo(name)
    return dtype(name, 1, int(limits.min), int(limits.max))


def _float(name: str) -> dtype:
    limits = ml_dtypes.finfo(name)
    return dtype(name, 2, float(limits.min), float(limits.max))


bool_ = dtype("bool", 0, 0, 1)
uint8, int8, int16, int32, int64 = map(_integer, ("uint8", "int8", "int16", "int32", "int64"))
float16, bfloat16 = _float("float16"), _float("bfloat16")
float32, float64 = _float("float32"), _float("float64")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
BY_NUMPY = {t.numpy: t for t in ALL}
# Of NumPy's dtypes; whose ``kind`` does not tell: bfloat16 is a guest there, of kind "V".
FLOATS = frozenset(t.numpy for t in ALL if t.is_floating_point)
HALVES = frozenset((float16.numpy, bfloat16.numpy))
_BY_NAME = {t.name: t for t in ALL} | {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
}


def to_dtype(like: Any) -> dtype:
    """Find the dtype meant by a dtype, a NumPy dtype, a name, or Python's bool, int, float."""
    if isinstance(like, dtype):
        return like
    try:
        return BY_NUMPY[like]
    except (KeyError, TypeError):
        pass
    if like is bool:
        return bool_
    if like is int:
        return int64
    if like is float:
        return float64
    if isinstance(like, str) and like.removeprefix("tinyconv.").removeprefix("torch.") in _BY_NAME:
        return _BY_NAME[like.removeprefix("tinyconv.").removeprefix("torch.")]
    try:
        return BY_NUMPY[np.dtype("O" if like is None else like)]  # to NumPy, None is a float64
    except (KeyError, TypeError):
        known = ", ".join(t.name for t in ALL)
        raise TypeError(f"can't convert {like!r} to a tinyconv.dtype\nKnown are {known}.") from None


_default = float32


def get_default_dtype() -> dtype:
    """The dtype of floats made from Python numbers; float32 at first."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Make ``d``, a floating-point one, the dtype of floats made from Python numbers.

    >>> import tinyconv as tc
    >>> tc.set_default_dtype(tc.float64)
    >>> tc.tensor(1.5).dtype
    tinyconv.float64
    >>> tc.set_default_dtype(tc.float32)
    """
    global _default
    chosen = to_dtype(d)
    if not chosen.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = chosen


def _join(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    if a.rank != b.rank:
        return a if a.rank > b.rank else b  # int64 with float16 is float16: categories decide
    if {a, b} == {float16, bfloat16}:
        return float32  # the range of one, the digits of the other
    return BY_NUMPY[np.promote_types(a.numpy, b.numpy)]


_JOINED = {(a, b): _join(a, b) for a in ALL for b in ALL}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds both.

    >>> import tinyconv as tc
    >>> tc.promote_types(tc.int64, tc.float16)
    tinyconv.float16
    """
    return _JOINED[type1, type2]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Tell whether the category of ``from_`` (bool < int < float) fits into that of ``to``."""
    return from_.rank <= to.rank


class finfo:
    """Limits of a floating-point dtype: ``bits eps max min tiny smallest_normal resolution``."""

    def __init__(self, type: dtype | None = None) -> None:
        d = type or _default
        if not d.is_floating_point:
            raise TypeError(f"finfo takes a floating-point dtype, got {d}: use iinfo")
        info = ml_dtypes.finfo(d.numpy)
        self.bits, self.dtype = info.bits, d.name
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = 10.0**-info.precision

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype")
        return "finfo(" + ", ".join(f"{n}={getattr(self, n):.6g}" if n != "dtype" else
                                    f"dtype={self.dtype}" for n in names) + ")"  # fmt: skip


class iinfo:
    """Limits of an integer dtype: ``bits max min``."""

    def __init__(self, type: dtype) -> None:
        if type.rank != 1:
            raise TypeError(f"iinfo takes an integer dtype, got {type}: use finfo")
        info = np.iinfo(type.numpy)
        self.bits, self.max, self.min, self.dtype = info.bits, info.max, info.min, type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class device:
    """Where the numbers lie: ``device('cpu')``, ``device('cuda:1')``, ``device('cuda', 1)``."""

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device | int, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            index, type = type, "cuda"
        name, _, number = type.partition(":")
        if name not in ("cpu", "cuda"):
            hint = "On an NVIDIA GPU the device is called 'cuda'." if name == "gpu" else ""
            raise DeviceError(
                f"Expected one of cpu, cuda device type at start of device string: {type}", hint
            )
        if number:
            if index is not None:
                raise DeviceError(
                    "type (string) must not include an index because index was passed "
                    f"explicitly: {type}"
                )
            if not number.isdigit() or (number != "0" and number.startswith("0")):
                raise DeviceError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type, self.index = name, index

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (
            ")" if self.index is None else f", index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> device:
        self._outer_stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._outer_stack().pop()

    @staticmethod
    def _outer_stack() -> list[device]:
        if not hasattr(_chosen, "stack"):
            _chosen.stack = [CPU]
        return _chosen.stack


class memory_format:
    """In which order the dimensions lie in memory.

    Here only ``contiguous_format`` (the last dimension varies fastest) and ``preserve_format`` (as it
    was) differ; asking for channels last is allowed, and changes no number.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{library()}.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")


class layout:
    """How elements lie in memory: here always by ``strided``, the steps of each dimension."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{library()}.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")

_chosen = threading.local()
CPU = device("cpu")


def to_device(like: Any) -> device:
    """Find the device meant by a device, a name, a number, or None (the current default)."""
    if like is None:
        return device._outer_stack()[-1]
    return like if isinstance(like, device) else device(like)


def set_default_device(like: Any) -> None:
    """Make creation functions without ``device=`` use this device."""
    device._outer_stack()[0] = to_device(like)


def get_default_device() -> device:
    """The device that creation functions use without ``device=``."""
    return device._outer_stack()[-1]
