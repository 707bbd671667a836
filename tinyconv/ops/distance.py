"""Lengths of vectors, and how far apart or how alike two of them are."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import type_name, widened
from ..autograd.inplace import inplace
from ..dtypes import FLOATS
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast, wrap_dim
from ._common import as_given, operands, select, shape_of
from .choose import clamp_min
from .elementwise import add, clone, mul, sub, true_divide
from .norms import norm
from .reduce import sum
from .views import expand, named


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Divide vectors by their length.

    .. math:: y = x / \\max(\\lVert x \\rVert_p, \\epsilon)

    Args:
        p: of the p-norm. dim: the dimension along which a vector lies. eps: the least divisor.

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.normalize(tc.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    return true_divide(input, clamp_min(norm(input, p, dim, True), eps))


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Cosine of the angle between vectors.

    .. math:: y = \\frac{x_1 \\cdot x_2}{\\max(\\lVert x_1 \\rVert, \\epsilon)
              \\max(\\lVert x_2 \\rVert, \\epsilon)}

    Args:
        dim: the dimension along which a vector lies. eps: the least length.

    Shape:
        ``(*, d, *), (*, d, *) -> (*, *)``, broadcast

    Raises:
        DTypeError: both are integers. ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> tc.nn.functional.cosine_similarity(tc.tensor([[1., 0.]]), tc.tensor([[1., 1.]]))
    tensor([0.7071])
    """
    x1, x2 = operands(*recast(FLOAT32_ON_CUDA, x1, x2))
    if x1.array.dtype not in FLOATS:
        raise DTypeError(
            "expected common dtype to be floating point, yet common dtype is "
            f"{type_name(x1.array)}",
            "Write x1.float().",
        )
    shape = broadcast(shape_of(x1), shape_of(x2))
    both = (expand(x, shape) for x in (x1, x2))
    u1, u2 = (true_divide(x, clamp_min(norm(x, 2, dim, True), eps)) for x in both)
    return sum(mul(u1, u2), dim)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """Length of the difference of vectors, which lie along the last dimension.

    .. math:: y = \\lVert x_1 - x_2 + \\epsilon \\rVert_p

    Args:
        p: of the p-norm. eps: keeps the gradient finite where the vectors are equal.

    Shape:
        ``(*, d), (*, d) -> (*)``, broadcast; ``(*, 1)`` with ``keepdim``

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> tc.nn.functional.pairwise_distance(tc.zeros(1, 2), tc.tensor([[3., 4.]]))
    tensor([5.0000])
    """
    return norm(add(sub(x1, x2), eps), p, -1, keepdim)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Length of the difference of two tensors.

    .. math:: y = \\lVert x_1 - x_2 \\rVert_p

    Shape:
        ``(*), (*) -> ()``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 4.], requires_grad=True)
    >>> tc.dist(x, tc.zeros(2)).backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    difference = sub(input, other)
    if difference.array.dtype not in FLOATS:
        raise DTypeError(
            "norm(): input dtype should be either floating point or complex. Got "
            f"{type_name(difference.array)} instead.",
            "Write x.float() first.",
        )
    return named(norm(difference, p), "DistBackward0")


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Shrink the slices of ``dim`` whose p-norm is larger than ``maxnorm`` to that length.

    Shape:
        ``(*) -> (*)``

    Raises:
        ShapeError: there are less than two dimensions.

    >>> import tinyconv as tc
    >>> tc.renorm(tc.tensor([[3., 4.], [0.3, 0.4]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    n = len(shape_of(input))
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported\nGive a positive p.")
    if maxnorm < 0:
        raise RuntimeError(
            f"renorm: expected maxnorm to be >= 0 but got {maxnorm}\nNo length is negative."
        )
    if n < 2:
        raise ShapeError(
            f"renorm: input needs at least 2 dimensions, got {n} dimensions",
            "Of a vector, see normalize().",
        )
    d = wrap_dim(dim, n)
    x = widened(input)
    length = norm(x, p, tuple(i for i in range(n) if i != d), True)
    large = length > maxnorm
    factor = select(large, maxnorm / (select(large, length, 1) + 1e-7), 1)
    return named(as_given(mul(x, factor), input), "RenormBackward0")


def _renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    return renorm(clone(input), p, dim, maxnorm)  # the norm looks at it after the write


renorm_ = inplace(_renorm)
