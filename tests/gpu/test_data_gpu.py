"""On a card: pinned memory, batches ahead of their time, images made of bytes, and what the doctor says."""

from __future__ import annotations

import card
import numpy as np
import pytest

card.require_gpu()

import tinyconv as tc
from tinyconv import doctor
from tinyconv.utils.data import DataLoader, DevicePrefetcher, TensorDataset
from tinyconv.vision.transforms import (
    Batched,
    Cutout,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
)


@pytest.mark.parametrize("dtype", [tc.uint8, tc.int64, tc.float16, tc.bfloat16, tc.float32])
def test_pinned(dtype):
    x = tc.arange(120).reshape(3, 40).to(dtype)
    y = x.pin_memory()
    assert (x.is_pinned(), y.is_pinned(), y[1:].is_pinned()) == (False, True, True)
    for non_blocking in (False, True):
        assert y.to("cuda", non_blocking=non_blocking).cpu().tolist() == x.tolist()


def test_a_copy_that_blocks_is_done_when_it_returns():
    x = tc.zeros(1 << 24).pin_memory()
    y = x.to("cuda")
    x.fill_(1)
    assert y.sum().item() == 0


@pytest.mark.parametrize("pin_memory", [True, False])
def test_batches_ahead_are_whole(pin_memory):
    """Long work on each batch while the next ones are copied, again and again on the same memory."""
    n, rows = 3 if card.STANDIN else 60, 512
    data = TensorDataset(
        tc.arange(n * rows).reshape(-1, 1).expand(-1, 512).float(), tc.arange(n * rows)
    )
    weight = tc.eye(512, device="cuda")
    sums = []
    for x, y in DevicePrefetcher(DataLoader(data, rows, pin_memory=pin_memory), "cuda"):
        for _ in range(30):
            x = x @ weight
        sums.append((x[:, 0] - y).abs().max())
    assert [s.item() for s in sums] == [0] * n


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64, tc.float16, tc.bfloat16])
@pytest.mark.parametrize("channels_last", [False, True])
def test_images(dtype, channels_last):
    images = tc.from_numpy(np.random.default_rng(0).integers(0, 256, (65, 3, 32, 32), np.uint8))
    chain = [
        RandomCrop(32, padding=4, padding_mode="reflect"), RandomHorizontalFlip(), ToTensor(),
        Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)), Cutout(8),
    ]  # fmt: skip
    draw = Batched(chain, dtype)
    tc.manual_seed(3)
    expected = draw(images)
    there = images.permute(0, 2, 3, 1).contiguous() if channels_last else images
    tc.manual_seed(3)
    found = draw(there.to("cuda"))
    assert found.dtype == dtype
    assert (found.cpu() == expected).all()


@pytest.mark.skipif(card.STANDIN, reason="there is no driver behind the stand-in")
def test_the_doctor_finds_it_well():
    ill = [f for f in doctor.examine() if f.state == doctor.BROKEN]
    assert not ill
    found = {f.name: f for f in doctor.examine_gpu()}
    assert found["driver"].state == found["test"].state == doctor.OK
    assert found["cuda:0"].about.startswith(tc.cuda.get_device_name(0))
