"""Spectral norm by a hook before each forward pass; see :mod:`.parametrizations` for the newer way."""

from __future__ import annotations

from typing import Any, TypeVar

from ...autograd.mode import no_grad
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter, is_lazy
from ._rescale import as_matrix, check_iterations, into_direction, output_dim, unit_vector

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm:
    """The hook: ``weight`` is ``weight_orig`` divided by its largest singular value, as ``weight_u`` and ``_v`` have it."""

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        check_iterations(n_power_iterations)
        self.name, self.n_power_iterations = name, n_power_iterations
        self.dim, self.eps = dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """Divide, after further steps if wanted."""
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    into_direction(matrix.T.mv(u), v, self.eps)
                    into_direction(matrix.mv(v), u, self.eps)
            u, v = u.clone(), v.clone()  # the next call overwrites them
        return weight / u.dot(matrix.mv(v))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def _hooks(module: Module, name: str) -> dict[int, SpectralNorm]:
    """The hooks of spectral norm for this parameter: one at most."""
    functions = ((key, hook.function) for key, hook in module._hooks.items())
    return {k: f for k, f in functions if isinstance(f, SpectralNorm) and f.name == name}


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divide a weight by its largest singular value; ``parametrizations.spectral_norm`` is newer.

    Args:
        name: which parameter; it becomes ``weight_orig``.
        n_power_iterations: steps for each forward pass in training.
        eps: the least norm that is divided by.
        dim: the dimension of the outputs; 0 if not given, 1 for transposed convolutions.

    Raises:
        RuntimeError: it has spectral norm already.
        ValueError: it is None, its shape is not known yet, or there are no steps.

    >>> import tinyconv as tc
    >>> layer = tc.nn.utils.spectral_norm(tc.nn.Linear(2, 3))
    >>> list(layer.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if _hooks(module, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to "
            "run the dummy forward before applying spectral normalization"
        )
    u, v = (unit_vector(size, weight, eps) for size in as_matrix(weight.data, hook.dim).shape)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a weight with :func:`spectral_norm` an ordinary parameter again.

    Raises:
        ValueError: it has no spectral norm.
    """
    for key, hook in _hooks(module, name).items():
        with no_grad():
            weight = hook.compute_weight(module, do_power_iteration=False)
        for gone in (name, name + "_u", name + "_v", name + "_orig"):
            delattr(module, gone)
        module.register_parameter(name, Parameter(weight.detach()))
        del module._hooks[key]
        return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
