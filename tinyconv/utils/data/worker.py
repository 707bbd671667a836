"""A worker receives indices and sends batches, in a thread or in a process."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import os
import pickle
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ... import generator
from .collate import Batch, default_collate
from .dataset import Dataset, IterableDataset, fetch

__all__ = ["Exhausted", "Failure", "Fetcher", "Job", "Processes", "Threads", "WorkerInfo", "work"]

GRACE = 5.0  # seconds a worker has to end when it is told to
WATCH = 5.0  # seconds between two looks whether the main process is still there


@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker is: its number, the number of workers, its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here(threading.local):
    info: WorkerInfo | None = None


_here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """Tell which worker of a DataLoader is running this; None outside of workers.

    >>> from tinyconv.utils.data import DataLoader, IterableDataset
    >>> class Numbers(IterableDataset[int]):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         return iter(range(info.id, 6, info.num_workers))
    >>> list(DataLoader(Numbers(), batch_size=None, num_workers=2))
    [0, 1, 2, 3, 4, 5]
    """
    return _here.info


class Exhausted:
    """Comes instead of a batch: the stream has ended."""


class Fetcher:
    """From the indices of a batch to the batch; of a stream, only the number of indices counts."""

    def __init__(
        self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.batched = batched
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.stream = iter(dataset) if isinstance(dataset, IterableDataset) else None

    def __call__(self, index: Any) -> Any:
        if self.stream is not None:
            samples = self._next(self.stream, index)
        else:
            samples = fetch(self.dataset, index) if self.batched else self.dataset[index]
        if isinstance(samples, Exhausted):
            return samples
        if isinstance(samples, Batch) and self.collate_fn is not default_collate:
            samples = list(samples)
        return self.collate_fn(samples)

    def _next(self, stream: Iterator[Any], index: Any) -> Any:
        if not self.batched:
            return next(stream, Exhausted())
        samples = list(islice(stream, len(index)))
        short = len(samples) < len(index)
        return Exhausted() if not samples or (self.drop_last and short) else samples


class _Verbatim(str):
    """Text that a KeyError shows as it is, with its line breaks."""

    __repr__ = str.__str__


@dataclass
class Failure:
    """Comes instead of a batch: an exception, and where it was raised."""

    kind: type[BaseException]
    text: str

    @classmethod
    def caught(cls, error: BaseException, where: str) -> Failure:
        """Describe the exception that is being handled."""
        trace = traceback.format_exc()
        return cls(type(error), f"Caught {type(error).__name__} {where}.\nOriginal {trace}")

    def reraise(self) -> None:
        """Raise the same type, or RuntimeError if it cannot be made from a message."""
        try:
            error = self.kind(_Verbatim(self.text))
        except Exception:
            error = RuntimeError(self.text)
        raise error


class Threads:
    """Workers are threads: nothing is pickled, and they share one memory."""

    kind = "thread"
    advice = "Something in the dataset ended the thread: num_workers=0 shows what."
    Queue = queue.SimpleQueue  # may be used while the garbage collector runs, unlike queue.Queue
    Event = threading.Event

    def hire(self, job: Job, number: int, *channels: Any) -> threading.Thread:
        """Start a worker."""
        name = f"DataLoader worker {number}"
        worker = threading.Thread(
            target=work, args=(job, number, *channels), name=name, daemon=True
        )
        worker.start()
        return worker

    def dismiss(self, workers: list[Any], inboxes: list[Any], outbox: Any, done: Any) -> None:
        """End the workers, now."""
        _tell(inboxes, done)
        for worker in workers:
            if worker is not threading.current_thread():  # the collector may run in a worker
                worker.join(GRACE)


class Processes:
    """Workers are processes: they share nothing, and batches are pickled on their way."""

    kind = "process"
    advice = (
        "It was killed or crashed: num_workers=0 shows more. A forked process cannot run parallel "
        "loops if its parent did so before: then use 'spawn', or threads."
    )

    def __init__(self, context: Any) -> None:
        self.context = context
        self.Queue, self.Event = context.Queue, context.Event
        self.owner = os.getpid()

    def hire(self, job: Job, number: int, *channels: Any) -> Any:
        """Start a worker."""
        worker = self.context.Process(target=work, args=(job, number, *channels), daemon=True)
        worker.start()
        return worker

    def dismiss(self, workers: list[Any], inboxes: list[Any], outbox: Any, done: Any) -> None:
        """End the workers, now; those that do not listen are killed."""
        if os.getpid() != self.owner:  # a copy of the loader in a forked process: not its workers
            return
        _tell(inboxes, done)
        for worker in workers:
            worker.join(GRACE)
            if worker.is_alive():
                worker.kill()
                worker.join()
        for channel in (*inboxes, outbox):
            channel.cancel_join_thread()
            channel.close()


def _tell(inboxes: list[Any], done: Any) -> None:
    done.set()
    for inbox in inboxes:
        inbox.put(None)


@dataclass(frozen=True)
class Job:
    """What all workers of an iterator have in common."""

    kind: str  # "thread" or "process"
    dataset: Any
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    init: Callable[[int], None] | None
    num_workers: int
    seed: int


def work(job: Job, number: int, inbox: Any, outbox: Any, done: Any) -> None:
    """Answer each message ``(epoch, task, indices)`` with ``(epoch, task, batch)``, until the end.

    Where there is no batch, the answer holds an Exhausted or a Failure.
    """
    where = f"in DataLoader worker {job.kind} {number}"
    encode = partial(_pickled, where) if job.kind == "process" else tuple
    with contextlib.ExitStack() as stack:
        if job.kind == "process":
            stack.callback(outbox.cancel_join_thread)  # at the end nobody reads what is left
        dataset = _attempt(where, _begin, job, number, stack)
        fetcher: Any = dataset
        fetching = None  # the epoch that the fetcher is for
        while (message := _receive(inbox, job.kind)) is not None and not done.is_set():
            epoch, task, index = message
            if epoch != fetching and not isinstance(dataset, Failure):
                fetching = epoch
                settings = dataset, job.batched, job.collate_fn, job.drop_last
                fetcher = _attempt(where, Fetcher, *settings)
            failed = isinstance(fetcher, Failure)
            batch = fetcher if failed else _attempt(where, fetcher, index)
            outbox.put(encode((epoch, task, batch)))
            del batch  # its memory is the receiver's


def _begin(job: Job, number: int, stack: contextlib.ExitStack) -> Any:
    """Make this process or thread a worker, and return the dataset it works on."""
    seed, dataset = job.seed + number, job.dataset
    if job.kind == "process":
        generator.current().manual_seed(seed)
        random.seed(seed)
        words = [number, job.seed % 2**32, job.seed >> 32]
        np.random.seed(np.random.SeedSequence(words).generate_state(4))  # noqa: NPY002  # users' stream
        threadpool_limits(1)  # its share of the cores
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's affair
    else:
        own = type(generator.current())().manual_seed(seed)
        stack.enter_context(generator.use(own))
        if isinstance(dataset, Dataset):
            dataset = copy.copy(dataset)  # attributes that a worker sets are its own
    _here.info = WorkerInfo(number, job.num_workers, seed, dataset)
    if job.init is not None:
        job.init(number)
    return dataset


def _attempt(where: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:
        return Failure.caught(error, where)


def _receive(inbox: Any, kind: str) -> Any:
    if kind == "thread":
        return inbox.get()
    while True:
        try:
            return inbox.get(timeout=WATCH)
        except queue.Empty:
            main = multiprocessing.parent_process()
            if main is None or not main.is_alive():  # it was killed: nobody will say stop
                return None


def _pickled(where: str, answer: tuple[Any, ...]) -> bytes:
    """Pickle here, not in the thread behind the queue, whose errors nobody would see."""
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        epoch, task, batch = answer
        failure = batch if isinstance(batch, Failure) else Failure.caught(error, where)
        return pickle.dumps((epoch, task, Failure(RuntimeError, failure.text)))
