"""The places of a triangle of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import int64, to_dtype
from ..ops._common import not_implemented
from ..tensor import Tensor
from .finish import finish

__all__ = ["tril_indices", "triu_indices"]


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of the lower triangle of a ``row`` by ``col`` matrix: where column - row <= ``offset``.

    Shape:
        ``-> (2, k)``

    >>> import tinyconv as tc
    >>> tc.tril_indices(2, 3)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _places("tril_indices", np.tril, row, col, offset, dtype, device)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of the upper triangle of a ``row`` by ``col`` matrix: where column - row >= ``offset``.

    >>> import tinyconv as tc
    >>> tc.triu_indices(2, 3, 1)
    tensor([[0, 0, 1],
            [1, 2, 2]])
    """
    return _places("triu_indices", np.triu, row, col, offset, dtype, device)


def _places(
    name: str, triangle: Any, row: int, col: int, offset: int, dtype: Any, device: Any
) -> Tensor:
    for what, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{what} must be non-negative, got{n}")
    kind = to_dtype(dtype)
    if kind.rank != 1 or not kind.is_signed:
        raise not_implemented(name, np.empty(0, kind.numpy), "Places are whole numbers.")
    found = triangle(np.ones((row, col), bool), offset).nonzero()
    return finish(np.stack(found).astype(kind.numpy), device, False)
