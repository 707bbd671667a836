"""Channels into pixels and back, and channels among themselves."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..shapes import Shape
from ._common import shape_of
from .views import named, permute, reshape


def _regroup(x: Any, parts: Shape, order: Shape, shape: Shape, name: str) -> Any:
    """Split dimensions, reorder them, join them again; always a copy."""
    y = reshape(permute(reshape(x, parts), order), shape)
    return named(y if y.base is None else y.clone(), f"{name}Backward0")


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Make an image ``r`` times as large from every ``r^2`` channels (arXiv 1609.05158).

    Shape:
        ``(*, c r^2, h, w) -> (*, c, h r, w r)``

    Raises:
        ShapeError: the channels are no multiple of ``r^2``.

    >>> import tinyconv as tc
    >>> x = tc.arange(4.).reshape(1, 4, 1, 1)
    >>> tc.nn.functional.pixel_shuffle(x, 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    r = int(upscale_factor)
    *lead, c, h, w = _images(input, "pixel_shuffle", "upscale_factor", r)
    if c % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}",
            f"The layer before should have {r * r} channels for each one of the result.",
        )
    c, n = c // (r * r), len(lead)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return _regroup(input, (*lead, c, r, r, h, w), order, (*lead, c, h * r, w * r), "PixelShuffle")


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Undo :func:`pixel_shuffle`.

    Shape:
        ``(*, c, h r, w r) -> (*, c r^2, h, w)``

    Raises:
        ShapeError: height or width is no multiple of ``r``.

    >>> import tinyconv as tc
    >>> tc.nn.functional.pixel_unshuffle(tc.zeros(1, 1, 4, 6), 2).shape
    tinyconv.Size([1, 4, 2, 3])
    """
    r = int(downscale_factor)
    *lead, c, h, w = _images(input, "pixel_unshuffle", "downscale_factor", r)
    for name, n, at in (("height", h, -2), ("width", w, -1)):
        if n % r:
            raise ShapeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({at})={n} is not divisible by {r}",
                "Crop or pad the images first.",
            )
    h, w, n = h // r, w // r, len(lead)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return _regroup(
        input, (*lead, c, h, r, w, r), order, (*lead, c * r * r, h, w), "PixelUnshuffle"
    )


def _images(x: Any, name: str, factor: str, r: int) -> Shape:
    shape = shape_of(x)
    if len(shape) < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s)",
            "The last three are channels, height and width.",
        )
    if r < 1:
        raise ShapeError(f"{name} expects a positive {factor}, but got {r}")
    return shape


def channel_shuffle(input: Any, groups: int) -> Any:
    """Deal the channels of ``groups`` groups out one by one (arXiv 1707.01083).

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ShapeError: the groups do not divide the channels.

    >>> import tinyconv as tc
    >>> tc.nn.functional.channel_shuffle(tc.arange(6.).reshape(1, 6, 1, 1), 2).flatten()
    tensor([0., 3., 1., 4., 2., 5.])
    """
    shape = shape_of(input)
    if len(shape) < 3:
        raise ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}",
            "The first two are batch and channels.",
        )
    if groups < 1:
        raise ShapeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, c, *rest = shape
    if c % groups:
        raise ShapeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    parts = (n, groups, c // groups, *rest)
    order = (0, 2, 1, *range(3, len(parts)))
    return _regroup(input, parts, order, shape, "ChannelShuffle")
