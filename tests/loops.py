"""A kernel's loop beside its definition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinyconv.backend import Kernel


def _filled(run: Any, arguments: tuple[Any, ...]) -> list[Any]:
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    with np.errstate(all="ignore"):
        run(*copies)
    return copies


def same(
    kernel: Kernel, *arguments: Any, fills: Iterable[int], meaning: bool = False, **tolerance: float
) -> list[Any]:
    """The arrays that the kernel fills are the same from its loop and its definition; return the former's.

    With ``meaning``, also from the loop as Python runs it, where vectors are arrays.
    """
    arguments = tuple(
        np.full_like(a, 77) if i in fills else a for i, a in enumerate(arguments)
    )  # what is not written shows
    runs = [kernel, kernel.definition.__get__(np)]
    if meaning:
        n = len(arguments[0]) if kernel.over is None else kernel.over(*arguments)
        runs.append(lambda *a: kernel.loop(0, n, *a))
    first, *others = (_filled(run, arguments) for run in runs)
    for other in others:
        for i in fills:
            np.testing.assert_allclose(
                first[i], other[i], err_msg=f"{kernel.name}, argument {i}", **tolerance
            )
    return [first[i] for i in fills]
