"""Grids, files and drawings against torchvision's."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import pillow, utils

RNG = np.random.default_rng(0)
FLOATS = RNG.normal(0.4, 0.5, (5, 3, 4, 6)).astype(np.float32)
BYTES = RNG.integers(0, 256, (3, 20, 24), np.uint8)
SHADES = RNG.random((3, 20, 24)).astype(np.float32)
PAIRS = [(tc.from_numpy, utils), (torch.from_numpy, torchvision.utils)]


def same(ours, theirs):
    assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


GRIDS = [
    (FLOATS, {}),
    (FLOATS, {"nrow": 2, "padding": 1, "pad_value": 0.5}),
    (FLOATS, {"nrow": 3, "padding": 0}),
    (FLOATS, {"normalize": True}),
    (FLOATS, {"normalize": True, "scale_each": True, "nrow": 4}),
    (FLOATS, {"normalize": True, "value_range": (-0.5, 1)}),
    (FLOATS * 0, {"normalize": True, "scale_each": True}),
    (FLOATS[:, :1], {"padding": 3}),
    (FLOATS[:, :2], {}),
    (FLOATS[:1], {"padding": 3}),
    (FLOATS[0], {"normalize": True}),
    (FLOATS[0, :1], {}),
    (FLOATS[0, 0], {}),
    ((BYTES[None, :, :4] * np.ones((3, 1, 1, 1), np.uint8)), {"pad_value": 9}),
]


@pytest.mark.parametrize(("images", "settings"), GRIDS)
def test_make_grid(images, settings):
    grids = []
    for wrap, module in PAIRS:
        x = wrap(images.copy())
        grids.append(module.make_grid(x, **settings))
        if not isinstance(x, torch.Tensor):
            np.testing.assert_array_equal(x.numpy(), images)  # not written to
    same(*grids)


def test_a_list_of_images_and_gradients():
    same(*(m.make_grid([*map(wrap, FLOATS)], nrow=2) for wrap, m in PAIRS))
    assert not utils.make_grid(tc.ones(2, 3, 4, 4, requires_grad=True)).requires_grad


@pytest.mark.parametrize("settings", [{}, {"normalize": True, "nrow": 2}])
def test_save_image(tmp_path, settings):
    pictures = []
    for wrap, module in PAIRS:
        path = tmp_path / f"{module.__name__}.png"
        module.save_image(wrap(FLOATS), path, **settings)
        stream = io.BytesIO()
        module.save_image(wrap(FLOATS), stream, format="bmp", **settings)
        pictures.append([np.asarray(Image.open(path)), np.asarray(Image.open(stream))])
    np.testing.assert_array_equal(*pictures)


BOXES = np.array([[1, 2, 10, 12], [5, 5, 22, 18], [0, 0, 23, 19]])
DRAWINGS = [
    {},
    {"colors": "red", "width": 2},
    {"colors": ["red", "#00ff80", (1, 2, 3)], "fill": True},
    {"colors": (9, 8, 7), "labels": ["a", "bc", ""]},
    {"labels": ["a", "b", "c"], "fill_labels": True, "label_background_colors": "yellow"},
    {"labels": ["a", "b", "c"], "fill_labels": True, "label_colors": ["blue", "white", "red"]},
    {"labels": ["a", "b", "c"], "label_colors": "blue", "fill": True},
]


@pytest.mark.parametrize("settings", DRAWINGS)
@pytest.mark.parametrize("image", [BYTES, SHADES, BYTES[:1]], ids=["bytes", "floats", "grey"])
def test_boxes(image, settings):
    same(*(m.draw_bounding_boxes(wrap(image), wrap(BOXES), **settings) for wrap, m in PAIRS))


MASKS = RNG.random((2, 20, 24)) > 0.6


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.5, "colors": "red"}, {"colors": [(1, 2, 3), "blue"]}])  # fmt: skip
@pytest.mark.parametrize("masks", [MASKS, MASKS[0]], ids=["two", "one"])
@pytest.mark.parametrize("image", [BYTES, SHADES], ids=["bytes", "floats"])
def test_masks(image, masks, settings):
    same(*(m.draw_segmentation_masks(wrap(image), wrap(masks), **settings) for wrap, m in PAIRS))


REFUSALS = [
    (lambda m, w: m.make_grid(3), TypeError),
    (lambda m, w: m.make_grid([w(FLOATS), 3]), TypeError),
    (lambda m, w: m.make_grid(w(FLOATS), normalize=True, value_range=[0, 1]), TypeError),
    (lambda m, w: m.draw_bounding_boxes(3, w(BOXES)), TypeError),
    (lambda m, w: m.draw_bounding_boxes(w(BOXES), w(BOXES)), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(FLOATS), w(BOXES)), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(FLOATS[0, :2]), w(BOXES)), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(BYTES), w(BOXES[:, ::-1].copy())), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(BYTES), w(BOXES), ["a"]), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(BYTES), w(BOXES), colors=["red"]), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(BYTES), w(BOXES), colors=(1, 2)), ValueError),
    (lambda m, w: m.draw_bounding_boxes(w(BYTES), w(BOXES), colors=7), ValueError),
    (lambda m, w: m.draw_segmentation_masks(3, w(MASKS)), TypeError),
    (lambda m, w: m.draw_segmentation_masks(w(BYTES[:1]), w(MASKS)), ValueError),
    (lambda m, w: m.draw_segmentation_masks(w(BYTES), w(MASKS[None])), ValueError),
    (lambda m, w: m.draw_segmentation_masks(w(BYTES), w(MASKS * 1)), ValueError),
    (lambda m, w: m.draw_segmentation_masks(w(BYTES), w(MASKS[:, 1:])), ValueError),
]


@pytest.mark.parametrize(("call", "kind"), REFUSALS)
def test_refusals_begin_as_theirs(call, kind):
    said = []
    for wrap, module in PAIRS:
        with pytest.raises(kind) as caught:
            call(module, wrap)
        said.append(str(caught.value).splitlines()[0].rstrip(".").replace("tinyconv", "torch"))
    assert said[0].startswith(said[1].partition("<class")[0])


def test_nothing_to_draw():
    image = tc.from_numpy(BYTES)
    with pytest.warns(UserWarning, match="No box was drawn"):
        assert utils.draw_bounding_boxes(image, tc.zeros(0, 4)) is image
    with pytest.warns(UserWarning, match="No mask was drawn"):
        assert utils.draw_segmentation_masks(image, tc.zeros(0, 20, 24, dtype=tc.bool)) is image
    with pytest.warns(UserWarning, match="'font_size' will be ignored"):
        utils.draw_bounding_boxes(image, tc.from_numpy(BOXES), font_size=9)


def test_without_pillow(monkeypatch, tmp_path):
    monkeypatch.setattr(pillow, "Image", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pillow"):
        utils.save_image(tc.ones(3, 4, 4), tmp_path / "x.png")
