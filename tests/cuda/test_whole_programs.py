"""The example and the benchmark for GPUs, from beginning to end, with a tiny network and few steps."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

import pytest

import tinyconv as tc

ROOT = Path(__file__).parent.parent.parent
TINY = ["--width", "2", "--batch-size", "2", "--steps", "5", "--epochs", "1"]


@pytest.fixture
def paths(monkeypatch):
    for folder in ("examples", "tests/benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT / folder))


@pytest.mark.parametrize("more", [[], ["--eager", "--ema", "0.9"]], ids=" ".join)
def test_example(monkeypatch, paths, tmp_path, capsys, counts, more):
    """Trained as a graph and as a loop, it does what it does on the CPU."""
    losses = {}
    for device in ("cpu", "cuda"):
        arguments = [
            "cifar10_gpu.py",
            "--data-root",
            str(tmp_path),
            "--out",
            str(tmp_path / device),
        ]
        arguments += [*TINY, "--dtype", "float32", "--device", device, *more]
        monkeypatch.setattr(sys, "argv", arguments)
        counts.clear()
        runpy.run_path(str(ROOT / "examples" / "cifar10_gpu.py"), run_name="__main__")
        saved = tc.load(tmp_path / device / "cifar10_gpu.safetensors")
        losses[device] = [v for k, v in saved["history"][0].items() if k != "seconds"]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)
    assert (counts["graphs"] > 0) == ("--eager" not in more)
    assert counts["redraw"] == 10
    assert "accuracy" in capsys.readouterr().out


def tiny(lib):
    nn = lib.nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Dropout(0.5), nn.Linear(36, 10))  # fmt: skip


def test_benchmark(monkeypatch, paths, capsys):
    """With tinyconv in the place of torch, which has no GPU to stand in for."""
    import gpu
    from models import Recipe

    recipe = Recipe("tiny", "a few layers", tiny, 4, (3, 8, 8), 10, "SGD", {"lr": 0.1})
    monkeypatch.setattr(gpu, "load", lambda name, threads: tc)
    monkeypatch.setitem(gpu.MODELS, "a", recipe)
    monkeypatch.setattr(gpu, "LONG", 1e-3)
    monkeypatch.setattr(gpu, "STEPS", 2)
    settings = {"dtype": "bfloat16", "tf32": False, "captured": True, "models": ["a", "c"]}
    options = argparse.Namespace(threads=1, rounds=1, batches=[2, 3], **settings)
    kept = []
    rows = gpu.measure(options, lambda rows: kept.append(len(rows)))
    assert kept == [4, 8]
    assert [(r["batch"], r["variant"]) for r in rows] == [
        (n, v) for n in (2, 3) for v in gpu.VARIANTS
    ]
    for row in rows:
        assert row["peak_mib"] > 0
        assert row["median"] > 0
        assert len(row["seconds"]) == 1
        assert gpu.line(row) in capsys.readouterr().out or row is not rows[0]
    table = gpu.table(rows).splitlines()
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1


def test_a_benchmark_of_different_losses_is_refused(monkeypatch, paths):
    import gpu

    monkeypatch.setattr(gpu, "load", lambda name, threads: tc)
    losses = iter([1.0, 1.5, 1.0])
    monkeypatch.setattr(gpu.Bench, "first_loss", lambda *_: next(losses))
    monkeypatch.setattr(gpu.Bench, "training", lambda *_: (None, None))
    monkeypatch.setattr(gpu.Bench, "peak", lambda *_: 1.0)
    monkeypatch.setattr(gpu.Bench, "watch", lambda *_: None)
    settings = {"dtype": "float32", "tf32": False, "captured": False, "models": ["a"]}
    options = argparse.Namespace(threads=1, rounds=2, batches=[4], **settings)
    with pytest.raises(SystemExit, match="first losses differ"):
        gpu.measure(options, print)
