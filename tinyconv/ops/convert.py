"""To another number type or device."""

from __future__ import annotations

from typing import Any

from ..alias import library
from ..autograd.function import Function, named_type, op, type_name
from ..autograd.variable import Variable
from ..backend import Array, backend_of, get_backend, is_at, place_of
from ..dtypes import bfloat16 as brain
from ..dtypes import bool_ as boolean
from ..dtypes import (
    device,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    to_dtype,
    uint8,
)
from ._common import cast, dtype_of, result_dtype


@op
class ToDevice(Function):
    """A copy on another device; the gradient comes back to the old one."""

    label = "ToCopyBackward0"
    target: device
    non_blocking: Any = False

    def forward(self, x: Array) -> Array:
        self.source = place_of(x)
        here, there = backend_of(x), get_backend(self.target.type)
        with there.at(self.target.index):
            if here is there:  # from one GPU to another
                return x.copy()
            return there.from_numpy(here.to_numpy(x), self.non_blocking)

    def backward(self, g: Any) -> Any:
        return (ToDevice(self.source)(g),)


# ``to`` has parameters called device and dtype, and other functions of this module are called like types.
_Device, _bool, _int = device, True.__class__, (0).__class__


def to(
    input: Any,
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: Any = False,
    copy: Any = False,
    memory_format: Any = None,
) -> Any:
    """Convert to a dtype, a device, or those of another tensor; ``input`` itself if it is that already.

    Args:
        args: any of dtype, device, tensor, in this or that order; then ``non_blocking`` and ``copy``.
        non_blocking: do not wait for a copy from pinned memory, to which nobody writes before it is done.
        copy: copy in any case.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, requires_grad=True)
    >>> x.to(tc.float64).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    flags = []
    for a in args:
        if isinstance(a, Variable):
            device, dtype = place_of(a.array), dtype_of(a)
        elif isinstance(a, _bool):
            flags.append(a)
        elif isinstance(a, (str, _int, _Device)):
            device = a
        elif a is not None:
            dtype = a
    copy = copy or flags[1:] == [True]
    out = input
    if device is not None:
        target = _Device(device)
        with get_backend(target.type).at(target.index):  # raises if there is none
            pass
        if not is_at(input.array, target):
            out = ToDevice(target, non_blocking or flags[:1] == [True])(out)
    if dtype is not None:
        out = cast(out, to_dtype(dtype).numpy)
    return out.clone() if copy and out is input else out


def type(input: Any, dtype: Any = None, non_blocking: Any = False) -> Any:
    """Convert to a dtype; without one, the old name of this tensor's type, such as ``FloatTensor``.

    >>> import tinyconv as tc
    >>> tc.ones(2).type()
    'tinyconv.FloatTensor'
    """
    if dtype is None:
        return f"{library()}.{type_name(input.array)}Tensor"
    kind = named_type(dtype) if isinstance(dtype, str) else getattr(dtype, "dtype", dtype)
    return to(input, dtype=to_dtype(kind))  # of a LongTensor, too


def type_as(input: Any, other: Any) -> Any:
    """Convert to dtype and device of ``other``."""
    return to(input, other)


def _short(name: str, target: dtype) -> Any:
    def convert(input: Any, memory_format: Any = None) -> Any:
        return cast(input, target.numpy)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Convert to {target.name}."
    return convert


half, bfloat16 = _short("half", float16), _short("bfloat16", brain)
float, double = _short("float", float32), _short("double", float64)
char, short, int = _short("char", int8), _short("short", int16), _short("int", int32)
long, byte, bool = _short("long", int64), _short("byte", uint8), _short("bool", boolean)


def cpu(input: Any, memory_format: Any = None) -> Any:
    """A copy in host memory, or ``input`` itself if it is there."""
    return to(input, "cpu")


def cuda(
    input: Any, device: Any = None, non_blocking: Any = False, memory_format: Any = None
) -> Any:
    """A copy on a GPU.

    Raises:
        DeviceError: there is none, and what to install.
    """
    return to(input, "cuda" if device is None else device, non_blocking=non_blocking)


# ── questions ─────────────────────────────────────────────────────────────────────────────────


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype that an operation on these two has: tensors or numbers.

    >>> import tinyconv as tc
    >>> tc.result_type(tc.ones(2, dtype=tc.int64), 1.5)
    tinyconv.float32
    """
    return result_dtype(tensor1, tensor2)


def is_floating_point(input: Any) -> _bool:  # type: ignore[valid-type]  # the type, not the function
    """True for bfloat16, float16, float32 and float64."""
    return dtype_of(input).is_floating_point


def is_signed(input: Any) -> _bool:  # type: ignore[valid-type]  # as above
    """True if the number type has negative numbers."""
    return dtype_of(input).is_signed


def is_complex(input: Any) -> _bool:  # type: ignore[valid-type]  # as above
    """False: there are no complex numbers here."""
    return dtype_of(input).is_complex


def is_nonzero(input: Any) -> _bool:  # type: ignore[valid-type]  # as above
    """The truth of the one element."""
    return input.is_nonzero()


def numel(input: Any) -> _int:  # type: ignore[valid-type]  # as above
    """The number of elements."""
    return input.array.size
