"""Dropout: zero at random, scale what is left. Source: Srivastava et al., JMLR 15 (2014)."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace as in_place
from ..backend import (
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
from ..dtypes import HALVES, float32
from ..errors import ArgumentError
from ..generator import stream_on
from ._common import shape_of
from .elementwise import mul, mul_


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


def _drop(x: Any, p: float, shape: tuple[int, ...]) -> Any:
    """Zeros with probability ``p``, elsewhere ``x / (1 - p)``; as many random numbers as ``shape`` has elements."""
    a, kind = x.array, x.array.dtype
    work = float32.numpy if kind in HALVES else kind
    scale = kind.type(work.type(1) / work.type(1.0 - p))
    source = stream_on(backend_of(a))
    if shape != a.shape:  # one number for many elements
        return mul(x, x.wrap(source.bernoulli(1.0 - p, shape) * scale))
    order = sorted(range(a.ndim), key=lambda d: -a.strides[d])  # torch draws in the order of memory
    keep = source.bernoulli(1.0 - p, tuple(shape[d] for d in order))
    keep = keep.transpose(sorted(range(a.ndim), key=order.__getitem__))
    return Drop(float(scale))(x, x.wrap(keep))


_drop_ = in_place(_drop)


def _dropout(x: Any, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Any:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not training or not x.array.size:
        return x
    if p == 1:
        return mul_(x, 0.0) if inplace else mul(x, 0.0)
    return _drop_(x, p, shape) if inplace else _drop(x, p, shape)


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
