"""What a few vector instructions mean, in Python. Loops that numba compiles get them from `simd` by the same names.

Here a vector is an array of ``lanes`` numbers; there it is a register. Both run the same loops, so that what a loop does
can be checked without a compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Array
from .kernel import helper, instruction

VECTOR = 64  # bytes


@instruction
def lanes(x: Array) -> int:
    """How many numbers of x's type a vector holds."""
    return VECTOR // int(x.itemsize)


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
def transpose_tile(
    x: Array, x0: int, rows: Array, r0: int, y: Array, y0: int, columns: Array, c0: int
) -> None:
    """``y[y0 + columns[c0 + j] + i] = x[x0 + rows[r0 + i] + j]`` for a square of lanes by lanes."""
    n = lanes(x)
    square = np.stack([x[x0 + r : x0 + r + n] for r in rows[r0 : r0 + n]])
    for j, at in enumerate(columns[c0 : c0 + n]):
        y[y0 + at : y0 + at + n] = square[:, j]
