"""Dropout: zero at random, scale what is left. Source: Srivastava et al., JMLR 15 (2014)."""

from __future__ import annotations

from typing import Any

from ..backend import backend_of
from ..errors import ArgumentError
from ..generator import current
from ._common import shape_of
from .elementwise import mul, mul_


def _mask(x: Any, shape: tuple[int, ...], p: float) -> Any:
    """Zeros with probability ``p``, elsewhere ``1 / (1 - p)``; as many random numbers as elements."""
    kind = x.array.dtype
    keep = 1.0 - p
    noise = current().bernoulli(keep, shape).astype(kind)
    noise /= kind.type(keep)
    return x.wrap(backend_of(x.array).from_numpy(noise))


def _dropout(x: Any, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Any:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not training or not x.array.size:
        return x
    factor = 0.0 if p == 1 else _mask(x, shape, p)
    return mul_(x, factor) if inplace else mul(x, factor)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero each element with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(*) -> (*)``

    Raises:
        ArgumentError: ``p`` is no probability.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> x = tc.ones(4, requires_grad=True)
    >>> tc.nn.functional.dropout(x).sum().backward()
    >>> x.grad
    tensor([0., 0., 2., 0.])
    """
    return _dropout(input, p, training, inplace, shape_of(input))


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``

    Source: Tompson et al., arXiv 1411.4280.
    """
    shape = shape_of(input)
    return _dropout(input, p, training, inplace, (*shape[:2], *(1,) * (len(shape) - 2)))
