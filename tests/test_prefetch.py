"""Batches on a device, on the CPU: as the loader gives them."""

from __future__ import annotations

import pytest

import tinyconv as tc
from tinyconv.utils.data import DataLoader, DevicePrefetcher, TensorDataset

DATA = TensorDataset(tc.arange(5), tc.arange(5) * 10)


def test_the_batches_of_the_loader():
    batches = DevicePrefetcher(DataLoader(DATA, 2), "cpu")
    assert len(batches) == 3
    for _ in range(2):  # epochs
        found = [[t.tolist() for t in batch] for batch in batches]
        assert found == [[[0, 1], [0, 10]], [[2, 3], [20, 30]], [[4], [40]]]


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        ([tc.tensor([1, 2]), tc.tensor([3])], [[-1, -2], [-3]]),
        ([(tc.tensor([1]), "a", 7)], [[tc.tensor([-1]), "a", 7]]),
        ([], []),
    ],
)
def test_the_images_are_transformed(loader, expected):
    found = list(DevicePrefetcher(iter(loader), tc.device("cpu"), lambda x: -x))
    assert str(found) == str([tc.tensor(e) if isinstance(e[0], int) else e for e in expected])


def test_dicts_go_along():
    batch = {"x": tc.ones(1), "more": [tc.zeros(1), None]}
    assert str(list(DevicePrefetcher([batch], "cpu"))) == str([batch])


def test_without_a_length():
    with pytest.raises(TypeError, match="has no len"):
        len(DevicePrefetcher(iter([]), "cpu"))


@pytest.mark.skipif(tc.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu():
    with pytest.raises(RuntimeError, match="usable"):
        DevicePrefetcher([tc.ones(1)])
    assert not tc.ones(2).is_pinned()
    with pytest.raises(
        RuntimeError, match="Cannot access accelerator device when none is available"
    ):
        tc.ones(2).pin_memory()
    with pytest.raises(
        RuntimeError, match="Cannot access accelerator device when none is available"
    ):
        tc.tensor([1.0], pin_memory=True)
