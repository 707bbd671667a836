"""Named pairs of tensors, printed as PyTorch's ``return_types``."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple


class _Pair(NamedTuple):
    values: Any
    indices: Any


class Result(_Pair):
    """Values and where they were found; prints with the name of the function that found them."""

    function: ClassVar[str]

    def __repr__(self) -> str:
        fields = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
        return f"tinyconv.return_types.{self.function}(\n{fields})"


class MaxResult(Result):
    function = "max"


class MinResult(Result):
    function = "min"


class TopkResult(Result):
    function = "topk"


class SortResult(Result):
    function = "sort"
