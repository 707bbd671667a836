"""The Mersenne Twister as a loop, for many numbers at once: the words, and uniform numbers made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..backend import Kernel, helper
from .rounding import Floats

N, M = 624, 397  # Matsumoto & Nishimura, ACM TOMACS 8 (1998), table II
UPPER, LOWER, MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF


@helper
def twist(key):
    """Make the next 624 words of the state."""
    for i in range(N - M):
        y = (key[i] & UPPER) | (key[i + 1] & LOWER)
        key[i] = key[i + M] ^ (y >> 1) ^ ((y & 1) * MATRIX)
    for i in range(N - M, N - 1):
        y = (key[i] & UPPER) | (key[i + 1] & LOWER)
        key[i] = key[i + M - N] ^ (y >> 1) ^ ((y & 1) * MATRIX)
    y = (key[N - 1] & UPPER) | (key[0] & LOWER)
    key[N - 1] = key[M - 1] ^ (y >> 1) ^ ((y & 1) * MATRIX)


@helper
def temper(key, words):
    """Make random words of the state."""
    for i in range(N):
        y = np.int64(key[i])
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        words[i] = y ^ (y >> 18)


@Kernel
def fill_unit(
    xp: Any, out: Floats, key: npt.NDArray[np.uint32], place: npt.NDArray[np.int64]
) -> None:
    """Fill ``out`` with uniform numbers of [0, 1), as fine as its mantissa allows.

    A float64 takes two words, a float32 one. ``key`` are the 624 words of the state, of which ``place[0]`` are taken;
    both are left as they are afterwards.
    """
    _fill_unit_loop(0, 1, out, key, place)


@fill_unit.cpu(over=lambda *_: 1)  # one word after the other
def _fill_unit_loop(start, stop, out, key, place):
    words = np.empty(N, np.uint32)
    temper(key, words)
    at, i, n = place[0], 0, out.size
    while i < n:
        if at == N:
            twist(key)
            temper(key, words)
            at = 0
        if out.itemsize == 4:
            count = min(N - at, n - i)
            for k in range(count):
                out[i + k] = np.float32(words[at + k] & 0xFFFFFF) * np.float32(2.0**-24)
            at += count
            i += count
            continue
        count = min((N - at) // 2, n - i)
        for k in range(count):
            high, low = np.int64(words[at + 2 * k] & 0x1FFFFF), np.int64(words[at + 2 * k + 1])
            out[i + k] = np.float64(high << 32 | low) * 2.0**-53
        at += 2 * count
        i += count
        if i < n and at == N - 1:  # a number of the last word and of the first of the next block
            high = np.int64(words[at] & 0x1FFFFF)
            twist(key)
            temper(key, words)
            out[i] = np.float64(high << 32 | np.int64(words[0])) * 2.0**-53
            at = 1
            i += 1
    place[0] = at
