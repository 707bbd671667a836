"""Transforms against their definitions in NumPy, and against torch's random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import transforms as T
from tinyconv.vision.transforms import functional as F

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (10, 13, 3), np.uint8)
GREY = RNG.integers(0, 256, (9, 7), np.uint8)
IMAGES = pytest.mark.parametrize("x", [COLOUR, GREY], ids=["colour", "grey"])


def channels_first(x: np.ndarray) -> np.ndarray:
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)


def three_kinds(function, x: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Apply a function to an array, as such, as a PIL image and as a Tensor; return arrays."""
    results = []
    for kind in (x, Image.fromarray(x), tc.from_numpy(channels_first(x).copy())):
        tc.manual_seed(seed)
        y = function(kind)
        assert type(y) is type(kind) or isinstance(y, Image.Image)
        y = y.numpy() if isinstance(y, tc.Tensor) else channels_first(np.asarray(y))
        results.append(y if x.ndim == 3 else y[0])
    return [y.transpose(1, 2, 0) if x.ndim == 3 else y for y in results]


def check(function, x: np.ndarray, expected: np.ndarray, seed: int = 0) -> None:
    for y in three_kinds(function, x, seed):
        np.testing.assert_array_equal(y, expected)
        assert y.dtype == expected.dtype


def padded(x: np.ndarray, left: int, top: int, right: int, bottom: int, mode: str = "constant"):
    width = [(top, bottom), (left, right)] + [(0, 0)] * (x.ndim - 2)
    return np.pad(x, width, mode=mode)


# ---- geometry ------------------------------------------------------------------------------------


@IMAGES
def test_flips(x):
    check(F.hflip, x, x[:, ::-1])
    check(F.vflip, x, x[::-1])


@IMAGES
@pytest.mark.parametrize("box", [(1, 2, 4, 3), (0, 0, 9, 7), (-2, -1, 20, 30), (3, 5, 9, 9)])
def test_crop_is_a_window_on_endless_black(x, box):
    top, left, height, width = box
    far = padded(x, 40, 40, 40, 40)
    check(
        lambda img: F.crop(img, *box),
        x,
        far[40 + top : 40 + top + height, 40 + left : 40 + left + width],
    )


@IMAGES
@pytest.mark.parametrize("size", [1, 4, 5, (3, 20), (30, 2), (31, 31), 9])
def test_center_crop(x, size):
    """Both sides lose, or gain, the same; an odd pixel comes on the right."""
    height, width = (size, size) if isinstance(size, int) else size
    missing_h, missing_w = max(height - x.shape[0], 0), max(width - x.shape[1], 0)
    y = padded(x, missing_w // 2, missing_h // 2, -(-missing_w // 2), -(-missing_h // 2))
    top, left = round((y.shape[0] - height) / 2), round((y.shape[1] - width) / 2)
    expected = y[top : top + height, left : left + width]
    check(T.CenterCrop(size), x, expected)


@IMAGES
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize(
    ("padding", "sides"),
    [(2, (2, 2, 2, 2)), ([3], (3, 3, 3, 3)), ((1, 2), (1, 2, 1, 2)), ((1, 2, 3, 0), (1, 2, 3, 0))],
)
def test_pad(x, mode, padding, sides):
    check(T.Pad(padding, padding_mode=mode), x, padded(x, *sides, mode=mode))


def test_pad_with_a_colour():
    for fill, colour in [(7, (7, 7, 7)), ((1, 2, 3), (1, 2, 3))]:
        for y in three_kinds(T.Pad(1, fill=fill), COLOUR):
            assert y[0, 0].tolist() == y[-1, 5].tolist() == list(colour)
            np.testing.assert_array_equal(y[1:-1, 1:-1], COLOUR)


@pytest.mark.parametrize("mode", ["P", "1"])
def test_pad_keeps_the_mode(mode):
    img = Image.fromarray(COLOUR).convert(mode)
    mirrored = F.pad(img, 2, padding_mode="reflect")
    assert mirrored.mode == mode
    inner = mirrored.crop((2, 2, 15, 12)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(inner), np.asarray(img.convert("RGB")))


def test_results_are_no_windows_into_the_image():
    x = COLOUR.copy()
    for function in (F.hflip, F.vflip, lambda img: F.crop(img, 0, 0, 2, 2)):
        function(x)[...] = 0
        function(t := tc.from_numpy(channels_first(x))).zero_()
        assert (x == COLOUR).all()
        assert (t.numpy() == channels_first(COLOUR)).all()


def test_batches_of_tensors():
    x = RNG.random((2, 5, 3, 6, 7), np.float32)
    t = tc.from_numpy(x)
    np.testing.assert_array_equal(F.hflip(t).numpy(), x[..., ::-1])
    np.testing.assert_array_equal(F.crop(t, 1, 2, 3, 4).numpy(), x[..., 1:4, 2:6])
    assert F.resize(t, 3).shape == (2, 5, 3, 3, 3)


# ---- resize --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(5, 5), (20, 30), (4, 40), (10, 6)])
@pytest.mark.parametrize(
    ("mode", "antialias"), [("bilinear", True), ("bilinear", False), ("bicubic", True)]
)
def test_resize_of_floats(size, mode, antialias):
    x = RNG.random((2, 3, 10, 13), np.float32)
    y = F.resize(tc.from_numpy(x), size, mode, antialias=antialias)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x), size, mode=mode, antialias=antialias
    )
    np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-5)


