"""Neighbours that one pass over memory can do together, where nobody can tell the difference.

While gradients are recorded every layer leaves its node, as one expects. Without them only the end of a row of layers is
ever seen: a convolution then takes the BatchNorm (in evaluation), ReLU and 2x2 max pooling that follow it along. A layer
with a hook, of a subclass, or with other settings is called as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..autograd.mode import mode
from ..dtypes import HALVES
from ..tensor import Tensor
from .activation import ReLU
from .conv import Conv2d
from .hooks import OF_ALL
from .module import Module
from .norm import BatchNorm2d
from .pooling import MaxPool2d


def run(modules: Sequence[Module], x: Any) -> Any:
    """Return what the modules make of ``x`` one after the other, without gradients."""
    at = 0
    while at < len(modules):
        module = modules[at]
        taken = _followers(modules, at) if _takes(module, x) else []
        if taken:
            x = _block(module, taken, x)
            at += len(taken)
        else:
            x = module(x)
        at += 1
    return x


def _plain(module: Module, kind: type) -> bool:
    """Tell whether a call of the module is its class's ``forward`` and nothing else."""
    return (
        type(module) is kind and not module._hooks and not OF_ALL and "forward" not in vars(module)
    )


def _takes(module: Module, x: Any) -> bool:
    """Tell whether this is a convolution that would accept ``x`` without a word."""
    return (
        _plain(module, Conv2d)
        and mode.autocast is None
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and isinstance(x, Tensor)
        and x.array.ndim == 4
        and x.array.shape[1] == module.in_channels
        and x.array.dtype == module.weight.array.dtype
        and type(x.array) is type(module.weight.array)
        and all(
            n + 2 * p - d * (k - 1) > s  # two windows at least, or there is nothing to pool
            for n, p, d, k, s in zip(
                x.array.shape[2:], module.padding, module.dilation, module.kernel_size, module.stride,
                strict=True,
            )
        )
    )  # fmt: skip


def _followers(modules: Sequence[Module], at: int) -> list[Module]:
    """The layers behind a convolution that it can take along: BatchNorm first, then ReLU and pooling in any order."""
    taken: list[Module] = []
    kinds = [_normalises, _rectifies, _halves]
    for module in modules[at + 1 : at + 4]:
        fitting = next((fits for fits in kinds if fits(module, modules[at])), None)
        if fitting is None:
            break
        taken.append(module)
        kinds = [fits for fits in (_rectifies, _halves) if fits in kinds and fits is not fitting]
    return taken


def _normalises(module: Any, conv: Any) -> bool:
    return (
        _plain(module, BatchNorm2d)
        and not module.training
        and module.running_mean is not None
        and module.running_mean.array.shape == (conv.out_channels,)
        and module.running_mean.array.dtype == conv.weight.array.dtype
        and conv.weight.array.dtype not in HALVES  # they would round another way
    )


def _rectifies(module: Any, conv: Any) -> bool:
    return _plain(module, ReLU)


def _halves(module: Any, conv: Any) -> bool:
    settings = (
        (module.kernel_size, module.stride, module.padding, module.dilation)
        if _plain(module, MaxPool2d)
        else ()
    )
    return (
        [_pair(v) for v in settings] == [(2, 2), (2, 2), (0, 0), (1, 1)]
        and not module.ceil_mode
        and not module.return_indices
    )


def _pair(v: Any) -> tuple[int, int]:
    return tuple(v) if isinstance(v, (tuple, list)) else (v, v)


def _block(conv: Any, taken: list[Any], x: Any) -> Any:
    n = taken[0]
    fixed = isinstance(n, BatchNorm2d)
    statistics = (n.running_mean, n.running_var, n.weight, n.bias, n.eps) if fixed else None
    return ops.conv_block(
        x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups, statistics,
        any(isinstance(m, ReLU) for m in taken),
        any(isinstance(m, MaxPool2d) for m in taken),
    )  # fmt: skip
