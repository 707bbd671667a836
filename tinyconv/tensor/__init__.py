"""Tensor and Parameter: arrays that remember how they were computed."""

from ..shapes import Size
from .tensor import Parameter, Tensor

__all__ = ["Parameter", "Size", "Tensor"]
