"""Images seen through a map from new places to old ones: turned, sheared, in perspective, rippled.

Pillow does this for PIL images. For Tensors the map becomes a grid of old places, from -1 to 1 across the image, and
:func:`grid_sample` looks there. What comes from outside of the image is ``fill``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...creation import arange, linspace, ones, tensor
from ...dtypes import float32
from ...ops import cat, grid_sample, stack, where
from ...tensor import Size, Tensor
from ..pillow import Image, is_image
from .geometry import Picture, each_plane, fill_of, get_dimensions
from .resample import InterpolationMode, filter_of, mode_of, rounded
from .values import pil_to_tensor, to_pil_image

__all__ = ["affine", "elastic_transform", "perspective", "rotate"]

Fill = float | Sequence[float] | None
Mode = InterpolationMode | str | int


def affine(
    img: Picture,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Mode = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Picture:
    """Turn, shift, scale and shear an image, whose size stays.

    Args:
        img: the image
        angle: in degrees, clockwise
        translate: pixels to the right and down
        scale: of lengths
        shear: in degrees, along x; or along x and y
        interpolation: nearest or bilinear; for PIL images bicubic, too
        fill: the value of what was outside, for all channels or one for each
        center: the fixed point (x, y) in pixels from the upper left corner; the middle unless given

    >>> affine(np.array([[1, 2, 3]], np.uint8), 0, (1, 0), 1.0, 0.0)
    array([[0, 1, 2]], dtype=uint8)
    """
    mode = mode_of(interpolation)
    _need_angle(angle)
    if not isinstance(translate, (list, tuple)):
        raise TypeError(
            f"Argument translate should be a sequence\nGot {translate!r}: write (0, 0)."
        )
    if len(translate) != 2:
        raise ValueError(
            f"Argument translate should be a sequence of length 2\nGot {translate}: write (dx, dy)."
        )
    if scale <= 0:
        raise ValueError(f"Argument scale should be positive\nGot {scale}: 1.0 keeps the size.")
    if not isinstance(shear, (int, float, list, tuple)):
        raise TypeError(
            f"Shear should be either a single value or a sequence of two values\nGot {shear!r}."
        )
    shears = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear)
    shears = shears * 2 if len(shears) == 1 else shears
    if len(shears) != 2:
        raise ValueError(
            f"Shear should be a sequence containing two values. Got {shears}\n"
            "Write the angles along x and y."
        )
    _need_center(center)
    _, h, w = get_dimensions(img)
    if is_image(img):
        middle = center or (w * 0.5, h * 0.5)
        matrix = _inverse(middle, angle, translate, scale, shears)
        return _by_pillow(img, Image.Transform.AFFINE, matrix, mode, fill)
    matrix = _inverse(_from_middle(center, h, w), angle, translate, scale, shears)
    return _through(img, lambda dtype: _affine_grid(matrix, h, w, h, w, dtype), mode, fill)


def rotate(
    img: Picture,
    angle: float,
    interpolation: Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Picture:
    """Turn an image.

    Args:
        img: the image
        angle: in degrees, counter-clockwise
        interpolation: nearest or bilinear; for PIL images bicubic, too
        expand: make the image as large as it takes to hold all of the turned one; else its size stays
        center: the fixed point (x, y) in pixels from the upper left corner; the middle unless given
        fill: the value of what was outside, for all channels or one for each

    >>> rotate(np.array([[1, 2], [3, 4]], np.uint8), 90)
    array([[2, 4],
           [1, 3]], dtype=uint8)
    """
    mode = mode_of(interpolation)
    _need_angle(angle)
    _need_center(center)
    _, h, w = get_dimensions(img)
    if is_image(img):
        fixed = None if center is None else tuple(center)
        return img.rotate(angle, filter_of(mode), expand, fixed, fillcolor=fill_of(fill, img))
    matrix = _inverse(_from_middle(center, h, w), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    oh, ow = _size_of_turned(matrix, h, w) if expand else (h, w)
    return _through(img, lambda dtype: _affine_grid(matrix, h, w, oh, ow, dtype), mode, fill)


def perspective(
    img: Picture,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Mode = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Picture:
    """Show an image as if it hung somewhere in space.

    Args:
        img: the image
        startpoints: four of its pixels (x, y): for instance the corners, clockwise from the upper left one
        endpoints: where these shall be
        interpolation: nearest or bilinear; for PIL images bicubic, too
        fill: the value of what was outside, for all channels or one for each
    """
    row = _homography(startpoints, endpoints)
    mode = mode_of(interpolation)
    _, h, w = get_dimensions(img)
    if is_image(img):
        return _by_pillow(img, Image.Transform.PERSPECTIVE, row, mode, fill)
    return _through(img, lambda dtype: _perspective_grid(row, h, w, dtype), mode, fill)


def elastic_transform(
    img: Picture,
    displacement: Tensor,
    interpolation: Mode = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Picture:
    """Look at each place of an image somewhere beside it.

    Args:
        img: the image
        displacement: (1, H, W, 2) how far to the right and down to look, in half widths and heights of the image
        interpolation: nearest or bilinear
        fill: the value of what was outside, for all channels or one for each
    """
    mode = mode_of(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError(f"Argument displacement should be a Tensor\nGot {type(displacement)}.")
    _, h, w = get_dimensions(img)
    if displacement.shape != (1, h, w, 2):
        raise ValueError(
            f"Argument displacement shape should be {Size((1, h, w, 2))}, but given "
            f"{displacement.shape}\nIt holds x and y for each pixel."
        )
    if is_image(img):
        moved = elastic_transform(pil_to_tensor(img), displacement, mode, fill)
        return to_pil_image(moved, mode=img.mode)
    return _through(img, lambda dtype: _identity(h, w) + displacement, mode, fill)


# ── checks ────────────────────────────────────────────────────────────────────────────────────


def _need_angle(angle: Any) -> None:
    if not isinstance(angle, (int, float)):
        raise TypeError(f"Argument angle should be int or float\nGot {angle!r}, not degrees.")


def _need_center(center: Any) -> None:
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"Argument center should be a sequence\nGot {center!r}: write (x, y).")


# ── maps ──────────────────────────────────────────────────────────────────────────────────────


def _inverse(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The first two rows of the matrix from new places to old ones.

    A place goes to the centre, is sheared along x and along y, scaled, turned, goes back, and is shifted; this is the
    inverse of all that.
    """
    turn, sx, sy = (math.radians(degrees) for degrees in (angle, *shear))
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(turn - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -c * math.tan(sx) + math.cos(turn)
    rows = []
    for (p, q), middle in (((d, -b), cx), ((-c, a), cy)):
        p, q = p / scale, q / scale
        rows += [p, q, p * (-cx - tx) + q * (-cy - ty) + middle]
    return rows


def _from_middle(center: Sequence[float] | None, h: int, w: int) -> tuple[float, float]:
    return (0.0, 0.0) if center is None else (center[0] - w * 0.5, center[1] - h * 0.5)


def _size_of_turned(matrix: list[float], h: int, w: int) -> tuple[int, int]:
    """Height and width of what holds all of a turned image, in float32 and to a ten-thousandth as in torchvision."""
    half = np.array([w * 0.5, h * 0.5], np.float32)
    corners = half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], np.float32)
    rows = np.array(matrix, np.float32).reshape(2, 3)
    places = corners[:, :1] * rows[:, 0] + corners[:, 1:] * rows[:, 1] + rows[:, 2]
    fine = np.float32(1e-4)
    first, last = (np.trunc((ends + half) / fine) * fine for ends in (places.min(0), places.max(0)))
    width, height = np.ceil(last) - np.floor(first)
    return int(height), int(width)


