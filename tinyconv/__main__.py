"""The command line: ``python -m tinyconv``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import doctor, warmup


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; without one, say which there are."""
    parser = argparse.ArgumentParser(prog="python -m tinyconv", description="Tools of tinyconv.")
    commands = parser.add_subparsers(metavar="command")
    for name, command in (("warmup", warmup.warmup), ("doctor", doctor.doctor)):
        about = str(command.__doc__).splitlines()[0]
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(run=command)
        if name == "doctor":
            one.add_argument("--json", action="store_true", help="for programs to read")
    chosen = vars(parser.parse_args(arguments))
    run = chosen.pop("run", None)
    if run is None:
        parser.print_help()
        return 0
    return int(run(**chosen))


if __name__ == "__main__":
    sys.exit(main())
