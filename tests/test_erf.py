"""The error function: both ways to it, against the C library's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import tinyconv as tc
from tinyconv.ops._erf import erf_kernel, erfc_kernel

EXACT = {"erf": (erf_kernel, math.erf), "erfc": (erfc_kernel, math.erfc)}
POINTS = np.concatenate(
    [
        np.linspace(-7, 7, 20001),
        np.linspace(-30, 30, 5001),
        [0.0, -0.0, 0.46875, np.nextafter(0.46875, 1), 4.0, -4.0, 6.0, 26.0, 28.0],
        [np.inf, -np.inf, np.nan, 1e-300, -1e-20],
    ]
)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("way", ["definition", "loop"])
def test_relative_error(name, way):
    kernel, exact = EXACT[name]
    y = np.empty_like(POINTS)
    with np.errstate(all="ignore"):
        if way == "definition":
            kernel.definition(np, POINTS, y)
        else:
            kernel(POINTS, y)
    z = np.array([exact(v) for v in POINTS])
    normal = np.abs(z) > 1e-300  # below, doubles lose digits
    np.testing.assert_allclose(y[normal], z[normal], rtol=1e-15)
    np.testing.assert_allclose(y, z, atol=1e-300, rtol=1e-15)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_layouts(name, dtype):
    a = np.linspace(-3, 3, 24).reshape(4, 6).astype(dtype)
    for view in (a, a.T, a[:, ::2], a[0, 0], a[:0]):
        ours = getattr(tc, name)(tc.tensor(view))
        theirs = getattr(torch, name)(torch.tensor(view))
        assert ours.numpy().dtype == dtype
        tolerance = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance)
