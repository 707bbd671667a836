"""Peak memory of a process that trains for ten steps: each library, each model in a process of its own.

The kernel hands a child the high-water mark of its parent; the parent here imports neither library.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from typing import Any

from libraries import limits, load
from models import MODELS
from variants import VARIANTS, training

STEPS = 10


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return MiB after the import and at the peak.

    The second of two runs counts: the first may compile tinyconv's loops, which takes memory once.
    """
    rows = []
    for name in options.models:
        print(f"({name}) {MODELS[name]}")
        for v in options.variants:
            if VARIANTS[v].compiled:
                continue  # a compiler's memory is not that of training
            imported, peak = [_run(v, name, options.threads) for _ in range(2)][-1]
            print(f"    {v:20} import {imported:7.0f} MiB  peak {peak:7.0f} MiB", flush=True)
            rows.append({"model": name, "variant": v, "import_mib": imported, "peak_mib": peak})
    return rows


def _run(variant: str, model: str, threads: int) -> list[float]:
    command = [sys.executable, __file__, variant, model, str(threads)]
    done = subprocess.run(
        command,
        env={**os.environ, **limits(threads)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def _high_water() -> float:
    """MiB; the system counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _child(variant: str, model: str, threads: str) -> None:
    how = VARIANTS[variant]
    lib = load(how.library, int(threads))
    imported = _high_water()
    step = training(lib, MODELS[model], how)
    for _ in range(STEPS):
        step()
    print(json.dumps([imported, _high_water()]))


if __name__ == "__main__":
    _child(*sys.argv[1:])
