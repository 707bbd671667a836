"""Saving and loading: round trips, atomic writes, refusals."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinyconv as tc
from tinyconv import nn, optim


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, tc.Tensor):
        assert a.dtype is b.dtype
        assert a.requires_grad == b.requires_grad
        np.testing.assert_array_equal(a.array, b.array)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b or (a != a and b != b)


OBJECTS = [
    tc.arange(6.0).reshape(2, 3),
    tc.tensor(3, dtype=tc.int8),
    tc.zeros(0, 3),
    tc.tensor([True, False]),
    tc.ones(3).half(),
    tc.arange(6).reshape(2, 3).t(),
    nn.Parameter(tc.ones(2)),
    tc.ones(2, requires_grad=True),
    {
        "a": tc.ones(2),
        "b": {"c": [1, 2.5, None, "x", True], "d": (tc.zeros(1), float("inf"))},
        3: "int key",
    },
    OrderedDict(x=tc.ones(1)),
    [np.arange(3), tc.Size([1, 2]), tc.float64, tc.device("cpu"), {1, 2}],
    {},
    5,
    {"": tc.ones(1), "a.b": tc.ones(2), "a": {"b": tc.zeros(2)}},
]


@pytest.mark.parametrize("obj", OBJECTS, ids=range(len(OBJECTS)))
def test_round_trip(obj, tmp_path):
    tc.save(obj, tmp_path / "f")
    same(obj, tc.load(tmp_path / "f"))
    buffer = io.BytesIO()
    tc.save(obj, buffer)
    buffer.seek(0)
    same(obj, tc.load(buffer))


def test_a_header_of_any_length():
    """Its length is the first byte of the file, which once was taken for the first byte of a pickle."""
    firsts = set()
    for length in range(0, 256, 8):
        buffer = io.BytesIO()
        tc.save({"x" * length: tc.ones(1)}, buffer)
        firsts.add(buffer.getvalue()[0])
        buffer.seek(0)
        assert tc.load(buffer)["x" * length].item() == 1
    assert 0x80 in firsts


def test_what_is_loaded_can_be_written_to(tmp_path):
    tc.save(tc.zeros(2), tmp_path / "f")
    x = tc.load(tmp_path / "f")
    x += 1
    assert x.tolist() == [1, 1]


def test_training_goes_on_where_it_stopped(tmp_path):
    def make():
        tc.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
        return model, optim.Adam(model.parameters(), lr=0.1)

    def step(model, optimizer, x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    batches = [tc.randn(5, 4) for _ in range(6)]
    model, optimizer = make()
    expected = [step(model, optimizer, x) for x in batches]
    model, optimizer = make()
    for x in batches[:3]:
        step(model, optimizer, x)
    tc.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "f")
    model, optimizer = make()
    saved = tc.load(tmp_path / "f")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    assert [step(model, optimizer, x) for x in batches[3:]] == expected[3:]


def test_other_readers_of_safetensors_see_the_names(tmp_path):
    layer = nn.Linear(2, 3)
    tc.save(layer.state_dict(), tmp_path / "f")
    assert sorted(load_file(tmp_path / "f")) == ["bias", "weight"]


def test_one_tensor_in_two_places_is_stored_once(tmp_path):
    x = tc.zeros(1000)
    tc.save({"a": x, "b": x}, tmp_path / "f")
    assert os.path.getsize(tmp_path / "f") < 5000


def test_a_crash_in_mid_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    tc.save({"epoch": 1}, path)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        tc.save({"epoch": 2}, path)
    monkeypatch.undo()
    assert tc.load(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["f"]


class Evil:
    def __reduce__(self):
        return os.system, ("echo no",)


def test_a_whole_model(tmp_path):
    tc.save({"model": [nn.Linear(1, 2), nn.ReLU()], "epoch": 3}, tmp_path / "f")
    with pytest.raises(pickle.UnpicklingError, match=r"Weights only load failed.*Linear"):
        tc.load(tmp_path / "f")
    saved = tc.load(tmp_path / "f", weights_only=False)
    assert repr(saved["model"][0]) == repr(nn.Linear(1, 2))
    assert saved["epoch"] == 3
    tc.save({"a": Evil()}, tmp_path / "f")
    with pytest.raises(pickle.UnpicklingError, match="Evil"):
        tc.load(tmp_path / "f")


def test_refusals(tmp_path, capfd):
    (tmp_path / "pickle").write_bytes(pickle.dumps(Evil()))
    for weights_only in (True, False):
        with pytest.raises(
            pickle.UnpicklingError, match=r"it asks for (posix|nt).system, which is code"
        ):
            tc.load(tmp_path / "pickle", weights_only=weights_only)
    assert not capfd.readouterr().out
    (tmp_path / "damaged").write_bytes(b"x" * 100)
    with pytest.raises(RuntimeError, match="damaged"):
        tc.load(tmp_path / "damaged")
    layer = nn.Linear(1, 1)
    layer.hook = lambda: None
    with pytest.raises(
        TypeError, match=r"cannot save a Linear at 'model.0': .*\nSave its state_dict"
    ):
        tc.save({"model": [layer]}, tmp_path / "f")
    with pytest.raises(TypeError, match="cannot save a function"):
        tc.save(lambda: None, tmp_path / "f")
    assert sorted(os.listdir(tmp_path)) == ["damaged", "pickle"]
    with pytest.raises(FileNotFoundError):
        tc.load(tmp_path / "nowhere")
