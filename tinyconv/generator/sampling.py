"""The distributions: each takes words from the stream as torch does, and rounds as torch does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..dtypes import FLOATS, HALVES
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
)
from .rounding import (
    F32,
    F64,
    Array,
    DType,
    Floats,
    fma,
    libm,
    normal_blocks,
    round_to,
)
from .stream import Stream

__all__ = ["Generator"]

I64 = np.dtype("int64")
BLOCK = 16  # normal numbers made together; fewer than this are made one by one
WIDE_RANGE = 1 << 28  # a modulus from here on takes 64-bit words, or the remainder would be skewed
WIDE_PERMUTATION = (2**32 - 1) // 20  # the same for permutations


class Generator(Stream):
    """A stream of random numbers that can be seeded, saved and restored.

    Every method that draws returns a fresh C-contiguous array. ``shape`` is a tuple of ints,
    ``dtype`` a NumPy dtype.

    >>> g = Generator().manual_seed(0)
    >>> g.uniform((3,), np.dtype("float32"))  # torch.manual_seed(0); torch.rand(3)
    array([0.4962566 , 0.7682218 , 0.08847743], dtype=float32)
    >>> g.permutation(5).tolist()
    [0, 4, 2, 1, 3]
    """

    # ---- uniform ---------------------------------------------------------------------------------

    def uniform(self, shape: Shape, dtype: DType, low: float = 0.0, high: float = 1.0) -> Floats:
        """Draw from [low, high): ``rand`` and ``uniform_``.

        ``u * (high - low) + low`` with one rounding; what rounds up to ``high`` becomes ``low``.
        """
        need_bounds(dtype, low, high)
        work = F64 if dtype == F64 else F32
        a, b = work.type(low), work.type(high)
        out = round_to(fma(self._unit(math.prod(shape), work), b - a, a), dtype)
        out[out == round_to(np.array(high), dtype)] = round_to(np.array(low), dtype)
        return out.reshape(shape)

    def integers(self, low: int, high: int | None, shape: Shape, dtype: DType) -> Array:
        """Draw from ``low, ..., high - 1``: ``randint`` and ``random_(from, to)``.

        ``high=None`` stands for the largest number of ``dtype``, itself included.
        """
        low, high = range_of(low, high, dtype)
        n, span = math.prod(shape), high - low
        words = _modulo(self._random64(n) if span >= WIDE_RANGE else self.random32(n), span)
        base = low % 2**64 if span < 2**64 else 0  # with all 64 bits, words are the numbers
        out = words.astype(np.uint64) + np.uint64(base)  # wraps around below zero
        return out.view(I64).astype(dtype).reshape(shape)

    def random(self, shape: Shape, dtype: DType) -> Array:
        """Draw any non-negative integer that ``dtype`` holds exactly: ``random_()``."""
        n = math.prod(shape)
        words = self._random64(n) if dtype in (I64, F64) else self.random32(n)
        return _modulo(words, integers_of(dtype)[1] + 1).astype(dtype).reshape(shape)

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """Shuffle ``0, ..., n - 1``: ``randperm``.

        Fisher-Yates shuffle (Durstenfeld, CACM 7, 1964): element ``i`` changes places with one
        of those not yet placed; for huge ``n`` inside out, with one of those before it.
        """
        need_length(n)
        place = np.arange(n)
        if n < WIDE_PERMUTATION:
            partner = place[:-1] + self.random32(max(n - 1, 0)) % np.arange(n, 1, -1)
        else:
            partner = (self._random64(n) % (place + 1).view(np.uint64)).view(I64)
        order = place.tolist()  # lists swap faster than arrays
        for i, j in enumerate(partner.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, I64)

    # ---- normal ----------------------------------------------------------------------------------

    def normal(self, shape: Shape, dtype: DType, mean: float = 0.0, std: float = 1.0) -> Floats:
        """Draw from the normal distribution: ``randn`` and ``normal_``.

        ``sqrt(-2 log u) * (cos 2 pi v, sin 2 pi v)`` for uniform ``u`` and ``v`` (Box & Muller,
        Annals of Mathematical Statistics 29, 1958).
        """
        n = math.prod(shape)
        if n < BLOCK:
            return self.normal_one_by_one(shape, dtype, mean, std)
        need_std(std, dtype)
        work = F64 if dtype == F64 else F32
        out = np.empty(n, dtype)
        whole = n - n % BLOCK
        # For halves torch draws block by block; otherwise all numbers first, also those of an
        # incomplete last block. Either way 16 new ones then overwrite the last 16.
        unit = self._unit(whole if dtype in HALVES else n, work)[:whole]
        out[:whole] = normal_blocks(unit, mean, std)
        if n > whole:
            out[-BLOCK:] = normal_blocks(self._unit(BLOCK, work), mean, std)
        return out.reshape(shape)

    def normal_one_by_one(
        self, shape: Shape, dtype: DType, mean: float = 0.0, std: float = 1.0
    ) -> Floats:
        """The same not in blocks: as torch fills memory that does not lie in one piece."""
        need_std(std, dtype)
        return round_to(fma(self._normals(math.prod(shape)), std, mean), dtype).reshape(shape)

    def normal_like(self, mean: Array | float, std: Array | float) -> Floats:
        """Draw one number per element of ``mean`` and ``std``: ``torch.normal`` of tensors.

        mean (*), std (*), at least one of them an array -> their common shape, the dtype of
        ``mean``, or of ``std`` if ``mean`` is a number.
        """
        need_stds(std)
        shape = broadcast(np.shape(mean), np.shape(std))
        dtype = (mean if isinstance(mean, np.ndarray) else np.asarray(std)).dtype
        if isinstance(std, np.ndarray):
            out = self.normal(shape, dtype)
            out *= std
        else:
            out = self.normal(shape, dtype, 0.0, std)
        out += mean
        return out

    def _normals(self, n: int) -> npt.NDArray[np.float64]:
        """``n`` standard normal float64 one by one, the first of them from the last call's pair."""
        kept = [] if self._normal is None or n == 0 else [self._normal]
        pairs = (n - len(kept) + 1) // 2
        angle, radius = self._unit(2 * pairs, F64).reshape(pairs, 2).T
        r = np.sqrt(-2 * libm(math.log1p, -radius))
        theta = 2 * math.pi * angle
        new = np.stack([r * libm(math.cos, theta), r * libm(math.sin, theta)], 1).ravel()
        out = np.concatenate([kept, new])
        if n:
            self._normal = float(out[n]) if len(out) > n else None
        return out[:n]

    def log_normal(self, shape: Shape, dtype: DType, mean: float = 1.0, std: float = 2.0) -> Floats:
        """Draw ``exp(x)`` for normal ``x``: ``log_normal_``."""
        need_log_std(std, dtype)
        x = fma(self._normals(math.prod(shape)), std, mean)
        with np.errstate(over="ignore"):  # infinity is the right answer
            out = np.where(x < 709, libm(math.exp, np.minimum(x, 709)), np.exp(x))
        return round_to(out, dtype).reshape(shape)

    # ---- other distributions ---------------------------------------------------------------------

    def bernoulli(self, p: float, shape: Shape) -> npt.NDArray[np.bool_]:
        """Draw ``True`` with probability ``p``: ``bernoulli_(p)``, the mask of ``dropout``.

        On Intel processors torch may take these numbers from the vendor's library instead.
        """
        need_probability(p)
        return (self._unit(math.prod(shape), F64) < p).reshape(shape)

    def bernoulli_like(self, p: Floats) -> npt.NDArray[np.bool_]:
        """Draw ``True`` with the probability in each element of ``p``: ``torch.bernoulli``."""
        need_probabilities(p)
        return self._unit(p.size, p.dtype).reshape(p.shape) < p

    def exponential(self, shape: Shape, dtype: DType, lambd: float = 1.0) -> Floats:
        """Draw from the density ``lambd * exp(-lambd * x)``: ``exponential_``."""
        need_rate(lambd, dtype)
        u = self._unit(math.prod(shape), F64)
        return round_to(-1.0 / lambd * libm(math.log1p, -u), dtype).reshape(shape)

    def cauchy(self, shape: Shape, dtype: DType, median: float = 0.0, sigma: float = 1.0) -> Floats:
        """Draw from the Cauchy distribution of half-width ``sigma``: ``cauchy_``."""
        need_width(sigma, dtype)
        x = libm(math.tan, math.pi * (self._unit(math.prod(shape), F64) - 0.5))
        return round_to(fma(x, sigma, median), dtype).reshape(shape)

    def geometric(self, shape: Shape, dtype: DType, p: float) -> Array:
        """Draw how many trials of probability ``p`` the first success takes: ``geometric_``."""
        need_chance(p)
        u = self._unit(math.prod(shape), F64)
        with np.errstate(divide="ignore"):  # log(0): never a success
            trials = np.ceil(np.log(u) / math.log1p(-p))
        if dtype not in FLOATS:
            return trials.astype(I64).astype(dtype).reshape(shape)  # too large: wraps around
        return round_to(trials, dtype).reshape(shape)

    def multinomial(
        self, weights: Floats, num_samples: int, replacement: bool = False
    ) -> npt.NDArray[np.int64]:
        """Draw indices with probabilities in proportion to ``weights``: ``torch.multinomial``.

        With replacement by inversion of the cumulated weights; without, or for one sample, the
        largest of ``weights / q`` for exponential ``q`` (Efraimidis & Spirakis, Information
        Processing Letters 97, 2006).

        weights (k) -> (num_samples), or (m, k) -> (m, num_samples)
        """
        need_weights(weights, num_samples, replacement)
        if not replacement or num_samples == 1:
            with np.errstate(divide="ignore", invalid="ignore"):  # a float16 q may be 0
                keys = weights / self.exponential(weights.shape, weights.dtype)
            best = np.argsort(-keys, axis=-1, kind="stable")
            return np.ascontiguousarray(best[..., :num_samples])
        work = F64 if weights.dtype == F64 else F32
        levels = np.cumsum(weights, axis=-1, dtype=work)
        levels /= levels[..., -1:].copy()
        levels[..., -1] = 1  # whatever rounding did
        u = self._unit(math.prod(weights.shape[:-1]) * num_samples, F64)
        u = u.reshape(*weights.shape[:-1], num_samples)
        if weights.ndim == 1:
            return np.searchsorted(levels.astype(F64), u)
        rows = [np.searchsorted(row, x) for row, x in zip(levels.astype(F64), u, strict=True)]
        return np.array(rows, I64).reshape(u.shape)


def _modulo(words: Array, span: int) -> Array:
    """``words % span``; a span that no word reaches leaves them alone."""
    return words % words.dtype.type(span) if span <= np.iinfo(words.dtype).max else words
