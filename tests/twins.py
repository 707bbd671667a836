"""Run the same story on tinyconv and on torch, and compare."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import tinyconv as tc


def array(x: Any) -> np.ndarray:
    """The numbers of a tensor of either library."""
    return x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x.array)


def _tensors(out: Any) -> list[Any]:
    return [out] if not isinstance(out, (tuple, list)) else list(out)


def agree(
    story: Callable[..., Any], *arrays: np.ndarray, tol: float = 1e-10, second: bool = True
) -> None:
    """Values, gradients, recorded gradients and second gradients of ``story(lib, *tensors)`` agree in float64."""
    runs = []
    for lib in (torch, tc):
        xs = [lib.tensor(a, requires_grad=True) for a in arrays]
        ys = _tensors(story(lib, *xs))
        rng = np.random.default_rng(0)
        seeds = [lib.tensor(rng.standard_normal(tuple(y.shape)), requires_grad=True) for y in ys]
        plain = lib.autograd.grad(
            _tensors(story(lib, *xs)), xs, [s.detach() for s in seeds], allow_unused=True
        )
        grads = lib.autograd.grad(ys, xs, seeds, create_graph=True, allow_unused=True)
        again: Any = ()
        if second:
            total = sum((g * g).sum() for g in grads if g is not None)
            again = lib.autograd.grad(total, [*xs, *seeds], allow_unused=True)
        runs.append((ys, plain, grads, again))
    for part, theirs, ours in zip(
        ("value", "gradient", "recorded gradient", "second gradient"), *runs, strict=True
    ):
        for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            if a is None or b is None:  # None and zeros mean the same
                known = b if a is None else a
                assert known is None or not array(known).any(), f"{part} {i}: only one is None"
                continue
            assert tuple(a.shape) == tuple(b.shape), (
                f"{part} {i}: {tuple(a.shape)} and {tuple(b.shape)}"
            )
            np.testing.assert_allclose(
                array(b), array(a), rtol=tol, atol=tol, err_msg=f"{part} {i}"
            )


def same_error(story: Callable[[Any], Any], hint: str = "") -> None:
    """Both libraries raise: ours a subclass of torch's type with its opening words, and a line that helps."""
    with pytest.raises(Exception) as theirs:  # whatever torch raises is the expectation
        story(torch)
    with pytest.raises(theirs.type) as ours:
        story(tc)
    first = str(theirs.value).strip().splitlines()[0]
    opening = re.split(r"[\[{]", first)[0][:40].replace("torch.", "").strip()
    assert str(ours.value).replace("tinyconv.", "").startswith(opening), (
        f"{ours.value}\n--- torch:\n{theirs.value}"
    )
    if hint:
        assert re.search(hint, str(ours.value)), str(ours.value)
