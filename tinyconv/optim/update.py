"""What a step does to memory: one pass over all numbers of all parameters, cut once among the threads.

The rule of an optimizer is written once, as a ``@helper`` that takes numbers and returns new ones. Given arrays it is the
definition of a kernel; number by number it is the body of the loop. Both round in the same order, which is torch's.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, Kernel, backend_of, helper, hush, is_whole, restore, share

Numbers = tuple[float, ...]
Update = tuple[Kernel, Numbers, list[Array]]  # kernel(g, numbers, p, *buffers); g, p, *buffers


@helper
def decayed(g, p, maximize, decay):
    """g + λ p, the gradient of the loss plus λ/2 |p|²; ``maximize`` turns g around."""
    if maximize:
        g = -g
    if decay != 0:
        g = g + p * decay
    return g


@helper
def lerp(a, b, weight, rest):
    """a + weight (b - a), from the nearer end; ``rest`` is 1 - weight."""
    if weight < rest:
        return a + (b - a) * weight
    return b - (b - a) * rest


def run(updates: list[Update]) -> None:
    """Do all of them, as if one after the other."""
    if _disjoint(updates):
        _cut(updates)
    else:
        for update in updates:
            _cut([update])


def _disjoint(updates: list[Update]) -> bool:
    """Tell, from a glance, whether no two arrays share memory: none is a view, none comes twice."""
    arrays = [a for _, _, arrays in updates for a in arrays]
    return len({id(a) for a in arrays}) == len(arrays) and all(map(is_whole, arrays))


def _cut(updates: list[Update]) -> None:
    """Give each thread its part of all numbers: some parameters, and pieces of those that are cut."""
    flat, total = [], 0
    for kernel, numbers, arrays in updates:
        g, p, *buffers = arrays
        if type(p) is np.ndarray and all(a.flags.c_contiguous for a in (p, *buffers)):
            total += p.size
            flat.append((kernel, numbers, [a.reshape(-1) for a in arrays], total))
        else:  # strided, or on a GPU, which does its own cutting
            kernel.definition(backend_of(p).xp, g, numbers, p, *buffers)

    def part(start: int, stop: int) -> None:
        token = hush()  # other threads do not inherit it
        try:
            for kernel, numbers, arrays, end in flat:
                first = end - len(arrays[0])
                if first < stop and start < end:
                    if first < start or stop < end:
                        piece = slice(max(start - first, 0), stop - first)
                        arrays = [a[piece] for a in arrays]
                    kernel(arrays[0], numbers, *arrays[1:])
        finally:
            restore(token)

    share(total, part, total)
