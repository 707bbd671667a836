"""The first things to run on a machine with a GPU: three commands of at most ten minutes each.

    python tests/benchmarks/gpu_first_run.py tests      what is found there, and pytest -m gpu
    python tests/benchmarks/gpu_first_run.py steps      training steps against torch, in float32, TF32 and bfloat16
    python tests/benchmarks/gpu_first_run.py example    examples/cifar10_gpu.py

Each writes its logs and figures below ``--out``, and there a page for docs/benchmarks.md: NAME.md, with NAME.json beside
it. What does not end in time is stopped and the rest goes on; its log stays.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu import cards, table

ROOT = Path(__file__).parent.parent.parent
MINUTES = 9.5  # of a command, in all


@dataclass
class Run:
    """A few programs, one after the other, within a time in all; what came of them."""

    out: Path
    until: float
    results: list[dict[str, Any]] = field(default_factory=list)

    def program(self, name: str, *command: str, seconds: float = 1e9) -> str:
        """Run Python with these arguments; its output is shown, kept as NAME.log, and returned."""
        log, start = self.out / f"{name}.log", time.monotonic()
        seconds = max(1.0, min(seconds, self.until - start))
        print(f"── {name}: {' '.join(command)} (at most {seconds:.0f} s)", flush=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with log.open("w") as file:
            try:
                done = subprocess.run(
                    [sys.executable, *command], cwd=ROOT, env=environment, stdout=file,
                    stderr=subprocess.STDOUT, timeout=seconds,
                )  # fmt: skip
                status: int | str = done.returncode
            except subprocess.TimeoutExpired:
                status = "stopped: no time left"
        text = log.read_text(errors="replace")
        print("\n".join(text.splitlines()[-25:]), flush=True)
        took = round(time.monotonic() - start, 1)
        self.results.append(
            {"name": name, "command": ["python", *command], "status": status, "seconds": took}
        )
        return text

    def path(self, name: str) -> str:
        """Where a file is to be, seen from the root of the repository where that is possible."""
        return (
            os.path.relpath(self.out / name, ROOT)
            if self.out.is_relative_to(ROOT)
            else str(self.out / name)
        )

    def write(self, name: str, body: list[str]) -> None:
        """NAME.json and NAME.md."""
        about = {"date": str(datetime.date.today()), "card": cards(), "runs": self.results}
        (self.out / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")
        lines = [f"{about['date']}, {about['card']}", "", *body, ""]
        lines += [
            f"    {' '.join(r['command'])}   # {r['status']}, {r['seconds']} s"
            for r in self.results
        ]
        (self.out / f"{name}.md").write_text("\n".join(lines) + "\n")
        print(f"figures: {self.path(name)}.md and .json")


def tests(run: Run) -> None:
    """What is there, whether kernels compile and run, and how the tests end."""
    report = run.program("doctor", "-m", "tinyconv", "doctor", seconds=120)
    text = run.program("pytest", "-m", "pytest", "-m", "gpu", "-rs", "--durations=10", "tests")
    run.write("tests", ["```", report.rstrip(), "", *text.splitlines()[-1:], "```"])


SETTINGS = {
    "float32": [],
    "tf32": ["--tf32"],
    "bfloat16": ["--dtype", "bfloat16"],
}


def steps(run: Run) -> None:
    """The table of training steps for each number type."""
    body = []
    for i, (name, more) in enumerate(SETTINGS.items()):
        left = (run.until - time.monotonic()) / (len(SETTINGS) - i)
        file = run.out / f"steps_{name}.json"
        file.unlink(missing_ok=True)
        run.program(
            f"steps_{name}", "tests/benchmarks/train_step.py", "--device", "cuda", "--captured", *more,
            "--json", run.path(file.name), seconds=left,
        )  # fmt: skip
        rows = json.loads(file.read_text())["rows"] if file.exists() else []
        body += [f"{name}:", "", table(rows) if rows else f"nothing: see steps_{name}.log", ""]
    run.write("steps", body)


def example(run: Run) -> None:
    """Seconds and accuracy of every epoch."""
    text = run.program("example", "examples/cifar10_gpu.py", "--out", run.path(""))
    lines = [line for line in text.splitlines() if line.startswith("epoch")]
    run.write("example", ["```", *text.splitlines()[:1], *lines, "```"])


PARTS = {"tests": tests, "steps": steps, "example": example}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu", metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options.out.resolve(), time.monotonic() + 60 * options.minutes)
    PARTS[options.part](run)
    sys.exit(any(result["status"] != 0 for result in run.results))


if __name__ == "__main__":
    main()
