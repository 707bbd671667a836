"""Lengths of vectors, and how far apart or how alike two of them are."""

from __future__ import annotations

from typing import Any

from ..autograd.function import type_name
from ..errors import DTypeError
from ..shapes import broadcast
from ._common import operands, shape_of
from .choose import clamp_min
from .elementwise import add, mul, sub, true_divide
from .reduce import norm, sum
from .views import expand


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
    x1, x2 = operands(x1, x2)
    if x1.array.dtype.kind != "f":
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
