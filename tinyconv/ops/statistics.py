"""Covariance and correlation of variables that lie in rows."""

from __future__ import annotations

import warnings
from typing import Any

from ..dtypes import FLOATS
from ..errors import DTypeError, ShapeError
from ._common import dtype_of, ndim_of, shape_of
from .choose import clamp
from .elementwise import sqrt
from .linalg import matmul
from .reduce import sum
from .slices import diagonal
from .views import reshape, squeeze, transpose, unsqueeze


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of variables in rows, observed in columns.

    .. math:: C_{ij} = \\frac{\\sum_k w_k (x_{ik} - \\bar x_i)(x_{jk} - \\bar x_j)}{\\sum_k w_k - correction}

    Args:
        correction: subtracted from the number of observations (1 makes the estimate unbiased).
        fweights: how often each observation was made, integers.
        aweights: how much each observation counts, floats.

    Shape:
        ``(variables, observations) -> (variables, variables)``, or ``(observations) -> ()``

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2., 3.], [3., 2., 1.]], requires_grad=True)
    >>> c = tc.cov(x)
    >>> c
    tensor([[ 1., -1.],
            [-1.,  1.]], grad_fn=<SqueezeBackward0>)
    """
    if ndim_of(input) > 2:
        raise ShapeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {ndim_of(input)} dimensions"
        )
    if dtype_of(input).name == "bool":
        raise DTypeError("cov(): bool dtype is not supported for input", "Write x.int().")
    rows = input if ndim_of(input) == 2 else reshape(input, 1, -1)
    n = shape_of(rows)[1]
    weights = _weights(n, fweights, aweights)
    if weights is None:
        total: Any = n
        means = sum(rows, 1) / n
    else:
        total = sum(weights)
        if total.item() == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        means = sum(rows * weights, 1) / total
    away = rows - unsqueeze(means, 1)
    if weights is None or aweights is None or not correction:
        factor = total - correction
    else:  # how many observations the weights are worth
        many = weights * aweights
        factor = total - correction * sum(many) / total
    if factor <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            stacklevel=2,
        )
        factor = factor * 0
    weighed = away if weights is None else away * weights
    return squeeze(matmul(weighed, transpose(away, 0, 1)) / factor)


def _weights(n: int, fweights: Any, aweights: Any) -> Any:
    """Their product; None if there are none."""
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            continue
        if ndim_of(weights) > 1:
            raise ShapeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {ndim_of(weights)} dimensions"
            )
        floats = weights.array.dtype in FLOATS
        if floats is (name == "fweights"):
            wanted = "integral" if name == "fweights" else "floating point"
            raise DTypeError(
                f"cov(): expected {name} to have {wanted} dtype but got {name} with {dtype_of(weights)} dtype"
            )
        if weights.array.size != n:
            raise ShapeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{weights.array.size} != {n}"
            )
        if n and (weights.array < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    given = [w for w in (fweights, aweights) if w is not None]
    return given[0] * given[1] if len(given) == 2 else given[0] if given else None


def corrcoef(input: Any) -> Any:
    """The correlation coefficients of variables in rows: covariances over standard deviations, within -1 and 1.

    Shape:
        ``(variables, observations) -> (variables, variables)``

    >>> import tinyconv as tc
    >>> tc.corrcoef(tc.tensor([[1., 2., 4.], [3., 2., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if ndim_of(input) > 2:
        raise ShapeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {ndim_of(input)} dimensions"
        )
    c = cov(input)
    if not ndim_of(c):
        return c / c
    d = sqrt(diagonal(c))
    return clamp(c / unsqueeze(d, 1) / unsqueeze(d, 0), -1, 1)
