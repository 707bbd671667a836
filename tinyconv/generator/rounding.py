"""Arithmetic that rounds as torch's kernels do: fused steps, C library, vector polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dtypes import HALVES

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
DType = np.dtype[Any]

F32, F64 = (np.dtype(n) for n in ("float32", "float64"))


def round_to(x: Floats, dtype: DType) -> Array:
    """Round to ``dtype``, beyond its range to infinity; to halves by way of float32, as in C++."""
    with np.errstate(over="ignore"):
        return (x.astype(F32) if dtype in HALVES else x).astype(dtype, copy=False)


def libm(function: Callable[[float], float], x: Floats) -> npt.NDArray[np.float64]:
    """``function`` of the C library for each number: NumPy's own may differ in the last bit."""
    return np.fromiter(map(function, x.tolist()), F64, x.size)


def fma(a: Floats, b: Any, c: Any) -> Floats:
    """``a * b + c`` with one rounding, as the processor's fused instruction; ``b``, ``c``: scalars.

    float32 by way of float64, where the product is exact. float64 by the error-free product and sum
    of Dekker (Numerische Mathematik 18, 1971) and Knuth (TAOCP 2, 4.2.2).
    """
    if a.dtype == F32:
        return _fma32(a, b, c)
    p = a * b
    if c == 0 or not max(abs(b), abs(c)) < 2.0**990:  # nothing to gain; or splitting overflows
        return p + c
    a1, b1 = _upper_half(a), _upper_half(b)
    a2, b2 = a - a1, b - b1
    p_error = a2 * b2 - (p - a1 * b1 - a2 * b1 - a1 * b2)
    s = p + c
    p_part = s - c
    s_error = (p - p_part) + (c - (s - p_part))
    return s + (s_error + p_error)


def _upper_half(x: Any) -> Any:
    t = x * (2.0**27 + 1)
    return t - (t - x)


def _fma32(a: Any, b: Any, c: Any) -> npt.NDArray[np.float32]:
    wide = np.multiply(a, b, dtype=F64)
    wide += c
    return wide.astype(F32)


def normal_blocks(unit: Floats, mean: float, std: float) -> Floats:
    """Blocks of 16 uniform numbers (8 radii, 8 angles) -> blocks of 16 normal ones."""
    if unit.dtype == F32:
        out = np.empty_like(unit)
        with np.errstate(over="ignore", invalid="ignore"):  # a huge std: infinity is right
            for i in range(0, unit.size, 8192):  # stays in the cache
                out[i : i + 8192] = _box_muller32(unit[i : i + 8192], mean, std)
        return out
    radius, angle = unit.reshape(-1, 2, 8).transpose(1, 0, 2).reshape(2, -1)
    r = np.sqrt(-2 * libm(math.log, 1 - radius))
    theta = 2 * math.pi * angle
    pairs = np.stack([r * libm(math.cos, theta), r * libm(math.sin, theta)])
    return fma(pairs.reshape(2, -1, 8).transpose(1, 0, 2).ravel(), std, mean)


def _box_muller32(unit: npt.NDArray[np.float32], mean: float, std: float) -> Floats:
    blocks = unit.reshape(-1, 2, 8)
    r = np.sqrt(np.float32(-2) * _log32(1 - blocks[:, 0]))
    sin, cos = _sin_cos32(np.float32(2 * math.pi) * blocks[:, 1])
    return fma(np.stack([r * cos, r * sin], 1).ravel(), np.float32(std), np.float32(mean))


# The polynomials are those of the Cephes library (S. L. Moshier, 1989) for single precision, in the
# order of operations and with the fused steps of torch's vector code. A correctly rounded logarithm
# or sine would be no worse, but its last bit another.

LOG = np.array(
    [7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
     -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1], F32)  # fmt: skip
SIN = np.array([-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1], F32)
COS = np.array([2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2], F32)
LOG2 = np.array([-2.12194440e-4, 0.693359375], F32)  # low part, high part
MINUS_QUARTER_PI = np.array([-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8], F32)
HALF, ONE = np.float32(0.5), np.float32(1)


def _horner(x: npt.NDArray[np.float32], coefficients: npt.NDArray[np.float32]) -> Any:
    y = coefficients[0]
    for c in coefficients[1:]:
        y = _fma32(y, x, c)
    return y


def _log32(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``log(x)`` for ``0 < x <= 1``: ``x = m * 2**e``, ``m`` around one, series in ``m - 1``."""
    m, e = np.frexp(x)
    low = m < np.float32(math.sqrt(0.5))
    e = (e - low).astype(F32)
    m = (m - ONE) + m * low
    z = m * m
    y = _fma32(_horner(m, LOG) * m, z, e * LOG2[0]) - z * HALF
    return _fma32(e, LOG2[1], m + y)


def _sin_cos32(x: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """``sin(x), cos(x)`` for ``0 <= x <= 2 pi``: series around the nearest multiple of pi / 2."""
    quadrant = ((x * np.float32(4 / math.pi)).astype(np.int32) + 1) >> 1
    eighths = (2 * quadrant).astype(F32)
    for part in MINUS_QUARTER_PI:
        x = _fma32(eighths, part, x)
    z = x * x
    cos = _fma32(_horner(z, COS) * z, z, -(z * HALF)) + ONE
    sin = _fma32(_horner(z, SIN) * z, x, x)
    odd = quadrant & 1 == 1
    sin, cos = np.where(odd, cos, sin), np.where(odd, sin, cos)
    sin[quadrant & 2 != 0] *= -ONE
    cos[(quadrant + 1) & 2 != 0] *= -ONE
    return sin, cos
