"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import GraphError
from ..nn import Module
from ..ops import stack
from ..tensor import Tensor

Tensors = dict[str, Tensor]


@contextmanager
def _exchanged(module: Module, given: Tensors) -> Iterator[None]:
    """Let a module have other parameters and buffers for a while."""
    before = []
    try:
        for path, tensor in given.items():
            prefix, _, name = path.rpartition(".")
            owner = module.get_submodule(prefix)
            table: dict[str, Any] = owner._parameters
            if name not in table:
                table = owner._buffers
            before.append((table, name, table[name]))
            table[name] = tensor
        yield
    finally:
        for table, name, tensor in reversed(before):
            table[name] = tensor


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Tensors | Sequence[Tensors],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with these parameters and buffers instead of its own, which stay as they are.

    Args:
        parameter_and_buffer_dicts: tensors by the names of ``state_dict``, in one dict or several.
        args: the arguments; one that is no tuple is the only one.
        tie_weights: a tensor that the module has under several names is exchanged under all.
        strict: every parameter and buffer must be given.

    Raises:
        GraphError: a name that the module does not have, or one that is missing in strict mode.

    >>> import tinyconv as tc
    >>> layer = tc.nn.Linear(2, 1, bias=False)
    >>> def loss(weights, x):
    ...     return tc.func.functional_call(layer, weights, (x,)).sum()
    >>> tc.func.grad(loss)({"weight": tc.ones(1, 2)}, tc.tensor([[3., 4.]]))
    {'weight': tensor([[3., 4.]])}
    """
    tables = parameter_and_buffer_dicts
    dicts = [tables] if isinstance(tables, dict) else list(tables)
    given: Tensors = {}
    for d in dicts:
        repeated = sorted(given.keys() & d.keys())
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given.update(d)
    names: Tensors = dict(module.named_parameters(remove_duplicate=False))
    names |= dict(module.named_buffers(remove_duplicate=False))
    unknown, missing = sorted(given.keys() - names.keys()), sorted(names.keys() - given.keys())
    if strict and (unknown or missing):
        raise GraphError(
            f"Error(s) in loading parameters: missing keys {missing}, unexpected keys {unknown}.",
            "With strict=False the module's own serve for what is missing.",
        )
    for name in unknown:
        if not strict:
            raise KeyError(f"{name}: {type(module).__name__} has no such parameter or buffer.")
    if tie_weights:
        for name, tensor in names.items():
            twin = next((n for n in given if names[n] is tensor), None)
            if twin is not None:
                given.setdefault(name, given[twin])
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _exchanged(module, given):
        return module(*arguments, **(kwargs or {}))


def stack_module_state(models: Sequence[Module]) -> tuple[Tensors, Tensors]:
    """The parameters and the buffers of equal modules, each stacked along a first dimension, for ``vmap``.

    >>> import tinyconv as tc
    >>> weights, buffers = tc.func.stack_module_state([tc.nn.Linear(2, 3) for _ in range(4)])
    >>> weights["weight"].shape
    tinyconv.Size([4, 3, 2])
    """
    if not models:
        raise GraphError("stack_module_state: Expected at least one model, got 0.")
    if len({type(m) for m in models}) > 1:
        raise GraphError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    stacked = {
        n: stack([p[n].detach() for p in parameters]).requires_grad_() for n in parameters[0]
    }
    return stacked, {n: stack([b[n] for b in buffers]) for n in buffers[0]}
