"""The same story on the CPU and on the device: values, gradients and second gradients side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinyconv as tc

KINDS = ("float32", "float64", "float16", "bfloat16")
# Halves may differ by their last bit: both sides compute in float32 and round once.
CLOSE = {"float32": (1e-5, 1e-5), "float64": (1e-10, 1e-10), "float16": (1e-3, 2e-3), "bfloat16": (8e-3, 2e-2)}  # fmt: skip


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def tensor(a: np.ndarray, kind: str, device: str, last: bool = False) -> Any:
    """A leaf; with the channels ``last`` in memory."""
    if last:
        order = (0, *range(2, a.ndim), 1)
        flat = tc.tensor(np.ascontiguousarray(a.transpose(order)))
        x = flat.to(dtype=getattr(tc, kind)).to(device)
        x = x.permute(0, a.ndim - 1, *range(1, a.ndim - 1)).detach()
    else:
        x = tc.tensor(a).to(dtype=getattr(tc, kind)).to(device)
    return x.requires_grad_()


def told(
    story: Callable[..., Any], leaves: Sequence[Any], second: bool
) -> tuple[list[np.ndarray], Any]:
    """The value, the gradients and the second gradients as float64, and the value itself."""
    y = story(*leaves)
    seed = tc.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape))).to(y.device, y.dtype)
    seed.requires_grad_()
    first = tc.autograd.grad(y, leaves, seed, retain_graph=True)
    found = [y, *first]
    if second:
        first = tc.autograd.grad(y, leaves, seed, create_graph=True)
        again = sum((g * tc.cos(3 * g.detach())).sum() for g in first)
        found += tc.autograd.grad(again, [seed, *leaves], allow_unused=True)
    return [np.zeros(0) if v is None else v.detach().cpu().double().numpy() for v in found], y


def agree(
    story: Callable[..., Any], *arrays: np.ndarray, kind: str = "float32", last: bool = False, second: bool = True,
    kinds: Sequence[str] = (), scale: float = 1,
) -> Any:  # fmt: skip
    """Tell the story on both sides; return what came out on the device.

    The first array lies with its channels ``last`` on the device; the others may have ``kinds`` of their own.
    """
    each = [kind, *(kinds or [kind] * (len(arrays) - 1))]
    here = [tensor(a, k, "cpu") for a, k in zip(arrays, each, strict=True)]
    there = [tensor(a, k, "cuda", last and not i) for i, (a, k) in enumerate(zip(arrays, each, strict=True))]  # fmt: skip
    expected, _ = told(story, here, second)
    found, y = told(story, there, second)
    rtol, atol = CLOSE[kind]
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        largest = max(1.0, float(np.nanmax(np.abs(b), initial=0)))
        np.testing.assert_allclose(a, b, rtol, atol * scale * largest, err_msg=f"result {i}")
    return y
