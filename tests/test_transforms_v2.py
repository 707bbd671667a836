"""Transforms of samples against torchvision's second manner."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision
from test_transforms_geometry import COLOUR, GREY, compare, kinds, planes, seed

import tinyconv as tc
from tinyconv.vision import tv_tensors
from tinyconv.vision.transforms import v2

R = torchvision.transforms.v2
TV = torchvision.tv_tensors


def both(make):
    """A transform of tinyconv and its counterpart; the libraries' names are arguments, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations
        return make(v2, tc), make(R, torch)


# What draws the same and gives the same: to the byte for PIL images, to rounding for Tensors.
SAME = {
    "CenterCrop": lambda T, t: T.CenterCrop(5),
    "FiveCrop": lambda T, t: T.FiveCrop((4, 5)),
    "TenCrop": lambda T, t: T.TenCrop(4),
    "Pad": lambda T, t: T.Pad((1, 2), fill=3),
    "Pad 1": lambda T, t: T.Pad(1, padding_mode="reflect"),
    "Resize": lambda T, t: T.Resize(5),
    "Resize up": lambda T, t: T.Resize((20, 15), "bicubic"),
    "Resize nearest": lambda T, t: T.Resize([5], "nearest"),
    "RandomCrop": lambda T, t: T.RandomCrop(5),
    "RandomCrop padding": lambda T, t: T.RandomCrop((6, 7), padding=(1, 2)),
    "RandomCrop if needed": lambda T, t: T.RandomCrop((12, 14), pad_if_needed=True, fill=9),
    "RandomCrop both": lambda T, t: T.RandomCrop((12, 14), 1, True, 0, "edge"),
    "RandomHorizontalFlip": lambda T, t: T.RandomHorizontalFlip(),
    "RandomVerticalFlip": lambda T, t: T.RandomVerticalFlip(0.7),
    "RandomResizedCrop": lambda T, t: T.RandomResizedCrop(6),
    "RandomResizedCrop all": lambda T, t: T.RandomResizedCrop(
        (5, 7), (0.2, 0.9), (0.5, 3.0), "bicubic"
    ),
    "RandomRotation": lambda T, t: T.RandomRotation(40),
    "RandomRotation all": lambda T, t: T.RandomRotation((10, 80), "bilinear", True, fill=5),
    "RandomAffine": lambda T, t: T.RandomAffine(30, (0.3, 0.2), (0.7, 1.4), 9),
    "RandomPerspective": lambda T, t: T.RandomPerspective(0.6, 0.8),
    "ElasticTransform": lambda T, t: T.ElasticTransform(20.0, 0.5),
    "ElasticTransform integers": lambda T, t: T.ElasticTransform(9, [1, 0.5], fill=[1]),
    "Grayscale": lambda T, t: T.Grayscale(3),
    "RandomGrayscale": lambda T, t: T.RandomGrayscale(0.5),
    "RGB": lambda T, t: T.RGB(),
    "ColorJitter": lambda T, t: T.ColorJitter(0.4, 0.3, 0.2, (-0.1, 0.2)),
    "ColorJitter 1": lambda T, t: T.ColorJitter(saturation=(0.5, 1.5)),
    "RandomInvert": lambda T, t: T.RandomInvert(),
    "RandomSolarize": lambda T, t: T.RandomSolarize(0.5, p=0.8),
    "RandomAutocontrast": lambda T, t: T.RandomAutocontrast(),
    "RandomAdjustSharpness": lambda T, t: T.RandomAdjustSharpness(1.5),
    "GaussianBlur": lambda T, t: T.GaussianBlur(3),
    "GaussianBlur 1": lambda T, t: T.GaussianBlur((3, 5), 0.7),
    "RandomErasing": lambda T, t: T.RandomErasing(0.8, value=3),
    "ToImage": lambda T, t: T.ToImage(),
    "ToDtype": lambda T, t: T.ToDtype(t.float32, scale=True),
    "ToDtype unscaled": lambda T, t: T.ToDtype(t.float64),
    "ConvertImageDtype": lambda T, t: T.ConvertImageDtype(t.float32),
    "PILToTensor": lambda T, t: T.PILToTensor(),
    "ToTensor": lambda T, t: T.ToTensor(),
    "Identity": lambda T, t: T.Identity(),
    "Lambda": lambda T, t: T.Lambda(lambda x: x),
    "RandomApply": lambda T, t: T.RandomApply([T.RandomRotation(20), T.Pad(1)], p=0.6),
    "RandomChoice": lambda T, t: T.RandomChoice([T.Pad(1), T.RandomRotation(9)], p=[1, 3]),
    "RandomOrder": lambda T, t: T.RandomOrder([T.Pad(1), T.RandomRotation(9), T.CenterCrop(6)]),
    "Compose": lambda T, t: T.Compose(
        [T.ToImage(), T.RandomApply([T.RandomCrop(6)]), T.ToDtype(t.float32, scale=True)]
    ),
    "ToPILImage": lambda T, t: T.ToPILImage(),
}  # fmt: skip
BYTES = {  # for bytes, or floats, only
    "RandomPosterize": (lambda T, t: T.RandomPosterize(2), ("PIL", "uint8")),
    "RandomEqualize": (lambda T, t: T.RandomEqualize(), ("PIL", "uint8")),
    "RandomResizedCrop sharp": (
        lambda T, t: T.RandomResizedCrop(6, antialias=False),
        ("uint8", "float32"),
    ),
    "RandomErasing random": (lambda T, t: T.RandomErasing(1.0, value="random"), ("float32",)),
    "Normalize": (lambda T, t: T.Normalize((0.5,), (0.2,)), ("float32", "float64")),
    "GaussianNoise": (lambda T, t: T.GaussianNoise(0.1, 0.2), ("uint8", "float32", "float64")),
}
CASES = {name: (make, None) for name, make in SAME.items()} | BYTES


