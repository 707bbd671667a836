"""Normalisation: subtract the mean, divide by the standard deviation, scale, shift."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import Function, op, widened
from ..autograd.inplace import write
from ..autograd.mode import is_grad_enabled
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import HALVES
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import Ints, wrap_dim
from ._common import as_given, cast, dtype_of, ndim_of, shape_of
from ._layout import alike, empty_batch, rows, settled
from ._norm import normalise, normalise_back
from .elementwise import clone, rsqrt
from .gate import gate
from .reduce import mean, sum
from .slices import select
from .views import named, reshape

# ── functions ─────────────────────────────────────────────────────────────────────────────────


@op
class BatchNorm(Function):
    """With the statistics of the batch, which also move the ``running`` ones, mean and variance; if ``fixed``, with those.

    With ``relu``, what is negative becomes 0: one pass over memory less than two operations.
    """

    label = "NativeBatchNormBackward0"
    widens = "cpu"
    gives_away = True
    eps: float
    fixed: bool = False
    running: tuple[Array | None, Array | None] = (None, None)
    momentum: float = 0.0
    batches: Array | None = None  # how many there were: for the plain average of all
    relu: bool = False

    def forward(self, x: Array, w: Array | None, b: Array | None) -> Array:
        lying, last = settled(x)
        y = empty_batch(self.xp, x.shape, x.dtype, last)
        mean, rstd = self.xp.empty((2, x.shape[1]))
        normalise(
            rows(lying, last), w, b, *self.running, self.momentum, self.batches, self.eps, self.relu, self.fixed,
            mean, rstd, rows(y, last),
        )  # fmt: skip
        if any(self.needs):
            self.kind_of_b = None if b is None else b.dtype
            self.save(x, w, y if self.relu else None, mean, rstd)
        return y

    def backward(self, g: Any) -> Any:
        x, w, y, mean, rstd = self.saved
        if isinstance(g, Variable):
            return self._recorded(g, x, w, y, mean, rstd)
        x, last = settled(x)
        gx = empty_batch(self.xp, x.shape, x.dtype, last) if self.needs[0] else None
        gw = self.xp.empty(mean.shape, w.dtype) if self.needs[1] else None
        gb = self.xp.empty(mean.shape, self.kind_of_b) if self.needs[2] else None
        g = cast(g, x.dtype)
        views = [None if v is None else rows(alike(v, last), last) for v in (g, x, y, gx)]
        normalise_back(*views[:3], w, mean, rstd, self.fixed, views[3], gw, gb)
        return gx, gw, gb

    def _recorded(self, g: Any, x: Any, w: Any, y: Any, mu: Any, rstd: Any) -> Any:
        """The same in recorded operations, for second gradients."""
        dims = (0, *range(2, ndim_of(x)))
        by_channel = (1, -1, *(1,) * (ndim_of(x) - 2))
        kinds = [None if v is None else dtype_of(v).numpy for v in (x, w)]
        g, x, w, y = map(widened, (g, x, w, y))
        if self.relu:
            g = gate(g, y)
        gy = g if w is None else g * reshape(w, by_channel)
        if self.fixed:
            mu, rstd = (cast(reshape(v, by_channel), dtype_of(x).numpy) for v in (mu, rstd))
            xhat = (x - mu) * rstd
            gx = rstd * gy
        else:
            centered = x - mean(x, dims, True)
            rstd = rsqrt(mean(centered * centered, dims, True) + self.eps)
            xhat = centered * rstd
            gx = rstd * (gy - mean(gy, dims, True) - xhat * mean(gy * xhat, dims, True))
        grads = gx, sum(g * xhat, dims), sum(g, dims)
        return [
            cast(v, kind) if need else None
            for v, kind, need in zip(grads, (*kinds, self.kind_of_b), self.needs, strict=True)
        ]


# ── public ────────────────────────────────────────────────────────────────────────────────────


def _standardize(x: Any, rows: int, eps: float) -> Any:
    """Zero mean and unit variance in each of so many equal parts."""
    shape = shape_of(x)
    size = prod(shape)
    if not size:
        return x
    if rows == size:  # an element alone is its mean: exactly nothing, and no gradient
        return x - x
    return reshape(BatchNorm(eps)(reshape(x, 1, rows, size // rows), None, None), shape)


def _affine(y: Any, weight: Any, bias: Any, shape: Ints) -> Any:
    if weight is not None:
        y = y * reshape(weight, shape)
    return y if bias is None else y + reshape(bias, shape)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Normalise each channel over batch and pixels, then scale and shift.

    .. math:: y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}} \\gamma + \\beta

    Args:
        running_mean, running_var: used if not ``training``; otherwise moved towards the batch's by ``momentum``
            (the variance without bias).
        momentum: weight of the batch in these; or a tensor with the number of batches, this one counted, for their
            plain average.
        weight, bias: gamma and beta, of a channel each.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ValueError: training on one value per channel. ShapeError: statistics of another number of channels.

    Source: Ioffe & Szegedy, arXiv 1502.03167, algorithm 1.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1.], [3.]], requires_grad=True)
    >>> y = tc.nn.functional.batch_norm(x, None, None, training=True, eps=1e-12)
    >>> y.flatten()
    tensor([-1.,  1.], grad_fn=<ViewBackward0>)
    >>> y[0, 0].backward()
    >>> x.grad.flatten()
    tensor([0., 0.])
    """
    _check_settings(input.array.shape, training, eps)
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, False
    )


