"""To another number type or device."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array, backend_of, get_backend
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
from ._common import cast, dtype_of


@op
class ToDevice(Function):
    """A copy on another device; the gradient comes back to the old one."""

    name = "ToCopyBackward0"
    target: str

    def forward(self, x: Array) -> Array:
        here = backend_of(x)
        self.source = here.name
        return get_backend(self.target).from_numpy(here.to_numpy(x))

    def backward(self, g: Any) -> Any:
        return (ToDevice(self.source)(g),)

    def __call__(self, x: Any) -> Any:
        y = super().__call__(x)
        if isinstance(x, Variable) and y.base is not None:
            y.base = None
        return y


def to(  # the parameter names hide the types, which is why those have aliases below
    x: Any,
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Any:
    """Convert to a dtype, a device, or those of another tensor; ``x`` itself if it is that already.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, requires_grad=True)
    >>> x.to(tc.float64).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    for a in args:
        if isinstance(a, Variable):
            device, dtype = a.device, dtype_of(a)  # type: ignore[attr-defined]  # a Tensor
        elif a is None or isinstance(a, _BOOL):
            continue  # non_blocking and copy may come by position
        elif isinstance(a, (str, _INT, _Device)):
            device = a
        else:
            dtype = a
    out = x
    if device is not None:
        target = _Device(device)
        if target.type != backend_of(x.array).name:
            out = ToDevice(target.type)(out)
        get_backend(target.type)
    if dtype is not None:
        out = cast(out, to_dtype(dtype).numpy)
    return out.clone() if copy and out is x else out


_Device, _BOOL, _INT = device, True.__class__, (0).__class__


def type(x: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Convert to a dtype; without one, the old name of this tensor's type, such as ``FloatTensor``."""
    if dtype is not None:
        return to(x, to_dtype(dtype))
    names = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int",
             "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}  # fmt: skip
    return f"tinyconv.{names[dtype_of(x).name]}Tensor"


def type_as(x: Any, other: Any) -> Any:
    """Convert to dtype and device of ``other``."""
    return to(x, other)


def _short(name: str, target: dtype) -> Any:
    def convert(x: Any, memory_format: Any = None) -> Any:
        return cast(x, target.numpy)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Convert to {target.name}."
    return convert


half, float, double = _short("half", float16), _short("float", float32), _short("double", float64)
char, short, int = _short("char", int8), _short("short", int16), _short("int", int32)
long, byte, bool = _short("long", int64), _short("byte", uint8), _short("bool", boolean)


def cpu(x: Any, memory_format: Any = None) -> Any:
    """A copy in host memory, or ``x`` itself if it is there."""
    return to(x, "cpu")


def cuda(x: Any, device: Any = None, non_blocking: Any = False, memory_format: Any = None) -> Any:
    """A copy on a GPU.

    Raises:
        DeviceError: there is none, and what to install.
    """
    return to(x, "cuda" if device is None else device)
