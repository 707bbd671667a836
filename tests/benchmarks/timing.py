"""Several pieces of work timed in turns, and what their times say.

On a machine that others share, an absolute time means little. Each round runs every piece of work once, one after the
other; the ratio of two times of one round is what counts, and its minimum and median over the rounds are reported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

PAUSE = (
    0.015  # seconds between turns: the thread pools of the last one stop spinning and go to sleep
)

Watch = Callable[[], float]


def stopwatch(work: Callable[..., Any], prepare: Callable[[], tuple[Any, ...]] = tuple) -> Watch:
    """A function that runs ``work(*prepare())`` and returns the seconds that ``work`` took.

    Work shorter than two milliseconds is repeated as often as fits in there; the mean counts.
    """
    repeats = 0

    def once() -> float:
        arguments = prepare()
        start = time.perf_counter()
        work(*arguments)
        return time.perf_counter() - start

    def run() -> float:
        nonlocal repeats
        if repeats == 0:
            once()  # compiles, fills caches
            repeats = max(1, int(2e-3 / max(once(), 1e-6)))
        return sum(once() for _ in range(repeats)) / repeats

    return run


def in_turns(watches: Mapping[str, Watch], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Seconds of every watch in every round; who begins changes from round to round."""
    names = list(watches)
    for _ in range(warm_up):
        for name in names:
            watches[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(PAUSE)
            seconds[name].append(watches[name]())
    return seconds


class Ratios(NamedTuple):
    """How work compares with a reference, over the rounds; below 1 is faster."""

    minimum: (
        float  # of the ratios of the rounds: too kind where the reference was interrupted in one
    )
    median: float  # of the same
    best: float  # the best time of one by the best time of the other, in whatever rounds these were

    def __str__(self) -> str:
        return f"ratio min {self.minimum:5.2f} median {self.median:5.2f} best {self.best:5.2f}"


def ratios(seconds: Sequence[float], reference: Sequence[float]) -> Ratios:
    """Compare times of the same rounds."""
    each = [a / b for a, b in zip(seconds, reference, strict=True)]
    return Ratios(min(each), statistics.median(each), min(seconds) / min(reference))


def describe(
    seconds: Sequence[float], reference: Sequence[float] | None = None, rate: str = ""
) -> str:
    """The best time and, where there is something to compare with, the ratios, as one line."""
    compared = "" if reference is None or reference is seconds else ratios(seconds, reference)
    return f"{min(seconds) * 1e3:10.4g} ms {rate:15}{compared}".rstrip()
