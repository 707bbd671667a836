"""Whole training steps in tinyconv and in PyTorch, side by side: the ratio of their times.

    python tests/benchmarks/train_step.py [--models a b] [--variants tinyconv torch_fused] [--rounds 20] [--threads 1]
    python tests/benchmarks/train_step.py --inference      forward only, in eval mode
    python tests/benchmarks/train_step.py --memory         peak memory of ten steps (memory.py)
    python tests/benchmarks/train_step.py --start          from the start of the process to the first step (start.py)
    python tests/benchmarks/train_step.py --batch          what an image costs in batches of 8 to 512 (batch.py)
    python tests/benchmarks/train_step.py --device cuda    on a GPU (gpu.py): --dtype, --tf32, --captured, --batches

A step is zero_grad, forward, cross_entropy, backward, optimizer step. All variants run in this process, in turns; a
ratio is a time divided by that of torch eager in the same round, so below 1 is faster than torch. The networks are in
models.py. ``--json FILE`` keeps the figures; picture.py draws them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import batch
import gpu
import memory
import start
from libraries import CORES, load, machine
from models import MODELS, SMALL
from timing import Ratios, Watch, describe, in_turns, ratios, stopwatch
from variants import REFERENCE, VARIANTS, inference, training

Row = dict[str, Any]
Losses = Callable[[], float]


def prepare(
    name: str, variants: list[str], libs: dict[str, Any], mode: str
) -> tuple[dict[str, Losses], list[Row]]:
    """The steps of model ``name`` that can run here, each run once, and a row for each that cannot.

    Raises:
        SystemExit: a first loss differs from that of torch eager: times of different work cannot be compared.
    """
    build = inference if mode == "inference" else training
    steps: dict[str, Losses] = {}
    losses: dict[str, float] = {}
    missing: list[Row] = []
    for v in variants:
        how = VARIANTS[v]
        try:
            step = build(libs[how.library], MODELS[name], how)
            losses[v] = step()
        except Exception as error:
            if not how.compiled:
                raise
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            missing.append({"model": name, "variant": v, "unavailable": reason})
        else:
            steps[v] = step
    for v, loss in losses.items():
        if not abs(loss - losses[REFERENCE]) < 1e-3:
            raise SystemExit(
                f"model {name}: the first loss is {loss} in {v} and {losses[REFERENCE]} in torch"
            )
    return steps, missing


def compare(options: argparse.Namespace) -> list[Row]:
    """Time every model in every variant; print and return the figures."""
    mode, rounds = options.mode, options.rounds or 20
    variants = [v for v in VARIANTS if v in {*options.variants, REFERENCE}]
    if mode == "inference":
        variants = [v for v in variants if not VARIANTS[v].only_training]
    libs = {n: load(n, options.threads) for n in sorted({VARIANTS[v].library for v in variants})}
    rows: list[Row] = []
    for name in options.models:
        print(f"({name}) {MODELS[name]}", flush=True)
        steps, missing = prepare(name, variants, libs, mode)
        watches: dict[str, Watch] = {v: stopwatch(step) for v, step in steps.items()}
        measured = in_turns(watches, rounds)
        for v, seconds in measured.items():
            print(f"    {v:20}{describe(seconds, measured[REFERENCE])}", flush=True)
            compared = ratios(seconds, measured[REFERENCE])._asdict()
            rows.append({"model": name, "variant": v, **compared, "seconds": seconds})
        for row in missing:
            print(f"    {row['variant']:20}  unavailable: {row['unavailable']}", flush=True)
        rows += missing
    return rows + means(rows, variants, options.models)


def means(rows: list[Row], variants: list[str], models: list[str]) -> list[Row]:
    """Geometric means of the ratios, of the small models and of all, for variants that ran everywhere; printed."""
    found = []
    for label, group in (("a-d", SMALL), ("all", tuple(models))):
        for v in variants:
            ran = [r for r in rows if r["variant"] == v and r["model"] in group and "seconds" in r]
            if v == REFERENCE or len(ran) < len(group) or len(group) < 2:
                continue
            mean = Ratios(*(statistics.geometric_mean(r[k] for r in ran) for k in Ratios._fields))
            found.append({"mean": label, "variant": v, **mean._asdict()})
            print(f"geometric mean, {label:5}{v:20}{mean}")
    return found


MODES = {
    "training": compare,
    "inference": compare,
    "memory": memory.report,
    "start": start.report,
    "batch": batch.report,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--rounds", type=int, help="20 for steps, 5 for --start and --batch")
    parser.add_argument("--threads", type=int, default=CORES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    for mode in MODES:
        parser.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode)
    parser.set_defaults(mode="training")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    on_gpu = parser.add_argument_group("with --device cuda")
    on_gpu.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    on_gpu.add_argument("--tf32", action="store_true", help="tensor cores for float32")
    on_gpu.add_argument("--captured", action="store_true", help="tinyconv's step as a graph too")
    on_gpu.add_argument("--batches", type=int, nargs="+", default=gpu.BATCHES)
    options = parser.parse_args()
    about = machine(options.threads)
    print(*(f"{k}: {v}" for k, v in about.items()), sep="\n")

    def keep(rows: list[Row]) -> None:
        if options.json:
            found = {"mode": options.mode, "machine": about, "rows": rows}
            options.json.write_text(json.dumps(found, indent=1) + "\n")

    if options.device == "cuda":
        about |= {"card": gpu.cards(), "dtype": options.dtype, "tf32": str(options.tf32)}
        print(gpu.table(gpu.measure(options, keep)))
    else:
        keep(MODES[options.mode](options))


if __name__ == "__main__":
    main()
