"""Dropout: zero at random, scale what is left. Source: Srivastava et al., JMLR 15 (2014)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op, type_name
from ..autograd.inplace import inplace as in_place
from ..backend import (
    XP,
    Array,
    Kernel,
    backend_of,
    blocks,
    empty_like,
    flat,
    lanes,
    load_as,
    load_part,
    spread,
    store_part,
)
from ..dtypes import FLOATS, HALVES, float32
from ..errors import ArgumentError, DTypeError, ShapeError
from ..generator import stream_on
from ._common import ndim_of
from .elementwise import add, mul, mul_
from .random import as_it_lies


@Kernel
def mask_and_scale(xp, x, keep, scale, y):
    """y = x scale where ``keep``, x 0 elsewhere (NaN for an infinite x, as in a product)."""
    xp.multiply(x, keep * x.dtype.type(scale), out=y)


@mask_and_scale.cpu
def _mask_loop(start, stop, x, keep, scale, y):
    factor = spread(x, scale)
    for i in range(start, stop, lanes(x)):
        v = load_as(x, keep, i, 0, stop - i) * factor
        store_part(y, i, 0, stop - i, load_part(x, i, 0, stop - i) * v)


@mask_and_scale.cuda
def _mask_cuda(x, keep, scale, y):
    return blocks(x.size), (x, keep, scale, y, x.size)


@op
class Drop(Function):
    """``x scale`` where ``keep``, else ``x 0``; a byte an element is kept for backward."""

    label = "MulBackward0"
    gives_away = True
    scale: float

    def forward(self, x: Array, keep: Array) -> Array:
        self.save(keep)
        y = empty_like(self.xp, x)
        rows = flat(x, keep, y)
        if rows is None:
            mask_and_scale.definition(self.xp, x, keep, self.scale, y)
        else:
            mask_and_scale(*rows[:2], self.scale, rows[2])
        return y

    def backward(self, g: Any) -> Any:
        (keep,) = self.saved
        return Drop(self.scale)(g, keep), None


def _drop(x: Any, p: float, lead: int) -> Any:
    """Zeros with probability ``p``, elsewhere ``x / (1 - p)``; ``lead`` as for :func:`_kept`."""
    a, kind = x.array, x.array.dtype
    work = float32.numpy if kind in HALVES else kind
    scale = kind.type(work.type(1) / work.type(1.0 - p))
    keep = _kept(a, p, lead)
    if lead:
        return mul(x, x.wrap(keep * scale))
    return Drop(float(scale))(x, x.wrap(keep))


def _drop_alpha(x: Any, p: float, lead: int) -> Any:
    """What SELU makes of minus infinity, with probability ``p``; then all so that mean 0 and variance 1 are kept."""
    kind = x.array.dtype
    work = (float32.numpy if kind in HALVES else kind).type
    a = 1 / math.sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p))

    def rounded(value: float) -> Any:
        return kind.type(work(value))

    up = rounded(SELU_FLOOR * a * p)
    down = kind.type(work(rounded(-SELU_FLOOR * a)) + work(up))
    keep, xp = _kept(x.array, p, lead), XP[type(x.array)]
    factor, shift = keep * rounded(a), keep * up + ~keep * down
    return add(mul(x, x.wrap(xp.asarray(factor))), x.wrap(xp.asarray(shift)))


SELU_FLOOR = 1.7580993408473766  # scale times alpha of selu()


def _kept(a: Array, p: float, lead: int) -> Array:
    """False with probability ``p``, for each element, or for all that share their first ``lead`` indices."""
    source = stream_on(backend_of(a))
    if lead:
        return source.bernoulli(1.0 - p, (*a.shape[:lead], *(1,) * (a.ndim - lead)))
    return as_it_lies(a, lambda shape: source.bernoulli(1.0 - p, shape))


_drop_, _drop_alpha_ = in_place(_drop), in_place(_drop_alpha)

Ways = tuple[Callable[..., Any], Callable[..., Any]]  # a function, and the same in place
PLAIN: Ways = _drop, _drop_
ALPHA: Ways = _drop_alpha, _drop_alpha_


def _dropout(
    x: Any, p: float, training: bool, inplace: bool, lead: int = 0, ways: Ways = PLAIN
) -> Any:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not training or not x.array.size:
        return x
    if p == 1:
        return mul_(x, 0.0) if inplace else mul(x, 0.0)
    if lead and x.array.ndim < 2:
        raise ShapeError(
            "Feature dropout requires at least 2 dimensions in the input",
            "The first two are batch and channels.",
        )
    if x.array.dtype not in FLOATS:
        raise DTypeError(
            f"result type Float can't be cast to the desired output type {type_name(x.array)}",
            "Write input.float().",
        )
    return ways[inplace](x, p, lead)


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
    return _dropout(input, p, training, inplace)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """:func:`dropout` for networks of :func:`selu`: mean 0 and variance 1 stay what they are.

    .. math:: y = a x + b \\text{, or with probability } p \\quad y = -a \\lambda \\alpha + b

    Shape:
        ``(*) -> (*)``

    Raises:
        ArgumentError: ``p`` is no probability.

    Source: Klambauer et al., arXiv 1706.02515.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> x = tc.ones(4, requires_grad=True)
    >>> tc.nn.functional.alpha_dropout(x, training=True).sum().backward()
    >>> x.grad
    tensor([0.0000, 0.0000, 0.8864, 0.0000])
    """
    return _dropout(input, p, training, inplace, 0, ALPHA)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """:func:`alpha_dropout` of whole channels.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ArgumentError: ``p`` is no probability. ShapeError: there are no channels.
    """
    return _dropout(input, p, training, inplace, 2, ALPHA)


def feature_dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """:func:`dropout` of whole channels, whatever they consist of.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ArgumentError: ``p`` is no probability. ShapeError: there are no channels.
    """
    return _dropout(input, p, training, inplace, 2)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of sequences with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, w) -> (n, c, w)``, with or without n

    Raises:
        ArgumentError: ``p`` is no probability. ShapeError: other numbers of dimensions.
    """
    dims = ndim_of(input)
    if dims not in (2, 3):
        raise ShapeError(
            f"dropout1d: Expected 2D or 3D input, but received a {dims}D input. "
            "It zeroes the channels of sequences.",
            "The dimensions are batch (or none), channels and width.",
        )
    return _dropout(input, p, training, inplace, 1 + (dims == 3))


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of images with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``

    Raises:
        ArgumentError: ``p`` is no probability. UserWarning: other numbers of dimensions.

    Source: Tompson et al., arXiv 1411.4280.
    """
    dims = ndim_of(input)
    if dims not in (3, 4):
        _warn("dropout2d", dims)
    if dims == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - the dimensions are taken for batch, channels and width.\n"
            "For those write dropout1d(); for one image dropout2d(x.unsqueeze(0)).",
            stacklevel=2,
        )
    return feature_dropout(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of volumes with probability ``p`` and divide the others by ``1 - p``.

    Shape:
        ``(n, c, d, h, w) -> (n, c, d, h, w)``, with or without n

    Raises:
        ArgumentError: ``p`` is no probability. UserWarning: other numbers of dimensions.
    """
    dims = ndim_of(input)
    if dims not in (4, 5):
        _warn("dropout3d", dims)
    return _dropout(input, p, training, inplace, 1 + (dims == 5))


def _warn(name: str, dims: int) -> None:
    warnings.warn(
        f"{name}: Received a {dims}-D input to {name}, which is deprecated and will result in an "
        "error in a future release.\nIt zeroes whole channels; for single elements write dropout().",
        stacklevel=3,
    )
