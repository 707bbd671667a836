"""Many elements to one: sums, means, extrema, norms."""

from __future__ import annotations

import math
from math import prod as product
from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import to_dtype
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import Ints, wrap_dim, wrap_dims
from ._common import cast, dtype_of, floating, ndim_of, shape_of
from .elementwise import _where, abs, exp, maximum, minimum, pow, sign
from .indexing import gather
from .results import MaxResult, MinResult
from .views import Reshape, expand, flatten, unsqueeze


class Reduction(Function):
    """Over dimensions ``dims``; ``back`` gives a gradient the shape it had before they were dropped."""

    dims: Ints
    keepdim: bool

    def remember(self, x: Array) -> None:
        self.source = x.shape
        self.kept = tuple(1 if i in self.dims else n for i, n in enumerate(x.shape))

    def back(self, g: Any) -> Any:
        return g if self.keepdim else Reshape(self.kept)(g)

    def spread(self, g: Any) -> Any:
        return expand(self.back(g), self.source)


def _wide(x: Array) -> Any:
    return "float32" if x.dtype.char == "e" else x.dtype


@op
class Sum(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        return self.xp.sum(x, self.dims, _wide(x), keepdims=self.keepdim).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return (self.spread(g),)


@op
class Mean(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        self.count = product(x.shape[d] for d in self.dims)
        total = self.xp.sum(x, self.dims, _wide(x), keepdims=self.keepdim)
        return (total / (self.count or math.nan)).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return (self.spread(g / (self.count or math.nan)),)


@op
class Var(Reduction):
    """Two passes: the mean, then the squares of what differs from it."""

    dims: Ints
    keepdim: bool
    correction: float

    def forward(self, x: Array) -> Array:
        self.remember(x)
        count = product(x.shape[d] for d in self.dims)
        free = max(count - self.correction, 0)
        self.scale = 1 / free if free else math.inf
        centered = x - (self.xp.sum(x, self.dims, keepdims=True) / (count or math.nan)).astype(x.dtype)
        if self.needs[0]:
            self.save(x)
        squares = self.xp.sum(centered * centered, self.dims, keepdims=self.keepdim)
        return (squares / free if free else squares * math.nan if not squares.any() else squares * math.inf).astype(
            x.dtype
        )

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return (self.back(g) * (2 * self.scale) * (x - mean(x, self.dims, True)),)


@op
class Std(Function):
    """Square root of a variance, with gradient zero where it is zero."""

    def forward(self, v: Array) -> Array:
        y = self.xp.sqrt(v)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        return (_where(y == 0, g * 0, g / (2 * _where(y == 0, y + 1, y))),)


@op
class Prod(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.xp.prod(x, self.dims, keepdims=self.keepdim)
        if self.needs[0]:
            self.save(x, y)
            self.zeros = bool((x == 0).any())
        return self.xp.asarray(y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        if not self.zeros:
            return (self.back(g) * self.back(y) / x,)
        # The product of all others: a square of copies of x with ones on its diagonal.
        (d,) = self.dims
        n = self.source[d]
        rows = unsqueeze(x, d)
        shape = (*self.source[:d], n, *self.source[d:])
        eye = self.xp.eye(n, dtype=bool).reshape(n, n, *(1,) * (len(self.source) - d - 1))
        others = Prod((d + 1,), False)(_where(eye, expand(rows * 0 + 1, shape), expand(rows, shape)))
        return (self.back(g) * others,)


class _Extreme(Reduction):
    """The gradient is shared equally among equals."""

    function = ""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = getattr(self.xp, self.function)(x, self.dims, keepdims=self.keepdim)
        if self.needs[0]:
            y = self.xp.asarray(y)
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        y = self.back(y)
        hit = (x == y) | ((x != x) & (y != y))
        count = Sum(self.dims, True)(cast(hit, dtype_of(x).numpy))
        return (self.back(g) / count * hit,)


@op
class Amax(_Extreme):
    dims: Ints
    keepdim: bool
    function = "max"


@op
class Amin(_Extreme):
    dims: Ints
    keepdim: bool
    function = "min"


@op
class _Max(Amax):
    name = "MaxBackward1"


@op
class _Min(Amin):
    name = "MinBackward1"


@op
class Norm(Reduction):
    """A p-norm; its gradient at zero is zero."""

    name = "LinalgVectorNormBackward0"
    dims: Ints
    keepdim: bool
    p: float

    def forward(self, x: Array) -> Array:
        self.remember(x)
        xp, p, axes = self.xp, self.p, {"axis": self.dims, "keepdims": self.keepdim}
        a = xp.abs(x)
        if p == 2:
            y = xp.sqrt(xp.sum(x * x, **axes))
        elif p == 1:
            y = xp.sum(a, **axes)
        elif p == 0:
            y = xp.sum(x != 0, **axes).astype(x.dtype)
        elif math.isinf(p):
            y = xp.max(a, **axes) if p > 0 else xp.min(a, **axes)
        else:
            y = xp.sum(a**p, **axes) ** (1 / p)
        y = xp.asarray(y, x.dtype)
        if self.needs[0]:
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        g, y, p = self.back(g), self.back(y), self.p
        if p == 0:
            return (x * 0,)
        if p == 1:
            return (g * sign(x),)
        if math.isinf(p):
            hit = abs(x) == y
            return (g * sign(x) * hit / Sum(self.dims, True)(cast(hit, dtype_of(x).numpy)),)
        safe = _where(y == 0, y + 1, y)
        if p == 2:
            return (x * _where(y == 0, g * 0, g / safe),)
        slope = abs(x) if p == 1 else pow(_where(x == 0, x * 0 + 1, abs(x)), p - 1)
        return (_where(y == 0, x * 0, sign(x) * slope * (g / pow(safe, p - 1))),)


@op
class LogSumExp(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        xp = self.xp
        top = xp.max(x, self.dims, keepdims=True) if x.size else xp.zeros(self.kept, x.dtype)
        top = xp.where(xp.isfinite(top), top, 0).astype(x.dtype)
        y = xp.log(xp.sum(xp.exp(x - top), self.dims, keepdims=True)) + top
        y = y if self.keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in self.dims])
        if self.needs[0]:
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return (self.back(g) * exp(x - self.back(y)),)


@op
class Cumsum(Function):
    dim: int

    def forward(self, x: Array) -> Array:
        return self.xp.cumsum(x, self.dim, x.dtype) if x.ndim else x.copy()

    def backward(self, g: Any) -> Any:
        from_end = _Reverse(self.dim)
        return (from_end.again()(Cumsum(self.dim)(from_end(g))),)


@op
class _Reverse(Function):
    name = "FlipBackward0"
    dim: int

    def forward(self, x: Array) -> Array:
        return self.xp.flip(x, self.dim).copy() if x.ndim else x.copy()

    def backward(self, g: Any) -> Any:
        return (_Reverse(self.dim)(g),)


@op
class _Reduce(Function):
    """A reduction without gradient: ``any all argmax argmin``."""

    differentiable = False
    function: str
    dim: Any
    keepdim: bool

    def forward(self, x: Array) -> Array:
        return getattr(self.xp, self.function)(x, axis=self.dim, keepdims=self.keepdim)


# ── public ────────────────────────────────────────────────────────────────────────────────────


def _numpy_names(dim: Any, keepdim: bool, names: dict[str, Any]) -> tuple[Any, bool]:
    """NumPy says ``axis`` and ``keepdims``; ``numpy.sum(tensor)`` arrives here with them."""
    dim, keepdim = names.pop("axis", dim), names.pop("keepdims", keepdim)
    if names.pop("out", None) is not None:
        raise TypeError("out= is not supported: assign the result")
    if names:
        raise TypeError(f"unexpected keyword argument {next(iter(names))!r}")
    return dim, bool(keepdim)


def sum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any) -> Any:
    """Sum over some dimensions, or all; integers and bools add up in int64.

    Args:
        dim: a dimension or several; all unless given.
        keepdim: keep them, with size one.

    Shape:
        ``(*) -> (*)`` without ``dim``

    >>> import tinyconv as tc
    >>> x = tc.ones(2, 3, requires_grad=True)
    >>> (x.sum(0) * tc.arange(3.)).sum().backward()
    >>> x.grad
    tensor([[0., 1., 2.],
            [0., 1., 2.]])
    """
    if names:
        dim, keepdim = _numpy_names(dim, keepdim, names)
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    elif dtype_of(x).rank < 2:
        x = cast(x, "int64")
    return Sum(wrap_dims(dim, ndim_of(x)), keepdim)(x)


def _need_float(x: Any, name: str) -> None:
    d = dtype_of(x)
    if not d.is_floating_point:
        raise DTypeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {d.name.capitalize()}",
            "Write x.float() first.",
        )


def mean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any) -> Any:
    """Average over some dimensions, or all.

    Raises:
        DTypeError: the elements are integers.

    >>> import tinyconv as tc
    >>> x = tc.ones(4, requires_grad=True)
    >>> x.mean().backward()
    >>> x.grad
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if names:
        dim, keepdim = _numpy_names(dim, keepdim, names)
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    _need_float(x, "mean")
    return Mean(wrap_dims(dim, ndim_of(x)), keepdim)(x)


def var(
    x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """Variance: the sum of squared differences from the mean over ``n - correction`` (1 unless given).

    >>> import tinyconv as tc
    >>> tc.tensor([1., 2., 3.]).var()
    tensor(1.)
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    if not dtype_of(x).is_floating_point:
        raise DTypeError("var and std only support floating point and complex dtypes", "Write x.float() first.")
    return Var(wrap_dims(dim, ndim_of(x)), keepdim, correction)(x)


