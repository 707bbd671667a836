"""Fixtures of all tests."""

from __future__ import annotations

import gc

import pytest
import torch

import tinyconv as tc
from tinyconv.out import FUNCTIONS

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Examples of functions that take ``out`` run where these are defined, not where they are public, too."""
    again = {f"tinyconv.{name}" for name in FUNCTIONS}
    items[:] = [i for i in items if not (isinstance(i, pytest.DoctestItem) and i.name in again)]


def pytest_collection_finish() -> None:
    """What tens of thousands of tests are made of is nothing the garbage collector has to look at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same seed, float32 and recording on, and leaves it so."""
    tc.manual_seed(0)
    torch.manual_seed(0)
    yield
    tc.set_default_dtype(tc.float32)
    torch.set_default_dtype(torch.float32)
    assert tc.is_grad_enabled()
