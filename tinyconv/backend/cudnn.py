"""NVIDIA's cuDNN 9, as far as convolution goes, called in the library itself: no package is needed in between.

cuDNN is told what to compute by a graph of operations, proposes engines for it, and turns one into a *plan*, which is
then executed on any memory of these shapes. All of these are descriptors with numbered attributes.

Source: the backend API of cuDNN, https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-graph-library.html
"""

from __future__ import annotations

import ctypes as c
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from typing import Any, NamedTuple

from ..errors import DeviceError
from ..shapes import Ints, Shape
from . import library

__all__ = [
    "ALIGNMENT",
    "B",
    "Convolution",
    "CudnnError",
    "Device",
    "Layout",
    "Plan",
    "Session",
    "W",
    "X",
    "Y",
    "available",
    "candidates",
    "dense",
    "session",
    "version",
    "why_unavailable",
]

# ── names for numbers ─────────────────────────────────────────────────────────────────────────

DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 9}
HEURISTICS = (3, 2)  # the usual one, then engines that take nearly everything
CROSS_CORRELATION = 1
ADD, RELU = 0, 100  # pointwise functions
TENSOR_CORE, DOWN_CONVERT, REDUCED_REDUCTION, NONDETERMINISTIC = 0, 1, 2, 4  # numerical notes
_NOTES = 16  # room for all there are
BAD_PARAM, NOT_SUPPORTED = 2, 3  # thousands of a status

# a type of attributes: its number, and what one value is in C
_HANDLE, _BOOL, _INT64, _FLOAT = (0, c.c_void_p), (2, c.c_bool), (3, c.c_int64), (4, c.c_float)
_DTYPE, _MODE, _HEURISTIC, _NOTE = (1, c.c_int), (7, c.c_int), (8, c.c_int), (11, c.c_int)
_FUNCTION, _POINTER = (14, c.c_int), (6, c.c_void_p)
_DESCRIPTOR, _CHAR = (15, c.c_void_p), (24, c.c_char)

# a kind of descriptor: its number, and the number and type of each attribute
KINDS: dict[str, tuple[int, dict[str, tuple[int, tuple[int, Any]]]]] = {
    "tensor": (17, {
        "alignment": (900, _INT64), "dtype": (901, _DTYPE), "shape": (902, _INT64),
        "strides": (903, _INT64), "uid": (906, _INT64), "virtual": (907, _BOOL),
    }),
    "convolution": (1, {
        "dtype": (100, _DTYPE), "mode": (101, _MODE), "dilation": (102, _INT64), "stride": (103, _INT64),
        "padding_after": (104, _INT64), "padding_before": (105, _INT64), "dimensions": (106, _INT64),
    }),
    "fprop": (10, {
        "alpha": (700, _FLOAT), "beta": (701, _FLOAT), "convolution": (702, _DESCRIPTOR),
        "w": (703, _DESCRIPTOR), "x": (704, _DESCRIPTOR), "y": (705, _DESCRIPTOR),
    }),
    "dgrad": (12, {
        "alpha": (706, _FLOAT), "beta": (707, _FLOAT), "convolution": (708, _DESCRIPTOR),
        "w": (709, _DESCRIPTOR), "x": (710, _DESCRIPTOR), "y": (711, _DESCRIPTOR),
    }),
    "wgrad": (11, {
        "alpha": (712, _FLOAT), "beta": (713, _FLOAT), "convolution": (714, _DESCRIPTOR),
        "w": (715, _DESCRIPTOR), "x": (716, _DESCRIPTOR), "y": (717, _DESCRIPTOR),
    }),
    "function": (0, {"mode": (0, _FUNCTION), "dtype": (1, _DTYPE)}),
    "pointwise": (13, {
        "function": (750, _DESCRIPTOR), "x": (751, _DESCRIPTOR), "b": (752, _DESCRIPTOR),
        "y": (753, _DESCRIPTOR),
    }),
    "graph": (15, {"handle": (800, _HANDLE), "operations": (801, _DESCRIPTOR)}),
    "heuristic": (4, {
        "mode": (200, _HEURISTIC), "graph": (201, _DESCRIPTOR), "configs": (202, _DESCRIPTOR),
        "device": (204, _DESCRIPTOR),
    }),
    "config": (3, {"engine": (300, _DESCRIPTOR)}),
    "engine": (2, {"notes": (1303, _NOTE)}),
    "plan": (5, {
        "handle": (400, _HANDLE), "config": (401, _DESCRIPTOR), "workspace": (402, _INT64),
        "device": (407, _DESCRIPTOR),
    }),
    "pack": (16, {"uids": (1000, _INT64), "pointers": (1001, _POINTER), "workspace": (1003, _POINTER)}),
    "device": (38, {"json": (2702, _CHAR)}),
}  # fmt: skip


