"""cupy.ndarray for tests: a NumPy array that does not mix with NumPy arrays, and counts what a GPU would be asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .names import METHODS

stats: Counter[str] = Counter()  # launches, syncs, h2d, d2h; and launches of kernels by their names
VIEWS = {"reshape", "transpose", "swapaxes", "squeeze", "diagonal", "view", "ravel"}
WAITS = {"item", "tolist", "tobytes", "nonzero", "tofile", "dump", "dumps"}


class Capture:
    """A CUDA graph in the making: what was asked for, to be done again at each launch."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []


capture: list[Capture] = []  # of the current stream, if it is capturing


def on_stream(work: Callable[[], Any]) -> Any:
    """Do something on the device, or, while a stream is captured, note that it is to be done."""
    if capture:
        capture[-1].work.append(work)
        return None
    return work()


def wait(what: str) -> None:
    """Something that makes the host wait for the device."""
    if capture:
        raise CUDARuntimeError(
            f"cudaErrorStreamCaptureUnsupported: {what} while a stream is captured"
        )
    stats["syncs"] += 1


class CUDARuntimeError(RuntimeError):
    pass


class _Memory:
    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.ptr = host.ctypes.data
        self.device_id = 0


class _Flags:
    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = (
            flags.c_contiguous,
            flags.f_contiguous,
            flags.owndata,
        )
        self.forc = flags.forc


class _Device:
    id = 0


def is_dense(a: np.ndarray[Any, Any]) -> bool:
    """Without gaps, whatever the order."""
    order = sorted(range(a.ndim), key=lambda i: a.strides[i], reverse=True)
    return a.transpose(order).flags.c_contiguous


def box(v: Any) -> Any:
    """What a NumPy function returned, on the device."""
    if isinstance(v, (np.ndarray, np.generic)):
        return ndarray(np.asarray(v))
    if isinstance(v, (tuple, list)):
        return type(v)(map(box, v)) if not hasattr(v, "_fields") else type(v)(*map(box, v))
    return v


def unbox(v: Any) -> Any:
    """The host's array behind an argument; NumPy's own arrays are refused, as CuPy refuses them."""
    if isinstance(v, ndarray):
        return v.host
    if isinstance(v, np.ndarray):
        raise TypeError(f"Unsupported type {type(v)}")
    if isinstance(v, (tuple, list)):
        return type(v)(map(unbox, v))
    if isinstance(v, dict):
        return {k: unbox(x) for k, x in v.items()}
    return v


