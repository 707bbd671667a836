"""An optimizer of ours and its twin of torch, fed the same numbers."""

from __future__ import annotations

import numpy as np
import torch

import tinyconv as tc

SHAPES = [(3, 4), (5,), (), (2, 1, 3)]


def tensors(dtype="float64", seed=0):
    """The same parameters in both libraries."""
    rng = np.random.default_rng(seed)
    arrays = [np.array(rng.standard_normal(shape), dtype) for shape in SHAPES]
    ours = [tc.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return ours, theirs


def pair(name, settings, dtype="float64"):
    ours, theirs = tensors(dtype)
    return getattr(tc.optim, name)(ours, **settings), getattr(torch.optim, name)(theirs, **settings)


def walk(a, b, steps, seed=1):
    """Feed both optimizers the same gradients; in one step the first parameter has none."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for p, q in zip(params(a), params(b), strict=True):
            g = np.array(rng.standard_normal(q.shape), q.detach().numpy().dtype)
            p.grad, q.grad = tc.tensor(g), torch.tensor(g)
        if step == 2:
            params(a)[0].grad = params(b)[0].grad = None
        a.step()
        b.step()


def params(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def agree(a, b, tolerance):
    for p, q in zip(params(a), params(b), strict=True):
        assert p.array.dtype == q.detach().numpy().dtype
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=tolerance, atol=tolerance)


def raw(x):
    """A state dict with arrays instead of tensors, whichever library it comes from."""
    if isinstance(x, dict):
        return {k: raw(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [raw(v) for v in x]
    if isinstance(x, torch.Tensor):
        return x.detach().numpy()
    return x.array.copy() if isinstance(x, tc.Tensor) else x


def same_state(a, b, tolerance):
    a, b = raw(a.state_dict()), raw(b.state_dict())
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for i, entry in b["state"].items():
        same_values(a["state"][i], entry, tolerance)


def same_values(mine, value, tolerance):
    """Compare numbers, arrays, and lists and dicts of them."""
    if isinstance(value, dict):
        assert mine.keys() == value.keys()
        for name, v in value.items():
            same_values(mine[name], v, tolerance)
    elif isinstance(value, list):
        assert len(mine) == len(value)
        for m, v in zip(mine, value, strict=True):
            same_values(m, v, tolerance)
    elif value is None:
        assert mine is None
    else:
        if isinstance(value, np.ndarray):
            assert mine.shape == value.shape
            assert mine.dtype == value.dtype
        np.testing.assert_allclose(mine, value, rtol=tolerance, atol=tolerance)


def everything(optimizer):
    return (
        [p.array.tobytes() for p in params(optimizer)],
        [
            (id(p), name, t.array.tobytes() if isinstance(t, tc.Tensor) else t)
            for p, state in optimizer.state.items()
            for name, t in state.items()
        ],
        repr(optimizer),
    )
