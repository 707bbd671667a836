"""``python -m tests.conformance [jobs]``: run the exam and write its page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness lies beside this package

from .report import PAGE, page, rows  # the path comes first

if __name__ == "__main__":
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    PAGE.write_text(page(rows(jobs)))
