"""Many elements to one: sums, means, products, norms."""

from __future__ import annotations

import math
from math import prod as product
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import FLOATS, HALVES, to_dtype
from ..errors import DTypeError
from ..shapes import Ints, Shape, is_int, wrap_dim, wrap_dims
from ._common import cast, dtype_of, floating, ndim_of, select, shape_of, zeros_like
from ._norm import channel_sums
from .elementwise import abs, exp, sign
from .power import pow
from .views import Reshape, expand, flatten, named, unsqueeze

# ── what reductions share ─────────────────────────────────────────────────────────────────────


class Reduction(Function):
    """Over dimensions ``dims``; ``back`` gives a gradient the shape it had before they were dropped."""

    widens = "always"
    dims: Ints
    keepdim: bool

    def remember(self, x: Array) -> None:
        self.source = x.shape

    @property
    def kept(self) -> Shape:
        """The shape with ``keepdim``."""
        return tuple(1 if i in self.dims else n for i, n in enumerate(self.source))

    @property
    def count(self) -> int:
        """How many elements become one."""
        return product(self.source[d] for d in self.dims)

    def total(self, x: Array) -> Array:
        """The sum, in a dtype wide enough; a loop takes what is large, and all dimensions but the channels or the first."""
        n, kept = x.ndim, x.ndim - len(self.dims)
        if 0 < kept < n and x.size > LARGE and x.dtype in FLOATS and x.flags.c_contiguous:
            if self.dims == tuple(range(kept, n)):
                y = channel_sum(x.reshape(1, product(x.shape[:kept]), product(x.shape[kept:])))
                return y.reshape(self.kept if self.keepdim else x.shape[:kept])
            if n > 2 and self.dims == (0, *range(2, n)):
                y = channel_sum(x)
                return y.reshape(self.kept) if self.keepdim else y
        return x.sum(self.dims, _wide(x), keepdims=self.keepdim)

    def back(self, g: Any) -> Any:
        return g if self.keepdim else Reshape(self.kept)(g)

    def spread(self, g: Any) -> Any:
        return expand(self.back(g), self.source)


LARGE = 1 << 12  # elements


def channel_sum(x: Array) -> Array:
    """The sum over each channel of an array: (n, c, *) -> (c,)."""
    if not x.flags.c_contiguous:
        x = x.copy(order="C")
    n, c, *rest = x.shape
    sums = XP[type(x)].empty(c)
    channel_sums(x.reshape(n, c, product(rest)), sums)
    return sums.astype(x.dtype)


def _wide(x: Array) -> Any:
    """The dtype to add up in."""
    return "float32" if x.dtype in HALVES else x.dtype


def numpy_names(dim: Any, keepdim: bool, names: dict[str, Any]) -> tuple[Any, bool]:
    """NumPy says ``axis`` and ``keepdims``; ``numpy.sum(tensor)`` arrives here with them."""
    dim, keepdim = names.pop("axis", dim), names.pop("keepdims", keepdim)
    if names.pop("out", None) is not None:
        raise TypeError("out= is not supported: assign the result")
    if names:
        raise TypeError(f"unexpected keyword argument {next(iter(names))!r}")
    return dim, bool(keepdim)


def dims_of(name: str, x: Any, dim: Any) -> Ints:
    """Dimensions as torch takes them: None or () for all, an int, or several."""
    several = isinstance(dim, (list, tuple)) and all(map(is_int, dim))
    if not (dim is None or is_int(dim) or several):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (Tensor, "
            f"{type(dim).__name__})\ndim is an int or a tuple of ints, not {dim!r}."
        )
    return wrap_dims(dim, ndim_of(x))


def _over(cls: Any, x: Any, dim: Any, keepdim: bool, *settings: Any) -> Any:
    """Reduce; torch numbers the node by whether dimensions were named."""
    if dim is None:
        return cls(tuple(range(ndim_of(x))), keepdim, *settings)(x)
    node = cls(dims_of(cls.__name__.lower(), x, dim), keepdim, *settings)
    node.label = f"{cls.__name__}Backward1"
    return node(x)


def _summable(x: Any, dtype: Any) -> Any:
    """``x`` in ``dtype``; unless given, integers and bools in int64."""
    if dtype is not None:
        return cast(x, to_dtype(dtype).numpy)
    return x if (x.array if isinstance(x, Variable) else x).dtype in FLOATS else cast(x, "int64")


# ── sums and means ────────────────────────────────────────────────────────────────────────────


@op
class Sum(Reduction):
    widens = ""  # `_wide` saves the copy
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.total(x)
        return y if y.dtype == x.dtype else y.astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return (self.spread(g),)


@op
class Mean(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.total(x) / (self.count or math.nan)
        return y if y.dtype == x.dtype else y.astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return (self.spread(g / (self.count or math.nan)),)


def sum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any
) -> Any:
    """Sum over some dimensions, or all; integers and bools add up in int64.

    Args:
        dim: a dimension or several; all unless given.
        keepdim: keep them, with size one.
        names: ``axis`` and ``keepdims``, as NumPy calls them.

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
        dim, keepdim = numpy_names(dim, keepdim, names)
    return _over(Sum, _summable(input, dtype), dim, keepdim)


def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any
) -> Any:
    """Average over some dimensions, or all; the arguments are those of :func:`sum`.

    Raises:
        DTypeError: the elements are integers.

    >>> import tinyconv as tc
    >>> x = tc.ones(4, requires_grad=True)
    >>> x.mean().backward()
    >>> x.grad
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    x = input if dtype is None else cast(input, to_dtype(dtype).numpy)
    array = x.array if isinstance(x, Variable) else x
    if array.dtype not in FLOATS:
        raise DTypeError(
            f"mean(): could not infer output dtype. {'Input' if dtype is None else 'Optional'} dtype "
            f"must be either a floating point or complex dtype. Got: {type_name(array)}",
            "Write x.float().mean(), or mean(dtype=float32).",
        )
    return _over(Mean, x, dim, keepdim)


