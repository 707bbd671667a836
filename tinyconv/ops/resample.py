"""Images of another size.

Every smooth mode is separable: for each axis a small matrix (new size, old size), whose transpose
gives the gradient. Its weights are computed in the type of the image, as in PyTorch: among hundreds of
pixels the rounding of a place shows. The nearest element is an index.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..autograd.autocast import FLOAT32_ON_CUDA, recast
from ..autograd.function import Function, op, widened
from ..backend import XP, Array, get_backend, place_of, product
from ..dtypes import device
from ..errors import ArgumentError, ShapeError
from ..shapes import Ints, Shape, is_int
from ._common import NUMPY, as_given, shape_of
from .activation import floats
from .elementwise import clone
from .reduce import _wide
from .take import Take


@op
class Along(Function):
    """Multiply each line of one axis by a matrix."""

    axis: int
    matrix: Array

    def forward(self, x: Array) -> Array:
        m, y = self.xp.asarray(self.matrix, _wide(x)), x.astype(_wide(x), copy=False)
        lead, trail = x.shape[: self.axis], x.shape[self.axis + 1 :]
        n = x.shape[self.axis]
        if trail:
            y = product(m, y.reshape(math.prod(lead), n, math.prod(trail)))
        else:
            y = product(y.reshape(math.prod(lead), n), m.T)
        return y.reshape(*lead, len(m), *trail).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return (Along(self.axis, self.matrix.T)(g),)


# ── the matrices ──────────────────────────────────────────────────────────────────────────────


def _hat(d: Array) -> Array:
    return NUMPY.maximum(1 - d, 0)


def _cubic(d: Array, a: float = -0.75) -> Array:
    """Convolution kernel of R. Keys, IEEE Trans. ASSP 29 (1981), of the distance ``d``."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return NUMPY.where(d < 1, near, NUMPY.where(d < 2, far, 0))


@lru_cache(64)
def _matrix(mode: str, n: int, out: int, scale: float, align_corners: bool, kind: str) -> Array:
    """Weights, of dtype ``kind``, of ``n`` old elements in each of ``out`` new ones, ``scale`` old ones apart."""
    m = NUMPY.zeros((out, n), kind)
    rows = NUMPY.arange(out)
    if mode == "area":
        old = NUMPY.arange(n)
        starts, ends = rows * n // out, -(-(rows + 1) * n // out)
        m[...] = (starts[:, None] <= old) & (old < ends[:, None])
        return m / (ends - starts)[:, None]
    scale = float(m.dtype.type(scale))
    at = (rows * scale if align_corners else (rows + 0.5) * scale - 0.5).astype(kind)
    if mode == "linear":
        at = NUMPY.maximum(at, 0)
    weight, taps = (_cubic, (-1, 0, 1, 2)) if mode == "cubic" else (_hat, (0, 1))
    first = NUMPY.floor(at).astype(int)
    for tap in taps:  # beyond the edge lies the edge
        old = NUMPY.clip(first + tap, 0, n - 1)
        NUMPY.add.at(m, (rows, old), weight(NUMPY.abs(at - (first + tap).astype(kind))))
    return m


@lru_cache(64)
def _antialiased(
    mode: str, n: int, out: int, scale: float, align_corners: bool, kind: str
) -> Array:
    """As :func:`_matrix`, with the kernel widened to all elements that a new one stands for."""
    scale = float(NUMPY.dtype(kind).type(scale))
    wide = max(scale, 1.0)
    reach = wide * (2 if mode == "cubic" else 1)
    center, old = (
        (NUMPY.arange(out, dtype=kind)[:, None] + 0.5) * scale,
        NUMPY.arange(n, dtype=kind),
    )
    first, last = ((center + side + 0.5).astype(int) for side in (-reach, reach))
    d = NUMPY.abs(old - center + 0.5) / wide
    m = _cubic(d, -0.5) if mode == "cubic" else _hat(d)
    m = m * ((old >= NUMPY.maximum(first, 0)) & (old < last))
    return m / m.sum(1, keepdims=True)


@lru_cache(64)
def _fixed(make: Callable[..., Array], *args: Any) -> Array:
    """What ``make`` returns as it is for bytes: multiples of 2^-p, as fine as 16 bits hold the largest of them."""
    m = make(*args, "float64")
    p = next(p for p in range(22, -1, -1) if int(m.max() * 2**p + 0.5) < 2**15)
    return NUMPY.trunc(m * 2**p + NUMPY.copysign(0.5, m)) / 2**p


