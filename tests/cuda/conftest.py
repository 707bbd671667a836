"""Every test here runs on the stand-in for CuPy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import standin  # noqa: E402  # the path comes first


@pytest.fixture(scope="module", autouse=True)
def device():
    """The counts of launches, waits and copies."""
    if not standin.COMPILER:
        pytest.skip("no C++ compiler to run CUDA kernels with")
    with standin.installed() as stats:
        yield stats


@pytest.fixture
def counts(device):
    """The same, from zero."""
    device.clear()
    return device
