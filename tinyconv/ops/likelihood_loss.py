"""Losses that are the negative logarithm of a likelihood: of counts, and of measurements with an error."""

from __future__ import annotations

import math
from typing import Any

from ..autograd.mode import no_grad
from ..autograd.variable import Variable
from ..backend import demand
from ..errors import ArgumentError
from ._common import select, shape_of, zeros_like
from ._loss import reduced, reduction_of, tensors
from .choose import clamp_min_
from .elementwise import clone, exp, log
from .power import square
from .views import unsqueeze


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Counts that follow a Poisson distribution, whose rate is estimated.

    .. math:: l = \\lambda - y \\ln \\lambda + \\ln y! \\qquad \\lambda = e^x

    Args:
        input: logarithms of the rates. target: counts.
        log_input: False if the input is the rates themselves; ``eps`` is then added to them in the logarithm.
        full: with the last term, by Stirling's formula, where the count is more than 1.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> x = tc.zeros(1, requires_grad=True)
    >>> tc.nn.functional.poisson_nll_loss(x, tc.tensor([3.])).backward()
    >>> x.grad
    tensor([-2.])
    """
    x, y = tensors("poisson_nll_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    loss = exp(x) - y * x if log_input else x - y * log(x + eps)
    if full:
        stirling = y * log(y) - y + 0.5 * log(2 * math.pi * y)
        loss = loss + select(y <= 1, 0, stirling)
    return reduced(loss, how)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Measurements that follow a normal distribution, whose mean and variance are estimated.

    .. math:: l = \\tfrac12 \\left(\\ln v + (x - y)^2 / v + \\ln 2 \\pi\\right)

    Args:
        input: means. target: measurements.
        var: variances, of the same shape, of one element along a dimension, or without the last; or one number.
        full: with the last term. eps: the least variance.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*), (*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ArgumentError: a variance is negative, or they have another shape.

    Source: Nix & Weigend, ICNN 1994.

    >>> import tinyconv as tc
    >>> x, v = tc.zeros(1, requires_grad=True), tc.tensor([4.], requires_grad=True)
    >>> tc.nn.functional.gaussian_nll_loss(x, tc.tensor([2.]), v).backward()
    >>> x.grad, v.grad
    (tensor([-0.5000]), tensor([0.]))
    """
    v = _variances(input, var)
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"{reduction} is not valid", "It is 'none', 'mean' or 'sum'.")
    v = clone(v)
    with no_grad():  # what is raised to eps is still pushed on
        clamp_min_(v, eps)
    loss = 0.5 * (log(v) + square(input - target) / v)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _variances(x: Any, var: Any) -> Any:
    """The variances as a tensor that broadcasts to ``x``."""
    if isinstance(var, float):
        if var < 0:
            raise _negative(0)
        return zeros_like(x) + var
    if not isinstance(var, Variable):
        raise TypeError(
            "any() received an invalid combination of arguments - got "
            f"({type(var).__name__}), but expected a Tensor\n"
            "The variance is a tensor, or a float."
        )
    demand(~(var.array < 0), _negative)
    shape, found = shape_of(x), shape_of(var)
    if found == shape:
        return var
    if found == shape[:-1]:
        return unsqueeze(var, -1)
    if len(found) == len(shape) and [b for a, b in zip(shape, found, strict=True) if a != b] == [1]:
        return var
    raise ArgumentError(
        "var is of incorrect size", f"It is {list(found)}, the input {list(shape)}."
    )


def _negative(_: int) -> Exception:
    return ArgumentError("var has negative entry/entries", "Variances are squares.")
