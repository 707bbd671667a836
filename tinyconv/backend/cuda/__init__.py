"""The CUDA backend. Imported only when somebody asks for ``cuda``."""

import cupy

from ..base import Backend, register
from .cublas import multiply
from .memory import install
from .module import TYPES, launch
from .ordinal import at
from .pinned import is_pinned, pin, upload
from .trouble import notes, synchronize, to_numpy

BACKEND = register(
    Backend(
        "cuda",
        cupy,
        cupy.ndarray,
        upload,
        to_numpy,
        lambda a: int(a.device.id),
        synchronize,
        launch,
        frozenset(TYPES),
        notes,
        pin,
        is_pinned,
        multiply,
        at,
    )
)
install()
