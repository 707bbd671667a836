"""Work cut among a few Python threads, each of which computes alone.

Note [One fork and one join]. A loop compiled by numba, and a product by BLAS, let go of Python's lock while they run, so
ordinary threads are enough. Every operation is cut once, at its outermost extent, and each thread runs serial code to the
end of its part: where loops and products are parallel inside, every alternation between them is a meeting of all threads,
and a core that another program borrows for a moment holds up each meeting. Nothing here belongs to numba's own threads,
of which one kind dies in a forked process and another must not be entered twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy
from threadpoolctl import ThreadpoolController

T = TypeVar("T")
GRAIN = 1 << 17  # numbers to read and to write: much less is not worth waking another thread
SERIAL = 1 << 18  # multiplications, up to which OpenBLAS uses one thread


def _quota() -> int:
    """The cores that the process's control group grants, rounded up; many if it does not say."""
    for path in ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        try:
            numbers = Path(path).read_text().split()
            period = numbers[1:] or Path(path.replace("quota", "period")).read_text().split()
        except OSError:
            continue
        if numbers[0].isdigit() and period[0].isdigit():
            return max(1, -(-int(numbers[0]) // int(period[0])))
    return 1 << 10


def _available() -> int:
    """The cores this process may use, or what ``NUMBA_NUM_THREADS`` or ``OMP_NUM_THREADS`` say."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, _quota())


class _Job:
    """A part of some work, for another thread: what came of it, and a lock that opens at the end."""

    def __init__(self, work: Callable[[int, int], Any], start: int, stop: int) -> None:
        self.work, self.start, self.stop = work, start, stop
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        try:
            self.result = self.work(self.start, self.stop)
        except BaseException as error:
            self.error = error
        self.done.release()

    def wait(self) -> Any:
        self.done.acquire()
        if self.error is not None:
            raise self.error
        return self.result


class _Team:
    """The threads, and how many calls hold BLAS to one thread at the moment."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.workers = 0
        self.lock = threading.Lock()
        self.here = threading.local()  # ``inside``: this thread is running a part
        self.libraries: list[Any] | None = None  # those of BLAS
        self.outside = 1  # how many threads they have while none of our calls is in
        self.calls = 0

    def submit(self, job: _Job) -> None:
        if self.workers < self.count - 1:
            with self.lock:
                while self.workers < self.count - 1:
                    self.workers += 1
                    threading.Thread(target=self._serve, name="tinyconv", daemon=True).start()
        self.jobs.put(job)

    def _serve(self) -> None:
        self.here.inside = True
        while True:
            self.jobs.get().run()

    @contextmanager
    def serial_blas(self) -> Iterator[None]:
        """The first call in sets one thread, the last one out puts the old number back."""
        with self.lock:
            if self.calls == 0:
                for library in self._blas():
                    library.set_num_threads(1)
            self.calls += 1
        try:
            yield
        finally:
            with self.lock:
                self.calls -= 1
                if self.calls == 0:
                    for library in self._blas():
                        library.set_num_threads(self.outside)

    def _blas(self) -> list[Any]:
        if self.libraries is None:
            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self.outside = max([library.get_num_threads() for library in found], default=1)
            self.libraries = found
        return self.libraries

    def limit_blas(self) -> None:
        """Give BLAS as many threads as there are here, now or when the last of our calls is out."""
        with self.lock:
            libraries, self.outside = self._blas(), self.count
            for library in libraries if self.calls == 0 else ():
                library.set_num_threads(self.count)


_team = _Team(_available())


def _after_fork() -> None:
    global _team
    _team = _Team(_team.count)  # threads do not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def get_num_threads() -> int:
    """Return how many threads compute; at first as many as the cores that this process may use.

    >>> import tinyconv as tc
    >>> tc.get_num_threads() >= 1
    True
    """
    return _team.count


def set_num_threads(n: int) -> None:
    """Let ``n`` threads compute, in the loops and in BLAS alike.

    Raises:
        RuntimeError: ``n`` is no integer, or below one.

    >>> import tinyconv as tc
    >>> before = tc.get_num_threads()
    >>> tc.set_num_threads(1)
    >>> tc.get_num_threads()
    1
    >>> tc.set_num_threads(before)
    """
    if isinstance(n, bool) or not isinstance(n, Integral):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer\nIt got {n}.")
    _team.count = int(n)
    _team.limit_blas()


def share(n: int, work: Callable[[int, int], T], size: int | None = None) -> list[T]:
    """Call ``work(start, stop)`` on parts of ``range(n)``, one a thread; the results are in the order of the parts.

    ``size`` is how many numbers there are to read and write in all: few of them are not worth a second thread.
    """
    team = _team
    parts = min(n, team.count)
    if size is not None and parts > 1:
        parts = min(parts, 1 + size // GRAIN)
    here = team.here
    if parts <= 1 or getattr(here, "inside", False):
        return [work(0, n)]
    bounds = [n * i // parts for i in range(parts + 1)]
    jobs = [_Job(work, a, b) for a, b in pairwise(bounds[1:])]
    for job in jobs:
        team.submit(job)
    here.inside = True
    try:
        first = work(0, bounds[1])  # this thread is one of them
    finally:
        here.inside = False
        for job in jobs:  # nobody returns while a part still writes
            job.done.acquire()
            job.done.release()
    return [first, *(job.wait() for job in jobs)]


# Note [Threads of BLAS]. After a product OpenBLAS's threads look out for the next one for some 20 ms, on the cores that our
# own threads want: with them a training step on two threads took as long as on one. So products, too, are cut here, and BLAS
# is held to one thread meanwhile.


def share_products(n: int, work: Callable[[int, int], T]) -> list[T]:
    """``share`` for work that calls BLAS, which is held to one thread meanwhile."""
    if min(n, _team.count) <= 1:
        return [work(0, n)]
    with _team.serial_blas():
        return share(n, work)


def multiply(a: Any, b: Any, y: Any) -> None:
    """y = a b, for NumPy's matrices; the rows of ``a`` or the columns of ``b`` are cut among the threads."""
    rows, columns = y.shape
    with _team.serial_blas():
        if rows >= columns:
            share(rows, lambda i, j: numpy.matmul(a[i:j], b, y[i:j]))
        else:
            share(columns, lambda i, j: numpy.matmul(a, b[:, i:j], y[:, i:j]))
