"""How long one waits for the first training step: from the start of the process to the end of step one of model (b)."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from libraries import limits, load
from models import MODELS
from timing import PAUSE
from variants import VARIANTS, training

MODEL = "b"
IMPORTS = {
    "python alone": "",
    "import numpy, numba": "import numpy, numba",
    "import tinyconv": "import tinyconv",
    "import torch": "import torch",
}


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return seconds: imports, and first steps with no loop compiled yet, with all compiled, and in torch."""
    rounds = options.rounds or 5
    seconds: dict[str, list[float]] = {}

    def note(name: str, arguments: list[str], cache: str | None = None) -> None:
        seconds.setdefault(name, []).append(_wait(arguments, options.threads, cache))

    for code in IMPORTS.values():
        _wait(
            ["-c", f"{code}\nprint('done')"], options.threads
        )  # bytecode is written, files are in memory
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            note(name, ["-c", f"{code}\nprint('done')"])
        with tempfile.TemporaryDirectory() as cache:
            step = [__file__, "tinyconv", str(options.threads)]
            note("first step, tinyconv, nothing compiled", step, cache)
            note("first step, tinyconv, from its cache", step, cache)
        note("first step, torch", [__file__, "torch", str(options.threads)])
    for name, times in seconds.items():
        print(f"{name:40} min {min(times):6.2f} s  median {statistics.median(times):6.2f} s")
    return [{"what": name, "seconds": times} for name, times in seconds.items()]


def _wait(arguments: list[str], threads: int, cache: str | None = None) -> float:
    """Seconds from the start of a Python process to its first line of output."""
    environment = {**os.environ, **limits(threads)}
    if cache is not None:
        environment |= {"TINYCONV_CACHE": cache, "NUMBA_CACHE_DIR": cache}
    time.sleep(PAUSE)
    command = [sys.executable, *arguments]
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if line.strip() != b"done" or process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds


def _child(library: str, threads: str) -> None:
    training(load(library, int(threads)), MODELS[MODEL], VARIANTS[library])()
    print("done", flush=True)


if __name__ == "__main__":
    _child(*sys.argv[1:])
