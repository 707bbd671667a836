"""Parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from ... import ops
from ...errors import ShapeError
from ...tensor import Tensor
from ..tree import typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All numbers of the parameters in one vector.

    >>> import tinyconv as tc
    >>> tc.nn.utils.parameters_to_vector([tc.ones(2), tc.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    return ops.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the numbers of a vector, in the order of :func:`parameters_to_vector`.

    Raises:
        TypeError: ``vec`` is no tensor.
        ShapeError: it is shorter than the parameters together; then none was changed.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected tinyconv.Tensor, but got: {typename(vec)}")
    targets = list(parameters)
    needed = sum(p.numel() for p in targets)
    if vec.numel() < needed:
        raise ShapeError(
            f"shape is invalid for input of size {vec.numel()}",
            f"The parameters hold {needed} numbers.",
        )
    start = 0
    for p in targets:
        p.data = vec[start : start + p.numel()].view_as(p).data
        start += p.numel()
