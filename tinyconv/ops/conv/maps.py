"""The three linear maps of a convolution, which are closed under differentiation. With ``*`` for correlation,

    Conv        y  = x * w
    ConvInput   gx = the transpose of Conv in x, applied to gy
    ConvWeight  gw = the transpose of Conv in w, applied to gy

and the gradient of each is made of the other two. Each has three ways to its result: `tiled` loops on the CPU, `cuda` on
a GPU, and for all that these do not take (groups, other number types, no compiler) the general one through `columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from ...autograd.function import Function, op
from ...backend import Array, empty, empty_like, product, share_products
from ...dtypes import HALVES
from ...shapes import Ints, Shape, conv_size
from .._common import ndim_of, shape_of
from ..reduce import sum
from ..slices import narrow
from . import cuda
from .columns import fold_windows, unfold_windows
from .implicit import Geometry
from .tiled import correlate, correlate_input, correlate_weight, is_tiled
from .tiles import finish_whole

# bytes of columns at a time: what stays in a second-level cache
_CHUNK = {"cpu": 1 << 22, "cuda": 1 << 25}


class Correlation(Function):
    """What the three maps share: settings, and the batch in chunks whose columns fit a cache."""

    gives_away = True
    widens = "cpu"
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int

    def prepare(self, x: Shape, k: Shape, out: Shape) -> None:
        """Settle sizes; one spatial dimension becomes two, the first of size one."""
        flat, zero = (1,) * (2 - len(k)), (0,) * (2 - len(k))
        self.window = (
            *flat, *out, *flat, *k, *flat, *self.stride, *zero, *self.padding, *flat, *self.dilation
        )  # fmt: skip
        self.planes = (x[1], *flat, *x[2:])  # c, h, w
        self.places = (*flat, *out)  # oh, ow
        self.rows, self.length = x[1] * prod(k), prod(out)

    def images(self, x: Array) -> Array:
        """(n, c, h, w) in one piece."""
        return self.xp.ascontiguousarray(x).reshape(len(x), *self.planes)

    def outputs(self, y: Array) -> Array:
        """(n, f, oh, ow) in one piece."""
        return self.xp.ascontiguousarray(y).reshape(*y.shape[:2], *self.places)

    def filters(self, w: Array) -> Array:
        """(f, c, kh, kw) in one piece."""
        return self.xp.ascontiguousarray(w).reshape(*w.shape[:2], *self.window[2:4])

    @property
    def geometry(self) -> tuple[Ints, Ints, Ints]:
        """Stride, padding and dilation over two dimensions."""
        return self.window[4:6], self.window[6:8], self.window[8:10]

    def share(self, n: int, work: Callable[[int, int], Any]) -> list[Any]:
        """Run ``work`` on parts of the batch, on several threads; a GPU takes it whole."""
        return share_products(n, work) if self.xp.__name__ == "numpy" else [work(0, n)]

    def in_plane(self, a: Array) -> Array:
        """An array of images, outputs or filters with two spatial dimensions, in its own order in memory."""
        return a if a.ndim == 4 else a[:, :, None]

    def out_of_plane(self, a: Array) -> Array:
        """The same array with as many spatial dimensions as there are settings of the stride."""
        return a if len(self.stride) == 2 else a[:, :, 0]

    def for_gpu(self, x: Array, n: int, f: int) -> Geometry | None:
        """All sizes, with ``n`` images and ``f`` filters, if this is for `cuda` to do."""
        if self.xp.__name__ == "numpy":
            return None
        sizes = Geometry._make((n, *self.planes, f, *self.window, self.groups))
        return sizes if cuda.takes(x, sizes) else None

    def chunks(self, start: int, stop: int, like: Array) -> Iterator[tuple[slice, Array]]:
        """Chunks of a part of the batch, each with memory for its columns (c kh kw, m, oh ow)."""
        size = self.rows * self.length
        room = _CHUNK["cpu" if self.xp.__name__ == "numpy" else "cuda"]
        step = max(1, min(stop - start, room // max(1, size * like.itemsize)))
        memory = empty(self.xp, (size * step,), like.dtype)
        for at in range(start, stop, step):
            m = min(step, stop - at)
            yield slice(at, at + m), memory[: size * m].reshape(self.rows, m, self.length)

    def unfold(self, x: Array, columns: Array) -> None:
        unfold_windows(self.images(x), columns, *self.window)

    def by_group(self, a: Array) -> Array:
        """(rows, m, l) as matrices (groups, rows/groups, m l)."""
        return a.reshape(self.groups, len(a) // self.groups, a.shape[1] * a.shape[2])

    def channels_first(self, gy: Array) -> Array:
        """Images (m, f, oh, ow) as matrices (groups, f/groups, m oh ow)."""
        f = gy.shape[1]
        return self.by_group(
            self.xp.ascontiguousarray(gy.swapaxes(0, 1)).reshape(f, len(gy), self.length)
        )


def _bias_gradient(g: Any, needs: Any) -> tuple[Any, ...]:
    """The gradient of the third input, if there is one: a sum over images and pixels."""
    if len(needs) == 2:
        return ()
    return (sum(g, (0, *range(2, ndim_of(g)))) if needs[2] else None,)


def _cropped(y: Any, like: Any) -> Any:
    """``y`` without the windows that ``like`` does not have: output padding may leave room for more."""
    for dim, size in enumerate(shape_of(like)[2:], 2):
        if shape_of(y)[dim] > size:
            y = narrow(y, dim, 0, size)
    return y


@op
class Conv(Correlation):
    label = "ConvolutionBackward0"
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        n, (f, _, *k), g = len(x), w.shape, self.groups
        out = tuple(map(conv_size, x.shape[2:], k, self.stride, self.padding, self.dilation))
        self.prepare(x.shape, tuple(k), out)
        self.sizes = x.shape, w.shape
        self.save(x if self.needs[1] else None, w if self.needs[0] else None)
        if is_tiled(self, x, x.shape[1], f):
            y = empty(self.xp, (n, f, *self.places), x.dtype)
            correlate(self.images(x), self.filters(w), b, y, self.places, *self.geometry)
            return y.reshape(n, f, *out)
        if sizes := self.for_gpu(x, n, f):
            return self.out_of_plane(cuda.correlate(self.in_plane(x), self.in_plane(w), b, sizes))
        y = empty(self.xp, (n, f, self.length), x.dtype)
        filters = w.reshape(g, f // g, -1)  # (g, f/g, c/g kh kw)

        def work(start: int, stop: int) -> None:
            for part, columns in self.chunks(start, stop, x):
                self.unfold(x[part], columns)
                chunk = product(filters, self.by_group(columns))  # (g, f/g, K) @ (g, K, m oh ow)
                chunk = chunk.reshape(f, -1, self.length).swapaxes(0, 1)
                if b is None:
                    y[part] = chunk
                else:
                    self.xp.add(chunk, b[:, None], out=y[part])

        self.share(n, work)
        return y.reshape(n, f, *out)

    def backward(self, gy: Any) -> Any:
        x, w = self.saved
        settings = self.stride, self.padding, self.dilation, self.groups
        (x_shape, w_shape), needs = self.sizes, self.needs
        gx = ConvInput(*settings, x_shape[2:])(gy, w) if needs[0] else None
        gw = ConvWeight(*settings, w_shape[2:])(x, gy) if needs[1] else None
        return gx, gw, *_bias_gradient(gy, needs)


@op
class ConvInput(Correlation):
    """Also the transposed convolution: each input element paints its filter on the output."""

    label = "ConvolutionBackward0"
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int
    spatial: Ints

    def forward(self, gy: Array, w: Array, b: Array | None = None) -> Array:
        (n, f, *out), (_, cg, *k), g = gy.shape, w.shape, self.groups
        shape = (n, cg * g, *self.spatial)
        self.save(gy if self.needs[1] else None, w if self.needs[0] else None)
        self.kernel = tuple(k)
        self.prepare(shape, self.kernel, tuple(out))
        if is_tiled(self, gy, shape[1], f):
            gx = empty(self.xp, shape, gy.dtype)
            correlate_input(self.outputs(gy), self.filters(w), b, self.images(gx), *self.geometry)
            return gx
        if sizes := self.for_gpu(gy, n, f):
            gx = cuda.correlate_input(self.in_plane(gy), self.in_plane(w), b, sizes)
            return self.out_of_plane(gx)
        gx = empty(self.xp, shape, gy.dtype)
        filters = w.reshape(g, f // g, -1).swapaxes(1, 2)  # (g, c/g kh kw, f/g)

        def work(start: int, stop: int) -> None:
            for part, columns in self.chunks(start, stop, gy):
                product(filters, self.channels_first(gy[part]), self.by_group(columns))
                fold_windows(columns, gx[part].reshape(-1, *self.planes), *self.window)
                if b is not None:
                    gx[part] += b.reshape(-1, *(1,) * len(k))

        self.share(n, work)
        return gx

    def backward(self, g: Any) -> Any:
        gy, w = self.saved
        settings = self.stride, self.padding, self.dilation, self.groups
        ggy = None
        if self.needs[0]:
            ggy = Conv(*settings)(g, w)
            for dim, size in enumerate(
                shape_of(gy)[2:], 2
            ):  # output padding may leave room for more
                ggy = narrow(ggy, dim, 0, size)
        gw = ConvWeight(*settings, self.kernel)(g, gy) if self.needs[1] else None
        return ggy, gw, *_bias_gradient(g, self.needs)


@op
class ConvWeight(Correlation):
    label = "ConvolutionBackwardBackward0"
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int
    kernel: Ints

    def forward(self, x: Array, gy: Array) -> Array:
        (n, c), (_, f, *out), g = x.shape[:2], gy.shape, self.groups
        self.save(x if self.needs[1] else None, gy if self.needs[0] else None)
        self.spatial = x.shape[2:]
        self.prepare(x.shape, self.kernel, tuple(out))
        if is_tiled(self, x, c, f):
            gw = empty(self.xp, (f, c // g, *self.kernel), x.dtype)
            correlate_weight(self.images(x), self.outputs(gy), self.filters(gw), *self.geometry)
            return gw
        if sizes := self.for_gpu(x, n, f):
            gw = cuda.correlate_weight(self.in_plane(x), self.in_plane(gy), sizes)
            return self.out_of_plane(gw)

        def work(start: int, stop: int) -> Array:
            wide = "float32" if x.dtype in HALVES else x.dtype  # a sum of many
            gw = self.xp.zeros((g, f // g, self.rows // g), wide)
            for part, columns in self.chunks(start, stop, x):
                self.unfold(x[part], columns)
                # (g, f/g, L) @ (g, L, K)
                gw += product(self.channels_first(gy[part]), self.by_group(columns).swapaxes(1, 2))
            return gw

        first, *others = self.share(n, work)
        for gw in others:  # in the order of the batch: the sum is the same every time
            first += gw
        return first.astype(x.dtype, copy=False).reshape(f, c // g, *self.kernel)

    def backward(self, g: Any) -> Any:
        x, gy = self.saved
        settings = self.stride, self.padding, self.dilation, self.groups
        gx = ConvInput(*settings, self.spatial)(gy, g) if self.needs[0] else None
        return gx, _cropped(Conv(*settings)(x, g), gy) if self.needs[1] else None


@op
class ConvBlock(Correlation):
    """Conv, ReLU and 2x2 max pooling in one pass over memory, where no gradient is wanted."""

    differentiable = False
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int
    relu: bool
    pool: bool

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        (f, _, *k), settings = w.shape, (self.stride, self.padding, self.dilation)
        out = tuple(map(conv_size, x.shape[2:], k, *settings))
        side = 2 if self.pool else 1
        self.prepare(x.shape, tuple(k), out)
        if self.groups == 1 and is_tiled(self, x, x.shape[1], f):
            y = empty(self.xp, (len(x), f, *(n // side for n in out)), x.dtype)
            correlate(
                self.images(x), self.filters(w), b, y, self.places, *self.geometry, self.relu, self.pool
            )  # fmt: skip
            return y
        if sizes := self.for_gpu(x, len(x), f):
            whole, relu = cuda.correlate(x, w, b, sizes, self.relu), False
        else:
            inputs = (x, w) if b is None else (x, w, b)
            whole, relu = Conv(*settings, self.groups)(*inputs), self.relu
        if not (relu or self.pool):
            return whole
        oh, ow = (n // side * side for n in out)
        y = empty_like(self.xp, whole[:, :, :oh:side, :ow:side])
        finish_whole(self.xp, whole, relu, self.pool, y)
        return y
