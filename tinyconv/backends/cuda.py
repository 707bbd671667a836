"""Settings of the GPU: ``tinyconv.backends.cuda``."""

from __future__ import annotations

import sys
from types import ModuleType

from ._settings import Setting


class Matmul:
    """Settings of matrix products: ``tinyconv.backends.cuda.matmul``.

    ``allow_tf32``: products of float32 may round their factors to 11 bits (TensorFloat-32), which is several times
    faster on GPUs since Ampere.
    """

    __slots__ = ()
    allow_tf32 = Setting("matmul_tf32")


matmul = Matmul()


class _Module(ModuleType):
    allow_tf32 = Setting("matmul_tf32", "cudnn_tf32")  # of products and convolutions both


def is_built() -> bool:
    """Tell whether tinyconv has code for GPUs: it always has."""
    return True


sys.modules[__name__].__class__ = _Module
