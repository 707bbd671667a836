"""Files of tensors: written as safetensors, read from these and from PyTorch's own."""

from __future__ import annotations

from .containers import load, save

__all__ = ["load", "save"]
