"""What an image costs in small and in large batches: does the time of a step lie on a straight line?"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from libraries import load
from models import MODELS, SMALL
from timing import in_turns, stopwatch
from variants import REFERENCE, VARIANTS, training

SIZES = (8, 16, 32, 64, 128, 256, 512)


def line(sizes: tuple[int, ...], seconds: list[float]) -> np.ndarray:
    """The times that ``fixed + each * size`` would take, by least squares of the relative errors, ``fixed >= 0``."""
    n, t = np.array(sizes, float), np.array(seconds)
    columns = np.stack([np.ones_like(n), n], axis=1)
    fixed, each = np.linalg.lstsq(columns / t[:, None], np.ones_like(t), rcond=None)[0]
    if fixed < 0:
        fixed, each = 0.0, (n / t).sum() / ((n / t) ** 2).sum()
    return fixed + each * n


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return, per model and variant, the cost of an image and how far the worst time is above the line."""
    variants = [v for v in options.variants if v in ("tinyconv", REFERENCE)]
    libs = {v: load(VARIANTS[v].library, options.threads) for v in sorted(variants)}
    rows = []
    for name in (m for m in options.models if m in SMALL):
        print(f"({name}) {MODELS[name].about}")
        for v in variants:
            steps = {str(n): training(libs[v], MODELS[name], VARIANTS[v], n) for n in SIZES}
            measured = in_turns(
                {n: stopwatch(step) for n, step in steps.items()}, options.rounds or 5
            )
            best = [min(times) for times in measured.values()]
            each = [t / n for t, n in zip(best, SIZES, strict=True)]
            above = np.array(best) / line(SIZES, best) - 1
            worst = int(above.argmax())
            print(f"    {v:10} ms per image, and relative to a batch of {SIZES[-1]}:")
            for n, cost in zip(SIZES, each, strict=True):
                print(f"      {n:6}{cost * 1e3:10.4f}{cost / each[-1]:8.2f}")
            print(f"      worst: {above[worst]:.0%} above the line, at {SIZES[worst]}", flush=True)
            rows.append({
                "model": name, "variant": v, "sizes": SIZES, "seconds": best,
                "worst_above_line": float(above[worst]), "worst_size": SIZES[worst],
            })  # fmt: skip
    return rows
