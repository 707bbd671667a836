"""cupy.ndarray for tests: a NumPy array that does not mix with NumPy arrays, and counts what a GPU would be asked to do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .names import METHODS
from .work import (  # noqa: F401  # others find all of it here
    NO_LAUNCH,
    SMALL,
    Capture,
    Clock,
    CUDARuntimeError,
    Held,
    Pinned,
    allocate,
    bare,
    block_at,
    blocks,
    capture,
    clocks,
    current,
    forget,
    from_pageable,
    holder,
    host_clock,
    in_order,
    is_dense,
    is_pinned,
    launching,
    memory_at,
    merge,
    on_stream,
    placed,
    read,
    remember,
    seen,
    stats,
    used,
    wait,
    written,
)

VIEWS = {"reshape", "transpose", "swapaxes", "squeeze", "diagonal", "view", "ravel"}
WAITS = {"item", "tolist", "tobytes", "nonzero", "tofile", "dump", "dumps"}


class _Memory:
    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.ptr = host.ctypes.data
        self.device_id = 0


class _Flags:
    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        flags = host.flags
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = type(host.base) is Held
        self.forc = flags.forc


class _Device:
    id = 0


def _whole(host: Any) -> Any:
    """The array that a view is a view of."""
    while type(host.base) is not Held:
        host = host.base
        while not isinstance(host, np.ndarray):
            host = host.base
    return host


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


# Functions that change their first argument.
WRITERS = {"put", "fill", "sort", "partition", "copyto", "place", "putmask", "scatter_add", "put_along_axis",
           "fill_diagonal"}  # fmt: skip


def perform(name: str, f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a NumPy function as one launch."""
    if name not in NO_LAUNCH:
        stats["launches"] += 1
        stats[name] += 1
    given, named = unbox(args), unbox(kwargs)
    if name.endswith(".at") or name == "scatter_add":
        f = _wrapping(f, inside)
    if name in ("take_along_axis", "put_along_axis"):
        axis = named.get("axis", given[-1])
        f = _wrapping(f, lambda a, at: at % a.shape[axis])
    out = named.get("out")
    writes = [a for a in (out if isinstance(out, tuple) else (out,)) if a is not None]
    if name in WRITERS or name.endswith(".at"):
        writes.append(given[0])
    used(_arrays((given, named)), writes)
    if capture:
        capture[-1].before += [(m, m.copy()) for m in map(bare, writes)]
    with np.errstate(all="ignore"):  # CuPy never warns
        made = f(*given, **named)
    results = [np.asarray(m) for m in (made if isinstance(made, tuple) else (made,))
               if isinstance(m, (np.ndarray, np.generic))]  # fmt: skip
    launching.append(name)
    try:
        outs = [ndarray(m) for m in results]
    finally:
        launching.pop()
    fresh = [o.host for m, o in zip(results, outs, strict=True) if o.host is not m]
    used((), fresh)
    if capture and name not in NO_LAUNCH:
        inputs, settings = _map(bare, given), _map(bare, named)
        targets = [
            bare(o.host) if o.host is not m else None for m, o in zip(results, outs, strict=True)
        ]

        def again() -> None:
            with np.errstate(all="ignore"):
                new = f(*inputs, **settings)
            for target, value in zip(
                targets, new if isinstance(new, tuple) else (new,), strict=False
            ):
                if target is not None:
                    target[...] = value

        capture[-1].work.append(again)
    return tuple(outs) if isinstance(made, tuple) else outs[0] if outs else made


def _wrapping(f: Callable[..., Any], wrap: Callable[..., Any]) -> Callable[..., Any]:
    """A function that wraps its indices each time it runs: in a graph they are new at each launch."""
    return lambda a, at, *more, **named: f(a, wrap(a, at), *more, **named)