def batch_norm_relu(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """``relu(batch_norm(...))`` in the passes over memory of :func:`batch_norm`; the arguments are the same."""
    _check_settings(input.array.shape, training, eps)
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, True
    )


def _check_settings(shape: Ints, training: bool, eps: float) -> None:
    if training and prod(shape[:1]) * prod(shape[2:]) == 1:
        raise ArgumentError(
            f"Expected more than 1 value per channel when training, got input size {_size(shape)}",
            "One value has no variance: use a larger batch (DataLoader(drop_last=True) drops a last batch of one), or "
            ".eval().",
        )
    if eps < 0 or (training and eps == 0):
        domain = "positive during training" if training else "non-negative"
        raise ArgumentError(
            f"batch_norm eps must be {domain}, but got {eps}",
            "It is added to the variance: 1e-5 is usual.",
        )


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool,
) -> Any:
    shape = input.array.shape
    if 0 in shape:
        return _affine_of_nothing(input, weight, bias)
    c = shape[1 if len(shape) > 1 else wrap_dim(1, len(shape))]
    for name, v in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if v is None:
            continue
        if v.array.shape != (c,):
            raise ShapeError(
                f"{name} should contain {c} elements not {v.array.size}",
                f"The input {list(shape)} has {c} channels: make the layer BatchNorm{max(len(shape) - 2, 1)}d({c}).",
            )
        if name.startswith("running") and (v.leaf or v.node is not None) and is_grad_enabled():
            raise RuntimeError(
                f"The function 'native_batch_norm' is not differentiable with respect to argument '{name}'. This "
                f"input cannot have requires_grad True.\nWrite {name}.detach()."
            )
    kind = input.array.dtype
    for v in (weight, bias):
        mixed = v is not None and v.array.dtype != kind
        if mixed and not (kind in HALVES and v.array.dtype == "float32"):
            raise DTypeError(
                f"expected scalar type {dtype_of(v).name.title()} but found {dtype_of(input).name.title()}",
                f"Write x.to(tinyconv.{dtype_of(v).name}).",
            )
    if not training and (running_mean is None or running_var is None):
        raise ShapeError("Expected running_mean and running_var to be defined when training=False")
    batches = momentum.array if isinstance(momentum, Variable) else None
    share = 0.0 if isinstance(momentum, Variable) else momentum
    running = running_mean, running_var
    arrays: Any = tuple([None if v is None else _memory(v, input.array) for v in running])
    y = BatchNorm(eps, not training, arrays, share, batches, relu)(input, weight, bias)
    for v, array in zip(running, arrays, strict=True):
        if not training or v is None:
            continue
        if array is v.array:
            v.bump()
        else:
            write(v, v.wrap(array.astype(v.array.dtype, copy=False)))
    return y


