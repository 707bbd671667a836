"""What a few vector instructions mean, in Python. Loops that numba compiles get them from `simd` by the same names.

Here a vector is an array of ``lanes`` numbers; there it is a register. Both run the same loops, so that what a loop does
can be checked without a compiler.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from .base import Array
from .kernel import helper, instruction


@cache
def vector_unit() -> tuple[int, int]:
    """How many bytes a vector of this processor has, and how many of them it holds at once."""
    if find_spec("llvmlite") is None:
        return 64, 32
    features = import_module("llvmlite.binding").get_host_cpu_features()  # comes with numba
    if features.get("avx512f"):
        return 64, 32
    return (32, 16) if features.get("avx2") and features.get("fma") else (16, 32)


@instruction
def lanes(x: Array) -> int:
    """How many numbers of x's type a vector holds."""
    return vector_unit()[0] // int(x.itemsize)


@instruction
def registers() -> int:
    """How many vectors the processor holds at once."""
    return vector_unit()[1]


@helper
def scratch(x, n):
    """Memory for ``n`` numbers of x's type, as it is found."""
    return np.empty(n, x.dtype)


@helper
def table(n):
    """Memory for ``n`` places in an array."""
    return np.empty(n, np.int32)


@instruction
def load(x: Array, at: int) -> Any:
    """The vector ``x[at], x[at + 1], ...``; ``x`` is flat."""
    return x[at : at + lanes(x)].copy()


@instruction
def store(x: Array, at: int, v: Any) -> None:
    """``x[at], x[at + 1], ... = v``."""
    x[at : at + lanes(x)] = v


@instruction
def spread(x: Array, number: Any) -> Any:
    """The vector of one number everywhere, of x's type."""
    return np.full(lanes(x), number, x.dtype)


@instruction
def positive(v: Any) -> Any:
    """v where it is positive or NaN, else 0."""
    return np.where(v <= 0, v.dtype.type(0), v)


@instruction
def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c of three vectors, rounded once."""
    return a * b + c


@instruction
def load_part(x: Array, at: int, first: int, last: int) -> Any:
    """``x[at + k]`` in the lanes ``first <= k < last``, 0 in the rest; only that memory is touched."""
    return pick(x, at, 1, first, last, 0)


@instruction
def load_marked(x: Array, marks: Array, at: int, mark: int, first: int, last: int) -> Any:
    """``load_part`` of the numbers that have this mark, 0 for the rest; ``marks`` is as long as ``x``."""
    return np.where(load_as(x, marks, at, first, last) == mark, load_part(x, at, first, last), 0)


@instruction
def load_as(like: Array, x: Array, at: int, first: int, last: int) -> Any:
    """``load_part`` of bools or integers, as numbers of the type of ``like``."""
    v = np.zeros(lanes(like), like.dtype)
    v[max(first, 0) : max(last, 0)] = x[at + max(first, 0) : at + min(last, len(v))]
    return v


@instruction
def store_part(y: Array, at: int, first: int, last: int, v: Any) -> None:
    """``y[at + k] = v[k]`` for the lanes ``first <= k < last``, as numbers of y's type."""
    store_steps(y, at, 1, first, last, v)


@instruction
def pick(x: Array, at: int, step: int, first: int, last: int, other: Any) -> Any:
    """``x[at + k step]`` in the lanes ``first <= k < last``, ``other`` in the rest.

    With a step of three or more, ``0 <= first`` and ``last <= lanes``: nothing is cut off.
    """
    v = np.full(lanes(x), other, x.dtype)
    for k in range(max(first, 0), min(last, len(v))):
        v[k] = x[at + k * step]
    return v


@instruction
def store_steps(y: Array, at: int, step: int, first: int, last: int, v: Any) -> None:
    """``y[at + k step] = v[k]`` for the lanes ``first <= k < last``, of which none lies outside the vector."""
    for k in range(max(first, 0), min(last, len(v))):
        y[at + k * step] = v[k]


