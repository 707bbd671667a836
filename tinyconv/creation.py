"""Tensors from nothing: from data, of one value, in steps, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import generator as streams
from . import ops
from .backend import get_backend
from .dtypes import device as Device
from .dtypes import dtype as DType
from .dtypes import float64, get_default_dtype, int64, to_device, to_dtype
from .tensor import Tensor

Generator_ = streams.Generator


def _finish(array: Any, device: Any, requires_grad: bool) -> Tensor:
    where = to_device(device)
    if where.type != "cpu":
        array = get_backend(where.type).from_numpy(array)
    new = Tensor.wrap(array)
    return new.requires_grad_() if requires_grad else new


def _kind(dtype: Any) -> Any:
    return (get_default_dtype() if dtype is None else to_dtype(dtype)).numpy


# ── from data ─────────────────────────────────────────────────────────────────────────────────


def _array_of(data: Any, dtype: Any) -> Any:
    """A fresh array of ``data``, in the dtype torch would infer."""
    if isinstance(data, Tensor):
        a = get_backend("cpu").xp.array(data.array) if data.array.__class__ is np.ndarray else data.cpu().array
        return a.astype(to_dtype(dtype).numpy) if dtype is not None else a.copy()
    if isinstance(data, (np.ndarray, np.generic)):
        a = np.array(data)
        return a.astype(to_dtype(dtype).numpy) if dtype is not None else _supported(a)
    if isinstance(data, str) or data is None:
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if hasattr(data, "__array__") and not isinstance(data, Sequence):
        return _array_of(np.asarray(data), dtype)
    first = _first_element(data)
    if isinstance(first, Tensor):
        data = _unboxed(data)
    try:
        a = np.array(data)
        if a.dtype == object:
            raise ValueError
    except ValueError:
        raise _ragged(data) from None
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long long") from None
    if dtype is not None:
        wanted = to_dtype(dtype).numpy
        return a if a.dtype == wanted else a.astype(wanted)
    if not a.size and a.dtype.kind == "f":
        return a.astype(_kind(None))
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        return _supported(a)
    if a.dtype.kind == "f":
        return a.astype(_kind(None))
    return _supported(a)


def _supported(a: Any) -> Any:
    if not a.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    try:
        to_dtype(a.dtype)
    except TypeError:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{a.dtype}. The only supported types are: float64, float32, "
            "float16, int64, int32, int16, int8, uint8, and bool."
        ) from None
    return a


def _first_element(data: Any) -> Any:
    while isinstance(data, (list, tuple, range)) and len(data):
        data = data[0]
    return data


def _unboxed(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_unboxed(d) for d in data]
    if isinstance(data, Tensor):
        if data.array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars\nWrite stack(list).")
        return data.array.reshape(())[()]
    return data


def _ragged(data: Any, depth: int = 0) -> Exception:
    if isinstance(data, (list, tuple)) and data:
        lengths = [len(d) if isinstance(d, (list, tuple)) else None for d in data]
        for n in lengths[1:]:
            if n != lengths[0]:
                if n is None or lengths[0] is None:
                    return TypeError(f"not a sequence: nesting differs at dim {depth + 1}")
                return ValueError(f"expected sequence of length {lengths[0]} at dim {depth + 1} (got {n})")
        return _ragged([e for d in data if isinstance(d, (list, tuple)) for e in d], depth + 1)
    return TypeError(f"Could not infer dtype of {type(_first_element(data)).__name__}")


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """Copy numbers, nested lists or an array into a Tensor.

    Args:
        dtype: inferred unless given: bool, int64, the default float for Python's floats; that of the array for NumPy's.

    Raises:
        ValueError: the lists are ragged.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2.], [3., 4.]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]])
    """
    return _finish(_array_of(data, dtype), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of ``data``, sharing its memory where dtype and device allow it."""
    if isinstance(data, Tensor):
        return ops.to(data, device=device, dtype=dtype)
    if isinstance(data, np.ndarray):
        return ops.to(from_numpy(data), device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


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
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return Tensor.wrap(_supported(ndarray))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor on the memory of any array that speaks DLPack."""
    kind = ext_tensor.__dlpack_device__()[0]
    xp = get_backend("cpu" if int(kind) == 1 else "cuda").xp
    return Tensor.wrap(_supported(xp.from_dlpack(ext_tensor)))


# ── of one value, in steps ────────────────────────────────────────────────────────────────────


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    sizes = ops.sizes(size)
    for n in sizes:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(sizes)}")
    return sizes


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _finish(np.zeros(_size(size), _kind(dtype)), device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return _finish(np.ones(_size(size), _kind(dtype)), device, requires_grad)


def empty(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Whatever is in memory."""
    return _finish(np.empty(_size(size), _kind(dtype)), device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number everywhere; its type decides the dtype unless given."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    kind = ops.scalar_dtype(value).numpy if dtype is None else to_dtype(dtype).numpy
    return _finish(np.full(_size((size,)), value).astype(kind), device, requires_grad)


def _like(x: Tensor, function: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    return function(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Zeros with shape, dtype and device of another tensor."""
    return _like(input, zeros, dtype, device, requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Ones with shape, dtype and device of another tensor."""
    return _like(input, ones, dtype, device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Uninitialised, with shape, dtype and device of another tensor."""
    return _like(input, empty, dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere, with shape, dtype and device of another tensor."""
    return full(
        input.shape,
        fill_value,
        dtype=dtype or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    return _finish(np.eye(n, m, dtype=_kind(dtype)), device, requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers from ``start`` (0) up to, not including, ``end``, in steps.

    >>> import tinyconv as tc
    >>> tc.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if hasattr(v, "item") else v for v in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        kind = int64.numpy if all(isinstance(v, int) for v in (start, end, step)) else _kind(None)
    else:
        kind = to_dtype(dtype).numpy
    if kind.kind != "f":
        return _finish(np.arange(int(start), int(end), int(step)).astype(kind), device, requires_grad)
    n = int(np.ceil((float(end) - float(start)) / float(step)))
    return _finish((start + step * np.arange(n, dtype=float64.numpy)).astype(kind), device, requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, evenly spaced."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    start, end = (float(v) for v in (start, end))
    kind = _kind(dtype)
    work = kind if kind.kind == "f" else float64.numpy
    step = work.type((work.type(end) - work.type(start)) / work.type(max(steps - 1, 1)))
    i = np.arange(steps)
    half = steps // 2  # from both ends, so that the last is exact
    a = np.where(i < half, work.type(start) + step * i.astype(work), work.type(end) - step * (steps - 1 - i).astype(work))
    if steps == 1:
        a = np.full(1, start, work)
    return _finish(a.astype(kind), device, requires_grad)


# ── at random ─────────────────────────────────────────────────────────────────────────────────


class Generator(streams.Generator):
    """A stream of random numbers: the same seed gives torch's numbers.

    >>> import tinyconv as tc
    >>> tc.rand(2, generator=tc.Generator().manual_seed(0))
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu") -> None:
        super().__init__()
        self.device = Device(device)

    def get_state(self) -> Any:
        """The state, as a uint8 Tensor."""
        return Tensor.wrap(super().get_state())

    def set_state(self, new_state: Any) -> None:
        """Go back to a state."""
        super().set_state(new_state.array if isinstance(new_state, Tensor) else new_state)


default_generator = Generator()
streams.replace_default(default_generator)


def manual_seed(seed: int) -> Any:
    """Start the default stream of random numbers at ``seed``.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.rand(2)
    tensor([0.4963, 0.7682])
    """
    return streams.current().manual_seed(int(seed))


def seed() -> int:
    """Start the default stream at a seed from the system's entropy, and return it."""
    return streams.current().seed()


def initial_seed() -> int:
    """The seed at which the default stream was started."""
    return streams.current().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default stream, as a uint8 Tensor."""
    state = streams.current().get_state()
    return state if isinstance(state, Tensor) else Tensor.wrap(state)


def set_rng_state(new_state: Tensor) -> None:
    """Put the default stream back to a state."""
    streams.current().set_state(new_state.array)


def _stream(generator: Any) -> Any:
    return streams.current() if generator is None else generator


def _random_size(size: tuple[Any, ...], names: dict[str, Any]) -> tuple[int, ...]:
    if "size" in names:
        size = (names.pop("size"),)
    if names:
        raise TypeError(f"unexpected keyword argument {next(iter(names))!r}")
    return _size(size)


def rand(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **names: Any
) -> Tensor:
    """Numbers from 0 to 1, all equally likely.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.rand(2)
    tensor([0.4963, 0.7682])
    """
    return _finish(_stream(generator).uniform(_random_size(size, names), _kind(dtype)), device, requires_grad)


def randn(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **names: Any
) -> Tensor:
    """Normal numbers of mean 0 and variance 1.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    return _finish(_stream(generator).normal(_random_size(size, names), _kind(dtype)), device, requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = int64,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0) to ``high - 1``."""
    if size is None and not isinstance(high, int):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    a = _stream(generator).integers(low, high, _size((size,)), to_dtype(dtype).numpy)
    return _finish(a, device, requires_grad)


def randperm(n: int, *, generator: Any = None, dtype: Any = int64, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    return _finish(_stream(generator).permutation(n).astype(to_dtype(dtype).numpy), device, requires_grad)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of this mean and standard deviation: numbers with a ``size``, or tensors."""
    source = _stream(generator)
    if size is not None:
        return _finish(source.normal(_size((size,)), _kind(dtype), float(mean), float(std)), device, requires_grad)
    m, s = (v.array if isinstance(v, Tensor) else v for v in (mean, std))
    return _finish(source.normal_like(m, s), device, requires_grad)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """Ones with the probabilities in ``input`` (or ``p`` everywhere), and zeros."""
    source = _stream(generator)
    ones = source.bernoulli_like(input.array) if p is None else source.bernoulli(p, input.array.shape)
    return Tensor.wrap(ones.astype(input.array.dtype))


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Indices drawn with the weights in each row of ``input``."""
    return Tensor.wrap(_stream(generator).multinomial(input.array, num_samples, replacement))


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """:func:`rand` with shape, dtype and device of another tensor."""
    return _like(input, rand, dtype, device, requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """:func:`randn` with shape, dtype and device of another tensor."""
    return _like(input, randn, dtype, device, requires_grad)


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """:func:`randint` with shape, dtype and device of another tensor."""
    if high is None:
        low, high = 0, low
    kind: DType = input.dtype if dtype is None else to_dtype(dtype)
    return randint(low, high, tuple(input.shape), dtype=kind, device=input.device if device is None else device)
