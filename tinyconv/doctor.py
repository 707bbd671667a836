"""What tinyconv finds on this machine, and what mends what it misses: ``python -m tinyconv doctor``."""

from __future__ import annotations

import json as json_format
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from glob import glob
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from shutil import which
from typing import Any

from threadpoolctl import threadpool_info

from . import cuda, ops
from .backend import cudnn, get_num_threads, jit_enabled, library, vector_unit
from .backend.driver import Driver, cards_on_bus, read_driver
from .creation import tensor
from .dtypes import bfloat16, float32

OK, NOTE, MISSING, BROKEN = "ok", "note", "missing", "broken"
CUPY = {"cupy-cuda12x": 12, "cupy-cuda13x": 13}  # wheels, and the CUDA they are made for
INSTALL_DRIVER = "sudo ubuntu-drivers install"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; where something is wrong, the one command that mends it."""

    section: str  # CPU or GPU
    name: str
    state: str  # ok, note, missing, broken
    about: str
    remedy: str = ""


Findings = Iterator[Finding]


# ── the CPU ───────────────────────────────────────────────────────────────────────────────────


def _installed(package: str) -> str:
    """The version of an installed package; empty without it."""
    try:
        return version_of(package)
    except PackageNotFoundError:
        return ""


def examine_cpu() -> Findings:
    """Python, NumPy, numba, where loops are kept, and whether all that computes."""
    yield Finding("CPU", "Python", OK, f"{platform.python_version()} ({sys.executable})")
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = [f"{pool['internal_api']} {pool['version'] or ''}".strip() for pool in blas]
    about = ", ".join([_installed("numpy"), *names, f"{get_num_threads()} threads"])
    yield Finding("CPU", "NumPy", OK, about)
    yield _numba()
    if jit_enabled():
        yield from _cache()
    yield _computes("CPU", "cpu", (float32,), "pip install --force-reinstall numpy numba")


def _numba() -> Finding:
    if os.environ.get("TINYCONV_JIT") == "0":
        about = "switched off: TINYCONV_JIT is 0, so loops are array operations and slow"
        return Finding("CPU", "numba", NOTE, about, "unset TINYCONV_JIT")
    if not _installed("numba"):
        about = "not installed: loops are array operations, several times slower"
        return Finding("CPU", "numba", MISSING, about, "pip install numba")
    width, registers = vector_unit()
    return Finding(
        "CPU",
        "numba",
        OK,
        f"{_installed('numba')}, vectors of {width} bytes in {registers} registers",
    )


def _cache() -> Findings:
    try:
        folder = import_module("tinyconv.backend._numba").cache_folder(lambda: None)
    except Exception as error:  # whatever an unfit LLVM raises
        yield Finding("CPU", "numba", BROKEN, f"{error}", "pip install --upgrade numba llvmlite")
        return
    if folder is None:
        about = "no folder can be written to: loops are compiled anew in every process"
        yield Finding("CPU", "loops", MISSING, about, "export TINYCONV_CACHE=$HOME/tinyconv-cache")
        return
    root = Path(folder).parent
    size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    about = f"kept in {root} (writable, {size / 1e6:.1f} MB)"
    if any(root.rglob("*.nbc")):
        yield Finding("CPU", "loops", OK, about)
    else:
        about += ", none compiled yet: the first run takes longer"
        yield Finding("CPU", "loops", NOTE, about, "python -m tinyconv warmup")


def _computes(section: str, device: str, kinds: tuple[Any, ...], remedy: str) -> Finding:
    """Run a kernel and a matrix product, with results that are known."""
    try:
        for kind in kinds:
            x = tensor([[-1.0, 2.0], [3.0, -4.0]], dtype=kind).to(device)
            found = ops.relu(x).cpu().tolist(), ops.matmul(x, x).cpu().tolist()
            if found != ([[0, 2], [3, 0]], [[7, -10], [-15, 22]]):
                about = f"relu and a product give {found} in {kind}"
                return Finding(section, "test", BROKEN, about, remedy)
    except Exception as error:  # the report is about it
        text = next(iter(str(error).splitlines()), "")
        return Finding(section, "test", BROKEN, f"{type(error).__name__}: {text}", remedy)
    names = " and ".join(kind.name for kind in kinds)
    return Finding(section, "test", OK, f"a kernel and a product are right, in {names}")


# ── the GPU ───────────────────────────────────────────────────────────────────────────────────


def examine_gpu() -> Findings:
    """The driver and its GPUs; then what tinyconv needs above it, from the bottom up."""
    driver = read_driver()
    if driver is None and cards_on_bus() == 0:
        yield Finding("GPU", "driver", NOTE, "no NVIDIA GPU is plugged in: the CPU does everything")
        return
    yield from _driver(driver)
    newest = 13 if driver is None or driver.cuda[0] >= 13 else 12
    yield from _cupy(newest)
    # A driver runs what was made for its own CUDA version and for those before it.
    wanted = next((CUPY[n] for n in CUPY if _installed(n) and CUPY[n] <= newest), newest)
    yield from _toolkit(wanted)
    yield from _convolution(wanted)
    why = cuda.why_unavailable()
    if why:
        yield Finding("GPU", "cuda", MISSING, " ".join(why.split()))
    else:
        remedy = f"pip install --force-reinstall 'cupy-cuda{wanted}x[ctk]>=14'"
        yield _computes("GPU", "cuda", (float32, bfloat16), remedy)


def _driver(driver: Driver | None) -> Findings:
    if driver is None:
        about = (
            "NVIDIA's driver is not found (in a container: start it with --gpus all;"
            " not on Ubuntu: https://www.nvidia.com/drivers)"
        )
        yield Finding("GPU", "driver", MISSING, about, INSTALL_DRIVER)
        return
    about = f"{driver.version or 'of unknown version'}, for CUDA up to {driver.cuda[0]}.{driver.cuda[1]}"
    if driver.trouble or not driver.cards:
        reason = driver.trouble or "it sees no GPU"
        hidden = "CUDA_VISIBLE_DEVICES" in os.environ
        remedy = "unset CUDA_VISIBLE_DEVICES" if hidden else "sudo reboot"  # after an update of it
        yield Finding("GPU", "driver", BROKEN, f"{about}: {reason}", remedy)
        return
    if driver.cuda < (12, 0):
        about += ", which is too old: CuPy 14 wants 12.0"
        yield Finding("GPU", "driver", BROKEN, about, INSTALL_DRIVER)
    else:
        yield Finding("GPU", "driver", OK, about)
    for i, card in enumerate(driver.cards):
        major, minor = card.capability
        text = f"{card.name}, {card.memory / 2**30:.1f} GiB, compute capability {major}.{minor}"
        yield Finding("GPU", f"cuda:{i}", OK, text)


def _cupy(newest: int) -> Findings:
    install = f"pip install 'tinyconv[cuda{newest}]'"
    found = [name for name in (*CUPY, "cupy") if _installed(name)]
    if not found:
        yield Finding("GPU", "CuPy", MISSING, "not installed", install)
        return
    about = ", ".join(f"{name} {_installed(name)}" for name in found)
    anew = f"pip uninstall -y {' '.join(found)} && {install}"
    if len(found) > 1:
        yield Finding("GPU", "CuPy", BROKEN, f"{about}: they overwrite each other", anew)
    elif CUPY.get(found[0], 0) > newest:
        about += f", but the driver goes up to CUDA {newest}"
        yield Finding("GPU", "CuPy", BROKEN, about, anew)
    elif int(_installed(found[0]).partition(".")[0]) < 14:
        remedy = f"pip install --upgrade '{found[0]}[ctk]>=14'"
        yield Finding("GPU", "CuPy", BROKEN, f"{about}: version 14 is the first that fits", remedy)
    else:
        yield Finding("GPU", "CuPy", OK, about)


def find_file(name: str) -> str:
    """Where a library or a header of the CUDA toolkit is; empty if nowhere."""
    if not name.endswith(".h"):
        found = library.load(name)
        return "" if found is None else str(found._name)
    places = [str(Path(base or ".", "nvidia", "*")) for base in sys.path]
    places += [os.environ.get("CUDA_PATH", "/usr/local/cuda"), sys.prefix]
    return next((path for place in places for path in glob(f"{place}/include/{name}")), "")


def _toolkit(wanted: int) -> Findings:
    """What CuPy's wheels do not bring themselves, but with the extra ``ctk`` do."""
    remedy = f"pip install 'cupy-cuda{wanted}x[ctk]>=14'"
    parts = (
        ("NVRTC", f"libnvrtc.so.{wanted}", "to compile kernels"),
        ("headers", "cuda_bf16.h", "for kernels in float16 and bfloat16"),
        ("cuBLAS", f"libcublas.so.{wanted}", "for products of matrices"),
    )
    for name, file, use in parts:
        if path := find_file(file):
            yield Finding("GPU", name, OK, path)
        else:
            yield Finding("GPU", name, MISSING, f"{file} is not found: it is {use}", remedy)
    if compiler := which("nvcc"):
        yield Finding("GPU", "nvcc", OK, f"{compiler} (not needed)")


