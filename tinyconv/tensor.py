"""Tensor: a Variable that speaks. Its methods are the functions of ``tinyconv.ops``."""

from __future__ import annotations

import builtins
import copy
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from . import ops
from .autograd.engine import backward
from .autograd.function import Function, Handle
from .autograd.variable import RETAIN, Variable
from .backend import Array, backend_of, get_backend, place_of
from .dtypes import (
    bfloat16,
    device,
    dtype,
    get_default_dtype,
    strided,
    to_device,
    to_dtype,
)
from .errors import InplaceError
from .printing import tensor_text
from .shapes import Size

__all__ = ["Parameter", "Size", "Tensor"]


class Tensor(Variable):
    """An n-dimensional array that remembers how it was computed.

    The body is a table of contents: the documentation of ``x.relu()`` is that of ``tinyconv.relu``, because they
    are one object. ``x.array`` is the NumPy (or CuPy) array inside.
    """

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and isinstance(data[0], Size):
            data = data[0]
        elif len(data) == 1 and isinstance(data[0], float):
            raise TypeError("new(): data must be a sequence (got float)\nWrite tensor(number).")
        elif len(data) == 1 and isinstance(data[0], str):
            raise TypeError("new(): invalid data type 'str'")
        numpy, kind = backend_of_cpu.xp, get_default_dtype().numpy
        if all(isinstance(n, int) for n in data):
            self.array = numpy.zeros(data or (0,), kind)  # Tensor(2, 3): a shape
        else:
            self.array = numpy.array(
                data[0].array if isinstance(data[0], Tensor) else data[0], kind
            )

    @staticmethod
    def wrap(array: Array) -> Tensor:
        """Box a freshly computed array. Never a subclass: the sum of two Parameters is not a Parameter."""
        new = _new(Tensor)
        new.array = array
        return new

    # ── arithmetic ──
    add, __add__ = ops.add, ops.add
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

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """The elements of this tensor where ``condition`` is true, of ``other`` elsewhere."""
        return ops.where(condition, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

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

    def __eq__(self, other: Any) -> Any:
        return ops.eq(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
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
    random_, exponential_ = ops.random_, ops.exponential_
    bernoulli, multinomial = ops.bernoulli, ops.multinomial

    # ── description ──
    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return tuple.__new__(Size, self.array.shape)

    def size(self, dim: Any = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return tuple.__new__(Size, self.array.shape)
        return self.array.shape[ops.wrap_dim(dim, self.array.ndim)]

    @property
    def dtype(self) -> dtype:
        """The number type."""
        return to_dtype(self.array.dtype)

    @property
    def device(self) -> device:
        """Where the elements lie."""
        return place_of(self.array)

    @property
    def is_cuda(self) -> builtins.bool:
        """True on a GPU."""
        return backend_of(self.array).name == "cuda"

    @property
    def is_cpu(self) -> builtins.bool:
        """True on the CPU."""
        return not self.is_cuda

    def get_device(self) -> builtins.int:
        """The number of the GPU; -1 on the CPU."""
        index = self.device.index
        return -1 if index is None else index

    @property
    def layout(self) -> Any:
        """How the elements lie in memory: by steps, ``strided``."""
        return strided

    @property
    def ndim(self) -> builtins.int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> builtins.int:
        """The number of dimensions."""
        return self.array.ndim

    ndimension = dim

    def numel(self) -> builtins.int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    def element_size(self) -> builtins.int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def itemsize(self) -> builtins.int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> builtins.int:
        """Bytes of all elements."""
        return self.array.nbytes

    def stride(self, dim: Any = None) -> Any:
        """Steps, in elements, from one element of a dimension to the next."""
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> builtins.int:
        """The address of the first element."""
        a = self.array
        return int(a.ctypes.data if hasattr(a, "ctypes") else a.data.ptr)

    def is_contiguous(self, memory_format: Any = None) -> builtins.bool:
        """True if the elements lie in row-major order."""
        return bool(self.array.flags.c_contiguous)

    is_floating_point, is_complex = ops.is_floating_point, ops.is_complex
    is_signed = ops.is_signed

    def is_inference(self) -> builtins.bool:
        """True if made in inference mode."""
        return self.inference

    @property
    def T(self) -> Tensor:
        """Dimensions in reverse order."""
        return ops.permute(self, *reversed(range(self.array.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        if self.array.ndim < 2:
            raise RuntimeError(
                "tensor.mT is only supported on matrices or batches of matrices. Got "
                f"{self.array.ndim}-D tensor."
            )
        return ops.transpose(self, -2, -1)

    # ── the tape ──
    @property
    def grad_fn(self) -> Function | None:
        """The node that made this tensor, if it was recorded."""
        edge = self.edge
        return edge if isinstance(edge, Function) else None

    @property
    def _version(self) -> builtins.int:
        return self.counter().count

    @property
    def _base(self) -> Any:
        return self.base

    def _is_view(self) -> Any:
        return self.base is not None

    def backward(
        self,
        gradient: Any = None,
        retain_graph: Any = None,
        create_graph: builtins.bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor, weighted by ``gradient``, to ``grad`` of every leaf it was made from.

        >>> import tinyconv as tc
        >>> x = tc.tensor([1., 2.], requires_grad=True)
        >>> (x ** 2).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, off the tape; a write to either is noticed by both."""
        new = Tensor.wrap(self.array)
        new.version, new.inference = self.counter(), self.inference
        return new

    def detach_(self) -> Tensor:
        """Forget how this tensor was made."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node, self.leaf = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape; writes to it go unnoticed."""
        return Tensor.wrap(self.array)

    @data.setter
    def data(self, new: Tensor) -> None:
        if not isinstance(new, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
        self.array = new.array

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it returns takes its place.

        >>> import tinyconv as tc
        >>> x = tc.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        """
        edge = self.edge
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if edge.hooks is None:
            edge.hooks = {}
        return Handle(edge.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Handle:
        """Call ``hook(self)`` after a gradient was added to ``grad`` of this leaf."""
        if not self.leaf:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self.after is None:
            self.after = {}
        return Handle(self.after, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is no leaf in its ``grad``."""
        edge = self.edge
        if edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.leaf or self.keeps_grad:
            return
        self.keeps_grad = True
        me = weakref.ref(self)  # the node must not keep its result alive

        def keep(g: Tensor) -> None:
            if (x := me()) is not None:
                x.grad = g.clone() if x.grad is None else x.grad + g

        if edge.hooks is None:
            edge.hooks = {}
        edge.hooks[RETAIN] = keep

    @property
    def retains_grad(self) -> builtins.bool:
        """True after :meth:`retain_grad`."""
        return self.keeps_grad

    # ── to Python and NumPy ──
    def item(self) -> Any:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar\n"
                "Reduce it first (.mean(), .sum()), or write .tolist()."
            )
        return self._on_host().item()

    def tolist(self) -> Any:
        """The elements as nested lists."""
        return self._on_host().tolist()

    def _on_host(self) -> Array:
        """The array in NumPy's hands: who looks at numbers waits for them, and is told what was wrong with others."""
        return backend_of(self.array).to_numpy(self.array)

    def numpy(self, *, force: builtins.bool = False) -> Any:
        """The elements as a NumPy array: on the CPU, the very memory.

        NumPy has no bfloat16 of its own; what stands in for it here is ``x.array``.
        """
        if self.array.dtype == bfloat16.numpy:
            raise TypeError(
                "Got unsupported ScalarType BFloat16\nNumPy has none: write x.float().numpy()."
            )
        if force:
            return backend_of(self.array).to_numpy(self.array)
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if self.is_cuda:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return self.array

    __array_priority__ = 1000  # NumPy leaves ``array + tensor`` to the tensor

    def __array__(self, dtype: Any = None, copy: builtins.bool | None = None) -> Any:
        a = self.numpy()
        if copy is None:
            return a if dtype is None else a.astype(dtype, copy=False)
        return a.astype(a.dtype if dtype is None else dtype, copy=copy)

    def __array_wrap__(
        self, array: Array, context: Any = None, return_scalar: builtins.bool = False
    ) -> Tensor:
        return Tensor.wrap(
            array
            if hasattr(array, "ndim") and not return_scalar
            else backend_of_cpu.xp.asarray(array)
        )

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        a = self.array
        read_only = self.device.type == "cpu" and not a.flags.writeable
        return (a.copy() if read_only else a).__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        """What other libraries for NVIDIA's GPUs read: address, shape, strides, number type."""
        if not self.is_cuda:
            raise AttributeError(
                f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {self.type()} If CUDA data is required "
                "use tensor.cuda() to copy tensor to device memory."
            )
        if self.requires_grad:
            raise RuntimeError(
                "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't required, "
                "use var.detach() to get Variable that doesn't require grad."
            )
        return self.array.__cuda_array_interface__

    def __len__(self) -> builtins.int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(ops.unbind(self))

    def __reversed__(self) -> Tensor:
        return ops.flip(self, 0)

    def __contains__(self, element: Any) -> builtins.bool:
        if not isinstance(element, (Tensor, float, int)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((self == element).any())

    def __delitem__(self, index: Any) -> None:
        raise TypeError(
            "Tensor does not support deleting items\nWrite x[keep], with the indices or a mask of the rest."
        )

    def __bool__(self) -> builtins.bool:
        if self.array.size != 1:
            what = "no values" if not self.array.size else "more than one value"
            raise RuntimeError(
                f"Boolean value of Tensor with {what} is ambiguous\nWrite x.any() or x.all()."
            )
        return bool(self._on_host())

    def _scalar(self) -> Any:
        if self.array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars\n"
                f"This one has {self.array.size}: reduce it first (.mean(), .sum()), or write .tolist()."
            )
        return self._on_host().item()

    def __float__(self) -> builtins.float:
        return float(self._scalar())

    def __int__(self) -> builtins.int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def is_nonzero(self) -> builtins.bool:
        """The truth of the one element."""
        return bool(self)

    def __index__(self) -> builtins.int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._on_host().item())

    def __repr__(self) -> str:
        try:
            maker = self.grad_fn.name() if self.grad_fn else None
        except InplaceError:  # a view that a write has cut off
            maker = "Invalid"
        return tensor_text(
            backend_of(self.array).to_numpy(self.array),
            dtype=self.dtype.name,
            default_dtype=get_default_dtype().name,
            device=str(self.device),
            requires_grad=self.requires_grad,
            grad_fn=maker,
        )

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.\n"
                "Write x.detach().clone(), or x.clone() to keep the history."
            )
        new = _new(type(self))
        memo[id(self)] = new
        new.__dict__.update(self._own_attributes(lambda v: copy.deepcopy(v, memo)))
        new.array = self.array.copy()
        new.leaf = self.leaf
        if self.grad is not None:
            new.grad = copy.deepcopy(self.grad, memo)
        return new

    def _own_attributes(self, convert: Callable[[Any], Any]) -> dict[str, Any]:
        """What users have put on this tensor."""
        return {k: convert(v) for k, v in vars(self).items() if k not in _STATE}

    def __reduce_ex__(self, protocol: Any) -> Any:
        array = backend_of(self.array).to_numpy(self.array)
        return (
            _rebuild,
            (type(self), array, str(self.device), self.requires_grad),
            self._own_attributes(lambda v: v),
        )

    def __dir__(self) -> list[str]:
        return sorted(n for n in super().__dir__() if n not in _STATE or n in ("grad", "array"))

    # ── new tensors like this one ──
    def new_tensor(
        self,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        """A tensor of ``data`` with dtype and device of this one."""
        source = data._on_host() if isinstance(data, Tensor) else data
        kind = self.array.dtype if dtype is None else to_dtype(dtype).numpy
        new = Tensor.wrap(backend_of_cpu.xp.array(source).astype(kind))
        new = ops.to(new, self.device if device is None else device)
        return new.requires_grad_(requires_grad) if requires_grad else new

    def new_zeros(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        """Zeros with dtype and device of this tensor."""
        return self.new_full(
            ops.sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_ones(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        """Ones with dtype and device of this tensor."""
        return self.new_full(
            ops.sizes(size), 1, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_empty(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        """Zeros too: memory is not handed out with what it held before."""
        return self.new_full(
            ops.sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_full(
        self,
        size: Any,
        fill_value: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        """One number everywhere, with dtype and device of this tensor."""
        where = self.device if device is None else to_device(device)
        kind = self.array.dtype if dtype is None else to_dtype(dtype).numpy
        backend = get_backend(where.type)
        with backend.at(where.index):
            new = Tensor.wrap(backend.xp.full(tuple(size), fill_value, kind))
        return new.requires_grad_(requires_grad) if requires_grad else new


class Parameter(Tensor):
    """A Tensor that a Module finds among its attributes and an optimizer trains.

    >>> import tinyconv as tc
    >>> tc.nn.Parameter(tc.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        source = Tensor() if data is None else data
        if not isinstance(source, Tensor):
            raise TypeError(
                f"Parameter takes a Tensor, got {type(data).__name__}: write Parameter(tensor(...))"
            )
        self.array = source.array
        if requires_grad:
            self.requires_grad_(True)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


Variable.results = Tensor
_new = object.__new__
_STATE = {"array", "grad", "node", "leaf", "version", "base", "replay", "undo", "stamp", "born", "inference", "hooks",
          "keeps_grad", "after", "_grad"}  # fmt: skip
backend_of_cpu = get_backend("cpu")


def _comparable(other: Any) -> bool:
    return isinstance(other, (Tensor, int, float)) or hasattr(other, "__array_interface__")


def _rebuild(cls: type, array: Array, where: str, requires_grad: bool) -> Tensor:
    new: Tensor = _new(cls)
    new.array = array if where == "cpu" else ops.to(Tensor.wrap(array), where).array
    new.leaf = requires_grad
    return new
