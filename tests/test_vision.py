"""Data sets on tiny files in the published formats; batches of images; images made on the spot."""

from __future__ import annotations

import gzip
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_datasets import idx, md5, tiny_cifar, tiny_mnist

import tinyconv as tc
from tinyconv.utils.data import DataLoader
from tinyconv.vision import datasets, pillow, transforms
from tinyconv.vision import transforms as T
from tinyconv.vision.datasets.files import read_idx, unpickle
from tinyconv.vision.datasets.shapes import _SHAPES
from tinyconv.vision.transforms import functional as F

GREY = np.arange(63, dtype=np.uint8).reshape(9, 7)


def channels_first(x: np.ndarray) -> np.ndarray:
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)


# ---- data sets -----------------------------------------------------------------------------------

CLASSES = [f"class {k}" for k in range(10)]


@pytest.mark.parametrize("kind", [datasets.CIFAR10, datasets.CIFAR100])
@pytest.mark.parametrize("train", [True, False])
def test_cifar(tmp_path, kind, train):
    tiny = tiny_cifar(tmp_path, kind)
    data = tiny(str(tmp_path), train=train)
    files = tiny.train_list if train else tiny.test_list
    raw = [unpickle((tmp_path / tiny.base_folder / name).read_bytes()) for name in files]
    pixels = np.concatenate([batch["data"] for batch in raw])
    assert data.data.shape == (len(pixels), 32, 32, 3)
    assert data.data.dtype == np.uint8
    for channel in range(3):
        plane = pixels[:, 1024 * channel : 1024 * (channel + 1)].reshape(-1, 32, 32)
        np.testing.assert_array_equal(data.data[..., channel], plane)
    assert data.targets == [label for batch in raw for label in batch[tiny.label_key]]
    assert data.train is train
    assert data.classes[:10] == CLASSES
    assert data.class_to_idx["class 7"] == 7
    img, label = data[3]
    assert isinstance(img, Image.Image)
    np.testing.assert_array_equal(np.asarray(img), data.data[3])
    assert label == data.targets[3]
    assert type(label) is int


@pytest.mark.parametrize("kind", [datasets.MNIST, datasets.FashionMNIST])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist(tmp_path, kind, packed):
    tiny = tiny_mnist(tmp_path, kind, packed)
    for train, n in [(True, 12), (False, 5)]:
        data = tiny(tmp_path, train)
        assert data.data.shape == (n, 28, 28)
        assert (data.data.dtype, data.targets.dtype) == (tc.uint8, tc.int64)
        assert len(data) == n
        img, label = data[n - 1]
        assert img.mode == "L"
        np.testing.assert_array_equal(np.asarray(img), data.data[n - 1].numpy())
        assert label == data.targets[n - 1].item()
        assert type(label) is int
    assert data.class_to_idx[kind.classes[3]] == 3
    assert data.raw_folder == os.path.join(tmp_path, kind.__name__, "raw")
    with pytest.raises(IndexError):
        data[5]


def test_published_class_names():
    assert datasets.MNIST.classes[7] == "7 - seven"
    assert datasets.FashionMNIST.classes[9] == "Ankle boot"


def test_dataset_repr(tmp_path):
    tiny = tiny_cifar(tmp_path)
    chain = T.Compose([T.RandomCrop(32, padding=4), T.ToTensor()])
    data = tiny(tmp_path, train=False, transform=chain, target_transform=T.Lambda(int))
    lines = [
        "Dataset CIFAR10",
        "    Number of datapoints: 5",
        f"    Root location: {tmp_path}",
        "    Split: Test",
        "    StandardTransform",
        "Transform: Compose(",
        "               RandomCrop(size=(32, 32), padding=4)",
        "               ToTensor()",
        "           )",
        "Target transform: Lambda()",
    ]
    assert repr(data) == "\n".join(lines)
    assert repr(datasets.FakeData(3)) == "Dataset FakeData\n    Number of datapoints: 3"


def test_missing_and_damaged_files(tmp_path):
    tiny = tiny_cifar(tmp_path)
    folder = tmp_path / tiny.base_folder
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_4").write_bytes(b"half")
    with pytest.raises(RuntimeError, match=r"^Dataset not found or corrupted\. You can") as caught:
        tiny(tmp_path)
    message = str(caught.value)
    assert f"Looked in {folder}:\n    data_batch_2 is missing\n    data_batch_4 has MD5" in message
    assert "download=True" in message
    assert "Shapes10" in message
    tiny(tmp_path, train=False)  # whose files are whole

    packed = tiny_mnist(tmp_path)
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\1\0"))
    with pytest.raises(RuntimeError, match=r"t10k-labels-idx1-ubyte\.gz has MD5"):
        packed(tmp_path, train=False)
    plain = tiny_mnist(tmp_path / "plain", packed=False)
    (tmp_path / "plain/MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(b"half")
    with pytest.raises(RuntimeError, match="t10k-labels-idx1-ubyte: no idx file"):
        plain(tmp_path / "plain", train=False)


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (Evil(os.system, "echo evil"), r"(posix|nt)\.system"),
        (Evil(eval, "1"), r"(builtins|__builtin__)\.eval"),
        ({"data": "", "labels": [Evil(np.fromfile, "x")]}, r"numpy\S*\.fromfile"),
        ({"labels": Evil(open, "x", "w")}, r"_?io\.open"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 3, 4])
