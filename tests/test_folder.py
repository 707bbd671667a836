"""Images in folders, and data sets whose parts have names, against torchvision on the same files."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile

import numpy as np
import pytest
import tiny_datasets
from PIL import Image
from real_torchvision import torchvision
from tiny_datasets import idx, md5

import tinyconv as tc
from tinyconv.vision import datasets, download, pillow, transforms

BOTH = [datasets, torchvision.datasets]
RNG = np.random.default_rng(0)

# ---- folders -------------------------------------------------------------------------------------

FILES = ["cat/b.png", "cat/A.PNG", "cat/deep/c.bmp", "cat/notes.txt", "dog/1.jpg", "dog/0.png", "ant/x.gif"]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            grey = name.endswith("0.png")
            Image.fromarray(RNG.integers(0, 256, (5, 4) if grey else (5, 4, 3), np.uint8)).save(
                path
            )
    (tmp_path / "loose.png").write_bytes(b"of no class")
    return tmp_path


def attributes(data):
    return [data.classes, data.class_to_idx, data.samples, data.targets, len(data), data.extensions]


FOLDERS = [
    ("ImageFolder", {"allow_empty": True}),
    ("ImageFolder", {"is_valid_file": lambda path: not path.endswith(".txt")}),
    ("DatasetFolder", {"loader": str.upper, "extensions": (".png", ".gif")}),
    ("DatasetFolder", {"loader": len, "extensions": ".txt", "allow_empty": True}),
    ("DatasetFolder", {"loader": len, "is_valid_file": lambda path: True, "target_transform": hex}),
]


@pytest.mark.parametrize(("kind", "settings"), FOLDERS)
def test_folders(root, kind, settings):
    ours, theirs = (getattr(module, kind)(root, **settings) for module in BOTH)
    assert attributes(ours) == attributes(theirs)
    assert len(ours) > 0
    for i in range(len(ours)):
        for a, b in zip(ours[i], theirs[i], strict=True):
            assert type(a) is type(b)
            assert np.array_equal(np.asarray(a), np.asarray(b))
    assert repr(ours) == repr(theirs)
    with pytest.raises(IndexError):
        ours[len(ours)]
    if kind == "ImageFolder":
        assert ours.imgs is ours.samples
        assert {ours[i][0].mode for i in range(len(ours))} == {"RGB"}


MISUSES = [
    (lambda m, root: m.ImageFolder(root), FileNotFoundError),  # ant has a .gif only
    (lambda m, root: m.ImageFolder(root, is_valid_file=lambda p: "dog" in p), FileNotFoundError),
    (lambda m, root: m.ImageFolder(root / "dog"), FileNotFoundError),
    (lambda m, root: m.ImageFolder(root / "nowhere"), FileNotFoundError),
    (lambda m, root: m.DatasetFolder(root, len), ValueError),
    (lambda m, root: m.DatasetFolder(root, len, ".png", is_valid_file=len), ValueError),
    (lambda m, root: m.DatasetFolder.make_dataset(root, None, ".png"), ValueError),
    (lambda m, root: m.folder.make_dataset(root, {}, ".png"), ValueError),
]


@pytest.mark.parametrize(("call", "kind"), MISUSES)
def test_refusals_begin_as_theirs(root, call, kind):
    said = []
    for module in BOTH:
        with pytest.raises(kind) as caught:
            call(module, root)
        said.append(str(caught.value))
    assert said[0].startswith(said[1].rstrip("."))


def test_a_subclass_chooses_the_classes(root):
    class Dogs(datasets.ImageFolder):
        def find_classes(self, directory):
            return ["dog"], {"dog": 7}

    assert Dogs(root).targets == [7, 7]


def test_a_folder_in_batches(root):
    chain = transforms.Compose([transforms.Resize((4, 4)), transforms.ToTensor()])
    data = datasets.ImageFolder(root, transform=chain, allow_empty=True)
    (images, labels), *_ = tc.utils.data.DataLoader(data, batch_size=5)
    assert images.shape == (5, 3, 4, 4)
    assert labels.tolist() == [1, 1, 1, 2, 2]


def test_a_folder_without_pillow(root, monkeypatch):
    monkeypatch.setattr(pillow, "Image", None)
    data = datasets.ImageFolder(root, allow_empty=True)
    with pytest.raises(ModuleNotFoundError, match="pip install pillow"):
        data[0]


# ---- parts with names ----------------------------------------------------------------------------


def tiny_svhn(root):
    from scipy.io import savemat

    sums = {}
    for split, n in (("train", 6), ("test", 3), ("extra", 2)):
        labels = (np.arange(n) % 10 + 5).clip(1, 10).astype(np.uint8)[:, None]
        pixels = RNG.integers(0, 256, (32, 32, 3, n), np.uint8)
        savemat(root / f"{split}_32x32.mat", {"X": pixels, "y": labels})
        sums[split] = md5(root / f"{split}_32x32.mat")
    ours = type("SVHN", (datasets.SVHN,), {"sums": sums})
    kind = torchvision.datasets.SVHN
    lists = {k: [*kind.split_list[k][:2], sums[k]] for k in sums}
    return ours, type("SVHN", (kind,), {"split_list": lists})


def tiny_stl10(root):
    folder = root / "stl10_binary"
    folder.mkdir(exist_ok=True)
    for part, n in (("train", 4), ("unlabeled", 3), ("test", 2)):
        (folder / f"{part}_X.bin").write_bytes(RNG.bytes(n * 3 * 96 * 96))
        if part != "unlabeled":
            labels = RNG.integers(1, 11, n).astype(np.uint8)
            (folder / f"{part}_y.bin").write_bytes(labels.tobytes())
    (folder / "fold_indices.txt").write_text("".join(f"{k % 4} 3 \n" for k in range(10)))
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    sums = {path.name: md5(path) for path in folder.glob("*.bin")}
    ours = type("STL10", (datasets.STL10,), {"sums": sums})
    kind = torchvision.datasets.STL10
    lists = {
        key: [[name, sums[name]] for name, _ in getattr(kind, key)]
        for key in ("train_list", "test_list")
    }
    return ours, type("STL10", (kind,), lists)


SPLITS = [
    (tiny_svhn, {}),
    (tiny_svhn, {"split": "test", "transform": np.asarray, "target_transform": hex}),
    (tiny_svhn, {"split": "extra"}),
    (tiny_stl10, {}),
    (tiny_stl10, {"folds": 6}),
    (tiny_stl10, {"split": "test"}),
    (tiny_stl10, {"split": "unlabeled"}),
    (tiny_stl10, {"split": "train+unlabeled", "folds": 1}),
]


@pytest.mark.parametrize(("make", "settings"), SPLITS)
def test_named_parts(tmp_path, make, settings):
    ours, theirs = (kind(tmp_path, **settings) for kind in make(tmp_path))
    assert np.array_equal(ours.data, theirs.data)
    assert ours.labels.tolist() == np.reshape(theirs.labels, -1).tolist()
    assert getattr(ours, "classes", None) == getattr(theirs, "classes", None)
    assert repr(ours) == repr(theirs)
    for (a, p), (b, q) in zip(map(ours.__getitem__, range(len(ours))), theirs, strict=True):
        assert type(a) is type(b)
        assert np.array_equal(np.asarray(a), np.asarray(b))
        assert (p, type(p)) == (q, type(q))


def tiny_kmnist(root):
    return tiny_datasets.tiny_mnist(
        root, datasets.KMNIST, packed=False
    ), torchvision.datasets.KMNIST


def test_kmnist(tmp_path):
    ours, theirs = (kind(tmp_path, train=False) for kind in tiny_kmnist(tmp_path))
    assert ours.data.tolist() == theirs.data.tolist()
    assert ours.targets.tolist() == theirs.targets.tolist()
    assert ours.class_to_idx == theirs.class_to_idx


def tiny_emnist(root, split):
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 3), ("test", 2)):
        name = f"emnist-{split}-{part}"
        images = RNG.integers(0, 256, (n, 28, 28), np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8)))


@pytest.mark.parametrize("split", datasets.EMNIST.splits)
def test_emnist(tmp_path, split):
    tiny_emnist(tmp_path, split)
    for train in (True, False):
        ours, theirs = (m.EMNIST(tmp_path, split, train=train) for m in BOTH)
        assert ours.data.tolist() == theirs.data.tolist()
        assert ours.targets.tolist() == theirs.targets.tolist()
        assert ours.classes == theirs.classes
        assert repr(ours) == repr(theirs)


WORDS = [
    (lambda m: m.EMNIST("x", "byclas"), ValueError),
    (lambda m: m.SVHN("x", 3), ValueError),
    (lambda m: m.STL10("x", "valid"), ValueError),
    (lambda m: m.STL10("x", folds=10), ValueError),
    (lambda m: m.STL10("x", folds="a"), ValueError),
    (lambda m: m.STL10("nowhere"), RuntimeError),
    (lambda m: m.SVHN("nowhere"), RuntimeError),
]


@pytest.mark.parametrize(("call", "kind"), WORDS)
def test_wrong_words(call, kind):
    said = []
    for module in BOTH:
        with pytest.raises(kind) as caught:
            call(module)
        said.append(str(caught.value))
    assert said[0].startswith(said[1].rstrip("."))


def test_without_scipy(tmp_path, monkeypatch):
    kind, _ = tiny_svhn(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "scipy.io", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scipy"):
        kind(tmp_path)


# ---- downloads -----------------------------------------------------------------------------------


def test_downloads_are_unpacked(tmp_path, monkeypatch):
    """Known names only; nothing but the archive is asked for."""
    asked = []

    def fetch(filename, checksum, mirrors, folder):
        asked.append((filename, checksum, *mirrors))
        return tmp_path / filename

    for module in (datasets.mnist, datasets.splits):
        monkeypatch.setattr(module, "fetch", fetch)
    source = tmp_path / "source"
    source.mkdir()
    stl10, _ = tiny_stl10(source)
    with tarfile.open(tmp_path / stl10.filename, "w:gz") as tar:
        tar.add(source / stl10.base_folder, stl10.base_folder)
        member = tarfile.TarInfo("../evil")
        tar.addfile(member, io.BytesIO())
    new = tmp_path / "new"
    assert len(stl10(new, "test", download=True)) == 2
    assert len(stl10(new, "train", download=True)) == 4  # lies there by now
    assert {path.name for path in new.rglob("*.*")} == {*stl10.sums, *stl10.texts}

    tiny_emnist(source, "letters")
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as packed:
        for path in source.glob("EMNIST/raw/*"):
            packed.write(path, f"gzip/{path.name}.gz")
        packed.writestr("gzip/emnist-digits-train-images-idx3-ubyte.gz", b"of another split")
    assert len(datasets.EMNIST(new, "letters", train=False, download=True)) == 2
    assert len(list(new.glob("EMNIST/raw/*"))) == 4
    assert [name for name, *_ in asked] == ["stl10_binary.tar.gz", "gzip.zip"]


def test_the_part_that_is_asked_for_is_fetched(tmp_path, monkeypatch):
    kind, _ = tiny_svhn(tmp_path)
    content = (tmp_path / "test_32x32.mat").read_bytes()
    monkeypatch.setattr(
        datasets.splits,
        "fetch",
        lambda name, checksum, urls, root: (root / name).write_bytes(content),
    )
    (tmp_path / "test_32x32.mat").write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="has MD5"):
        kind(tmp_path, "test")
    assert len(kind(tmp_path, "test", download=True)) == 3


def test_published_sums():
    theirs = torchvision.datasets
    assert {k: v[2] for k, v in theirs.SVHN.split_list.items()} == datasets.SVHN.sums
    for split in datasets.SVHN.splits:
        name = f"{split}_32x32.mat"
        assert theirs.SVHN.split_list[split][:2] == [datasets.SVHN.mirrors[0] + name, name]
    published = [*theirs.STL10.train_list, *theirs.STL10.test_list]
    assert dict(published) == datasets.STL10.sums
    assert [theirs.STL10.url] == datasets.STL10.mirrors
    assert theirs.STL10.tgz_md5 == datasets.STL10.tgz_md5
    assert (theirs.EMNIST.url, theirs.EMNIST.md5) == (
        datasets.EMNIST.mirrors[0],
        datasets.EMNIST.md5,
    )
    resources = {**datasets.KMNIST.train_list, **datasets.KMNIST.test_list}
    assert dict(theirs.KMNIST.resources) == resources
    assert theirs.KMNIST.mirrors == datasets.KMNIST.mirrors
    assert download.md5(b"") == hashlib.md5(b"").hexdigest()
