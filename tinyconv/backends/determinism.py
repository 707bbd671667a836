"""The same bits every time, and how exact matrix products are."""

from __future__ import annotations

from ..backend.flags import flags
from ..errors import ArgumentError


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Take only algorithms that give the same bits every time on the same machine.

    On a CPU all do, on one thread or several. On a GPU some of cuDNN's do not, which this turns down; what adds
    through indices (``scatter_add``, ``index_put_`` with ``accumulate``) does so there in no certain order, as before.
    ``warn_only`` is kept and has no effect.

    >>> import tinyconv as tc
    >>> tc.use_deterministic_algorithms(True)
    >>> tc.are_deterministic_algorithms_enabled()
    True
    >>> tc.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(
            f"use_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}"
        )
    flags.use_deterministic, flags.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """Tell whether only deterministic algorithms are taken."""
    return flags.use_deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Tell whether ``warn_only`` was given."""
    return flags.warn_only


def set_float32_matmul_precision(precision: str) -> None:
    """Say how exact matrix products of float32 are on a GPU: 'highest' is exact, 'high' and 'medium' allow TF32.

    >>> import tinyconv as tc
    >>> tc.set_float32_matmul_precision("highest")
    >>> tc.get_float32_matmul_precision()
    'highest'
    """
    if precision not in ("highest", "high", "medium"):
        raise ArgumentError(f"{precision!r} is not one of 'highest', 'high', or 'medium'")
    flags.matmul_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """How exact matrix products of float32 are: 'highest' or 'high'."""
    return "high" if flags.matmul_tf32 else "highest"