def test_a_malicious_pickle_is_refused(tmp_path, monkeypatch, evil, name, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match=f"asks for {name},"):
        unpickle(pickle.dumps(evil, protocol))
    assert list(tmp_path.iterdir()) == []


def test_a_malicious_batch_is_refused(tmp_path):
    """Even one whose sum is right."""
    tiny = tiny_cifar(tmp_path)
    path = tmp_path / tiny.base_folder / "test_batch"
    path.write_bytes(pickle.dumps(Evil(os.system, "echo evil")))
    tiny.test_list = {"test_batch": md5(path)}
    with pytest.raises(pickle.UnpicklingError, match=r"(posix|nt)\.system"):
        tiny(tmp_path, train=False)


@pytest.mark.parametrize("x", [np.arange(6, dtype=np.uint8), np.zeros((2, 3, 4), np.uint8)])
def test_read_idx(x):
    content = idx(x)
    for packed in (content, gzip.compress(content)):
        y = read_idx(packed)
        np.testing.assert_array_equal(y, x)
        assert y.flags.writeable
    for broken in (content[:-1], content + b"\0", b"\1" + content[1:], content[:2] + b"\7", b""):
        with pytest.raises(ValueError, match=r"no idx file|bytes, but the header"):
            read_idx(broken)
    with pytest.raises(ValueError, match="gzip stream is damaged"):
        read_idx(gzip.compress(content)[:-9])


def test_read_idx_of_big_endian_numbers():
    floats = bytes([0, 0, 0x0D, 1, 0, 0, 0, 2]) + np.array([1.5, -2], ">f4").tobytes()
    y = read_idx(floats)
    assert y.tolist() == [1.5, -2]
    assert y.dtype == np.float32


# ---- batches -------------------------------------------------------------------------------------

NORMALIZE = T.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
AT_ONCE = [
    T.ToTensor(),
    T.Compose([T.ToTensor(), NORMALIZE]),
    T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ToTensor(), NORMALIZE]),
    T.Compose([T.ToTensor(), T.RandomVerticalFlip(0.3), T.RandomCrop((9, 20)), T.CenterCrop(8)]),
    T.Compose([T.Compose([T.Pad((1, 2), padding_mode="reflect")]), T.ToTensor(), T.RandomCrop(33)]),
    T.Compose([T.RandomCrop(40, pad_if_needed=True, fill=(1, 2, 3)), T.ToTensor()]),
    T.Compose([T.RandomCrop(32), T.RandomHorizontalFlip(1.0), T.ToTensor()]),  # takes 0 words, 1
    T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,), inplace=True)]),
]


class Mirror(T.RandomHorizontalFlip):
    def apply(self, img, words):
        return F.vflip(img)


ONE_BY_ONE = [
    None,
    T.Lambda(np.asarray),
    T.Compose([T.Lambda(lambda img: img), T.ToTensor()]),
    T.Compose([Mirror(), T.ToTensor()]),
    T.Compose([T.Resize(20), T.ToTensor()]),
    T.Compose([T.RandomHorizontalFlip()]),
    lambda img: 3,
]


def batch_and_items(data, indices, seed=0):
    tc.manual_seed(seed)
    batch = data.__getitems__(indices)
    after = tc.rand(1).item()
    tc.manual_seed(seed)
    items = [data[i] for i in indices]
    assert tc.rand(1).item() == after
    return batch, items


def same(a, b):
    if isinstance(a, tc.Tensor):
        return isinstance(b, tc.Tensor) and a.dtype is b.dtype and bool((a == b).all())
    return type(a) is type(b) and np.array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("transform", [*AT_ONCE, *ONE_BY_ONE])
def test_a_batch_is_its_items(transform):
    data = datasets.Shapes10(size=30, transform=transform)
    batch, items = batch_and_items(data, [3, 0, -1, 29, 3, 7])
    assert isinstance(batch, list) == (transform in ONE_BY_ONE)
    assert len(batch) == len(items) == 6
    for (x, label), (y, expected) in [*zip(batch, items, strict=True), (batch[2], items[2])]:
        assert same(x, y)
        assert label == expected
        assert type(label) is int
    assert len(batch[1:3]) == 2


def test_a_grey_batch_is_its_items(tmp_path):
    chain = T.Compose(
        [T.RandomCrop(28, padding=2), T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]
    )
    data = tiny_mnist(tmp_path)(tmp_path, transform=chain)
    batch, items = batch_and_items(data, list(range(12)))
    for (x, label), (y, expected) in zip(batch, items, strict=True):
        assert same(x, y)
        assert label == expected