def _homography(
    startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]
) -> list[float]:
    """The numbers a to h of ``(ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)`` from ends to starts."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints.\nA corner is (x, y)."
        )
    equations = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        equations.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        equations.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    starts = np.array(startpoints, np.float64).reshape(8)
    solution = np.linalg.lstsq(np.array(equations, np.float64), starts, rcond=None)[0]
    return solution.astype(np.float32).tolist()


# ── grids (1, h, w, 2) ────────────────────────────────────────────────────────────────────────


def _affine_grid(matrix: list[float], h: int, w: int, oh: int, ow: int, dtype: Any) -> Tensor:
    x, y = (arange(n).to(dtype) - (n - 1) * 0.5 for n in (ow, oh))
    rows = tensor(matrix, dtype=dtype).reshape(2, 3)
    return _grid(_line(rows[k] / (n * 0.5), x, y) for k, n in enumerate((w, h)))


def _perspective_grid(row: list[float], h: int, w: int, dtype: Any) -> Tensor:
    x, y = (arange(n).to(dtype) + 0.5 for n in (w, h))
    *rows, below = tensor([*row, 1.0], dtype=dtype).reshape(3, 3)
    depth = _line(below, x, y)
    return _grid(_line(rows[k] / (n * 0.5), x, y) / depth - 1 for k, n in enumerate((w, h)))


def _identity(h: int, w: int) -> Tensor:
    x, y = (linspace((1 - n) / n, (n - 1) / n, n) for n in (w, h))
    return _grid((x.expand(h, w), y[:, None].expand(h, w)))


def _line(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return x * row[0] + y[:, None] * row[1] + row[2]


def _grid(places: Any) -> Tensor:
    return stack(tuple(places), -1)[None]


# ── looking ───────────────────────────────────────────────────────────────────────────────────


def _by_pillow(img: Any, method: Any, row: list[float], mode: InterpolationMode, fill: Fill) -> Any:
    return img.transform(img.size, method, row, filter_of(mode), fillcolor=fill_of(fill, img))


def _through(
    img: Picture, grid_in: Callable[[Any], Tensor], mode: InterpolationMode, fill: Fill
) -> Picture:
    """Look at an array or a Tensor at the places that ``grid_in(dtype)`` makes in a number type."""
    if not isinstance(img, Tensor):
        return each_plane(img, lambda x: _through(Tensor.wrap(x.copy()), grid_in, mode, fill).array)
    channels, h, w = get_dimensions(img)
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(
            f"Interpolation mode '{mode.value}' is unsupported with Tensor input\n"
            "Use InterpolationMode.NEAREST or InterpolationMode.BILINEAR, or a PIL image."
        )
    colours = list(fill) if isinstance(fill, Sequence) else [fill]
    if len(colours) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(colours)} != {channels})\nPass one number, or {channels}."
        )
    grid = grid_in(img.dtype if img.is_floating_point() else float32).to(img.device)
    x = img.reshape(-1, channels, h, w).to(grid.dtype)
    if fill is not None:  # one channel more tells inside from outside
        x = cat([x, ones(len(x), 1, h, w, dtype=x.dtype, device=x.device)], 1)
    y = grid_sample(x, grid.expand(len(x), -1, -1, -1), mode.value, align_corners=False)
    if fill is not None:
        y, inside = y[:, :-1], y[:, -1:]
        outside = tensor(colours, dtype=y.dtype, device=y.device).reshape(1, -1, 1, 1)
        if mode is InterpolationMode.NEAREST:
            y = where(inside < 0.5, outside, y)
        else:
            y = y * inside + (1 - inside) * outside
    shape = (*img.shape[:-2], *y.shape[-2:])
    return rounded(y, img.dtype).reshape(shape)
