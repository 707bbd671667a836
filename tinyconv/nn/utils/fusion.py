"""A BatchNorm in evaluation, multiplied into the layer before it: w' = w s, b' = (b - mean) s + beta, s = gamma / std."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ... import ops
from ...creation import ones_like, zeros_like
from ...tensor import Tensor
from ..conv import _Conv
from ..linear import Linear
from ..norm import _BatchNorm
from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]

C = TypeVar("C", bound=_Conv)
L = TypeVar("L", bound=Linear)


def _checked(layer: Any, bn: _BatchNorm) -> tuple[Any, ...]:
    """What is needed of a BatchNorm, if both are in evaluation and it has statistics."""
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!\nCall eval() on both layers first.")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(
            "bn.running_mean and bn.running_var must not be None\n"
            "A BatchNorm with track_running_stats=False normalises by each batch: it cannot be fused."
        )
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def fuse_conv_bn_eval(conv: C, bn: _BatchNorm, transpose: bool = False) -> C:
    """A new convolution that gives what ``conv`` and then ``bn`` give in evaluation.

    Args:
        transpose: whether the outputs are counted by the second dimension of the weight, as in a ConvTranspose.

    Raises:
        AssertionError: one of them is training, or ``bn`` has no running statistics.

    >>> import tinyconv as tc
    >>> conv, bn = tc.nn.Conv2d(2, 3, 3).eval(), tc.nn.BatchNorm2d(3).eval()
    >>> x = tc.randn(1, 2, 5, 5)
    >>> tc.allclose(tc.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    mean, var, eps, gamma, beta = _checked(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, var, eps, gamma, beta, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that :func:`fuse_conv_bn_eval` makes.

    Args:
        conv_w: the weight.
        conv_b: the bias, or None for zeros.
        bn_rm: the running mean.
        bn_rv: the running variance.
        bn_eps: what is added to it.
        bn_w: gamma, or None for ones.
        bn_b: beta, or None for zeros.
        transpose: whether the outputs are counted by the second dimension of the weight.
    """
    gamma = ones_like(bn_rm) if bn_w is None else bn_w
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, gamma, bn_b, shape)


def fuse_linear_bn_eval(linear: L, bn: _BatchNorm) -> L:
    """A new Linear that gives what ``linear`` and then ``bn`` give in evaluation.

    Raises:
        AssertionError: one of them is training, ``bn`` has no running statistics, or another number of features.

    >>> import tinyconv as tc
    >>> linear, bn = tc.nn.Linear(2, 3).eval(), tc.nn.BatchNorm1d(3).eval()
    >>> x = tc.randn(4, 2)
    >>> tc.allclose(tc.nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
    True
    """
    mean, var, eps, gamma, beta = _checked(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, var, eps, gamma, beta
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the Linear that :func:`fuse_linear_bn_eval` makes; arguments as there for convolutions."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused(
    w: Tensor, b: Tensor | None, mean: Tensor, var: Tensor, eps: float, gamma: Tensor, beta: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:  # fmt: skip
    bias = zeros_like(mean) if b is None else b
    scale = gamma * ops.rsqrt(var + eps)
    shift = (bias - mean) * scale
    new_w = (w * scale.reshape(shape)).to(w.dtype)
    new_b = (shift if beta is None else shift + beta).to(w.dtype if b is None else b.dtype)
    return Parameter(new_w.detach(), w.requires_grad), Parameter(new_b.detach(), bias.requires_grad)