def test_what_a_subclass_or_a_user_changes_is_heeded():
    class Indexed(datasets.Shapes10):
        def __getitem__(self, index):
            return index, *super().__getitem__(index)

    assert [item[0] for item in Indexed(size=5, transform=T.ToTensor()).__getitems__([4, 1])] == [
        4,
        1,
    ]
    data = datasets.Shapes10(size=20, transform=T.ToTensor(), target_transform=str)
    assert data.__getitems__([1])[0][1] == str(data.targets[1])
    data.target_transform = None
    data.data, data.targets = data.data[10:], data.targets[10:]
    batch, items = batch_and_items(data, [0, 9])
    assert all(same(a, b) and p == q for (a, p), (b, q) in zip(batch, items, strict=True))
    with pytest.raises(IndexError):
        data.__getitems__([10])
    with pytest.raises(ValueError, match="Required crop size"):
        datasets.Shapes10(
            size=2, transform=T.Compose([T.RandomCrop(33), T.ToTensor()])
        ).__getitems__([0])


def test_data_loader():
    data = datasets.Shapes10(size=10, transform=AT_ONCE[2])
    tc.manual_seed(0)
    loader = DataLoader(data, batch_size=4, shuffle=True)
    (images, labels), *_, (rest, _) = loader
    assert (images.shape, labels.shape, rest.shape) == ((4, 3, 32, 32), (4,), (2, 3, 32, 32))
    assert (images.dtype, labels.dtype) == (tc.float32, tc.int64)
    tc.manual_seed(0)
    slow = DataLoader(data, batch_size=4, shuffle=True, collate_fn=list)
    first = next(iter(slow))
    assert all(same(x, y) for (x, _), y in zip(first, images, strict=True))
    assert [label for _, label in first] == labels.tolist()


def test_without_pillow(monkeypatch, tmp_path):
    cifar, mnist = tiny_cifar(tmp_path)(tmp_path), tiny_mnist(tmp_path)(tmp_path)
    fake = datasets.FakeData(2, (3, 4, 5))
    chain = AT_ONCE[2]

    def everything():
        tc.manual_seed(0)
        items = [cifar[0][0], mnist[0][0], fake[0][0], datasets.FakeData(2, (1, 4, 5))[0][0]]
        return [*map(np.asarray, items), *(chain(img).numpy() for img in items[:1])]

    expected = everything()
    monkeypatch.setattr(pillow, "Image", None)
    assert isinstance(cifar[0][0], np.ndarray)
    for x, y in zip(everything(), expected, strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(ModuleNotFoundError, match="pip install pillow"):
        F.to_pil_image(GREY)


# ---- made on the spot ----------------------------------------------------------------------------


def test_shapes10():
    a, b = datasets.Shapes10(size=60), datasets.Shapes10(size=60)
    np.testing.assert_array_equal(a.data, b.data)
    assert a.targets == b.targets
    assert np.bincount(a.targets).tolist() == [6] * 10
    assert a.data.shape == (60, 32, 32, 3)
    assert a.data.dtype == np.uint8
    assert a.data.flags.c_contiguous
    assert len(a.classes) == 10
    assert a.class_to_idx["star"] == a.classes.index("star")
    for other in ({"seed": 1}, {"train": False}):
        assert (datasets.Shapes10(size=60, **other).data != a.data).mean() > 0.9
    assert len(datasets.Shapes10(train=False)) == 2000
    assert repr(a) == "Dataset Shapes10\n    Number of datapoints: 60\n    Split: Train"


def test_shapes_have_an_inside_and_fill_the_same_circle():
    y, x = np.mgrid[-2:2:200j, -2:2:200j]
    radius = np.hypot(x, y)
    inside = {name: shape(x, y) < 0 for name, shape in _SHAPES.items()}
    for name, mask in inside.items():
        assert 0.7 < radius[mask].max() < 1.3, name
        assert 0.05 < mask.mean() < 0.2, name
    names = list(inside)
    for i, a in enumerate(names):
        for b in names[:i]:  # no two look alike, at the same place and upright
            assert (inside[a] ^ inside[b]).sum() > 0.2 * inside[a].sum(), (a, b)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"image_size": (1, 3, 3)},
        {"image_size": (3, 2, 2), "num_classes": 4, "random_offset": 9},
    ],
)
def test_fake_data_is_torchs_noise(settings):
    data = datasets.FakeData(size=4, **settings)
    size = settings.get("image_size", (3, 224, 224))
    for index in (0, 3):
        torch.manual_seed(index + settings.get("random_offset", 0))
        noise = torch.randn(*size)
        label = torch.randint(0, settings.get("num_classes", 10), size=(1,)).item()
        img, target = data[index]
        expected = (noise.numpy() * np.float32(255)).astype(np.int64).astype(np.uint8)
        np.testing.assert_array_equal(channels_first(np.asarray(img)), expected)
        assert target == label
    tc.manual_seed(0)
    data[0]
    torch.manual_seed(0)
    assert tc.rand(1).item() == torch.rand(1).item()  # the default generator did not move
    with pytest.raises(IndexError, match="FakeData index out of range"):
        data[4]
    assert len(list(data)) == 4


def test_vision_takes_torchvisions_place():
    from tinyconv import vision

    assert vision.transforms is transforms
    assert set(datasets.__all__) >= {"CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "FakeData"}
