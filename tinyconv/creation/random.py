"""Tensors of random numbers: the same seed gives torch's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import generator as streams
from ..backend import Array, get_backend
from ..dtypes import device as Device
from ..dtypes import int64, to_device, to_dtype
from ..ops.random import bernoulli, multinomial, normal_like
from ..shapes import is_int
from ..tensor import Tensor
from .finish import kind_of, made, size_of
from .values import like

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

# ── streams ───────────────────────────────────────────────────────────────────────────────────


class _States:
    """States as tensors."""

    def get_state(self) -> Any:
        """The state, as a uint8 Tensor."""
        return Tensor.wrap(super().get_state())  # type: ignore[misc]  # of the class beside this one

    def set_state(self, new_state: Any) -> None:
        """Go back to a state."""
        super().set_state(new_state.array if isinstance(new_state, Tensor) else new_state)  # type: ignore[misc]  # likewise


class Generator(_States, streams.Generator):
    """A stream of random numbers: torch's on the CPU, the device's own on a GPU.

    >>> import tinyconv as tc
    >>> tc.rand(2, generator=tc.Generator().manual_seed(0))
    tensor([0.4963, 0.7682])
    """

    def __new__(cls, device: Any = "cpu") -> Any:
        return super().__new__(cls) if Device(device).type == "cpu" else _OnDevice(device)

    def __init__(self, device: Any = "cpu") -> None:
        super().__init__()
        self.device = Device(device)


class _OnDevice(_States, streams.Philox):
    def __init__(self, device: Any) -> None:
        super().__init__(get_backend(Device(device).type))
        self.device = Device(device)


default_generator = Generator()
streams.replace_default(default_generator)


def manual_seed(seed: int) -> Any:
    """Start the default stream of random numbers at ``seed``, and return it.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.rand(2)
    tensor([0.4963, 0.7682])
    """
    return streams.manual_seed(int(seed))


def seed() -> int:
    """Start the default stream at a seed from the system's entropy, and return it."""
    return streams.current().seed()


def initial_seed() -> int:
    """The seed at which the default stream was started."""
    return streams.current().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default stream, as a uint8 Tensor."""
    state = streams.current().get_state()
    return state if isinstance(state, Tensor) else Tensor.wrap(state)


def set_rng_state(new_state: Tensor) -> None:
    """Put the default stream back to a state."""
    streams.current().set_state(new_state.array)


def _drawn(
    draw: Callable[[Any], Array], generator: Any, device: Any, requires_grad: bool
) -> Tensor:
    """Box what ``draw(stream)`` returns, of the stream given or that of the device."""
    backend = get_backend(to_device(device).type)
    return made(lambda _: draw(streams.stream_on(backend, generator)), device, requires_grad)


# ── numbers ───────────────────────────────────────────────────────────────────────────────────


def rand(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **names: Any,
) -> Tensor:
    """Numbers from 0 to 1, all equally likely.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.rand(2)
    tensor([0.4963, 0.7682])
    """
    shape = size_of("rand", size, names)
    kind = kind_of(dtype)
    return _drawn(lambda s: s.uniform(shape, kind), generator, device, requires_grad)


def randn(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **names: Any,
) -> Tensor:
    """Normal numbers of mean 0 and variance 1.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    shape = size_of("randn", size, names)
    kind = kind_of(dtype)
    return _drawn(lambda s: s.normal(shape, kind), generator, device, requires_grad)


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0) to ``high - 1``, as int64 unless given.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.randint(10, (3,))
    tensor([4, 9, 3])
    """
    if size is None and high is not None and not is_int(high):
        low, high, size = 0, low, high  # randint(high, size)
    elif high is None:
        low, high = 0, low  # randint(high, size=size)
    if size is None:
        raise TypeError(
            "randint() received an invalid combination of arguments - got no size\n"
            "Write randint(high, size) or randint(low, high, size)."
        )
    kind = to_dtype(int64 if dtype is None else dtype).numpy
    shape = size_of("randint", (size,), {})
    return _drawn(lambda s: s.integers(low, high, shape, kind), generator, device, requires_grad)


def randperm(
    n: int,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order, as int64 unless given.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.randperm(4)
    tensor([0, 1, 3, 2])
    """
    kind = to_dtype(int64 if dtype is None else dtype).numpy
    return _drawn(
        lambda s: s.permutation(n).astype(kind, copy=False), generator, device, requires_grad
    )


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers of this mean and standard deviation: numbers with a ``size``, or tensors.

    >>> import tinyconv as tc
    >>> g = tc.manual_seed(0)
    >>> tc.normal(10., 0.1, size=(2,))
    tensor([10.1541,  9.9707])
    """
    if size is not None:
        shape, kind = size_of("normal", (size,), {}), kind_of(dtype)
        return _drawn(
            lambda s: s.normal(shape, kind, float(mean), float(std)),
            generator,
            device,
            requires_grad,
        )
    if not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        raise TypeError(
            "normal() received an invalid combination of arguments - got two numbers and no size\n"
            "Write normal(mean, std, size=(...))."
        )
    return normal_like(mean, std, generator)


# ── like another ──────────────────────────────────────────────────────────────────────────────


def rand_like(
    input: Tensor,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`rand` with shape, dtype and device of another tensor."""
    return like(rand, input, dtype, device, requires_grad, generator=generator)


def randn_like(
    input: Tensor,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`randn` with shape, dtype and device of another tensor."""
    return like(randn, input, dtype, device, requires_grad, generator=generator)


def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`randint` with shape, dtype and device of another tensor."""
    if high is None:
        low, high = 0, low

    def draw(size: Any, **names: Any) -> Tensor:
        return randint(low, high, size, **names)

    draw.__name__ = "randint"
    return like(draw, input, dtype, device, requires_grad, generator=generator)
