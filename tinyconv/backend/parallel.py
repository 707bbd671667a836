"""A batch cut among a few Python threads, each of which computes alone.

Note [One fork and one join]. A convolution alternates between loops and matrix products dozens of times. If both are
parallel inside, every alternation is a meeting of all threads, and a core that another program borrows for a moment
holds up each meeting. Cut once, at the batch, each thread runs serial loops and single-threaded products to the end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")


def thread_count() -> int:
    """The cores this process may use, or what ``NUMBA_NUM_THREADS`` or ``OMP_NUM_THREADS`` say."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Team:
    """The threads, and how many calls hold BLAS to one thread at the moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool: ThreadPoolExecutor | None = None
        self.controller: ThreadpoolController | None = None
        self.calls = 0
        self.limit: Any = None

    def workers(self) -> ThreadPoolExecutor:
        with self.lock:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(thread_count(), "tinyconv")
            return self.pool

    @contextmanager
    def serial_blas(self) -> Iterator[None]:
        """The first call in sets one thread, the last one out puts the old number back."""
        with self.lock:
            if self.controller is None:
                self.controller = ThreadpoolController()
            if self.calls == 0:
                self.limit = self.controller.limit(limits=1, user_api="blas")
            self.calls += 1
        try:
            yield
        finally:
            with self.lock:
                self.calls -= 1
                if self.calls == 0:
                    self.limit.restore_original_limits()


_team = _Team()


def _after_fork() -> None:
    global _team
    _team = _Team()  # threads do not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def share(n: int, work: Callable[[int, int], T]) -> list[T]:
    """Call ``work(start, stop)`` on parts of ``range(n)``, one a thread; the results are in the order of the parts."""
    parts = min(n, thread_count())
    if parts <= 1:
        return [work(0, n)]
    bounds = [n * i // parts for i in range(parts + 1)]
    with _team.serial_blas():
        jobs = [_team.workers().submit(work, a, b) for a, b in pairwise(bounds[1:])]
        first = work(bounds[0], bounds[1])  # this thread is one of them
        return [first, *(job.result() for job in jobs)]
