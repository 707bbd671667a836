"""The operations as methods: a table of contents of ``tinyconv.ops``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import ops
from ..autograd.variable import Variable

if TYPE_CHECKING:
    from .tensor import Tensor


class Methods(Variable):
    """The documentation of ``x.relu()`` is that of ``tinyconv.relu``, because they are one object."""

    # ── arithmetic ──
    add, __add__, __radd__ = ops.add, ops.add, ops.add
    sub, subtract, __sub__, __rsub__, rsub = ops.sub, ops.sub, ops.sub, ops.rsub, ops.rsub
    mul, multiply, __mul__, __rmul__ = ops.mul, ops.mul, ops.mul, ops.mul
    div, divide, true_divide, __truediv__ = ops.div, ops.div, ops.true_divide, ops.div
    floor_divide, __floordiv__ = ops.floor_divide, ops.floor_divide
    remainder, fmod, __mod__ = ops.remainder, ops.fmod, ops.remainder
    pow, __pow__ = ops.pow, ops.pow
    neg, negative, __neg__ = ops.neg, ops.neg, ops.neg
    abs, absolute, __abs__ = ops.abs, ops.abs, ops.abs
    matmul, __matmul__, __rmatmul__ = ops.matmul, ops.matmul, ops.rmatmul
    exp, exp2, expm1, log = ops.exp, ops.exp2, ops.expm1, ops.log
    log2, log10, log1p = ops.log2, ops.log10, ops.log1p
    sqrt, rsqrt, square, reciprocal = ops.sqrt, ops.rsqrt, ops.square, ops.reciprocal
    sin, cos, tan, asin, acos, atan = ops.sin, ops.cos, ops.tan, ops.asin, ops.acos, ops.atan
    sinh, cosh, tanh = ops.sinh, ops.cosh, ops.tanh
    asinh, acosh, atanh = ops.asinh, ops.acosh, ops.atanh
    arcsin, arccos, arctan = ops.asin, ops.acos, ops.atan
    arcsinh, arccosh, arctanh = ops.asinh, ops.acosh, ops.atanh
    atan2, arctan2, hypot = ops.atan2, ops.atan2, ops.hypot
    sigmoid, erf, erfc, relu, sign = ops.sigmoid, ops.erf, ops.erfc, ops.relu, ops.sign
    floor, ceil, round, trunc, frac = ops.floor, ops.ceil, ops.round, ops.trunc, ops.frac
    fix = ops.trunc
    clamp, clip, clamp_min, clamp_max = ops.clamp, ops.clamp, ops.clamp_min, ops.clamp_max
    maximum, minimum, fmax, fmin = ops.maximum, ops.minimum, ops.fmax, ops.fmin
    addcmul, addcdiv, lerp = ops.addcmul, ops.addcdiv, ops.lerp
    float_power, ldexp, copysign = ops.float_power, ops.ldexp, ops.copysign
    xlogy, logaddexp, logaddexp2 = ops.xlogy, ops.logaddexp, ops.logaddexp2
    logit, sinc, nan_to_num = ops.logit, ops.sinc, ops.nan_to_num
    heaviside, sgn, positive, __pos__ = ops.heaviside, ops.sgn, ops.positive, ops.positive
    deg2rad, rad2deg, gcd, lcm = ops.deg2rad, ops.rad2deg, ops.gcd, ops.lcm
    softmax, log_softmax = ops.softmax, ops.log_softmax
    prelu, hardshrink = ops.prelu, ops.hardshrink
    clone = ops.clone

    def where(self, condition: Any, other: Any) -> Tensor:
        """The elements of this tensor where ``condition`` is true, of ``other`` elsewhere."""
        return ops.where(condition, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.mul(ops.reciprocal(self), other)  # torch's two roundings, not one

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.pow(other, self)

    # ── comparison and logic ──
    ne, lt, le, gt, ge = ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    not_equal, less, less_equal, greater, greater_equal = ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    eq, equal, allclose, isclose = ops.eq, ops.equal, ops.allclose, ops.isclose
    __lt__, __le__, __gt__, __ge__ = ops.lt, ops.le, ops.gt, ops.ge
    logical_and, logical_or, logical_xor = ops.logical_and, ops.logical_or, ops.logical_xor
    logical_not, bitwise_not, __invert__ = ops.logical_not, ops.bitwise_not, ops.bitwise_not
    bitwise_and, __and__, __rand__ = ops.bitwise_and, ops.bitwise_and, ops.bitwise_and
    bitwise_or, __or__, __ror__ = ops.bitwise_or, ops.bitwise_or, ops.bitwise_or
    bitwise_xor, __xor__, __rxor__ = ops.bitwise_xor, ops.bitwise_xor, ops.bitwise_xor
    bitwise_left_shift, __lshift__ = ops.bitwise_left_shift, ops.bitwise_left_shift
    bitwise_right_shift, __rshift__ = ops.bitwise_right_shift, ops.bitwise_right_shift
    isnan, isinf, isfinite = ops.isnan, ops.isinf, ops.isfinite
    isposinf, isneginf, isreal, signbit = ops.isposinf, ops.isneginf, ops.isreal, ops.signbit

    def __rlshift__(self, other: Any) -> Tensor:
        return ops.bitwise_left_shift(other, self)

    def __rrshift__(self, other: Any) -> Tensor:
        return ops.bitwise_right_shift(other, self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # element by element
        return ops.eq(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # element by element
        return ops.ne(self, other) if _comparable(other) else NotImplemented

    __hash__ = Variable.__hash__  # by identity: == compares elements

    # ── reductions ──
    sum, mean, var, std, prod = ops.sum, ops.mean, ops.var, ops.std, ops.prod
    max, min, amax = ops.max, ops.min, ops.amax
    amin, argmax, argmin = ops.amin, ops.argmax, ops.argmin
    any, all, norm, logsumexp = ops.any, ops.all, ops.norm, ops.logsumexp
    aminmax, count_nonzero, nansum, nanmean = (
        ops.aminmax,
        ops.count_nonzero,
        ops.nansum,
        ops.nanmean,
    )
    cov, corrcoef = ops.cov, ops.corrcoef
    median, nanmedian, mode, kthvalue = ops.median, ops.nanmedian, ops.mode, ops.kthvalue
    quantile, nanquantile, histc = ops.quantile, ops.nanquantile, ops.histc
    dist, renorm = ops.dist, ops.renorm

    # ── along a dimension ──
    cumsum, cumprod, logcumsumexp = ops.cumsum, ops.cumprod, ops.logcumsumexp
    cummax, cummin, diff = ops.cummax, ops.cummin, ops.diff

    # ── views and rearrangements ──
    reshape, reshape_as, view, view_as = ops.reshape, ops.reshape_as, ops.view, ops.view_as
    flatten, ravel, unflatten = ops.flatten, ops.ravel, ops.unflatten
    squeeze, unsqueeze = ops.squeeze, ops.unsqueeze
    permute, transpose, swapaxes = ops.permute, ops.transpose, ops.transpose
    swapdims, t, adjoint = ops.transpose, ops.t, ops.adjoint
    H, mH, real = property(ops.H), property(ops.mH), property(ops.real)
    movedim, moveaxis, diagonal = ops.movedim, ops.movedim, ops.diagonal
    expand, expand_as, broadcast_to = ops.expand, ops.expand_as, ops.broadcast_to
    select, narrow, split, chunk, unbind = ops.select, ops.narrow, ops.split, ops.chunk, ops.unbind
    repeat, tile, repeat_interleave = ops.repeat, ops.tile, ops.repeat_interleave
    flip, roll, fliplr, flipud, rot90 = ops.flip, ops.roll, ops.fliplr, ops.flipud, ops.rot90
    tensor_split, hsplit, vsplit = ops.tensor_split, ops.hsplit, ops.vsplit
    dsplit, split_with_sizes = ops.dsplit, ops.split_with_sizes
    narrow_copy, sum_to_size, is_same_size = ops.narrow_copy, ops.sum_to_size, ops.is_same_size
    unfold, as_strided, storage_offset = ops.windows, ops.as_strided, ops.storage_offset
    tril, triu, diag, diag_embed = ops.tril, ops.triu, ops.diag, ops.diag_embed
    diagflat, trace = ops.diagflat, ops.trace
    contiguous = ops.contiguous

    # ── elements by place ──
    __getitem__, __setitem__ = ops.getitem, ops.setitem
    gather, scatter = ops.gather, ops.scatter
    scatter_add, take_along_dim = ops.scatter_add, ops.take_along_dim
    index_select, index_put = ops.index_select, ops.index_put
    masked_fill, masked_select, nonzero = ops.masked_fill, ops.masked_select, ops.nonzero
    sort, argsort, topk = ops.sort, ops.argsort, ops.topk
    unique, unique_consecutive = ops.unique, ops.unique_consecutive
    msort, bincount = ops.msort, ops.bincount
    index_add, index_copy, index_fill = ops.index_add, ops.index_copy, ops.index_fill
    take, put, masked_scatter, argwhere = ops.take, ops.put, ops.masked_scatter, ops.argwhere
    select_scatter, slice_scatter = ops.select_scatter, ops.slice_scatter
    diagonal_scatter, scatter_reduce = ops.diagonal_scatter, ops.scatter_reduce

    # ── linear algebra ──
    mm, bmm, mv, dot, outer, addmm = ops.mm, ops.bmm, ops.mv, ops.dot, ops.outer, ops.addmm
    addmv, addr, addbmm, baddbmm = ops.addmv, ops.addr, ops.addbmm, ops.baddbmm
    inner, vdot, ger, kron, cross = ops.inner, ops.vdot, ops.outer, ops.kron, ops.cross
    det, logdet, slogdet, inverse = ops.det, ops.logdet, ops.slogdet, ops.inverse
    pinverse, matrix_power = ops.pinverse, ops.matrix_power
    qr, svd, cholesky = ops.old_qr, ops.old_svd, ops.old_cholesky

    # ── conversion ──
    to, type, type_as, cpu, cuda = ops.to, ops.type, ops.type_as, ops.cpu, ops.cuda
    half, bfloat16, float, double = ops.half, ops.bfloat16, ops.float, ops.double
    char, short = ops.char, ops.short
    int, long, byte, bool = ops.int, ops.long, ops.byte, ops.bool

    pin_memory, is_pinned = ops.pin_memory, ops.is_pinned

    # ── in place ──
    add_, sub_, mul_, div_, pow_ = ops.add_, ops.sub_, ops.mul_, ops.div_, ops.pow_
    __iadd__, __isub__, __imul__, __itruediv__ = ops.add_, ops.sub_, ops.mul_, ops.div_
    __ipow__, __ifloordiv__, __imod__ = ops.pow_, ops.floor_divide_, ops.remainder_
    floor_divide_, remainder_, fmod_ = ops.floor_divide_, ops.remainder_, ops.fmod_
    copy_, fill_, zero_ = ops.copy_, ops.fill_, ops.zero_
    clamp_, clip_, clamp_min_, clamp_max_ = ops.clamp_, ops.clamp_, ops.clamp_min_, ops.clamp_max_
    abs_, neg_, exp_ = ops.abs_, ops.neg_, ops.exp_
    log_, sqrt_, rsqrt_ = ops.log_, ops.sqrt_, ops.rsqrt_
    square_, reciprocal_, sin_ = ops.square_, ops.reciprocal_, ops.sin_
    cos_, tan_ = ops.cos_, ops.tan_
    tanh_, sigmoid_, relu_, erf_, sign_ = ops.tanh_, ops.sigmoid_, ops.relu_, ops.erf_, ops.sign_
    acos_, asin_, atan_, atan2_, hypot_ = ops.acos_, ops.asin_, ops.atan_, ops.atan2_, ops.hypot_
    sinh_, cosh_, asinh_, acosh_, atanh_ = ops.sinh_, ops.cosh_, ops.asinh_, ops.acosh_, ops.atanh_
    exp2_, expm1_, log2_, log10_, log1p_ = ops.exp2_, ops.expm1_, ops.log2_, ops.log10_, ops.log1p_
    erfc_, true_divide_ = ops.erfc_, ops.div_
    absolute_, negative_, fix_, sgn_ = ops.abs_, ops.neg_, ops.trunc_, ops.sgn_
    subtract_, multiply_, divide_ = ops.sub_, ops.mul_, ops.div_
    arcsin_, arccos_, arctan_, arctan2_ = ops.asin_, ops.acos_, ops.atan_, ops.atan2_
    arcsinh_, arccosh_, arctanh_ = ops.asinh_, ops.acosh_, ops.atanh_
    addcmul_, addcdiv_, lerp_ = ops.addcmul_, ops.addcdiv_, ops.lerp_
    float_power_, ldexp_, copysign_ = ops.float_power_, ops.ldexp_, ops.copysign_
    xlogy_, logit_, sinc_ = ops.xlogy_, ops.logit_, ops.sinc_
    nan_to_num_, heaviside_, renorm_ = ops.nan_to_num_, ops.heaviside_, ops.renorm_
    deg2rad_, rad2deg_, gcd_, lcm_ = ops.deg2rad_, ops.rad2deg_, ops.gcd_, ops.lcm_
    cumsum_, cumprod_ = ops.cumsum_, ops.cumprod_
    eq_, ne_, lt_, le_, gt_, ge_ = ops.eq_, ops.ne_, ops.lt_, ops.le_, ops.gt_, ops.ge_
    not_equal_, less_, less_equal_ = ops.ne_, ops.lt_, ops.le_
    greater_, greater_equal_, logical_not_ = ops.gt_, ops.ge_, ops.logical_not_
    logical_and_, logical_or_, logical_xor_ = ops.logical_and_, ops.logical_or_, ops.logical_xor_
    bitwise_and_, bitwise_or_, bitwise_xor_ = ops.bitwise_and_, ops.bitwise_or_, ops.bitwise_xor_
    __iand__, __ior__, __ixor__ = ops.bitwise_and_, ops.bitwise_or_, ops.bitwise_xor_
    bitwise_not_, bitwise_left_shift_ = ops.bitwise_not_, ops.bitwise_left_shift_
    bitwise_right_shift_, __ilshift__ = ops.bitwise_right_shift_, ops.bitwise_left_shift_
    __irshift__ = ops.bitwise_right_shift_
    floor_, ceil_, round_, trunc_, frac_ = ops.floor_, ops.ceil_, ops.round_, ops.trunc_, ops.frac_
    as_strided_ = ops.as_strided_
    squeeze_, unsqueeze_, t_, transpose_ = ops.squeeze_, ops.unsqueeze_, ops.t_, ops.transpose_
    swapaxes_, swapdims_ = ops.transpose_, ops.transpose_
    resize_, resize_as_, fill_diagonal_ = ops.resize_, ops.resize_as_, ops.fill_diagonal_
    tril_, triu_, addmm_, addmv_ = ops.tril_, ops.triu_, ops.addmm_, ops.addmv_
    addr_, addbmm_, baddbmm_ = ops.addr_, ops.addbmm_, ops.baddbmm_
    index_add_, index_copy_, index_fill_ = ops.index_add_, ops.index_copy_, ops.index_fill_
    put_, masked_scatter_, scatter_reduce_ = ops.put_, ops.masked_scatter_, ops.scatter_reduce_
    masked_fill_, scatter_ = ops.masked_fill_, ops.scatter_
    scatter_add_, index_put_ = ops.scatter_add_, ops.index_put_
    uniform_, normal_, bernoulli_ = ops.uniform_, ops.normal_, ops.bernoulli_
    random_, exponential_, geometric_ = ops.random_, ops.exponential_, ops.geometric_
    log_normal_, cauchy_ = ops.log_normal_, ops.cauchy_
    bernoulli, multinomial = ops.bernoulli, ops.multinomial


def _comparable(other: Any) -> bool:
    return isinstance(other, (Variable, int, float)) or hasattr(other, "__array_interface__")
