"""Convolution of each channel with one filter of its own.

A plane is copied into a frame with its border of zeros, and there a whole row of outputs, and the next and the next, are
one run of numbers: output q is the sum of ``w[t] frame[q + shift[t]]``. At the ends of rows some outputs are of no use;
they are not copied back. With a stride the frame holds the pixels of each phase together, so that neighbours stay
neighbours.
"""

from __future__ import annotations

from itertools import product as pairs

from ...backend import Kernel, copy, fma, helper, lanes, load, scratch, spread, store, table
from .tiles import padded_frame

GROUP = 8  # planes at a time: what has just been written in small pieces cannot be read in vectors at once


@helper
def shifts(shift, kh, kw, sh, sw, dh, dw, rows, cols):
    """Where each tap lies, seen from its output: in the frame of its phase, (sh, sw, rows, cols)."""
    for a in range(kh):
        for b in range(kw):
            i, j = a * dh, b * dw
            phase = i % sh * sw + j % sw
            shift[a * kw + b] = (phase * rows + i // sh) * cols + j // sw


@helper
def put(x, x0, h, w, frame, f0, sh, sw, ph, pw, zh, zw, rows, cols):
    """Copy a plane into a frame; pixel (i, j) belongs to row ``i zh + ph`` and column ``j zw + pw``."""
    if sh == 1 and sw == 1 and zw == 1:  # no phases, and no divisions
        for i in range(min(h, (rows - 1 - ph) // zh + 1)):
            copy(x, x0 + i * w, frame, f0 + (i * zh + ph) * cols + pw, min(w, cols - pw))
        return
    for i in range(h):
        y = i * zh + ph
        if y // sh >= rows:
            break
        line, at = f0 + (y % sh * sw * rows + y // sh) * cols, x0 + i * w
        if sw == 1:
            for j in range(min(w, (cols - 1 - pw) // zw + 1)):
                frame[line + pw + j * zw] = x[at + j]
        for phase in range(sw if sw > 1 else 0):  # a stride comes with no zoom
            j = (phase - pw) % sw
            column = (j + pw) // sw
            to = line + phase * rows * cols + column
            for k in range(min((w - j + sw - 1) // sw, cols - column)):
                frame[to + k] = x[at + j + k * sw]


def _planes(xp, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, zh, zw):
    """What each tap meets: (kh kw, n, c, oh, ow)."""
    padded = padded_frame(xp, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, zh, zw)
    return xp.stack(
        [
            padded[
                :,
                :,
                a * dh : a * dh + (oh - 1) * sh + 1 : sh,
                b * dw : b * dw + (ow - 1) * sw + 1 : sw,
            ]
            for a, b in pairs(range(kh), range(kw))
        ]
    )


@Kernel
def depthwise(xp, x, w, bias, y, sh, sw, ph, pw, dh, dw, zh, zw):
    """y = x * w + bias for filters (c, kh, kw); ``zh zw`` is the zoom of x."""
    c, kh, kw = w.shape
    planes = _planes(xp, x, y.shape[2], y.shape[3], kh, kw, sh, sw, ph, pw, dh, dw, zh, zw)
    y[...] = xp.einsum("tncij,ct->ncij", planes, w.reshape(c, -1)) + bias[:, None, None]


@depthwise.cpu(over=lambda x, *_: x.shape[0] * x.shape[1], work=4)
def _depthwise_loop(start, stop, x, w, bias, y, sh, sw, ph, pw, dh, dw, zh, zw):
    _, c, h, width = x.shape
    _, kh, kw = w.shape
    oh, ow = y.shape[2:]
    flat_x, flat_y, flat_w = x.reshape(x.size), y.reshape(y.size), w.reshape(w.size)
    n = lanes(x)
    rows, cols = oh + (kh - 1) * dh // sh + 1, ow + (kw - 1) * dw // sw + 1
    size, length = sh * sw * rows * cols, oh * cols
    frames, out = scratch(x, GROUP * size + 2 * n), scratch(x, GROUP * length + 2 * n)
    frames[:] = 0
    taps = kh * kw
    shift = table(taps)
    shifts(shift, kh, kw, sh, sw, dh, dw, rows, cols)
    for first in range(start, stop, GROUP):
        last = min(first + GROUP, stop)
        for plane in range(first, last):
            at = (plane - first) * size
            put(flat_x, plane * h * width, h, width, frames, at, sh, sw, ph, pw, zh, zw, rows, cols)
        for plane in range(first, last):
            k, at, to = plane % c, (plane - first) * size, (plane - first) * length
            base = spread(x, bias[k])
            for q in range(
                0, length, 2 * n
            ):  # two vectors at a time: a sum need not wait for itself
                u, v = base, base
                for t in range(taps):
                    tap = spread(x, flat_w[k * taps + t])
                    u = fma(load(frames, at + q + shift[t]), tap, u)
                    v = fma(load(frames, at + q + n + shift[t]), tap, v)
                store(out, to + q, u)
                store(out, to + q + n, v)
        for plane in range(first, last):
            at, to = (plane - first) * length, plane * oh * ow
            for i in range(oh):
                copy(out, at + i * cols, flat_y, to + i * ow, ow)


@Kernel
def depthwise_weight(xp, x, gy, gw, sh, sw, ph, pw, dh, dw):
    """The gradient of the filters (c, kh, kw)."""
    c, kh, kw = gw.shape
    planes = _planes(xp, x, gy.shape[2], gy.shape[3], kh, kw, sh, sw, ph, pw, dh, dw, 1, 1)
    gw[...] = xp.einsum("tncij,ncij->ct", planes, gy).reshape(c, kh, kw)


@depthwise_weight.cpu(over=lambda x, gy, gw, *_: len(gw), work=4)
def _depthwise_weight_loop(start, stop, x, gy, gw, sh, sw, ph, pw, dh, dw):
    images, c, h, width = x.shape
    _, kh, kw = gw.shape
    oh, ow = gy.shape[2:]
    flat_x, flat_g = x.reshape(x.size), gy.reshape(gy.size)
    n, taps = lanes(x), kh * kw
    rows, cols = oh + (kh - 1) * dh // sh + 1, ow + (kw - 1) * dw // sw + 1
    frame, g = scratch(x, sh * sw * rows * cols + n), scratch(x, oh * cols + n)
    frame[:] = 0
    g[:] = 0
    sums = scratch(x, taps * n)
    shift = table(taps)
    shifts(shift, kh, kw, sh, sw, dh, dw, rows, cols)
    for k in range(start, stop):
        sums[:] = 0
        for i in range(images):
            plane = i * c + k
            put(flat_x, plane * h * width, h, width, frame, 0, sh, sw, ph, pw, 1, 1, rows, cols)
            at = plane * oh * ow
            for r in range(oh):
                copy(flat_g, at + r * ow, g, r * cols, ow)
            for t in range(taps):
                total, more = load(sums, t * n), spread(x, 0.0)
                for q in range(0, oh * cols - n, 2 * n):
                    total = fma(load(frame, q + shift[t]), load(g, q), total)
                    more = fma(load(frame, q + n + shift[t]), load(g, q + n), more)
                if (oh * cols + n - 1) // n % 2:
                    q = (oh * cols - 1) // n * n
                    total = fma(load(frame, q + shift[t]), load(g, q), total)
                store(sums, t * n, total + more)
        for t in range(taps):
            gw[k, t // kw, t % kw] = sums[t * n : t * n + n].sum()
