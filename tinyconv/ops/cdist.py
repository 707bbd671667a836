"""Distances between all vectors of one set and all of another."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import Function, op, type_name
from ..backend import Array
from ..dtypes import FLOATS
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast
from ._common import dtype_of, ndim_of, select, shape_of
from .elementwise import sub
from .reduce import Norm, sum
from .views import expand, transpose, unsqueeze

MANY = 25  # of more vectors the products take less time than the differences
MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")  # fmt: skip


@op
class Cdist(Function):
    """Euclid's distances by |x|² - 2 x·y + |y|²: one product instead of all differences, at the cost of digits."""

    label = "CdistBackward0"

    def forward(self, x: Array, y: Array) -> Array:
        xp, turned = self.xp, self.xp.swapaxes(y, -1, -2)
        own, other = (xp.sum(v * v, -1, keepdims=True) for v in (x, y))
        squares = own + xp.swapaxes(other, -1, -2) - 2 * (x @ turned)
        d = xp.sqrt(xp.maximum(squares, 0))
        self.save(x, y, d)
        return d

    def backward(self, g: Any) -> Any:
        x, y, d = self.saved
        pull = select(d == 0, 0, g / select(d == 0, 1, d))  # where two vectors meet there is none
        gx = gy = None
        if self.needs[0]:
            gx = x * sum(pull, -1, True) - pull @ y
        if self.needs[1]:
            back = transpose(pull, -2, -1)
            gy = y * sum(back, -1, True) - back @ x
        return gx, gy


def cdist(
    x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = "use_mm_for_euclid_dist_if_necessary"
) -> Any:
    """The p-norms of all differences of a vector of ``x1`` and one of ``x2``.

    .. math:: y_{ij} = \\lVert x_{1,i} - x_{2,j} \\rVert_p

    Args:
        compute_mode: whether Euclid's distances may be found by a matrix product: faster, and less exact where two
            vectors are close. Unless given, of more than 25 vectors.

    Shape:
        ``(*, n, d), (*, m, d) -> (*, n, m)``, leading dimensions broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([[0., 0.]], requires_grad=True)
    >>> d = tc.cdist(x, tc.tensor([[3., 4.], [1., 0.]]))
    >>> d
    tensor([[5., 1.]], grad_fn=<CdistBackward0>)
    >>> d.sum().backward()
    >>> x.grad
    tensor([[-1.6000, -0.8000]])
    """
    x1, x2 = recast(FLOAT32_ON_CUDA, x1, x2)
    for name, x in (("X1", x1), ("X2", x2)):
        if x.array.dtype not in FLOATS:
            raise DTypeError(
                f"cdist only supports floating-point dtypes, {name} got: {type_name(x.array)}",
                "Write x.float() first.",
            )
        if ndim_of(x) < 2:
            raise ShapeError(f"cdist only supports at least 2D tensors, {name} got: {ndim_of(x)}D")
    if dtype_of(x1) is not dtype_of(x2):
        raise DTypeError(
            f"expected scalar type {type_name(x1.array)} but found {type_name(x2.array)}",
            f"Write x2.to({dtype_of(x1)}).",
        )
    (*lead, n, c), (*lead2, m, c2) = shape_of(x1), shape_of(x2)
    if c != c2:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {c} X2: {c2}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values\nIt is {p}.")
    if compute_mode not in (*MODES, None, 0, 1, 2):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    both = broadcast(tuple(lead), tuple(lead2))
    x1, x2 = expand(x1, *both, n, c), expand(x2, *both, m, c)
    many = n > MANY or m > MANY
    if (
        p == 2
        and c
        and (compute_mode in (MODES[1], 1) or (many and compute_mode in (MODES[0], None, 0)))
    ):
        return Cdist()(x1, x2)
    difference = sub(unsqueeze(x1, -2), unsqueeze(x2, -3))
    node = Norm((len(both) + 2,), False, float(p))
    node.label = "CdistBackward0"
    return node(difference)