@pytest.mark.parametrize(("make", "only"), CASES.values(), ids=CASES)
def test_pictures(make, only):
    ours, theirs = both(make)
    text = repr(theirs).replace("torch.", "tinyconv.")
    assert repr(ours) == text
    for image in (COLOUR, GREY):
        for kind, x, z, tolerance in kinds(image):
            if (only and kind not in only) or (kind == "float64" and "Elastic" in text):
                continue
            if kind[0] == "f" and "ToPIL" in text:
                continue
            for n in range(2):
                seed(n)
                y = ours(x)
                compare_loosely(y, theirs(z), text, kind, tolerance)
                assert tc.rand(1).item() == torch.rand(1).item()


def compare_loosely(y, z, text, kind, tolerance):
    if kind == "PIL" and text.startswith(("Elastic", "GaussianBlur")):
        tolerance = 1  # they go by Tensors
    if kind[0] == "f":
        tolerance = 1e-4
    if isinstance(z, torch.Tensor) and z.is_floating_point() and kind[0] != "f":
        tolerance = 1e-6
    compare(y, z, tolerance, ties=0.05 if "Autocontrast" in text else 0.01)


def marked(x: np.ndarray):
    return tv_tensors.Image(tc.from_numpy(x.copy())), TV.Image(torch.from_numpy(x.copy()))


X, Y = planes(COLOUR), np.ascontiguousarray(planes(COLOUR)[:, ::-1])
PIL = Image.fromarray(COLOUR)


def samples(t, image):
    """Samples in one of the two libraries: what is an image in them differs."""
    yield image(X), 3
    yield image(X), t.tensor(3), "word"
    yield {"label": t.tensor([1, 2]), "image": image(X), "more": [None, 2.5]}
    yield [image(X), image(Y)]
    yield PIL, t.tensor(3)
    yield (PIL, PIL), {"x": t.zeros(2)}
    yield t.tensor(X), t.tensor(4)
    yield t.tensor(X), t.tensor(Y)


def same_structure(a, b):
    if isinstance(b, (tuple, list)):
        assert type(a) is type(b)
        for x, y in zip(a, b, strict=True):
            same_structure(x, y)
    elif isinstance(b, dict):
        assert list(a) == list(b)
        same_structure(list(a.values()), list(b.values()))
    elif isinstance(b, (torch.Tensor, Image.Image)):
        assert isinstance(a, tv_tensors.Image) == isinstance(b, TV.Image)
        compare(a, b, 1)
    else:
        assert a == b


