"""Run a PyTorch script on tinyconv: ``python -m tinyconv.compat script.py [arguments]``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from .mirror import install


def main() -> int:
    """Run the script that is named on the command line, with the arguments behind it."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: python -m tinyconv.compat script.py [arguments]\n\n"
              "Run a script that imports torch, torchvision or torchsummary on tinyconv.")  # fmt: skip
        return 0 if len(sys.argv) > 1 else 2
    script = Path(sys.argv[1])
    if not script.is_file():
        print(f"There is no script {script}.", file=sys.stderr)
        return 2
    install()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
