"""Tests with NVIDIA's cuDNN, without a GPU: it plans for a device that is only described.

They are not in the usual run, for the library has 1.7 GB:

    pip install nvidia-cudnn-cu13 && pytest -m cudnn tests/cudnn
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "cuda"))  # its table of convolutions


def pytest_configure(config):
    config.addinivalue_line("markers", "cudnn: needs the library of NVIDIA's cuDNN, and no GPU")


def pytest_collection_modifyitems(config, items):
    if "cudnn" in config.getoption("markexpr"):
        return
    mine = [i for i in items if Path(__file__).parent in i.path.parents]
    items[:] = [i for i in items if i not in mine]
    config.hook.pytest_deselected(items=mine)