@IMAGES
@pytest.mark.parametrize("size", [(5, 5), (20, 30), (4, 40)])
def test_resize_of_bytes(x, size):
    """Pillow rounds after each of two passes, arrays and Tensors once: one level apart at most."""
    array, pil, tensor = three_kinds(T.Resize(size), x)
    np.testing.assert_array_equal(array, tensor)
    assert array.shape[:2] == size
    assert np.abs(array.astype(int) - pil).max() <= 1


def test_resize_of_one_colour():
    x = np.full((6, 7, 3), 255, np.uint8)
    for y in three_kinds(T.Resize((11, 4)), x):
        assert (y == 255).all()


def test_nearest():
    x = np.arange(10, dtype=np.uint8)[None].repeat(3, 0)
    mode = T.InterpolationMode
    for size, which, expected in [
        ((3, 5), mode.NEAREST, torch.nn.functional.interpolate),
        ((3, 25), mode.NEAREST, torch.nn.functional.interpolate),
    ]:
        t = torch.from_numpy(x)[None, None]
        y = F.resize(tc.from_numpy(x[None]), size, which)
        np.testing.assert_array_equal(y.numpy(), expected(t, size, mode="nearest")[0].numpy())
    row = F.resize(x, (3, 5), mode.NEAREST)[0]
    assert row.tolist() == [1, 3, 5, 7, 9]
    assert (
        np.asarray(F.resize(Image.fromarray(x), (3, 5), mode.NEAREST))[0].tolist() == row.tolist()
    )


@pytest.mark.parametrize(
    ("size", "max_size", "expected"),
    [
        (5, None, (5, 6)),
        ([20], None, (20, 26)),
        (5, 100, (5, 6)),
        (20, 22, (16, 22)),
        (10, None, (10, 13)),
    ],
)
def test_resized_shape(size, max_size, expected):
    for x in (COLOUR, COLOUR.transpose(1, 0, 2).copy()):
        for y in three_kinds(T.Resize(size, max_size=max_size), x):
            assert y.shape[:2] == (expected if x is COLOUR else expected[::-1])


# ---- values --------------------------------------------------------------------------------------


@IMAGES
def test_to_tensor(x):
    expected = torch.from_numpy(channels_first(x).copy()).to(torch.float32).div(255)
    for kind in (x, Image.fromarray(x)):
        y = T.ToTensor()(kind)
        assert y.dtype is tc.float32
        assert y.is_contiguous()
        np.testing.assert_array_equal(y.numpy(), expected.numpy())
        back = T.ToPILImage()(y)
        np.testing.assert_array_equal(np.asarray(back), x)
    np.testing.assert_array_equal(T.PILToTensor()(Image.fromarray(x)).numpy(), channels_first(x))


@pytest.mark.parametrize("dtype", ["int64", "int16", "float64", "float32"])
def test_to_tensor_keeps_other_numbers(dtype):
    x = GREY.astype(dtype)
    y = F.to_tensor(x)
    np.testing.assert_array_equal(y.numpy(), x[None])
    assert str(y.dtype) == f"tinyconv.{dtype}"


