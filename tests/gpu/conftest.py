"""Tests that need a GPU: ``python -m pytest -m gpu``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import card  # the path comes first

import tinyconv as tc
from tinyconv import backends


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="module", autouse=True)
def _device():
    with card.on_the_card():
        yield


@pytest.fixture(autouse=True)
def _exact():
    """Without TensorFloat-32, unless a test asks for it."""
    backends.cuda.allow_tf32 = False
    yield
    backends.cuda.allow_tf32 = False
    tc.cuda.synchronize()  # late errors belong to the test that made them
