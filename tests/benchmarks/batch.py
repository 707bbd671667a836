"""What an image costs in small and in large batches: does the time of a step lie on a straight line?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from libraries import load
from models import MODELS, SMALL
from timing import in_turns, stopwatch
from variants import REFERENCE, VARIANTS, training

SIZES = (8, 16, 32, 64, 128, 256, 512)


def line(sizes: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """The times ``fixed + each * size``, with ``fixed >= 0``, whose relative errors have the least squares."""
    ones = [1 / t for t in seconds]  # fixed * ones[i] + each * slopes[i] should be 1
    slopes = [n / t for n, t in zip(sizes, seconds, strict=True)]
    a, b, c = _dot(ones, ones), _dot(ones, slopes), _dot(slopes, slopes)
    fixed = max(0.0, (c * sum(ones) - b * sum(slopes)) / (a * c - b * b))
    each = (sum(slopes) - fixed * b) / c
    return [fixed + each * n for n in sizes]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return, per model and variant, the cost of an image and how far the worst time is above the line."""
    variants = [v for v in options.variants if v in ("tinyconv", REFERENCE)]
    libs = {v: load(VARIANTS[v].library, options.threads) for v in sorted(variants)}
    rows = []
    for name in (m for m in options.models if m in SMALL):
        print(f"({name}) {MODELS[name].name}: {MODELS[name].about}")
        for v in variants:
            steps = {str(n): training(libs[v], MODELS[name], VARIANTS[v], n) for n in SIZES}
            measured = in_turns(
                {n: stopwatch(step) for n, step in steps.items()}, options.rounds or 5
            )
            best = [min(times) for times in measured.values()]
            each = [t / n for t, n in zip(best, SIZES, strict=True)]
            above = [t / expected - 1 for t, expected in zip(best, line(SIZES, best), strict=True)]
            worst = above.index(max(above))
            print(f"    {v:10} ms per image, and relative to a batch of {SIZES[-1]}:")
            for n, cost in zip(SIZES, each, strict=True):
                print(f"      {n:6}{cost * 1e3:10.4f}{cost / each[-1]:8.2f}")
            print(f"      worst: {above[worst]:.0%} above the line, at {SIZES[worst]}", flush=True)
            rows.append({
                "model": name, "variant": v, "sizes": SIZES, "seconds": best,
                "worst_above_line": above[worst], "worst_size": SIZES[worst],
            })  # fmt: skip
    return rows