def _convolution(wanted: int) -> Findings:
    """Which way convolutions go."""
    number, asked = cudnn.version(), os.environ.get("TINYCONV_CONV", "")
    if asked not in ("", "cudnn"):
        about = f"TINYCONV_CONV asks for {asked!r}"
        yield Finding("GPU", "convolution", NOTE, about, "unset TINYCONV_CONV")
    elif number is None:
        about = f"slow: by kernels of tinyconv's own and cuBLAS. {cudnn.why_unavailable()}"
        yield Finding(
            "GPU", "convolution", MISSING, about, f"pip install 'tinyconv[cudnn{wanted}]'"
        )
    else:
        text = f"by cuDNN {number // 10000}.{number // 100 % 100}.{number % 100}"
        yield Finding("GPU", "convolution", OK, text)


# ── the report ────────────────────────────────────────────────────────────────────────────────


def examine() -> list[Finding]:
    """All that is found.

    >>> {finding.section for finding in examine()} == {"CPU", "GPU"}
    True
    """
    parts: tuple[Callable[[], Findings], ...] = (examine_cpu, examine_gpu)
    return [finding for part in parts for finding in part()]


def text_of(findings: list[Finding]) -> str:
    """The report for people: a line for each finding, and below it the command that mends it."""
    lines = [f"tinyconv {_version()} on {platform.platform()}"]
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines += ["", section]
        lines.append(f"  {finding.state:8} {finding.name:12} {finding.about}")
        if finding.remedy:
            lines.append(f"{'':24}-> {finding.remedy}")
    return "\n".join(lines)


def _version() -> str:
    return str(import_module(str(__package__)).__version__)


def doctor(json: bool = False) -> int:
    """Look at this machine, say what is missing and which command mends it.

    Returns 0 if the CPU computes as it should, whatever there is of a GPU; else 1.
    """
    findings = examine()
    works = not any(f.section == "CPU" and f.state == BROKEN for f in findings)
    why = cuda.why_unavailable()
    if json:
        about = {
            "version": _version(),
            "platform": platform.platform(),
            "cpu": works,
            "cuda": not why,
        }
        about |= {"why_no_cuda": why, "findings": [asdict(f) for f in findings]}
        print(json_format.dumps(about, indent=1))
    else:
        print(text_of(findings))
        print(f"\nTensors can be on the CPU{'' if why else ' and on cuda'}.")
        if any(finding.remedy for finding in findings):
            print("A line with an arrow is a command that mends what is above it.")
    return 0 if works else 1
