"""Whole batches of bytes in one pass: the same numbers as the transforms one by one, image by image."""

from __future__ import annotations

import numpy as np
import pytest
from loops import same

import tinyconv as tc
from tinyconv.vision.transforms import (
    Batched,
    Compose,
    Cutout,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    RandomVerticalFlip,
    ToTensor,
)
from tinyconv.vision.transforms.batch import redraw

FLIP, FLOATS = RandomHorizontalFlip(), ToTensor()
MEAN = Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
CHAINS = {
    "floats": [FLOATS],
    "normal": [FLOATS, MEAN],
    "flip": [FLIP, FLOATS],
    "always": [RandomHorizontalFlip(1.0), FLOATS],
    "crop": [RandomCrop(9), FLOATS, MEAN],
    "padding": [RandomCrop((12, 10), padding=(1, 2, 3, 4)), FLIP, FLOATS, MEAN],
    "reflect": [RandomCrop(12, padding=3, padding_mode="reflect"), FLIP, FLOATS, MEAN],
    "symmetric": [RandomCrop(12, padding=3, padding_mode="symmetric"), FLOATS],
    "edge": [RandomCrop(12, padding=3, padding_mode="edge"), FLOATS],
    "fill": [RandomCrop(12, padding=3, fill=(1, 2, 3)), FLOATS, MEAN],
    "if needed": [RandomCrop(20, pad_if_needed=True, fill=7), FLOATS],
    "cutout": [FLOATS, MEAN, Cutout(5)],
    "all": [RandomCrop(12, padding=4, padding_mode="reflect"), FLIP, FLOATS, MEAN, Cutout(4)],
}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 12, 14, 3), np.uint8)


def one_by_one(chain, images) -> tc.Tensor:
    tc.manual_seed(3)
    return tc.stack([Compose(chain)(image) for image in images])


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_the_same_numbers(chain, images):
    expected = one_by_one(chain, images)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    batches = {
        "n h w c": tc.from_numpy(images),
        "n c h w": tc.from_numpy(planes),
        "a view": tc.from_numpy(images).permute(0, 3, 1, 2),
        "with gaps": tc.from_numpy(np.repeat(planes, 2, 3))[..., ::2],
    }
    for name, batch in batches.items():
        tc.manual_seed(3)
        found = Batched(chain)(batch)
        assert found.dtype == tc.float32
        assert found.is_contiguous()
        np.testing.assert_array_equal(found.numpy(), expected.numpy(), name)


@pytest.mark.parametrize("dtype", [tc.float64, tc.float16, tc.bfloat16])
def test_rounded_once(images, dtype):
    expected = one_by_one(CHAINS["all"], images).to(dtype)
    tc.manual_seed(3)
    found = Batched(Compose(CHAINS["all"]), dtype)(tc.from_numpy(images))
    assert found.dtype == dtype
    assert (found == expected).all()


def test_one_channel():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), np.uint8)
    draw = Batched([RandomCrop(8, padding=2), FLOATS, Normalize((0.5,), (0.5,))])
    y = draw(tc.from_numpy(images))
    assert y.shape == (5, 1, 8, 8)
    assert len({image.tobytes() for image in y.numpy()}) == 5


def test_no_images():
    draw = Batched(CHAINS["all"])
    assert draw(tc.zeros(0, 3, 12, 14, dtype=tc.uint8)).shape == (0, 3, 12, 12)


def test_every_image_has_its_own_chance():
    images = tc.arange(64, dtype=tc.uint8).reshape(1, 1, 8, 8).expand(200, 1, 8, 8)
    drawn = Batched([RandomCrop(8, padding=1, padding_mode="reflect"), FLIP, FLOATS])(images)
    assert len({image.tobytes() for image in drawn.numpy()}) == 18  # 9 places, flipped or not


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_loop_and_definition(images, kind):
    rng = np.random.default_rng(1)
    x = images.transpose(0, 3, 1, 2).reshape(7, 3, -1)
    source = rng.integers(-1, x.shape[2], (16, 15)).astype(np.int32)
    places = np.stack([rng.integers(lo, hi, 7) for lo, hi in ((0, 5), (0, 6), (0, 2), (-3, 12), (-3, 10))], 1)  # fmt: skip
    y = np.empty((7, 3, 12, 10), kind)
    table = rng.random((3, 257)).astype(kind)
    same(redraw, table, x, source, places.astype(np.int32), y, 4, fills=[4], meaning=True, rtol=0)


@pytest.mark.parametrize(
    "chain",
    [
        [],
        [MEAN],
        [FLIP, MEAN],
        [FLIP, RandomCrop(4), FLOATS],
        [FLOATS, FLOATS],
        [FLOATS, Cutout(2), MEAN],
        [RandomVerticalFlip(), FLOATS],
    ],
    ids=str,
)
def test_other_chains(chain):
    with pytest.raises(
        ValueError, match=r"each at most once, in this order, and ToTensor in any case\nGot"
    ):
        Batched(chain)


@pytest.mark.parametrize(
    "images",
    [
        tc.zeros(2, 3, 4, 4),
        tc.zeros(3, 4, 4, dtype=tc.uint8),
        np.zeros((2, 3, 4, 4), np.uint8),
    ],
    ids=["floats", "one image", "an array"],
)
def test_other_images(images):
    with pytest.raises(TypeError, match="expects a uint8 Tensor"):
        Batched([FLOATS])(images)


def test_as_text():
    assert repr(Batched([FLIP, FLOATS], tc.bfloat16)) == (
        "Batched(\n    RandomHorizontalFlip(p=0.5)\n    ToTensor()\n    tinyconv.bfloat16\n)"
    )
    assert "bfloat16" not in repr(Batched([FLOATS]))


# ── Cutout ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [1, 2, 3, 8, 40])
def test_cutout(length):
    cut = Cutout(length)
    x = tc.ones(2, 9, 11)
    seen = set()
    for _ in range(200):
        y = cut(x).numpy()
        assert (y[0] == y[1]).all()
        rows, columns = (np.flatnonzero((y[0] == 0).any(axis)) for axis in (1, 0))
        assert (y[0][np.ix_(rows, columns)] == 0).all()
        assert (y[0] == 0).sum() == len(rows) * len(columns) > 0
        assert len(rows) <= length
        assert len(columns) <= length
        seen.add((rows[0], rows[-1], columns[0], columns[-1]))
    assert (x == 1).all()
    if length == 3:
        assert {(0, 1), (7, 8)} <= {place[:2] for place in seen}  # cut off at the border
        assert any(place[1] - place[0] == 2 for place in seen)


def test_cutout_of_an_image():
    image = np.full((6, 7, 3), 255, np.uint8)
    assert (Cutout(2)(image) == 0).any()
    assert image.min() == 255
