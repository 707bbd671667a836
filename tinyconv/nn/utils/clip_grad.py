"""Gradients made shorter."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import TypeAlias

from ... import creation, ops
from ...autograd.mode import no_grad
from ...tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]

Tensors: TypeAlias = Tensor | Iterable[Tensor]


def _list(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensors) -> list[Tensor]:
    tensors = _list(parameters)
    if not tensors and inspect.isgenerator(parameters):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=4
        )
    return [p.grad for p in tensors if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all numbers in several tensors, as if they were one vector.

    Args:
        norm_type: the p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise if the norm is inf or nan.
        foreach: accepted for compatibility; there is one way to compute it.

    Raises:
        RuntimeError: the norm is not finite.

    >>> import tinyconv as tc
    >>> tc.nn.utils.get_total_norm([tc.tensor([3.0]), tc.tensor([4.0])])
    tensor(5.)
    """
    norm_type = float(norm_type)
    norms = [x.norm(norm_type) for x in _list(tensors)]
    if not norms:
        return creation.tensor(0.0)
    total: Tensor = ops.stack([n.to(norms[0].device) for n in norms]).norm(norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm "
            "anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / total_norm)."""
    _scale(_grads(parameters), max_norm, total_norm)


def _scale(grads: list[Tensor], max_norm: float, total: Tensor) -> None:
    factor = ops.clamp(float(max_norm) / (total + 1e-6), max=1.0)
    for grad in grads:
        grad.mul_(factor.to(grad.device))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Shorten the gradients of all parameters so that their norm is at most ``max_norm``.

    Args:
        parameters: a tensor or several.
        max_norm: the largest norm, of all gradients together.
        norm_type: the p of the p-norm, or ``inf``.
        error_if_nonfinite: raise if the norm is inf or nan, instead of scaling by it.
        foreach: accepted for compatibility; there is one way to compute it.

    Returns:
        The norm before.

    Raises:
        RuntimeError: the norm is not finite, and ``error_if_nonfinite``.

    >>> import tinyconv as tc
    >>> w = tc.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> tc.nn.utils.clip_grad_norm_([w], 1.0)
    tensor(10.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    grads = _grads(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    _scale(grads, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of :func:`clip_grad_norm_`."""
    warnings.warn(
        "`tinyconv.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`tinyconv.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every number of the gradients to [-clip_value, clip_value]."""
    limit = float(clip_value)
    for grad in _grads(parameters):
        grad.clamp_(-limit, limit)
