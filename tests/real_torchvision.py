"""The real torchvision, as an oracle: ``from real_torchvision import torchvision``; or, for what scripts print,

    python real_torchvision.py [--into FOLDER] script.py ...

Its wheel may be built for another build of torch. Then its compiled operations are missing, which nobody asks for here,
and their registration would fail the import: it is passed over.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
import warnings
from pathlib import Path
from unittest import mock

import torch

_register_fake = torch.library.register_fake


def _register_what_is_there(name, *args, **names):
    def register(function):
        try:
            return _register_fake(name, *args, **names)(function)
        except RuntimeError as error:
            if "does not exist" not in str(error):
                raise
            return function

    return register


with (
    mock.patch.object(torch.library, "register_fake", _register_what_is_there),
    warnings.catch_warnings(),
):
    warnings.simplefilter("ignore")  # of images that its own loader could not read
    import torchvision
    import torchvision.transforms.v2

__all__ = ["torchvision"]


def run(script: str) -> None:
    """Run a script as the main program."""
    sys.argv = [script]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


def run_into(folder: Path, script: str) -> None:
    """Run a script in a child, which need not import torch again; its output and its errors become files."""
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{script} failed: {(folder / f'{Path(script).stem}.err').read_text()}")
        return
    for stream, ending in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{Path(script).stem}.{ending}", os.O_WRONLY | os.O_CREAT), stream)
    failed = 0
    try:
        run(script)
    except BaseException:
        traceback.print_exc()
        failed = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(failed)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--into", type=Path)
    options.add_argument("scripts", nargs="+")
    given = options.parse_args()
    for path in given.scripts:
        if given.into is None:
            run(path)
        else:
            run_into(given.into, path)
