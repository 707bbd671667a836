"""Softmax and its logarithm."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array, Kernel, empty_like
from ..dtypes import FLOATS, to_dtype
from ..shapes import wrap_dim
from ._common import cast, ndim_of, not_implemented
from ._softmax import (
    as_rows,
    dense,
    log_softmax_rows,
    log_softmax_rows_backward,
    softmax_rows,
    softmax_rows_backward,
)
from .elementwise import exp
from .reduce import sum


class _Normalised(Function):
    """Over one dimension ``dim``; a scalar is a row of one element."""

    widens = "cpu"
    dim: int
    rows: ClassVar[Kernel]
    rows_backward: ClassVar[Kernel]

    def forward(self, x: Array) -> Array:
        if not x.size:
            y = x.copy()
        else:
            x = dense(self.xp, x, self.dim)
            y = empty_like(self.xp, x)
            self.rows(as_rows(x, self.dim), as_rows(y, self.dim))
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        if isinstance(g, Variable) or not y.ndim or not y.size:
            return (self.derivative(g, y),)
        gx = empty_like(self.xp, y)
        if g.strides != y.strides:  # the same order in memory
            g, given = empty_like(self.xp, y), g
            self.xp.copyto(g, given)
        self.rows_backward(*[as_rows(a, self.dim) for a in (g, y, gx)])
        return (gx,)

    def derivative(self, g: Any, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.derivative")


@op
class Softmax(_Normalised):
    dim: int
    rows = softmax_rows
    rows_backward = softmax_rows_backward

    def derivative(self, g: Any, y: Any) -> Any:
        gy = g * y
        return gy - y * sum(gy, self.dim, True)


@op
class LogSoftmax(_Normalised):
    dim: int
    rows = log_softmax_rows
    rows_backward = log_softmax_rows_backward

    def derivative(self, g: Any, y: Any) -> Any:
        return g - exp(y) * sum(g, self.dim, True)


def softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Exponentials that sum to one along ``dim``.

    .. math:: y_i = e^{x_i} / \\sum_j e^{x_j}

    Args:
        dtype: convert to it first.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, requires_grad=True)
    >>> x.softmax(0)[0].backward()
    >>> x.grad
    tensor([ 0.2500, -0.2500])
    """
    return _run("softmax", Softmax, input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Logarithm of :func:`softmax`, without overflow.

    .. math:: y_i = x_i - \\ln \\sum_j e^{x_j}

    Args:
        dtype: convert to it first.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, requires_grad=True)
    >>> x.log_softmax(0)[0].backward()
    >>> x.grad
    tensor([ 0.5000, -0.5000])
    """
    return _run("log_softmax", LogSoftmax, input, dim, dtype)


def _run(name: str, cls: Any, x: Any, dim: int | None, dtype: Any) -> Any:
    if dim is None:
        dim = _implicit_dim(name, ndim_of(x))
    if dtype is not None:
        x = cast(x, to_dtype(dtype).numpy)
    d = wrap_dim(dim, ndim_of(x))
    array = x.array if isinstance(x, Variable) else x
    if array.dtype not in FLOATS and array.size:
        last = "_lastdim" if d >= array.ndim - 1 else ""
        raise not_implemented(f"{name}{last}_kernel_impl", array, "Write x.float() first.")
    return cls(d)(x)


def _implicit_dim(name: str, ndim: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if ndim in (0, 1, 3) else 1
