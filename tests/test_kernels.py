"""Kernels: compiled when first needed, kept on disk, all known to the warm-up; and the same numbers without a compiler."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyconv as tc
from tinyconv import __main__ as command_line
from tinyconv import warmup
from tinyconv.backend import jit_enabled

ROOT = Path(__file__).parent.parent
needs_numba = pytest.mark.skipif(not jit_enabled(), reason="loops are not compiled here")


def python(code: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an environment without what may steer the cache and the threads."""
    steering = ("TINYCONV_CACHE", "TINYCONV_JIT", "XDG_CACHE_HOME", "NUMBA_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in steering}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", **settings}
    return subprocess.run(
        [sys.executable, "-W", "error", *(arguments or ("-c", code))],
        env=environment, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip


# Runs two loops, from several threads at once.
TWO_LOOPS = """
import sys, threading, numpy, tinyconv as tc
assert "numba" not in sys.modules
def step():
    x = tc.tensor([-1.0, 2.0], requires_grad=True)
    x.relu().backward(tc.ones(2))
    assert x.grad.tolist() == [0, 1]
    tc.optim.SGD([x], lr=1.0).step()
    assert x.tolist() == [-1, 1]
threads = [threading.Thread(target=step) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("numba" in sys.modules)
"""


# ── the cache and the notice ──────────────────────────────────────────────────────────────────


def machine_code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


@needs_numba
def test_what_one_process_compiled_the_next_one_reads(tmp_path):
    before = machine_code(ROOT / "tinyconv")
    cold = python(TWO_LOOPS, TINYCONV_CACHE=str(tmp_path / "loops"))
    assert cold.stdout == "True\n"
    assert cold.stderr.count("tinyconv: compiling loops") == cold.stderr.count("\n") == 1
    kept = machine_code(tmp_path / "loops")
    assert len(kept) >= 2
    warm = python(TWO_LOOPS, TINYCONV_CACHE=str(tmp_path / "loops"))
    assert (warm.stdout, warm.stderr) == ("True\n", "")
    assert machine_code(tmp_path / "loops") == kept
    assert machine_code(ROOT / "tinyconv") == before  # which may be read-only


@needs_numba
@pytest.mark.parametrize("writable", ["XDG_CACHE_HOME", "HOME", "TMPDIR"])
def test_what_cannot_be_written_to_is_passed_over(writable, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    nowhere = str(tmp_path / "file" / "below")  # not even root can make it
    places = dict.fromkeys(["TINYCONV_CACHE", "XDG_CACHE_HOME", "HOME", "TMPDIR"], nowhere)
    if writable == "HOME":
        del places["XDG_CACHE_HOME"]
    places[writable] = str(tmp_path / "folder")
    code = "from tinyconv.backend._numba import cache_folder; print(cache_folder(lambda: 0))"
    folder = Path(python(code, **places).stdout.strip())
    assert (tmp_path / "folder") in folder.parents
    assert folder.is_dir()


@needs_numba
def test_with_no_place_at_all_loops_are_compiled_and_not_kept(tmp_path, monkeypatch):
    door = importlib.import_module("tinyconv.backend._numba")
    monkeypatch.setattr(door, "_roots", lambda: iter([tmp_path / "file" / "below"]))
    (tmp_path / "file").touch()

    def loop(start, stop, x):
        for i in range(start, stop):
            x[i] += 1

    x = np.zeros(3)
    assert door.cache_folder(loop) is None
    door.compiled(loop)(0, 2, x)
    assert x.tolist() == [1, 1, 0]


# ── without a compiler ────────────────────────────────────────────────────────────────────────

TRAINING = """
import sys
{first}
import tinyconv as tc
from tinyconv import nn
tc.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=2),
    nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 4))
optimizer = tc.optim.Adam(model.parameters(), lr=0.01)
x, y = tc.randn(6, 3, 12, 12), tc.arange(6) % 4
losses = []
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
{last}
"""


@pytest.mark.parametrize(
    ("first", "environment"),
    [("", {"TINYCONV_JIT": "0"}), ("sys.modules['numba'] = None", {})],
    ids=["switched off", "not installed"],
)
def test_without_numba_the_numbers_are_the_same(first, environment):
    names: dict[str, list[float]] = {}
    exec(TRAINING.format(first="", last=""), names)
    last = "assert not sys.modules.get('numba'); print(*losses)"
    done = python(TRAINING.format(first=first, last=last), **environment)
    np.testing.assert_allclose(
        [float(v) for v in done.stdout.split()], names["losses"], rtol=1e-5, atol=1e-5
    )
    assert done.stderr == ""


# ── the warm-up ───────────────────────────────────────────────────────────────────────────────


def compiled_for(kernel) -> set[str]:
    """The number types of the arrays that a kernel's loop was compiled for."""
    run = kernel._run
    arrays = [a for signature in run.signatures for a in signature if hasattr(a, "dtype")] if run else []  # fmt: skip
    return {str(a.dtype) for a in arrays} & {"float32", "float64"}


@needs_numba
def test_the_warm_up_compiles_every_loop(capsys):
    for module in pkgutil.walk_packages(tc.__path__, "tinyconv."):
        if ".backend.cuda" not in module.name and not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    kernels = list(warmup.loops())
    assert len(kernels) > 10
    for kernel in kernels:
        kernel._run = None  # forget what other tests have compiled
    assert command_line.main(["warmup"]) == 0
    missing = {k.name for k in kernels if compiled_for(k) != {"float32", "float64"}}
    assert not missing, "write a case for these in tinyconv/warmup.py"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{len(kernels)} loops, for float32 and float64; ")


def test_the_warm_up_without_a_compiler_says_so(capsys, monkeypatch):
    monkeypatch.setenv("TINYCONV_JIT", "0")
    assert command_line.main(["warmup"]) == 1
    assert "nothing to compile" in capsys.readouterr().out


def test_the_command_line_without_a_command_shows_help():
    shown = python("", "-m", "tinyconv").stdout
    assert "usage: python -m tinyconv" in shown
    assert "warmup" in shown