MANY = {
    "rotation": lambda T, t: T.RandomRotation(50),
    "crop": lambda T, t: T.RandomCrop(6, padding=2),
    "resized crop": lambda T, t: T.RandomResizedCrop(7),
    "flip and affine": lambda T, t: T.Compose([T.RandomHorizontalFlip(), T.RandomAffine(30)]),
    "erasing": lambda T, t: T.RandomErasing(1.0),
    "some": lambda T, t: T.RandomApply([T.CenterCrop(5), T.Pad(1)], p=0.5),
    "five": lambda T, t: T.FiveCrop(4),
    "to image": lambda T, t: T.ToImage(),
    "to float": lambda T, t: T.ToDtype(t.float32, scale=True),
    "lambda": lambda T, t: T.Lambda(lambda x: [x], str, float),
    "rgb": lambda T, t: T.RGB(),
    "pure": lambda T, t: T.ToPureTensor(),
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY)
def test_samples(make):
    ours, theirs = both(make)
    mine = samples(tc, lambda x: marked(x)[0])
    real = samples(torch, lambda x: marked(x)[1])
    for a, b in zip(mine, real, strict=True):
        for n in range(2):
            seed(n)
            one = isinstance(b, dict)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y, z = (ours(a), theirs(b)) if one else (ours(*a), theirs(*b))
            same_structure(y, z)
            assert tc.rand(1).item() == torch.rand(1).item()


def test_noise_differs_among_images():
    x = tc.zeros(1, 8, 8)
    a, b = v2.GaussianNoise()([tv_tensors.Image(x), tv_tensors.Image(x)])
    assert (a != b).any()


def test_own_transforms():
    def make(base, library):
        class Shift(base.Transform):
            def make_params(self, flat_inputs):
                return {"by": int(library.randint(1, 5, (1,)))}

            def transform(self, inpt, params):
                return inpt.roll(params["by"], -1)

        return Shift()

    ours, theirs = make(v2, tc), make(R, torch)
    seed(0)
    y, z = ours(tc.tensor(X), 2), theirs(torch.tensor(X), 2)
    np.testing.assert_array_equal(y[0].numpy(), z[0].numpy())
    assert repr(ours) == repr(theirs)


# ---- batches -------------------------------------------------------------------------------------

MIXES = {
    "mixup": lambda T, t: T.MixUp(num_classes=4),
    "mixup 0.2": lambda T, t: T.MixUp(alpha=0.2, num_classes=4),
    "cutmix": lambda T, t: T.CutMix(num_classes=4),
    "cutmix 3": lambda T, t: T.CutMix(alpha=3.0, num_classes=4),
    "either": lambda T, t: T.RandomChoice([T.CutMix(num_classes=4), T.MixUp(num_classes=4)]),
    "getter": lambda T, t: T.MixUp(num_classes=4, labels_getter=lambda sample: sample[1]),
}


@pytest.mark.parametrize("make", MIXES.values(), ids=MIXES)
def test_mixes(make):
    ours, theirs = both(make)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(0).random((5, 3, 9, 12), np.float32)
    labels = np.array([0, 3, 1, 1, 2])
    chances = np.eye(4, dtype=np.float32)[labels]
    for n in range(8):
        for y in (labels, chances):
            seed(n)
            a, b = ours(tc.tensor(x), tc.tensor(y)), theirs(torch.tensor(x), torch.tensor(y))
            for one, other in zip(a, b, strict=True):
                np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
                assert one.numpy().dtype == other.numpy().dtype
            assert tc.rand(1).item() == torch.rand(1).item()


def test_labels_are_found():
    x, labels = tc.rand(3, 1, 4, 4), tc.tensor([0, 1, 1])
    mix = v2.CutMix(num_classes=2)
    for sample in (
        {"image": x, "Labels": labels},
        {"image": x, "a label": tc.zeros(3), "labels": labels},
        {"image": x, "FooLaBeLBar": labels},
    ):
        found = mix(sample)
        assert [v.shape for v in found.values() if v.ndim == 2] == [(3, 2)]


# ---- functions -----------------------------------------------------------------------------------


def test_functions():
    x, z = tc.tensor(X), torch.tensor(X)
    assert v2.functional.get_size(x) == R.functional.get_size(z) == [9, 12]
    for name in ("to_image", "horizontal_flip", "vertical_flip", "grayscale_to_rgb"):
        y, other = getattr(v2.functional, name)(x), getattr(R.functional, name)(z)
        np.testing.assert_array_equal(y.numpy(), other.numpy())
    array = v2.functional.to_image(GREY)
    np.testing.assert_array_equal(array.numpy(), R.functional.to_image(GREY).numpy())
    for kind in ("int16", "int32", "uint8", "float64", "float16"):
        y = v2.functional.to_dtype(x, getattr(tc, kind), scale=True)
        other = R.functional.to_dtype(z, getattr(torch, kind), scale=True)
        np.testing.assert_array_equal(y.numpy(), other.numpy())
    y = v2.functional.resized_crop(x, 0, 1, 6, 7, [5, 9])
    np.testing.assert_array_equal(y.numpy(), R.functional.resized_crop(z, 0, 1, 6, 7, [5, 9]))
    assert set(v2.functional.__all__) <= set(vars(v2.functional))
    assert "rotate" in v2.functional.__all__


