"""Matrices that stay orthogonal: a map from all lower triangular matrices onto them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...autograd.mode import no_grad
from ...creation import eye, from_numpy, randn, zeros_like
from ...dtypes import finfo
from ...linalg import qr, solve
from ...tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization

# ── from the lower triangle X (n, k), n >= k, to orthonormal columns (n, k) ──


def _exponential(X: Tensor) -> Tensor:
    """The first columns of exp(A), A skew-symmetric: a Taylor series of A / 2^s, squared s times."""
    A = _skew(X)
    largest = float(A.detach().abs().sum(-1).amax()) if A.numel() else 0.0
    s = max(0, math.ceil(math.log2(largest))) if largest else 0
    A = A * 2.0**-s
    one = _one(A)
    Q = one
    for i in range(18, 0, -1):  # 1 / 19! is far below the last digit
        Q = one + A @ Q / i
    for _ in range(s):
        Q = Q @ Q
    return Q[..., : X.shape[-1]]


def _cayley(X: Tensor) -> Tensor:
    """The first columns of (I - A/2)^-1 (I + A/2), A skew-symmetric."""
    A = _skew(X)
    return solve(_one(A) - A / 2, _one(A) + A / 2)[..., : X.shape[-1]]


def _householder(X: Tensor) -> Tensor:
    """The product of reflections along the columns of X below a diagonal of ones.

    H_1 ... H_k = I - V T V', where the inverse of T is the upper triangle of V'V with half of its diagonal.
    Source: Joffrain et al., "Accumulating Householder Transformations, Revisited" (2006).
    """
    n, k = X.shape[-2:]
    corner = eye(n, k, dtype=X.dtype, device=X.device)
    V = X.tril(-1) + corner
    inner = V.transpose(-1, -2) @ V
    diagonal = inner.diagonal(dim1=-2, dim2=-1)
    T = inner.triu(1) + ops.diag_embed(diagonal / 2)
    Q = corner - V @ solve(T, V[..., :k, :].transpose(-1, -2))
    return Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)  # signs, which are not trained


def _skew(X: Tensor) -> Tensor:
    """The square skew-symmetric matrix that has the lower triangle of X."""
    n, k = X.shape[-2:]
    L = X.tril()
    if n != k:
        L = ops.cat([L, L.new_zeros(*L.shape[:-2], n, n - k)], dim=-1)
    return L - L.transpose(-1, -2)


def _one(A: Tensor) -> Tensor:
    return eye(A.shape[-1], dtype=A.dtype, device=A.device)


MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "matrix_exp": _exponential,
    "cayley": _cayley,
    "householder": _householder,
}


# ── back ──


def _orthogonalized(A: Tensor) -> Tensor:
    """The Q of A = QR whose R has a positive diagonal."""
    Q, R = qr(A)
    result: Tensor = Q * R.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return result


def _is_orthogonal(Q: Tensor) -> bool:
    tolerance = 10.0 * Q.shape[-2] * finfo(Q.dtype).eps
    return ops.allclose(Q.transpose(-1, -2) @ Q, _one(Q), atol=tolerance)


def _reflections(Q: Tensor) -> Tensor:
    """The vectors of the reflections whose product is Q, below a diagonal of signs."""
    raw, tau = np.linalg.qr(Q.detach().cpu().numpy(), mode="raw")
    V = np.swapaxes(raw, -1, -2).copy()
    places = np.arange(V.shape[-1])
    signs = np.sign(V[..., places, places])
    V[..., places, places] = np.where(tau == 0, -signs, signs)  # LAPACK left out this reflection
    return from_numpy(V).to(Q.device)


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        Q = MAPS[self.orthogonal_map](X.mT if wide else X)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            V = _reflections(tall)
            return V.mT if wide else V
        n, k = tall.shape[-2:]
        if n != k:
            rest = randn(*tall.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
            self.base = _orthogonalized(ops.cat([tall, rest], dim=-1))
        else:
            self.base = tall.clone() if _is_orthogonal(tall) else _orthogonalized(tall)
        X = zeros_like(Q)
        X.diagonal(dim1=-2, dim2=-1).fill_(-1.0)  # reflections of this are the identity
        return X


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix orthogonal: its columns, or its rows if there are fewer, stay orthonormal.

    Lezcano-Casado, "Trivializations for Gradient-Based Optimization on Manifolds" (2019).

    Args:
        name: which parameter: a matrix, or a batch of matrices.
        orthogonal_map: ``"matrix_exp"`` (of square ones, if not given), ``"cayley"`` or ``"householder"``.
        use_trivialization: multiply by a fixed matrix, so that training starts at the identity of the map.

    Raises:
        ValueError: there is no such parameter, it is a vector, or there is no such map.

    >>> import tinyconv as tc
    >>> layer = tc.nn.utils.parametrizations.orthogonal(tc.nn.Linear(3, 5))
    >>> tc.allclose(layer.weight.T @ layer.weight, tc.eye(3), atol=1e-5)
    True
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    square = weight.shape[-2] == weight.shape[-1]
    which = orthogonal_map or ("matrix_exp" if square else "householder")
    if which not in MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    return register_parametrization(
        module, name, _Orthogonal(weight, which, use_trivialization), unsafe=True
    )
