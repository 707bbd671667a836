"""What a step does to memory: one pass over all numbers of all parameters, cut once among the threads, or by a GPU."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..backend import Array, hush, is_whole, restore, share
from .launch import Launches, overlap
from .rule import Numbers, Rule, Terms

# One parameter's part in a step: the terms, and on the CPU the numbers that follow from them; g, p, *buffers; its counters,
# if they lie on a GPU.
Update: TypeAlias = tuple[Rule, Terms, Numbers, list[Array], list[Array]]


def run(updates: list[Update], found: Array | None = None) -> None:
    """Do all of them, as if one after the other; those on a GPU unless ``found``, a number there, is not zero."""
    if _disjoint(updates):
        _cut(updates, found)
    else:
        for update in updates:
            _cut([update], found)


def _disjoint(updates: list[Update]) -> bool:
    """Tell whether no two arrays share memory; of views on the CPU it is assumed that they do."""
    arrays = [a for update in updates for a in update[3]]
    if len({id(a) for a in arrays}) < len(arrays):
        return False
    if all(map(is_whole, arrays)):
        return True
    if any(type(a) is np.ndarray and not is_whole(a) for a in arrays):
        return False
    return not overlap([a for a in arrays if type(a) is not np.ndarray])


def _cut(updates: list[Update], found: Array | None) -> None:
    """Give each thread its part of all numbers: some parameters, and pieces of those that are cut."""
    flat, total = [], 0
    launches = None
    for rule, terms, numbers, arrays, counters in updates:
        g, p, *buffers = arrays
        if type(p) is not np.ndarray:
            launches = launches or Launches(found)
            launches.take(rule, terms, arrays, counters)
        elif all(a.flags.c_contiguous for a in (p, *buffers)):
            total += p.size
            flat.append((rule, numbers, [a.reshape(-1) for a in arrays], total))
        else:
            rule.definition(np, g, numbers, p, *buffers)
    if launches is not None:
        launches.start()

    def part(start: int, stop: int) -> None:
        token = hush()  # other threads do not inherit it
        try:
            for rule, numbers, arrays, end in flat:
                first = end - len(arrays[0])
                if first < stop and start < end:
                    if first < start or stop < end:
                        piece = slice(max(start - first, 0), stop - first)
                        arrays = [a[piece] for a in arrays]
                    rule(arrays[0], numbers, *arrays[1:])
        finally:
            restore(token)

    share(total, part, total)
