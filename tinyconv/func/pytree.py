"""Tensors in tuples, lists and dicts, taken out and put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..tensor import Tensor


class Place:
    """Where a leaf goes in a structure."""

    def __repr__(self) -> str:
        return "*"


_LEAF = Place()


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves of a structure, from left to right, and the structure without them."""
    leaves: list[Any] = []

    def walk(v: Any) -> Any:
        if isinstance(v, tuple) and hasattr(v, "_fields"):
            return type(v)(*map(walk, v))
        if type(v) in (tuple, list):
            return type(v)(map(walk, v))
        if isinstance(v, dict):
            return {k: walk(x) for k, x in v.items()}
        leaves.append(v)
        return _LEAF

    return leaves, walk(value)


def unflatten(structure: Any, leaves: Any) -> Any:
    """The structure, with these leaves."""
    rest: Iterator[Any] = iter(leaves)

    def walk(v: Any) -> Any:
        if v is _LEAF:
            return next(rest)
        if isinstance(v, tuple) and hasattr(v, "_fields"):
            return type(v)(*map(walk, v))
        if isinstance(v, dict):
            return {k: walk(x) for k, x in v.items()}
        return type(v)(map(walk, v))

    return walk(structure)


def spread(value: Any, structure: Any) -> list[Any] | None:
    """``value``, given for whole branches, once for each leaf below them; None if it does not fit."""
    found: list[Any] = []

    def walk(v: Any, s: Any) -> bool:
        if s is _LEAF:
            found.append(v)
            return not isinstance(v, (tuple, list, dict))
        children = list(s.values()) if isinstance(s, dict) else list(s)
        if isinstance(v, type(s)) or (
            isinstance(v, (tuple, list)) and isinstance(s, (tuple, list))
        ):
            given = [v.get(k) for k in s] if isinstance(v, dict) else list(v)
            return len(given) == len(children) and all(map(walk, given, children))
        return not isinstance(v, (tuple, list, dict)) and all(walk(v, c) for c in children)

    return found if walk(value, structure) else None


def tensors(leaves: list[Any]) -> bool:
    """Tell whether all are tensors."""
    return all(isinstance(v, Tensor) for v in leaves)
