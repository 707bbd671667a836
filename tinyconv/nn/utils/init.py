"""Modules whose first numbers do not matter."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ...creation import get_rng_state, set_rng_state
from ..module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module whose parameters are to be set by the caller: no random numbers are used up for them.

    Args:
        module_cls: its class, which takes a ``device``.
        args: what the class takes.
        kwargs: the same by name.

    Raises:
        RuntimeError: it is no Module, or takes no ``device``.

    >>> import tinyconv as tc
    >>> _ = tc.manual_seed(0)
    >>> layer = tc.nn.utils.skip_init(tc.nn.Linear, 5, 1)
    >>> tuple(layer.weight.shape), tc.initial_seed() == 0, tc.rand(1)
    ((1, 5), True, tensor([0.4963]))
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(
            "Module must support a 'device' arg to skip initialization\n"
            f"Give {module_cls.__name__} one that it hands to its parameters, or call it directly."
        )
    state = get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        set_rng_state(state)
