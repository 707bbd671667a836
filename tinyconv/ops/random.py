"""Random numbers in the place of others, or drawn by them, in torch's order for torch's seed."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array, backend_of
from ..dtypes import FLOATS
from ..generator import stream_on
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
    values = _source(a, generator).uniform(a.shape, a.dtype, float(low), float(high))
    return _fill_(input, values, "Uniform")


def normal_(input: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with normal numbers of this mean and standard deviation.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).normal_(10, 0.1)
    tensor([10.1541,  9.9707])
    """
    a = input.array
    values = _source(a, generator).normal(a.shape, a.dtype, float(mean), float(std))
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
    ones = (
        source.bernoulli_like(p.array) if isinstance(p, Variable) else source.bernoulli(p, a.shape)
    )
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
        values = source.random(a.shape, a.dtype)
    else:
        if high is None:
            low, high = 0, low
        values = source.integers(low, high, a.shape, a.dtype)
    return _fill_(input, values, "Random")


def exponential_(input: Any, lambd: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with exponential numbers of rate ``lambd``.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).exponential_()
    tensor([3.5083, 1.2304])
    """
    a = input.array
    values = _source(a, generator).exponential(a.shape, a.dtype, float(lambd))
    return _fill_(input, values, "Exponential")


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
