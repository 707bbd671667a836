"""The rectified linear unit whose negative side has a slope drawn anew for each number."""

from __future__ import annotations

from typing import Any

from ..autograd.function import widened
from ..autograd.inplace import inplace as in_place
from ..backend import XP, Array, backend_of
from ..errors import ShapeError
from ..generator import stream_on
from ._common import as_given, not_implemented
from .activation import _result, floats
from .elementwise import mul
from .piecewise import leaky_relu
from .views import named


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """:func:`leaky_relu` with a random slope for each number in training, and their mean otherwise.

    .. math:: y = \\max(x, 0) + a \\min(x, 0) \\qquad a \\sim U(\\mathrm{lower}, \\mathrm{upper})

    Args:
        lower, upper: between what the slopes lie. training: whether they are drawn.

    Shape:
        ``(*) -> (*)``

    Raises:
        ShapeError: ``lower`` exceeds ``upper``.

    Source: Xu et al., arXiv 1505.00853.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> x = tc.tensor([-1., -1., 2.], requires_grad=True)
    >>> tc.nn.functional.rrelu(x, training=True).sum().backward()
    >>> x.grad
    tensor([0.3271, 0.2725, 1.0000])
    """
    return drawn_slopes(input, lower, upper, training, inplace)


def drawn_slopes(
    input: Any,
    lower: float,
    upper: float,
    training: bool,
    inplace: bool = False,
    generator: Any = None,
) -> Any:
    """:func:`rrelu` with a generator, which torch takes outside of ``nn.functional`` alone."""
    if lower > upper:
        raise ShapeError(
            "Lower bound should be less than or equal to the upper bound",
            f"They are {lower} and {upper}.",
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    a = floats(input, "rrelu_with_noise_out_cpu").array
    if a.dtype == "float16":
        raise not_implemented("rrelu_with_noise_out_cpu", a, "Write input.float() first.")
    x = widened(input)
    slopes = x.wrap(_slopes(x.array, lower, upper, generator))
    y = named(mul(x, slopes), "RreluWithNoiseBackward0")
    return _result(input, as_given(y, input), inplace)


def _slopes(a: Array, lower: float, upper: float, generator: Any) -> Array:
    """1 for positive numbers, a random one for each of the others, in their order."""
    xp, backend = XP[type(a)], backend_of(a)
    source = stream_on(backend, generator)
    kind = a.dtype
    low, high = float(kind.type(lower)), float(kind.type(upper))
    negative = a <= 0
    if backend.name != "cpu":  # how many there are is known to the device alone
        return xp.where(negative, source.uniform(a.shape, kind, low, high), kind.type(1))
    slopes = xp.ones(a.shape, kind)
    unit = source.uniform((int(negative.sum()),), xp.dtype("float64"))
    slopes[negative] = unit * (high - low) + low  # rounded twice, unlike those of uniform_()
    return slopes


rrelu_ = in_place(rrelu)
