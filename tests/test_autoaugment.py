"""AutoAugment and its kin against torchvision: the same choices, the same pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import transforms as T
from tinyconv.vision.transforms import autoaugment

RT = torchvision.transforms
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (13, 18, 3), np.uint8)
GREY = RNG.integers(0, 256, (10, 9, 1), np.uint8)

# Name, arguments, whether smooth: then one byte in fifty may be rounded the other way.
POLICIES = [
    ("AutoAugment", {}, False),
    ("AutoAugment", {"policy": "CIFAR10", "fill": [1, 2, 3]}, False),
    ("AutoAugment", {"policy": "SVHN", "interpolation": "BILINEAR"}, True),
    ("RandAugment", {}, False),
    ("RandAugment", {"num_ops": 3, "magnitude": 28, "fill": 128}, False),
    ("RandAugment", {"magnitude": -1, "num_magnitude_bins": 8}, False),
    ("TrivialAugmentWide", {}, False),
    ("TrivialAugmentWide", {"num_magnitude_bins": 5, "interpolation": "BILINEAR"}, True),
    ("AugMix", {}, True),
    ("AugMix", {"severity": 9, "mixture_width": 2, "chain_depth": 2, "alpha": 0.3}, True),
    ("AugMix", {"all_ops": False, "interpolation": "NEAREST", "fill": [9.0]}, True),
]


def both(name, settings):
    """A transform of either library; enums are told by their names."""
    made = []
    for library in (T, RT):
        own = dict(settings)
        if "policy" in own:
            own["policy"] = library.AutoAugmentPolicy[own["policy"]]
        if "interpolation" in own:
            own["interpolation"] = library.InterpolationMode[own["interpolation"]]
        made.append(getattr(library, name)(**own))
    return made


@pytest.mark.parametrize(("name", "settings", "smooth"), POLICIES, ids=str)
def test_policies(name, settings, smooth):
    ours, theirs = both(name, settings)
    assert repr(ours) == repr(theirs)
    images = [IMAGE] if settings.get("fill") == [1, 2, 3] else [IMAGE, GREY]
    for seed in range(25):
        x = images[seed % len(images)]
        planes = np.ascontiguousarray(x.transpose(2, 0, 1))
        img = Image.fromarray(x if x.shape[2] == 3 else x[:, :, 0])
        batch = np.stack([planes, planes[:, ::-1]])
        for here, there in (
            (img, img),
            (tc.from_numpy(planes), torch.from_numpy(planes)),
            (tc.from_numpy(batch), torch.from_numpy(batch)),
        ):
            tc.manual_seed(seed)
            torch.manual_seed(seed)
            y, expected = ours(here), theirs(there)
            assert tc.rand(1).item() == torch.rand(1).item()  # as many numbers were drawn
            if isinstance(expected, Image.Image):
                assert y.mode == expected.mode
            y, expected = (np.asarray(z, np.float32) for z in (y, expected))
            loose = smooth and (name == "AugMix" or here is not img)
            assert (y != expected).mean() <= (0.02 if loose else 0), seed


def test_rows_are_torchvisions():
    for policy in T.AutoAugmentPolicy:
        theirs = RT.AutoAugment(RT.AutoAugmentPolicy(policy.value))
        assert T.AutoAugment(policy).policies == theirs.policies


@pytest.mark.parametrize("bins", [2, 5, 8, 10, 31])
def test_magnitudes_are_torchvisions(bins):
    img = Image.fromarray(IMAGE)
    size = (img.height, img.width)
    for name, args in [
        ("AutoAugment", (bins, size)),
        ("RandAugment", (bins, size)),
        ("TrivialAugmentWide", (bins,)),
        ("AugMix", (bins, size)),
    ]:
        ours, theirs = getattr(T, name)(), getattr(RT, name)()
        ours.bins = bins
        space = theirs._augmentation_space(*args)
        for operation, (values, signed) in space.items():
            assert ours.magnitudes(img, operation) == (values.tolist() if values.ndim else [])
            assert signed == (operation in autoaugment._SIGNED)
        if name != "AutoAugment":
            assert list(ours.operations) == list(space)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.5, 40.0])
def test_dirichlet_is_torchs(alpha):
    for seed in range(20):
        tc.manual_seed(seed)
        torch.manual_seed(seed)
        ours = autoaugment._dirichlet(alpha, 3, 4)
        theirs = torch._sample_dirichlet(torch.full((3, 4), alpha))
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert tc.randn(1).item() == torch.randn(1).item()


def test_arrays():
    """Arrays are treated as Tensors."""
    for name in ("AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"):
        step = getattr(T, name)()
        for seed in range(5):
            tc.manual_seed(seed)
            y = step(IMAGE)
            tc.manual_seed(seed)
            expected = step(tc.from_numpy(np.ascontiguousarray(IMAGE.transpose(2, 0, 1))))
            np.testing.assert_array_equal(y, expected.numpy().transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda library: library.AutoAugment("imagenet"), "The provided policy imagenet is not"),
        (lambda library: library.AugMix(severity=11), "The severity must be between [1, 10]. Got"),
    ],
)
def test_errors(make, words):
    for library in (T, RT):
        with pytest.raises(ValueError) as caught:
            make(library)
        assert str(caught.value).startswith(words)


def test_float_images_are_refused_where_bytes_are_needed():
    img = np.full((3, 5, 5), 0.5, np.float32)
    for library, x in ((T, tc.from_numpy(img)), (RT, torch.from_numpy(img))):
        with pytest.raises(TypeError, match=r"uint8 image tensors|less than bound"):
            library.RandAugment(num_ops=50)(x)
