"""Losses of pairs of elements."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from ..autograd.autocast import FLOAT32_OR_ERROR
from ..autograd.function import op, type_name
from ..backend import Array, demand
from ..dtypes import FLOATS
from ..errors import ArgumentError, DTypeError
from ..shapes import broadcast
from ._common import operands, select, shape_of
from ._loss import reduced, reduction_of, tensors
from ._rows import Binary
from .activation import _logsigmoid, floats, logsigmoid
from .elementwise import abs, exp, log, log1p, mul, sigmoid, sign, sub
from .reduce import _wide, sum
from .views import named

# ── of pairs ──────────────────────────────────────────────────────────────────────────────────


@dataclass(eq=False, repr=False)
class PairLoss(Binary):
    """A function of pairs of elements, reduced in the same node."""

    x_keeps = y_keeps = ("x", "y")
    reduction: str

    def forward(self, x: Array, y: Array) -> Array:
        z = super().forward(x, y)
        if self.reduction == "none":
            return z
        total = z.sum(dtype=_wide(z))
        if self.reduction == "mean":
            self.count = z.size
            total = total / total.dtype.type(self.count)
        return total.astype(z.dtype)

    def backward(self, g: Any) -> Any:
        return super().backward(g / (self.count or 1) if self.reduction == "mean" else g)


class Difference(PairLoss):
    """A function of ``d = x - y``."""

    kernel = ""  # what torch calls its loop, for messages

    def distance(self, xp: Any, d: Array) -> Array:
        raise NotImplementedError

    def slope(self, d: Any) -> Any:
        raise NotImplementedError

    def value(self, xp: Any, x: Array, y: Array) -> Array:
        return self.distance(xp, x - y)

    def by_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * self.slope(x - y)

    def by_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * -self.slope(x - y)


def _same_size(input: Any, target: Any) -> None:
    """Warn of broadcasting, which is hardly ever meant, and refuse what does not even broadcast."""
    if shape_of(input) != shape_of(target):
        warnings.warn(
            f"Using a target size ({_size(target)}) that is different to the input size "
            f"({_size(input)}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        broadcast(shape_of(input), shape_of(target))


def _size(x: Any) -> str:
    return f"tinyconv.Size({list(shape_of(x))})"


def _difference(
    loss: type[Difference],
    settings: tuple[float, ...],
    input: Any,
    target: Any,
    reduction: str,
    weight: Any,
) -> Any:
    """Apply a loss of differences."""
    x, y = operands(input, target)
    floats(x, loss.kernel)
    if weight is None:
        return loss(reduction, *settings)(x, y)
    _same_weights(x, y, weight)
    total = None if loss is HuberLoss else sum(weight)  # torch divides that one by the count
    return reduced(mul(loss("none", *settings)(x, y), weight), reduction, total)


def _same_weights(x: Any, y: Any, weight: Any) -> None:
    if shape_of(weight) != broadcast(shape_of(x), shape_of(y)):
        raise ArgumentError(
            "Weights and input must have the same size.",
            f"They are {list(shape_of(weight))} and {list(shape_of(x))}.",
        )


# ── differences ───────────────────────────────────────────────────────────────────────────────


@op
class MseLoss(Difference):
    kernel = "mse_cpu"

    def distance(self, xp: Any, d: Array) -> Array:
        return d * d

    def slope(self, d: Any) -> Any:
        return 2 * d


def mse_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Squared difference.

    .. math:: l = (x - y)^2

    Args:
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        weight: factors of the losses; the mean is then the weighted one.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ShapeError: the shapes do not broadcast. UserWarning: they differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.nn.functional.mse_loss(x, tc.tensor([1., 0.])).backward()
    >>> x.grad
    tensor([0., 2.])
    """
    input, target = tensors("mse_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    _same_size(input, target)
    return _difference(MseLoss, (), input, target, how, weight)


def l1_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Absolute difference; arguments as :func:`mse_loss`.

    .. math:: l = |x - y|

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.nn.functional.l1_loss(x, tc.tensor([3., 0.])).backward()
    >>> x.grad
    tensor([-0.5000,  0.5000])
    """
    input, target = tensors("l1_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    _same_size(input, target)
    loss = abs(sub(input, target))
    if weight is None:
        return reduced(loss, how)
    _same_weights(input, target, weight)
    return reduced(mul(loss, weight), how, sum(weight))


@op
class SmoothL1Loss(Difference):
    kernel = "smooth_l1_cpu"
    beta: float

    def distance(self, xp: Any, d: Array) -> Array:
        a = xp.abs(d)
        return xp.where(a < self.beta, a * a * (0.5 / self.beta), a - 0.5 * self.beta)

    def slope(self, d: Any) -> Any:
        return select(abs(d) < self.beta, d / self.beta, sign(d))


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """Absolute difference, rounded off where it is below ``beta`` (arXiv 1504.08083).

    .. math:: l = d^2 / 2 \\beta \\text{ if } d < \\beta \\text{, else } d - \\beta / 2
              \\qquad d = |x - y|

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        RuntimeError: ``beta`` is negative. UserWarning: the shapes differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.nn.functional.smooth_l1_loss(x, tc.tensor([0.5, 0.])).backward()
    >>> x.grad
    tensor([0.2500, 0.5000])
    """
    input, target = tensors("smooth_l1_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=how)
    _same_size(input, target)
    return _difference(SmoothL1Loss, (float(beta),), input, target, how, None)


@op
class HuberLoss(Difference):
    kernel = "huber_cpu"
    delta: float

    def distance(self, xp: Any, d: Array) -> Array:
        a = xp.abs(d)
        return xp.where(a <= self.delta, a * a * 0.5, self.delta * (a - 0.5 * self.delta))

    def slope(self, d: Any) -> Any:
        return select(abs(d) <= self.delta, d, self.delta * sign(d))


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """Squared difference up to ``delta``, straight from there on; arguments as :func:`mse_loss`.

    The mean is not a weighted one: with ``weight``, too, it is the sum over the number of elements.

    .. math:: l = d^2 / 2 \\text{ if } d \\le \\delta \\text{, else } \\delta (d - \\delta / 2)
              \\qquad d = |x - y|

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        RuntimeError: ``delta`` is not positive. UserWarning: the shapes differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.nn.functional.huber_loss(x, tc.tensor([0.5, 0.])).backward()
    >>> x.grad
    tensor([0.2500, 0.5000])
    """
    input, target = tensors("huber_loss", input=input, target=target)
    how = reduction_of(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _same_size(input, target)
    return _difference(HuberLoss, (float(delta),), input, target, how, weight)


# ── probabilities ─────────────────────────────────────────────────────────────────────────────


@op
class BinaryCrossEntropy(PairLoss):
    """Logarithms are cut off at -100, so that a loss stays finite."""

    def value(self, xp: Any, x: Array, y: Array) -> Array:
        return (y - 1) * xp.maximum(xp.log1p(-x), -100) - y * xp.maximum(xp.log(x), -100)

    def by_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * ((x - y) / _at_least(x * (1 - x), 1e-12))

    def by_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * (_at_least(log1p(-x), -100) - _at_least(log(x), -100))


def _at_least(x: Any, low: float) -> Any:
    return select(x > low, x, low)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Cross entropy of probabilities of yes; better :func:`binary_cross_entropy_with_logits`.

    .. math:: l = -y \\ln x - (1 - y) \\ln(1 - x)

    Args:
        input, target: in [0, 1].
        weight: factors of the losses, broadcast; the mean still divides by their number.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ArgumentError: the shapes differ. DTypeError: the dtypes do.
        RuntimeError: a number outside [0, 1].

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.5, 0.8], requires_grad=True)
    >>> tc.nn.functional.binary_cross_entropy(x, tc.tensor([1., 0.])).backward()
    >>> x.grad
    tensor([-1.0000,  2.5000])
    """
    input, target = tensors("binary_cross_entropy", FLOAT32_OR_ERROR, input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    if shape_of(input) != shape_of(target):
        raise ArgumentError(
            f"Using a target size ({_size(target)}) that is different to the input size "
            f"({_size(input)}) is deprecated. Please ensure they have the same size.",
            "Write target.reshape(input.shape), or target.expand_as(input).",
        )
    if input.array.dtype != target.array.dtype:
        wanted, found = type_name(input.array), type_name(target.array)
        raise DTypeError(
            f"Found dtype {found} but expected {wanted}", f"Write target.{wanted.lower()}()."
        )
    for name, x in (("input", input.array), ("target", target.array)):
        demand((x >= 0) & (x <= 1), _no_probability, name)
    if weight is None:
        return BinaryCrossEntropy(how)(input, target)
    return reduced(mul(BinaryCrossEntropy("none")(input, target), weight), how)


@op
class BinaryCrossEntropyWithLogits(PairLoss):
    def value(self, xp: Any, x: Array, y: Array) -> Array:
        return (1 - y) * x - _logsigmoid(xp, x)

    def by_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * (sigmoid(x) - y)

    def by_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * -x


def _no_probability(_: int, name: str) -> Exception:
    return RuntimeError(
        f"all elements of {name} should be between 0 and 1\n"
        "They are probabilities: take the sigmoid, or binary_cross_entropy_with_logits()."
    )


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """:func:`binary_cross_entropy` of ``sigmoid(input)``, without overflow.

    .. math:: l = -p\\, y \\ln \\sigma(x) - (1 - y) \\ln(1 - \\sigma(x))

    Args:
        input: any numbers. target: probabilities of yes.
        weight: factors of the losses, broadcast. pos_weight: p, factors of yes, broadcast.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ArgumentError: the shapes differ. DTypeError: the target has integers.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0., 0.], requires_grad=True)
    >>> tc.nn.functional.binary_cross_entropy_with_logits(x, tc.tensor([1., 0.])).backward()
    >>> x.grad
    tensor([-0.2500,  0.2500])
    """
    input, target = tensors("binary_cross_entropy_with_logits", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    if shape_of(input) != shape_of(target):
        raise ArgumentError(
            f"Target size ({_size(target)}) must be the same as input size ({_size(input)})",
            "Write target.reshape(input.shape), or input.squeeze(1) for one output of a model.",
        )
    if target.array.dtype not in FLOATS:
        raise DTypeError(
            f"result type {type_name(input.array)} can't be cast to the desired output type "
            f"{type_name(target.array)}",
            "Write target.float().",
        )
    x, y = operands(input, target)
    if pos_weight is None:
        if weight is None:
            return BinaryCrossEntropyWithLogits(how)(x, y)
        loss = BinaryCrossEntropyWithLogits("none")(x, y)
    else:
        loss = (1 - y) * x - ((pos_weight - 1) * y + 1) * logsigmoid(x)
    total = reduced(loss if weight is None else mul(loss, weight), how)
    return named(total, "BinaryCrossEntropyWithLogitsBackward0")


def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """Kullback-Leibler divergence: what it costs to take ``exp(input)`` for ``target``.

    .. math:: l = y (\\ln y - x)

    Args:
        input: logarithms of probabilities.
        target: probabilities, or with ``log_target`` their logarithms.
        reduction: also ``'batchmean'``: the sum over the size of the first dimension.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    >>> import tinyconv as tc
    >>> y = tc.tensor([[0.5, 0.5]])
    >>> x = tc.tensor([[0.25, 0.75]]).log()
    >>> tc.nn.functional.kl_div(x, y, reduction="batchmean")
    tensor(0.1438)
    """
    input, target = tensors("kl_div", input=input, target=target)
    per_batch = reduction == "batchmean" and size_average is None and reduce is None
    how = "sum" if per_batch else reduction_of(reduction, size_average, reduce)
    if how == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support "
            "size.'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = target * (log(select(target == 0, target * 0 + 1, target)) - input)
    loss = reduced(loss, how)
    return loss / shape_of(input)[0] if per_batch and shape_of(input) else loss
