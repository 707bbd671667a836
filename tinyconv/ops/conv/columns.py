"""The general convolution: windows unfolded into columns, a few images at a time, and one matrix product for each chunk."""

from __future__ import annotations

from itertools import product
from typing import Any

from ...backend import Kernel, blocks

# x (n, c, h, w) and its columns (c kh kw, n, oh ow); ``window`` is (oh, ow, kh, kw, sh, sw, ph, pw, dh, dw).


def _once(*_: Any) -> int:
    return 1  # part of a larger work, which is shared as a whole


@Kernel
def unfold_windows(xp, x, columns, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
    """columns[c a b, n, i j] = x[n, c, i sh + a dh - ph, j sw + b dw - pw], zero outside."""
    n, c = x.shape[:2]
    padded = xp.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))).swapaxes(0, 1)
    taps = columns.reshape(c, kh, kw, n, oh, ow)
    for a, b in product(range(kh), range(kw)):
        y, z = a * dh, b * dw
        taps[:, a, b] = padded[:, :, y : y + sh * (oh - 1) + 1 : sh, z : z + sw * (ow - 1) + 1 : sw]


@unfold_windows.cpu(over=_once)
def _unfold_loop(start, stop, x, columns, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
    n, c, h, w = x.shape
    flat_x, flat_columns = x.reshape(x.size), columns.reshape(columns.size)
    for plane in range(c * n):
        channel, i = plane // n, plane % n
        for a in range(kh):
            for b in range(kw):
                row = (channel * kh + a) * kw + b
                shift = b * dw - pw
                lo = min(
                    ow, max(0, (-shift + sw - 1) // sw)
                )  # windows lo to hi have this tap inside
                hi = max(lo, min(ow, (w - 1 - shift) // sw + 1))
                for r in range(oh):
                    y = r * sh + a * dh - ph
                    at = ((row * n + i) * oh + r) * ow
                    to = flat_columns[at : at + ow]
                    if y < 0 or y >= h:
                        to[:] = 0
                        continue
                    to[:lo] = 0
                    to[hi:] = 0
                    start = ((i * c + channel) * h + y) * w + lo * sw + shift
                    inside = to[
                        lo:hi
                    ]  # slices index from zero: the compiler sees no negative index and vectorises
                    if sw == 1:
                        source = flat_x[start : start + hi - lo]
                        for q in range(hi - lo):
                            inside[q] = source[q]
                    else:
                        for q in range(hi - lo):
                            inside[q] = flat_x[start + q * sw]


@unfold_windows.cuda
def _unfold_cuda(x, columns, *window):
    return blocks(columns.size), (x, columns, *x.shape, *window)


@Kernel
def fold_windows(xp, columns, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
    """The transpose: each column element is added to the element of x that it came from."""
    n, c, h, w = x.shape
    padded = xp.zeros((c, n, h + 2 * ph, w + 2 * pw), x.dtype)
    taps = columns.reshape(c, kh, kw, n, oh, ow)
    for a, b in product(range(kh), range(kw)):
        y, z = a * dh, b * dw
        padded[:, :, y : y + sh * (oh - 1) + 1 : sh, z : z + sw * (ow - 1) + 1 : sw] += taps[
            :, a, b
        ]
    x[...] = padded[:, :, ph : ph + h, pw : pw + w].swapaxes(0, 1)


@fold_windows.cpu(over=_once)
def _fold_loop(start, stop, columns, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
    n, c, h, w = x.shape
    flat_x, flat_columns = x.reshape(x.size), columns.reshape(columns.size)
    for plane in range(c * n):
        channel, i = plane // n, plane % n
        x[i, channel] = 0
        for a in range(kh):
            for b in range(kw):
                row = (channel * kh + a) * kw + b
                shift = b * dw - pw
                lo = min(ow, max(0, (-shift + sw - 1) // sw))
                hi = max(lo, min(ow, (w - 1 - shift) // sw + 1))
                for r in range(oh):
                    y = r * sh + a * dh - ph
                    if y < 0 or y >= h:
                        continue
                    at = ((row * n + i) * oh + r) * ow
                    start = ((i * c + channel) * h + y) * w + lo * sw + shift
                    source = flat_columns[at + lo : at + hi]
                    if sw == 1:
                        inside = flat_x[start : start + hi - lo]
                        for q in range(hi - lo):
                            inside[q] += source[q]
                    else:
                        for q in range(hi - lo):
                            flat_x[start + q * sw] += source[q]


@fold_windows.cuda
def _fold_cuda(columns, x, *window):
    return blocks(x.size), (columns, x, *x.shape, *window)
