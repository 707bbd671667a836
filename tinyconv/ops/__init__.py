"""Differentiable operations: one file per op with a kernel, one per family of short ones."""

from ..shapes import wrap_dim
from ._common import result_dtype, scalar_dtype
from .compare import (
    allclose, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, eq, equal, ge, gt, isclose, isfinite, isinf, isnan,
    le, logical_and, logical_not, logical_or, logical_xor, lt, ne,
)  # fmt: skip
from .convert import bool, byte, char, cpu, cuda, double, float, half, int, long, short, to, type, type_as
from .elementwise import (
    abs, abs_, acos, acos_, acosh, acosh_, add, add_, asin, asin_, asinh, asinh_, atan, atan2, atan_, atanh, atanh_,
    ceil, ceil_, clamp, clamp_, clamp_max, clamp_max_, clamp_min, clamp_min_, clone, copy_, cos, cos_, cosh, cosh_,
    div, div_, erf, erf_, erfc, erfc_, exp, exp2, exp2_, exp_, expm1, expm1_, fill_, floor, floor_, floor_divide,
    floor_divide_, fmod, fmod_, frac, frac_, hypot, log, log10, log10_, log1p, log1p_, log2, log2_, log_, maximum,
    minimum, mul, mul_, neg, neg_, pow, pow_, reciprocal, reciprocal_, relu, relu_, remainder, remainder_, round,
    round_, rsqrt, rsqrt_, rsub, sigmoid, sigmoid_, sign, sign_, sin, sin_, sinh, sinh_, sqrt, sqrt_, square, square_,
    sub, sub_, tan, tan_, tanh, tanh_, true_divide, trunc, trunc_, where, zero_,
)  # fmt: skip
from .indexing import (
    argsort, bincount, gather, getitem, index_put, index_put_, index_select, masked_fill, masked_fill_, masked_select,
    nonzero, scatter, scatter_, scatter_add, scatter_add_, setitem, sort, take_along_dim, topk, unique,
)  # fmt: skip
from .joining import (
    cat, concat, concatenate, flip, hstack, repeat, repeat_interleave, roll, stack, tile, vstack,
)  # fmt: skip
from .linalg import addmm, bmm, dot, einsum, matmul, mm, mv, outer, rmatmul
from .random import bernoulli_, exponential_, normal_, random_, uniform_
from .reduce import (
    all, amax, amin, any, argmax, argmin, cumsum, logsumexp, max, mean, min, norm, prod, std, sum, var,
)  # fmt: skip
from .softmax import log_softmax, softmax
from .views import _sizes as sizes
from .views import (
    broadcast_to, chunk, contiguous, diagonal, expand, expand_as, flatten, mT, movedim, narrow, permute, ravel, reshape,
    reshape_as, select, split, squeeze, t, transpose, unbind, unflatten, unsqueeze, view, view_as,
)  # fmt: skip

__all__ = [name for name in dir() if not name.startswith("_")]
