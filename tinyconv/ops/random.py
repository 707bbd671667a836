"""Fill a tensor with random numbers, in torch's order for torch's seed."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array, backend_of
from ..generator import current
from ._common import zeros_like


@op
class Fill(Function):
    """Fresh numbers in the place of old ones, whose gradient is zero."""

    values: Any

    def forward(self, x: Array) -> Array:
        return self.values

    def backward(self, g: Any) -> Any:
        return (zeros_like(g),)


def _filled(x: Any, values: Array, name: str) -> Any:
    node = Fill(backend_of(x.array).from_numpy(values))
    node.name = f"{name}Backward0"
    return node(x)


_fill_ = inplace(_filled)


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
    values = (generator or current()).uniform(a.shape, a.dtype, float(low), float(high))
    return _fill_(input, values, "Uniform")


def normal_(input: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with normal numbers of this mean and standard deviation.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(2).normal_(10, 0.1)
    tensor([10.1541,  9.9707])
    """
    a = input.array
    values = (generator or current()).normal(a.shape, a.dtype, float(mean), float(std))
    return _fill_(input, values, "Normal")


def bernoulli_(input: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with ones, with probability ``p`` (a number or a tensor), and zeros.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.zeros(3).bernoulli_(0.5)
    tensor([0., 0., 1.])
    """
    source, a = generator or current(), input.array
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
    source, a = generator or current(), input.array
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
    values = (generator or current()).exponential(a.shape, a.dtype, float(lambd))
    return _fill_(input, values, "Exponential")
