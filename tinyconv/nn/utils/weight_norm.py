"""Weight norm by a hook before each forward pass; see :mod:`.parametrizations` for the newer way."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from ..module import Module
from ..parameter import Parameter, is_lazy
from ._rescale import norm_except_dim, of_norm

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class WeightNorm:
    """The hook: ``weight`` is computed from ``weight_g`` and ``weight_v`` before each forward pass."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """g v / ||v||."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return of_norm(g, v, self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def _hooks(module: Module, name: str) -> dict[int, WeightNorm]:
    """The hooks of weight norm for this parameter: one at most."""
    functions = ((key, hook.function) for key, hook in module._hooks.items())
    return {k: f for k, f in functions if isinstance(f, WeightNorm) and f.name == name}


def weight_norm(module: M, name: str = "weight", dim: int = 0) -> M:
    """Train length and direction of a weight apart: w = g v / ||v||; ``parametrizations.weight_norm`` is newer.

    Args:
        name: which parameter; it becomes ``weight_g`` and ``weight_v``.
        dim: the dimension along which each place has a length of its own; None for one length of all.

    Raises:
        RuntimeError: it has weight norm already.
        ValueError: its shape is not known yet.
    """
    warnings.warn(
        "`tinyconv.nn.utils.weight_norm` is deprecated in favor of "
        "`tinyconv.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if _hooks(module, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure to "
            "run the dummy forward before applying weight normalization"
        )
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, hook.dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a weight with :func:`weight_norm` an ordinary parameter again.

    Raises:
        ValueError: it has no weight norm.
    """
    for key, hook in _hooks(module, name).items():
        weight = hook.compute_weight(module)
        for gone in (name, name + "_g", name + "_v"):
            delattr(module, gone)
        setattr(module, name, Parameter(weight.data))
        del module._hooks[key]
        return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
