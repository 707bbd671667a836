"""What a window of pooling may look like in one, two and three dimensions, and what is said of the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from ..backend import Array
from ..dtypes import FLOATS
from ..errors import ShapeError
from ..shapes import Ints, Shape, expand_ints, is_int, pool_size
from ._common import not_implemented, shape_of
from ._pool import window_counts
from .views import unsqueeze

_COUNTS = {1: "one int", 2: "two ints", 3: "three ints"}
_LETTERS = {1: "W", 2: "HW", 3: "THW"}  # torch's T is for time: the depth


@dataclass(frozen=True, slots=True)
class Window:
    """What a window looks like, and how it moves."""

    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints

    def places(self, xp: Any, where: Array, w: int) -> Array:
        """From the taps that won to flat places in planes of rows of ``w``: (n, c, oh, ow), int64."""
        (sh, sw), (ph, pw), (dh, dw) = self.stride, self.padding, self.dilation
        oh, ow = where.shape[2:]
        a, b = xp.divmod(where.astype("int64"), self.kernel[1])
        i = (xp.arange(oh) * sh - ph)[:, None] + a * dh
        return i * w + xp.arange(ow) * sw - pw + b * dw

    def counts(self, xp: Any, sizes: Ints, out: Ints, padded: bool) -> Array:
        """How many elements each window counts, with the padding if ``padded``."""
        sides = zip(sizes, self.kernel, self.stride, self.padding, out, strict=True)
        return reduce(xp.multiply.outer, [window_counts(xp, *v, padded) for v in sides])

    def in_plane(self) -> Window:
        """The part of a window over (d, h, w) that lies in (h, w)."""
        return Window(self.kernel[1:], self.stride[1:], self.padding[1:], self.dilation[1:])

    def in_depth(self) -> Window:
        """The part over d, as a window over (d, h w)."""
        (k, s, p, d) = (v[0] for v in (self.kernel, self.stride, self.padding, self.dilation))
        return Window((k, 1), (s, 1), (p, 0), (d, 1))


def batched(x: Any, nd: int) -> tuple[Any, bool]:
    """``x`` as a batch, and whether it was none."""
    single = len(shape_of(x)) == nd + 1
    return (unsqueeze(x, 0) if single else x), single


def refuse_rank(name: str, shape: Shape, nd: int) -> None:
    """Say what is wrong with neither one image nor a batch of them."""
    if nd == 1:
        raise ShapeError(
            f"Expected 2 to 3 dimensions, but got {len(shape)}-dimensional tensor for argument #1 'self' (while "
            f"checking arguments for {name})",
            "Sequences are (n, c, l).",
        )
    raise ShapeError(
        f"non-empty {nd + 1}D or {nd + 2}D (batch mode) tensor expected for input, but got: {list(shape)}",
        f"{'Images are (n, c, h, w)' if nd == 2 else 'Volumes are (n, c, d, h, w)'}; n may be missing.",
    )


def settle(
    name: str,
    x: Any,
    nd: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Window, Ints]:
    """The window, and how many fit along each dimension of ``x``; refusals in torch's order and words."""
    omitted = stride is None or stride in ((), [])
    k = _setting(name, "kernel_size", kernel_size, nd)
    s = k if omitted else _setting(name, "stride", stride, nd)
    p = _setting(name, "padding", padding, nd)
    d = _setting(name, "dilation", dilation, nd)
    shape = shape_of(x)
    if len(shape) not in (nd + 1, nd + 2):
        refuse_rank(name, shape, nd)
    for kernel, step, border, apart in zip(k, s, p, d, strict=True):
        if step == 0:
            raise ShapeError("stride should not be zero")
        if border < 0:
            raise ShapeError(
                f"pad must be non-negative, but got pad: {border}",
                "Cut the input instead: pad(x, (-1, -1)).",
            )
        if border > (apart * (kernel - 1) + 1) // 2:
            raise ShapeError(
                f"pad should be at most half of effective kernel size, but got pad={border}, kernel_size={kernel} and "
                f"dilation={apart}",
                "A window must see at least one element of the image: pad with pad() before pooling.",
            )
    for what, v, names in (
        ("kernel size", k, "k"),
        ("stride", s, "d"),
        ("dilation", d, "dilation"),
    ):
        if min(v) <= 0:
            sides = " ".join(f"{names}{a}: {n}" for a, n in zip(_LETTERS[nd], v, strict=True))
            raise ShapeError(f"{what} should be greater than zero, but got {sides}")
    if 0 in shape[-nd - 1 :]:
        _refuse_extents(name, shape, nd)
    sizes = shape[-nd:]
    if name == "avg_pool3d" and any(n < m for n, m in zip(sizes, k, strict=True)):
        (t, h, w), (kt, kh, kw) = sizes, k
        raise ShapeError(
            f"input image (T: {t} H: {h} W: {w}) smaller than kernel size (kT: {kt} kH: {kh} kW: {kw})",
            "Padding does not count here: pad with pad() before pooling.",
        )
    out = tuple(map(pool_size, sizes, k, s, p, d, (ceil_mode,) * nd))
    if min(out) < 1:
        planes = shape[-nd - 1 :]
        raise ShapeError(
            f"Given input size: ({_times(planes)}). Calculated output size: ({_times((planes[0], *out))}). Output "
            "size is too small",
            "The image has become smaller than the window: pool less before this layer.",
        )
    if max(d) > 1 and any(map(blind, sizes, k, s, p, d, out)):
        raise ShapeError(
            f"a window has all its taps in the padding: input size ({_times(sizes)}), kernel_size={k}, padding={p}, "
            f"dilation={d}",
            "It sees nothing whose largest could be taken: pad or dilate less.",
        )
    return Window(k, s, p, d), out


