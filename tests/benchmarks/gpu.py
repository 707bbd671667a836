"""Training steps on a GPU: tinyconv, plain and as a graph, against torch eager on the same card.

    python tests/benchmarks/train_step.py --device cuda [--dtype bfloat16] [--tf32] [--captured] [--batches 64 256 1024]

Both libraries run in this process, in turns, and are timed by events on the device. The first losses must agree. Memory is
the most that was in use on the device during a few steps, as each library counts its own.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

from libraries import load, version
from models import MODELS, Recipe
from timing import Watch, in_turns, ratios

MODELS_HERE = ("a", "b", "e", "f")
BATCHES = (64, 256, 1024)
VARIANTS = ("tinyconv", "tinyconv_captured", "torch", "torch_channels_last")
REFERENCE = "torch"
LONG = 0.05  # seconds that a turn should take at least
STEPS = 5  # at the least, and those whose memory is measured

Row = dict[str, Any]
Step = Callable[[], Any]


def why_not(threads: int) -> str:
    """Why there is nothing to measure here; empty if there is."""
    if why := load("tinyconv", threads).cuda.why_unavailable():
        return f"tinyconv: {why}\npython -m tinyconv doctor says what mends it."
    if version("torch") == "not installed":
        return "There is nothing to compare with: torch is not installed."
    torch = load("torch", threads)
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no GPU: it has to be a build for CUDA."
    return ""


class Bench:
    """One library on the card: how it is set, how a step of a network is made, what time and memory it takes."""

    def __init__(self, lib: Any, options: argparse.Namespace) -> None:
        self.lib = lib
        self.dtype = options.dtype
        lib.backends.cuda.matmul.allow_tf32 = lib.backends.cudnn.allow_tf32 = options.tf32

    def precision(self) -> Any:
        """The context that a forward pass runs in."""
        if self.dtype == "float32":
            return contextlib.nullcontext()
        return self.lib.autocast("cuda", dtype=getattr(self.lib, self.dtype))

    def training(self, recipe: Recipe, batch: int, variant: str) -> tuple[Step, Any]:
        """A function that takes a training step and returns the loss on the device; and the network."""
        lib = self.lib
        model = recipe.network(lib).to("cuda")
        x, y = (t.to("cuda") for t in recipe.data(lib, batch))
        if variant == "torch_channels_last":
            model, x = (t.to(memory_format=lib.channels_last) for t in (model, x))
        optimizer = getattr(lib.optim, recipe.optimizer)(model.parameters(), **recipe.settings)
        cross_entropy = lib.nn.functional.cross_entropy

        def step() -> Any:
            optimizer.zero_grad()
            with self.precision():
                loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        if variant == "tinyconv_captured":
            loss = lib.nn.CrossEntropyLoss()
            captured = lib.cuda.make_graphed_step(model, loss, optimizer, autocast=self.precision())
            return lambda: captured(x, y), model
        return step, model

    def first_loss(self, recipe: Recipe, batch: int, variant: str) -> float:
        """The loss of the first step, with dropout off: the libraries draw different numbers on a GPU."""
        step, model = self.training(recipe, batch, variant.removesuffix("_captured"))
        for module in model.modules():
            if type(module).__name__.startswith("Dropout"):
                module.p = 0.0
        return float(step().item())

    def peak(self, step: Step) -> float:
        """MiB in use at most during a few steps."""
        cuda = self.lib.cuda
        cuda.synchronize()
        cuda.reset_peak_memory_stats()
        for _ in range(STEPS):
            step()
        cuda.synchronize()
        return cuda.max_memory_allocated() / 2**20

    def watch(self, step: Step) -> Watch:
        """A function that takes as many steps as fill a turn, and returns the seconds of one on the device."""
        start, end = (self.lib.cuda.Event(enable_timing=True) for _ in range(2))

        def run(steps: int) -> float:
            self.lib.cuda.synchronize()
            start.record()
            for _ in range(steps):
                step()
            end.record()
            end.synchronize()
            return start.elapsed_time(end) / 1e3 / steps

        for _ in range(2):
            run(STEPS)  # compiles kernels, chooses plans, fills caches, captures
        steps = max(STEPS, int(LONG / max(run(STEPS), 1e-6)))
        return lambda: run(steps)


def cards() -> str:
    """The GPU and its driver, as nvidia-smi names them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: there is no nvidia-smi"


