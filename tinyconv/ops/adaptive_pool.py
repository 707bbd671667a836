"""Adaptive pooling: so many windows that divide an input, whatever its size.

Window i of ``out`` over ``size`` elements goes from floor(i size / out) to ceil((i + 1) size / out). Over several
dimensions one takes the average of averages, or the largest of the largest, one dimension after the other.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.autocast import FLOAT32_ON_CPU, recast
from ..autograd.function import widened
from ..backend import XP, Kernel, blocks
from ..errors import ArgumentError, ShapeError
from ..shapes import Ints, is_int
from ._common import NUMPY, as_given, shape_of
from ._pool_window import refuse_others, refuse_rank
from .indexing import Gather
from .joining import cat
from .pool import avg_pool2d
from .pool3d import avg_pool3d
from .reduce import _wide, mean
from .slices import narrow
from .views import named, reshape, squeeze, unsqueeze

_RANKS = {1: "2D or 3D", 2: "3D or 4D", 3: "4D or 5D"}

# ── the places of the largest ─────────────────────────────────────────────────────────────────


@Kernel
def largest_places(xp, x, at):
    """The flat place of the largest element under each window, the first of equals; NaN beats everything.

    ``x`` is (planes, d, h, w), ``at`` (planes, od, oh, ow). Here from the last dimension to the first: of each row its
    best, of each plane the best of these.
    """
    place = xp.arange(prod(x.shape[1:]), dtype="int64").reshape(x.shape[1:])
    place = xp.broadcast_to(place, x.shape)
    for dim in (3, 2, 1):
        best, where = [], []
        for a, b in _bounds(x.shape[dim], at.shape[dim]):
            part = (*(slice(None),) * dim, slice(a, b))
            winner = xp.expand_dims(x[part].argmax(dim), dim)
            best.append(xp.take_along_axis(x[part], winner, dim))
            where.append(xp.take_along_axis(place[part], winner, dim))
        x, place = xp.concatenate(best, dim), xp.concatenate(where, dim)
    at[...] = place


@largest_places.cpu
def _largest_places_loop(start, stop, x, at):
    _, d, h, w = x.shape
    _, od, oh, ow = at.shape
    for plane in range(start, stop):
        for i in range(od):
            for j in range(oh):
                for k in range(ow):
                    top, left = j * h // oh, k * w // ow
                    place = (i * d // od * h + top) * w + left
                    best = x[plane, i * d // od, top, left]
                    for a in range(i * d // od, ((i + 1) * d + od - 1) // od):
                        for b in range(top, ((j + 1) * h + oh - 1) // oh):
                            for c in range(left, ((k + 1) * w + ow - 1) // ow):
                                value = x[plane, a, b, c]
                                if value > best or (value != value and best == best):
                                    best = value
                                    place = (a * h + b) * w + c
                    at[plane, i, j, k] = place


@largest_places.cuda
def _largest_places_cuda(x, at):
    return blocks(at.size), (x, at, at.size, *x.shape[1:], *at.shape[1:])


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    """Where each window begins and ends."""
    return [(i * size // out, -((-(i + 1) * size) // out)) for i in range(out)]


def _wanted(kind: str, nd: int, x: Any, output_size: Any) -> Ints:
    """``output_size`` as ``nd`` numbers; None is as many as there are."""
    name, shape = f"adaptive_{kind}_pool{nd}d", shape_of(x)
    if nd == 1 and len(shape) not in (2, 3):
        refuse_rank(name, shape, 1)
    if is_int(output_size):
        sizes = (int(output_size),) * nd
    elif not isinstance(output_size, (tuple, list)) or (nd == 1 and None in output_size):
        got = type(output_size).__name__
        raise TypeError(
            f"{name}(): argument 'output_size' (position 2) must be tuple of ints, not {got}\n"
            f"Give one number, or one for each of {nd} dimensions."
        )
    else:
        missing = len(shape) - len(output_size)
        if nd > 1 and missing <= 0:
            raise ArgumentError(
                f"Input dimension should be at least {len(output_size) + 1}",
                "In front of what is pooled lie the channels.",
            )
        sizes = tuple(
            n if o is None else int(o) for o, n in zip(output_size, shape[missing:], strict=False)
        )
    if len(sizes) != nd:
        words = {
            "avg": f"{name}: output_size must be {nd}",
            "max": f"{name}(): internal error: output_size.size() must be {nd}",
        }
        one = f"{name}() argument 'output_size' should contain one int (got {len(sizes)})"
        raise ShapeError(one if nd == 1 else words[kind], f"It has {len(sizes)} elements.")
    if min(sizes) < 0:
        raise ShapeError(_negative(kind, (*shape[:-nd], *sizes), nd))
    return sizes


def _negative(kind: str, shape: Ints, nd: int) -> str:
    if kind == "max":
        least = next(n for n in shape if n < 0)
        return f"Trying to create tensor with negative dimension {least}: {list(shape)}"
    first, *rest = (1, *shape[-1:]) if nd == 1 else shape[-nd:]
    return (
        f"adaptive_avg_pool{max(nd, 2)}d: elements of output_size must be greater than or equal to 0 but received "
        f"{{{first}, {','.join(map(str, rest))}}}"
    )


def _check(kind: str, nd: int, x: Any, first: int) -> None:
    """Refuse other ranks, and sizes of zero from dimension ``first`` on."""
    name, shape = f"adaptive_{kind}_pool{nd}d()", shape_of(x)
    if len(shape) not in (nd + 1, nd + 2):
        colon = ":" * (kind == "max")
        raise ShapeError(
            f"{name}: Expected {_RANKS[nd]} tensor, but got{colon} {list(shape)}",
            "In front of what is pooled lie the channels and, if there is one, the batch.",
        )
    if 0 in shape[first:]:
        raise ShapeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but input has sizes "
            f"{list(shape)} with dimension {shape.index(0, first)} being empty"
        )


# ── the average ───────────────────────────────────────────────────────────────────────────────


def _average(nd: int, x: Any, sizes: Ints) -> Any:
    rank = len(shape_of(x))
    if set(sizes) == {1} and rank >= nd:
        return named(mean(x, tuple(range(-nd, 0)), True), "MeanBackward1")
    refuse_others(x, f"adaptive_avg_pool{nd}d", "")
    _check("avg", nd, x, rank - 2 if nd == 2 else 1)
    have = shape_of(x)[-nd:]
    if x.array.size and all(out and n % out == 0 for n, out in zip(have, sizes, strict=True)):
        windows = tuple(n // out for n, out in zip(have, sizes, strict=True))
        y = (avg_pool2d if nd == 2 else avg_pool3d)(x, windows)
    else:
        y = widened(x)
        for dim, (n, out) in enumerate(zip(have, sizes, strict=True), rank - nd):
            parts = [mean(narrow(y, dim, a, b - a), dim, True) for a, b in _bounds(n, out)]
            y = cat(parts, dim) if parts else narrow(y, dim, 0, 0)
        y = as_given(y, x)
    return named(y, f"AdaptiveAvgPool{nd}DBackward0")


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Average over windows that divide a sequence into ``output_size`` parts."""
    (n,) = _wanted("avg", 1, input, output_size)
    return squeeze(_average(2, unsqueeze(input, -2), (1, n)), -2)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Average over windows that divide an image into ``output_size`` rows and columns.

    Args:
        output_size: one number, or (height, width) in pixels; None is as many as there are.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 2, 2, requires_grad=True)
    >>> tc.nn.functional.adaptive_avg_pool2d(x, 1).sum().backward()
    >>> x.grad[0, 0]
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    return _average(2, input, _wanted("avg", 2, input, output_size))


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Average over windows that divide a volume into ``output_size`` slices, rows and columns.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 2, 2, 2, requires_grad=True)
    >>> tc.nn.functional.adaptive_avg_pool3d(x, (2, 1, 1)).sum().backward()
    >>> x.grad[0, 0]
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    (x,) = recast(FLOAT32_ON_CPU, input)
    return _average(3, x, _wanted("avg", 3, x, output_size))


