"""Named pairs of tensors, printed as PyTorch's ``return_types``."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple


class _Pair(NamedTuple):
    values: Any
    indices: Any


class _Ends(NamedTuple):
    min: Any
    max: Any


def _text(self: Any) -> str:
    fields = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
    return f"tinyconv.return_types.{self.function}(\n{fields})"


class Result(_Pair):
    """Values and where they were found; prints with the name of the function that found them."""

    function: ClassVar[str]
    __repr__ = _text


class MaxResult(Result):
    function = "max"


class MinResult(Result):
    function = "min"


class TopkResult(Result):
    function = "topk"


class SortResult(Result):
    function = "sort"


class KthvalueResult(Result):
    function = "kthvalue"


class MedianResult(Result):
    function = "median"


class NanmedianResult(Result):
    function = "nanmedian"


class ModeResult(Result):
    function = "mode"


class CummaxResult(Result):
    function = "cummax"


class CumminResult(Result):
    function = "cummin"


class AminmaxResult(_Ends):
    """The smallest and the largest."""

    function: ClassVar[str] = "aminmax"
    __repr__ = _text
