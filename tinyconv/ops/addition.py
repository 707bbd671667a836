"""Products with something added, and factors for both."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..autograd.autocast import LOWER, recast
from ..autograd.function import type_name
from ..autograd.inplace import inplace
from ..errors import DTypeError, ShapeError
from ._common import dtype_of, ndim_of, result_dtype, shape_of
from .elementwise import add, mul
from .linalg import bmm, mm, mv, outer
from .reduce import sum
from .views import expand, named


def _added(name: str, x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """``beta x + alpha product``, with x stretched to the product; for whole numbers the factors are cut to such."""
    whole = {0: bool, 1: int}.get(dtype_of(product).rank)
    if whole is not None:
        beta, alpha = whole(beta), whole(alpha)
    x = expand(x, shape_of(product)) if shape_of(x) != shape_of(product) else x
    if alpha != 1:
        product = mul(product, alpha)
    if beta == 0:  # NaN in x does not count
        return product
    return named(add(product, x if beta == 1 else mul(x, beta)), f"{name}Backward0")


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """A matrix product added to something.

    .. math:: y = \\beta\\, input + \\alpha\\, mat1\\, mat2

    Shape:
        ``(n, m), (n, k), (k, m) -> (n, m)``, input broadcast

    >>> import tinyconv as tc
    >>> tc.addmm(tc.ones(2), tc.ones(2, 3), tc.ones(3, 2), alpha=2)
    tensor([[7., 7.],
            [7., 7.]])
    """
    input, mat1, mat2 = recast(LOWER, input, mat1, mat2)
    return _added("Addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """A matrix times a vector, added to something.

    .. math:: y = \\beta\\, input + \\alpha\\, mat\\, vec

    Shape:
        ``(n), (n, k), (k) -> (n)``, input broadcast

    >>> import tinyconv as tc
    >>> tc.addmv(tc.ones(2), tc.ones(2, 3), tc.arange(3.))
    tensor([4., 4.])
    """
    input, mat, vec = recast(LOWER, input, mat, vec)
    if (
        ndim_of(mat) == 2
        and ndim_of(vec) == 1
        and len({dtype_of(v) for v in (input, mat, vec)}) > 1
    ):
        names = [type_name(v.array) for v in (input, mat, vec)]
        raise DTypeError(
            "addmv input tensors must have the same dtype, but got {}, {}, and {}".format(*names),
            f"Write .to({dtype_of(input)}) behind the others.",
        )
    product = mv(mat, vec)
    if input.array.size not in (1, product.array.size):
        (n, k), (have,) = shape_of(mat), shape_of(input)[-1:]
        raise ShapeError(f"size mismatch, got input ({have}), mat ({n}x{k}), vec ({k})")
    return _added("Addmv", input, product, beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """All products of two vectors, added to a matrix.

    .. math:: y = \\beta\\, input + \\alpha\\, vec_1 vec_2^T

    Shape:
        ``(n, m), (n), (m) -> (n, m)``, input broadcast

    >>> import tinyconv as tc
    >>> tc.addr(tc.ones(2, 2), tc.tensor([1., 2.]), tc.tensor([1., 3.]))
    tensor([[2., 4.],
            [3., 7.]])
    """
    for name, v in (("vec1", vec1), ("vec2", vec2)):
        if ndim_of(v) != 1:
            raise ShapeError(f"addr: Expected 1-D argument {name}, but got {ndim_of(v)}-D")
    for name, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, float) and result_dtype(input, vec1, vec2).rank < 2:
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number.\n"
                "Write x.float() first."
            )
    return _added("Addr", input, outer(vec1, vec2), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Products of corresponding matrices of two batches, added to something.

    .. math:: y_i = \\beta\\, input_i + \\alpha\\, batch_{1,i}\\, batch_{2,i}

    Shape:
        ``(b, n, m), (b, n, k), (b, k, m) -> (b, n, m)``, input broadcast

    >>> import tinyconv as tc
    >>> tc.baddbmm(tc.zeros(1), tc.ones(1, 1, 3), tc.ones(1, 3, 1), alpha=2)
    tensor([[[6.]]])
    """
    input, batch1, batch2 = recast(LOWER, input, batch1, batch2)
    return _added("Baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """The sum of the products of corresponding matrices of two batches, added to something.

    .. math:: y = \\beta\\, input + \\alpha \\sum_i batch_{1,i}\\, batch_{2,i}

    Shape:
        ``(n, m), (b, n, k), (b, k, m) -> (n, m)``, input broadcast

    >>> import tinyconv as tc
    >>> tc.addbmm(tc.zeros(1, 1), tc.ones(2, 1, 3), tc.ones(2, 3, 1))
    tensor([[6.]])
    """
    input, batch1, batch2 = recast(LOWER, input, batch1, batch2)
    product = bmm(batch1, batch2)
    return _added("Addbmm", input, sum(product, 0, dtype=dtype_of(product)), beta, alpha)


def _into(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in place: its first operand is not stretched."""

    @wraps(function)
    def here(input: Any, a: Any, b: Any, **settings: Any) -> Any:
        y = function(input, a, b, **settings)
        if shape_of(y) != shape_of(input):
            raise ShapeError(
                f"Bad in-place call: input tensor size {list(shape_of(input))} and output tensor size "
                f"{list(shape_of(y))} should match",
                "Use the out-of-place form.",
            )
        return y

    return inplace(here)


addmm_, addmv_, baddbmm_, addbmm_ = map(_into, (addmm, addmv, baddbmm, addbmm))


def _addr_here(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    if ndim_of(input) != 2:
        raise ShapeError(f"2D tensor expected, got {ndim_of(input)}D tensor for input")
    return addr(input, vec1, vec2, beta=beta, alpha=alpha)


addr_ = inplace(_addr_here)
