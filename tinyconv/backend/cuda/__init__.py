"""The CUDA backend. Imported only when somebody asks for ``cuda``."""

import cupy

from ..base import Backend, register
from .module import TYPES, launch

BACKEND = register(
    Backend(
        "cuda",
        cupy,
        cupy.ndarray,
        cupy.asarray,
        cupy.asnumpy,
        lambda a: int(a.device.id),
        lambda: cupy.cuda.get_current_stream().synchronize(),
        launch,
        frozenset(TYPES),
    )
)