def perform(name: str, f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a NumPy function as one launch. In a capture it runs now for the sake of shapes, and again at each launch."""
    stats["launches"] += 1
    stats[name] += 1
    given, named = unbox(args), unbox(kwargs)
    made = f(*given, **named)
    outs = [
        np.asarray(m)
        for m in (made if isinstance(made, tuple) else (made,))
        if isinstance(m, (np.ndarray, np.generic))
    ]
    if capture:
        targets = (
            [v for v in np.atleast_1d(named.get("out", ())) if v is not None]
            if "out" not in named
            else None
        )

        def again() -> None:
            new = f(*given, **named)
            if targets is not None:
                for old, fresh in zip(outs, new if isinstance(new, tuple) else (new,), strict=True):
                    old[...] = fresh

        capture[-1].work.append(again)
    result = tuple(outs) if isinstance(made, tuple) else outs[0] if outs else made
    return box(result)


class ndarray(NDArrayOperatorsMixin):
    __slots__ = ("__weakref__", "host")
    __array_priority__ = 100

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.host = host

    # ── what NumPy would do with it ──

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method not in ("__call__", "reduce", "accumulate", "at", "outer"):
            return NotImplemented
        extra = set(kwargs) - {"out", "dtype", "casting", "axis", "keepdims"}
        if extra:
            raise TypeError(f"CuPy's {ufunc.__name__} takes no {extra}")
        if "out" in kwargs:
            kwargs["out"] = kwargs["out"][0] if len(kwargs["out"]) == 1 else kwargs["out"]
        if ufunc is np.matmul and capture:
            raise NotImplementedError(
                "calling cuBLAS API during stream capture is currently unsupported"
            )
        result = perform(ufunc.__name__, getattr(ufunc, method), inputs, kwargs)
        return kwargs["out"] if kwargs.get("out") is not None else result

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_function__(self, f: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{f.__name__} was called with an array on the device")

    # ── what it is ──

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    itemsize = property(lambda self: self.host.itemsize)
    nbytes = property(lambda self: self.host.nbytes)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: _Flags(self.host.flags))
    data = property(lambda self: _Memory(self.host))
    device = property(lambda self: _Device())
    base = property(lambda self: None if self.host.base is None else ndarray(self.host.base))
    T = property(lambda self: ndarray(self.host.T))
    mT = property(lambda self: ndarray(self.host.mT))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        about = dict(self.host.__array_interface__)
        return {k: about[k] for k in ("shape", "typestr", "data", "strides", "version")}

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
        allowed = METHODS[name].split()

        def method(*args: Any, **kwargs: Any) -> Any:
            extra = set(kwargs) - set(allowed)
            if extra:
                raise TypeError(f"cupy.ndarray.{name}() takes no {extra}")
            if name in WAITS:
                wait(name)
                stats["d2h"] += name != "nonzero"
                return box(getattr(self.host, name)(*args, **kwargs))
            made = getattr(self.host, name)
            if name in VIEWS:
                out = made(*args, **kwargs)
                if np.may_share_memory(out, self.host):
                    return ndarray(out)
            return perform(
                name, lambda a, *r, **k: getattr(a, name)(*r, **k), (self, *args), kwargs
            )

        return method

    def item(self, *args: Any) -> Any:
        wait("item")
        stats["d2h"] += 1
        return self.host.item(*args)

    def tolist(self) -> Any:
        wait("tolist")
        stats["d2h"] += 1
        return self.host.tolist()

    def fill(self, value: Any) -> None:
        perform("fill", lambda a, v: a.fill(v), (self, value), {})

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        perform("sort", lambda a: a.sort(axis, kind), (self,), {})

    # ── items ──

    def __getitem__(self, at: Any) -> Any:
        items = at if isinstance(at, tuple) else (at,)
        if any(getattr(i, "dtype", None) == bool for i in items):
            wait("a boolean index")
        if any(isinstance(i, (ndarray, list)) for i in items):
            return perform("take", lambda a, i: a[i], (self, at), {})
        unbox(items)
        return box(self.host[at])

    def __setitem__(self, at: Any, value: Any) -> None:
        if (
            any(
                isinstance(i, ndarray) and i.dtype == bool
                for i in (at if isinstance(at, tuple) else (at,))
            )
            and isinstance(value, ndarray)
            and value.ndim
        ):
            wait("a boolean index")

        def put(a: Any, i: Any, v: Any) -> None:
            a[i] = v

        perform("put", put, (self, at, value), {})

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # ── what makes the host wait ──

    def __bool__(self) -> bool:
        wait("bool()")
        return bool(self.host)

    def __int__(self) -> int:
        wait("int()")
        return int(self.host)

    def __float__(self) -> float:
        wait("float()")
        return float(self.host)

    def __index__(self) -> int:
        wait("an index")
        return self.host.__index__()

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> Any:
        if blocking:
            wait("get")
        stats["d2h"] += 1
        if out is None:
            return self.host.copy(order)
        on_stream(lambda: np.copyto(out, self.host))
        return out

    def set(self, arr: Any, stream: Any = None) -> None:
        if type(arr) is not np.ndarray:
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"{arr.dtype} {arr.shape} into {self.dtype} {self.shape}")
        stats["h2d"] += 1
        on_stream(lambda: np.copyto(self.host, arr))

    def __repr__(self) -> str:
        return repr(self.host)

    def __format__(self, spec: str) -> str:
        return format(self.host, spec)

    __hash__ = None  # type: ignore[assignment]  # as in CuPy
