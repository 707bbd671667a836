"""The functions behind the layers, under PyTorch's names: a list of imports from ``tinyconv.ops``."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..ops import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    batch_norm,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    dropout,
    dropout2d,
    group_norm,
    instance_norm,
    layer_norm,
    linear,
    log_softmax,
    max_pool1d,
    max_pool2d,
    sigmoid,
    softmax,
    tanh,
)
