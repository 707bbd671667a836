"""Parametrizations of weights: by direction and length, by their largest singular value, by orthogonality."""

from __future__ import annotations

from typing import Any

from ...autograd.mode import no_grad
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from ._orthogonal import orthogonal
from ._rescale import (
    as_matrix,
    check_iterations,
    into_direction,
    norm_except_dim,
    of_norm,
    output_dim,
    unit_vector,
)
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _weight(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return of_norm(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Train length and direction of a weight apart: w = g v / ||v||.

    Salimans and Kingma, "Weight Normalization" (2016). g is ``parametrizations.weight.original0``, v is ``original1``.
    States of the older :func:`tinyconv.nn.utils.weight_norm` can be loaded.

    Args:
        name: which parameter.
        dim: the dimension along which each place has a length of its own; None for one length of all.

    >>> import tinyconv as tc
    >>> layer = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(2, 3))
    >>> [(name, tuple(p.shape)) for name, p in layer.named_parameters()]
    [('bias', (3,)), ('parametrizations.weight.original0', (3, 1)), ('parametrizations.weight.original1', (3, 2))]
    >>> g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    >>> tc.allclose(layer.weight, v), tc.allclose(layer.weight.norm(dim=1, keepdim=True), g)
    (True, True)
    >>> layer.weight.sum().backward()  # no gradient along v: it would only change the length
    >>> tc.allclose((v.grad * v).sum(1), tc.zeros(3), atol=1e-6)
    True
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(module: Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    _u: Tensor  # about the first left singular vector
    _v: Tensor  # about the first right one

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        check_iterations(n_power_iterations)
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:  # the norm of a vector needs no estimate
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            u, v = (unit_vector(size, weight, eps) for size in matrix.shape)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._iterate(matrix, 15)

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            into_direction(matrix.mv(self._v), self._u, self.eps)
            into_direction(matrix.T.mv(self._u), self._v, self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next call overwrites them
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value, which power iterations follow while training.

    Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018). Each time the weight is read in
    training, ``n_power_iterations`` steps are made from the vectors of the last time.

    Args:
        name: which parameter.
        n_power_iterations: steps for each time that it is read.
        eps: the least norm that is divided by.
        dim: the dimension of the outputs; 0 if not given, 1 for transposed convolutions.

    Raises:
        ValueError: there is no such parameter, or no steps.
        IndexError: there is no such dimension.

    >>> import tinyconv as tc
    >>> layer = tc.nn.utils.parametrizations.spectral_norm(tc.nn.Linear(2, 3))
    >>> for _ in range(50):
    ...     w = layer.weight
    >>> tc.allclose(tc.linalg.matrix_norm(w, 2), tc.tensor(1.0))
    True
    """
    where = output_dim(module) if dim is None else dim
    norm = _SpectralNorm(_weight(module, name), n_power_iterations, where, eps)
    return register_parametrization(module, name, norm)
