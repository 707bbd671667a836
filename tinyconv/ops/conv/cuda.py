"""The choice among the convolutions of a GPU.

``TINYCONV_CONV`` asks for one of these ways; unless it does, the first that is there and takes the number type:

    cudnn    plans of cuDNN, which knows tensor cores; not for float64
    gemm     one matrix product if the filter is 1x1, else our own kernels (implicit.cu)
    columns  columns in memory and matrix products; for the half types, whose products have tensor cores

cuDNN's kernels for tensor cores want the channels innermost in memory, and their results have them there; those for
exact float32 want, and make, ordinary arrays.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

from ...backend import XP, Array, cudnn, product
from ...backend.cudnn import B, Convolution, Plan, Session, W, X, Y, dense
from ...backend.flags import flags
from ...dtypes import FLOATS, HALVES
from ...errors import ArgumentError, DeviceError
from .implicit import Geometry, forward, input_gradient, weight_gradient

WAYS = ("cudnn", "gemm", "columns")
_TRIALS = 3  # of each plan, where the fastest is looked for


def _asked() -> str:
    """The way asked for; empty if none is."""
    way = os.environ.get("TINYCONV_CONV", "")
    if way and way not in WAYS:
        raise ArgumentError(
            f"TINYCONV_CONV is {way!r}, should be one of {', '.join(WAYS)}",
            "Unset it to let tinyconv choose.",
        )
    return way


def way_of(x: Array, g: Geometry) -> str:
    """The way of a convolution on a GPU: one of ``WAYS``."""
    asked, dtype = _asked(), x.dtype
    if dtype not in FLOATS:
        return "columns"
    if asked == "cudnn" and not cudnn.available():
        raise DeviceError("TINYCONV_CONV is 'cudnn', which is not there.", cudnn.why_unavailable())
    if dtype.name == "float64" and asked != "columns":
        return "gemm"
    if asked:
        return asked
    if flags.cudnn_enabled and cudnn.available():
        return "cudnn"
    return "columns" if dtype in HALVES and not g.is_pointwise else "gemm"


def takes(x: Array, g: Geometry) -> bool:
    """Tell whether the functions below take this: nothing is empty, and it is not for columns."""
    return 0 not in g[:7] and way_of(x, g) != "columns"


# ── cuDNN ─────────────────────────────────────────────────────────────────────────────────────


def _laid_out(xp: Any, a: Array, channels_last: bool) -> Array:
    """``a`` in this order of memory, from an address that cuDNN takes; only its memory matters."""
    turned = xp.ascontiguousarray(a.transpose(0, 2, 3, 1) if channels_last and a.ndim == 4 else a)
    return turned.copy() if turned.data.ptr % cudnn.ALIGNMENT else turned


def _empty(xp: Any, shape: Any, dtype: Any, channels_last: bool) -> Array:
    """An array in this order of memory."""
    if not channels_last:
        return xp.empty(shape, dtype)
    n, c, h, w = shape
    return xp.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)


def _by_cudnn(
    kind: str, result: int, given: dict[int, Array], g: Geometry, relu: bool = False
) -> Array | None:
    """The array of number ``result`` from those ``given``; None if cuDNN is not to do it or has no plan for it."""
    first = next(iter(given.values()))
    if way_of(first, g) != "cudnn":
        return None
    xp, dtype = XP[type(first)], first.dtype
    tf32 = flags.cudnn_tf32 and dtype.name == "float32"
    last = tf32 or dtype in HALVES
    shapes = {X: g.images, W: g.filters, Y: g.outputs}
    made = _empty(xp, shapes[result], dtype, last)
    arrays = {number: _laid_out(xp, a, last) for number, a in given.items()} | {result: made}
    addresses = {number: a.data.ptr for number, a in arrays.items()}

    def run(plan: Plan) -> None:
        workspace = xp.empty(plan.workspace, "uint8")  # goes back to its pool: what is next waits
        plan.execute(addresses, workspace.data.ptr)

    session = cudnn.session(first.device.id, xp.cuda.get_current_stream().ptr)
    wishes = tf32, flags.deterministic, flags.workspace_limit, flags.benchmark
    key = kind, dtype.name, g, B in given, relu, wishes
    if key not in session.plans:
        x, w, y = (dense(shape, last) for shape in shapes.values())
        convolution = Convolution(
            kind, dtype.name, x, w, y, g[9:11], g[11:13], g[13:15],
            bias=B in given, relu=relu, tf32=tf32, deterministic=flags.deterministic,
        )  # fmt: skip
        session.plans[key] = _best_plan(xp, session, convolution, run)
    plan = session.plans[key]
    if plan is None:
        if _asked():
            raise DeviceError(f"cuDNN has no plan for {kind} of {g}", "Unset TINYCONV_CONV.")
        return None
    run(plan)
    return made


def _best_plan(xp: Any, session: Session, convolution: Convolution, run: Any) -> Plan | None:
    """The most promising plan or, if ``benchmark`` is set, the fastest of some."""
    plans = cudnn.candidates(session.device, convolution, flags.workspace_limit)
    if not flags.benchmark:
        return next(plans, None)

    def milliseconds(plan: Plan) -> float:
        run(plan)
        begin, end = xp.cuda.Event(), xp.cuda.Event()
        begin.record()
        for _ in range(_TRIALS):
            run(plan)
        end.record()
        end.synchronize()
        return float(xp.cuda.get_elapsed_time(begin, end))

    return min(islice(plans, flags.benchmark_limit or None), key=milliseconds, default=None)


# ── the three maps: x (n, c, h, w), w (f, c/groups, kh, kw), b (f), y (n, f, oh, ow) ─────────────


def _whole(*arrays: Array) -> list[Array]:
    return [XP[type(a)].ascontiguousarray(a) for a in arrays]


def correlate(x: Array, w: Array, b: Array | None, g: Geometry, relu: bool = False) -> Array:
    """y = x * w + b; ``relu`` cuts at 0."""
    xp = XP[type(x)]
    if relu and b is None:
        b = xp.zeros(g.f, x.dtype)  # cuDNN knows ReLU only behind a bias
    given = {X: x, W: w} if b is None else {X: x, W: w, B: b}
    y = _by_cudnn("fprop", Y, given, g, relu)
    if y is not None:
        return y
    x, w = _whole(x, w)
    y = xp.empty(g.outputs, x.dtype)
    if g.is_pointwise:
        product(w.reshape(g.f, g.c), x.reshape(g.n, g.c, -1), y.reshape(g.n, g.f, -1))
    else:
        forward(x, w, y, g)
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return xp.where(y <= 0, y.dtype.type(0), y) if relu else y


def correlate_input(gy: Array, w: Array, b: Array | None, g: Geometry) -> Array:
    """gx = the gradient of x, plus ``b`` where this is a transposed convolution."""
    gx = _by_cudnn("dgrad", X, {W: w, Y: gy}, g)
    if gx is None:
        xp = XP[type(gy)]
        gy, w = _whole(gy, w)
        gx = xp.empty(g.images, gy.dtype)
        if g.is_pointwise:
            product(w.reshape(g.f, g.c).T, gy.reshape(g.n, g.f, -1), gx.reshape(g.n, g.c, -1))
        else:
            input_gradient(gy, w, gx, g)
    if b is not None:
        gx += b.reshape(-1, 1, 1)
    return gx


def correlate_weight(x: Array, gy: Array, g: Geometry) -> Array:
    """gw = the gradient of w."""
    xp = XP[type(x)]
    gw = _by_cudnn("wgrad", W, {X: x, Y: gy}, g)
    if gw is not None:
        return xp.ascontiguousarray(gw)  # as parameters are
    x, gy = _whole(x, gy)
    gw = xp.empty(g.filters, x.dtype)
    if g.is_pointwise:
        rows, columns = (a.swapaxes(0, 1).reshape(a.shape[1], -1) for a in (gy, x))
        product(rows, columns.T, gw.reshape(g.f, g.c))
    else:
        weight_gradient(x, gy, gw, g)
    return gw
