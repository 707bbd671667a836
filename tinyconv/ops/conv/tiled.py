"""The choice among the compiled convolutions, and what their loops expect: filters in vectors, sums in parts.

Which way is fastest was measured (docs/benchmarks.md): Winograd for 3x3 filters with stride 1 where there are channels
enough, planes with stride 1 where there are few, or where each channel has a filter of its own, tiles for the rest.
"""

from __future__ import annotations

from typing import Any

from ...backend import GRAIN, XP, Array, empty, get_num_threads, jit_enabled, lanes
from ...shapes import Ints
from .depthwise import depthwise, depthwise_weight
from .direct import direct, direct_weight
from .planes import planes, planes_weight
from .tiles import WORK
from .winograd import winograd, winograd_filters, winograd_filters_back, winograd_weight


def is_tiled(map: Any, x: Array, c: int, f: int) -> bool:
    """Tell whether the loops take these settings: float32 or float64 on a CPU with a compiler, one group or all.

    ``map`` is one of the three maps; the gradient of its input needs a padding of ``d (k - 1) - p``, not below zero.
    """
    _, _, kh, kw, _, _, ph, pw, dh, dw = map.window
    return (
        (map.groups == 1 or map.groups == c == f)
        and x.dtype.char in "fd"
        and map.xp.__name__ == "numpy"
        and x.size > 0
        and dh * (kh - 1) >= ph
        and dw * (kw - 1) >= pw
        and jit_enabled()
    )


