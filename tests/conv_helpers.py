"""What the tests of compiled convolutions share: numbers, tolerances, and the choices that a program leaves to the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tinyconv.backend import Kernel, get_num_threads, jit_enabled, parallel, set_num_threads
from tinyconv.ops.conv import columns, depthwise, direct, planes, tiled, winograd

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}  # relative to the largest value
needs_numba = pytest.mark.skipif(not jit_enabled(), reason="loops are not compiled here")
both = pytest.mark.parametrize("dtype", list(TOLERANCE))
LOOPS = {
    kernel.name: kernel
    for module in (columns, depthwise, direct, planes, winograd)
    for kernel in vars(module).values()
    if isinstance(kernel, Kernel)
}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def close(ours: np.ndarray, exact: np.ndarray, tolerance: float, what: Any = "") -> None:
    """Equal but for rounding: what the largest value has lost, any other may have lost, too."""
    assert ours.shape == exact.shape, (what, ours.shape, exact.shape)
    known = np.abs(exact[np.isfinite(exact)])
    atol = tolerance * max(1e-3, known.max(initial=0))
    np.testing.assert_allclose(ours, exact, 0, atol, err_msg=str(what))


def numbered(cases: Any) -> dict[str, Any]:
    """Cases as pytest's decorator takes them, with numbers as names."""
    return {"argvalues": cases, "ids": [str(i) for i in range(len(cases))]}


@contextmanager
def tiles_of(m: int) -> Iterator[None]:
    """Winograd's tiles have this side, which otherwise depends on the size of the work."""
    plain = tiled._winograd_side
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled, "_winograd_side", lambda *a: plain(*a) and m)
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads compute, and share small work, too."""
    before = get_num_threads()
    set_num_threads(count)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parallel, "GRAIN", 1)
            patch.setattr(tiled, "GRAIN", 1)
            yield
    finally:
        set_num_threads(before)
