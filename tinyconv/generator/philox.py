"""Random numbers that a GPU draws: its place in the stream lies in its own memory.

A captured graph therefore draws new numbers at each launch, and nobody waits. The numbers are not torch's, whose order
depends on how its kernels are cut; the same seed gives the same numbers, on any GPU.
"""

from __future__ import annotations

import math
import secrets
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..backend import Array, Backend, blocks
from ..shapes import Shape, broadcast
from .checks import (
    integers_of,
    need_bounds,
    need_chance,
    need_length,
    need_log_std,
    need_probabilities,
    need_probability,
    need_rate,
    need_std,
    need_stds,
    need_weights,
    need_width,
    range_of,
    seed_of,
)
from .rounding import F32, F64, DType

SOURCE = str(Path(__file__).with_suffix(".cu"))
BITS = 2**64


class Philox:
    """A stream of random numbers on one device: what `Generator` is on the CPU.

    Philox4x32-10 (Salmon et al., SC 2011) makes four words of a seed and a number: the number of such blocks drawn
    before is all there is to remember.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend, self._xp = backend, backend.xp
        self._state = self._xp.zeros(2, "int64")  # seed and blocks drawn; graphs know its address
        self._drawn = self._state[1:]
        self.seed()

    # ---- the state -------------------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Self:
        """Start the stream that belongs to ``seed``, an integer of at most 64 bits."""
        self._put([seed_of(seed), 0])
        return self

    def seed(self) -> int:
        """Start from a seed drawn from the operating system, and return it."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def initial_seed(self) -> int:
        """The seed from which the stream started."""
        return self._seed

    def get_state(self) -> Any:
        """The state as 16 bytes, seed and place in the stream, on the CPU."""
        return self._backend.to_numpy(self._state).view(np.uint8)

    def set_state(self, new_state: npt.NDArray[np.uint8]) -> None:
        """Continue from a state of :meth:`get_state`."""
        if not isinstance(new_state, np.ndarray) or new_state.dtype != np.uint8:
            got = getattr(new_state, "dtype", type(new_state).__name__)
            raise TypeError(
                f"RNG state must be an array of uint8, but got {got}\nPass what get_state() gave."
            )
        if new_state.size != 16:
            raise RuntimeError(
                f"RNG state is wrong size\nIt has {new_state.size} bytes, and that of a GPU 16: "
                "pass what get_state() gave."
            )
        self._put(new_state.reshape(16).copy().view(np.uint64).tolist())

    def _put(self, state: list[int]) -> None:
        self._seed = state[0]
        self._state.set(np.array(state, np.uint64).view(np.int64))

    # ---- what the kernels draw -------------------------------------------------------------------

    def _fill(
        self, name: str, shape: Shape, dtype: Any, per_block: int, *about: float, kind: DType = F32
    ) -> Array:
        out = self._xp.empty(shape, dtype)
        threads = -(-out.size // per_block)
        given = (out.reshape(-1), out.size, self._state, *about)
        self._backend.launch(SOURCE, name, kind, blocks(threads), given)  # type: ignore[misc]  # a GPU's
        self._drawn += threads
        return out

    def uniform(self, shape: Shape, dtype: DType, low: float = 0.0, high: float = 1.0) -> Array:
        """Draw from [low, high): ``rand`` and ``uniform_``."""
        need_bounds(dtype, low, high)
        per_block = 2 if dtype == F64 else 4
        return self._fill("fill_uniform", shape, dtype, per_block, low, high, kind=dtype)

    def normal(self, shape: Shape, dtype: DType, mean: float = 0.0, std: float = 1.0) -> Array:
        """Draw from the normal distribution: ``randn`` and ``normal_``."""
        need_std(std, dtype)
        per_block = 2 if dtype == F64 else 4
        return self._fill("fill_normal", shape, dtype, per_block, mean, std, kind=dtype)

    normal_one_by_one = normal  # here a number does not depend on its neighbours

    def bernoulli(self, p: float, shape: Shape) -> Array:
        """Draw ``True`` with probability ``p``: ``bernoulli_(p)``, the mask of ``dropout``."""
        need_probability(p)
        return self._fill("fill_true", shape, "bool", 4, float(p))

    def _words(self, shape: Shape) -> Array:
        return self._fill("fill_words", shape, "int64", 2)

    # ---- what is made of it ----------------------------------------------------------------------

    def integers(self, low: int, high: int | None, shape: Shape, dtype: DType) -> Array:
        """Draw from ``low, ..., high - 1``: ``randint`` and ``random_(from, to)``."""
        low, high = range_of(low, high, dtype)
        words = self._words(shape)
        if high - low < BITS:
            words = (words.view("uint64") % np.uint64(high - low)).view("int64") + low
        return words.astype(dtype, copy=False)

    def random(self, shape: Shape, dtype: DType) -> Array:
        """Draw any non-negative integer that ``dtype`` holds exactly: ``random_()``."""
        return self.integers(0, integers_of(dtype)[1] + 1, shape, dtype)

    def permutation(self, n: int) -> Array:
        """Shuffle ``0, ..., n - 1``: ``randperm``. It is the order of as many random words."""
        need_length(n)
        return self._xp.argsort(self._words((n,)))

    def normal_like(self, mean: Array | float, std: Array | float) -> Array:
        """Draw one number per element of ``mean`` and ``std``: ``torch.normal`` of tensors."""
        need_stds(std)
        given = std if isinstance(mean, float) else mean
        shape = broadcast(getattr(mean, "shape", ()), getattr(std, "shape", ()))
        out = self.normal(shape, given.dtype)  # type: ignore[union-attr]  # not both are numbers
        out *= std
        out += mean
        return out

    def bernoulli_like(self, p: Array) -> Array:
        """Draw ``True`` with the probability in each element of ``p``: ``torch.bernoulli``."""
        need_probabilities(p)
        return self.uniform(p.shape, F64 if p.dtype == F64 else F32) < p

    def exponential(self, shape: Shape, dtype: DType, lambd: float = 1.0) -> Array:
        """Draw from the density ``lambd * exp(-lambd * x)``: ``exponential_``."""
        need_rate(lambd, dtype)
        u = self.uniform(shape, F64 if dtype == F64 else F32)
        return (-1.0 / lambd * self._xp.log1p(-u)).astype(dtype, copy=False)

    def log_normal(self, shape: Shape, dtype: DType, mean: float = 1.0, std: float = 2.0) -> Array:
        """Draw ``exp(x)`` for normal ``x``: ``log_normal_``."""
        need_log_std(std, dtype)
        x = self.normal(shape, F64 if dtype == F64 else F32, mean, std)
        return self._xp.exp(x).astype(dtype, copy=False)

    def cauchy(self, shape: Shape, dtype: DType, median: float = 0.0, sigma: float = 1.0) -> Array:
        """Draw from the Cauchy distribution of half-width ``sigma``: ``cauchy_``."""
        need_width(sigma, dtype)
        u = self.uniform(shape, F64 if dtype == F64 else F32)
        x = self._xp.tan(math.pi * (u - 0.5)) * sigma + median
        return x.astype(dtype, copy=False)

    def geometric(self, shape: Shape, dtype: DType, p: float) -> Array:
        """Draw how many trials of probability ``p`` the first success takes: ``geometric_``."""
        need_chance(p)
        u = self.uniform(shape, F64 if dtype == F64 else F32)
        trials = self._xp.maximum(self._xp.ceil(self._xp.log1p(-u) / math.log1p(-p)), 1)
        return trials.astype(dtype, copy=False)

    def multinomial(self, weights: Array, num_samples: int, replacement: bool = False) -> Array:
        """Draw indices with probabilities in proportion to ``weights``: ``torch.multinomial``.

        The largest of ``weights / q`` for exponential ``q`` (Efraimidis & Spirakis, Information Processing Letters 97,
        2006), with replacement each time anew.

        weights (k) -> (num_samples), or (m, k) -> (m, num_samples)
        """
        need_weights(weights, num_samples, replacement)
        if not replacement:
            keys = self._keys(weights, weights.shape)
            return self._xp.ascontiguousarray(self._xp.argsort(-keys)[..., :num_samples])
        weights = self._xp.expand_dims(weights, -2)
        shape = (*weights.shape[:-2], num_samples, weights.shape[-1])
        return self._keys(weights, shape).argmax(-1)

    def _keys(self, weights: Array, shape: Shape) -> Array:
        return weights / self.exponential(shape, F32)


# ---- one for each device -------------------------------------------------------------------------

_defaults: dict[tuple[int, int], Philox] = {}  # by backend and device
_seed: list[int] = []  # the last one that somebody has set, for devices yet to come


def default(backend: Backend) -> Philox:
    """The stream of the current device, for those who name none."""
    place = id(backend), backend.xp.cuda.Device().id
    if place not in _defaults:
        stream = _defaults[place] = Philox(backend)
        for seed in _seed:
            stream.manual_seed(seed)
    return _defaults[place]


def manual_seed_all(seed: int) -> None:
    """Start the streams of all devices at ``seed``, also of those that nobody has used so far."""
    _seed[:] = [seed_of(seed)]
    for stream in _defaults.values():
        stream.manual_seed(seed)
