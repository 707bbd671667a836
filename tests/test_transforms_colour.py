"""Transforms of colours against torchvision: its pictures, its random numbers, its words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import transforms as T
from tinyconv.vision.transforms import functional as F

RT, RF = torchvision.transforms, torchvision.transforms.functional
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 9, 3), np.uint8)
COLOUR[:2] = COLOUR[:2, :, :1]  # some greys, some of them equal
COLOUR[0, :5], COLOUR[0, 5] = 0, 255
GREY = RNG.integers(40, 200, (9, 12, 1), np.uint8)
SMALL = RNG.integers(0, 256, (3, 2, 3), np.uint8)
FLAT = np.full((4, 5, 3), 77, np.uint8)
IMAGES = {"colour": COLOUR, "grey": GREY, "small": SMALL, "flat": FLAT}
KINDS = ["pil", "uint8", "float32", "float64", "batch"]

# Names of functions, and what they are called with behind the image.
CALLS = [
    *[("adjust_brightness", f) for f in (0, 0.3, 1, 1.7)],
    *[("adjust_contrast", f) for f in (0, 0.4, 1, 2.5)],
    *[("adjust_saturation", f) for f in (0, 0.4, 1, 2.5)],
    *[("adjust_sharpness", f) for f in (0, 0.5, 1, 3.0)],
    *[("adjust_hue", f) for f in (-0.5, -0.21, 0, 0.1, 0.5)],
    *[("adjust_gamma", *f) for f in ((0,), (0.4,), (1,), (2.2,), (2, 1.5))],
    ("invert",),
    *[("posterize", bits) for bits in (0, 1, 3, 8)],
    *[("solarize", t) for t in (0, 0.5, 100, 100.5, 255)],
    ("autocontrast",),
    ("equalize",),
    *[("gaussian_blur", *f) for f in ((3,), (3, 0.7), ([5, 3], [0.5, 1.5]), ((1, 3), (2.0,)))],
]


def pictures(x: np.ndarray, kind: str) -> tuple:
    """The same image for both libraries; a batch has leading dimensions and halves of the colours."""
    if kind == "pil":
        img = Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x)
        return img, img
    planes = np.ascontiguousarray(x.transpose(2, 0, 1))
    if kind == "batch":
        planes = np.stack([planes, planes[..., ::-1] // 2])
    elif kind != "uint8":
        planes = (planes / 255).astype(kind)
    return tc.from_numpy(planes), torch.from_numpy(planes)


def calling(functions, call):
    """A function of the image alone."""
    name, *settings = call
    return lambda img: getattr(functions, name)(img, *settings)


def outcome(function, img):
    """The picture, or the type of the error and its first line."""
    try:
        return function(img)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        return type(error), str(error).split("\n")[0]


def same(ours, theirs) -> None:
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple), f"torchvision raises {theirs}"
        assert issubclass(ours[0], theirs[0])
        assert ours[1].replace("tinyconv.", "torch.") == theirs[1].split("\n")[0]
    elif isinstance(theirs, Image.Image):
        assert ours.mode == theirs.mode
        tolerance = 1e-6 if ours.mode == "F" else 0
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), tolerance)
    else:
        x, y = ours.numpy(), theirs.numpy()
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        tolerance = 0 if x.dtype == np.uint8 else 2e-6
        np.testing.assert_allclose(x, y, tolerance, tolerance)


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_functions(kind, call):
    """Same pictures; and what torchvision refuses for a kind of image is refused with its words."""
    for name, x in IMAGES.items():
        if call[0] == "gaussian_blur" and name == "small":
            continue  # the border would be wider than the image
        ours, theirs = pictures(x, kind)
        same(
            outcome(calling(F, call), ours),
            outcome(calling(RF, call), theirs),
        )


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "I", "F", "HSV"])
def test_modes_of_pillow(mode):
    img = Image.fromarray(COLOUR).convert(mode)
    for call in CALLS:
        if call[0] == "gaussian_blur" and mode in ("1", "P"):
            continue
        same(
            outcome(calling(F, call), img),
            outcome(calling(RF, call), img),
        )


def test_every_colour_turns_and_bends_as_in_torchvision():
    """A lattice of all colours, to the byte: hue and gamma round at many places."""
    steps = np.array([0, 1, 2, 50, 51, 85, 127, 128, 170, 200, 254, 255], np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps)).reshape(3, 12, -1)
    scale = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    for factor in (-0.5, -1 / 3, -0.07, 0.0, 0.25, 0.5):
        same(
            F.adjust_hue(tc.from_numpy(lattice), factor),
            RF.adjust_hue(torch.from_numpy(lattice), factor),
        )
    for gamma in (0.3, 0.5, 1.0, 1.8, 2.0, 2.2):
        same(
            F.adjust_gamma(tc.from_numpy(scale), gamma),
            RF.adjust_gamma(torch.from_numpy(scale), gamma),
        )


def test_histograms_of_many_pixels():
    """Steps of several pixels; a channel with a single value; one with two."""
    x = RNG.normal(90, 30, (2, 3, 60, 50)).clip(0, 200).astype(np.uint8)
    x[0, 1], x[1, 2] = 9, x[1, 2] // 100
    same(F.equalize(tc.from_numpy(x)), RF.equalize(torch.from_numpy(x)))
    same(F.autocontrast(tc.from_numpy(x)), RF.autocontrast(torch.from_numpy(x)))


def test_arrays_are_treated_as_tensors():
    for call in CALLS:
        function = calling(F, call)
        for x in (COLOUR, GREY):
            ours, theirs = outcome(function, x), outcome(function, pictures(x, "uint8")[0])
            if not isinstance(theirs, tuple):
                np.testing.assert_array_equal(ours, theirs.numpy().transpose(1, 2, 0))
                np.testing.assert_array_equal(function(x[..., 0]), function(x[..., :1])[..., 0])


TWO_DIMENSIONS = ["invert", "posterize", "solarize", "autocontrast", "equalize"]  # are refused


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_errors_of_images(call):
    name = call[0]
    bad = [np.zeros((2, 5, 5), np.uint8)] if name != "gaussian_blur" else []
    bad += [np.zeros((5, 5), np.float32)] if name in TWO_DIMENSIONS else []
    for x in bad:
        ours = outcome(calling(F, call), tc.from_numpy(x))
        theirs = outcome(calling(RF, call), torch.from_numpy(x))
        assert ours[0] is theirs[0]
        assert ours[1].split()[:5] == theirs[1].split()[:5]
        assert ours[1].split()[-3:] == theirs[1].split()[-3:]
    with pytest.raises(TypeError, match="img should be PIL Image"):
        calling(F, call)("picture")


BAD_CALLS = [
    ("adjust_brightness", -1),
    ("adjust_contrast", -0.5),
    ("adjust_saturation", -1),
    ("adjust_sharpness", -1),
    ("adjust_hue", 0.6),
    ("adjust_gamma", -1),
    ("posterize", 9),
    ("solarize", 256),
    ("gaussian_blur", "3"),
    ("gaussian_blur", [3]),
    ("gaussian_blur", 4),
    ("gaussian_blur", 3, "1"),
    ("gaussian_blur", 3, [1.0, 1.0, 1.0]),
    ("gaussian_blur", 3, 0.0),
]


@pytest.mark.parametrize("call", BAD_CALLS, ids=str)
def test_errors_of_settings(call):
    ours, theirs = pictures(COLOUR, "uint8")
    theirs = outcome(calling(RF, call), theirs)
    assert isinstance(theirs, tuple)
    same(outcome(calling(F, call), ours), theirs)


def test_no_gradient_is_lost_silently():
    with pytest.raises(RuntimeError, match="record no gradient"):
        F.adjust_brightness(tc.rand(3, 4, 4).requires_grad_(), 0.5)


# ---- by chance -----------------------------------------------------------------------------------

CLASSES = [
    ("ColorJitter", (0.4, 0.4, 0.4, 0.1), {}),
    ("ColorJitter", (), {"contrast": (0.5, 2), "hue": [-0.2, 0.5]}),
    ("ColorJitter", (), {}),
    ("RandomGrayscale", (), {}),
    ("RandomGrayscale", (0.7,), {}),
    ("RandomInvert", (), {}),
    ("RandomPosterize", (2,), {}),
    ("RandomSolarize", (), {"threshold": 0.5, "p": 0.8}),
    ("RandomSolarize", (128.0,), {}),
    ("RandomAdjustSharpness", (2,), {}),
    ("RandomAutocontrast", (0.6,), {}),
    ("RandomEqualize", (), {}),
    ("GaussianBlur", (3,), {}),
    ("GaussianBlur", ((3, 5), 1.5), {}),
    ("GaussianBlur", ([3], (1.0, 1.5)), {}),
]


@pytest.mark.parametrize(("name", "args", "settings"), CLASSES, ids=str)
def test_classes(name, args, settings):
    ours, theirs = getattr(T, name)(*args, **settings), getattr(RT, name)(*args, **settings)
    assert repr(ours) == repr(theirs)
    for kind in KINDS:
        for x in (COLOUR, GREY):
            here, there = pictures(x, kind)
            for seed in range(3):
                tc.manual_seed(seed)
                torch.manual_seed(seed)
                same(outcome(ours, here), outcome(theirs, there))
                assert tc.rand(1).item() == torch.rand(1).item()


def test_parameters():
    tc.manual_seed(3)
    torch.manual_seed(3)
    ours = T.ColorJitter.get_params((0.5, 1.5), None, (0.1, 0.2), (-0.1, 0.1))
    theirs = RT.ColorJitter.get_params((0.5, 1.5), None, (0.1, 0.2), (-0.1, 0.1))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1:] == theirs[1:]
    assert T.GaussianBlur.get_params(0.1, 2.0) == RT.GaussianBlur.get_params(0.1, 2.0)


BAD_CLASSES = [
    ("ColorJitter", (-1,)),
    ("ColorJitter", ("1",)),
    ("ColorJitter", ((1, 2, 3),)),
    ("ColorJitter", (0, (2, 1))),
    ("ColorJitter", (0, 0, 0, 0.7)),
    ("GaussianBlur", (4,)),
    ("GaussianBlur", ((3, 3, 3),)),
    ("GaussianBlur", (3, 0)),
    ("GaussianBlur", (3, (2.0, 1.0))),
    ("GaussianBlur", (3, (1.0, 2.0, 3.0))),
]


@pytest.mark.parametrize(("name", "args"), BAD_CLASSES, ids=str)
def test_errors_of_classes(name, args):
    theirs = outcome(lambda _: getattr(RT, name)(*args), None)
    assert isinstance(theirs, tuple)
    same(outcome(lambda _: getattr(T, name)(*args), None), theirs)