def _among_bytes(x: Array, axis: int, matrix: Array) -> Array:
    """Multiply each line of one axis by a matrix, and round: PyTorch does so after each axis."""
    y = Along(axis, matrix)(x.astype("float64"))  # exact
    return XP[type(x)].clip(y + 0.5, 0, 255).astype("uint8")


def _nearest(n: int, out: int, factor: float | None, exact: bool, dims: int) -> Array:
    """Old places of the new elements, in float32 as in PyTorch.

    PyTorch's loops for one, two and three dimensions differ: that for two forgets the factor if the new
    size is the old one or twice that. (Where ``exact`` falls on the border of two elements they differ
    too; there this is the loop for two.)
    """
    if factor is None or (dims == 2 and not exact and out in (n, 2 * n)):
        factor = out / n
    at = (NUMPY.arange(out) + 0.5 * exact).astype("float32") * NUMPY.float32(1 / factor)
    return NUMPY.minimum(NUMPY.floor(at).astype(int), n - 1)


# ── interpolate ───────────────────────────────────────────────────────────────────────────────

# kind of matrix, dimensions of the input
_SMOOTH = {
    "linear": ("linear", 3),
    "bilinear": ("linear", 4),
    "bicubic": ("cubic", 4),
    "trilinear": ("linear", 5),
}
_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")


