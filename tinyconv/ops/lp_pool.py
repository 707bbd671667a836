"""Pooling by a norm: between the average (1) and the largest (infinity)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

from ..shapes import expand_ints
from .elementwise import abs, relu, sign
from .pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from .pool3d import avg_pool3d, max_pool3d


def _norms(
    nd: int,
    largest: Callable[..., Any],
    average: Callable[..., Any],
    x: Any,
    norm_type: Any,
    kernel_size: Any,
    stride: Any,
    ceil_mode: bool,
) -> Any:
    count = prod(expand_ints(kernel_size, nd, "kernel_size"))
    if norm_type == inf:
        return largest(abs(x), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -inf:
        return -largest(-abs(x), kernel_size, stride, 0, 1, ceil_mode)
    y = average(x**norm_type, kernel_size, stride, 0, ceil_mode)
    return (sign(y) * relu(abs(y)) * count) ** (1 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The norm of each window of a sequence; arguments as :func:`lp_pool2d`."""
    return _norms(1, max_pool1d, avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The norm of each window of an image.

    .. math:: y = \\Big(\\sum_{x \\in window} x^p\\Big)^{1/p}

    Args:
        norm_type: p; 1 is the sum, infinity the largest absolute value.
        kernel_size, stride, ceil_mode: as :func:`max_pool2d`.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([[[3., 0.], [0., 4.]]], requires_grad=True)
    >>> y = tc.nn.functional.lp_pool2d(x, 2, 2)
    >>> y.sum().backward()
    >>> y.item(), x.grad[0, 1]
    (5.0, tensor([0.0000, 0.8000]))
    """
    return _norms(2, max_pool2d, avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The norm of each window of a volume; arguments as :func:`lp_pool2d`."""
    return _norms(3, max_pool3d, avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode)