# ── the largest ───────────────────────────────────────────────────────────────────────────────


def _largest(nd: int, x: Any, output_size: Any, return_indices: bool) -> Any:
    sizes = _wanted("max", nd, x, output_size)
    _check("max", nd, x, 1)
    refuse_others(x, f"adaptive_max_pool{max(nd, 2)}d", "")
    lead, have = shape_of(x)[:-nd], shape_of(x)[-nd:]
    xp, more = XP[type(x.array)], (1,) * (3 - nd)
    at = xp.empty((*lead, *sizes), "int64")
    if at.size:
        volumes = xp.ascontiguousarray(x.array, _wide(x.array) if xp is NUMPY else None)
        planes = prod(lead), *more
        largest_places(volumes.reshape(*planes, *have), at.reshape(*planes, *sizes))
    places = x.wrap(at)
    flat = reshape(x, *lead, prod(have)), reshape(places, *lead, prod(sizes))
    y = reshape(Gather(len(lead))(*flat), *lead, *sizes)
    named(y, f"AdaptiveMaxPool{nd}DBackward0" if nd > 1 else "SqueezeBackward1")
    return (y, places) if return_indices else y


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest value over windows that divide a sequence into ``output_size`` parts."""
    return _largest(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest value over windows that divide an image into ``output_size`` rows and columns.

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``, with ``return_indices`` also the flat places of the winners
    """
    return _largest(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest value over windows that divide a volume into ``output_size`` slices, rows and columns.

    Shape:
        ``(n, c, d, h, w) -> (n, c, od, oh, ow)``, with ``return_indices`` also the flat places of the winners
    """
    (x,) = recast(FLOAT32_ON_CPU, input)
    return _largest(3, x, output_size, return_indices)
