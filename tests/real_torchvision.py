"""The real torchvision, as an oracle: ``from real_torchvision import torchvision``; or ``python real_torchvision.py script.py``.

Its wheel may be built for another build of torch. Then its compiled operations are missing, which nobody asks for here,
and their registration would fail the import: it is passed over.
"""

from __future__ import annotations

import runpy
import sys
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

if __name__ == "__main__":
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
