"""Several pieces of work timed in turns, and what their times say.

On a machine that others share, an absolute time means little. Each round runs every piece of work once, one after the
other; the ratio of two times of one round is what counts, and its minimum and median over the rounds are reported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

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


def ratios(seconds: Iterable[float], reference: Iterable[float]) -> tuple[float, float]:
    """Minimum and median of the ratios of the rounds."""
    each = [a / b for a, b in zip(seconds, reference, strict=True)]
    return min(each), statistics.median(each)


def describe(seconds: list[float], reference: list[float] | None = None, rate: str = "") -> str:
    """The best time and, where there is something to compare with, the ratios, as one line."""
    line = f"{min(seconds) * 1e3:10.4g} ms {rate:16}"
    if reference is not None and reference is not seconds:
        low, middle = ratios(seconds, reference)
        line += f" ratio min {low:6.2f} median {middle:6.2f}"
    return line.rstrip()
