"""tinyconv and torch, imported with a number of threads; and the machine they run on."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

POOLS = ("OMP", "OPENBLAS", "MKL", "NUMBA")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limits(threads: int) -> dict[str, str]:
    """The environment variables that give each thread pool its size."""
    return {f"{pool}_NUM_THREADS": str(threads) for pool in POOLS}


def load(name: str, threads: int) -> Any:
    """Import ``tinyconv`` or ``torch``, held to ``threads`` threads.

    OpenBLAS and numba read the environment once, when they are loaded: this is why the two are imported here and not
    at the top of a file.

    Raises:
        RuntimeError: NumPy was imported before, with another number of threads.
    """
    wanted = limits(threads)
    if "numpy" in sys.modules and not wanted.items() <= os.environ.items():
        raise RuntimeError("NumPy is loaded already, so its number of threads can no longer be set")
    os.environ.update(wanted)
    library = importlib.import_module(name)
    if hasattr(library, "set_num_threads"):
        library.set_num_threads(threads)
    return library


def machine(threads: int) -> dict[str, str]:
    """What the figures depend on; no library is imported to learn it."""
    return {
        "processor": _processor(),
        "cores": str(CORES),
        "threads": str(threads),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "numba")},
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
    }


def version(package: str) -> str:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