@pytest.mark.parametrize("mode", ["1", "L", "P", "I", "F", "LA", "RGBA", "CMYK"])
def test_to_tensor_of_modes(mode):
    img = Image.fromarray(COLOUR).convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    y = F.to_tensor(img)
    numbers = np.asarray(img)
    whole = 1 if mode in ("1", "I", "F") else 255
    expected = channels_first(numbers).astype(np.float32) / np.float32(whole)
    assert y.dtype is (tc.int32 if mode == "I" else tc.float32)
    np.testing.assert_array_equal(y.numpy(), expected)


def test_to_tensor_follows_the_default_dtype():
    try:
        tc.set_default_dtype(tc.float64)
        y = F.to_tensor(GREY)
    finally:
        tc.set_default_dtype(tc.float32)
    np.testing.assert_array_equal(y.numpy(), GREY[None] / 255.0)


@pytest.mark.parametrize(
    ("x", "mode", "expected"),
    [
        (GREY, None, "L"), (COLOUR, None, "RGB"), (COLOUR, "HSV", "HSV"),
        (COLOUR[:, :, :2], None, "LA"), (np.concatenate([COLOUR] * 2, 2)[:, :, :4], None, "RGBA"),
        (COLOUR[:, :, :1], None, "L"), (GREY.astype(np.int32), None, "I"),
        (GREY.astype(np.int16), None, "I;16"), (GREY.astype(np.float32), "F", "F"),
    ],
)  # fmt: skip
def test_to_pil_image(x, mode, expected):
    for kind in (x, tc.from_numpy(channels_first(x).copy())):
        img = T.ToPILImage(mode)(kind)
        assert img.mode == expected
        np.testing.assert_array_equal(np.asarray(img), x.squeeze())


def test_to_pil_image_wraps_floats_around():
    x = np.array([[-0.5, 0.0, 1.0, 1.5]], np.float32)
    assert np.asarray(F.to_pil_image(x)).tolist() == [[129, 0, 255, 126]]


@pytest.mark.parametrize("mean", [(0.5,), (0.1, 0.2, 0.3), [0.1, 0.2, 0.3]])
def test_normalize(mean):
    x = RNG.random((3, 4, 5), np.float32)
    std = (0.2,) * len(mean)
    column = np.array(mean, np.float32)[:, None, None]
    expected = (x - column) / np.float32(0.2)
    t = tc.from_numpy(x.copy())
    y = T.Normalize(mean, std)(t)
    np.testing.assert_array_equal(y.numpy(), expected)
    np.testing.assert_array_equal(t.numpy(), x)
    assert T.Normalize(mean, std, inplace=True)(t) is t
    np.testing.assert_array_equal(t.numpy(), expected)


def test_normalize_passes_gradients():
    x = tc.ones(1, 2, 2, requires_grad=True)
    F.normalize(x, [0.5], [0.25]).sum().backward()
    assert (x.grad.numpy() == 4).all()


@pytest.mark.parametrize(
    ("x", "dtype", "expected"),
    [
        (np.array([0, 51, 255], np.uint8), "float32", [0, np.float32(0.2), 1]),
        (np.array([0.0, 0.5, 1.0], np.float32), "uint8", [0, 127, 255]),
        (np.array([0, 1, 255], np.uint8), "int16", [0, 128, 255 * 128]),
        (np.array([0, 128, 32767], np.int16), "uint8", [0, 1, 255]),
        (np.array([0.1], np.float32), "float64", [np.float64(np.float32(0.1))]),
    ],
)
def test_convert_image_dtype(x, dtype, expected):
    y = T.ConvertImageDtype(getattr(tc, dtype))(tc.from_numpy(x))
    assert str(y.dtype) == f"tinyconv.{dtype}"
    assert y.tolist() == expected


