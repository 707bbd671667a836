"""``python -m tests.conformance [entry ...]``: run the exam, or that of some entries, and write its page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness lies beside this package

from .report import GROUPS, PAGE, cases, page, read, rows  # the path comes first

if __name__ == "__main__":
    names = sys.argv[1:]
    found = rows(os.cpu_count() or 1, names)
    if names:
        known = {(row.group, row.entry): row for row in (*read(PAGE.read_text()), *found)}
        every = dict.fromkeys((case.group, case.entry) for g in GROUPS for case in cases(g))
        found = [known[key] for key in every if key in known]
    PAGE.write_text(page(found))