# ── the library ───────────────────────────────────────────────────────────────────────────────


class CudnnError(DeviceError):
    """cuDNN has not done something. ``refused`` tells that it never will: it does not do such things."""

    refused = False


def _command() -> str:
    """The command that installs cuDNN for the CuPy that is there."""
    names = {d.name for d in distributions()}
    return f"pip install nvidia-cudnn-cu{12 if 'cupy-cuda12x' in names else 13}"


@cache
def _library() -> tuple[Any, str]:
    """cuDNN, or None and the reason.

    Without cuBLASLt it would end the process, so that is looked for, and loaded, first.
    """
    if sys.platform != "linux":
        return None, "cuDNN is looked for on Linux only."
    lib = library.load("libcudnn.so.9")
    if lib is None:
        return None, f"libcudnn.so.9 was not found. Install it: {_command()}"
    lib.cudnnGetVersion.restype = lib.cudnnGetCudartVersion.restype = c.c_size_t
    major = lib.cudnnGetCudartVersion() // 1000
    needed = f"libcublasLt.so.{major}"
    if library.load(needed) is None:
        wheel = "nvidia-cublas-cu12" if major == 12 else "nvidia-cublas"
        return None, f"cuDNN needs {needed}, which was not found. Install it: pip install {wheel}"
    lib.cudnnGetErrorString.restype = c.c_char_p
    lib.cudnnBackendCreateDescriptor.argtypes = [c.c_int, c.c_void_p]
    lib.cudnnBackendDestroyDescriptor.argtypes = [c.c_void_p]
    lib.cudnnBackendFinalize.argtypes = [c.c_void_p]
    lib.cudnnBackendSetAttribute.argtypes = [c.c_void_p, c.c_int, c.c_int, c.c_int64, c.c_void_p]
    lib.cudnnBackendGetAttribute.argtypes = [
        c.c_void_p, c.c_int, c.c_int, c.c_int64, c.c_void_p, c.c_void_p
    ]  # fmt: skip
    lib.cudnnBackendExecute.argtypes = [c.c_void_p, c.c_void_p, c.c_void_p]
    lib.cudnnSetStream.argtypes = [c.c_void_p, c.c_void_p]
    return lib, ""


def available() -> bool:
    """Tell whether cuDNN can be loaded."""
    return _library()[0] is not None


def why_unavailable() -> str:
    """Why cuDNN cannot be loaded, and the command that mends it; empty if it can."""
    return _library()[1]


def version() -> int | None:
    """cuDNN's version as one number, 91900 for 9.19.0; None without it."""
    lib = _library()[0]
    return None if lib is None else int(lib.cudnnGetVersion())


def _call(function: str, *args: Any) -> None:
    """Call a function of the library, and raise what it complains of."""
    lib, why = _library()
    if lib is None:
        raise CudnnError("cuDNN is not available.", why)
    status = getattr(lib, function)(*args)
    if status:
        detail = c.create_string_buffer(1024)
        lib.cudnnGetLastErrorString(detail, c.c_size_t(1024))
        name = lib.cudnnGetErrorString(status).decode()
        error = CudnnError(f"{function}: {name}", detail.value.decode(errors="replace").strip())
        error.refused = status // 1000 in (BAD_PARAM, NOT_SUPPORTED)
        raise error


# ── descriptors ───────────────────────────────────────────────────────────────────────────────


