"""Geometric transforms against torchvision: the same random numbers, the same pictures, the same words."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import transforms as T
from tinyconv.vision.transforms import functional as F

R = torchvision.transforms
RF = torchvision.transforms.functional
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (9, 12, 3), np.uint8)
SQUARE = RNG.integers(0, 256, (8, 8, 3), np.uint8)
GREY = RNG.integers(0, 256, (12, 7), np.uint8)
IMAGES = {"colour": COLOUR, "square": SQUARE, "grey": GREY}


def planes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[None] if x.ndim == 2 else x.transpose(2, 0, 1))


def kinds(x: np.ndarray):
    """An image as each kind, for tinyconv and for torchvision, with the tolerance in levels of a byte."""
    floats = planes(x).astype(np.float32) / 255
    batch = np.stack([floats, floats[:, ::-1]]).astype(np.float64)
    yield "PIL", Image.fromarray(x), Image.fromarray(x), 0
    yield "uint8", tc.from_numpy(planes(x)), torch.from_numpy(planes(x)), 1
    yield "float32", tc.from_numpy(floats), torch.from_numpy(floats), 1e-6
    yield "float64", tc.from_numpy(batch), torch.from_numpy(batch), 1e-6


def array_of(y) -> np.ndarray:
    return np.asarray(y) if isinstance(y, Image.Image) else y.numpy()


def seed(n: int) -> None:
    tc.manual_seed(n)
    torch.manual_seed(n)
    random.seed(n)


def compare(ours, theirs, tolerance: float, ties: float = 0.01) -> None:
    """Ask for equality but for a tolerance; that many bytes may be off by one."""
    if isinstance(theirs, (tuple, list)):
        assert type(ours) is type(theirs)
        for a, b in zip(ours, theirs, strict=True):
            compare(a, b, tolerance, ties)
        return
    if isinstance(theirs, Image.Image):
        assert ours.mode == theirs.mode
    a, b = array_of(ours), array_of(theirs)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    assert difference.max(initial=0) <= tolerance
    assert (difference > 1e-5).mean() <= ties


MODES = {name: (T.InterpolationMode(name), R.InterpolationMode(name)) for name in ("nearest", "bilinear", "bicubic")}  # fmt: skip
NEAREST, BILINEAR, BICUBIC = MODES
CORNERS = [[0, 0], [11, 0], [11, 8], [0, 8]]
MOVED = [[1, 2], [10, 0], [9, 7], [2, 8]]
FUNCTIONS = {
    "affine": ("affine", (20.0, [2, -1], 1.3, [5.0, -3.0]), {}),
    "affine bilinear": ("affine", (-70, [0, 0], 0.8, 10.0), {"interpolation": BILINEAR}),
    "affine fill": ("affine", (33.0, (1, 1), 0.7, [4.0]), {"interpolation": BILINEAR, "fill": 99}),
    "affine centre": ("affine", (33.0, [1, 1], 0.7, [4.0, 0.0]), {"center": [2, 3], "fill": [7]}),
    "affine bicubic": ("affine", (20.0, [2, -1], 1.3, [5.0, -3.0]), {"interpolation": BICUBIC}),
    "affine by 2": ("affine", (20.0, [2, -1], 1.3, [5.0, -3.0]), {"interpolation": 2}),
    **{f"rotate {angle}": ("rotate", (angle,), {}) for angle in (0, 13.5, 45, 90, 180, -90, 400)},
    **{
        f"rotate expand {angle}": ("rotate", (angle,), {"expand": True, "interpolation": BILINEAR})
        for angle in (0, 30, 45.5, 90, 91, 180, 270)
    },
    "rotate fill": ("rotate", (30,), {"fill": 50.5, "interpolation": BILINEAR}),
    "rotate centre": ("rotate", (30,), {"center": (0, 0), "fill": 3}),
    "perspective": ("perspective", (CORNERS, MOVED), {}),
    "perspective fill": ("perspective", (CORNERS, MOVED), {"fill": 80}),
    "perspective nearest": ("perspective", (CORNERS, MOVED), {"interpolation": NEAREST, "fill": 4}),
    "perspective bicubic": ("perspective", (CORNERS, MOVED), {"interpolation": BICUBIC}),
    "resized_crop": ("resized_crop", (1, 2, 5, 4, [7, 6]), {}),
    "resized_crop 3": ("resized_crop", (-1, 2, 5, 14, 3), {"interpolation": BICUBIC}),
    "five_crop": ("five_crop", (4,), {}),
    "ten_crop": ("ten_crop", ([3, 5],), {}),
    "ten_crop vertical": ("ten_crop", ((3,),), {"vertical_flip": True}),
}  # fmt: skip


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(("name", "args", "settings"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(name, args, settings, image):
    mine, real = dict(settings), dict(settings)
    if isinstance(settings.get("interpolation"), str):
        mine["interpolation"], real["interpolation"] = MODES[settings["interpolation"]]
    for kind, ours, theirs, tolerance in kinds(image):
        if kind != "PIL" and settings.get("interpolation") == BICUBIC and name != "resized_crop":
            with pytest.raises(ValueError, match="Interpolation mode 'bicubic' is unsupported"):
                getattr(F, name)(ours, *args, **mine)
            continue
        try:
            expected = getattr(RF, name)(theirs, *args, **real)
        except RuntimeError:  # fewer values than channels
            continue
        tolerance = tolerance * 2 if settings.get("fill") and kind != "uint8" else tolerance
        compare(
            getattr(F, name)(ours, *args, **mine), expected, tolerance * (1 + 99 * (kind[0] == "f"))
        )


@pytest.mark.parametrize("mode", [NEAREST, BILINEAR])
def test_elastic_transform(mode):
    shift = RNG.uniform(-0.4, 0.4, (1, 9, 12, 2)).astype(np.float32)
    for kind, ours, theirs, tolerance in kinds(COLOUR):
        if kind != "float64":  # the grid is float32
            settings = [{"interpolation": m, "fill": [9.0, 8.0, 7.0]} for m in MODES[mode]]
            y = F.elastic_transform(ours, tc.from_numpy(shift), **settings[0])
            z = RF.elastic_transform(theirs, torch.from_numpy(shift), **settings[1])
            compare(y, z, 1 if kind == "PIL" else tolerance * 10)


def test_erase():
    x = planes(COLOUR).astype(np.float32)
    value = RNG.random((3, 4, 5), np.float32)
    t = tc.from_numpy(x.copy())
    y = F.erase(t, 1, 2, 4, 5, tc.from_numpy(value))
    z = RF.erase(torch.from_numpy(x), 1, 2, 4, 5, torch.from_numpy(value))
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    np.testing.assert_array_equal(t.numpy(), x)
    assert F.erase(t, 0, 0, 1, 1, 0.0, inplace=True) is t
    assert t[0, 0, 0].item() == 0


def test_arrays_are_like_tensors():
    for name, args in (("affine", (20, [1, 0], 1.2, 5.0)), ("rotate", (30,))):
        y = getattr(F, name)(COLOUR, *args, interpolation="bilinear", fill=9)
        z = getattr(F, name)(tc.from_numpy(planes(COLOUR)), *args, interpolation="bilinear", fill=9)
        np.testing.assert_array_equal(planes(y), z.numpy())


def test_gradients_pass():
    x = tc.ones(1, 4, 4, requires_grad=True)
    F.affine(x, 0.0, [1, 0], 1.0, 0.0).sum().backward()
    assert x.grad.sum().item() == 12


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("size", [5, (20, 7), [4, 17]])
@pytest.mark.parametrize(
    "mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos", "box"]
)
def test_resize(image, size, mode):
    for antialias in (True, None):
        for kind, ours, theirs, tolerance in kinds(image):
            if kind == "PIL" or mode not in ("lanczos", "box"):
                modes = T.InterpolationMode(mode), R.InterpolationMode(mode)
                y = T.Resize(size, modes[0], antialias=antialias)(ours)
                compare(y, R.Resize(size, modes[1], antialias=antialias)(theirs), tolerance * 2)


# ---- chance --------------------------------------------------------------------------------------

CHANCE = {
    "rotation": lambda T: T.RandomRotation(40),
    "rotation all": lambda T: T.RandomRotation(
        (10, 80), T.InterpolationMode.BILINEAR, True, fill=5
    ),
    "rotation centre": lambda T: T.RandomRotation(40, center=(1, 2)),
    "affine": lambda T: T.RandomAffine(30),
    "affine all": lambda T: T.RandomAffine(
        (-5, 60), (0.3, 0.2), (0.7, 1.4), (-9, 8, 1, 7), T.InterpolationMode.BILINEAR, 7, (3, 2)
    ),
    "affine shear": lambda T: T.RandomAffine(0, shear=20, fill=3),
    "affine shears": lambda T: T.RandomAffine(0, scale=[1.0, 2.0], shear=(5, 20)),
    "perspective": lambda T: T.RandomPerspective(),
    "perspective all": lambda T: T.RandomPerspective(0.8, 1.0, T.InterpolationMode.NEAREST, 9),
    "resized crop": lambda T: T.RandomResizedCrop(6),
    "resized crop all": lambda T: T.RandomResizedCrop(
        (5, 14), (0.5, 1.0), (0.2, 5.0), T.InterpolationMode.BICUBIC
    ),
    "resized crop too wide": lambda T: T.RandomResizedCrop([4, 4], (1.0, 1.0), (5.0, 6.0)),
    "resized crop too high": lambda T: T.RandomResizedCrop([4], (1.0, 1.0), (0.1, 0.2)),
    "five": lambda T: T.FiveCrop(4),
    "ten": lambda T: T.TenCrop((4, 5), True),
    "elastic": lambda T: T.ElasticTransform(20.0, 0.5),
    "elastic all": lambda T: T.ElasticTransform(
        [10.0, 30.0], (0.4, 0.7), T.InterpolationMode.NEAREST, 3
    ),
    "elastic rough": lambda T: T.ElasticTransform(3.0, [0.0, 0.0]),
    "apply": lambda T: T.RandomApply([T.RandomRotation(20), T.RandomHorizontalFlip()], p=0.6),
    "choice": lambda T: T.RandomChoice(
        [T.Pad(1), T.RandomRotation(20), T.RandomHorizontalFlip()], p=(1, 2, 1)
    ),
    "order": lambda T: T.RandomOrder([T.Pad(1), T.RandomRotation(20), T.RandomHorizontalFlip()]),
}
ERASE = {
    "erasing": lambda T: T.RandomErasing(),
    "erasing all": lambda T: T.RandomErasing(0.9, (0.1, 0.6), (0.2, 4.0), (0.1, 0.5, 0.2), True),
    "erasing random": lambda T: T.RandomErasing(1.0, value="random"),
    "erasing nothing": lambda T: T.RandomErasing(1.0, scale=(1.0, 1.0), ratio=[1.0, 1.0]),
}


@pytest.mark.parametrize("make", CHANCE.values(), ids=CHANCE)
def test_chance(make):
    ours, theirs = make(T), make(R)
    assert repr(ours) == repr(theirs)
    for image in (COLOUR, GREY):
        for n in range(3):
            for kind, x, z, tolerance in kinds(image):
                if "elastic" in repr(ours).lower():  # displacements are float32, and rounded
                    if kind == "float64":
                        continue
                    tolerance = max(tolerance, 1) if kind in ("PIL", "uint8") else 1e-4
                seed(n)
                y = ours(x)
                random.seed(n)
                compare(y, theirs(z), tolerance * (1 + 99 * (kind[0] == "f")))
                assert tc.rand(1).item() == torch.rand(1).item()


@pytest.mark.parametrize("make", ERASE.values(), ids=ERASE)
def test_erasing(make):
    ours, theirs = make(T), make(R)
    assert repr(ours) == repr(theirs)
    x = planes(COLOUR).astype(np.float32)
    for n in range(6):
        a, b = tc.from_numpy(x.copy()), torch.from_numpy(x.copy())
        seed(n)
        y, z = ours(a), theirs(b)
        np.testing.assert_array_equal(y.numpy(), z.numpy())
        assert (y is a) == (z is b)
        assert tc.rand(1).item() == torch.rand(1).item()


def test_linear_transformation():
    matrix, mean = RNG.random((12, 12), np.float32), RNG.random(12, np.float32)
    x = RNG.random((5, 3, 2, 2), np.float32)
    ours = T.LinearTransformation(tc.from_numpy(matrix), tc.from_numpy(mean))
    theirs = R.LinearTransformation(torch.from_numpy(matrix), torch.from_numpy(mean))
    y, z = ours(tc.from_numpy(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5)
    assert repr(ours) == repr(theirs)


# ---- refusals ------------------------------------------------------------------------------------

X, Z = tc.ones(3, 8, 8), torch.ones(3, 8, 8)
ERRORS = [
    lambda T, x: T.functional.affine(x, "a", [0, 0], 1.0, 0.0),
    lambda T, x: T.functional.affine(x, 1, 0, 1.0, 0.0),
    lambda T, x: T.functional.affine(x, 1, [0], 1.0, 0.0),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 0, 0.0),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 1.0, None),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 1.0, [1.0, 2.0, 3.0]),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 1.0, 0.0, center=3),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 1.0, 0.0, fill=[1, 2]),
    lambda T, x: T.functional.affine(x, 1, [0, 0], 1.0, 0.0, interpolation=1.5),
    lambda T, x: T.functional.rotate(x, "a"),
    lambda T, x: T.functional.rotate(x, 1, T.InterpolationMode.BICUBIC),
    lambda T, x: T.functional.rotate(x, 1, center="a"),
    lambda T, x: T.functional.rotate(Image.fromarray(COLOUR), 1, fill=(1, 2)),
    lambda T, x: T.functional.perspective(x, [[0, 0]], [[0, 0]]),
    lambda T, x: T.functional.five_crop(x, 9),
    lambda T, x: T.functional.five_crop(x, (1, 2, 3)),
    lambda T, x: T.functional.erase(3, 1, 1, 1, 1, 0),
    lambda T, x: T.functional.elastic_transform(x, 3),
    lambda T, x: T.functional.elastic_transform(x, x),
    lambda T, x: T.RandomRotation(-3),
    lambda T, x: T.RandomRotation((1, 2, 3)),
    lambda T, x: T.RandomRotation("abc"),
    lambda T, x: T.RandomRotation(None),
    lambda T, x: T.RandomRotation(3, center=3),
    lambda T, x: T.RandomRotation(3, fill=lambda: 3),
    lambda T, x: T.RandomAffine(3, translate=2),
    lambda T, x: T.RandomAffine(3, translate=(2, 0)),
    lambda T, x: T.RandomAffine(3, scale=(-1, 0)),
    lambda T, x: T.RandomAffine(3, scale=(-1,)),
    lambda T, x: T.RandomAffine(3, shear=(1, 2, 3)),
    lambda T, x: T.RandomPerspective(fill=set()),
    lambda T, x: T.RandomResizedCrop((1, 2, 3)),
    lambda T, x: T.RandomResizedCrop(3, scale=1),
    lambda T, x: T.RandomResizedCrop(3, ratio=1),
    lambda T, x: T.RandomErasing(value={}),
    lambda T, x: T.RandomErasing(value="a"),
    lambda T, x: T.RandomErasing(scale=(0, 2)),
    lambda T, x: T.RandomErasing(ratio=3),
    lambda T, x: T.RandomErasing(p=2),
    lambda T, x: T.RandomErasing(1.0, value=(1, 2))(x),
    lambda T, x: T.FiveCrop((1, 2, 3)),
    lambda T, x: T.TenCrop(20)(x),
    lambda T, x: T.ElasticTransform(alpha=1),
    lambda T, x: T.ElasticTransform(sigma=[1.0]),
    lambda T, x: T.ElasticTransform(sigma=[1.0, 2]),
    lambda T, x: T.ElasticTransform(fill="a"),
    lambda T, x: T.LinearTransformation(x[0, :3], x[0, 0]),
    lambda T, x: T.LinearTransformation(x[0], x[0, 0, :3]),
    lambda T, x: T.LinearTransformation(x[0].double(), x[0, 0]),
    lambda T, x: T.LinearTransformation(x[0], x[0, 0])(x),
    lambda T, x: T.RandomChoice(3),
    lambda T, x: T.RandomChoice([], p=3),
    lambda T, x: T.RandomOrder(3),
]  # fmt: skip


@pytest.mark.parametrize("action", ERRORS)
def test_errors(action):
    with pytest.raises((TypeError, ValueError)) as theirs:
        action(R, Z)
    with pytest.raises((TypeError, ValueError)) as ours:
        action(T, X)
    assert isinstance(ours.value, theirs.type)
    opening, hint = str(ours.value).split("\n", 1)
    expected = str(theirs.value).replace("torch.", "tinyconv.")
    assert opening == expected or opening.startswith(expected.split("<class")[0])
    assert hint


@pytest.mark.parametrize("kind", [T.RandomResizedCrop, T.RandomErasing])
def test_ranges_upside_down_warn(kind):
    settings = {"scale": (0.5, 0.1)} | ({"size": 3} if kind is T.RandomResizedCrop else {})
    with pytest.warns(UserWarning, match="Scale and ratio should be of kind"):
        kind(**settings)


def test_pillow_always_blurs():
    for library, image in ((T, Image.fromarray(COLOUR)), (R, Image.fromarray(COLOUR))):
        with pytest.warns(UserWarning, match="Anti-alias option is always applied for PIL Image"):
            library.Resize(4, antialias=False)(image)


def test_number_of_channels():
    assert F.get_image_num_channels(COLOUR) == F.get_image_num_channels(X) == 3
    assert F.get_image_num_channels(Image.fromarray(GREY)) == 1
