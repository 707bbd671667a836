"""Where NVIDIA's shared libraries lie: in its wheels, in an environment, in a toolkit, or where the system looks."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    """A shared library by its file name, such as ``libcublas.so.13``; None if it is nowhere."""
    toolkits = [os.environ[v] for v in ("CUDA_PATH", "CUDA_HOME") if v in os.environ]
    folders = [*(Path(t, "lib64") for t in (*toolkits, "/usr/local/cuda")), Path(sys.prefix, "lib")]
    wheels = [p for base in sys.path for p in Path(base or ".", "nvidia").glob(f"*/lib/{name}")]
    for path in (*wheels, *(folder / name for folder in folders), name):
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # not there, or made for another machine: the next
            continue
    return None
