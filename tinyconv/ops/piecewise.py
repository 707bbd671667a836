"""Non-linear functions of straight pieces."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import LOWER, recast, will_cast
from ..autograd.function import op, type_name
from ..autograd.inplace import inplace as in_place
from ..backend import Array
from ..dtypes import finfo
from ..errors import ArgumentError, DTypeError, ShapeError
from ._common import dtype_of, fitting, select, shape_of
from ._rows import Unary, binary
from .activation import _result, _row, floats
from .elementwise import abs
from .views import reshape


def _ramp(xp: Any, x: Array) -> Array:
    return xp.clip(x + 3, 0, 6) / 6


hardsigmoid = _row(
    "hardsigmoid",
    _ramp,
    lambda g, x: select(abs(x) < 3, g / 6, 0),
    r"Logistic function in three straight pieces. | y = \min(\max(x + 3, 0), 6) / 6",
    kernel="hardsigmoid_cpu",
)
hardswish = _row(
    "hardswish",
    lambda xp, x: x * _ramp(xp, x),
    lambda g, x: select(abs(x) < 3, g * (x / 3 + 0.5), select(x > 0, g, 0)),
    r"Cheap :func:`silu` (arXiv 1905.02244). | y = x \min(\max(x + 3, 0), 6) / 6",
    kernel="hardswish_cpu",
)


@op
class LeakyRelu(Unary):
    keeps = ("x",)
    negative_slope: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where(x > 0, x, x * self.negative_slope)

    def derivative(self, g: Any, x: Any) -> Any:
        return select(x > 0, g, g * self.negative_slope)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Rectified linear unit that lets a little of the negative side through.

    .. math:: y = \\max(x, 0) + \\mathrm{negative\\_slope} \\min(x, 0)

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor([-1., 2.], requires_grad=True)
    >>> tc.nn.functional.leaky_relu(x, 0.1).sum().backward()
    >>> x.grad
    tensor([0.1000, 1.0000])
    """
    return _result(
        input, LeakyRelu(float(negative_slope))(floats(input, "leaky_relu_cpu")), inplace
    )


