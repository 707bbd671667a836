"""What both ways of weight norm and spectral norm share: sums over all dimensions but one, and power iterations."""

from __future__ import annotations

from ...autograd.mode import no_grad
from ...creation import empty
from ...tensor import Tensor
from .. import functional as F
from ..conv import _Transpose
from ..module import Module


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over all dimensions but ``dim``, which stay with size 1; over all and without dimensions for -1."""
    if dim == -1:
        return v.norm()
    front = v.transpose(0, dim)
    norms = front.reshape(front.shape[0], -1).norm(2, 1)
    return norms.reshape(-1, *[1] * (v.ndim - 1)).transpose(0, dim)


def of_norm(g: Tensor, v: Tensor, dim: int) -> Tensor:
    """g v / ||v||."""
    return v * (g / norm_except_dim(v, dim))


def output_dim(module: Module) -> int:
    """The dimension of the weight that counts the outputs."""
    return 1 if isinstance(module, _Transpose) else 0


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows belong to the places along ``dim``."""
    front = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim)) if dim else weight
    return front.reshape(front.shape[0], -1)


def unit_vector(size: int, like: Tensor, eps: float) -> Tensor:
    """A random direction: normal numbers, divided by their norm."""
    drawn = empty(size, dtype=like.dtype, device=like.device).normal_(0, 1)
    return F.normalize(drawn, dim=0, eps=eps)


@no_grad()
def into_direction(of: Tensor, target: Tensor, eps: float) -> None:
    """Write the direction of a vector into ``target``: half a step of the power iteration."""
    target.copy_(F.normalize(of, dim=0, eps=eps))


def check_iterations(n_power_iterations: int) -> None:
    """Refuse a number of iterations that is not positive."""
    if n_power_iterations <= 0:
        raise ValueError(
            "Expected n_power_iterations to be positive, but got "
            f"n_power_iterations={n_power_iterations}"
        )
