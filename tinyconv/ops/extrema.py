"""The largest and the smallest, and where they are; ``any`` and ``all``, the largest and the smallest bool."""

from __future__ import annotations

from math import prod as product
from typing import Any

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array
from ..errors import RangeError, ShapeError
from ..shapes import Ints, is_int, wrap_dim
from ._common import cast, dtype_of, is_array, ndim_of, select, shape_of
from .elementwise import maximum, minimum
from .reduce import Reduction, Sum, dims_of, numpy_names
from .results import AminmaxResult, MaxResult, MinResult
from .views import Reshape, named

# ── without gradients ─────────────────────────────────────────────────────────────────────────


@op
class Reduce(Function):
    """Any NumPy reduction that has no gradient."""

    differentiable = False
    widens = "always"
    function: str
    dim: Any
    keepdim: bool

    def forward(self, x: Array) -> Array:
        return getattr(self.xp, self.function)(x, axis=self.dim, keepdims=self.keepdim)


# ── values ────────────────────────────────────────────────────────────────────────────────────


class Extreme(Reduction):
    """The gradient is shared equally among equals."""

    function = ""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.xp.asarray(getattr(self.xp, self.function)(x, self.dims, keepdims=self.keepdim))
        if self.needs[0]:
            self.save(x, y)
        return y

    def hits(self, x: Any, y: Any) -> Any:
        return x == y

    def share(self, g: Any, hit: Any) -> Any:
        return g * hit

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        hit = self.hits(x, self.back(y))
        count = Sum(self.dims, True)(cast(hit, dtype_of(x).numpy))
        return (self.share(self.back(g) / count, hit),)


@op
class Amax(Extreme):
    dims: Ints
    keepdim: bool
    function = "max"


@op
class Amin(Extreme):
    dims: Ints
    keepdim: bool
    function = "min"


@op
class Max(Amax):
    """Of all elements; here NaN equals NaN."""

    label = "MaxBackward1"

    def hits(self, x: Any, y: Any) -> Any:
        return (x == y) | ((x != x) & (y != y))

    def share(self, g: Any, hit: Any) -> Any:
        return select(hit, g, 0)


@op
class Min(Amin):
    label = "MinBackward1"
    hits, share = Max.hits, Max.share


def _not_empty(x: Any, dims: Ints, name: str, named: bool = True) -> None:
    shape = shape_of(x)
    if not named and not product(shape):
        raise ShapeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument.",
            f"The tensor has shape {list(shape)}.",
        )
    for d in dims:
        if shape and shape[d] == 0:
            raise RangeError(
                f"{name}(): Expected reduction dim {d} to have non-zero size.",
                f"The tensor has shape {list(shape)}.",
            )