def test_images():
    x = tv_tensors.Image([[1.0, 2.0], [3.0, 4.0]])
    assert repr(x) == repr(TV.Image([[1.0, 2.0], [3.0, 4.0]]))
    assert x.shape == (1, 2, 2)
    assert type(x + 1) is type(tc.stack([x, x])) is tc.Tensor
    assert tv_tensors.Image(PIL).shape == (3, 9, 12)


# ---- refusals ------------------------------------------------------------------------------------

BATCH, NAMES = (3, 1, 4, 4), (3,)
ERRORS = [
    lambda T, t, image: T.Compose([]),
    lambda T, t, image: T.Compose(3),
    lambda T, t, image: T.RandomApply([]),
    lambda T, t, image: T.RandomApply([T.Identity()], p=2),
    lambda T, t, image: T.RandomChoice([T.Identity()], p=[1, 2]),
    lambda T, t, image: T.RandomChoice([]),
    lambda T, t, image: T.RandomOrder(3),
    lambda T, t, image: T.RandomCrop(20)(t.zeros(1, 4, 4)),
    lambda T, t, image: T.RandomCrop(20, padding=1)(t.zeros(1, 4, 4)),
    lambda T, t, image: T.RandomResizedCrop(3)([image(t.zeros(1, 4, 4)), image(t.zeros(1, 4, 5))]),
    lambda T, t, image: T.RandomErasing(1.0)(3),
    lambda T, t, image: T.Normalize((1,), (1,))(PIL),
    lambda T, t, image: T.GaussianNoise()(PIL),
    lambda T, t, image: T.GaussianNoise(sigma=-1)(t.zeros(1, 4, 4)),
    lambda T, t, image: T.GaussianNoise()(t.zeros(1, 4, 4).long()),
    lambda T, t, image: T.ToDtype(3),
    lambda T, t, image: T.functional.to_image(3),
    lambda T, t, image: image([1]),
    lambda T, t, image: T.MixUp(labels_getter=3),
    lambda T, t, image: T.MixUp(num_classes=3)(PIL, t.zeros(3)),
    lambda T, t, image: T.MixUp(num_classes=3)(t.zeros(BATCH), 3),
    lambda T, t, image: T.MixUp(num_classes=3)(t.zeros(BATCH)),
    lambda T, t, image: T.MixUp(num_classes=3)({"image": t.zeros(BATCH)}),
    lambda T, t, image: T.MixUp(num_classes=3)(t.zeros(BATCH), t.zeros(BATCH)),
    lambda T, t, image: T.MixUp(num_classes=3)(t.zeros(BATCH), t.zeros(3, 2)),
    lambda T, t, image: T.MixUp()(t.zeros(BATCH), t.zeros(NAMES)),
    lambda T, t, image: T.CutMix(num_classes=3)(t.zeros(1, 2, 2), t.zeros(1)),
    lambda T, t, image: T.CutMix(num_classes=3)(t.zeros(BATCH), t.zeros(4)),
]  # fmt: skip


@pytest.mark.parametrize("action", ERRORS)
def test_errors(action):
    with pytest.raises((TypeError, ValueError)) as theirs:
        action(R, torch, TV.Image)
    with pytest.raises((TypeError, ValueError)) as ours:
        action(v2, tc, tv_tensors.Image)
    assert isinstance(ours.value, theirs.type)
    opening, hint = str(ours.value).split("\n", 1)
    expected = str(theirs.value).replace("torch.", "tinyconv.").split("<class")[0]
    assert opening.replace("torch.", "tinyconv.").startswith(expected.split("tensor(")[0][:45])
    assert hint


def test_the_old_way_warns():
    with pytest.warns(UserWarning, match="The transform `ToTensor\\(\\)` is deprecated"):
        v2.ToTensor()
