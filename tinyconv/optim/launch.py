"""Updates on a GPU: one launch for many parameters, whose addresses are its argument."""

from __future__ import annotations

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
        ("count", "i8"),
        ("row", "i8", (ROWS, COLUMNS)),  # blocks, size, step, g, p, buffers
    ]
)


@cache
def text_of(rule: Rule, arrays: int) -> str:
    """The CUDA text of a rule for so many arrays, and of the loop around it."""
    change, numbers = rule.change, rule.numbers
    given = change.__code__.co_argcount - arrays
    values = [f"v[{i}]" for i in range(arrays)] + [f"n[{i}]" for i in range(given)]
    settings = [f"s[{i}]" for i in range(numbers.__code__.co_argcount - 2)]
    made = f"{change.__name__}({', '.join(values)})"
    if arrays == 2:
        made = f"Results<W, 1>{{{made}}}"
    return f"""#define EXACT
#include "../backend/cuda/device.cuh"
template <class W, int N> struct Results {{ W v[N]; }};
{cuda_text(numbers, change)}
template <class W> struct Rule {{
    static const int ARRAYS = {arrays}, NUMBERS = {given};
    static __device__ auto change(const W* v, const W* n) {{ return {made}; }}
    static __device__ auto numbers_of(double t, double lr, const double* s) {{
        return {numbers.__name__}({", ".join(["t", "lr", *settings])});
    }}
}};
{LOOP}"""


class Launches:
    """What is to be done on GPUs. Updates that differ in nothing but their arrays are one launch."""

    def __init__(self, found: Array | None) -> None:
        self.found = found
        self.alike: dict[Any, tuple[Rule, Terms, list[list[Array]]]] = {}

    def take(self, rule: Rule, terms: Terms, arrays: list[Array], step: Array | None) -> None:
        """Note an update; do it now if arrays have gaps, or buffers another order than their parameter."""
        xp, (g, p, *buffers) = backend_of(arrays[1]).xp, arrays
        if not all(a.flags.c_contiguous for a in arrays) and flat(*arrays) is None:
            g = empty_like(xp, p)
            g[...] = arrays[0]
            if flat(g, p, *buffers) is None:
                self._with_gaps(rule, terms, g, p, buffers, step)
                return
        key = rule, terms.settings, terms.t, id(terms.lr), p.dtype, step is None
        steps = [] if step is None else [step]
        self.alike.setdefault(key, (rule, terms, []))[2].append([*steps, g, p, *buffers])

    def _with_gaps(
        self, rule: Rule, terms: Terms, g: Array, p: Array, buffers: list[Array], step: Any
    ) -> None:
        if self.found is not None and self.found.item():
            return
        if step is not None:
            step += 1
        made = rule.numbers(terms.t if step is None else step, terms.lr, *terms.settings)
        numbers = [n if hasattr(n, "dtype") else p.dtype.type(n) for n in made]
        rule.definition(backend_of(p).xp, g, numbers, p, *buffers)

    def start(self) -> None:
        """Launch all that was noted."""
        for (*_, counted), (rule, terms, members) in self.alike.items():
            for i in range(0, len(members), ROWS):
                self._launch(rule, terms, members[i : i + ROWS], counted)

    def _launch(self, rule: Rule, terms: Terms, members: list[list[Array]], counted: bool) -> None:
        """``counted`` tells that the updates are counted on the CPU; else an array for that comes first."""
        p, n = members[0][-1], len(members)
        about = np.zeros((), UPDATES)
        about["lr"], about["t"], about["count"] = terms.lr.data.ptr, terms.t, n
        about["found"] = 0 if self.found is None else self.found.data.ptr
        about["settings"][: len(terms.settings)] = terms.settings
        rows = about["row"][:n]
        sizes = np.array([arrays[-1].size for arrays in members])
        rows[:, 0], rows[:, 1] = np.cumsum(-(-sizes // PIECE)), sizes
        addresses = np.array([[a.data.ptr for a in arrays] for arrays in members])
        rows[:, 2 + counted : 2 + counted + addresses.shape[1]] = addresses
        text = text_of(rule, len(members[0]) - (not counted))
        backend = backend_of(p)
        launch: Any = backend.launch
        with backend.at(backend.index(p)):
            if not counted:
                launch(text, "count_updates", p.dtype, -(-n // 256), (about,))
            launch(text, "update", p.dtype, int(rows[-1, 0]), (about,))


def overlap(arrays: list[Array]) -> bool:
    """Tell whether some of these, which lie on GPUs, share memory."""
    ends = sorted(
        (a.data.ptr, a.data.ptr + sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)))
        for a in arrays
        if a.size
    )
    return any(end >= start for (_, end), (start, _) in pairwise(ends))
