"""Layers that leave the numbers as they are."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..shapes import is_int
from .layer import Layer
from .module import Module


class Identity(Module):
    """Return the input; takes any arguments, and ignores them.

    >>> import tinyconv as tc
    >>> tc.nn.Identity(54, unused=True)(tc.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Layer, function=ops.flatten):
    """Run dimensions ``start_dim`` to ``end_dim`` together: all but the batch, if not told.

    Shape:
        ``(n, c, h, w) -> (n, c h w)``

    >>> import tinyconv as tc
    >>> tc.nn.Flatten()(tc.zeros(2, 3, 4, 4)).shape
    tinyconv.Size([2, 48])
    """

    start_dim: int = 1
    end_dim: int = -1


class Unflatten(Module):
    """Split one dimension into several.

    Args:
        dim: which. unflattened_size: the sizes, one of which may be -1.

    Shape:
        ``(n, c h w) -> (n, c, h, w)``

    Raises:
        TypeError: arguments of other types.

    >>> import tinyconv as tc
    >>> tc.nn.Unflatten(1, (3, -1))(tc.zeros(2, 12)).shape
    tinyconv.Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (list, tuple)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type "
                f"{type(unflattened_size).__name__}\nWrite (channels, height, width)."
            )
        for i, n in enumerate(unflattened_size):
            if not is_int(n):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(n).__name__} at pos {i}"
                )
        if not is_int(dim):
            raise TypeError(
                f"dim must be an int, but found type {type(dim).__name__}\n"
                "Dimensions have no names here."
            )
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        return ops.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
