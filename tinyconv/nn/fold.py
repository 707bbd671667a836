"""Windows as columns, and back, as layers."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .layer import Layer


class Unfold(Layer, function=F.unfold):
    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1


class Fold(Layer, function=F.fold):
    output_size: Any
    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1
