"""Variance and standard deviation."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..autograd.function import Function, op
from ..backend import Array
from ..errors import DTypeError
from ..shapes import Ints
from ._common import dtype_of, select
from .reduce import Reduction, _wide, dims_of, mean, numpy_names
from .views import named


@op
class Var(Reduction):
    """Two passes: the mean, then the squares of what differs from it."""

    dims: Ints
    keepdim: bool
    correction: float

    def forward(self, x: Array) -> Array:
        self.remember(x)
        axes = {"axis": self.dims, "dtype": _wide(x)}
        if self.needs[0]:
            self.save(x)
        centred = x - self.xp.sum(x, **axes, keepdims=True) / (self.count or math.nan)
        squares = self.xp.sum(centred * centred, **axes, keepdims=self.keepdim)
        freedom = max(self.count - self.correction, 0) if self.count else math.nan
        return (squares / freedom).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        freedom = self.count - self.correction
        scale = 2 / freedom if freedom > 0 else math.inf
        return (self.back(g) * scale * (x - mean(x, self.dims, True)),)


@op
class Std(Function):
    """Square root of a variance, with gradient zero where it is zero."""

    widens = "always"

    def forward(self, v: Array) -> Array:
        y = self.xp.asarray(self.xp.sqrt(v))
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        return (select(y == 0, 0, g / (2 * select(y == 0, 1, y))),)


def var(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    **names: Any,
) -> Any:
    """Variance: the sum of squared differences from the mean over ``n - correction``.

    Args:
        dim: a dimension or several; all unless given.
        unbiased: the older way to say ``correction=1`` (True) or ``correction=0`` (False).
        keepdim: keep them, with size one.
        correction: 1 unless given.

    >>> import tinyconv as tc
    >>> tc.tensor([1., 2., 3.]).var()
    tensor(1.)
    """
    return _var("var", input, dim, unbiased, keepdim, correction, names)


def std(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    **names: Any,
) -> Any:
    """Standard deviation: the square root of :func:`var`.

    >>> import tinyconv as tc
    >>> tc.tensor([1., 2., 3.]).std()
    tensor(1.)
    """
    return Std()(_var("std", input, dim, unbiased, keepdim, correction, names))


def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    **names: Any,
) -> tuple[Any, Any]:
    """:func:`var` and the mean; the arguments are those of :func:`var`.

    >>> import tinyconv as tc
    >>> tc.var_mean(tc.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    return _with_mean("var_mean", input, dim, unbiased, keepdim, correction, names)


def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    **names: Any,
) -> tuple[Any, Any]:
    """:func:`std` and the mean; the arguments are those of :func:`var`.

    >>> import tinyconv as tc
    >>> tc.std_mean(tc.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    return _with_mean("std_mean", input, dim, unbiased, keepdim, correction, names)


def _with_mean(
    name: str,
    x: Any,
    dim: Any,
    unbiased: Any,
    keepdim: bool,
    correction: Any,
    names: dict[str, Any],
) -> tuple[Any, Any]:
    y = _var(name, x, dim, unbiased, keepdim, correction, dict(names))
    if name == "std_mean":
        y = Std()(y)
    m = mean(x, None if isinstance(dim, bool) else dim, keepdim, **names)
    label = f"{name.title().replace('_', '')}Backward0"
    return named(y, label), named(m, label)


def _var(
    name: str,
    x: Any,
    dim: Any,
    unbiased: Any,
    keepdim: bool,
    correction: Any,
    names: dict[str, Any],
) -> Any:
    if names:
        dim, keepdim = numpy_names(dim, keepdim, names)
    if isinstance(dim, bool):  # std(False)
        dim, unbiased = None, dim
    if correction is not None and unbiased is not None:
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got unbiased and correction\n"
            "correction alone says it all."
        )
    if correction is None:
        correction = 0 if unbiased is False else 1
    if not dtype_of(x).is_floating_point:
        raise DTypeError(
            f"{'std and var' if name in ('std', 'var') else name} only support floating point and "
            "complex dtypes",
            "Write x.float() first.",
        )
    node = Var(dims_of(name, x, dim), keepdim, correction)
    y = node(x)
    if node.count <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            stacklevel=3,
        )
    return y
