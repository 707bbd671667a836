"""Loading data, and what else a training script needs."""

from . import data

__all__ = ["data"]
