"""The bias of each channel, for convolutions that are computed without it: added in one pass over memory, and its gradient."""

from __future__ import annotations

from ..backend import XP, Array, Kernel, blocks
from ._layout import is_last, rows, settled
from ._norm import channel_sums


@Kernel
def shift_channels(xp, y, b, relu):
    """y += b, by channel; with ``relu``, what is negative then becomes 0."""
    y += b[:, None]
    if relu:
        xp.copyto(y, 0, where=y < 0)


@shift_channels.cuda
def _shift_channels_cuda(y, b, relu):
    return blocks(-(-y.size // 8)), (y, b, int(relu), *y.shape)


def add_bias(y: Array, b: Array, relu: bool = False) -> None:
    """Add ``b`` (c,) to ``y`` (n, c, *), in its memory; with ``relu``, what is negative then becomes 0.

    ``y`` has no gaps: it lies as its shape reads, or with its channels side by side.
    """
    assert y.flags.c_contiguous or is_last(y), f"strides {y.strides} of {y.shape}"
    shift_channels(rows(y, is_last(y)), b.astype(y.dtype, copy=False), relu)


def bias_gradient(g: Array) -> Array:
    """The sum of ``g`` (n, c, *) over all but the channels."""
    g, last = settled(g)
    sums = XP[type(g)].empty(g.shape[1], g.dtype)
    channel_sums(rows(g, last), sums)
    return sums
