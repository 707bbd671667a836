"""Images looked up at places that a grid tells, and the grids of affine maps (Jaderberg et al., arXiv 1506.02025)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..autograd.autocast import FLOAT32_ON_CPU, recast
from ..autograd.function import type_name, widened
from ..backend import XP, Array
from ..dtypes import FLOATS
from ..errors import ArgumentError, DTypeError, ShapeError
from ._common import as_given, dtype_of, evenly, ndim_of, not_implemented, select, shape_of
from .choose import clamp
from .elementwise import abs, fmod, mul
from .indexing import Gather
from .linalg import matmul
from .slices import select as pick
from .views import named, reshape, transpose

MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
CUBIC = -0.75  # the free parameter of cubic convolution, Keys 1981

# ── where to look ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Axis:
    """One dimension of an image: how many pixels it has, and what is beyond them."""

    size: int
    padding: str
    align_corners: bool

    def pixels(self, x: Any) -> Any:
        """Pixels from the coordinates -1 to 1: of the centres of the outermost ones, or of their edges."""
        if self.align_corners:
            return (x + 1) * ((self.size - 1) / 2)
        return (x + 1) * (self.size / 2) - 0.5

    def bounded(self, x: Any) -> Any:
        """Pixels beyond the image moved into it; not for padding with zeros."""
        if self.padding == "zeros":
            return x
        if self.padding == "reflection":
            x = self._reflected(x)
        return clamp(x, 0, self.size - 1)

    def _reflected(self, x: Any) -> Any:
        low, span = (0.0, self.size - 1) if self.align_corners else (-0.5, self.size)
        if not span:
            return x * 0
        way = abs(x - low)
        rest, xp = fmod(way, float(span)), XP[type(x.array)]
        back = x.wrap(xp.floor(way.array / span) % 2 == 1)
        return select(back, span - rest, rest) + low

    def taps(self, x: Any, mode: str) -> list[Tap]:
        """The pixels that count for each place, and how much."""
        xp = XP[type(x.array)]
        if mode == "nearest":
            return [self._tap(xp.rint(self.bounded(x).array), None)]
        if mode == "bilinear":
            x = self.bounded(x)
        first = xp.floor(x.array)
        t = x - x.wrap(first)
        if mode == "bilinear":
            return [self._tap(first, 1 - t), self._tap(first + 1, t)]
        weights = _far(t + 1), _near(t), _near(1 - t), _far(2 - t)
        return [
            self._tap(self.bounded(x.wrap(first + (k - 1))).array, w) for k, w in enumerate(weights)
        ]

    def _tap(self, at: Array, weight: Any) -> Tap:
        xp = XP[type(at)]
        inside = (at >= 0) & (at <= self.size - 1)
        return Tap(xp.where(inside, at, 0).astype("int64"), inside, weight)


@dataclass(frozen=True)
class Tap:
    """Places along one dimension, whether they lie inside, and their weights."""

    at: Array
    inside: Array
    weight: Any


def _near(t: Any) -> Any:
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def _far(t: Any) -> Any:
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC


# ── public ────────────────────────────────────────────────────────────────────────────────────


def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """What an image shows at the places of ``grid``.

    Args:
        grid: places (x, y), or (x, y, z), from -1 to 1.
        mode: ``'bilinear'``, ``'nearest'``, or for images ``'bicubic'``.
        padding_mode: what is beyond the image: ``'zeros'``, its ``'border'``, or its ``'reflection'``.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or else their edges.

    Shape:
        ``(n, c, h, w), (n, oh, ow, 2) -> (n, c, oh, ow)``, and the same of volumes with a last dimension of 3

    Raises:
        ArgumentError: an unknown mode. ShapeError: the shapes do not fit. DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[[[1., 3.]]]])
    >>> at = tc.tensor([[[[0., 0.], [1., 0.]]]], requires_grad=True)
    >>> y = tc.nn.functional.grid_sample(x, at, align_corners=True)
    >>> y.flatten()
    tensor([2., 3.], grad_fn=<ViewBackward0>)
    >>> y[0, 0, 0, 0].backward()
    >>> at.grad[0, 0, 0]
    tensor([1., 0.])
    """
    for name, given, known in (("mode", mode, MODES), ("padding_mode", padding_mode, PADDINGS)):
        if given not in known:
            words = "'{}', '{}'{} or '{}'".format(*known[:2], "," * (name != "mode"), known[2])
            raise ArgumentError(
                f"nn.functional.grid_sample(): expected {name} to be {words}, but got: '{given}'"
            )
    aligned = _aligned(align_corners)
    image, places = recast(FLOAT32_ON_CPU, input, grid)
    _check(image, places, mode)
    x, places = widened(image), widened(places)
    n, c, *sizes = shape_of(x)
    out = shape_of(grid)[1:-1]
    axes = [Axis(size, padding_mode, aligned) for size in sizes]
    taps = []
    for k, axis in enumerate(reversed(axes)):  # x is the last dimension
        v = reshape(pick(places, -1, k), n, 1, prod(out))
        taps.append(axis.taps(axis.pixels(v), mode))
    y, flat = None, reshape(x, n, c, prod(sizes))
    for corner in itertools.product(*reversed(taps)):
        value = _looked_up(flat, corner, sizes)
        y = value if y is None else y + value
    y = named(reshape(y, n, c, *out), f"GridSampler{len(sizes)}DBackward0")
    return as_given(y, image)


def _looked_up(flat: Any, corner: Sequence[Tap], sizes: Sequence[int]) -> Any:
    """One pixel for each place, times its weight."""
    xp, (n, c, _) = XP[type(flat.array)], shape_of(flat)
    place, inside, weight = corner[0].at, corner[0].inside, corner[0].weight
    for tap, size in zip(corner[1:], sizes[1:], strict=True):
        place, inside = place * size + tap.at, inside & tap.inside
        weight = None if weight is None else mul(weight, tap.weight)
    index = xp.broadcast_to(place, (n, c, place.shape[2]))
    value = select(flat.wrap(inside), Gather(2)(flat, flat.wrap(index)), 0)
    return value if weight is None else mul(value, weight)


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """The places that an affine map takes the pixels of an image to, for :func:`grid_sample`.

    Args:
        theta: a matrix and, in its last column, a shift, for each image. size: (n, c, h, w) of the output.
        align_corners: as for :func:`grid_sample`.

    Shape:
        ``(n, 2, 3) -> (n, h, w, 2)``, and for volumes ``(n, 3, 4) -> (n, d, h, w, 3)``

    Raises:
        ArgumentError: ``theta`` has another shape, or integers. NotImplementedError: another number of sizes.

    >>> import tinyconv as tc
    >>> turn = tc.tensor([[[0., -1., 0.], [1., 0., 0.]]])
    >>> tc.nn.functional.affine_grid(turn, (1, 1, 1, 2), align_corners=False)
    tensor([[[[ 0.0000, -0.5000],
              [ 0.0000,  0.5000]]]])
    """
    aligned = _aligned(align_corners)
    size = tuple(size)
    if not dtype_of(theta).is_floating_point:
        raise ArgumentError(
            f"Expected theta to have floating point type, but got {dtype_of(theta)}",
            "Write theta.float().",
        )
    d = len(size) - 2
    if d not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}.\nIt is (n, c, h, w), or (n, c, d, h, w)."
        )
    if ndim_of(theta) != 3 or shape_of(theta)[1:] != (d, d + 1):
        raise ArgumentError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. Got "
            f"tinyconv.Size({list(shape_of(theta))}).",
            "The last column is the shift.",
        )
    if aligned and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True.\nA single pixel lies in the middle.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ArgumentError(f"Expected non-zero, positive output size. Got {size}")
    xp = XP[type(theta.array)]
    kind = theta.array.dtype
    base = xp.ones((*size[2:], d + 1), kind)
    for k, n in enumerate(reversed(size[2:])):
        line = evenly(xp, kind.type(-1), kind.type(1), n) if n > 1 else xp.zeros(1, kind)
        line = line if aligned else line * kind.type(n - 1) / kind.type(n)
        base[..., k] = line.reshape(n, *(1,) * k)
    places = matmul(theta.wrap(base.reshape(1, -1, d + 1)), transpose(theta, 1, 2))
    return named(reshape(places, size[0], *size[2:], d), "AffineGridGeneratorBackward0")


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


def _aligned(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0.\nWrite align_corners=False, or True if -1 and 1 are the centres of pixels.",
            stacklevel=3,
        )
    return bool(align_corners)


def _check(input: Any, grid: Any, mode: str) -> None:
    s, g = shape_of(input), shape_of(grid)
    sizes = f"input with sizes {list(s)} and grid with sizes {list(g)}"
    if s[:1] != g[:1]:
        raise ShapeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got {sizes}",
            "There is one grid for each image.",
        )
    if g[-1] != len(s) - 2:
        raise ShapeError(
            f"grid_sampler(): expected grid to have size {len(s) - 2} in last dimension, but got "
            f"grid with sizes {list(g)}",
            "They are x, y and, for volumes, z.",
        )
    if len(s) not in (4, 5) or len(s) != len(g):
        raise ShapeError(
            f"grid_sampler(): expected {5 if len(s) > 4 else 4}D input and grid with same number of "
            f"dimensions, but got {sizes}"
        )
    for k, n in enumerate(s[2:], 2):
        if n == 0:
            raise ShapeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
                f"sizes {list(s)} with dimension {k} being empty"
            )
    if mode == "bicubic" and len(s) != 4:
        raise ShapeError(
            "grid_sampler(): bicubic interpolation only supports 4D input", "Write 'bilinear'."
        )
    if input.array.dtype not in FLOATS:
        kernel = f"grid_sampler_{len(s) - 2}d_cpu_kernel_impl"
        raise not_implemented(kernel, input.array, "Write input.float() first.")
    if input.array.dtype != grid.array.dtype:
        raise DTypeError(
            f"expected scalar type {type_name(input.array)} but found {type_name(grid.array)}",
            f"Write grid.to({dtype_of(input)}).",
        )