def measure(options: argparse.Namespace, keep: Callable[[list[Row]], None]) -> list[Row]:
    """Time every model at every batch in every variant; print and return the figures, and ``keep`` what there is so far.

    Raises:
        SystemExit: there is no GPU, or a first loss differs from that of torch.
    """
    if why := why_not(options.threads):
        raise SystemExit(why)
    names = [v for v in VARIANTS if v != "tinyconv_captured" or options.captured]
    benches = {n: Bench(load(n, options.threads), options) for n in ("tinyconv", "torch")}
    print(f"card: {cards()}\ndtype: {options.dtype}, TF32 {'on' if options.tf32 else 'off'}")
    exact = options.dtype == "float32" and not options.tf32
    rows: list[Row] = []
    for name in [m for m in options.models if m in MODELS_HERE]:
        recipe = MODELS[name]
        print(f"({name}) {recipe.name} ({recipe.about})", flush=True)
        for batch in options.batches:
            watches: dict[str, Watch] = {}
            found: dict[str, Row] = {}
            losses = {}
            for v in names:
                bench = benches[v.partition("_")[0]]
                losses[v] = bench.first_loss(recipe, batch, v)
                step, _ = bench.training(recipe, batch, v)
                peak = bench.peak(step)
                watches[v] = bench.watch(step)
                found[v] = {"model": name, "batch": batch, "variant": v, "peak_mib": peak}
            if max(abs(loss - losses[REFERENCE]) for loss in losses.values()) > (
                1e-3 if exact else 3e-2
            ):
                raise SystemExit(f"model {name}, batch {batch}: the first losses differ: {losses}")
            measured = in_turns(watches, options.rounds or 10)
            for v, seconds in measured.items():
                compared = ratios(seconds, measured[REFERENCE])
                found[v] |= {**compared._asdict(), "seconds": seconds}
                print(line(found[v]), flush=True)
            rows += found.values()
            keep(rows)
    return rows


def line(row: Row) -> str:
    """A row as text."""
    ms = min(row["seconds"]) * 1e3
    rate = row["batch"] / min(row["seconds"])
    return (
        f"    {row['batch']:5} {row['variant']:20}{ms:9.3f} ms {rate:10.0f} images/s   ratio min {row['minimum']:5.2f} "
        f"median {row['median']:5.2f}   peak {row['peak_mib']:8.0f} MiB"
    )


def table(rows: list[Row]) -> str:
    """The figures as a table for docs/benchmarks.md."""
    variants = list(dict.fromkeys(r["variant"] for r in rows))
    ours = [v for v in variants if v != REFERENCE]
    lines = [
        "| model | batch | torch, images/s | " + " | ".join(f"{v}, ratio" for v in ours)
        + " | peak MiB: " + ", ".join(variants) + " |",
        "|---" * (len(ours) + 4) + "|",
    ]  # fmt: skip
    for key in dict.fromkeys((r["model"], r["batch"]) for r in rows):
        here = {r["variant"]: r for r in rows if (r["model"], r["batch"]) == key}
        rate = key[1] / min(here[REFERENCE]["seconds"])
        cells = [f"{here[v]['median']:.2f} ({here[v]['minimum']:.2f})" for v in ours]
        peaks = ", ".join(f"{here[v]['peak_mib']:.0f}" for v in variants)
        lines.append(f"| ({key[0]}) | {key[1]} | {rate:.0f} | {' | '.join(cells)} | {peaks} |")
    if len(lines) > 3:
        means = [statistics.geometric_mean(r["median"] for r in rows if r["variant"] == v) for v in ours]  # fmt: skip
        lines.append(f"| geometric mean | | | {' | '.join(f'{m:.2f}' for m in means)} | |")
    return "\n".join(lines)