def _whole(x: Array, f: int) -> int:
    """``f`` rounded up to whole vectors."""
    n = lanes(x)
    return -(-f // n) * n


def _padded(b: Array | None, x: Array, f: int, fp: int) -> Array:
    """A bias with zeros up to ``fp``; only zeros without one."""
    bias = XP[type(x)].zeros(fp, x.dtype)
    if b is not None:
        bias[:f] = b
    return bias


def _winograd_side(
    x: Array, c: int, f: int, k: Any, s: Ints, p: Ints, d: Ints, size: Ints
) -> int:  # fmt: skip
    """The side of the tiles by which Winograd's algorithm is fastest; 0 if it does not apply or does not pay."""
    if tuple(k) != (3, 3) or s != (1, 1) or d != (1, 1) or p[0] != p[1]:
        return 0
    if min(c, f) < 32 // x.itemsize:
        return 0
    # multiplications for each pair of channels; the filters cost as much as some 100 tiles to transform and to read
    work = {m: (m + 2) ** 2 * (len(x) * -(-size[0] // m) * -(-size[1] // m) + 100) for m in (2, 4)}
    return min(work, key=work.__getitem__)


def _few(x: Array, c: int, f: int, k: Any, s: Ints, d: Ints) -> bool:
    """Tell whether ``f`` filters leave vectors of channels half empty, which `planes` fills with pixels."""
    n = lanes(x)
    return s == d == (1, 1) and tuple(k) != (1, 1) and min(c, f) < n and (f <= n or f % n > 0)


def _flat(k: Any, s: Ints, p: Ints, *images: Array) -> tuple[Array, ...]:
    """Small images as one row each if the filter is 1x1, to which that is the same."""
    if (*k, *s, *p) != (1, 1, 1, 1, 0, 0) or images[0][0, 0].size > 1 << 10:
        return images
    return tuple(x.reshape(*x.shape[:2], 1, -1) for x in images)


def correlate(
    x: Array, w: Array, b: Array | None, y: Array, size: Ints, s: Ints, p: Ints, d: Ints,
    relu: bool = False, pool: bool = False,
) -> None:  # fmt: skip
    """y = x * w + b of this ``size``; with one group, ``relu`` cuts at 0 and ``pool`` takes the largest of each 2x2."""
    f, c, *k = w.shape
    if len(x[0]) > c:
        depthwise(x, w[:, 0], _padded(b, x, f, f), y, *s, *p, *d, 1, 1)
        return
    fp, xp = _whole(x, f), XP[type(x)]
    bias = _padded(b, x, f, fp)
    if m := _winograd_side(x, c, f, k, s, p, d, size):
        u = empty(xp, ((m + 2) ** 2, c, fp), x.dtype)
        winograd_filters(w, u, m, False)
        winograd(x, u, bias, relu, pool, y, *size, m, p[0], 1)
        return
    if _few(x, c, f, k, s, d):
        rows = w.transpose(0, 2, 1, 3).copy()
        planes(x, rows, bias, relu, pool, y, *size, *p)
        return
    packed = xp.zeros((*k, c, fp), x.dtype)  # filters in vectors
    packed[..., :f] = w.transpose(2, 3, 1, 0)
    if not pool:
        x, y = _flat(k, s, p, x, y)
        size = y.shape[2:]
    direct(x, packed, bias, relu, pool, y, *size, *s, *p, *d, 1, 1)


def correlate_input(
    gy: Array, w: Array, b: Array | None, gx: Array, s: Ints, p: Ints, d: Ints
) -> None:  # fmt: skip
    """gx = the gradient of x: gy, with ``s - 1`` zeros between its pixels, correlated with the filters turned around."""
    f, c, *k = w.shape
    p = tuple(e * (m - 1) - q for e, m, q in zip(d, k, p, strict=True))
    if gx.shape[1] > c:
        turned = w[:, 0, ::-1, ::-1]
        depthwise(gy, turned.copy(), _padded(b, gy, f, f), gx, 1, 1, *p, *d, *s)
        return
    fp, xp = _whole(gy, c), XP[type(gy)]
    bias = _padded(b, gy, c, fp)
    size = gx.shape[2:]
    if s[0] == s[1] and (m := _winograd_side(gy, c, f, k, (1, 1), p, d, size)):
        u = empty(xp, ((m + 2) ** 2, f, fp), gy.dtype)
        winograd_filters(w, u, m, True)
        winograd(gy, u, bias, False, False, gx, *size, m, p[0], s[0])
        return
    if _few(gy, f, c, k, s, d):
        rows = w[:, :, ::-1, ::-1].transpose(1, 2, 0, 3).copy()
        planes(gy, rows, bias, False, False, gx, *size, *p)
        return
    packed = xp.zeros((*k, f, fp), gy.dtype)
    packed[..., :c] = w[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    gy, gx = _flat(k, s, p, gy, gx)
    direct(gy, packed, bias, False, False, gx, *gx.shape[2:], 1, 1, *p, *d, *s)


def correlate_weight(x: Array, gy: Array, gw: Array, s: Ints, p: Ints, d: Ints) -> None:
    """gw = the gradient of w. Each thread sums over its part of the batch; the parts are added in their order."""
    f, c, *k = gw.shape
    if x.shape[1] > c:
        depthwise_weight(x, gy, gw[:, 0], *s, *p, *d)
        if (
            not XP[type(x)].isfinite(gw).all()
        ):  # the loop also adds up pixels times 0, which may be NaN
            depthwise_weight.definition(XP[type(x)], x, gy, gw[:, 0], *s, *p, *d)
        return
    fp, xp = _whole(x, f), XP[type(x)]
    parts = min(len(x), get_num_threads(), 1 + x.size * WORK // GRAIN)
    if m := _winograd_side(x, c, f, k, s, p, d, gy.shape[2:]):
        gu = empty(xp, (parts, (m + 2) ** 2, c, fp), x.dtype)
        winograd_weight(x, gy, gu, m, p[0])
        winograd_filters_back(gu, gw, m)
        return
    if f < fp and _few(x, c, f, k, s, d):
        sums = xp.empty((parts, f, k[0], c, k[1], lanes(x)), x.dtype)
        planes_weight(x, gy, sums, *p)
        gw[...] = (sums.sum(0) @ xp.ones(lanes(x), x.dtype)).transpose(0, 2, 1, 3)
        if xp.isfinite(gw).all():
            return
    packed = xp.empty((parts, *k, c, fp), x.dtype)
    x, gy = _flat(k, s, p, x, gy)
    direct_weight(x, gy, packed, *s, *p, *d)
    gw[...] = packed.sum(0)[..., :f].transpose(3, 2, 0, 1)
