"""The first and the last step of every creation function: which size, and which device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array, get_backend
from ..dtypes import FLOATS, get_default_dtype, to_device, to_dtype
from ..shapes import is_int
from ..tensor import Tensor


def size_of(name: str, size: tuple[Any, ...], names: dict[str, Any]) -> tuple[int, ...]:
    """``f(2, 3)``, ``f((2, 3))`` and ``f(size=(2, 3))`` mean the same."""
    if "size" in names:
        size = (names.pop("size"),)
    elif not size:
        raise TypeError(
            f'{name}() missing 1 required positional arguments: "size"\n() makes a scalar.'
        )
    if names:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(names))}'")
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    for n in size:
        if not is_int(n):
            raise TypeError(
                f"{name}(): argument 'size' (position 1) must be tuple of ints, not "
                f"{type(n).__name__}\nSizes are ints: write // where you wrote /."
            )
    sizes = tuple(map(int, size))
    for n in sizes:
        if n < 0:
            text = f"Trying to create tensor with negative dimension {n}: {list(sizes)}"
            if name == "zeros":
                text = "zeros: Dimension size must be non-negative."
            raise RuntimeError(f"{text}\nGot sizes {list(sizes)}.")
    return sizes


def kind_of(dtype: Any) -> Any:
    """The NumPy dtype meant; the default unless given."""
    return (get_default_dtype() if dtype is None else to_dtype(dtype)).numpy


def made(make: Callable[[Any], Array], device: Any, requires_grad: bool) -> Tensor:
    """Box what ``make`` returns, given the array library of the device."""
    where = to_device(device)
    backend = get_backend(where.type)
    with backend.at(where.index):
        return _boxed(make(backend.xp), requires_grad)


def finish(array: Array, device: Any, requires_grad: bool) -> Tensor:
    """Box a fresh array of the CPU's on its device."""
    where = to_device(device)
    if where.type != "cpu":
        backend = get_backend(where.type)
        with backend.at(where.index):
            array = backend.from_numpy(array)
    return _boxed(array, requires_grad)


def _boxed(array: Array, requires_grad: bool) -> Tensor:
    if requires_grad and array.dtype not in FLOATS:
        raise RuntimeError(
            "Only Tensors of floating point and complex dtype can require gradients\n"
            f"This one is {array.dtype.name}: write 1. instead of 1, or pass dtype=."
        )
    new = Tensor.wrap(array)
    new.leaf = bool(requires_grad)
    return new
