"""A picture of what train_step.py measured: times relative to torch eager, a bar per variant, a panel per file.

    python tests/benchmarks/train_step.py --json training.json
    python tests/benchmarks/train_step.py --inference --json inference.json
    python tests/benchmarks/picture.py training.json inference.json --out ratios.png

A bar ends at the median of the rounds; the tick inside it is the minimum. ``--out`` ending in ``.svg`` gives an SVG.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from models import MODELS
from variants import REFERENCE, VARIANTS

COLORS = {
    "tinyconv": "#d1495b",
    "tinyconv_compiled": "#8d1b3d",
    "torch_channels_last": "#9fc2cc",
    "torch_fused": "#5b8e9c",
    "torch_compile": "#2e5662",
}
BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
NAMES = {
    "tinyconv_compiled": "tinyconv.compile",
    "torch_channels_last": "torch channels_last",
    "torch_fused": "torch channels_last, fused optimizer",
    "torch_compile": "torch.compile, channels_last",
}


def panel(axes: Any, found: dict[str, Any]) -> None:
    """Groups of bars: one per model, then the geometric means."""
    rows = [row for row in found["rows"] if "median" in row and row["variant"] != REFERENCE]
    variants = [v for v in VARIANTS if any(row["variant"] == v for row in rows)]
    groups = list(dict.fromkeys(_group(row) for row in rows))
    width = 0.8 / max(1, len(variants))
    for i, v in enumerate(variants):
        mine = [row for row in rows if row["variant"] == v]
        at = [groups.index(_group(row)) + (i - (len(variants) - 1) / 2) * width for row in mine]
        medians = [row["median"] for row in mine]
        axes.bar(at, medians, 0.92 * width, color=COLORS[v], label=NAMES.get(v, v))
        axes.hlines(
            [row["minimum"] for row in mine],
            [x - 0.3 * width for x in at],
            [x + 0.3 * width for x in at],
            color="white",
        )
        for x, y in zip(at, medians, strict=True):
            axes.text(
                x,
                y,
                f"{y:.2f}",
                ha="center",
                va="bottom",
                fontsize=6.5,
                rotation=90,
                bbox=BEHIND_TEXT,
            )
    axes.axhline(1, color="black", linewidth=1, zorder=2)
    axes.set_xticks(range(len(groups)), [_label(g) for g in groups], fontsize=8)
    axes.set_ylim(0, 1.15 * max((row["median"] for row in rows), default=1))
    axes.set_ylabel("time / time of torch eager")
    about = found["machine"]
    axes.set_title(
        f"{found['mode']}: {about['processor']}, {about['threads']} thread(s), torch {about['torch']}",
        loc="left", fontsize=10,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)


def _group(row: dict[str, Any]) -> str:
    return row["model"] if "model" in row else f"mean {row['mean']}"


def _label(group: str) -> str:
    if group not in MODELS:
        return group.replace("mean ", "geometric\nmean, ")
    return f"({group})\n{MODELS[group].name}\nbatch {MODELS[group].batch}"


def draw(found: list[dict[str, Any]], out: Path) -> None:
    """Write a figure with a panel for each result."""
    figure, axes = plt.subplots(len(found), 1, figsize=(12, 4 * len(found)), squeeze=False)
    for one, result in zip(axes[:, 0], found, strict=True):
        panel(one, result)
    shown = {
        label: handle
        for one in axes[:, 0]
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
    }
    handles, labels = list(shown.values()), list(shown)
    figure.legend(handles, labels, loc="upper center", ncols=max(1, len(handles)), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    figure.savefig(out, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="files written with --json")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    draw([json.loads(file.read_text()) for file in options.results], options.out)


if __name__ == "__main__":
    main()
