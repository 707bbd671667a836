"""Tensors from numbers, nested lists and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from .. import ops
from ..backend import XP, backend_of, get_backend
from ..dtypes import dtype as DType
from ..dtypes import float64, get_default_device, get_default_dtype, int64, promote_types, to_dtype
from ..ops._common import scalar_dtype
from ..tensor import Tensor
from .finish import finish

__all__ = ["as_tensor", "asarray", "from_dlpack", "from_numpy", "is_tensor", "tensor"]


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Copy numbers, nested lists or an array into a Tensor.

    Args:
        dtype: inferred unless given: bool, int64 or the default float for Python's numbers; that of
            the array for NumPy's.

    Raises:
        ValueError: the lists are ragged, or a number is too large.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2.], [3., 4.]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]])
    """
    if isinstance(data, Tensor):
        device = data.device if device is None else device
        data = _on_host(data)
    elif hasattr(data, "__cuda_array_interface__"):
        return as_tensor(data, dtype, device).clone().requires_grad_(requires_grad)
    array = _array(data, None if dtype is None else to_dtype(dtype))
    if pin_memory:
        array = ops.pin_memory(Tensor.wrap(array)).array
    return finish(array, device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of ``data``, sharing its memory where dtype and device allow it.

    >>> import numpy as np, tinyconv as tc
    >>> a = np.zeros(2)
    >>> tc.as_tensor(a).add_(1)
    tensor([1., 1.], dtype=tinyconv.float64)
    >>> a
    array([1., 1.])
    """
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
        device = get_default_device() if device is None else device
    elif not isinstance(data, Tensor) and hasattr(data, "__cuda_array_interface__"):
        data = Tensor.wrap(get_backend("cuda").xp.asarray(data))
    if isinstance(data, Tensor):
        return ops.to(data, device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`as_tensor` that can be told to copy (True) or not to (False).

    Raises:
        ValueError: ``copy=False``, and dtype or device do not allow it.
    """
    new = as_tensor(obj, dtype, device)
    source = obj.array if isinstance(obj, Tensor) else obj
    xp = XP[type(new.array)]
    shared = isinstance(source, type(new.array)) and xp.shares_memory(source, new.array)
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor.\nLeave copy=False away.")
    if copy and shared:
        new = new.detach().clone()
    return new.requires_grad_() if requires_grad else new


def from_numpy(ndarray: Any) -> Tensor:
    """A Tensor on the memory of a NumPy array: a write to either is seen in both.

    >>> import numpy as np, tinyconv as tc
    >>> a = np.zeros(2)
    >>> t = tc.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.], dtype=tinyconv.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})\nWrite tensor(data).")
    return Tensor.wrap(_supported(ndarray))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor on the memory of any array that speaks DLPack.

    >>> import numpy as np, tinyconv as tc
    >>> tc.from_dlpack(np.ones(2))
    tensor([1., 1.], dtype=tinyconv.float64)
    """
    kind = ext_tensor.__dlpack_device__()[0]
    xp = get_backend("cpu" if int(kind) == 1 else "cuda").xp
    return Tensor.wrap(_supported(xp.from_dlpack(ext_tensor)))


def is_tensor(obj: Any) -> bool:
    """True for a Tensor."""
    return isinstance(obj, Tensor)


# ── data to arrays ────────────────────────────────────────────────────────────────────────────


def _array(data: Any, wanted: DType | None) -> Any:
    """A fresh array of ``data``, in the dtype wanted or the one that torch would infer."""
    if hasattr(data, "__array__"):
        a = _supported(np.array(data))
        with np.errstate(all="ignore"):  # as in C, a number that does not fit becomes another
            return a if wanted is None else a.astype(wanted.numpy, copy=False)
    kinds = {_kind(leaf) for leaf in _samples(data)}
    inferred = reduce(promote_types, kinds) if kinds else get_default_dtype()
    if wanted is not None and inferred.is_floating_point:
        inferred = float64  # as Python has them: with one rounding to what is wanted
    try:
        a = np.array(_unboxed(data), inferred.numpy)
    except OverflowError:
        raise ValueError(
            f"Overflow when unpacking long long\nThe largest integer is {int64.high}."
        ) from None
    except (ValueError, TypeError) as error:
        raise _ragged(data, 1) or error from None
    return a if wanted is None else _fitted(a, wanted)


def _on_host(x: Tensor) -> Any:
    return backend_of(x.array).to_numpy(x.array)


def _is_row(data: Any) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes))


