"""Tensors of one value, in steps, or with the shape of another."""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array
from ..dtypes import FLOATS, float64, int64, to_dtype
from ..ops._common import evenly, fitting, scalar_dtype
from ..shapes import is_int
from ..tensor import Tensor
from .finish import kind_of, made, size_of

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "zeros",
    "zeros_like",
]

# ── of one value ──────────────────────────────────────────────────────────────────────────────


def zeros(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **names: Any
) -> Tensor:
    """Zeros.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    shape, kind = size_of("zeros", size, names), kind_of(dtype)
    return made(lambda xp: xp.zeros(shape, kind), device, requires_grad)


def ones(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **names: Any
) -> Tensor:
    """Ones.

    >>> import tinyconv as tc
    >>> tc.ones(2)
    tensor([1., 1.])
    """
    shape, kind = size_of("ones", size, names), kind_of(dtype)
    return made(lambda xp: xp.ones(shape, kind), device, requires_grad)


def empty(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    **names: Any,
) -> Tensor:
    """Whatever is in memory.

    >>> import tinyconv as tc
    >>> tc.empty(2, 3).shape
    tinyconv.Size([2, 3])
    """
    shape, kind = size_of("empty", size, names), kind_of(dtype)
    return made(lambda xp: xp.empty(shape, kind), device, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere; its type decides the dtype unless given.

    >>> import tinyconv as tc
    >>> tc.full((2,), 7)
    tensor([7, 7])
    """
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}\n"
            f"Write full(({size},), ...)."
        )
    value = _number("full", "fill_value", 2, fill_value)
    kind = scalar_dtype(value) if dtype is None else to_dtype(dtype)
    shape, number = size_of("full", (size,), {}), fitting(value, kind)
    number = number.item() if hasattr(number, "item") else number
    return made(lambda xp: xp.full(shape, number, kind.numpy), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere: ``n`` rows, ``m`` (``n``) columns.

    >>> import tinyconv as tc
    >>> tc.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    for i, (name, value) in enumerate((("n", n), ("m", n if m is None else m)), 1):
        if not is_int(value):
            raise TypeError(
                f"eye(): argument '{name}' (position {i}) must be int, not {type(value).__name__}"
            )
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    kind = kind_of(dtype)
    return made(lambda xp: xp.eye(n, m, dtype=kind), device, requires_grad)


def _number(function: str, argument: str, position: int, value: Any) -> Any:
    """A Python number, also from a scalar of NumPy or a Tensor of one element."""
    number = value.item() if hasattr(value, "item") and value.ndim == 0 else value
    if not isinstance(number, (bool, int, float)):
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be Number, not "
            f"{type(value).__name__}"
        )
    return number


# ── in steps ──────────────────────────────────────────────────────────────────────────────────


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from ``start`` (0) up to, not including, ``end``, in steps.

    Raises:
        RuntimeError: the steps lead away from the end.

    >>> import tinyconv as tc
    >>> tc.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    if end is None:
        start, end = 0, start
        end = _number("arange", "end", 1, end)
    start, end, step = (
        _number("arange", name, i, v)
        for i, (name, v) in enumerate((("start", start), ("end", end), ("step", step)), 1)
    )
    if not math.isfinite(start) or not math.isfinite(end):
        raise RuntimeError(f"unsupported range: {start} -> {end}\nBoth ends are finite.")
    if step == 0:
        raise RuntimeError("step must be nonzero\nlinspace() takes a number of steps instead.")
    if (end - start) * step < 0:
        raise RuntimeError(
            "upper bound and lower bound inconsistent with step sign\n"
            f"From {start} no steps of {step} lead to {end}."
        )
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        kind = int64 if whole else to_dtype(kind_of(None))
    else:
        kind = to_dtype(dtype)
    if kind.rank == 0:
        raise NotImplementedError(
            "\"arange_cpu\" not implemented for 'Bool'\nWrite arange(2) == 1."
        )
    if kind is int64:  # counts in integers throughout
        start, end, step = int(start), int(end), int(step)
        n = len(range(start, end, step))
    else:
        n = math.ceil((end - start) / step)
    if kind.rank == 1:
        start, step = int(start), int(step)
    count = (int64 if kind.rank == 1 else float64).numpy
    return made(
        lambda xp: (xp.arange(n, dtype=count) * step + start).astype(kind.numpy),
        device,
        requires_grad,
    )


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, evenly spaced.

    >>> import tinyconv as tc
    >>> tc.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _steps("linspace", start, end, steps, dtype, device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` powers of ``base``, whose exponents go evenly from ``start`` to ``end``, both included.

    >>> import tinyconv as tc
    >>> tc.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    return _steps("logspace", start, end, steps, dtype, device, requires_grad, base)


def _steps(
    function: str,
    start: Any,
    end: Any,
    steps: int,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    base: float | None = None,
) -> Tensor:
    for name, value in (("start", start), ("end", end)):
        if getattr(value, "ndim", 0):
            raise RuntimeError(
                f"{function} only supports 0-dimensional start and end tensors, but got "
                f"{name} with {value.ndim} dimension(s).\nA loop over {function}() makes several."
            )
    if not is_int(steps):
        raise TypeError(
            f"{function}() received an invalid combination of arguments - got steps of type "
            f"{type(steps).__name__}\nsteps is an int."
        )
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative\nIt is {steps}.")
    kind = kind_of(dtype)
    work = kind if kind in FLOATS else float64.numpy
    low, high = (
        work.type(kind.type(_number(function, name, i, v)))
        for i, (name, v) in enumerate((("start", start), ("end", end)), 1)
    )
    if steps == 1:
        high = low

    def steady(xp: Any) -> Array:
        exact = evenly(xp, low, high, steps)
        return (exact if base is None else xp.power(work.type(base), exact)).astype(kind)

    return made(steady, device, requires_grad)


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number.

    >>> import tinyconv as tc
    >>> tc.scalar_tensor(3)
    tensor(3.)
    """
    return full((), s, dtype=kind_of(dtype), device=device, requires_grad=requires_grad)


# ── like another ──────────────────────────────────────────────────────────────────────────────


def like(
    function: Any, x: Any, dtype: Any, device: Any, requires_grad: bool, **names: Any
) -> Tensor:
    """Call ``function`` for the shape and, unless given, the dtype and the device of ``x``."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{function.__name__}_like(): argument 'input' (position 1) must be Tensor, not "
            f"{type(x).__name__}\nWrite tensor(...) around it."
        )
    return function(
        tuple(x.shape),
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
        **names,
    )


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros with shape, dtype and device of another tensor."""
    return like(zeros, input, dtype, device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones with shape, dtype and device of another tensor."""
    return like(ones, input, dtype, device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uninitialised, with shape, dtype and device of another tensor."""
    return like(empty, input, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """One number everywhere, with shape, dtype and device of another tensor."""
    value = _number("full_like", "fill_value", 2, fill_value)
    kind = input.dtype if dtype is None else to_dtype(dtype)
    return like(full, input, kind, device, requires_grad, fill_value=fitting(value, kind))
