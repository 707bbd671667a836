"""Files that torch wrote: the same tensors come out, and nothing in them runs."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import Counter, OrderedDict, defaultdict

import pytest
import torch
from test_serialization import Evil, same

import tinyconv as tc


def build(lib):
    """Whatever may be in a checkpoint, of either library."""
    base = lib.arange(12.0)
    return {
        "views": [base[2:5], base.view(3, 4).t()],
        "types": [lib.ones(2).to(getattr(lib, t)) for t in ("float64", "bfloat16", "float16", "int8", "uint8", "bool")],
        "empty": lib.zeros(0, 3),
        "scalar": lib.tensor(3),
        "parameter": lib.nn.Parameter(lib.ones(2)),
        "leaf": lib.ones(1, requires_grad=True),
        "names": [lib.float16, lib.device("cpu"), lib.Size([1, 2])],
        "plain": [1, 2.5, "ü", None, True, {1, 2}, b"\xff\x00", (3,), bytearray(b"x")],
        "dicts": [OrderedDict(a=1), Counter("aab"), defaultdict(list, k=[1])],
    }  # fmt: skip


def file_of(obj, archive=True):
    buffer = io.BytesIO()
    torch.save(obj, buffer, _use_new_zipfile_serialization=archive)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("archive", [True, False])
def test_everything_comes_back(archive):
    found = tc.load(file_of(build(torch), archive))
    same(found, build(tc))
    part, whole = found["views"]
    part.zero_()
    assert whole[0].tolist() == [0.0, 0.0, 8.0]  # they share memory, as they did


@pytest.mark.parametrize("archive", [True, False])
def test_training_begun_with_torch_goes_on(archive, tmp_path):
    def make(lib):
        lib.manual_seed(0)
        model = lib.nn.Sequential(
            lib.nn.Conv2d(1, 2, 3), lib.nn.BatchNorm2d(2), lib.nn.PReLU()
        ).double()
        return model, lib.optim.Adam(model.parameters(), lr=0.1)  # fmt: skip

    def steps(lib, model, optimizer, n):
        for i in range(n):
            x = lib.arange(64.0, dtype=lib.float64).view(4, 1, 4, 4).add(i).cos()
            loss = (model(x) ** 3).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    theirs = make(torch)
    steps(torch, *theirs, 3)
    path = tmp_path / "checkpoint.pt"
    saved = {"model": theirs[0].state_dict(), "optimizer": theirs[1].state_dict()}
    torch.save(saved, path, _use_new_zipfile_serialization=archive)
    ours = make(tc)
    found = tc.load(path)
    assert str(ours[0].load_state_dict(found["model"])) == "<All keys matched successfully>"
    ours[1].load_state_dict(found["optimizer"])
    assert steps(tc, *ours, 3) == pytest.approx(steps(torch, *theirs, 3), rel=1e-10)


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize(
    ("obj", "asks_for"),
    [
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (Evil(), f"{os.name}.system"),
        ([{"deep": Evil()}], f"{os.name}.system"),
    ],
)
def test_code_is_refused(obj, asks_for, archive, capfd):
    with pytest.raises(pickle.UnpicklingError, match=f"asks for {asks_for}, which is code\nOnly"):
        tc.load(file_of(obj, archive), weights_only=False)
    assert not capfd.readouterr().out


@pytest.mark.parametrize("archive", [True, False])
def test_a_damaged_file_is_called_so(archive):
    whole = file_of(build(torch), archive).getvalue()
    for end in range(2, len(whole) - 1, 97):
        with pytest.raises(
            (RuntimeError, pickle.UnpicklingError), match=r"damaged|cut short|failed"
        ):
            tc.load(io.BytesIO(whole[:end]))


def test_a_tensor_beyond_its_storage_is_refused():
    """Read so, it would show memory that is none of the file's."""
    text = file_of(torch.ones(2, 3)).getvalue()
    with zipfile.ZipFile(io.BytesIO(text)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for size in (b"K\x04K\x03\x86", b"K\x02K\x04\x86"):
        forged = io.BytesIO()
        with zipfile.ZipFile(forged, "w") as new:
            for name, data in parts.items():
                assert not name.endswith("data.pkl") or b"K\x02K\x03\x86" in data
                new.writestr(name, data.replace(b"K\x02K\x03\x86", size))
        forged.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="beyond its storage"):
            tc.load(forged)


def test_map_location():
    seen = []
    for place in (
        "cpu",
        tc.device("cpu"),
        {"cuda:0": "cpu"},
        lambda x, where: seen.append(where) or x,
    ):
        assert tc.load(file_of({"w": torch.ones(2)}), map_location=place)["w"].tolist() == [1, 1]
    assert seen == ["cpu"]
    own = io.BytesIO()
    tc.save({"w": tc.ones(2)}, own)
    own.seek(0)
    assert tc.load(own, lambda x, where: x + 1)["w"].tolist() == [2, 2]
