"""Does a model do what its twin in PyTorch does?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError
from ..nn import Module
from .closeness import assert_close


def compare_with_torch(
    model: Module,
    torch_model: Any,
    *inputs: Any,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Copy the weights of a PyTorch model by their names, and compare outputs and every gradient.

    Both are run on the same inputs, in the mode (``train()`` or ``eval()``) of the PyTorch model; gradients are
    those of the sum of the squares of all outputs, and buffers are compared afterwards. The gradients that
    either had before are gone.

    Args:
        inputs: tensors of this library or of PyTorch, or NumPy arrays; floats get a gradient, which is compared.
        rtol, atol: as for :func:`assert_close`.

    Raises:
        ArgumentError: the models have different names. AssertionError: something differs, and what.

    ::

        compare_with_torch(tc.nn.Linear(3, 2), torch.nn.Linear(3, 2), np.ones((4, 3), "float32"))
    """
    theirs = dict(torch_model.state_dict())
    ours = model.state_dict()
    missing, extra = sorted(theirs.keys() - ours.keys()), sorted(ours.keys() - theirs.keys())
    if missing or extra:
        raise ArgumentError(
            f"The models have different names: missing here {missing}, only here {extra}.",
            "The names in state_dict() must agree: they are those of the attributes.",
        )
    model.load_state_dict({name: from_numpy(_host(value)) for name, value in theirs.items()})
    model.train(torch_model.training)
    model.zero_grad()
    torch_model.zero_grad()
    torch = sys.modules["torch"]  # it is loaded, as there is a model of it
    arrays = [_host(x) for x in inputs]
    mine = [_leaf(from_numpy(a.copy())) for a in arrays]
    others = [_leaf(torch.from_numpy(a.copy())) for a in arrays]
    results = model(*mine), torch_model(*others)
    _same("output", _plain(results[0]), _plain(results[1]), rtol, atol)
    for made in results:
        sum((y * y).sum() for y in _floats(made)).backward()
    for i, (x, y) in enumerate(zip(mine, others, strict=True)):
        _same(f"gradient of input {i}", _plain(x.grad), _plain(y.grad), rtol, atol)
    wanted = dict(torch_model.named_parameters())
    for name, p in model.named_parameters():
        _same(f"gradient of {name}", _plain(p.grad), _plain(wanted[name].grad), rtol, atol)
    states = [_plain(dict(m.state_dict())) for m in (model, torch_model)]
    _same("state afterwards", states[0], states[1], rtol, atol)


def _host(x: Any) -> Any:
    """The numbers of a tensor of either library, or of an array."""
    return np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x)


def _leaf(x: Any) -> Any:
    return x.requires_grad_() if x.is_floating_point() else x


def _plain(made: Any) -> Any:
    """What a model returned, in arrays."""
    if isinstance(made, Mapping):
        return {k: _plain(v) for k, v in made.items()}
    if isinstance(made, (tuple, list)):
        return [_plain(v) for v in made]
    return _host(made) if hasattr(made, "detach") else made


def _floats(made: Any) -> list[Any]:
    """The tensors in what a model returned that gradients can come from."""
    if isinstance(made, Mapping):
        made = list(made.values())
    if isinstance(made, (tuple, list)):
        return [y for v in made for y in _floats(v)]
    return [made] if hasattr(made, "detach") and made.requires_grad else []


def _same(what: str, ours: Any, theirs: Any, rtol: float | None, atol: float | None) -> None:
    assert_close(ours, theirs, rtol=rtol, atol=atol, msg=lambda text: f"{what}: {text}")
