"""Vector instructions: what each means in Python is what its compiled form does, bit by bit, and no other memory is touched."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyconv.backend import (
    copy,
    either,
    exponential,
    fma,
    inner_tile,
    jit_enabled,
    lanes,
    larger,
    largest,
    load,
    load_as,
    load_marked,
    load_part,
    maximum,
    pick,
    positive,
    product_tile,
    registers,
    spread,
    store,
    store_pairs,
    store_part,
    store_steps,
    total,
    transpose_tile,
    vector,
)

pytestmark = pytest.mark.skipif(not jit_enabled(), reason="loops are not compiled here")
ROOT = Path(__file__).parent.parent
FLOATS = (np.float32, np.float64)
MARKS = (np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)
SIZE = 160  # numbers in an array: a few vectors, and room on both sides
Arguments = Callable[[Any], Iterable[tuple[Any, ...]]]
CASES: dict[str, tuple[Any, Arguments, float]] = {}


def case(arguments: Arguments, tolerance: float = 0) -> Callable[[Any], Any]:
    """Decorator: a loop, the arguments it is run with for a number type, and how far results may be apart."""

    def note(loop: Any) -> Any:
        CASES[loop.__name__] = loop, arguments, tolerance
        return loop

    return note


# ── arguments ─────────────────────────────────────────────────────────────────────────────────


def numbers(dtype: Any, seed: int = 0, scale: float = 4) -> np.ndarray:
    """Normal numbers, and here and there one of the others."""
    x = np.random.default_rng(seed).standard_normal(SIZE) * scale
    odd = [np.nan, -0.0, 0.0, np.inf, -np.inf, np.finfo(dtype).smallest_subnormal, 1, 1, -1, -1]
    x[np.random.default_rng(seed + 1).permutation(SIZE)[: 4 * len(odd)]] = np.tile(odd, 4)
    return x.astype(dtype)


def plain(dtype: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SIZE).astype(dtype)


def n_of(dtype: Any) -> int:
    return lanes(np.empty(0, dtype))


def edges(dtype: Any, n: int | None = None) -> list[tuple[int, int]]:
    """The first lane and the one after the last: all, none, some, and beyond both ends."""
    n = n or n_of(dtype)
    some = (-n - 1, -1, 0, 1, n // 2, n - 1, n, n + 1, 3 * n)
    return [(a, b) for a, b in product(some, some) if a <= b]


def within(dtype: Any) -> list[tuple[int, int]]:
    n = n_of(dtype)
    return [(a, b) for a, b in product((0, 1, n // 2, n - 1, n), repeat=2) if a <= b]


def one(dtype: Any) -> Iterator[Any]:
    for seed in range(8):
        yield numbers(dtype, seed), plain(dtype)


def two(dtype: Any) -> Iterator[Any]:
    for seed in range(8):
        yield numbers(dtype, seed), numbers(dtype, seed + 8), plain(dtype)


def four(dtype: Any) -> Iterator[Any]:
    for seed in range(16):
        yield *(numbers(dtype, 4 * seed + i, 1) for i in range(4)), plain(dtype)


# ── loops ─────────────────────────────────────────────────────────────────────────────────────


@case(one)
def counts(x, y):
    y[0] = lanes(x)
    y[1] = lanes(y)
    y[2] = registers()


@case(lambda t: ((numbers(t), at, plain(t), to) for at, to in product((0, 1, 17), (0, 3, 40))))
def whole_vectors(x, at, y, to):
    store(y, to, load(x, at))


@case(lambda t: ((plain(t), t(v)) for v in (1.5, -0.0, np.nan, -np.inf)))
def one_number_everywhere(y, number):
    store(y, 1, spread(y, number))
    store(y, 1 + lanes(y), spread(y, 0.0))
    store(y, 1 + 2 * lanes(y), spread(y, lanes(y)))


@case(one)
def positive_part(x, y):
    for at in range(0, len(x) - lanes(x), lanes(x)):
        store(y, at, positive(load(x, at)))


@case(two)
def arithmetic(a, b, y):
    n = lanes(a)
    v, w = load(a, 5), load(b, 1)
    store(y, 0, v + w)
    store(y, n, v - w)
    store(y, 2 * n, v * w)
    store(y, 3 * n, (v - w) * w + spread(y, 0.5))


@case(
    lambda t: ((plain(t, i), plain(t, i + 20), plain(t, i + 40), numbers(t)) for i in range(8)), 64
)
def multiply_and_add(a, b, c, y):
    for at in range(0, 4 * lanes(a), lanes(a)):
        store(y, at, fma(load(a, at), load(b, at), load(c, at)))


@case(lambda t: ((numbers(t), 20, *e, plain(t)) for e in edges(t)))
def part(x, at, first, last, y):
    store(y, 0, load_part(x, at, first, last))


@case(lambda t: (
    (numbers(t), (np.arange(SIZE) % 3 % (2 if m is np.bool_ else 3)).astype(m), 20, mark, *e, plain(t))
    for m in MARKS for mark in (0, 1, 2) for e in edges(t)
))  # fmt: skip
def marked(x, marks, at, mark, first, last, y):
    store(y, 0, load_marked(x, marks, at, mark, first, last))


@case(lambda t: (
    (np.random.default_rng(0).integers(-1000, 1000, SIZE).astype(m), 20, *e, plain(t))
    for m in MARKS for e in edges(t)
))  # fmt: skip
def other_types(x, at, first, last, y):
    store(y, 0, load_as(y, x, at, first, last))


@case(lambda t: ((numbers(t), plain(t), 20, *e) for e in edges(t)))
def storing_a_part(x, y, at, first, last):
    store_part(y, at, first, last, load(x, 7))


@case(lambda t: (
    ((np.arange(SIZE) % 100 + 0.75).astype(t), np.full(SIZE, 1, m), 20, *e)
    for m in MARKS[1:] for e in edges(t)
))  # fmt: skip
def storing_a_part_as_integers(x, y, at, first, last):
    store_part(y, at, first, last, load(x, 7))


@case(lambda t: (
    *((numbers(t), 20, s, *e, t(o), plain(t)) for s in (1, 2) for e in edges(t) for o in (0, np.nan, -np.inf)),
    *((numbers(t), 20, s, *e, t(o), plain(t)) for s in (3, 7) for e in within(t) for o in (0, -np.inf)),
))  # fmt: skip
def picking(x, at, step, first, last, other, y):
    store(y, 0, pick(x, at, step, first, last, other))


@case(lambda t: ((numbers(t), plain(t), 20, s, *e) for s in (1, 2, 3, 8) for e in within(t)))
def storing_in_steps(x, y, at, step, first, last):
    store_steps(y, at, step, first, last, load(x, 7))


@case(lambda t: ((numbers(t), plain(t), 50, *e) for e in edges(t, 2 * n_of(t))))
def storing_pairs(x, y, at, first, last):
    store_pairs(y, at, first, last, load(x, 3), load(x, 33))


@case(four)
def choice(v, w, a, b, y):
    for at in range(0, len(v) - lanes(v), lanes(v)):
        store(y, at, larger(load(v, at), load(w, at), load(a, at), load(b, at)))


@case(four)
def alternatives(v, w, a, b, y):
    for i in range(len(v)):
        y[i] = either(v[i] < w[i], a[i], b[i])


@case(lambda t: ((numbers(t, i), np.zeros(SIZE)) for i in range(8)), 64)
def sums(x, y):
    n = lanes(x)
    for at in range(len(x) - n):
        y[at] = total(load(x, at))


@case(two)
def larger_numbers(v, w, y):
    for at in range(0, len(v) - lanes(v), lanes(v)):
        store(y, at, maximum(load(v, at), load(w, at)))


@case(
    lambda t: (
        (np.nan_to_num(numbers(t, i), posinf=np.inf, neginf=-np.inf), plain(t)) for i in range(8)
    )
)
def maxima(x, y):
    n = lanes(x)
    for at in range(len(x) - n):
        y[at] = largest(load(x, at)) + x.dtype.type(0)  # which zero is the largest is left open


@case(lambda t: (
    *((np.linspace(-low - i, i + 1, SIZE).astype(t), plain(t)) for i, low in enumerate((1, 20, 87, 103, 745))),
    *((np.linspace(-1, high, SIZE).astype(t), plain(t)) for high in (88.7, 89, 709.7, 710, 1e4)),
    (numbers(t), plain(t)),
), 3)  # fmt: skip
def exponentials(x, y):
    for at in range(0, len(x) - lanes(x), lanes(x)):
        store(y, at, exponential(load(x, at)))


@case(lambda t: ((numbers(t), s, plain(t), to, count) for s, to, count in
                 product((0, 5), (0, 9), (0, 1, 7, 16, 17, 100))))  # fmt: skip
def copies(x, s, y, to, count):
    copy(x, s, y, to, count)


@case(lambda t: (
    (plain(t, 1), plain(t, 2), numbers(t), k, q, *strides, add)
    for k, q in ((0, 1), (1, 0), (1, 1), (2, 3), (3, 1)) for add in (False, True)
    for strides in ((1, 12, 4, 10, 5, 2 * n_of(t)), (7, 1, 3, 1, 17, 2 * n_of(t) + 1))
), 64)  # fmt: skip
def tiles(a, b, y, k, q, ai, ak, al, bk, bl, yi, add):
    product_tile(1, 1, a, 2, ai, ak, al, b, 3, bk, bl, k, q, y, 1, yi, add)
    product_tile(3, 2, a, 0, ai, ak, al, b, 1, bk, bl, k, q, y, 2 * lanes(y), yi, add)


@case(lambda t: ((np.tile(plain(t, 1), 9), plain(t, 2), np.tile(plain(t, 3), 12), k, add)
                 for k in (1, 5) for add in (False, True)), 64)  # fmt: skip
def large_tiles(a, b, y, k, add):
    n = lanes(y)
    product_tile(6, 4, a, 0, 9, 1, 2, b, 0, 3, 2, k, 2, y, 3, 4 * n, add)
    product_tile(12, 1, a, 0, 9, 1, 2, b, 0, 3, 2, k, 2, y, 24 * n + 5, n + 1, add)
    product_tile(6, 2, a, 0, 9, 1, 2, b, 0, 3, 2, k, 2, y, 50 * n, 2 * n, add)


@case(lambda t: ((np.tile(plain(t, 1), 5), np.tile(plain(t, 2), 5), np.tile(numbers(t, 3), 9), k, q)
                 for k, q in ((0, 1), (1, 0), (1, 1), (2, 3))), 64)  # fmt: skip
def inner_tiles(a, b, y, k, q):
    n = lanes(y)
    inner_tile(4, 5, a, 2, 7, 9, b, 1, 3, 11, k, q, y, 3, 5 * n)
    inner_tile(6, 3, a, 0, 1, n, b, 0, 1, n, k, q, y, 21 * n + 4, 3 * n + 1)
    inner_tile(1, 1, a, 5, 0, 1, b, 7, 0, 2, k, q, y, 45 * n, 0)


def squares(dtype: Any) -> Iterator[Any]:
    n, rng = n_of(dtype), np.random.default_rng(0)
    for skip, x0, y0 in ((0, 0, 0), (3, 5, 9)):
        rows, to = ((rng.permutation(n + skip) * 21).astype(np.int32) for _ in "xy")
        long = np.tile(numbers(dtype), 4)
        yield long, x0, rows, skip, np.zeros_like(long), y0, to, skip


@case(squares)
def transposition(x, x0, rows, r0, y, y0, to, c0):
    transpose_tile(x, x0, rows, r0, y, y0, to, c0)


# ── the comparison ────────────────────────────────────────────────────────────────────────────


@cache
def compiled(name: str) -> Any:
    from tinyconv.backend import _numba  # only where numba is

    return _numba.compiled(CASES[name][0])


def run(loop: Any, args: Any) -> list[np.ndarray]:
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        loop(*copies)
    return [a for a in copies if isinstance(a, np.ndarray)]


def same(ours: np.ndarray, exact: np.ndarray, tolerance: float, what: Any) -> None:
    """The same bits, all NaNs being one; or so many units in the last place of the larger of the result and 1."""
    numeric = exact == exact
    assert (numeric == (ours == ours)).all(), what
    if not tolerance:
        assert ours[numeric].tobytes() == exact[numeric].tobytes(), (what, ours, exact)
        return
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(ours[~finite], exact[~finite], str(what))
    ours, exact = ours[finite], exact[finite]
    unit = np.spacing(np.abs(exact) if tolerance < 10 else np.maximum(np.abs(exact), 1))
    assert (np.abs(ours - exact) <= tolerance * unit).all(), (what, ours, exact)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", list(CASES))
def test_compiled_instructions_mean_the_same(name, dtype):
    loop, arguments, tolerance = CASES[name]
    for args in arguments(dtype):
        rest = [a for a in args if not isinstance(a, np.ndarray)]
        for ours, exact in zip(run(compiled(name), args), run(loop, args), strict=True):
            same(ours, exact, tolerance, (name, rest))


def test_every_instruction_has_a_case():
    from tinyconv.backend import _numba  # only where numba is

    known = {name for name, f in vars(vector).items() if hasattr(f, "instruction")}
    used = {name for loop, *_ in CASES.values() for name in loop.__code__.co_names}
    assert known <= used, f"no case for {known - used}"
    for name in known:
        ours, theirs = (
            inspect.signature(f) for f in (getattr(vector, name), _numba.instructions[name])
        )
        assert list(ours.parameters) == list(theirs.parameters)[1:]


@pytest.mark.parametrize("dtype", FLOATS)
def test_multiplication_and_addition_round_once(dtype):
    a, b, y = plain(dtype, 1), plain(dtype, 2), plain(dtype)
    c = -(a * b)
    n = n_of(dtype)
    compiled("multiply_and_add")(a, b, c, y)
    exact = [
        Fraction(float(p)) * Fraction(float(q)) + Fraction(float(r))
        for p, q, r in zip(a, b, c, strict=True)
    ]
    np.testing.assert_array_equal(y[: 4 * n], np.array([float(v) for v in exact[: 4 * n]], dtype))
    assert y[: 4 * n].any()


# Arrays that end at the end of a page, with a page after it that nobody may touch.
BORDER = """
import ctypes, mmap, sys
import numpy as np
import test_vector as t
libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
def bordered(dtype, count):
    memory = mmap.mmap(-1, 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert libc.mprotect(ctypes.c_void_p(start + page), page, 0) == 0
    whole = np.frombuffer(memory, dtype, page // np.dtype(dtype).itemsize)
    whole[:] = 1
    return whole[len(whole) - count:]
for dtype in t.FLOATS:
    n, wide = t.n_of(dtype), t.numbers(dtype)
    for count in range(1, n):
        x, y = bordered(dtype, count), bordered(dtype, count)
        marks = bordered(np.uint8, count)
        t.compiled("part")(x, 0, 0, count, wide)
        t.compiled("marked")(x, marks, 0, 1, 0, count, wide)
        t.compiled("other_types")(marks, 0, 0, count, wide)
        t.compiled("storing_a_part")(wide, y, 0, 0, count)
        t.compiled("storing_a_part_as_integers")(np.abs(t.plain(dtype)), marks, 0, 0, count)
        t.compiled("storing_pairs")(wide, y, 0, 0, count)
        t.compiled("copies")(wide, 0, y, 0, count)
        for step in (1, 2, 3):
            taps = (count + step - 1) // step
            t.compiled("picking")(x, 0, step, 0, taps, dtype(0), wide)
            t.compiled("storing_in_steps")(wide, y, 0, step, 0, taps)
print("done")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are protected by mprotect")
def test_a_part_touches_nothing_beyond_it():
    child = subprocess.run(
        [sys.executable, "-c", BORDER],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (child.returncode, child.stdout) == (0, "done\n"), child.stderr
