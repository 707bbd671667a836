"""Collections of samples: by index, or as a stream."""

from __future__ import annotations

import bisect
import math
import operator
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Generic, TypeVar

import numpy as np

from ...errors import ArgumentError, RangeError
from ...generator import Generator, current
from ...tensor import Tensor
from .collate import Batch

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of datasets by index: a subclass defines ``__getitem__`` and ``__len__``.

    A subclass may define ``__getitems__(indices)`` too: a DataLoader then asks for the samples of a
    batch at once.

    >>> class Squares(Dataset[int]):
    ...     def __getitem__(self, i): return i * i
    ...     def __len__(self): return 4
    >>> both = Squares() + Squares()
    >>> len(both), both[5]
    (8, 1)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Base of datasets that are streams: a subclass defines ``__iter__``.

    With several workers each of them iterates over a copy of its own: :func:`get_worker_info` tells
    which part to yield.

    >>> class Countdown(IterableDataset[int]):
    ...     def __iter__(self): return iter([3, 2, 1])
    >>> list(Countdown() + Countdown())
    [3, 2, 1, 3, 2, 1]
    """

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]  # streams chain
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors with equal first dimensions.

    A DataLoader takes a whole batch of it in one indexing operation per tensor.

    Raises:
        AssertionError: if the tensors differ in length.

    >>> import tinyconv as tc
    >>> data = TensorDataset(tc.arange(6).reshape(3, 2), tc.tensor([7, 8, 9]))
    >>> data[1]
    (tensor([2, 3]), tensor(8))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if len({len(t) for t in tensors}) > 1:
            raise AssertionError(
                "Size mismatch between tensors\n"
                f"The tensors have {', '.join(str(len(t)) for t in tensors)} rows: "
                "give every sample one row in each."
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Iterable[Any]) -> Sequence[tuple[Tensor, ...]]:
        if type(self).__getitem__ is not TensorDataset.__getitem__:
            return [self[i] for i in indices]  # a subclass makes something else of its rows
        rows = np.fromiter(map(operator.index, indices), np.int64)
        return Batch([t[rows] for t in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Samples are the samples of several datasets side by side, in a tuple or in a dict.

    Args:
        args: datasets, whose samples come as a tuple.
        kwargs: or named datasets, whose samples come as a dict.

    >>> StackDataset("abc", [1, 2, 3])[1]
    ('b', 2)
    >>> StackDataset(letter="abc", number=[1, 2, 3])[1]
    {'letter': 'b', 'number': 2}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ArgumentError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given.",
                "Name all datasets or none.",
            )
        if not args and not kwargs:
            raise ArgumentError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ArgumentError(
                "Size mismatch between datasets",
                f"They have {', '.join(map(str, lengths))} samples.",
            )
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        return self._join([d[index] for d in self._parts()])

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        columns = [fetch(d, indices) for d in self._parts()]
        for column in columns:
            if len(column) != len(indices):
                raise ArgumentError(
                    "Nested dataset's output size mismatch. "
                    f"Expected {len(indices)}, got {len(column)}",
                    "Its __getitems__ must return one sample per index.",
                )
        return [self._join(sample) for sample in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length

    def _parts(self) -> Iterable[Any]:
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def _join(self, sample: Iterable[Any]) -> Any:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, sample, strict=True))
        return tuple(sample)


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one dataset after the other.

    >>> data = ConcatDataset(["abc", "de"])
    >>> len(data), data[3], data[-1]
    (5, 'd', 'e')
    """

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError(
                "ConcatDataset does not support IterableDataset\nUse ChainDataset for streams."
            )
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Return where each dataset ends."""
        return list(accumulate(map(len, sequence)))

    def __getitem__(self, index: int) -> T_co:
        if index < 0:
            if -index > len(self):
                raise ArgumentError(
                    "absolute value of index should not exceed dataset length",
                    f"Index {index} does not exist among {len(self)} samples.",
                )
            index += len(self)
        if index >= len(self):
            raise RangeError(f"list index out of range: {index} among {len(self)} samples")
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """The samples of several streams, one stream after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for stream in self._streams():
            yield from stream

    def __len__(self) -> int:
        return sum(map(len, self._streams()))  # TypeError if one of them has none

    def _streams(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError(
                    "ChainDataset only supports IterableDataset\nUse ConcatDataset for "
                    f"{type(d).__name__}."
                )
            yield d


class Subset(Dataset[T_co]):
    """The samples at some indices of a dataset.

    >>> list(Subset("abcde", [0, 4]))
    ['a', 'e']
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Iterable[int]) -> Sequence[T_co]:
        return fetch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def fetch(dataset: Any, indices: list[Any]) -> Sequence[Any]:
    """Return the samples at the indices: at once if the dataset knows how, else one by one."""
    at_once = getattr(dataset, "__getitems__", None)
    return [dataset[i] for i in indices] if at_once is None else at_once(indices)


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: any dataset with a length.
        lengths: samples per part; or fractions that add up to one, where samples left over by
            rounding down go to the first parts, one each.
        generator: where the numbers come from; by default the default generator.

    Raises:
        ValueError: if the lengths do not add up.

    >>> import tinyconv
    >>> generator = tinyconv.Generator().manual_seed(0)
    >>> [part.indices for part in random_split(range(10), [0.3, 0.7], generator=generator)]
    [[4, 1, 7], [5, 3, 9, 0, 8, 6, 2]]
    """
    n = len(dataset)  # type: ignore[arg-type]  # or TypeError, as len() should
    fractions = math.isclose(sum(lengths), 1) and sum(lengths) <= 1
    sizes: Sequence[Any] = _shares(n, lengths) if fractions else lengths
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ArgumentError(
            "Sum of input lengths does not equal the length of the input dataset!",
            f"{list(lengths)} adds up to {sum(sizes)}; the dataset has {n} samples. Fractions "
            "must add up to 1, and no length may be negative.",
        )
    order = (generator or current()).permutation(n).tolist()
    ends = [0, *accumulate(map(operator.index, sizes))]
    return [Subset(dataset, order[start:end]) for start, end in pairwise(ends)]


def _shares(n: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ArgumentError(
                f"Fraction at index {i} is not between 0 and 1", f"It is {fraction}."
            )
    shares = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(shares)):
        shares[i % len(shares)] += 1
    for i, share in enumerate(shares):
        if share == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return shares