def _samples(data: Any) -> Iterator[Any]:
    """Elements of nested sequences: of a row of Python numbers one of each type."""
    if not _is_row(data):
        yield data
    elif set(map(type, data)) <= _PYTHON:  # as fast as it gets
        yield from {type(v): v for v in data}.values()
    else:
        for item in data:
            yield from _samples(item)


_PYTHON = {bool, int, float}


def _kind(leaf: Any) -> DType:
    """The dtype that one element asks for."""
    if isinstance(leaf, Tensor):
        return leaf.dtype
    if isinstance(leaf, (np.generic, np.ndarray)):
        return to_dtype(_supported(leaf).dtype)
    if isinstance(leaf, (bool, int, float)):
        return scalar_dtype(leaf)
    if isinstance(leaf, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(leaf).__name__}'\nTensors hold numbers.")
    if isinstance(leaf, complex):
        raise TypeError("complex numbers are not supported\nKeep real and imaginary part apart.")
    raise RuntimeError(
        f"Could not infer dtype of {type(leaf).__name__}\n"
        "Pass numbers, nested lists of numbers, or an array."
    )


def _unboxed(data: Any) -> Any:
    """The same nesting, with numbers in the place of Tensors of one element."""
    if isinstance(data, Tensor):
        if data.array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars\nWrite stack(list)."
            )
        return _on_host(data).reshape(())[()]
    if not _is_row(data) or set(map(type, data)) <= _PYTHON:
        return data
    return [_unboxed(d) for d in data]


def _ragged(data: Any, dim: int) -> Exception | None:
    """What is wrong with nested sequences whose lengths differ."""
    if not _is_row(data) or not data:
        return None
    if not _is_row(data[0]):
        odd = next((d for d in data if _is_row(d)), None)
        kind = type(odd).__name__
        return odd and TypeError(
            f"'{kind}' object cannot be interpreted as an integer\n"
            f"The nesting differs at dim {dim}."
        )
    for row in data:
        if not _is_row(row):
            return TypeError(f"not a sequence\nThe nesting differs at dim {dim}: {row!r}.")
        if len(row) != len(data[0]):
            return ValueError(
                f"expected sequence of length {len(data[0])} at dim {dim} (got {len(row)})\n"
                "Rows have one length: pad the shorter ones, or keep a list of tensors."
            )
    return next(filter(None, (_ragged(row, dim + 1) for row in data)), None)


def _fitted(a: Any, wanted: DType) -> Any:
    """Convert Python's numbers, of which none may be too large for an integer dtype."""
    low = wanted.low or -wanted.high
    if wanted.rank == 1 and a.size and not (low <= a.min() and a.max() <= wanted.high):
        raise RuntimeError(
            f"value cannot be converted to type {wanted.name} without overflow\n"
            f"It ends at {wanted.high}."
        )
    with np.errstate(all="ignore"):  # a float16 may become infinite
        return a.astype(wanted.numpy, copy=False)


def _supported(a: Any) -> Any:
    """``a``, if it is of a number type that there is here."""
    if not a.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported.\n"
            "Write array.astype(array.dtype.newbyteorder('='))."
        )
    try:
        to_dtype(a.dtype)
    except TypeError:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{a.dtype.type.__name__}. The only supported "
            "types are: float64, float32, float16, int64, int32, int16, int8, uint8, and bool.\n"
            "Write array.astype(...) first."
        ) from None
    return a