def std(
    x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """Standard deviation: the square root of :func:`var`."""
    return Std()(var(x, dim, unbiased, keepdim, correction=correction))


def prod(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product over one dimension, or of all elements.

    >>> import tinyconv as tc
    >>> x = tc.tensor([2., 0., 3.], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    elif dtype_of(x).rank < 2:
        x = cast(x, "int64")
    if dim is None:
        x, dim = flatten(x), 0
    if not shape_of(x):
        x = Reshape((1,))(x)
        return Prod((0,), False)(x)
    return Prod((wrap_dim(dim, ndim_of(x)),), keepdim)(x)


def _not_empty(x: Any, dims: Ints, name: str) -> None:
    shape = shape_of(x)
    for d in dims:
        if shape and shape[d] == 0:
            raise RangeError(
                f"{name}(): Expected reduction dim {d} to have non-zero size.", f"The tensor has shape {list(shape)}."
            )


def amax(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Largest element over dimensions; equals share the gradient."""
    dims = wrap_dims(dim, ndim_of(x))
    _not_empty(x, dims, "amax")
    return Amax(dims, keepdim)(x)


def amin(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Smallest element over dimensions; equals share the gradient."""
    dims = wrap_dims(dim, ndim_of(x))
    _not_empty(x, dims, "amin")
    return Amin(dims, keepdim)(x)


def _extreme(x: Any, dim: Any, keepdim: bool, name: str, result: Any, cls: Any, two: Any) -> Any:
    if isinstance(dim, Variable):
        return two(x, dim)
    if dim is None:
        if not product(shape_of(x)):
            raise ShapeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
                "dim with the 'dim' argument."
            )
        return cls(tuple(range(ndim_of(x))), False)(x)
    d = wrap_dim(dim, ndim_of(x))
    _not_empty(x, (d,), name)
    if not shape_of(x):
        return result(x.clone(), x.wrap(x.array.astype("int64") * 0))
    at = _Reduce("arg" + name, d, True)(x)
    values = gather(x, d, at)
    if values.node is not None:
        values.node.name = f"{name.title()}Backward0"
    if not keepdim:
        shape = tuple(n for i, n in enumerate(shape_of(x)) if i != d)
        name_of = values.node.name if values.node is not None else ""
        values, at = Reshape(shape)(values), at.wrap(at.array.reshape(shape))
        if values.node is not None:
            values.node.name = name_of
        values.base = None
    return result(values, at)


def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with ``dim`` the largest along it and where they are; of two tensors the larger.

    The first of equals is named, NaN beats everything.

    Shape:
        ``(*) -> ()``; with ``dim`` a pair ``(values, indices)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 5.], [7., 2.]], requires_grad=True)
    >>> values, indices = x.max(1)
    >>> values.sum().backward()
    >>> x.grad
    tensor([[0., 1.],
            [1., 0.]])
    """
    return _extreme(x, dim, keepdim, "max", MaxResult, _Max, maximum)


def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; as :func:`max`."""
    return _extreme(x, dim, keepdim, "min", MinResult, _Min, minimum)


