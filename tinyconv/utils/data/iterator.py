"""One pass over a DataLoader: in the caller's thread, or with workers."""

from __future__ import annotations

import math
import pickle
import queue
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

from ...backend import cuda_unavailable
from .collate import pinned
from .sampler import draw_seed
from .worker import Exhausted, Failure, Fetcher, Job, Processes, Threads

__all__ = ["LoaderIterator", "SerialIterator", "WorkerIterator"]

END = object()  # of the sampler
POLL = 1.0  # seconds between two looks whether the workers are still alive


class LoaderIterator(Iterator[Any]):
    """What both kinds share: they draw a seed when made, count samples, and pin batches.

    It keeps no reference to the loader, so that a loader nobody needs goes away with its workers.
    """

    def __init__(self, loader: Any) -> None:
        self._pin = loader.pin_memory and not cuda_unavailable()
        if loader.pin_memory and not self._pin:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=3,
            )
        self._seed = draw_seed(loader.generator)
        self._begin(loader)

    def _begin(self, loader: Any) -> None:
        self._dataset = loader.dataset
        self._index_sampler = loader._index_sampler
        self._indices = iter(self._index_sampler)
        self._announced = loader._announced
        self._given = 0

    def __iter__(self) -> LoaderIterator:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        batch = self._next_batch()
        self._given += 1
        if self._announced is not None and self._given > self._announced:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {self._announced}"
                f"(when accessing len(dataloader)), but {self._given} samples have been fetched.\n"
                "With several workers, each should yield its own part: see get_worker_info().",
                stacklevel=2,
            )
            self._announced = None  # once is enough
        return pinned(batch) if self._pin else batch

    def _next_batch(self) -> Any:
        raise NotImplementedError


class SerialIterator(LoaderIterator):
    """Fetches a batch when it is asked for one."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._fetch = Fetcher(loader.dataset, loader._batched, loader.collate_fn, loader.drop_last)

    def _next_batch(self) -> Any:
        batch = self._fetch(next(self._indices))
        if isinstance(batch, Exhausted):
            raise StopIteration
        return batch


class WorkerIterator(LoaderIterator):
    """Keeps each worker ``prefetch_factor`` tasks ahead, and hands out the batches in order.

    Every task gets exactly one answer, if need be Exhausted or Failure. A task is sent for each
    answer that is handed out, so the sampler is asked at the same moments however fast the workers
    are.
    """

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        context = loader.multiprocessing_context
        team: Any = Threads() if context is None else Processes(context)
        self._team = team
        self._tasks_ahead = loader.num_workers * loader.prefetch_factor
        self._timeout = loader.timeout or math.inf
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._inboxes = [team.Queue() for _ in range(loader.num_workers)]
        self._outbox = team.Queue()
        self._workers: list[Any] = []
        self._epoch = 0
        done = team.Event()
        # Runs when this iterator goes away, at the latest at the end of the program.
        self._dismiss = weakref.finalize(
            self, team.dismiss, self._workers, self._inboxes, self._outbox, done
        )
        job = Job(
            team.kind,
            loader.dataset,
            loader._batched,
            loader.collate_fn,
            loader.drop_last,
            loader.worker_init_fn,
            loader.num_workers,
            self._seed,
        )
        for number, inbox in enumerate(self._inboxes):
            self._workers.append(team.hire(job, number, inbox, self._outbox, done))
        self._fill()

    def restart(self, loader: Any) -> None:
        """Begin a new epoch with the same workers; what still comes of the old one is ignored."""
        self._epoch += 1
        self._begin(loader)
        self._fill()

    def _fill(self) -> None:
        self._task = 0  # the next one to send
        self._pending: dict[int, int] = {}  # task -> its worker, oldest first
        self._answers: dict[int, Any] = {}  # task -> batch, of those that came before their turn
        self._active = deque(range(len(self._workers)))  # the first is to get the next task
        for _ in range(self._tasks_ahead):
            self._send()

    def _send(self, worker: int | None = None) -> None:
        """Send a task to the worker, or to the next in turn if its stream has ended."""
        if not self._active or (index := next(self._indices, END)) is END:
            return
        if worker is None or worker not in self._active:
            worker = self._active[0]
        self._active.remove(worker)
        self._active.append(worker)
        self._pending[self._task] = worker
        self._inboxes[worker].put((self._epoch, self._task, index))
        self._task += 1

    def _next_batch(self) -> Any:
        while self._pending:
            task = next(iter(self._pending)) if self._in_order else self._receive()
            while task not in self._answers:
                self._receive()
            answer, worker = self._answers.pop(task), self._pending.pop(task)
            if isinstance(answer, Exhausted) and worker in self._active:
                self._active.remove(worker)
            self._send(None if self._in_order else worker)
            if isinstance(answer, Failure):
                answer.reraise()
            if not isinstance(answer, Exhausted):
                return answer
        if not self._persistent:
            self._dismiss()
        raise StopIteration

    def _receive(self) -> int:
        """Wait for an answer, put it with the others, and return its task."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                wait = min(POLL, deadline - time.monotonic())
                answer = self._outbox.get(timeout=max(wait, 0))
            except queue.Empty:
                self._check_alive()
                if time.monotonic() >= deadline:
                    raise RuntimeError(
                        f"DataLoader timed out after {self._timeout} seconds\n"
                        "A batch takes longer than timeout= allows."
                    ) from None
                continue
            epoch, task, batch = answer if self._team.kind == "thread" else pickle.loads(answer)
            if epoch == self._epoch:
                self._answers[task] = batch
                return task

    def _check_alive(self) -> None:
        dead = [worker for worker in self._workers if not worker.is_alive()]
        if dead:
            names = ", ".join(str(getattr(worker, "pid", worker.name)) for worker in dead)
            raise RuntimeError(
                f"DataLoader worker (pid(s) {names}) exited unexpectedly\n{self._team.advice}"
            )
