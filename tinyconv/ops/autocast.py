"""Which operations ``autocast`` runs in halves, and which in float32: PyTorch's lists.

Here are those that are one Function. What is made of several says ``recast(policy, ...)`` itself: the losses
(in ``tensors``), ``matmul`` of vectors, ``addmm``, ``layer_norm``, ``group_norm``, ``rms_norm``, ``cosine_similarity``,
``pdist``, ``interpolate``, ``grid_sample``, ``pad``.
What stands in no list takes what it gets, and of a mixture the wider type.
"""

from __future__ import annotations

from ..autograd.autocast import FLOAT32, FLOAT32_ON_CUDA, LOWER, LOWER_ON_CUDA, Policy
from ..autograd.function import REGISTRY
from . import (  # noqa: F401  # fill it
    activation,
    conv,
    elementwise,
    linalg,
    linear,
    piecewise,
    power,
    reduce,
    scans,
    softmax,
)

_LISTS: tuple[tuple[Policy, str], ...] = (
    (LOWER, "Conv ConvInput ConvBlock Linear Mm Bmm Prelu"),
    (LOWER_ON_CUDA, "Mv"),
    ({}, "Dot"),  # which Mm would bequeath its own
    (FLOAT32, "Prod"),
    (
        FLOAT32_ON_CUDA,
        "Acos Asin Cosh Exp Expm1 Log Log10 Log1P Log2 Pow Reciprocal Rsqrt Sinh Tan "
        "Softplus Softmax LogSoftmax Sum Cumsum Cumprod LogSumExp Norm",
    ),
)


def _enter(policy: Policy, names: str) -> None:
    for name in names.split():
        REGISTRY[name].autocast = policy


for entry in _LISTS:
    _enter(*entry)
