"""The error function: a loop over the C library's, and a definition in array operations."""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, Kernel, blocks

# Numerators and denominators, highest power first, of W. J. Cody, "Rational Chebyshev approximations
# for the error function", Mathematics of Computation 23 (1969), 631-637; relative error below 6e-17.
# fmt: off
SMALL = (
    [1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3],
    [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3],
)
MIDDLE = (
    [2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3],
    [1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3],
)
LARGE = (
    [1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4],
    [1, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3],
)
# fmt: on


def _ratio(z: Array, coefficients: tuple[list[float], list[float]]) -> Array:
    """Quotient of two polynomials, by Horner's rule."""
    p, q = (z * 0 + c[0] for c in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        p, q = p * z + a, q * z + b
    return p / q


def _erfc_of_large(xp: Any, z: Array) -> Array:
    """erfc for z > 0.46875."""
    far = 1 / (z * z)
    tail = (1 / math.sqrt(math.pi) - far * _ratio(far, LARGE)) / z
    # z^2 loses digits that its exponential needs: split z into 16ths, of exact square, and a rest.
    coarse = xp.trunc(z * 16) / 16
    decay = xp.exp(-coarse * coarse) * xp.exp(-(z - coarse) * (z + coarse))
    return decay * xp.where(z <= 4, _ratio(z, MIDDLE), tail)


@Kernel
def erf_kernel(xp: Any, x: Array, y: Array) -> None:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    x = x.astype("float64")
    z = xp.clip(abs(x), 0, 6)  # from 6 on it is 1 to the last digit
    y[...] = xp.where(
        z <= 0.46875, x * _ratio(z * z, SMALL), xp.sign(x) * (1 - _erfc_of_large(xp, z))
    )


@erf_kernel.cpu
def _erf_loop(start: int, stop: int, x: Array, y: Array) -> None:
    for i in range(start, stop):
        y[i] = math.erf(x[i])


@Kernel
def erfc_kernel(xp: Any, x: Array, y: Array) -> None:
    """1 - erf(x), exact also where erf(x) is nearly 1."""
    x = x.astype("float64")
    z = xp.clip(abs(x), 0, 28)  # from 28 on it is 0
    tail = _erfc_of_large(xp, z)
    y[...] = xp.where(z <= 0.46875, 1 - x * _ratio(z * z, SMALL), xp.where(x < 0, 2 - tail, tail))


@erfc_kernel.cpu
def _erfc_loop(start: int, stop: int, x: Array, y: Array) -> None:
    for i in range(start, stop):
        y[i] = math.erfc(x[i])


def _plan(x: Array, y: Array) -> Any:
    return blocks(x.size), (x, y, x.size)


erf_kernel.cuda(_plan)
erfc_kernel.cuda(_plan)


def fill(kernel: Kernel, xp: Any, x: Array) -> Array:
    """Run one of the kernels on an array of any shape."""
    y = xp.empty(x.shape, x.dtype)
    kernel(xp.ascontiguousarray(x).reshape(-1), y.reshape(-1))
    return y
