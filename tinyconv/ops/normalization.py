"""Normalisation: subtract the mean, divide by the standard deviation, scale, shift."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import write
from ..autograd.mode import is_grad_enabled
from ..autograd.variable import Variable
from ..backend import Array, empty
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import Ints
from ._common import cast, dtype_of, ndim_of, shape_of
from ._norm import channel_affine, channel_combine, channel_products, channel_statistics
from .elementwise import rsqrt
from .gate import gate
from .reduce import mean, sum
from .views import named, reshape

# ── functions ─────────────────────────────────────────────────────────────────────────────────


def _rows(x: Array) -> Array:
    """(n, c, *) as (n, c, l)."""
    n, c, *rest = x.shape
    return (x if x.flags.c_contiguous else x.copy(order="C")).reshape(n, c, prod(rest))


@op
class BatchNorm(Function):
    """With the statistics of the batch, which are left in ``mean`` and ``var``; or with ``given`` ones, mean and variance.

    With ``relu``, what is negative becomes 0: one pass over memory less than two operations.
    """

    name = "NativeBatchNormBackward0"
    gives_away = True
    eps: float
    given: tuple[Array, Array] | None = None
    relu: bool = False

    def forward(self, x: Array, w: Array | None, b: Array | None) -> Array:
        xp, c, rows = self.xp, x.shape[1], _rows(x)
        y = empty(xp, x.shape, x.dtype)
        if self.given is None:
            mean, var = self.mean, self.var = xp.empty((2, c))
            channel_statistics(rows, mean, var)
        else:
            mean, var = (v.astype("float64") for v in self.given)
        rstd = 1 / xp.sqrt(var + self.eps)
        scale = rstd if w is None else rstd * w
        shift = xp.zeros(c, x.dtype) if b is None else b
        channel_affine(rows, mean, scale, shift, self.relu, y.reshape(rows.shape))
        if any(self.needs):
            self.save(x, w, y if self.relu else None, mean, rstd)
        return y

    def backward(self, g: Any) -> Any:
        x, w, y, mean, rstd = self.saved
        if isinstance(g, Variable):
            return self._recorded(g, x, w, y, mean, rstd)
        want_x, want_w, want_b = self.needs
        gx = gw = gb = None
        rows, grads = _rows(x), _rows(g)
        outs = _rows(y) if self.relu else grads
        sums, products = self.xp.empty((2, *mean.shape))
        if want_w or want_b or self.given is None:
            channel_products(grads, rows, outs, mean, self.relu, sums, products)
        if want_x:
            gx = empty(self.xp, x.shape, x.dtype)
            scale = rstd if w is None else rstd * w
            by_x = shift = self.xp.zeros(mean.shape)
            if self.given is None:
                shift = scale / -(rows.shape[0] * rows.shape[2])
                by_x, shift = shift * rstd * rstd * products, shift * sums
            channel_combine(
                grads, rows, outs, mean, scale, by_x, shift, self.relu, gx.reshape(rows.shape)
            )
        if want_w:
            gw = (products * rstd).astype(x.dtype)
        if want_b:
            gb = sums.astype(x.dtype)
        return gx, gw, gb

    def _recorded(self, g: Any, x: Any, w: Any, y: Any, mu: Any, rstd: Any) -> Any:
        """The same in recorded operations, for second gradients."""
        dims = (0, *range(2, ndim_of(x)))
        by_channel = (1, -1, *(1,) * (ndim_of(x) - 2))
        if self.relu:
            g = gate(g, y)
        gy = g if w is None else g * reshape(w, by_channel)
        if self.given is None:
            centered = x - mean(x, dims, True)
            rstd = rsqrt(mean(centered * centered, dims, True) + self.eps)
            xhat = centered * rstd
            gx = rstd * (gy - mean(gy, dims, True) - xhat * mean(gy * xhat, dims, True))
        else:
            mu, rstd = (cast(reshape(v, by_channel), dtype_of(x).numpy) for v in (mu, rstd))
            xhat = (x - mu) * rstd
            gx = rstd * gy
        return gx, sum(g * xhat, dims), sum(g, dims)


# ── public ────────────────────────────────────────────────────────────────────────────────────


def _standardize(x: Any, rows: int, eps: float) -> Any:
    """Zero mean and unit variance in each of so many equal parts."""
    shape = shape_of(x)
    size = prod(shape)
    if not size:
        return x
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
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Normalise each channel over batch and pixels, then scale and shift.

    .. math:: y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}} \\gamma + \\beta

    Args:
        running_mean, running_var: used if not ``training``; otherwise moved towards the batch's by ``momentum``
            (the variance without bias).
        weight, bias: gamma and beta, of a channel each.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ValueError: training on one value per channel. ShapeError: statistics of another number of channels.

    Source: Ioffe & Szegedy, arXiv 1502.03167, algorithm 1.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1.], [3.]], requires_grad=True)
    >>> y = tc.nn.functional.batch_norm(x, None, None, training=True, eps=0.)
    >>> y.flatten()
    tensor([-1.,  1.], grad_fn=<ViewBackward0>)
    >>> y[0, 0].backward()
    >>> x.grad.flatten()
    tensor([0., 0.])
    """
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
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, True
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
    c = shape[1]
    if training and prod(shape) // c <= 1:
        raise ArgumentError(
            f"Expected more than 1 value per channel when training, got input size {_size(shape)}",
            "One value has no variance: use a larger batch (DataLoader(drop_last=True) drops a last batch of one), or "
            ".eval().",
        )
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
    if weight is not None and weight.array.dtype != input.array.dtype:
        raise DTypeError(
            f"expected scalar type {dtype_of(weight).name.title()} but found {dtype_of(input).name.title()}",
            f"Write x.to(tinyconv.{dtype_of(weight).name}).",
        )
    given = None
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        given = running_mean.array, running_var.array
    node = BatchNorm(eps, given, relu)
    y = node(input, weight, bias)
    if training:
        count = prod(shape) // c
        if running_mean is not None:
            _move(running_mean, node.mean, momentum)
        if running_var is not None:
            _move(running_var, node.var * (count / (count - 1)), momentum)
    return y


def _move(running: Any, value: Array, momentum: float) -> None:
    """running += momentum (value - running), off the tape."""
    old = running.array
    new = old * (1 - momentum) + value * momentum
    if running.base is None and not running.inference and old.flags.c_contiguous:
        old[...] = new  # nothing that `write` would have to look after
        running.bump()
    else:
        write(running, running.wrap(new.astype(old.dtype)))


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
    y = _standardize(input, prod(shape[: len(shape) - len(tail)]), eps)
    return named(_affine(y, weight, bias, tail), "NativeLayerNormBackward0")


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
    y = _standardize(input, n * num_groups, eps)
    y = _affine(y, weight, bias, (1, c, *(1,) * (len(shape) - 2)))
    return named(y, "NativeGroupNormBackward0")


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
    n, c = shape[:2]
    if use_input_stats and prod(shape[2:]) <= 1:
        raise ArgumentError(
            f"Expected more than 1 spatial element when training, got input size {_size(shape)}"
        )
    means, variances, w, b = (
        None if v is None else v.repeat(n) for v in (running_mean, running_var, weight, bias)
    )
    y = batch_norm(
        reshape(input, 1, n * c, *shape[2:]), means, variances, w, b, use_input_stats, momentum, eps
    )
    for running, many in ((running_mean, means), (running_var, variances)):
        if many is not None and use_input_stats:
            write(running, running.wrap(many.array.reshape(n, c).mean(0)))
    return reshape(y, shape)