def settle_sequence(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> None:
    """What ``max_pool1d`` says in words of its own where no places are asked for."""
    name, shape = "max_pool1d", shape_of(x)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise ShapeError(
            f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(shape)}",
            "Sequences are (n, c, l).",
        )
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    if stride in (None, (), []):
        given["stride"] = kernel_size
    numbers = {}
    for what, value in given.items():
        if isinstance(value, (list, tuple)) and len(value) != 1:
            none, comma = ("None, ", ",") if what == "stride" else ("", "," * (what == "padding"))
            raise ShapeError(
                f"{name}() {what} must be {none}an int, list of ints{comma} or tuple of ints of size 1 but got size "
                f"{len(value)}"
            )
        (numbers[what],) = expand_ints(value, 1, what)
        if what != "padding" and numbers[what] <= 0:
            raise ShapeError(f"{name}() {what} must be greater than zero, but got {numbers[what]}")
        if numbers[what] < 0:
            raise ShapeError(f"{name}() padding must be non-negative, but got {numbers[what]}")
    k, s, p, d = numbers.values()
    if p > k // 2:
        raise ShapeError(
            f"{name}() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}"
        )
    out = pool_size(shape[-1], k, s, p, d, ceil_mode=ceil_mode)
    if out < 1:
        raise ShapeError(
            f"{name}() Invalid computed output size: {out}",
            "The sequence has become shorter than the window: pool less before this layer.",
        )


def in_a_row(
    name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> list[Ints]:
    """The settings over (l) as settings over (1, l)."""
    given = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    if stride in (None, (), []):
        given["stride"] = kernel
    shape = shape_of(x)
    if len(shape) not in (2, 3):
        refuse_rank(name, shape, 1)
    sides = (0 if what == "padding" else 1 for what in given)
    return [(side, *_setting(name, *v, 1)) for side, v in zip(sides, given.items(), strict=True)]


def check_divisor(divisor: int | None) -> None:
    """Refuse to divide by zero."""
    if divisor == 0:
        raise ShapeError(
            "divisor must be not zero",
            "Leave divisor_override away to divide by the size of the window.",
        )


def refuse_others(x: Any, kernel: str, takes: str) -> None:
    """Refuse number types that torch's loop of this name does not take: besides floats, ``"int64"``, ``"ints"`` or none."""
    kind = x.array.dtype
    if kind in FLOATS or kind.name in takes or ("ints" in takes and kind != "bool"):
        return
    raise not_implemented(kernel, x.array, "Write input.float() first.")


# ── details ───────────────────────────────────────────────────────────────────────────────────


def _setting(name: str, what: str, value: Any, nd: int) -> Ints:
    if type(value) is int:
        return (value,) * nd
    if isinstance(value, (list, tuple)) and len(value) not in (1, nd) and all(map(is_int, value)):
        if nd == 1:
            raise ShapeError(
                f"{name}() argument '{what}' should contain one int (got {len(value)})"
            )
        must = {"stride": "must either be omitted,", "dilation": "must be either"}
        raise ShapeError(
            f"{name}: {what} {must.get(what, 'must either be')} a single int, or a tuple of {_COUNTS[nd]}",
            f"It is {value}.",
        )
    return expand_ints(value, nd, what)


def _refuse_extents(name: str, shape: Shape, nd: int) -> None:
    """Only the batch may be empty."""
    inner = shape[-nd - 1 :]
    if nd == 3:
        torchs = "max_pool3d_with_indices_out_cpu_template" if name == "max_pool3d" else name
        raise ShapeError(
            f"{torchs}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
            f"{list(shape)} and non-batch dimension {inner.index(0)} has length zero!"
        )
    raise ShapeError(
        "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:"
        f"{list(shape)}"
    )


def _times(sizes: Any) -> str:
    return "x".join(map(str, sizes))


def blind(size: int, k: int, s: int, p: int, d: int, out: int) -> bool:
    """Tell whether some window steps over the whole image."""
    corners = range(-p, out * s - p, s)
    return not all(any(0 <= at + b * d < size for b in range(k)) for at in corners)
