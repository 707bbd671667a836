"""Named pairs of tensors, printed as PyTorch's ``return_types``."""

from __future__ import annotations

from typing import Any, NamedTuple


def _text(pair: Any) -> str:
    fields = ",\n".join(f"{n}={v!r}" for n, v in zip(pair._fields, pair, strict=True))
    return f"tinyconv.return_types.{pair.op}(\n{fields})"


class MaxResult(NamedTuple):
    values: Any
    indices: Any
    op = "max"
    __repr__ = _text


class MinResult(NamedTuple):
    values: Any
    indices: Any
    op = "min"
    __repr__ = _text


class TopkResult(NamedTuple):
    values: Any
    indices: Any
    op = "topk"
    __repr__ = _text


class SortResult(NamedTuple):
    values: Any
    indices: Any
    op = "sort"
    __repr__ = _text
