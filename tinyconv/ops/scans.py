"""What adds up along a dimension: running sums, products and extremes; differences; integrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import FLOATS, finfo
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import wrap_dim
from ._common import cast, dtype_of, is_array, ndim_of, not_implemented, select, shape_of
from .compare import logical_xor
from .elementwise import abs, add, exp, log, sub
from .indexing import Gather
from .joining import cat, flip
from .reduce import _summable, _wide, sum
from .results import CummaxResult, CumminResult
from .slices import narrow
from .views import expand, named, reshape, unsqueeze


def running(xp: Any, x: Array, dim: int, combine: Callable[[Array, Array], Array]) -> Array:
    """``x[0], combine(x[0], x[1]), ...`` in as many steps as the length has bits.

    After each step, an element stands for twice as many before it (W. D. Hillis & G. L. Steele, Data Parallel Algorithms,
    Communications of the ACM 29, 1986).
    """
    x = xp.moveaxis(x, dim, 0).copy()
    step = 1
    while step < len(x):
        x[step:] = combine(x[:-step], x[step:])
        step *= 2
    return xp.ascontiguousarray(xp.moveaxis(x, 0, dim))


def _dim(name: str, input: Any, dim: Any, axis: Any = None) -> int:
    dim = axis if dim is None else dim
    if dim is None:
        raise TypeError(
            f'{name}() missing 1 required positional arguments: "dim"\nWrite {name}(0).'
        )
    return wrap_dim(dim, ndim_of(input))


# ── sums ──────────────────────────────────────────────────────────────────────────────────────


@op
class Cumsum(Function):
    """Running sums; their transpose runs from the end."""

    dim: int
    from_end: bool = False

    def forward(self, x: Array) -> Array:
        if not x.ndim:
            return x.copy()
        xp, flip = self.xp, self.xp.flip
        if self.from_end:
            y = xp.ascontiguousarray(
                flip(xp.cumsum(flip(x, self.dim), self.dim, _wide(x)), self.dim)
            )
        else:
            y = xp.cumsum(x, self.dim, _wide(x))
        return y.astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return (Cumsum(self.dim, not self.from_end)(g),)


def cumsum(
    input: Any, dim: int | None = None, *, dtype: Any = None, axis: int | None = None
) -> Any:
    """Running sum along ``dim``.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.ones(3, requires_grad=True)
    >>> x.cumsum(0).sum().backward()
    >>> x.grad
    tensor([3., 2., 1.])
    """
    return Cumsum(_dim("cumsum", input, dim, axis))(_summable(input, dtype))


# ── products ──────────────────────────────────────────────────────────────────────────────────


@op
class Cumprod(Function):
    """Running products; without zeros, ``gx = (sum of g y from here to the end) / x``."""

    widens = "always"
    dim: int

    def forward(self, x: Array) -> Array:
        y = self.xp.cumprod(x, self.dim, x.dtype) if x.ndim else x.copy()
        if self.needs[0]:
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        if not shape_of(x):
            return (g,)
        if not isinstance(g, Variable):
            return (self._beyond_zero(g, x, y),)
        if not bool((x.array == 0).any()):
            return (self._rest(g * y) / x,)
        return (self._squared(g, x),)

    def _rest(self, g: Any) -> Any:
        return Cumsum(self.dim, True)(g)

    def _beyond_zero(self, g: Array, x: Array, y: Array) -> Array:
        """Up to the first zero of a row as without; there, the others go on; behind it nothing counts."""
        zero = x == 0
        met = Cumsum(self.dim)(cast(zero, "int64"))
        first = zero & (met == 1)
        others = Cumprod(self.dim)(select(first, 1, x))
        there = self._rest(select(met > 0, g * others, 0))
        return select(first, there, select(zero, 0, self._rest(g * y) / select(zero, 1, x)))

    def _squared(self, g: Any, x: Any) -> Any:
        """The product of all others, for each of them: rows of copies of x with ones on the diagonal."""
        shape, d = shape_of(x), self.dim
        n = shape[d]
        below = (1,) * (len(shape) - d - 1)
        eye = self.xp.eye(n, dtype=bool).reshape(n, n, *below)
        others = select(eye, 1, expand(unsqueeze(x, d), (*shape[:d], n, *shape[d:])))
        later = self.xp.tri(n, dtype=bool).T.reshape(n, n, *below)
        return sum(select(later, unsqueeze(g, d) * Cumprod(d + 1)(others), 0), d + 1)


def cumprod(
    input: Any, dim: int | None = None, *, dtype: Any = None, axis: int | None = None
) -> Any:
    """Running product along ``dim``.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([2., 3., 0.], requires_grad=True)
    >>> x.cumprod(0).sum().backward()
    >>> x.grad
    tensor([4., 2., 6.])
    """
    return Cumprod(_dim("cumprod", input, dim, axis))(_summable(input, dtype))


@op
class LogCumSumExp(Function):
    label = "LogcumsumexpBackward0"
    widens = "always"
    dim: int

    def forward(self, x: Array) -> Array:
        if x.dtype not in FLOATS:
            raise not_implemented("logcumsumexp_out_cpu", x, "Write x.float() first.")
        y = running(self.xp, x, self.dim, self.xp.logaddexp) if x.ndim else x.copy()
        if self.needs[0]:
            self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        least = finfo(dtype_of(x)).min
        size = log(select(g == 0, 1, abs(g)))
        parts = (
            exp(self._from_end(select(which, size - y, least)) + x) for which in (g > 0, g < 0)
        )
        return (sub(*parts),)

    def _from_end(self, x: Any) -> Any:
        return flip(LogCumSumExp(self.dim)(flip(x, self.dim)), self.dim) if shape_of(x) else x


def logcumsumexp(input: Any, dim: int) -> Any:
    """Logarithm of the running sum of exponentials along ``dim``, without overflow.

    .. math:: y_i = \\ln \\sum_{j \\le i} e^{x_j}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([1000., 1000.], requires_grad=True)
    >>> x.logcumsumexp(0).sum().backward()
    >>> x.grad
    tensor([1.5000, 0.5000])
    """
    return LogCumSumExp(_dim("logcumsumexp", input, dim))(input)


# ── extremes ──────────────────────────────────────────────────────────────────────────────────


@op
class LastExtreme(Function):
    """Where the largest so far is, or the smallest: the last of equals; NaN beats everything."""

    differentiable = False
    dim: int
    function: str

    def forward(self, x: Array) -> Array:
        xp, d = self.xp, self.dim
        if not x.ndim:
            return xp.zeros((), "int64")
        best = running(xp, x, d, getattr(xp, self.function))
        place = xp.arange(x.shape[d]).reshape(-1, *(1,) * (x.ndim - d - 1))
        return running(xp, xp.where((x == best) | (x != x), place, 0), d, xp.maximum)


def _extreme(name: str, function: str, result: Any, input: Any, dim: int) -> Any:
    d = _dim(name, input, dim)
    at = LastExtreme(d, function)(input)
    return result(named(Gather(d)(input, at), f"{name.title()}Backward0"), at)


def cummax(input: Any, dim: int) -> Any:
    """The largest so far along ``dim``, and where it is: the last of equals.

    Shape:
        ``(*) -> (*)``, a pair ``(values, indices)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 3., 2.], requires_grad=True)
    >>> values, indices = x.cummax(0)
    >>> values.sum().backward()
    >>> x.grad
    tensor([1., 2., 0.])
    """
    return _extreme("cummax", "maximum", CummaxResult, input, dim)


def cummin(input: Any, dim: int) -> Any:
    """The smallest so far along ``dim``, and where it is; as :func:`cummax`."""
    return _extreme("cummin", "minimum", CumminResult, input, dim)


# ── differences ───────────────────────────────────────────────────────────────────────────────


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along ``dim``, ``n`` times; of bools, whether they differ.

    Args:
        prepend, append: what to put before and behind ``input`` first.

    Shape:
        ``(..., k, ...) -> (..., k - n, ...)``

    Raises:
        ShapeError: the input has no dimension.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 4., 9.], requires_grad=True)
    >>> tc.diff(x, n=2).sum().backward()
    >>> x.grad
    tensor([ 1., -2.,  1.])
    """
    if not ndim_of(input):
        raise ShapeError(
            "diff expects input to be at least one-dimensional", "A number has no neighbours."
        )
    if n < 0:
        raise RuntimeError(
            f"order must be non-negative but got {n}\nIt says how often to take differences."
        )
    d = wrap_dim(dim, ndim_of(input))
    for more in (prepend, append):
        if more is not None and ndim_of(more) != ndim_of(input):
            raise ShapeError(
                "diff expects prepend or append to be the same dimension as input",
                f"They have {ndim_of(more)} and {ndim_of(input)} dimensions.",
            )
    if n == 0:
        return input.clone()
    parts = [x for x in (prepend, input, append) if x is not None]
    x = cat(parts, d) if len(parts) > 1 else input
    size = shape_of(x)[d]
    minus = logical_xor if dtype_of(x).rank == 0 else sub
    for _ in range(min(n, size)):
        k = shape_of(x)[d] - 1
        x = minus(narrow(x, d, 1, k), narrow(x, d, 0, k))
    return x


