"""What all losses share: what they take, and how they are reduced to one number."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..autograd.autocast import FLOAT32, Policy, recast
from ..autograd.variable import Variable
from ..errors import ArgumentError
from .elementwise import div
from .reduce import mean, sum


def reduction_of(reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """Check ``reduction``, or translate the two flags that once stood for it."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(
            f"{reduction} is not a valid value for reduction", "It is 'none', 'mean' or 'sum'."
        )
    return reduction


def reduced(loss: Any, reduction: str, count: Any = None) -> Any:
    """The losses of the elements as they are, their sum, or that sum over ``count``."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    return mean(loss) if count is None else div(sum(loss), count)


def tensors(name: str, policy: Policy = FLOAT32, **given: Any) -> Sequence[Any]:
    """Refuse numbers, lists and arrays of NumPy, with the way out; give back tensors, under autocast in float32."""
    for i, (argument, value) in enumerate(given.items(), 1):
        if not isinstance(value, Variable):
            raise TypeError(
                f"{name}(): argument '{argument}' (position {i}) must be Tensor, not "
                f"{type(value).__name__}\nWrite tinyconv.tensor({argument})."
            )
    return recast(policy, *given.values())
