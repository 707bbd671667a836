"""Writes ``docs/conformance.md``: what was compared with torch, how often, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import torch
from opinfo import FULL, UNSUPPORTED

from . import modules, ops, optimizers, schedules
from .check import Case, Result, run
from .tables import (
    ARBITRARY,
    EVERYDAY,
    KNOWN,
    KNOWN_IN_FULL,
    LEFT_OUT,
    OUTSIDE,
    VALUES_ONLY,
    outside,
    reason,
)

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
GROUPS = {"operations": ops, "modules": modules, "optimizers": optimizers, "schedules": schedules}


@dataclass
class Row:
    """One entry of one database: how many samples, how many that torch refuses, and how many of each fail."""

    group: str
    entry: str
    samples: int = 0
    failed: int = 0
    refused: int = 0
    not_refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, case: Case, result: Result) -> None:
        if case.what == "errors":
            self.refused += result.count
            self.not_refused += len(result.failures)
        else:
            self.samples += result.count
            self.failed += len(result.failures)
        if result.failures:
            why = reason(tables(), case) or f"{case}: unexplained"
            self.reasons += [why] * (why not in self.reasons)

    def __str__(self) -> str:
        passed = self.samples - self.failed, self.refused - self.not_refused
        cells = self.samples, passed[0], self.refused, passed[1], "; ".join(self.reasons)
        return "| {} |".format(" | ".join(map(str, (self.entry, *cells))))

    @property
    def part(self) -> str:
        """The line of the totals that it counts for."""
        everyday = self.entry.partition("-")[0] in EVERYDAY
        return "everyday operations" if everyday and self.group == "operations" else self.group


def cases(group: str, full: bool = FULL) -> list[Case]:
    """What is examined."""
    return [case for case in GROUPS[group].cases(full) if reason(LEFT_OUT, case) is None]


def tables(full: bool = FULL) -> dict[str, str]:
    """What fails."""
    return KNOWN | KNOWN_IN_FULL if full else KNOWN


def examine(work: list[Case]) -> Row:
    """All cases of one entry."""
    row = Row(work[0].group, work[0].entry)
    for case in work:
        row.add(case, run(GROUPS[case.group].checks(case)))
    return row


def rows(jobs: int, names: Collection[str] = ()) -> list[Row]:
    """The whole exam, or that of some entries."""
    entries = [
        list(work)
        for group in GROUPS
        for entry, work in groupby(cases(group), key=lambda case: case.entry)
        if entry in (names or [entry])
    ]
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(examine, entries))


# ── the page ──────────────────────────────────────────────────────────────────────────────────

INTRODUCTION = """\
# Conformance

torch tests itself with databases of its operations, modules and optimizers: for each, samples that reach
its corners, and arguments it must refuse. `tests/conformance` runs them through both libraries, for every
entry whose name tinyconv has. Compared are

- of an operation: value, type, shape, gradient and, in float64, gradient of the gradient; as a function,
  method, operator, in place and under its aliases; on operands with gaps in memory and on empty ones; and
  the type and the opening words of errors;
- of a module: keys of the state, repr, output and gradients in training and evaluation, on input with gaps,
  after a cast, a round trip of the state, a deep copy and a pickle; and errors;
- of an optimizer: parameters, losses, state and repr over ten steps, once with a round trip of the state on
  the way; schedules; and errors.

float32, float64, int64 and bool always; the other integers in the full run; float16 and bfloat16 for what
works element by element: there the numbers are torch's, or those of torch in float32 rounded once.

Where torch's second gradient is NaN, that of tinyconv may be a number. Where the input is NaN, torch's gradients of
elu, celu, selu, hardtanh, relu6, hardshrink and softshrink differ between whole vectors of numbers and an array's tail:
these are compared on whole vectors. Tolerances wider than usual stand in `tests/conformance/tables.py`, with reasons.

A sample counts once for each type and form. `TINYCONV_OPINFO=full python -m tests.conformance` writes this page from
all samples; behind it may stand the entries to examine anew. `pytest tests/conformance` takes a few samples an entry.
"""


def page(found: list[Row], full: bool = FULL) -> str:
    parts = [INTRODUCTION, f"torch {torch.__version__}, {'all' if full else 'a few'} samples.", ""]
    parts += ["## Totals", "", *_table("part | entries | samples | pass | |")]
    parts += [
        f"| {name} | {n} | {of} | {good} | {good / of:.2%} |" for name, n, of, good in totals(found)
    ]
    parts += ["", "## Left out", "", *_table("what | reason"), *left_out(), ""]
    parts += ["## What fails", "", *_table("what | reason")]
    parts += [f"| `{what}` | {why} |" for what, why in tables(full).items()]
    for group in GROUPS:
        parts += [
            "",
            f"## {group.capitalize()}",
            "",
            *_table("entry | samples | pass | refusals | pass | reason"),
        ]
        parts += [str(row) for row in found if row.group == group]
        parts += not_there(GROUPS[group].missing())
    return "\n".join(parts) + "\n"


def totals(found: list[Row]) -> Iterator[tuple[str, int, int, int]]:
    """Of each part, and of all refusals: name, entries, samples, and how many of these pass."""
    for part in ("everyday operations", *GROUPS):
        rows = [row for row in found if row.part == part]
        samples = sum(row.samples for row in rows)
        name = "other operations" if part == "operations" else part
        yield name, len(rows), samples, samples - sum(row.failed for row in rows)
    rows = [row for row in found if row.refused]
    refused = sum(row.refused for row in rows)
    yield "refusals", len(rows), refused, refused - sum(row.not_refused for row in rows)


def not_there(names: list[str]) -> Iterable[str]:
    """First what convolutional networks, or the code around them, might ask for."""
    for belongs in (None, *OUTSIDE):
        these = [f"`{name}`" for name in names if outside(name) == belongs]
        if these:
            yield f"\nNot there{(belongs and f', of {belongs}') or ''}: {' '.join(these)}"


def left_out() -> Iterable[str]:
    yield from (f"| calls | {why} |" for why, _ in UNSUPPORTED)
    yield from (f"| `{what}` | {why} |" for what, why in LEFT_OUT.items())
    yield from (f"| values of `{what}` | {why} |" for what, why in ARBITRARY.items())
    yield from (f"| indices of `{what}` | {why} |" for what, why in VALUES_ONLY.items())


def _table(heads: str) -> list[str]:
    return [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]


def read(text: str) -> list[Row]:
    """The rows of a page."""
    found = []
    for group in GROUPS:
        section = text.split(f"\n## {group.capitalize()}\n")[1].split("\n## ")[0]
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) == 6 and cells[1].isdigit():
                entry, samples, passed, refused, right, why = cells
                counts = (
                    int(samples),
                    int(samples) - int(passed),
                    int(refused),
                    int(refused) - int(right),
                )
                found.append(Row(group, entry, *counts, [why] if why else []))
    return found