@op
class Hardtanh(Unary):
    keeps = ("x",)
    min_val: float
    max_val: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.clip(x, x.dtype.type(self.min_val), x.dtype.type(self.max_val))

    def derivative(self, g: Any, x: Any) -> Any:
        return select((x > self.min_val) & (x < self.max_val), g, 0)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Cut off below ``min_val`` and above ``max_val``.

    .. math:: y = \\min(\\max(x, \\mathrm{min\\_val}), \\mathrm{max\\_val})

    Shape:
        ``(*) -> (*)``

    Raises:
        ArgumentError: the limits are the wrong way round.

    >>> import tinyconv as tc
    >>> tc.nn.functional.hardtanh(tc.tensor([-2., 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ArgumentError(
            "min_val cannot be greater than max_val", f"They are {min_val} and {max_val}."
        )
    return _result(input, Hardtanh(float(min_val), float(max_val))(input), inplace)


def relu6(input: Any, inplace: bool = False) -> Any:
    """:func:`relu` cut off at 6.

    .. math:: y = \\min(\\max(x, 0), 6)

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.relu6(tc.tensor([-1., 2., 8.]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@op
class Softshrink(Unary):
    keeps = ("x",)
    lambd: float

    def value(self, xp: Any, x: Array) -> Array:
        return x - xp.clip(x, -self.lambd, self.lambd)

    def derivative(self, g: Any, x: Any) -> Any:
        return select(abs(x) > self.lambd, g, 0)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Move towards zero by ``lambd``, and stop there.

    .. math:: y = \\mathrm{sign}(x) \\max(|x| - \\lambda, 0)

    Shape:
        ``(*) -> (*)``

    Raises:
        RuntimeError: ``lambd`` is negative.

    >>> import tinyconv as tc
    >>> tc.nn.functional.softshrink(tc.tensor([-2., 0.3, 1.]))
    tensor([-1.5000,  0.0000,  0.5000])
    """
    x = floats(input, "softshrink_check")
    limit = finfo(dtype_of(x)).max
    if not 0 <= lambd <= limit:
        raise RuntimeError(
            f"lambda must be in range [0, {limit:.6g}] for input dtype {type_name(x.array)}, "
            f"but found {lambd:g}\nIt is a distance from zero: give its absolute value."
        )
    return Softshrink(float(lambd))(x)


@op
class Hardshrink(Unary):
    keeps = ("x",)
    lambd: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where((x >= -self.lambd) & (x <= self.lambd), x.dtype.type(0), x)

    def derivative(self, g: Any, x: Any) -> Any:
        return select(abs(x) > self.lambd, g, 0)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Zero what is within ``lambd`` of zero.

    .. math:: y = x \\text{ if } |x| > \\lambda \\text{, else } 0

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.hardshrink(tc.tensor([-2., 0.3, 1.]))
    tensor([-2.,  0.,  1.])
    """
    return Hardshrink(float(lambd))(floats(input, "hardshrink_cpu"))


@op
class Threshold(Unary):
    keeps = ("x",)
    threshold: float
    fill: float

    def value(self, xp: Any, x: Array) -> Array:
        return xp.where(x <= self.threshold, x.dtype.type(self.fill), x)

    def derivative(self, g: Any, x: Any) -> Any:
        return select(x <= self.threshold, 0, g)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Replace what is not above ``threshold`` by ``value``.

    .. math:: y = x \\text{ if } x > \\mathrm{threshold} \\text{, else value}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> tc.nn.functional.threshold(tc.tensor([0.1, 0.7]), 0.5, -1.0)
    tensor([-1.0000,  0.7000])
    """
    kind = dtype_of(input)
    if not kind.is_floating_point:  # the numbers become integers, too
        threshold, value = fitting(threshold, kind), fitting(value, kind)
    return _result(input, Threshold(threshold, value)(input), inplace)


_prelu = binary(
    "_prelu",
    lambda xp, x, y: xp.where(x > 0, x, y * x),
    lambda g, x, y: select(x > 0, g, g * y),
    lambda g, x: select(x > 0, 0, g * x),
    "",
    torch="PreluKernelBackward0",
)
_prelu.__doc__ = None


def prelu(input: Any, weight: Any) -> Any:
    """:func:`leaky_relu` with a learned slope, for all or for each channel (arXiv 1502.01852).

    .. math:: y = \\max(x, 0) + w \\min(x, 0)

    Shape:
        ``(n, c, *), (c) or (1) or () -> (n, c, *)``

    Raises:
        ShapeError: there are neither one nor ``c`` slopes. DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> w = tc.tensor([0.25], requires_grad=True)
    >>> tc.nn.functional.prelu(tc.tensor([-1., 2.]), w).sum().backward()
    >>> w.grad
    tensor([-1.])
    """
    shape, slopes = shape_of(input), shape_of(weight)
    if dtype_of(input) is not dtype_of(weight) and not will_cast(LOWER, input, weight):
        raise DTypeError(
            "prelu: Type promoting not supported. Got "
            f"{type_name(input.array)} and {type_name(weight.array)}",
            f"Write weight.to({dtype_of(input)}), or convert the input.",
        )
    if len(slopes) > 1:
        raise ShapeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {len(slopes)}",
            "Write weight.flatten().",
        )
    if slopes not in ((), (1,)):
        if not shape:
            raise ShapeError(
                "Not allow zero-dim input tensor.", "A number has no channels: give one slope."
            )
        channels = shape[1] if len(shape) > 1 else 1
        if slopes != (channels,):
            raise ShapeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{slopes[0]} and channel size = {channels}.",
                f"Dimension 1 of the input, of shape {list(shape)}, counts the channels.",
            )
    input, weight = recast(LOWER, input, weight)
    if slopes:
        weight = reshape(weight, (-1,) + (1,) * max(len(shape) - 2, 0) if shape else ())
    return _prelu(input, weight)


leaky_relu_, hardtanh_ = in_place(leaky_relu), in_place(hardtanh)
relu6_, threshold_ = in_place(relu6), in_place(threshold)