@lru_cache(64)
def _there(where: device, kind: Any, make: Callable[..., Array], *args: Any) -> Array:
    """What ``make`` returns, on a device: a layer sends it once, not with each batch."""
    backend = get_backend(where.type)
    with backend.at(where.index):
        return backend.xp.asarray(make(*args), kind)


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Give images another size. Bytes are taken, too, by the nearest modes and those for two dimensions.

    Args:
        size: new size in pixels, for each spatial dimension or one for all.
        scale_factor: new size over old, instead of ``size``.
        mode: ``'nearest'`` (as it always was), ``'nearest-exact'`` (as elsewhere), ``'area'``
            (averages); for one spatial dimension ``'linear'``, for two ``'bilinear'`` or
            ``'bicubic'``, for three ``'trilinear'``.
        align_corners: the corner pixels keep their values; else the corners of the image stay.
        recompute_scale_factor: step by the ratio of the sizes in pixels, not by ``scale_factor``.
        antialias: average over all pixels that a new one stands for (bilinear, bicubic).

    Shape:
        ``(n, c, h, w) -> (n, c, oh, ow)``, with one to three spatial dimensions

    Raises:
        ArgumentError: arguments that contradict each other. NotImplementedError: a mode that is
            unknown, or of other dimensions. ShapeError: a size of zero.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[[1., 3.]]], requires_grad=True)
    >>> y = tc.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    >>> y.tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    >>> y.sum().backward()
    >>> x.grad
    tensor([[[2., 2.]]])
    """
    spatial = shape_of(input)[2:]
    _check_mode(shape_of(input), mode, align_corners, antialias)
    out, factors = _new_size(spatial, size, scale_factor)
    if recompute_scale_factor:
        if size is not None:
            raise ArgumentError(
                "recompute_scale_factor is not meaningful with an explicit size.",
                "The ratio of the sizes is what is used then.",
            )
        factors = (None,) * len(spatial)
    _check_input(input, mode, out)
    (given,) = recast(FLOAT32_ON_CUDA, input)
    x = start = widened(given)
    where, kind, bytewise = place_of(x.array), x.array.dtype.name, x.array.dtype == "uint8"
    for axis in reversed(range(2, 2 + len(spatial))):
        n, m, factor = spatial[axis - 2], out[axis - 2], factors[axis - 2]
        if mode.startswith("nearest"):
            exact = mode == "nearest-exact"
            x = Take(axis, _there(where, None, _nearest, n, m, factor, exact, len(spatial)))(x)
            continue
        scale = n / m if factor is None else 1 / factor
        if align_corners:
            scale = (n - 1) / (m - 1) if m > 1 else 0.0
        if n == m and scale == 1:
            continue
        make = _antialiased if antialias else _matrix
        weights = (_SMOOTH.get(mode, (mode,))[0], n, m, scale, bool(align_corners))
        if bytewise:
            x = x.wrap(_among_bytes(x.array, axis, _there(where, None, _fixed, make, *weights)))
        else:
            x = Along(axis, _there(where, None, make, *weights, kind))(x)
    if x is start:
        return clone(given)
    if x.node is not None:
        x.node.label = _node(mode, len(spatial), antialias)
    return as_given(x, given)


def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """The old name of :func:`interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """An old name of :func:`interpolate` by the nearest pixel."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """An old name of :func:`interpolate` by lines, whose corners are aligned."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def _new_size(spatial: Ints, size: Any, scale_factor: Any) -> tuple[Ints, tuple[float | None, ...]]:
    """The new size, and new over old where that was given."""
    if (size is None) == (scale_factor is None):
        which = "either" if size is None else "only one of"
        raise ArgumentError(
            f"{which} size or scale_factor should be defined",
            "size counts pixels, scale_factor is the new size over the old.",
        )
    given = size if scale_factor is None else scale_factor
    several = isinstance(given, Sequence) and not isinstance(given, str)
    values = tuple(given) if several else (given,) * len(spatial)
    if len(values) != len(spatial):
        raise ArgumentError(
            f"Input and {'scale_factor' if size is None else 'output'} must have the same number "
            f"of spatial dimensions, but got input with spatial dimensions of {list(spatial)} and "
            f"{'scale_factor of shape' if size is None else 'output size of'} {values}.",
            "The first two dimensions of the input are batch and channels.",
        )
    if scale_factor is None:
        if not all(map(is_int, values)):
            raise TypeError(f"interpolate(): size must be ints, got {size!r}\nWrite int(...).")
        return tuple(map(int, values)), (None,) * len(spatial)
    if not all(isinstance(f, (int, float)) or hasattr(f, "__float__") for f in values):
        raise TypeError(f"interpolate(): scale_factor must be numbers, got {scale_factor!r}")
    factors = tuple(map(float, values))
    return tuple(math.floor(n * f) for n, f in zip(spatial, factors, strict=True)), factors


def _check_mode(shape: Shape, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """Refuse modes that are unknown or of other dimensions, and options that they do not have."""
    dims = len(shape)
    if mode not in _MODES or dims not in (3, 4, 5):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {dims}D) for the modes: "
            f"{' | '.join(_MODES)} (got {mode})\nThe first two dimensions are batch and channels."
        )
    if mode in _SMOOTH and dims != _SMOOTH[mode][1]:
        fitting = [m for m, (_, d) in _SMOOTH.items() if d == dims]
        raise NotImplementedError(
            f"Got {dims}D input, but {mode} mode needs {_SMOOTH[mode][1]}D input\n"
            f"For {dims}D input there is {', '.join(fitting)}."
        )
    if align_corners is not None and mode not in _SMOOTH:
        raise ArgumentError(
            "align_corners option can only be set with the interpolating modes: "
            + " | ".join(_SMOOTH),
            f"Leave it out, or choose another mode than {mode}.",
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(
            "Anti-alias option is restricted to bilinear, bicubic modes and requires a 4-D tensor "
            "as input",
            f"The mode is {mode}.",
        )


def _check_input(x: Any, mode: str, out: Ints) -> None:
    """Refuse empty images, and numbers that cannot be averaged."""
    shape = shape_of(x)
    if min(*shape[2:], *out) < 1:
        old, new = (
            ", ".join(f"{d}: {n}" for d, n in zip("DHW"[-len(out) :], size, strict=True))
            for size in (shape[2:], out)
        )
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input ({old}) output ({new})"
        )
    if shape[1] == 0:
        raise ShapeError(
            f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes "
            f"{list(shape)}"
        )
    if not (mode.startswith(("nearest", "bi")) and x.array.dtype.name == "uint8"):
        floats(x, f"upsample_{mode}{len(out)}d")


def _node(mode: str, dims: int, antialias: bool) -> str:
    """What torch calls the graph node."""
    if mode == "area":
        return f"AdaptiveAvgPool{dims}DBackward0"
    name = "".join(part.title() for part in mode.split("-"))
    return f"Upsample{name}{dims}D{'Aa' * antialias}Backward0"
