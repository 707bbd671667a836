"""Orders of visiting a dataset, number for number torch's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ...creation import as_tensor
from ...errors import ArgumentError
from ...generator import Generator, current

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)

CHUNK = 32  # torch draws indices with replacement this many at a time


class Sampler(Generic[T_co]):
    """Base of all samplers: something that yields indices of a dataset, anew at every ``iter()``.

    >>> from tinyconv.utils.data import DataLoader
    >>> class EvenFirst(Sampler[int]):
    ...     def __init__(self, data): self.data = data
    ...     def __len__(self): return len(self.data)
    ...     def __iter__(self): return iter(sorted(range(len(self.data)), key=lambda i: i % 2))
    >>> list(DataLoader("abcd", batch_size=2, sampler=EvenFirst("abcd")))
    [['a', 'c'], ['b', 'd']]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must implement __iter__")


class SequentialSampler(Sampler[int]):
    """Visit ``0, 1, ..., len(data_source) - 1``."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Visit the samples in random order, or draw them with replacement.

    Args:
        data_source: the dataset; only its length is used.
        replacement: draw each index independently.
        num_samples: how many indices to yield; by default ``len(data_source)``.
        generator: where the numbers come from; by default a new one at every ``iter()``, seeded by
            the default generator.

    >>> import tinyconv
    >>> generator = tinyconv.Generator().manual_seed(0)
    >>> list(RandomSampler(range(10), generator=generator))
    [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = _boolean("replacement", replacement, TypeError)
        self._num_samples = num_samples
        self.generator = generator
        _positive("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices one pass yields; follows a dataset that grows."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, wanted = len(self.data_source), self.num_samples
        generator = self.generator or Generator().manual_seed(draw_seed(None))
        if self.replacement:
            for start in range(0, wanted, CHUNK):
                size = min(CHUNK, wanted - start)
                yield from generator.integers(0, n, (size,), np.dtype(np.int64)).tolist()
        else:
            for _ in range(wanted // n):
                yield from generator.permutation(n).tolist()
            # torch draws this one even when nothing is left to yield: the next epoch depends on it
            yield from generator.permutation(n)[: wanted % n].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Visit the given indices in random order.

    >>> sorted(SubsetRandomSampler([3, 5, 8]))
    [3, 5, 8]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or current()
        for i in generator.permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Draw index ``i`` with probability ``weights[i] / sum(weights)``.

    Args:
        weights: one non-negative number per sample; they need not add up to one.
        num_samples: how many indices to yield.
        replacement: without it no index comes twice.
        generator: where the numbers come from; by default the default generator.

    >>> list(WeightedRandomSampler([0, 0, 1], 4))
    [2, 2, 2, 2]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.num_samples = _positive("num_samples", num_samples)
        self.replacement = _boolean("replacement", replacement)
        self.weights = as_tensor(weights, dtype="float64")
        self.generator = generator
        if self.weights.ndim != 1:
            raise ArgumentError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}",
                "Give one weight per sample of the dataset.",
            )

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or current()
        drawn = generator.multinomial(self.weights.array, self.num_samples, self.replacement)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[Any]]):
    """Gather the indices of another sampler into lists.

    Args:
        sampler: a Sampler, or anything that can be iterated over.
        batch_size: indices per list.
        drop_last: leave out the last list if it is shorter.

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, sampler: Sampler[Any] | Iterable[Any], batch_size: int, drop_last: bool
    ) -> None:
        self.batch_size = _positive("batch_size", batch_size)
        self.drop_last = _boolean("drop_last", drop_last)
        self.sampler = sampler

    def __iter__(self) -> Iterator[list[Any]]:
        batch = []
        for i in self.sampler:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]  # or TypeError, as len() should
        return full + (rest > 0 and not self.drop_last)


def draw_seed(generator: Generator | None) -> int:
    """Draw a seed for a new generator, by default from the default one."""
    return (generator or current()).random64()


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ArgumentError(
            f"{name} should be a positive integer value, but got {name}={value}",
            f"Write {name} as an int, at least 1.",
        )
    return value


def _boolean(name: str, value: Any, error: type[Exception] = ArgumentError) -> bool:
    if not isinstance(value, bool):
        raise error(
            f"{name} should be a boolean value, but got {name}={value}\nWrite True or False."
        )
    return value