def _arg(x: Any, dim: Any, keepdim: bool, function: str) -> Any:
    if dtype_of(x).rank == 0:
        raise DTypeError(f'"{function}_cpu" not implemented for \'Bool\'', "Write x.int() first.")
    if dim is not None:
        dim = wrap_dim(dim, ndim_of(x))
        _not_empty(x, (dim,), function)
        if not ndim_of(x):
            dim = None
    elif not product(shape_of(x)):
        raise RangeError(f"{function}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
    return _Reduce(function, dim, keepdim)(x)


def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the largest element is: in its dimension, or in the flattened tensor.

    >>> import tinyconv as tc
    >>> tc.tensor([[1., 5.], [7., 2.]]).argmax(dim=1)
    tensor([1, 0])
    """
    return _arg(x, dim, keepdim, "argmax")


def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the smallest element is; as :func:`argmax`."""
    return _arg(x, dim, keepdim, "argmin")


def _logic(x: Any, dim: Any, keepdim: bool, function: str) -> Any:
    out = _Reduce(function, None if dim is None else wrap_dims(dim, ndim_of(x)), keepdim)(x)
    return cast(out, "uint8") if dtype_of(x).name == "uint8" else out


def any(x: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """True where an element along ``dim`` is."""
    if names:
        dim, keepdim = _numpy_names(dim, keepdim, names)
    return _logic(x, dim, keepdim, "any")


def all(x: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """True where every element along ``dim`` is."""
    if names:
        dim, keepdim = _numpy_names(dim, keepdim, names)
    return _logic(x, dim, keepdim, "all")


def norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Length of a vector: the p-th root of the sum of p-th powers.

    .. math:: y = \\Bigl(\\sum_i |x_i|^p\\Bigr)^{1/p}

    Args:
        p: a number, ``inf``, ``-inf`` or ``'fro'`` (2).

    Shape:
        ``(*) -> ()`` without ``dim``

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 4.], requires_grad=True)
    >>> x.norm().backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    if not dtype_of(x).is_floating_point:
        raise DTypeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {dtype_of(x).name.capitalize()}",
            "Write x.float() first.",
        )
    return Norm(wrap_dims(dim, ndim_of(x)), keepdim, 2.0 if p in ("fro", None) else float(p))(x)


def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Logarithm of the sum of exponentials, without overflow.

    .. math:: y = \\ln \\sum_i e^{x_i}

    >>> import tinyconv as tc
    >>> x = tc.tensor([1000., 1000.], requires_grad=True)
    >>> x.logsumexp(0).backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """
    return LogSumExp(wrap_dims(dim, ndim_of(x)), keepdim)(floating(x))


def cumsum(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sum along ``dim``.

    >>> import tinyconv as tc
    >>> x = tc.ones(3, requires_grad=True)
    >>> x.cumsum(0).sum().backward()
    >>> x.grad
    tensor([3., 2., 1.])
    """
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    elif dtype_of(x).rank < 2:
        x = cast(x, "int64")
    return Cumsum(wrap_dim(dim, ndim_of(x)))(x)

