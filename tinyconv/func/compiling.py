"""``compile``, for scripts that call it."""

from __future__ import annotations

from typing import Any


def compile(model: Any = None, **options: Any) -> Any:
    """Give back what came: the loops inside are compiled already, and layers stay layers.

    It takes PyTorch's options and has no need of them. As a decorator it leaves the function as it is.

    >>> import tinyconv as tc
    >>> model = tc.nn.Linear(2, 1)
    >>> tc.compile(model, mode="max-autotune") is model
    True
    """
    return (lambda function: function) if model is None else model
