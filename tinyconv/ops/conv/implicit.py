"""Convolution on a GPU by our own kernels: matrix products whose one factor, the windows, is never written down."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ...backend import XP, Array, Kernel, blocks
from ...dtypes import HALVES
from ...shapes import Shape
from .columns import fold_windows, unfold_windows

TILE = 64  # side of what a block computes, as in implicit.cu
_NARROW = 8  # with fewer channels in a group, elements one by one instead of tiles
_BLOCKS = 512  # about what keeps a GPU busy


class Geometry(NamedTuple):
    """All sizes of a convolution, in the order in which the kernels take them."""

    n: int
    c: int
    h: int
    w: int
    f: int
    oh: int
    ow: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    dh: int
    dw: int
    groups: int

    @property
    def images(self) -> Shape:
        return self.n, self.c, self.h, self.w

    @property
    def filters(self) -> Shape:
        return self.f, self.c // self.groups, self.kh, self.kw

    @property
    def outputs(self) -> Shape:
        return self.n, self.f, self.oh, self.ow

    @property
    def is_pointwise(self) -> bool:
        """Tell whether it is one matrix product for each image."""
        return self[7:13] == (1, 1, 1, 1, 0, 0) and self.groups == 1

    @property
    def is_narrow(self) -> bool:
        return self.groups > 1 and min(self.c, self.f) < _NARROW * self.groups


def _tiles(rows: int, columns: int) -> int:
    return -(-rows // TILE) * -(-columns // TILE)


# ── kernels: x (n, c, h, w), w (f, c/groups, kh, kw), y (n, f, oh, ow), then a Geometry ──────────


def _window_columns(xp: Any, x: Array, g: Geometry) -> Array:
    """The windows as matrices (groups, c/groups kh kw, n oh ow)."""
    columns = xp.empty((g.c * g.kh * g.kw, g.n, g.oh, g.ow), x.dtype)
    unfold_windows.definition(xp, x, columns, *g[5:15])
    return columns.reshape(g.groups, -1, g.n * g.oh * g.ow)


def _by_group(a: Array, groups: int) -> Array:
    """Images (n, f, oh, ow) as matrices (groups, f/groups, n oh ow)."""
    return a.swapaxes(0, 1).reshape(groups, a.shape[1] // groups, -1)


@Kernel
def forward_tiles(xp, x, w, y, *geometry):
    """y = x * w"""
    g = Geometry(*geometry)
    product = w.reshape(g.groups, g.f // g.groups, -1) @ _window_columns(xp, x, g)
    y[...] = product.reshape(g.f, g.n, g.oh, g.ow).swapaxes(0, 1)


@forward_tiles.cuda
def _forward_tiles_cuda(x, w, y, *geometry):
    g = Geometry(*geometry)
    return _tiles(g.f // g.groups, g.n * g.oh * g.ow) * g.groups, (x, w, y, *g)


@Kernel
def input_tiles(xp, gy, w, gx, *geometry):
    """gx = the gradient of x"""
    g = Geometry(*geometry)
    filters = w.reshape(g.groups, g.f // g.groups, -1).swapaxes(1, 2)
    fold_windows.definition(xp, filters @ _by_group(gy, g.groups), gx, *g[5:15])


@input_tiles.cuda
def _input_tiles_cuda(gy, w, gx, *geometry):
    g = Geometry(*geometry)
    return _tiles(g.c // g.groups, g.n * g.h * g.w) * g.groups, (gy, w, gx, *g)


@Kernel
def weight_tiles(xp, x, gy, sums, parts, *geometry):
    """sums (parts, f, c/groups, kh, kw) = the gradient of w, in parts that are to be added"""
    g = Geometry(*geometry)
    product = _by_group(gy, g.groups) @ _window_columns(xp, x, g).swapaxes(1, 2)
    sums[...] = 0
    sums[0] = product.reshape(g.filters)


@weight_tiles.cuda
def _weight_tiles_cuda(x, gy, sums, parts, *geometry):
    g = Geometry(*geometry)
    tiles = _tiles(g.f // g.groups, prod(g.filters[1:])) * g.groups
    return tiles * parts, (x, gy, sums, parts, *g)


@Kernel
def forward_narrow(xp, x, w, y, *geometry):
    """y = x * w"""
    forward_tiles.definition(xp, x, w, y, *geometry)


@forward_narrow.cuda
def _forward_narrow_cuda(x, w, y, *geometry):
    return blocks(y.size), (x, w, y, *geometry)


@Kernel
def input_narrow(xp, gy, w, gx, *geometry):
    """gx = the gradient of x"""
    input_tiles.definition(xp, gy, w, gx, *geometry)


@input_narrow.cuda
def _input_narrow_cuda(gy, w, gx, *geometry):
    return blocks(gx.size), (gy, w, gx, *geometry)


@Kernel
def weight_narrow(xp, x, gy, gw, *geometry):
    """gw = the gradient of w"""
    weight_tiles.definition(xp, x, gy, gw[None], 1, *geometry)


@weight_narrow.cuda
def _weight_narrow_cuda(x, gy, gw, *geometry):
    return gw.size, (x, gy, gw, *geometry)


# ── the three maps ────────────────────────────────────────────────────────────────────────────


def forward(x: Array, w: Array, y: Array, g: Geometry) -> None:
    """y = x * w, all in one piece, as are the arrays below."""
    (forward_narrow if g.is_narrow else forward_tiles)(x, w, y, *g)


def input_gradient(gy: Array, w: Array, gx: Array, g: Geometry) -> None:
    """gx = the transpose of ``forward`` in x, applied to gy."""
    (input_narrow if g.is_narrow else input_tiles)(gy, w, gx, *g)


def weight_gradient(x: Array, gy: Array, gw: Array, g: Geometry) -> None:
    """gw = the transpose of ``forward`` in w, applied to gy.

    The sum over all windows is cut into parts where there are too few tiles to keep the GPU busy.
    """
    if g.is_narrow:
        weight_narrow(x, gy, gw, *g)
        return
    tiles = _tiles(g.f // g.groups, prod(g.filters[1:])) * g.groups
    parts = max(1, min(_BLOCKS // tiles, g.n * g.oh * g.ow // _BLOCKS))
    wide = "float32" if x.dtype in HALVES else x.dtype
    sums = XP[type(x)].empty((parts, *g.filters), wide)
    weight_tiles(x, gy, sums, parts, *g)
    gw[...] = sums.sum(0)