def amax(input: Any, dim: Any = (), keepdim: bool = False, **names: Any) -> Any:
    """Largest element over dimensions; equals share the gradient.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 3., 3.], requires_grad=True)
    >>> x.amax().backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    return _amount("amax", Amax, input, dim, keepdim, names)


def amin(input: Any, dim: Any = (), keepdim: bool = False, **names: Any) -> Any:
    """Smallest element over dimensions; equals share the gradient."""
    return _amount("amin", Amin, input, dim, keepdim, names)


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """:func:`amin` and :func:`amax`, along one dimension or of all.

    Shape:
        ``(*) -> ()``, a pair ``(min, max)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 5., 3.], requires_grad=True)
    >>> low, high = x.aminmax()
    >>> (high - low).backward()
    >>> x.grad
    tensor([-1.,  1.,  0.])
    """
    if not (dim is None or is_int(dim)):
        raise TypeError(
            f"aminmax(): argument 'dim' must be int, not {type(dim).__name__}\n"
            "For several, call amin() and amax()."
        )
    if dim is None and not product(shape_of(input)):
        raise ShapeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
            f"The tensor has shape {list(shape_of(input))}.",
        )
    dims = dims_of("aminmax", input, dim)
    for d in dims:
        if not shape_of(input)[d]:
            raise RangeError(
                f"aminmax: Expected reduction dim {d} to have non-zero size.",
                f"The tensor has shape {list(shape_of(input))}.",
            )
    ends = (cls(dims, keepdim)(input) for cls in (Amin, Amax))
    return AminmaxResult(*(named(y, "AminmaxBackward0") for y in ends))


def _amount(name: str, cls: Any, x: Any, dim: Any, keepdim: bool, names: dict[str, Any]) -> Any:
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    dims = dims_of(name, x, dim)
    given = (dim,) if is_int(dim) else dims if dim is None else tuple(dim)
    _not_empty(x, given, name, named=dim is not None and dim != ())
    return cls(dims, keepdim)(x)


# ── values with places ────────────────────────────────────────────────────────────────────────


@op
class Pick(Function):
    """The element of each row along ``dim`` that ``at`` points to."""

    dim: int
    keepdim: bool

    def forward(self, x: Array, at: Array) -> Array:
        self.save(None, at)
        self.size = x.shape[self.dim]
        self.kept = at.shape
        y = self.xp.take_along_axis(x, at, self.dim)
        return y if self.keepdim else y.squeeze(self.dim)

    def backward(self, g: Any) -> Any:
        _, at = self.saved
        return Place(self.dim, self.size)(Reshape(self.kept)(g), at), None


@op
class Place(Function):
    """Zeros, with ``g`` where ``at`` points to: the transpose of Pick."""

    dim: int
    size: int

    def forward(self, g: Array, at: Array) -> Array:
        self.save(None, at)
        shape = list(g.shape)
        shape[self.dim] = self.size
        out = self.xp.zeros(shape, g.dtype)
        self.xp.put_along_axis(out, at, g, self.dim)
        return out

    def backward(self, g: Any) -> Any:
        _, at = self.saved
        return Pick(self.dim, True)(g, at), None


_PAIRS = {"max": (MaxResult, Max, maximum), "min": (MinResult, Min, minimum)}


def _extreme(name: str, x: Any, dim: Any, keepdim: bool, names: dict[str, Any]) -> Any:
    pair, cls, of_two = _PAIRS[name]
    if names:
        dim = names.pop("other", dim)
        dim, keepdim = numpy_names(dim, keepdim, names)
    if not is_array(x):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({type(x).__name__}, "
            f"{type(dim).__name__})\nThe first is a tensor."
        )
    if isinstance(dim, Variable):
        return of_two(x, dim)
    if dim is None:
        _not_empty(x, (), name, named=False)
        return cls(tuple(range(ndim_of(x))), False)(x)
    d = wrap_dim(dim, ndim_of(x))
    shape = shape_of(x)
    _not_empty(x, (d,) if shape else (), name)
    row = x if shape else Reshape((1,))(x)  # a scalar has one dimension, to be dropped
    at = Reduce(f"arg{name}", d, True)(row)
    node = Pick(d, keepdim and bool(shape))
    node.label = f"{name.title()}Backward0"
    values = node(row, at)
    return pair(values, Reshape(shape_of(values))(at))


def max(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
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
    return _extreme("max", input, dim, keepdim, names)


def min(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """The smallest element; as :func:`max`."""
    return _extreme("min", input, dim, keepdim, names)


# ── places ────────────────────────────────────────────────────────────────────────────────────


def argmax(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """Where the largest element is: in its dimension, or in the flattened tensor.

    >>> import tinyconv as tc
    >>> tc.tensor([[1., 5.], [7., 2.]]).argmax(dim=1)
    tensor([1, 0])
    """
    return _place("argmax", input, dim, keepdim, names)


def argmin(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """Where the smallest element is; as :func:`argmax`."""
    return _place("argmin", input, dim, keepdim, names)


def _place(name: str, x: Any, dim: Any, keepdim: bool, names: dict[str, Any]) -> Any:
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    if dtype_of(x).rank == 0:
        raise RuntimeError(f"{name}(): does not support bool input\nWrite x.int() first.")
    shape = shape_of(x)
    if dim is None:
        if not product(shape):
            raise RangeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0.",
                f"The tensor has shape {list(shape)}.",
            )
        return Reduce(name, None, keepdim)(x)
    d = wrap_dim(dim, len(shape))
    _not_empty(x, (d,) if shape else (), name)
    return Reduce(name, d if shape else None, keepdim)(x)


# ── truth ─────────────────────────────────────────────────────────────────────────────────────


def _truth(name: str, x: Any, dim: Any, keepdim: bool) -> Any:
    dims = () if isinstance(dim, (list, tuple)) and not dim else dims_of(name, x, dim)
    y = Reduce(name, dims, keepdim)(x)
    return cast(y, "uint8") if dtype_of(x).name == "uint8" else y


def any(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """True where an element along ``dim`` is."""
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    return _truth("any", input, dim, keepdim)


def all(input: Any, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
    """True where every element along ``dim`` is."""
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    return _truth("all", input, dim, keepdim)