def inside(a: Any, at: Any) -> Any:
    """An index whose arrays of integers are wrapped around at the ends, which CuPy does without a word."""
    items = at if isinstance(at, tuple) else (at,)
    used = [
        i.ndim if getattr(i, "dtype", None) == np.bool_ else 1 - (i is None or i is Ellipsis)
        for i in items
    ]
    axis, made = 0, []
    for i, n in zip(items, used, strict=True):
        if isinstance(i, (np.ndarray, list)) and np.asarray(i).dtype.kind in "iu" and a.shape[axis]:
            i = np.asarray(i) % a.shape[axis]
        made.append(i)
        axis += a.ndim - sum(used) if i is Ellipsis else n
    return tuple(made)


def _map(f: Callable[[Any], Any], v: Any) -> Any:
    if isinstance(v, np.ndarray):
        return f(v)
    if isinstance(v, (tuple, list)):
        return type(v)(_map(f, x) for x in v)
    if isinstance(v, dict):
        return {k: _map(f, x) for k, x in v.items()}
    return v


def _arrays(v: Any) -> Any:
    if isinstance(v, np.ndarray):
        yield v
    elif isinstance(v, (tuple, list, dict)):
        for x in v.values() if isinstance(v, dict) else v:
            yield from _arrays(x)


def adds_atomically(a: Any) -> None:
    """Refuse what a GPU does not add to in memory."""
    if a.dtype.name not in ("int32", "float16", "float32", "float64", "uint32", "uint64"):
        raise TypeError(
            "scatter_add only supports int32, float16, float32, float64, uint32, uint64, as data type"
        )


class ndarray(NDArrayOperatorsMixin):
    __slots__ = ("__weakref__", "host")
    __array_priority__ = 100

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self.host = host if holder(host) is not None else placed(host)

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
    flags = property(lambda self: _Flags(self.host))
    data = property(lambda self: _Memory(self.host))
    device = property(lambda self: _Device())
    base = property(
        lambda self: None if type(self.host.base) is Held else ndarray(_whole(self.host))
    )
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
            if name == "take":
                axis = args[1] if len(args) > 1 else kwargs.get("axis")
                n = self.size if axis is None else self.shape[axis]
                return perform(name, lambda a, i: a.take(i % max(n, 1), axis), (self, args[0]), {})
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
        if any(getattr(i, "dtype", None) == np.bool_ for i in items):
            wait("a boolean index")
        if any(isinstance(i, (ndarray, list)) for i in items):
            return perform("take", lambda a, i: a[inside(a, i)], (self, at), {})
        unbox(items)
        view = items if any(i is Ellipsis for i in items) else (*items, Ellipsis)  # no scalars
        return box(self.host[view])

    def __setitem__(self, at: Any, value: Any) -> None:
        items = at if isinstance(at, tuple) else (at,)
        if any(isinstance(i, ndarray) and i.dtype == bool for i in items):
            wait("a boolean index")  # the number of true elements
        if any(isinstance(i, ndarray) for i in items) and not isinstance(value, ndarray):
            stats["h2d"] += 1  # the number is made an array

        def put(a: Any, i: Any, v: Any) -> None:
            a[inside(a, i)] = v

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

    # There is no __index__.

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **options: Any) -> Any:
        extra = set(options) - {"stream", "max_version", "dl_device", "copy"}
        if extra:
            raise TypeError(f"__dlpack__() takes no {extra}")
        return self

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> Any:
        if blocking:
            wait("get")
        stats["d2h"] += 1
        if out is None:
            return self.host.copy(order)
        source = bare(self.host)
        on_stream(lambda: np.copyto(out, source), [out], [self.host])
        return out

    def set(self, arr: Any, stream: Any = None) -> None:
        if type(arr) is not np.ndarray:
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"{arr.dtype} {arr.shape} into {self.dtype} {self.shape}")
        if not self.flags.c_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        stats["h2d"] += 1
        with stream or contextlib.nullcontext():
            if not is_pinned(arr):
                from_pageable()
            target = bare(self.host)
            on_stream(lambda: np.copyto(target, arr), [self.host])

    def __repr__(self) -> str:
        return repr(self.host)

    def __format__(self, spec: str) -> str:
        return format(self.host, spec)

    __hash__ = None  # type: ignore[assignment]  # as in CuPy