# ── of what is a number, or not zero ──────────────────────────────────────────────────────────


def nansum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any
) -> Any:
    """:func:`sum` of what is not NaN.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., float("nan")], requires_grad=True)
    >>> x.nansum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    y = sum(select(input != input, 0, input), dim, keepdim, dtype=dtype, **names)
    return named(y, "NansumBackward0")


def nanmean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any
) -> Any:
    """:func:`mean` of what is not NaN.

    Raises:
        DTypeError: the elements are integers.

    >>> import tinyconv as tc
    >>> tc.tensor([1., float("nan"), 3.]).nanmean()
    tensor(2.)
    """
    if not dtype_of(input).is_floating_point:
        raise DTypeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{type_name(input.array)}",
            "Write x.float().nanmean().",
        )
    counts = sum(input == input, dim, keepdim, **names)
    return nansum(input, dim, keepdim, dtype=dtype, **names) / counts


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero, along ``dim`` (one or several) or of all.

    >>> import tinyconv as tc
    >>> tc.count_nonzero(tc.tensor([[0, 2], [3, 4]]), dim=0)
    tensor([1, 2])
    """
    return sum(input != 0, dim)


# ── products ──────────────────────────────────────────────────────────────────────────────────


@op
class Prod(Reduction):
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.xp.prod(x, self.dims, _wide(x), keepdims=self.keepdim)
        y = self.xp.asarray(y, x.dtype)
        if self.needs[0]:
            self.save(x, y)
            self.zeros = bool((x == 0).any())
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        if not self.zeros:
            return (self.back(g) * self.back(y) / x,)
        # The product of all others: a square of copies of x with ones on its diagonal.
        (d,) = self.dims
        n = self.source[d]
        shape = (*self.source[:d], n, *self.source[d:])
        eye = self.xp.eye(n, dtype=bool).reshape(n, n, *(1,) * (len(self.source) - d - 1))
        others = select(eye, 1, expand(unsqueeze(x, d), shape))
        return (self.back(g) * Prod((d + 1,), False)(others),)


def prod(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **names: Any
) -> Any:
    """Product over one dimension, or of all elements; integers and bools multiply in int64.

    >>> import tinyconv as tc
    >>> x = tc.tensor([2., 0., 3.], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    x = _summable(input, dtype)
    if dim is None:
        return Prod((0,), False)(flatten(x))
    if not is_int(dim):
        raise TypeError(
            "prod() received an invalid combination of arguments - got (Tensor, "
            f"{type(dim).__name__})\nOne dimension at a time: x.prod(0).prod(0)."
        )
    d = wrap_dim(dim, ndim_of(x))
    node = Prod((d,), keepdim and bool(shape_of(x)))
    node.label = "ProdBackward1"
    return node(x if shape_of(x) else Reshape((1,))(x))


# ── norms ─────────────────────────────────────────────────────────────────────────────────────


@op
class Norm(Reduction):
    """A p-norm; its gradient at zero is zero."""

    label = "LinalgVectorNormBackward0"
    dims: Ints
    keepdim: bool
    p: float

    def forward(self, x: Array) -> Array:
        self.remember(x)
        xp, p, axes = self.xp, self.p, {"axis": self.dims, "keepdims": self.keepdim}
        a = xp.abs(x.astype(_wide(x), copy=False))
        if p == 2:
            y = xp.sqrt(xp.sum(a * a, **axes))
        elif p == 1:
            y = xp.sum(a, **axes)
        elif p == 0:
            y = xp.sum(a != 0, **axes)
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
            return (zeros_like(x),)
        if p == 1:
            return (g * sign(x),)
        if math.isinf(p):
            hit = abs(x) == y
            return (g * sign(x) * hit / Sum(self.dims, True)(cast(hit, dtype_of(x).numpy)),)
        norm = select(y == 0, 1, y)
        if p == 2:
            return (g * select(y == 0, 0, x / norm),)
        slope = pow(select(x == 0, 1, abs(x)), p - 1)
        return (select(y == 0, 0, sign(x) * slope * (g / pow(norm, p - 1))),)


@op
class LogSumExp(Reduction):
    label = "LogsumexpBackward0"
    dims: Ints
    keepdim: bool

    def forward(self, x: Array) -> Array:
        self.remember(x)
        xp = self.xp
        top = xp.max(x, self.dims, keepdims=True) if x.size else xp.zeros(self.kept, x.dtype)
        top = xp.where(xp.isfinite(top), top, 0).astype(x.dtype)
        y = xp.log(xp.sum(xp.exp(x - top), self.dims, keepdims=True)) + top
        if not self.keepdim:
            y = y.reshape([n for i, n in enumerate(x.shape) if i not in self.dims])
        y = xp.asarray(y)
        if self.needs[0]:
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return (self.back(g) * exp(x - self.back(y)),)


def logsumexp(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """Logarithm of the sum of exponentials, without overflow.

    .. math:: y = \\ln \\sum_i e^{x_i}

    >>> import tinyconv as tc
    >>> x = tc.tensor([1000., 1000.], requires_grad=True)
    >>> x.logsumexp(0).backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    if dim is None:
        raise TypeError(
            'logsumexp() missing 1 required positional arguments: "dim"\nWrite logsumexp(0).'
        )
    return LogSumExp(dims_of("logsumexp", input, dim), keepdim)(floating(input))
