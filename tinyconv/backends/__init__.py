"""What is beneath tinyconv, and what it may trade exactness for: torch's names, over one record of flags.

>>> import tinyconv as tc
>>> tc.backends.cudnn.deterministic = True
>>> tc.backends.cudnn.deterministic
True
>>> tc.backends.cudnn.deterministic = False
"""

from . import cuda, cudnn, mps
from .determinism import (
    are_deterministic_algorithms_enabled,
    get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled,
    set_float32_matmul_precision,
    use_deterministic_algorithms,
)
