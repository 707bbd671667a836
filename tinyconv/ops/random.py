"""Random numbers in the place of others, or drawn by them, in torch's order for torch's seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array, backend_of
from ..dtypes import FLOATS
from ..generator import stream_on
from ..shapes import Shape
from ._common import cast, kind_of, not_implemented, shape_of, unbroadcast, zeros_like


@op
class Fill(Function):
    """Fresh numbers in the place of old ones, or drawn by them, whose gradient is zero."""

    values: Any

    def forward(self, *xs: Any) -> Array:
        self.sources = [(shape_of(x), kind_of(x)) for x in xs]
        return self.values

    def backward(self, g: Any) -> Any:
        zeros = zeros_like(g)
        return [cast(unbroadcast(zeros, shape), kind) for shape, kind in self.sources]


def _filled(x: Any, values: Array, name: str) -> Any:
    return _drawn(f"{name}Backward0", values, x)


def _drawn(label: str, values: Array, *xs: Any) -> Any:
    node = Fill(values)
    node.label = label
    return node(*xs)


_fill_ = inplace(_filled)


def _source(a: Array, generator: Any) -> Any:
    return stream_on(backend_of(a), generator)


def as_it_lies(a: Array, draw: Callable[[Shape], Array]) -> Array:
    """What ``draw`` gives for the shape of ``a``: torch draws in the order of memory, largest stride first."""
    if a.flags.c_contiguous:
        return draw(a.shape)
    order = sorted(range(a.ndim), key=lambda d: -a.strides[d])
    drawn = draw(tuple(a.shape[d] for d in order))
    return drawn.transpose(sorted(range(a.ndim), key=order.__getitem__))


def _bounds(low: Any, high: Any, names: dict[str, Any]) -> tuple[Any, Any]:
    """``from`` is a word of Python's, so torch's name of the lower bound comes in ``names``."""
    low = names.pop("from", low)
    if names:
        raise TypeError(f"unexpected keyword argument {next(iter(names))!r}")
    return low, high


def uniform_(
    input: Any, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **names: float
) -> Any:
    """Fill with numbers between ``from`` and ``to``, all equally likely.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).uniform_(-1, 1)
    tensor([-0.0075,  0.5364])
    """
    low, high = _bounds(from_, to, names)
    a = input.array
    source = _source(a, generator)
    values = as_it_lies(a, lambda shape: source.uniform(shape, a.dtype, float(low), float(high)))
    return _fill_(input, values, "Uniform")


def normal_(input: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with normal numbers of this mean and standard deviation.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).normal_(10, 0.1)
    tensor([10.1541,  9.9707])
    """
    a = input.array
    source, settings = _source(a, generator), (a.dtype, float(mean), float(std))
    if a.flags.c_contiguous:
        values = source.normal(a.shape, *settings)
    else:
        values = as_it_lies(a, lambda shape: source.normal_one_by_one(shape, *settings))
    return _fill_(input, values, "Normal")


def bernoulli_(input: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with ones, with probability ``p`` (a number or a tensor), and zeros.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(3).bernoulli_(0.5)
    tensor([0., 0., 1.])
    """
    a = input.array
    source = _source(a, generator)
    if isinstance(p, Variable):
        ones = source.bernoulli_like(p.array)
    else:
        ones = as_it_lies(a, lambda shape: source.bernoulli(p, shape))
    return _fill_(input, ones.astype(a.dtype), "Bernoulli")


def random_(
    input: Any,
    from_: int | None = None,
    to: int | None = None,
    *,
    generator: Any = None,
    **names: Any,
) -> Any:
    """Fill with integers from ``from`` to ``to - 1``; alone, over the range the dtype holds exactly.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(3).random_(0, 10)
    tensor([4., 9., 3.])
    """
    low, high = _bounds(from_, to, names)
    a = input.array
    source = _source(a, generator)
    if low is None and high is None:
        values = as_it_lies(a, lambda shape: source.random(shape, a.dtype))
    else:
        if high is None:
            low, high = 0, low
        values = as_it_lies(a, lambda shape: source.integers(low, high, shape, a.dtype))
    return _fill_(input, values, "Random")


def exponential_(input: Any, lambd: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with exponential numbers of rate ``lambd``.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).exponential_()
    tensor([3.5083, 1.2304])
    """
    return _distributed(input, generator, "exponential", "Exponential", float(lambd))


def log_normal_(input: Any, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Any:
    """Fill with numbers whose logarithms are normal, of this mean and standard deviation.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).log_normal_(0, 0.1)
    tensor([1.1666, 0.9711])
    """
    return _distributed(input, generator, "log_normal", "LogNormal", float(mean), float(std))


def cauchy_(input: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with numbers of the Cauchy distribution of this median and half-width.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).cauchy_()
    tensor([10.5977,  0.7648])
    """
    return _distributed(input, generator, "cauchy", "Cauchy", float(median), float(sigma))


def geometric_(input: Any, p: float, *, generator: Any = None) -> Any:
    """Fill with how many trials of probability ``p`` the first success takes.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(3).geometric_(0.5)
    tensor([1., 1., 2.])
    """
    return _distributed(input, generator, "geometric", "Geometric", float(p))


def _distributed(x: Any, generator: Any, name: str, node: str, *settings: float) -> Any:
    """Fill with what the generator's method of this name draws."""
    draw = getattr(_source(x.array, generator), name)
    kind = x.array.dtype
    return _fill_(x, as_it_lies(x.array, lambda shape: draw(shape, kind, *settings)), node)


# ── drawn by the numbers of a tensor ──────────────────────────────────────────────────────────


def bernoulli(input: Any, p: float | None = None, *, generator: Any = None) -> Any:
    """Ones with the probabilities in ``input`` (or ``p`` everywhere), and zeros.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.bernoulli(tc.tensor([0.2, 0.9]))
    tensor([0., 1.])
    """
    a = input.array
    source = _source(a, generator)
    if p is not None:
        ones = source.bernoulli(p, a.shape)
    elif a.dtype not in FLOATS:
        raise not_implemented("bernoulli_tensor_cpu_p_", a, "Probabilities are floats.")
    else:
        ones = source.bernoulli_like(a)
    return _drawn("BernoulliBackward0", ones.astype(a.dtype), input)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Any:
    """Indices drawn with the weights in each row of ``input``.

    Shape:
        ``(k) -> (num_samples)`` or ``(m, k) -> (m, num_samples)``

    >>> import tinyconv as tc
    >>> tc.multinomial(tc.tensor([0., 1., 0.]), 1)
    tensor([1])
    """
    a = input.array
    return input.wrap(_source(a, generator).multinomial(a, num_samples, replacement))


def normal_like(mean: Any, std: Any, generator: Any = None) -> Any:
    """Normal numbers of this mean and standard deviation, at least one of them a tensor."""
    label = 1 + 2 * isinstance(mean, Variable) * isinstance(std, Variable)
    label += not isinstance(mean, Variable)
    given: list[Any] = [v.array if isinstance(v, Variable) else float(v) for v in (mean, std)]
    like = given[isinstance(given[0], float)]
    if like.dtype not in FLOATS:
        raise not_implemented("normal_kernel_cpu", like, "Write mean.float() first.")
    values = _source(like, generator).normal_like(*given)
    return _drawn(f"NormalBackward{label}", values, mean, std)
