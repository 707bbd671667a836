"""What the tests on a GPU share: is there one, and how do they find it."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "cuda")]

STANDIN = (
    os.environ.get("TINYCONV_TEST_STANDIN") == "1"
)  # on the stand-in for CuPy: do these tests themselves work?


def require_gpu() -> None:
    """Skip the whole module, with the reason, where there is no GPU that CuPy can use."""
    from tinyconv.backend import cuda_unavailable

    if not STANDIN and (why := cuda_unavailable()):
        pytest.skip(f"no GPU: {why}", allow_module_level=True)


def on_the_card():
    """A context in which ``cuda`` is the GPU, or what stands in for it."""
    if not STANDIN:
        return nullcontext()
    import standin

    return standin.installed()