class Descriptor:
    """An object of cuDNN's: made, given its attributes, finished. It lives as long as those that refer to it."""

    __slots__ = ("attributes", "pointer", "refers_to")

    def __init__(self, kind: str, **attributes: Any) -> None:
        number, self.attributes = KINDS[kind]
        self.refers_to: list[Any] = []
        self.pointer = c.c_void_p()
        _call("cudnnBackendCreateDescriptor", number, c.byref(self.pointer))
        for name, value in attributes.items():
            if value is not None:
                self._set(name, value)
        if attributes:  # one without is for cuDNN to fill
            _call("cudnnBackendFinalize", self.pointer)

    def __del__(self) -> None:
        if self.pointer and not sys.is_finalizing() and (lib := _library()[0]):
            lib.cudnnBackendDestroyDescriptor(self.pointer)

    def _set(self, name: str, value: Any) -> None:
        attribute, (kind, item) = self.attributes[name]
        values: Any = value if isinstance(value, (list, tuple, bytes)) else (value,)
        if kind == _DESCRIPTOR[0]:
            self.refers_to += values
            values = [v.pointer for v in values]
        array = (item * len(values))(*values)
        _call("cudnnBackendSetAttribute", self.pointer, attribute, kind, len(values), array)

    def _get(self, name: str, room: int, array: Any) -> int:
        attribute, (kind, _) = self.attributes[name]
        count = c.c_int64()
        there = c.byref(count)
        _call("cudnnBackendGetAttribute", self.pointer, attribute, kind, room, there, array)
        return count.value

    def numbers(self, name: str, room: int = 1) -> list[int]:
        """The values of an attribute, of which there are no more than ``room``."""
        _, (_, item) = self.attributes[name]
        array = (item * room)()
        count = self._get(name, room, array)
        return list(array)[:count]

    def descriptors(self, name: str, kind: str) -> list[Descriptor]:
        """The descriptors that an attribute refers to."""
        found = [Descriptor(kind) for _ in range(self._get(name, 0, None))]
        pointers = (c.c_void_p * len(found))(*[d.pointer for d in found])
        return found[: self._get(name, len(found), pointers)]


# ── what is to be computed ────────────────────────────────────────────────────────────────────


class Layout(NamedTuple):
    """A shape and its strides in elements."""

    shape: Shape
    strides: Shape


def dense(shape: Shape, channels_last: bool = False) -> Layout:
    """The layout of an array without gaps, whose second dimension may be the innermost in memory.

    >>> dense((8, 3, 5, 5), channels_last=True)
    Layout(shape=(8, 3, 5, 5), strides=(75, 1, 15, 3))
    """
    order = [0, *range(2, len(shape)), 1] if channels_last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for dim in reversed(order):
        strides[dim], step = step, step * shape[dim]
    return Layout(tuple(shape), tuple(strides))


@dataclass(frozen=True, slots=True)
class Convolution:
    """One of the three maps: ``fprop`` x, w -> y, ``dgrad`` w, y -> x, ``wgrad`` x, y -> w.

    With c channels in x and c/g in w there are g groups. Sums are taken in float32, of float64 in float64.
    A ``fprop`` may add a bias (f) and cut at 0.
    """

    kind: str
    dtype: str
    x: Layout
    w: Layout
    y: Layout
    stride: Ints
    padding: Ints
    dilation: Ints
    bias: bool = False
    relu: bool = False
    tf32: bool = False  # factors of float32 may be rounded to 11 bits
    deterministic: bool = False

    @property
    def unwanted(self) -> set[int]:
        """What no engine may have noted."""
        notes = {DOWN_CONVERT, REDUCED_REDUCTION}
        if self.dtype == "float32" and not self.tf32:
            notes.add(TENSOR_CORE)
        if self.deterministic:
            notes.add(NONDETERMINISTIC)
        return notes

    def operations(self) -> list[Descriptor]:
        """The convolution, then what is done to its result: tensors in between are only numbered."""
        dtype = DTYPES[self.dtype]
        wide = dtype if self.dtype == "float64" else DTYPES["float32"]

        def tensor(uid: int, layout: Layout, virtual: bool = False) -> Descriptor:
            return Descriptor(
                "tensor", dtype=wide if virtual else dtype, shape=layout.shape, strides=layout.strides,
                uid=uid, alignment=ALIGNMENT, virtual=virtual or None,
            )  # fmt: skip

        steps = [(ADD, self.bias), (RELU, self.relu)]
        functions = [
            Descriptor("function", mode=mode, dtype=wide) for mode, wanted in steps if wanted
        ]
        results = [tensor(BETWEEN + i, self.y, virtual=True) for i in range(len(functions))]
        results.append(tensor(Y, self.y))
        convolution = Descriptor(
            "convolution", dtype=wide, mode=CROSS_CORRELATION, dimensions=len(self.stride), stride=self.stride,
            padding_before=self.padding, padding_after=self.padding, dilation=self.dilation,
        )  # fmt: skip
        x, w, y = tensor(X, self.x), tensor(W, self.w), results[0]
        made = [Descriptor(self.kind, x=x, w=w, y=y, convolution=convolution, alpha=1.0, beta=0.0)]
        channels = (1, self.y.shape[1], *(1 for _ in self.stride))
        b = tensor(B, dense(channels, channels_last=True)) if self.bias else None
        for i, function in enumerate(functions):
            last = Descriptor("pointwise", function=function, x=results[i], b=b, y=results[i + 1])
            made, b = [*made, last], None
        return made


