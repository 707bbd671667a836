"""Normalisation that subtracts no mean: by the root mean square, and by what neighbouring channels respond."""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import widened
from ..dtypes import FLOATS, finfo
from ..errors import ArgumentError, ShapeError
from ._common import as_given, cast, dtype_of, ndim_of, not_implemented, shape_of
from .elementwise import mul, rsqrt, true_divide
from .pad import pad
from .pool import avg_pool2d
from .power import pow
from .reduce import mean
from .views import reshape


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Divide each element of the batch by its root mean square over the last dimensions, then scale.

    .. math:: y = \\frac{x}{\\sqrt{\\mathrm{E}[x^2] + \\epsilon}} \\gamma

    Args:
        normalized_shape: the last dimensions. weight: gamma, of that shape.
        eps: unless given, the distance from 1 to the next number of the type.

    Shape:
        ``(n, *) -> (n, *)``

    Raises:
        ShapeError: the last dimensions are others, or the weight's.

    Source: Zhang & Sennrich, arXiv 1910.07467.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 7.]], requires_grad=True)
    >>> y = tc.nn.functional.rms_norm(x, (2,))
    >>> y
    tensor([[0.2000, 1.4000]], grad_fn=<MulBackward0>)
    >>> y[0, 0].backward()
    >>> x.grad
    tensor([[ 0.1960, -0.0280]])
    """
    given = normalized_shape
    tail = tuple(given) if isinstance(given, (tuple, list)) else (int(given),)
    if not tail:
        raise ShapeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    if weight is not None and shape_of(weight) != tail:
        raise ShapeError(
            "Expected weight to be of same shape as normalized_shape, but got weight of shape "
            f"{list(shape_of(weight))} and normalized_shape = {list(tail)}"
        )
    shape = shape_of(input)
    if shape[len(shape) - len(tail) :] != tail:
        raise ShapeError(
            f"Given normalized_shape={list(tail)}, expected input with shape "
            f"[*{str(list(tail))[1:-1]}], but got input of size{list(shape)}",
            f"Make the layer RMSNorm({list(shape[len(shape) - len(tail) :])}).",
        )
    if input.array.dtype not in FLOATS:
        raise not_implemented("rms_norm", input.array, "Write input.float() first.")
    (given,) = recast(FLOAT32_ON_CUDA, input)
    x = widened(given)
    least = finfo(dtype_of(x)).eps if eps is None else eps
    y = mul(x, rsqrt(mean(mul(x, x), tuple(range(-len(tail), 0)), True) + least))
    return as_given(y if weight is None else mul(y, weight), given)


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """Divide each channel by the responses of ``size`` channels around it.

    .. math:: y_c = x_c \\left(k + \\frac{\\alpha}{s} \\sum_{|d| \\le s/2} x_{c+d}^2\\right)^{-\\beta}

    Args:
        size: s, how many channels count.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ArgumentError: there are less than three dimensions.

    Source: Krizhevsky, Sutskever & Hinton, NIPS 2012, section 3.3.

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 3, 1, requires_grad=True)
    >>> y = tc.nn.functional.local_response_norm(x, 3, alpha=3., beta=1.)
    >>> y.flatten()
    tensor([0.3333, 0.2500, 0.3333], grad_fn=<ViewBackward0>)
    """
    if ndim_of(input) < 3:
        raise ArgumentError(
            "Expected 3D or higher dimensionality                          input "
            f"(got {ndim_of(input)} dimensions)",
            "The dimensions are batch, channels and pixels.",
        )
    if not input.array.size:
        return input
    n, c, *_ = shape = shape_of(input)
    x = widened(input)
    squares = mul(x, x)
    kind = squares.array.dtype
    if kind not in FLOATS:  # the mean of integers is an integer
        squares = cast(squares, "float64")
    columns = pad(reshape(squares, n, 1, c, -1), (0, 0, size // 2, (size - 1) // 2))
    around = reshape(avg_pool2d(columns, (size, 1), 1), shape)
    if kind not in FLOATS:
        around = cast(around, kind)
    y = true_divide(x, pow(around * alpha + k, beta))
    return as_given(y, input) if kind in FLOATS else y