# ── integrals ─────────────────────────────────────────────────────────────────────────────────


def _trapezoids(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """Twice the area between neighbours, and the dimension."""
    if any(is_array(v) and dtype_of(v).rank == 0 for v in (y, x)):
        raise DTypeError(
            f"{name}: received a bool input for {'`y`' if x is None else '`x` or `y`'}, but bool is not "
            "supported",
            "Write y.int() first.",
        )
    d = wrap_dim(dim, ndim_of(y))
    n = shape_of(y)[d]
    if x is not None and is_array(x):
        if dx is not None:
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got (Tensor, Tensor, "
                f"dx={type(dx).__name__})\nThe points are in x, or dx apart."
            )
        if ndim_of(x) == 1 and ndim_of(y) != 1:
            if shape_of(x)[0] != n:
                raise _points(name)
            x = reshape(x, (-1,) + (1,) * (ndim_of(y) - d - 1))
        at = wrap_dim(d - ndim_of(y), ndim_of(x)) if ndim_of(x) else None
        if at is None or shape_of(x)[at] not in (n, 1):
            raise _points(name)
        dx = diff(x, dim=at)
    k = max(n - 1, 0)
    both = add(narrow(y, d, 1, k), narrow(y, d, 0, k)) if n else narrow(y, d, 0, 0)
    return both * (1 if dx is None else dx), d


def _points(name: str) -> RuntimeError:
    return ShapeError(
        f"{name}: There must be one `x` value for each sample point",
        "x is as long as y along dim.",
    )


def trapezoid(y: Any, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Any:
    """Integral along ``dim``, by the trapezoidal rule.

    .. math:: I = \\sum_i (x_{i+1} - x_i) \\frac{y_i + y_{i+1}}{2}

    Args:
        x: where the samples ``y`` were taken; ``dx`` (1) apart unless given.

    Shape:
        ``(..., n, ...) -> (..., ...)``

    >>> import tinyconv as tc
    >>> y = tc.tensor([1., 2., 3.], requires_grad=True)
    >>> tc.trapezoid(y).backward()
    >>> y.grad
    tensor([0.5000, 1.0000, 0.5000])
    """
    shape = list(shape_of(y))
    if not shape:
        raise RangeError(
            f"Dimension specified as {dim} but tensor has no dimensions", "Write y.view(1) first."
        )
    if not shape.pop(wrap_dim(dim, ndim_of(y))):
        return y.wrap(XP[type(y.array)].zeros(shape, y.array.dtype))
    areas, d = _trapezoids("trapezoid", y, x, dx, dim)
    return sum(areas, d) / 2


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Any:
    """Integrals up to each sample along ``dim``; as :func:`trapezoid`.

    Shape:
        ``(..., n, ...) -> (..., n - 1, ...)``
    """
    areas, d = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas / 2, d)


trapz = trapezoid

# ── in place ──────────────────────────────────────────────────────────────────────────────────


def _of_its_kind(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` in the dtype of its operand, which stays what it is."""

    def method(input: Any, dim: int | None = None, *, dtype: Any = None, axis: Any = None) -> Any:
        if dtype_of(input).rank == 0:
            raise not_implemented(f"{name}_out_cpu", input.array, "Write x.int() first.")
        return function(input, dim, dtype=dtype or dtype_of(input), axis=axis)

    method.__name__ = name
    method.__module__ = function.__module__
    return inplace(method)


cumsum_, cumprod_ = _of_its_kind("cumsum", cumsum), _of_its_kind("cumprod", cumprod)
