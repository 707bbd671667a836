"""The report on a machine: what is faked to be there, or not, is what it says."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinyconv as tc
from tinyconv import __main__ as command_line
from tinyconv import doctor
from tinyconv.backend import driver
from tinyconv.backend.driver import Card, Driver
from tinyconv.doctor import BROKEN, MISSING, NOTE, OK

ROOT = Path(__file__).parent.parent
CARD = Card("NVIDIA H200", 150 << 30, (9, 0))
GOOD = Driver((13, 0), "580.95.05", (CARD,))
OLD = Driver((12, 8), "570.86.15", (CARD,))
WHEELS = {"cupy-cuda13x": "14.2.0", "numpy": "2.4.6", "numba": "0.68.1"}
FILES = ("libnvrtc", "cuda_bf16", "libcublas")


@pytest.fixture
def machine(monkeypatch):
    """A function that furnishes the machine; what is not said is as it should be."""

    def furnish(found=GOOD, bus=1, wheels=None, files=FILES, cudnn=91900, why=""):
        packages = WHEELS if wheels is None else wheels
        monkeypatch.setattr(doctor, "read_driver", lambda: found)
        monkeypatch.setattr(doctor, "cards_on_bus", lambda: bus)
        monkeypatch.setattr(doctor, "_installed", lambda name: packages.get(name, ""))
        monkeypatch.setattr(
            doctor, "find_file", lambda p: f"/x/{p}" if any(f in p for f in files) else ""
        )
        monkeypatch.setattr(doctor.cudnn, "version", lambda: cudnn)
        monkeypatch.setattr(doctor.cudnn, "why_unavailable", lambda: "libcudnn.so.9: no.")
        monkeypatch.setattr(doctor.cuda, "why_unavailable", lambda: why or "no card in this test")
        for variable in ("CUDA_VISIBLE_DEVICES", "TINYCONV_CONV"):
            monkeypatch.delenv(variable, raising=False)

    return furnish


def states() -> dict[str, tuple[str, str]]:
    """What the report on the GPU says: state and remedy by name, without what is well."""
    found = {f.name: (f.state, f.remedy) for f in doctor.examine_gpu()}
    assert found.pop("cuda", None) in ((MISSING, ""), None)  # see the fixture
    found.pop("nvcc", None)
    return {name: said for name, said in found.items() if said[0] != OK}


CTK = "pip install 'cupy-cuda13x[ctk]>=14'"
CASES = [
    ({}, {}),
    ({"found": None, "bus": 0}, {"driver": (NOTE, "")}),
    ({"found": None}, {"driver": (MISSING, doctor.INSTALL_DRIVER)}),
    ({"found": None, "bus": None}, {"driver": (MISSING, doctor.INSTALL_DRIVER)}),
    ({"found": Driver((13, 0), cards=())}, {"driver": (BROKEN, "sudo reboot")}),
    ({"found": Driver((13, 0), trouble="cuInit: ...")}, {"driver": (BROKEN, "sudo reboot")}),
    (
        {"found": Driver((11, 8), "520", (CARD,)), "wheels": {"cupy-cuda12x": "14.0.1"}},
        {"driver": (BROKEN, doctor.INSTALL_DRIVER)},
    ),
    ({"wheels": {}}, {"CuPy": (MISSING, "pip install 'tinyconv[cuda13]'")}),
    ({"wheels": {}, "found": OLD}, {"CuPy": (MISSING, "pip install 'tinyconv[cuda12]'")}),
    (
        {"found": OLD},
        {"CuPy": (BROKEN, "pip uninstall -y cupy-cuda13x && pip install 'tinyconv[cuda12]'")},
    ),
    ({"wheels": {"cupy-cuda12x": "14.2.0"}}, {}),  # a driver for 13 runs what is made for 12
    (
        {"wheels": WHEELS | {"cupy-cuda12x": "14.2.0"}},
        {
            "CuPy": (
                BROKEN,
                "pip uninstall -y cupy-cuda12x cupy-cuda13x && pip install 'tinyconv[cuda13]'",
            )
        },
    ),
    (
        {"wheels": {"cupy-cuda13x": "13.6.0"}},
        {"CuPy": (BROKEN, "pip install --upgrade 'cupy-cuda13x[ctk]>=14'")},
    ),
    ({"files": ()}, {"NVRTC": (MISSING, CTK), "headers": (MISSING, CTK), "cuBLAS": (MISSING, CTK)}),
    (
        {"files": (), "wheels": {"cupy-cuda12x": "14.2.0"}},
        dict.fromkeys(
            ("NVRTC", "headers", "cuBLAS"), (MISSING, "pip install 'cupy-cuda12x[ctk]>=14'")
        ),
    ),
    ({"cudnn": None}, {"convolution": (MISSING, "pip install 'tinyconv[cudnn13]'")}),
]


@pytest.mark.parametrize(("what", "expected"), CASES)
def test_what_is_wrong_and_what_mends_it(machine, what, expected):
    machine(**what)
    assert states() == expected


def test_every_extra_that_a_remedy_names_exists(machine):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for what, _ in CASES:
        machine(**what)
        for finding in doctor.examine_gpu():
            assert set(re.findall(r"tinyconv\[(\w+)\]", finding.remedy)) <= set(extras)


def test_another_way_was_asked_for(machine, monkeypatch):
    machine()
    monkeypatch.setenv("TINYCONV_CONV", "gemm")
    assert states() == {"convolution": (NOTE, "unset TINYCONV_CONV")}
    monkeypatch.setenv("TINYCONV_CONV", "cudnn")
    assert states() == {}


def test_hidden_cards(machine, monkeypatch):
    machine(found=Driver((13, 0)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert states()["driver"] == (BROKEN, "unset CUDA_VISIBLE_DEVICES")


def test_the_reason_is_that_of_cuda(machine):
    machine(why="It rains.")
    assert [f.about for f in doctor.examine_gpu() if f.name == "cuda"] == ["It rains."]
    machine()
    text = doctor.text_of(list(doctor.examine_gpu()))
    assert "NVIDIA H200, 150.0 GiB, compute capability 9.0" in text
    assert "580.95.05, for CUDA up to 13.0" in text
    assert "by cuDNN 9.19.0" in text


# ── the CPU ───────────────────────────────────────────────────────────────────────────────────


def cpu() -> dict[str, tuple[str, str]]:
    return {f.name: (f.state, f.remedy) for f in doctor.examine_cpu()}


def test_this_cpu_is_well():
    found = cpu()
    assert list(found) == ["Python", "NumPy", "numba", "loops", "test"]
    assert {state for state, _ in found.values()} <= {OK, NOTE}


def test_without_numba(machine, monkeypatch):
    machine(wheels={"numpy": "2.4.6"})
    assert cpu()["numba"] == (MISSING, "pip install numba")
    monkeypatch.setenv("TINYCONV_JIT", "0")
    found = cpu()
    assert found["numba"] == (NOTE, "unset TINYCONV_JIT")
    assert "loops" not in found


def test_the_folder_of_the_loops(monkeypatch, tmp_path):
    door = sys.modules.get("tinyconv.backend._numba") or pytest.importorskip(
        "tinyconv.backend._numba"
    )
    monkeypatch.setattr(door, "cache_folder", lambda loop: None)
    assert cpu()["loops"] == (MISSING, "export TINYCONV_CACHE=$HOME/tinyconv-cache")
    monkeypatch.setattr(door, "cache_folder", lambda loop: str(tmp_path / "loops-1"))
    assert cpu()["loops"] == (NOTE, "python -m tinyconv warmup")
    (tmp_path / "loops-1").mkdir()
    (tmp_path / "loops-1" / "a.nbc").write_bytes(bytes(2_000_000))
    assert cpu()["loops"] == (OK, "")
    assert "2.0 MB" in next(f.about for f in doctor.examine_cpu() if f.name == "loops")


@pytest.mark.parametrize(
    "fault",
    [lambda x: x + 1, lambda x: 1 / 0, lambda x: tc.zeros(2, 2)],
    ids=["another number", "an error", "another shape"],
)
def test_a_cpu_that_computes_nonsense(monkeypatch, capsys, fault):
    monkeypatch.setattr(doctor.ops, "relu", fault)
    assert cpu()["test"] == (BROKEN, "pip install --force-reinstall numpy numba")
    assert command_line.main(["doctor"]) == 1
    assert "broken" in capsys.readouterr().out


# ── the command ───────────────────────────────────────────────────────────────────────────────


def test_exit_status_and_json(machine, capsys):
    machine(wheels=WHEELS, files=(), cudnn=None, why="No GPU.")
    assert command_line.main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["cpu"], said["cuda"], said["why_no_cuda"]) == (True, False, "No GPU.")
    assert {f["section"] for f in said["findings"]} == {"CPU", "GPU"}
    assert command_line.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for finding in said["findings"]:
        assert f"{finding['state']:8} {finding['name']:12} {finding['about']}" in printed
        assert finding["remedy"] in printed
    assert "Tensors can be on the CPU.\n" in printed


def test_as_it_is_called():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinyconv", "doctor"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith(f"tinyconv {tc.__version__} on ")


# ── the driver's own libraries ────────────────────────────────────────────────────────────────


def _put(reference, value):
    reference._obj.value = value
    return 0


def library(version=13000, cards=(CARD,), status=0, **changes):
    """libcuda and NVML, as far as they are called."""
    functions = {
        "cuDriverGetVersion": lambda out: _put(out, version),
        "cuInit": lambda flags: status,
        "cuGetErrorString": lambda s, out: _put(out, b"it is asleep"),
        "cuDeviceGetCount": lambda out: _put(out, len(cards)),
        "cuDeviceGet": lambda out, i: _put(out, i),
        "cuDeviceGetName": lambda out, n, d: setattr(out, "value", cards[d.value].name.encode()),
        "cuDeviceTotalMem_v2": lambda out, d: _put(out, cards[d.value].memory),
        "cuDeviceGetAttribute": lambda out, a, d: _put(out, cards[d.value].capability[a - 75]),
        "nvmlInit_v2": lambda: 0,
        "nvmlShutdown": lambda: 0,
        "nvmlSystemGetDriverVersion": lambda out, n: setattr(out, "value", b"580.95.05"),
    }
    return SimpleNamespace(**functions | changes)


@pytest.mark.parametrize(
    ("cuda", "nvml", "expected"),
    [
        (None, library(), None),
        (library(), library(), GOOD),
        (library(), None, Driver((13, 0), "", (CARD,))),
        (library(), library(nvmlInit_v2=lambda: 9), Driver((13, 0), "", (CARD,))),
        (library(12080, ()), library(), Driver((12, 8), "580.95.05")),
        (
            library(status=803),
            None,
            Driver((13, 0), trouble="cuInit: it is asleep (803)"),
        ),
    ],
)
def test_driver(monkeypatch, cuda, nvml, expected):
    monkeypatch.setattr(driver, "load", {"cuda": cuda, "nvml": nvml}.get)
    assert driver.read_driver() == expected


def test_a_library_that_is_not_there(monkeypatch):
    monkeypatch.setitem(driver.LIBRARIES, "cuda", "libnothing-of-this-name.so.1")
    assert driver.load("cuda") is None
    monkeypatch.setitem(driver.LIBRARIES, "cuda", ctypes.util.find_library("c") or "libc.so.6")
    assert driver.load("cuda") is not None


def test_cards_on_bus(tmp_path):
    devices = {
        "a": ("0x10de", "0x030200"),
        "b": ("0x10de", "0x040300"),
        "c": ("0x8086", "0x030000"),
    }
    for name, (vendor, kind) in devices.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(vendor + "\n")
        (tmp_path / name / "class").write_text(kind + "\n")
    (tmp_path / "d").mkdir()
    assert driver.cards_on_bus(str(tmp_path)) == 1
    assert driver.cards_on_bus(str(tmp_path / "nowhere")) is None


def test_files_of_the_toolkit(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "cuda"))
    assert doctor.find_file("cuda_bf17.h") == ""
    for place in ("cuda/include", "site/nvidia/cu13/include"):  # the latter comes first
        header = tmp_path / place / "cuda_bf17.h"
        header.parent.mkdir(parents=True)
        header.touch()
        assert doctor.find_file("cuda_bf17.h") == str(header)
    loaded = {"libnvrtc.so.13": SimpleNamespace(_name="/x/libnvrtc.so.13")}
    monkeypatch.setattr(doctor.library, "load", loaded.get)
    assert doctor.find_file("libnvrtc.so.13") == "/x/libnvrtc.so.13"
    assert doctor.find_file("libcublas.so.13") == ""
