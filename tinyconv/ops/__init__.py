"""Differentiable operations: one file per op with a kernel, one per family of short ones."""

from types import ModuleType as _ModuleType

from ..shapes import wrap_dim
from ._common import result_dtype, scalar_dtype
from .choose import clamp, clamp_, clamp_max, clamp_max_, clamp_min, clamp_min_, clip, clip_, where
from .compare import (
    allclose, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, eq, equal, ge, greater, greater_equal, gt, isclose,
    isfinite, isinf, isnan, le, less, less_equal, logical_and, logical_not, logical_or, logical_xor, lt, ne, not_equal,
)  # fmt: skip
from .conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .convert import (
    bool, byte, char, cpu, cuda, double, float, half, int, is_floating_point, long, numel, result_type, short, to, type,
    type_as,
)  # fmt: skip
from .dropout import dropout, dropout2d
from .elementwise import (
    abs, abs_, absolute, acos, acos_, acosh, acosh_, add, add_, arccos, arccosh, arcsin, arcsinh, arctan, arctan2,
    arctanh, asin, asin_, asinh, asinh_, atan, atan2, atan2_, atan_, atanh, atanh_, ceil, ceil_, clone, cos, cos_, cosh,
    cosh_, div, div_, divide, erf, erf_, erfc, erfc_, exp, exp2, exp2_, exp_, expm1, expm1_, fix, floor, floor_,
    floor_divide, floor_divide_, fmod, fmod_, frac, frac_, hypot, hypot_, log, log10, log10_, log1p, log1p_, log2, log2_,
    log_, maximum, minimum, mul, mul_, multiply, neg, neg_, negative, reciprocal, reciprocal_, relu, relu_, remainder,
    remainder_, round, round_, rsqrt, rsqrt_, rsub, sigmoid, sigmoid_, sign, sign_, sin, sin_, sinh, sinh_, sqrt, sqrt_,
    sub, sub_, subtract, tan, tan_, tanh, tanh_, true_divide, trunc, trunc_,
)  # fmt: skip
from .extrema import all, amax, amin, any, argmax, argmin, max, min
from .fill import copy_, fill_, zero_
from .indexing import (
    gather, index_select, masked_fill, masked_fill_, masked_select, nonzero, scatter, scatter_, scatter_add,
    scatter_add_, take_along_dim,
)  # fmt: skip
from .joining import (
    cat, concat, concatenate, flip, hstack, repeat, repeat_interleave, roll, stack, tile, vstack,
)  # fmt: skip
from .linalg import addmm, bmm, dot, einsum, matmul, mm, mv, outer, rmatmul
from .linear import linear
from .normalization import batch_norm, group_norm, instance_norm, layer_norm
from .pad import pad
from .pool import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d,
    max_pool1d, max_pool2d,
)  # fmt: skip
from .power import pow, pow_, square, square_
from .random import bernoulli_, exponential_, normal_, random_, uniform_
from .reduce import cumsum, logsumexp, mean, norm, prod, sum
from .slices import chunk, diagonal, narrow, select, split, unbind
from .softmax import log_softmax, softmax
from .sorting import argsort, bincount, sort, topk, unique
from .spread import std, var
from .subscript import getitem, index_put, index_put_, setitem
from .views import _sizes as sizes
from .views import (
    broadcast_to, contiguous, expand, expand_as, flatten, mT, movedim, permute, ravel, reshape, reshape_as, squeeze, t,
    transpose, unflatten, unsqueeze, view, view_as,
)  # fmt: skip

from .activation import (
    celu, celu_, elu, elu_, gelu, glu, logsigmoid, mish, selu, selu_, silu, softmin, softplus, softsign, tanhshrink,
)  # fmt: skip
from .cross_entropy import cross_entropy, nll_loss
from .distance import cosine_similarity, normalize, pairwise_distance
from .embedding import embedding, one_hot
from .fold import fold, unfold
from .loss import (
    binary_cross_entropy, binary_cross_entropy_with_logits, huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss,
)  # fmt: skip
from .piecewise import (
    hardshrink, hardsigmoid, hardswish, hardtanh, hardtanh_, leaky_relu, leaky_relu_, prelu, relu6, relu6_, softshrink,
    threshold, threshold_,
)  # fmt: skip
from .resample import interpolate, upsample
from .shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
