"""Functions that put their result where they are told: ``add(x, y, out=z)``.

Those of `ops` know nothing of it. As public functions (methods do not take ``out``) they get it here, all in one way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from . import ops
from .autograd.function import type_name
from .autograd.mode import no_grad
from .dtypes import can_cast
from .errors import DTypeError

__all__ = ["FUNCTIONS"]

NAMES = """abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh argmax argmin asin asinh atan atan2 atanh baddbmm bernoulli bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm bucketize cat ceil clamp clamp_max
    clamp_min clip column_stack concat concatenate copysign cos cosh cross cummax cummin cumprod cumsum deg2rad diag diff
    div divide dot dstack eq erf erfc exp exp2 expm1 fix float_power floor floor_divide fmax fmin fmod frac gather gcd ge
    ger greater greater_equal gt heaviside histc hstack hypot index_add index_copy index_select inner inverse isin isneginf
    isposinf kron kthvalue lcm ldexp le lerp less less_equal log log10 log1p log2 log_softmax logaddexp logaddexp2
    logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lt masked_select matmul matrix_power max
    maximum mean min minimum mm mode msort mul multinomial multiply mv nan_to_num nanmean nanquantile nansum narrow_copy ne
    neg negative nonzero norm not_equal outer pow quantile rad2deg reciprocal remainder renorm round row_stack rsqrt scatter
    scatter_add scatter_reduce searchsorted sgn sigmoid sign signbit sin sinc sinh slice_scatter softmax sort sqrt square
    stack std sub subtract take take_along_dim tan tanh tensordot topk tril triu true_divide trunc var vdot vstack where
    xlogy"""


def _takes_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one more argument, ``out``: a tensor, or as many as there are results."""

    @wraps(function)
    def called(*args: Any, out: Any = None, **names: Any) -> Any:
        result = function(*args, **names)
        return result if out is None else _put(function.__name__, result, out)

    called.__module__ = "tinyconv"  # where pickle finds it
    return called


def _put(name: str, result: Any, out: Any) -> Any:
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got out={type(out).__name__}\n"
                f"There are {len(result)} results: out takes a tuple of as many tensors."
            )
        parts = [_put(name, r, o) for r, o in zip(result, out, strict=True)]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if result.requires_grad or out.requires_grad:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad.\nAssign the result, or write no_grad() around it."
        )
    if not can_cast(result.dtype, out.dtype):
        given, wanted = type_name(result.array), type_name(out.array)
        raise DTypeError(
            f"result type {given} can't be cast to the desired output type {wanted}",
            f"Make out of {result.dtype}.",
        )
    if out.shape != result.shape:
        if out.numel():
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
                f"match the required output shape {list(result.shape)}.",
                stacklevel=3,
            )
        out.resize_(result.shape)
    with no_grad():
        return out.copy_(result)


FUNCTIONS = {name: _takes_out(getattr(ops, name)) for name in NAMES.split()}