@instruction
def store_pairs(y: Array, at: int, first: int, last: int, a: Any, b: Any) -> None:
    """Store a[0], b[0], a[1], b[1], ... from the number ``first`` to before the number ``last``."""
    both = np.stack([a, b], 1).reshape(-1)
    y[at + max(first, 0) : at + min(last, len(both))] = both[max(first, 0) : max(last, 0)]


@instruction
def larger(v: Any, w: Any, a: Any, b: Any) -> Any:
    """a where v is larger than w, or NaN while w is not, else b."""
    return np.where((v > w) | ((v != v) & (w == w)), a, b)


@instruction
def total(v: Any) -> Any:
    """The sum of the numbers, in double precision."""
    return v.sum(dtype=np.float64)


@instruction
def either(condition: Any, a: Any, b: Any) -> Any:
    """a where a condition holds, else b: of numbers in a loop, of arrays outside."""
    return np.where(condition, a, b)


@instruction
def maximum(v: Any, w: Any) -> Any:
    """The larger numbers of two vectors; that of w where one is NaN."""
    return np.where(v > w, v, w)


@instruction
def largest(v: Any) -> Any:
    """The largest number; NaN is not looked for."""
    return v.max()


@instruction
def exponential(v: Any) -> Any:
    """Exponentials."""
    return np.exp(v)


@instruction
def copy(source: Array, s0: int, target: Array, t0: int, count: int) -> None:
    """``target[t0 + i] = source[s0 + i]`` for ``i < count``: a helper would cost more than a short row."""
    target[t0 : t0 + count] = source[s0 : s0 + count]


@instruction
def product_tile(
    m: int, v: int,
    a: Array, a0: int, ai: int, ak: int, al: int,
    b: Array, b0: int, bk: int, bl: int,
    k: int, q: int,
    y: Array, y0: int, yi: int,
    add: bool,
) -> None:  # fmt: skip
    """``y[i, j] = sum over k and q of a[i, k, q] b[k, q, j]`` for ``i < m`` and the ``v`` vectors of ``j``, in registers.

    All three are flat; ``a0`` is where the first element lies, ``ai ak al`` how far apart two neighbours are. With ``add``
    the sum is added to what ``y`` holds.
    """
    j = np.arange(v * lanes(y))
    ks, ls = np.arange(k)[:, None], np.arange(q)
    columns = b[(b0 + ks * bk + ls * bl).reshape(-1)[:, None] + j]
    for i in range(m):
        row = y[y0 + i * yi : y0 + i * yi + len(j)]
        total = a[(a0 + i * ai + ks * ak + ls * al).reshape(-1)] @ columns
        row[:] = row + total if add else total


@instruction
def inner_tile(
    m: int, v: int,
    a: Array, a0: int, ai: int, ak: int,
    b: Array, b0: int, bj: int, bk: int,
    k: int, q: int,
    y: Array, y0: int, yi: int,
) -> None:  # fmt: skip
    """``y[i, j] += sum over k and q of a[i, k, q] b[k, q, j]``, all of these vectors, for ``i < m`` and ``j < v``.

    Lanes are not added to each other. Vectors of neighbouring ``q`` lie side by side, and so do those of ``y`` along ``j``;
    the rest is as in :func:`product_tile`.
    """
    n = lanes(y)
    for i, j in np.ndindex(m, v):
        for row in range(k):
            left = a[a0 + i * ai + row * ak :][: q * n].reshape(q, n)
            right = b[b0 + j * bj + row * bk :][: q * n].reshape(q, n)
            y[y0 + i * yi + j * n :][:n] += (left * right).sum(0)


@instruction
def transpose_tile(
    x: Array, x0: int, rows: Array, r0: int, y: Array, y0: int, columns: Array, c0: int
) -> None:
    """``y[y0 + columns[c0 + j] + i] = x[x0 + rows[r0 + i] + j]`` for a square of lanes by lanes."""
    n = lanes(x)
    square = np.stack([x[x0 + r : x0 + r + n] for r in rows[r0 : r0 + n]])
    for j, at in enumerate(columns[c0 : c0 + n]):
        y[y0 + at : y0 + at + n] = square[:, j]
