"""Scripts that say ``import torch`` on tinyconv: ``python -m tinyconv.compat script.py``, or :func:`install`."""

from .mirror import NAMES, install, installed, uninstall

__all__ = ["NAMES", "install", "installed", "uninstall"]
