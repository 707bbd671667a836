"""Loading data, and what else a training script needs."""

from . import data
from .summary import summary

__all__ = ["data", "summary"]
