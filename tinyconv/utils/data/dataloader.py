"""Batches of a dataset, in torch's order, made here or by workers in the background."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from ...errors import ArgumentError
from ...generator import Generator
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .iterator import LoaderIterator, SerialIterator, WorkerIterator
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .worker import WorkerInfo, get_worker_info

__all__ = ["DataLoader", "WorkerInfo", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

FROZEN = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader(Generic[T_co]):
    """Iterate over the batches of a dataset; the same seed gives the same batches as in torch.

    Workers are threads: they start at once, nothing is pickled, and NumPy and Pillow let them run
    side by side. Each has its own stream of tinyconv's random numbers and its own shallow copy of
    the dataset; the streams of ``random`` and ``np.random`` they share. With a
    ``multiprocessing_context`` workers are processes, and what they send must be picklable.

    Args:
        dataset: a Dataset, an IterableDataset, or anything with ``__len__`` and ``__getitem__``.
        batch_size: samples per batch; None gives the samples themselves.
        shuffle: visit the samples in a new random order each time.
        sampler: yields indices, instead of ``shuffle``.
        batch_sampler: yields lists of indices, instead of ``batch_size``, ``shuffle``, ``sampler``
            and ``drop_last``.
        num_workers: how many workers prepare batches in the background; 0: none.
        collate_fn: makes a batch of a list of samples; by default :func:`default_collate`.
        pin_memory: copy batches to memory from which the GPU reads faster.
        drop_last: leave out the last batch if it is smaller.
        timeout: seconds to wait for a batch of a worker; 0: as long as it takes.
        worker_init_fn: called with the worker's number when it starts.
        multiprocessing_context: "fork", "spawn", "forkserver" or a context.
        generator: where the numbers come from; by default the default generator.
        prefetch_factor: batches that each worker prepares ahead; 2 unless given.
        persistent_workers: keep the workers from one epoch to the next.
        pin_memory_device: of no effect; there is one kind of accelerator.
        in_order: give the batches in the sampler's order, not as they become ready.

    Raises:
        ValueError: if the settings contradict each other.

    >>> import tinyconv as tc
    >>> from tinyconv.utils.data import TensorDataset
    >>> data = TensorDataset(tc.arange(5), tc.arange(5) ** 2)
    >>> for x, y in DataLoader(data, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [0, 1] [0, 1]
    [2, 3] [4, 9]
    [4] [16]
    """

    _frozen = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        source: Any = dataset
        streaming = isinstance(dataset, IterableDataset)
        if streaming:
            _check_stream(shuffle=shuffle or None, sampler=sampler, batch_sampler=batch_sampler)
        _check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            if streaming:
                sampler = _Anything()
            elif shuffle:
                sampler = RandomSampler(source, generator=generator)
            else:
                sampler = SequentialSampler(source)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self.persistent_workers = persistent_workers
        self._announced: int | None = None  # the length that a stream claims to have
        self._iterator: WorkerIterator | None = None  # of persistent workers
        self._frozen = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._frozen and name in FROZEN:
            raise ArgumentError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized",
                "Make a new one.",
            )
        super().__setattr__(name, value)

    def __iter__(self) -> LoaderIterator:
        if self.num_workers == 0:
            return SerialIterator(self)
        if not self.persistent_workers:
            return WorkerIterator(self)
        if self._iterator is None:
            self._iterator = WorkerIterator(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._announced = len(self.dataset)  # type: ignore[arg-type]  # or TypeError
        if self.batch_size is None:
            return length
        full, rest = divmod(length, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def multiprocessing_context(self) -> BaseContext | None:
        """The kind of worker processes; None: workers are threads."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: str | BaseContext | None) -> None:
        if context is not None and self.num_workers == 0:
            raise ArgumentError(
                "multiprocessing_context can only be used with multi-process loading "
                f"(num_workers > 0), but got num_workers={self.num_workers}",
                "Give num_workers, or leave multiprocessing_context out.",
            )
        if isinstance(context, str):
            methods = multiprocessing.get_all_start_methods()
            if context not in methods:
                raise ArgumentError(
                    "multiprocessing_context option should specify a valid start method in "
                    f"{methods!r}, but got multiprocessing_context={context!r}",
                    "Leave it out to have threads as workers.",
                )
            context = multiprocessing.get_context(context)
        if not isinstance(context, BaseContext | None):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string "
                f"specifying the start method, but got multiprocessing_context={context}"
            )
        if context is not None:
            self._warn_if_crowded()
        self._context = context

    @property
    def _batched(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._batched else self.sampler

    def _warn_if_crowded(self) -> None:
        """Processes beyond the number of cores slow each other down; idle threads are cheap."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if cores is not None and self.num_workers > cores:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {cores}, which is smaller "
                "than what this DataLoader is going to create.",
                stacklevel=5,
            )


class _Anything(Sampler[None]):
    """The sampler of a stream, which is not asked by index."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ArgumentError(
            "num_workers option should be non-negative; "
            "use num_workers=0 to disable multiprocessing.",
            f"Got num_workers={num_workers}.",
        )
    if timeout < 0:
        raise ArgumentError(
            "timeout option should be non-negative",
            f"Got timeout={timeout} seconds; 0 waits as long as it takes.",
        )
    if num_workers == 0 and prefetch_factor is not None:
        raise ArgumentError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.",
            "Without workers nobody prepares batches ahead.",
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ArgumentError(
            "prefetch_factor option should be non-negative",
            f"Got prefetch_factor={prefetch_factor}; a worker needs at least 1 batch to work on.",
        )
    if persistent_workers and num_workers == 0:
        raise ArgumentError(
            "persistent_workers option needs num_workers > 0",
            "Without workers there is nobody to keep.",
        )


def _check_stream(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}",
                "A stream decides its own order: shuffle inside its __iter__.",
            )


def _check_sampling(
    batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ArgumentError(
            "sampler option is mutually exclusive with shuffle",
            "The sampler decides the order: leave shuffle out.",
        )
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ArgumentError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                "drop_last",
                "The batch_sampler yields whole batches of indices: leave the others out.",
            )
    elif batch_size is None and drop_last:
        raise ArgumentError(
            "batch_size=None option disables auto-batching and is mutually exclusive with "
            "drop_last",
            "Without batches there is no last one to drop.",
        )
