"""Named pairs of tensors, printed as PyTorch's ``return_types``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..alias import library

if TYPE_CHECKING:
    from ..tensor import Tensor


class _Pair(NamedTuple):
    values: Tensor
    indices: Tensor


class _Ends(NamedTuple):
    min: Tensor
    max: Tensor


def _text(self: Any) -> str:
    fields = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
    return f"{library()}.return_types.{self.function}(\n{fields})"


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