def test_grayscale():
    r, g, b = COLOUR.transpose(2, 0, 1).astype(np.float32)
    luminance = np.float32(0.2989) * r + np.float32(0.587) * g + np.float32(0.114) * b
    array, pil, tensor = three_kinds(T.Grayscale(3), COLOUR)
    np.testing.assert_array_equal(array, pil)
    np.testing.assert_array_equal(tensor, np.stack([luminance.astype(np.uint8)] * 3, -1))
    assert np.abs(array.astype(int) - tensor).max() <= 1
    assert T.Grayscale()(COLOUR).shape == (10, 13, 1)
    assert T.Grayscale()(tc.from_numpy(channels_first(COLOUR).copy())).shape == (1, 10, 13)
    check(T.Grayscale(1), GREY, GREY)
    exact = np.random.default_rng(0).random((3, 2, 4))
    theirs = torchvision.transforms.functional.rgb_to_grayscale(torch.tensor(exact)).numpy()
    np.testing.assert_array_equal(T.Grayscale()(tc.tensor(exact)).numpy(), theirs)  # float64 stays


# ---- chance --------------------------------------------------------------------------------------


@IMAGES
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_random_flips_draw_one_uniform_number(x, seed, p):
    torch.manual_seed(seed)
    flipped = bool(torch.rand(1) < p)
    check(T.RandomHorizontalFlip(p), x, x[:, ::-1] if flipped else x, seed)
    check(T.RandomVerticalFlip(p), x, x[::-1] if flipped else x, seed)
    assert tc.rand(1).item() == torch.rand(1).item()


@IMAGES
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("settings", "sides", "size"),
    [
        ({"size": 5}, (0, 0, 0, 0), (5, 5)),
        ({"size": (3, 7), "padding": (1, 2)}, (1, 2, 1, 2), (3, 7)),
        ({"size": 6, "padding": (1, 0, 3, 2), "padding_mode": "reflect"}, (1, 0, 3, 2), (6, 6)),
    ],
)
def test_random_crop_draws_row_and_column(x, seed, settings, sides, size):
    y = padded(x, *sides, mode=settings.get("padding_mode", "constant"))
    torch.manual_seed(seed)
    top = torch.randint(0, y.shape[0] - size[0] + 1, size=(1,)).item()
    left = torch.randint(0, y.shape[1] - size[1] + 1, size=(1,)).item()
    expected = y[top : top + size[0], left : left + size[1]]
    check(T.RandomCrop(**settings), x, expected, seed)
    assert tc.rand(1).item() == torch.rand(1).item()
    tc.manual_seed(seed)
    assert T.RandomCrop.get_params(y, size) == (top, left, *size)


def test_random_crop_of_the_whole_draws_nothing():
    check(T.RandomCrop((9, 7)), GREY, GREY, seed=5)
    torch.manual_seed(5)
    assert tc.rand(1).item() == torch.rand(1).item()


def test_pad_if_needed():
    y = padded(GREY, 3, 0, 3, 0)  # 10 columns of 7 are missing 3: all 3 come on both sides
    torch.manual_seed(1)
    left = torch.randint(0, 1, size=(1,)).item(), torch.randint(0, 4, size=(1,)).item()
    crop = T.RandomCrop((9, 10), pad_if_needed=True)
    check(crop, GREY, y[:, left[1] : left[1] + 10], seed=1)


def test_compose_and_lambda():
    chain = T.Compose([T.Lambda(lambda x: x[:2]), T.Pad(1), np.ascontiguousarray])
    assert chain(GREY).shape == (4, 9)


# ---- how they print and fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,))]),
         "Compose(\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n)"),
        (T.RandomCrop(32, padding=4), "RandomCrop(size=(32, 32), padding=4)"),
        (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
        (T.RandomVerticalFlip(0.2), "RandomVerticalFlip(p=0.2)"),
        (T.CenterCrop((3, 4)), "CenterCrop(size=(3, 4))"),
        (T.Resize(3), "Resize(size=3, interpolation=bilinear, max_size=None, antialias=True)"),
        (T.Pad((1, 2), (1, 2, 3), "reflect"),
         "Pad(padding=(1, 2), fill=(1, 2, 3), padding_mode=reflect)"),
        (T.Lambda(abs), "Lambda()"),
        (T.ToPILImage(), "ToPILImage()"),
        (T.ToPILImage("L"), "ToPILImage(mode=L)"),
        (T.PILToTensor(), "PILToTensor()"),
        (T.ConvertImageDtype(tc.float32), "ConvertImageDtype()"),
        (T.Grayscale(3), "Grayscale(num_output_channels=3)"),
    ],
)  # fmt: skip
def test_repr(transform, text):
    assert repr(transform) == text


