"""Every script in examples/ runs, says what it runs on and leaves the files it names, here without any data set."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinyconv as tc

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "common.py")
CUT = {path.stem: ["--epochs", "1", "--steps", "2"] for path in SCRIPTS} | {
    "conv_by_hand": [],
    "cifar10_gpu": [
        "--epochs",
        "1",
        "--steps",
        "2",
        "--width",
        "4",
        "--batch-size",
        "32",
        "--device",
        "cpu",
    ],
}
VARIANTS = {
    "mnist_week3": [["--dataset", "cifar10", "--model", "feedforward"]],
    "compare_with_torch": [["--dtype", "float32"]],
    "fashion_mnist": [["--optimizer", "adam"]],
    "cifar10_gpu": [["--dtype", "bfloat16", "--ema", "0.9"]],
}
CASES = [
    pytest.param(path, more, id=" ".join([path.stem, *more]))
    for path in SCRIPTS
    for more in [[], *VARIANTS.get(path.stem, [])]
]


def command(script: Path, out: Path, *more: str) -> dict[str, Any]:
    """Arguments of subprocess: the script in a world without data, with results below ``out``."""
    empty = out / "no data"
    empty.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "TINYCONV_DATA": str(empty),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error::DeprecationWarning:__main__",
        "OMP_NUM_THREADS": "1",
    }
    settings: dict[str, Any] = {"env": environment, "cwd": out, "text": True}
    return {"args": [sys.executable, str(script), "--out", str(out / "results"), *more], **settings}


def run(script: Path, out: Path, *more: str) -> str:
    """What the script prints; an error of the script is an error of the test."""
    done = subprocess.run(**command(script, out, *more), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(printed: str, out: Path) -> list[Path]:
    """The files of the results that a text names."""
    return [
        Path(name) for name in re.findall(rf"{re.escape(str(out / 'results'))}/[\w./-]*\w", printed)
    ]


@pytest.mark.parametrize(("script", "more"), CASES)
def test_example(script: Path, more: list[str], tmp_path: Path) -> None:
    printed = run(script, tmp_path, *CUT[script.stem], *more)
    if script.stem != "conv_by_hand":  # makes its own numbers
        assert re.match(r"(?i)shapes10, generated images", printed), printed
    named = files(printed, tmp_path)
    assert named, printed
    written = {path for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert written == set(named)
    for path in named:
        if path.suffix == ".png":
            pixels = np.asarray(Image.open(path).convert("L"))
            assert min(pixels.shape) > 200
            assert pixels.std() > 10, "nothing is drawn"
        else:
            assert tc.load(path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help(script: Path, tmp_path: Path) -> None:
    printed = run(script, tmp_path, "--help")
    assert printed.startswith(f"usage: {script.name}")
    assert "--data-root" in printed


LONG = pytest.mark.parametrize(
    "script",
    [ROOT / "examples" / f"{name}.py" for name in ("cifar10_cnn", "cifar10_gpu")],
    ids=lambda p: p.stem,
)


@LONG
def test_a_checkpoint_goes_on(script: Path, tmp_path: Path) -> None:
    """One epoch, then a second from the checkpoint, is two epochs at a stretch."""
    small = ["--steps", "2", "--width", "4", "--batch-size", "16"]
    printed = run(script, tmp_path, *small, "--epochs", "1")
    checkpoint = next(path for path in files(printed, tmp_path) if path.suffix == ".safetensors")
    saved = tc.load(checkpoint)
    assert {"model", "optimizer", "history"} <= set(saved)
    assert len(saved["history"]) == 1

    printed = run(script, tmp_path, *small, "--epochs", "2", "--resume", str(checkpoint))
    assert f"resumed after epoch 1 from {checkpoint}" in printed
    assert "epoch 2/2" in printed
    assert "epoch 1/2" not in printed
    saved = tc.load(checkpoint)
    assert len(saved["history"]) == 2


@LONG
def test_ctrl_c_leaves_a_checkpoint(script: Path, tmp_path: Path) -> None:
    settings = command(
        script, tmp_path, "--width", "4", "--batch-size", "16", "--epochs", "5000", "--steps", "3"
    )
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a job in the background ignores Ctrl-C
    with subprocess.Popen(
        **settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard
    ) as process:
        assert process.stdout
        stop = threading.Timer(120, process.kill)
        stop.start()
        lines = [process.stdout.readline() for _ in range(4)]  # data set, sizes, two epochs
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate()
        stop.cancel()
    assert lines[3].startswith("epoch 2/5000"), "".join(lines) + errors
    assert process.returncode == 0, errors
    (checkpoint,) = files(printed, tmp_path)
    assert f"--resume {checkpoint}" in printed
    epochs = len(tc.load(checkpoint)["history"])
    assert epochs >= 2
    more = [
        "--width",
        "4",
        "--epochs",
        str(epochs + 1),
        "--steps",
        "2",
        "--resume",
        str(checkpoint),
    ]
    assert f"epoch {epochs + 1}/{epochs + 1}" in run(script, tmp_path, *more)


def test_loaded_weights_answer_alike(tmp_path: Path) -> None:
    printed = run(
        ROOT / "examples" / "mnist_week3.py",
        tmp_path,
        "--epochs",
        "1",
        "--steps",
        "2",
        "--lr",
        "0.003",
    )
    found = re.search(r"loaded into a new network: test accuracy (\S+), before (\S+)", printed)
    assert found, printed
    assert found[1] == found[2]