ALIGNMENT = 16  # bytes, of every array
X, W, Y, B, BETWEEN = 1, 2, 3, 4, 5  # tensors by number


@dataclass(frozen=True, slots=True)
class Device:
    """What plans are made for: the device of a handle, or one that is only described."""

    handle: Any = None
    properties: Descriptor | None = None

    @staticmethod
    def described(json: str) -> Device:
        """A device that need not be there, by its properties: cuDNN can plan for it, and not execute."""
        return Device(properties=Descriptor("device", json=json.encode() + b"\0"))


class Plan:
    """An engine made ready for one convolution; ``workspace`` is how many bytes it borrows."""

    def __init__(self, device: Device, config: Descriptor) -> None:
        self.descriptor = Descriptor(
            "plan", handle=device.handle, device=device.properties, config=config
        )
        self.device = device
        (self.workspace,) = self.descriptor.numbers("workspace")
        self._packs: dict[tuple[int, ...], Descriptor] = {}

    def execute(self, arrays: dict[int, int], workspace: int = 0) -> None:
        """Compute one of the arrays ``{X: address, W: ..., Y: ...}`` from the others."""
        key = (*arrays.values(), workspace)
        pack = self._packs.get(key)
        if pack is None:  # memory comes back from its pool: the same addresses are seen again
            if len(self._packs) >= _PACKS:
                self._packs.clear()
            pack = self._packs[key] = Descriptor(
                "pack", uids=tuple(arrays), pointers=key[:-1], workspace=workspace
            )
        _call("cudnnBackendExecute", self.device.handle, self.descriptor.pointer, pack.pointer)


_PACKS = 64


def candidates(device: Device, convolution: Convolution, limit: int) -> Iterator[Plan]:
    """Plans that borrow at most ``limit`` bytes, the most promising first; none for what cuDNN does not know."""
    for mode in HEURISTICS:
        try:
            proposals = _proposals(device, convolution, mode)
        except CudnnError as error:
            if not error.refused:
                raise
            continue
        for config in proposals:
            (engine,) = config.descriptors("engine", "engine")
            if convolution.unwanted.intersection(engine.numbers("notes", _NOTES)):
                continue
            try:
                plan = Plan(device, config)
            except CudnnError:  # what is proposed need not work on this device: the next may
                continue
            if plan.workspace <= limit:
                yield plan


def _proposals(device: Device, convolution: Convolution, mode: int) -> list[Descriptor]:
    graph = Descriptor("graph", handle=device.handle, operations=convolution.operations())
    heuristic = Descriptor("heuristic", graph=graph, mode=mode, device=device.properties)
    return heuristic.descriptors("configs", "config")


# ── one thread on one device ──────────────────────────────────────────────────────────────────


class Session:
    """A handle and the plans made with it, which belong to one thread and one device.

    The handle is never given back: by the end of a thread or of the process CUDA may be gone already.
    """

    def __init__(self) -> None:
        handle = c.c_void_p()
        try:
            _call("cudnnCreate", c.byref(handle))
        except CudnnError as error:
            hint = f"{error.hint} Convolve without cuDNN: tinyconv.backends.cudnn.enabled = False".strip()
            raise CudnnError(
                f"cuDNN does not start on this device. {error.message}", hint
            ) from None
        self.device = Device(handle)
        self.stream: int | None = None
        self.plans: dict[Any, Plan | None] = {}  # by whatever the caller distinguishes

    def use(self, stream: int) -> None:
        """Execute on this stream from now on."""
        if stream != self.stream:
            _call("cudnnSetStream", self.device.handle, stream)
            self.stream = stream


class _Sessions(threading.local):
    def __init__(self) -> None:
        self.of_device: dict[int, Session] = {}


_sessions = _Sessions()


def session(device: int, stream: int) -> Session:
    """This thread's session on a device, which has to be the current one, told to use a stream."""
    found = _sessions.of_device.get(device)
    if found is None:
        found = _sessions.of_device[device] = Session()
    found.use(stream)
    return found
