"""Updates on a GPU: one launch for many parameters, whose addresses are its argument."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, backend_of, cuda_text, empty_like, flat
from .rule import Rule, Terms

PIECE, ROWS, SETTINGS, COLUMNS = 4096, 496, 12, 8  # as in the text below
LOOP = Path(__file__).with_name("update.cuh").read_text()
UPDATES = np.dtype(
    [
        ("lr", "i8"),
        ("found", "i8"),
        ("t", "f8"),
        ("settings", "f8", SETTINGS),
        ("counters", "i8"),
        ("count", "i8"),
        ("row", "i8", (ROWS, COLUMNS)),  # blocks, size, counters, g, p, buffers
    ]
)


@cache
def text_of(rule: Rule, arrays: int) -> str:
    """The CUDA text of a rule for so many arrays, and of the loop around it."""
    change, numbers = rule.change, rule.numbers
    given = change.__code__.co_argcount - arrays
    values = [f"v[{i}]" for i in range(arrays)] + [f"n[{i}]" for i in range(given)]
    settings = [f"s[{i}]" for i in range(numbers.__code__.co_argcount - 2)]
    terms = ", ".join(["t", "lr", *settings])
    made = f"{change.__name__}({', '.join(values)})"
    if arrays == 2:
        made = f"Results<W, 1>{{{made}}}"
    counted = f"{rule.count.__name__}({terms})" if rule.count else "Results<double, 1>{{t}}"
    return f"""#define EXACT
#include "../backend/cuda/device.cuh"
template <class W, int N> struct Results {{ W v[N]; }};
template <class W> __device__ inline W single(W x) {{ return (float)x; }}
template <class W> __device__ inline W like(W x, W) {{ return (float)x; }}
template <class W> __device__ inline W either(bool condition, W a, W b) {{ return condition ? a : b; }}
{cuda_text(numbers, change, *filter(None, [rule.count]))}
template <class W> struct Rule {{
    static const int ARRAYS = {arrays}, NUMBERS = {given};
    static __device__ auto change(const W* v, const W* n) {{ return {made}; }}
    static __device__ auto numbers_of(double t, double lr, const double* s) {{ return {numbers.__name__}({terms}); }}
    static __device__ auto count(double t, double lr, const double* s) {{ return {counted}; }}
}};
{LOOP}"""


class Launches:
    """What is to be done on GPUs. Updates that differ in nothing but their arrays are one launch."""

    def __init__(self, found: Array | None) -> None:
        self.found = found
        self.alike: dict[Any, tuple[Rule, Terms, list[list[Array]]]] = {}
        self.copies: list[tuple[Array, Array]] = []  # of arrays to be changed

    def take(self, rule: Rule, terms: Terms, arrays: list[Array], counters: list[Array]) -> None:
        """Note an update. ``counters`` are those that lie on the GPU: none, or all."""
        if not all(a.flags.c_contiguous for a in arrays) and flat(*arrays) is None:
            arrays = list(self._in_one_order(*arrays))
        key = rule, terms.settings, terms.t, id(terms.lr), arrays[1].dtype, len(counters)
        self.alike.setdefault(key, (rule, terms, []))[2].append([*counters, *arrays])

    def _in_one_order(self, g: Array, p: Array, *buffers: Array) -> Iterator[Array]:
        """The arrays without gaps and in the order of the parameter: copies of those that are not so already."""
        xp = backend_of(p).xp
        pattern = p if flat(p) is not None else empty_like(xp, p)
        for a in (g, p, *buffers):
            if flat(pattern, a) is not None:
                yield a
                continue
            copy = empty_like(xp, pattern)
            copy[...] = a
            if a is not g:
                self.copies.append((a, copy))
            yield copy

    def start(self) -> None:
        """Launch all that was noted."""
        for (*_, counters), (rule, terms, members) in self.alike.items():
            for i in range(0, len(members), ROWS):
                self._launch(rule, terms, members[i : i + ROWS], counters)
        for array, copy in self.copies:
            array[...] = copy

    def _launch(self, rule: Rule, terms: Terms, members: list[list[Array]], counters: int) -> None:
        """So many arrays of each row are its counters. If none, it is the CPU that counts."""
        p, n = members[0][-1], len(members)
        about = np.zeros((), UPDATES)
        about["lr"], about["t"] = terms.lr.data.ptr, terms.t
        about["counters"], about["count"] = counters, n
        about["found"] = 0 if self.found is None else self.found.data.ptr
        about["settings"][: len(terms.settings)] = terms.settings
        rows = about["row"][:n]
        sizes = np.array([arrays[-1].size for arrays in members])
        rows[:, 0], rows[:, 1] = np.cumsum(-(-sizes // PIECE)), sizes
        addresses = np.array([[a.data.ptr for a in arrays] for arrays in members])
        rows[:, 2 : 2 + addresses.shape[1]] = addresses
        text = text_of(rule, len(members[0]) - counters)
        backend = backend_of(p)
        launch: Any = backend.launch
        with backend.at(backend.index(p)):
            count = "count_updates", p.dtype, -(-n // 256), (about,)
            if counters and not rule.late:
                launch(text, *count)
            launch(text, "update", p.dtype, int(rows[-1, 0]), (about,))
            if counters and rule.late:
                launch(text, *count)


def overlap(arrays: list[Array]) -> bool:
    """Tell whether some of these, which lie on GPUs, share memory."""
    ends = sorted(_ends(a) for a in arrays if a.size)
    return any(end >= start for (_, end), (start, _) in pairwise(ends))


def _ends(array: Array) -> tuple[int, int]:
    """The addresses of the first and the last number in memory."""
    ways = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
    first = array.data.ptr + sum(way for way in ways if way < 0)
    return first, first + sum(map(abs, ways))
