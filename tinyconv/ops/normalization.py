"""Normalisation: subtract the mean, divide by the standard deviation, scale, shift."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import write
from ..autograd.variable import Variable
from ..backend import Array, Kernel
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import Ints
from ._common import dtype_of, ndim_of, shape_of
from .elementwise import rsqrt
from .reduce import mean, sum
from .views import named, reshape

# ── kernels ───────────────────────────────────────────────────────────────────────────────────
# ``x`` is (n, c, l): images by channels by pixels.


def _channels(x: Array, *_: Any) -> int:
    return int(x.shape[1])


def _planes(x: Array, *_: Any) -> int:
    return int(x.shape[0] * x.shape[1])


@Kernel
def channel_statistics(xp, x, mean, var):
    """Mean and biased variance of each channel, in two passes."""
    mean[...] = x.mean((0, 2), dtype=mean.dtype)
    var[...] = xp.square(x - mean.astype(x.dtype)[:, None]).mean((0, 2), dtype=var.dtype)


@channel_statistics.cpu(over=_channels, fastmath={"reassoc", "contract", "nsz"})
def _statistics_loop(start, stop, x, mean, var):
    n, c, length = x.shape
    for k in range(start, stop):
        total = 0.0
        for i in range(n):
            row = x.dtype.type(0)  # a row at a time in x's own precision, rows in double
            for j in range(length):
                row += x[i, k, j]
            total += row
        mu = x.dtype.type(total / (n * length))
        squares = 0.0
        for i in range(n):
            row = x.dtype.type(0)
            for j in range(length):
                d = x[i, k, j] - mu
                row += d * d
            squares += row
        mean[k] = mu
        var[k] = squares / (n * length)


@Kernel
def channel_affine(xp, x, scale, shift, y):
    """y = x scale + shift, by channel."""
    xp.multiply(x, scale[:, None], out=y)
    y += shift[:, None]


@channel_affine.cpu(over=_planes, fastmath={"contract"})
def _affine_loop(start, stop, x, scale, shift, y):
    n, c, length = x.shape
    for row in range(start, stop):
        i, k = row // c, row % c
        a, b = scale[k], shift[k]
        for j in range(length):
            y[i, k, j] = x[i, k, j] * a + b


@Kernel
def channel_products(xp, g, x, mean, sums, products):
    """Over each channel, the sum of g and of g (x - mean)."""
    sums[...] = g.sum((0, 2))
    products[...] = (g * (x - mean[:, None])).sum((0, 2))


@channel_products.cpu(over=_channels, fastmath={"reassoc", "contract", "nsz"})
def _products_loop(start, stop, g, x, mean, sums, products):
    n, c, length = x.shape
    for k in range(start, stop):
        total = 0.0
        product = 0.0
        mu = mean[k]
        for i in range(n):
            a = x.dtype.type(0)
            b = x.dtype.type(0)
            for j in range(length):
                a += g[i, k, j]
                b += g[i, k, j] * (x[i, k, j] - mu)
            total += a
            product += b
        sums[k] = total
        products[k] = product


@Kernel
def channel_combine(xp, g, x, by_g, by_x, shift, gx):
    """gx = g by_g + x by_x + shift, by channel."""
    xp.multiply(g, by_g[:, None], out=gx)
    gx += x * by_x[:, None]
    gx += shift[:, None]


@channel_combine.cpu(over=_planes, fastmath={"contract"})
def _combine_loop(start, stop, g, x, by_g, by_x, shift, gx):
    n, c, length = x.shape
    for row in range(start, stop):
        i, k = row // c, row % c
        p, q, r = by_g[k], by_x[k], shift[k]
        for j in range(length):
            gx[i, k, j] = g[i, k, j] * p + x[i, k, j] * q + r


# ── functions ─────────────────────────────────────────────────────────────────────────────────


@op
class BatchNorm(Function):
    """With the statistics of the batch, which are left in ``mean`` and ``var``."""

    name = "NativeBatchNormBackward0"
    gives_away = True
    eps: float

    def forward(self, x: Array, w: Array | None, b: Array | None) -> Array:
        xp, (n, c) = self.xp, x.shape[:2]
        rows = xp.ascontiguousarray(x).reshape(n, c, -1)
        self.mean, self.var = xp.empty(c, x.dtype), xp.empty(c, x.dtype)
        channel_statistics(rows, self.mean, self.var)
        rstd = 1 / xp.sqrt(self.var + x.dtype.type(self.eps))
        scale = rstd if w is None else rstd * w
        shift = -self.mean * scale if b is None else b - self.mean * scale
        self.count = x.size // c
        if self.needs[0] or self.needs[1]:
            self.save(x, w, self.mean, rstd)
        y = xp.empty(rows.shape, x.dtype)
        channel_affine(rows, scale, shift, y)
        return y.reshape(x.shape)

    def backward(self, g: Any) -> Any:
        gx = gw = None
        if not (self.needs[0] or self.needs[1]):
            return None, None, sum(g, (0, *range(2, ndim_of(g))))
        x, w, mu, rstd = self.saved
        if isinstance(g, Variable):
            return self._recorded(g, x, w)
        xp, (n, c) = self.xp, x.shape[:2]
        rows = xp.ascontiguousarray(x).reshape(n, c, -1)
        grads = xp.ascontiguousarray(g).reshape(n, c, -1)
        sums, products = xp.empty_like(mu), xp.empty_like(mu)
        channel_products(grads, rows, mu, sums, products)
        if self.needs[0]:
            scale = rstd if w is None else rstd * w
            by_x = -scale * rstd * rstd * products / self.count
            gx = xp.empty(rows.shape, x.dtype)
            channel_combine(grads, rows, scale, by_x, -scale * sums / self.count - mu * by_x, gx)
            gx = gx.reshape(x.shape)
        if self.needs[1]:
            gw = products * rstd
        return gx, gw, sums

    def _recorded(self, g: Any, x: Any, w: Any) -> Any:
        """The same in recorded operations, for second gradients."""
        dims = (0, *range(2, ndim_of(x)))
        by_channel = (1, -1, *(1,) * (ndim_of(x) - 2))
        centered = x - mean(x, dims, True)
        rstd = rsqrt(mean(centered * centered, dims, True) + self.eps)
        xhat = centered * rstd
        gy = g if w is None else g * reshape(w, by_channel)
        gx = rstd * (gy - mean(gy, dims, True) - xhat * mean(gy * xhat, dims, True))
        return gx, sum(g * xhat, dims), sum(g, dims)


@op
class Standardize(Function):
    """Zero mean and unit variance over ``dims``."""

    name = "NativeLayerNormBackward0"
    dims: Ints
    eps: float

    def forward(self, x: Array) -> Array:
        xp = self.xp
        centered = x - x.mean(self.dims, keepdims=True)
        rstd = 1 / xp.sqrt(
            xp.square(centered).mean(self.dims, keepdims=True) + x.dtype.type(self.eps)
        )
        y = centered * rstd
        self.save(x, y, rstd)
        return y

    def backward(self, g: Any) -> Any:
        x, y, rstd = self.saved
        if isinstance(g, Variable):
            centered = x - mean(x, self.dims, True)
            rstd = rsqrt(mean(centered * centered, self.dims, True) + self.eps)
        return (rstd * (g - mean(g, self.dims, True) - y * mean(g * y, self.dims, True)),)


# ── public ────────────────────────────────────────────────────────────────────────────────────


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
    shape = shape_of(input)
    if training and prod(shape) // shape[1] <= 1:
        raise ArgumentError(
            f"Expected more than 1 value per channel when training, got input size {_size(shape)}",
            "One value has no variance: use a larger batch (DataLoader(drop_last=True) drops a last batch of one), or "
            ".eval().",
        )
    c = shape[1]
    for name, v in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if v is not None and shape_of(v) != (c,):
            raise ShapeError(
                f"{name} should contain {c} elements not {prod(shape_of(v))}",
                f"The input {list(shape)} has {c} channels: make the layer BatchNorm{max(len(shape) - 2, 1)}d({c}).",
            )
    if weight is not None and dtype_of(weight) is not dtype_of(input):
        raise DTypeError(
            f"expected scalar type {dtype_of(weight).name.title()} but found {dtype_of(input).name.title()}",
            f"Write x.to(tinyconv.{dtype_of(weight).name}).",
        )
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        by_channel = (1, -1, *(1,) * (len(shape) - 2))
        scale = rsqrt(running_var + eps)
        scale = scale if weight is None else scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * reshape(scale, by_channel) + reshape(shift, by_channel)
    node = BatchNorm(eps)
    y = node(input, weight, bias)
    if running_mean is not None:
        _move(running_mean, node.mean, momentum)
    if running_var is not None:
        _move(running_var, node.var * (node.count / (node.count - 1)), momentum)
    return y


def _move(running: Any, value: Array, momentum: float) -> None:
    """running += momentum (value - running), off the tape."""
    old = running.array
    write(running, running.wrap((old * (1 - momentum) + value * momentum).astype(old.dtype)))


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
    y = Standardize(tuple(range(len(shape) - len(tail), len(shape))), eps)(input)
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
    y = Standardize((2,), eps)(reshape(input, n, num_groups, -1)) if prod(shape) else input
    y = _affine(reshape(y, shape), weight, bias, (1, c, *(1,) * (len(shape) - 2)))
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