X = tc.ones(3, 8, 8)


@pytest.mark.parametrize(
    ("action", "kind", "message"),
    [
        (lambda: T.ToTensor()(3), TypeError, "pic should be PIL Image or ndarray. Got <class"),
        (lambda: T.ToTensor()(X), TypeError, "pic should be PIL Image or ndarray. Got"),
        (lambda: T.ToTensor()(np.zeros(3)), ValueError, "pic should be 2/3 dimensional. Got 1"),
        (lambda: T.PILToTensor()(GREY), TypeError, "pic should be PIL Image. Got"),
        (lambda: T.Normalize((0.5,), (0.5,))(GREY), TypeError, "img should be Tensor Image. Got"),
        (lambda: T.Normalize((0.5,), (0,))(X), ValueError, "std evaluated to zero after"),
        (lambda: T.Normalize((1,), (1,))(X.to(tc.uint8)), TypeError,
         "Input tensor should be a float tensor. Got tinyconv.uint8."),
        (lambda: T.Normalize((1, 1), (1, 1))(X), RuntimeError,
         "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension"),
        (lambda: T.Normalize((1,), (1,))(X[0]), ValueError,
         "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() ="),
        (lambda: T.RandomCrop(9)(X), ValueError,
         "Required crop size (9, 9) is larger than input image size (8, 8)"),
        (lambda: T.RandomCrop((1, 2, 3)), ValueError,
         "Please provide only two dimensions (h, w) for size."),
        (lambda: T.Resize((1, 2, 3)), ValueError,
         "If size is a sequence, it should have 1 or 2 values"),
        (lambda: T.Resize("a"), TypeError, "Size should be int or sequence. Got"),
        (lambda: F.resize(X, 3, max_size=2), ValueError,
         "max_size = 2 must be strictly greater than the requested size"),
        (lambda: F.resize(X, (3, 3), max_size=5), ValueError, "max_size should only be passed if"),
        (lambda: T.Pad("a"), TypeError, "Got inappropriate padding arg"),
        (lambda: T.Pad((1, 2, 3)), ValueError,
         "Padding must be an int or a 1, 2, or 4 element tuple, not a 3 element tuple"),
        (lambda: T.Pad(-1), ValueError, "Padding must not be negative"),
        (lambda: F.pad(X, 1, fill="x"), TypeError, "Got inappropriate fill arg"),
        (lambda: F.pad(X, 1, padding_mode="z"), ValueError,
         "Padding mode should be either constant, edge, reflect or symmetric"),
        (lambda: T.Lambda(3), TypeError, "Argument lambd should be callable, got 'int'"),
        (lambda: T.ToPILImage()(3), TypeError, "pic should be Tensor or ndarray. Got <class"),
        (lambda: T.ToPILImage()(X[None]), ValueError, "pic should be 2/3 dimensional. Got 4"),
        (lambda: T.ToPILImage()(tc.ones(5, 3, 3)), ValueError,
         "pic should not have > 4 channels. Got 5 channels."),
        (lambda: T.ToPILImage("L")(X), ValueError, "Only modes ['RGB', 'YCbCr', 'HSV'] are"),
        (lambda: T.ToPILImage()(np.zeros((2, 2), np.int64)), TypeError,
         "Input type int64 is not supported"),
        (lambda: T.Grayscale(2)(X), ValueError, "num_output_channels should be either 1 or 3"),
        (lambda: T.Grayscale()(tc.ones(2, 3, 3)), TypeError,
         "Input image tensor permitted channel values are [1, 3], but found 2"),
        (lambda: F.convert_image_dtype(X, tc.int32), RuntimeError, "The cast from tinyconv"),
        (lambda: F.hflip("cat.png"), TypeError, "Unexpected type <class 'str'>"),
        (lambda: F.hflip(tc.ones(1, 2, 2, requires_grad=True)), RuntimeError, "transforms prepare"),
    ],
)  # fmt: skip
def test_errors(action, kind, message):
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) in (kind, *kind.__subclasses__())
    opening, hint = str(caught.value).split("\n", 1)
    assert opening.startswith(message)
    assert hint