def _affine_of_nothing(x: Any, weight: Any, bias: Any) -> Any:
    """No elements, on the way of the others as far as torch takes them: statistics stay as they are."""
    y = clone(x)
    if weight is not None:
        y = y * select(weight, 0, 0)
    return y if bias is None else y + select(bias, 0, 0)


def _memory(running: Any, x: Array) -> Array:
    """The memory of running statistics, for a kernel to change; or a copy, where it is not that simple to write to."""
    array = running.array
    plain = running.base is None and not running.inference and array.flags.c_contiguous
    if plain and (array.itemsize > 2 or array.dtype == x.dtype):
        return array
    return array.astype("float32" if array.dtype in HALVES else array.dtype, order="C")


def _size(shape: Ints) -> str:
    return f"tinyconv.Size({list(shape)})"


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Normalise each element of the batch over its last dimensions, then scale and shift.

    Shape:
        ``(n, *) -> (n, *)``

    Source: Ba, Kiros & Hinton, arXiv 1607.06450.

    >>> import tinyconv as tc
    >>> tc.nn.functional.layer_norm(tc.tensor([[1., 3.]]), (2,), eps=0.)
    tensor([[-1.,  1.]])
    """
    tail = (
        tuple(normalized_shape)
        if isinstance(normalized_shape, (tuple, list))
        else (int(normalized_shape),)
    )
    shape = shape_of(input)
    if not tail:
        raise ShapeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and shape_of(v) != tail:
            raise ShapeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(shape_of(v))} and normalized_shape = {list(tail)}"
            )
    if shape[len(shape) - len(tail) :] != tail:
        raise ShapeError(
            f"Given normalized_shape={list(tail)}, expected input with shape [*, {str(list(tail))[1:-1]}], but got "
            f"input of size{list(shape)}",
            f"Make the layer LayerNorm({list(shape[len(shape) - len(tail) :])}).",
        )
    (x,) = recast(FLOAT32_ON_CUDA, input)
    y = _standardize(widened(x), prod(shape[: len(shape) - len(tail)]), eps)
    return as_given(named(_affine(y, weight, bias, tail), "NativeLayerNormBackward0"), x)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Normalise groups of channels of each image, then scale and shift by channel.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Source: Wu & He, arXiv 1803.08494.
    """
    shape = shape_of(input)
    if len(shape) < 2:
        raise ShapeError(
            f"Expected at least 2 dimensions for input tensor but received {len(shape)}"
        )
    n, c = shape[:2]
    if num_groups <= 0:
        raise ShapeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if c % num_groups:
        raise ShapeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and shape_of(v) != (c,):
            raise ShapeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(shape_of(v))} and input of shape {list(shape)}"
            )
    (x,) = recast(FLOAT32_ON_CUDA, input)
    y = _standardize(widened(x), n * num_groups, eps)
    y = _affine(y, weight, bias, (1, c, *(1,) * (len(shape) - 2)))
    return as_given(named(y, "NativeGroupNormBackward0"), x)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Normalise each channel of each image over its pixels, then scale and shift.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Source: Ulyanov, Vedaldi & Lempitsky, arXiv 1607.08022.
    """
    shape = shape_of(input)
    if use_input_stats and prod(shape[2:]) == 1:
        raise ArgumentError(
            f"Expected more than 1 spatial element when training, got input size {_size(shape)}",
            "One pixel has no variance: pool less before this layer.",
        )
    if not use_input_stats and (running_mean is None or running_var is None):
        raise ShapeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false",
            "Make the layer with track_running_stats=True.",
        )
    c = shape[wrap_dim(1, len(shape))]
    n = shape[0]
    means, variances, w, b = (
        None if v is None else v.repeat(n) for v in (running_mean, running_var, weight, bias)
    )
    x = reshape(input, 1, n * c, *shape[2:])
    y = _batch_norm(x, means, variances, w, b, use_input_stats, momentum, eps, False)
    for running, many in ((running_mean, means), (running_var, variances)):
        if many is not None and use_input_stats and n:
            write(running, running.wrap(many.array.reshape(n, c).mean(0)))
    return reshape(y, shape)
