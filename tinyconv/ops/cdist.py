"""Distances between all vectors of one set and all of another, or of one set."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import Function, op, type_name
from ..backend import XP, Array
from ..dtypes import FLOATS, HALVES
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast
from ._common import dtype_of, ndim_of, not_implemented, select, shape_of
from .elementwise import sub
from .indexing import index_select
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


def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norms of the differences of all pairs of vectors: (0, 1), (0, 2), ..., (1, 2), ...

    .. math:: y_{ij} = \\lVert x_i - x_j \\rVert_p \\qquad i < j

    Shape:
        ``(n, d) -> (n (n - 1) / 2)``

    Raises:
        RuntimeError: ``p`` is negative. ShapeError: there are not two dimensions. DTypeError: the input has integers.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[0., 0.], [3., 4.], [3., 0.]], requires_grad=True)
    >>> d = tc.pdist(x)
    >>> d
    tensor([5., 3., 4.], grad_fn=<PdistBackward0>)
    >>> d[0].backward()
    >>> x.grad[1]
    tensor([0.6000, 0.8000])
    """
    if ndim_of(input) != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {ndim_of(input)}D")
    (x,) = recast(FLOAT32_ON_CUDA, input)
    if x.array.dtype not in FLOATS:
        raise DTypeError("pdist only supports floating-point dtypes", "Write x.float() first.")
    if x.array.dtype in HALVES:
        raise not_implemented("pdist", x.array, "Write x.float() first.")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values\nIt is {p}.")
    xp, n = XP[type(x.array)], len(x.array)
    i, j = (x.wrap(at) for at in xp.triu_indices(n, 1))
    node = Norm((1,), False, float(p))
    node.label = "PdistBackward0"
    return node(sub(index_select(x, 0, i), index_select(x, 0, j)))
