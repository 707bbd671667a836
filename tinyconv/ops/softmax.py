"""Softmax, and the losses of classification."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import Array
from ..dtypes import to_dtype
from ..shapes import wrap_dim
from ._common import cast, floating, ndim_of
from .elementwise import exp
from .reduce import sum


@op
class Softmax(Function):
    dim: int

    def forward(self, x: Array) -> Array:
        xp = self.xp
        if not x.size:
            return x.copy()
        y = xp.exp(x - x.max(self.dim, keepdims=True)) if x.ndim else xp.ones_like(x)
        y = y / y.sum(self.dim, keepdims=True) if x.ndim else y
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        gy = g * y
        return (gy - y * sum(gy, self.dim if ndim_of(y) else None, True),)


@op
class LogSoftmax(Function):
    dim: int

    def forward(self, x: Array) -> Array:
        xp = self.xp
        if not x.size:
            return x.copy()
        if not x.ndim:
            y = xp.zeros_like(x)
        else:
            z = x - x.max(self.dim, keepdims=True)
            y = z - xp.log(xp.exp(z).sum(self.dim, keepdims=True))
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        return (g - exp(y) * sum(g, self.dim if ndim_of(y) else None, True),)


def softmax(x: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Exponentials that sum to one along ``dim``.

    .. math:: y_i = e^{x_i} / \\sum_j e^{x_j}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, requires_grad=True)
    >>> x.softmax(0)[0].backward()
    >>> x.grad
    tensor([ 0.2500, -0.2500])
    """
    x = floating(x) if dtype is None else cast(x, to_dtype(dtype).numpy)
    return Softmax(wrap_dim(_default_dim(x) if dim is None else dim, ndim_of(x)))(x)


def log_softmax(x: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Logarithm of :func:`softmax`, without overflow.

    .. math:: y_i = x_i - \\ln \\sum_j e^{x_j}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, requires_grad=True)
    >>> x.log_softmax(0)[0].backward()
    >>> x.grad
    tensor([ 0.5000, -0.5000])
    """
    x = floating(x) if dtype is None else cast(x, to_dtype(dtype).numpy)
    return LogSoftmax(wrap_dim(_default_dim(x) if dim is None else dim, ndim_of(x)))(x)


def _default_dim(x: Any) -> int:
    return 0 if ndim_of(x) in (0, 1, 3) else 1
