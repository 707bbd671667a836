"""Convolution, its two transposes, and the layers made of them.

Three linear maps are closed under differentiation: with ``*`` for correlation,

    Conv        y  = x * w
    ConvInput   gx = the transpose of Conv in x, applied to gy
    ConvWeight  gw = the transpose of Conv in w, applied to gy

and the gradient of each is made of the other two. All three unfold the windows of a few images at a time into
columns that stay in cache, and leave the arithmetic to one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..backend import Array, Kernel, share
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import Ints, Shape, conv_size, conv_transpose_size, expand_ints
from ._common import dtype_of, ndim_of, shape_of
from .pad import pad
from .reduce import sum
from .views import squeeze, unsqueeze

# ── kernels ───────────────────────────────────────────────────────────────────────────────────
# x (n, c, h, w) and its columns (c kh kw, n, oh ow); ``window`` is (oh, ow, kh, kw, sh, sw, ph, pw, dh, dw).


@Kernel
def unfold_windows(xp, x, columns, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
    """columns[c a b, n, i j] = x[n, c, i sh + a dh - ph, j sw + b dw - pw], zero outside."""
    n, c = x.shape[:2]
    padded = xp.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))).swapaxes(0, 1)
    taps = columns.reshape(c, kh, kw, n, oh, ow)
    for a, b in product(range(kh), range(kw)):
        y, z = a * dh, b * dw
        taps[:, a, b] = padded[:, :, y : y + sh * (oh - 1) + 1 : sh, z : z + sw * (ow - 1) + 1 : sw]


@unfold_windows.cpu(parallel=False)
def _unfold_loop(x, columns, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
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


@fold_windows.cpu(parallel=False)
def _fold_loop(columns, x, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw):
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


# ── functions ─────────────────────────────────────────────────────────────────────────────────

_CHUNK = 1 << 22  # bytes of columns at a time: what stays in a second-level cache


class Correlation(Function):
    """What the three maps share: settings, and the batch in chunks whose columns fit a cache."""

    gives_away = True
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
        self.rows, self.length = x[1] * prod(k), prod(out)

    def share(self, n: int, work: Callable[[int, int], Any]) -> list[Any]:
        """Run ``work`` on parts of the batch, on several threads; a GPU takes it whole."""
        return share(n, work) if self.xp.__name__ == "numpy" else [work(0, n)]

    def chunks(self, start: int, stop: int, like: Array) -> Iterator[tuple[slice, Array]]:
        """Chunks of a part of the batch, each with memory for its columns (c kh kw, m, oh ow)."""
        size = self.rows * self.length
        step = max(1, min(stop - start, _CHUNK // max(1, size * like.itemsize)))
        memory = self.xp.empty(size * step, like.dtype)
        for at in range(start, stop, step):
            m = min(step, stop - at)
            yield slice(at, at + m), memory[: size * m].reshape(self.rows, m, self.length)

    def unfold(self, x: Array, columns: Array) -> None:
        unfold_windows(
            self.xp.ascontiguousarray(x).reshape(len(x), *self.planes), columns, *self.window
        )

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


@op
class Conv(Correlation):
    name = "ConvolutionBackward0"
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
        y = self.xp.empty((n, f, self.length), x.dtype)
        filters = w.reshape(g, f // g, -1)  # (g, f/g, c/g kh kw)

        def work(start: int, stop: int) -> None:
            for part, columns in self.chunks(start, stop, x):
                self.unfold(x[part], columns)
                chunk = filters @ self.by_group(columns)  # (g, f/g, K) @ (g, K, m oh ow)
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

    name = "ConvolutionBackward0"
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
        filters = w.reshape(g, f // g, -1).swapaxes(1, 2)  # (g, c/g kh kw, f/g)
        gx = self.xp.empty(shape, gy.dtype)

        def work(start: int, stop: int) -> None:
            for part, columns in self.chunks(start, stop, gy):
                self.xp.matmul(filters, self.channels_first(gy[part]), out=self.by_group(columns))
                fold_windows(columns, gx[part].reshape(-1, *self.planes), *self.window)
                if b is not None:
                    gx[part] += b.reshape(-1, *(1,) * len(k))

        self.share(n, work)
        return gx

    def backward(self, g: Any) -> Any:
        gy, w = self.saved
        settings = self.stride, self.padding, self.dilation, self.groups
        ggy = Conv(*settings)(g, w) if self.needs[0] else None
        gw = ConvWeight(*settings, self.kernel)(g, gy) if self.needs[1] else None
        return ggy, gw, *_bias_gradient(g, self.needs)


@op
class ConvWeight(Correlation):
    name = "ConvolutionBackwardBackward0"
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

        def work(start: int, stop: int) -> Array:
            gw = self.xp.zeros((g, f // g, self.rows // g), x.dtype)
            for part, columns in self.chunks(start, stop, x):
                self.unfold(x[part], columns)
                gw += self.channels_first(gy[part]) @ self.by_group(columns).swapaxes(
                    1, 2
                )  # (g, f/g, L) @ (g, L, K)
            return gw

        first, *others = self.share(n, work)
        for gw in others:  # in the order of the batch: the sum is the same every time
            first += gw
        return first.reshape(f, c // g, *self.kernel)

    def backward(self, g: Any) -> Any:
        x, gy = self.saved
        settings = self.stride, self.padding, self.dilation, self.groups
        gx = ConvInput(*settings, self.spatial)(gy, g) if self.needs[0] else None
        return gx, Conv(*settings)(x, g) if self.needs[1] else None


# ── checks ────────────────────────────────────────────────────────────────────────────────────

_C_NAMES = {"float32": "float", "float64": "double", "float16": "c10::Half", "int64": "int64_t", "int32": "int",
            "uint8": "unsigned char", "bool": "bool", "int8": "signed char", "int16": "short"}  # fmt: skip


def _check_dtypes(x: Any, w: Any, b: Any) -> None:
    """One dtype for all, in torch's words, with the usual reasons for another."""
    kinds = [dtype_of(v) for v in (x, w, b) if v is not None]
    if all(k is kinds[0] for k in kinds):
        return
    what = "weight" if b is None or kinds[0] is kinds[-1] else "bias"
    other = kinds[1] if what == "weight" else kinds[-1]
    if kinds[0].name == "uint8":
        hint = "A uint8 image becomes a float one by transforms.ToTensor(), or x.float() / 255."
    elif kinds[0].name == "float64":
        hint = f"NumPy's floats are float64: write x.{'float' if other.name == 'float32' else 'half'}(), or set_default_dtype(float64)."
    else:
        hint = f"Write x.to(tinyconv.{other.name})."
    raise DTypeError(
        f"Input type ({_C_NAMES[kinds[0].name]}) and {what} type ({_C_NAMES[other.name]}) should be the same",
        hint,
    )


def _check(name: str, x: Any, w: Any, b: Any, nd: int, channels: int, groups: int) -> None:
    sx, sw = shape_of(x), shape_of(w)
    if len(sx) not in (nd + 1, nd + 2):
        hint = "Add the channel and batch dimensions: x[None, None]." if len(sx) == nd else ""
        if len(sx) == 2 and nd == 2:
            hint = "Images are (n, c, h, w). Was the tensor flattened before this layer, or is it one grey image: x[None, None]?"
        raise ShapeError(
            f"Expected {nd + 1}D (unbatched) or {nd + 2}D (batched) input to {name}, but got input of size: {list(sx)}",
            hint,
        )
    if len(sw) != nd + 2:
        raise ShapeError(
            f"expected weight to have {nd + 2} dimensions for {name}, but got {list(sw)}"
        )
    _check_dtypes(x, w, b)
    have = sx[-nd - 1]
    if have != channels:
        if sx[-1] == channels:
            order = "0, 3, 1, 2" if len(sx) == 4 else "2, 0, 1"
            hint = f"It looks channels-last: write x.permute({order})." if nd == 2 else ""
        elif len(sx) == nd + 1 and sx[0] != channels and channels == 1:
            hint = "Without a batch dimension the first size is the channels: write x.unsqueeze(1)."
        else:
            hint = f"Make the layer with in_channels={have}, or feed it {channels} channels."
        raise ShapeError(
            f"Given {'transposed=1' if 'transpose' in name else f'groups={groups}'}, weight of size {list(sw)}, "
            f"expected input{list(sx)} to have {channels} channels, but got {have} channels instead",
            hint,
        )
    f = sw[0] if "transpose" not in name else sw[1] * groups
    if f % groups or sw[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size {list(sw)} instead"
        )
    if b is not None and shape_of(b) != (f,):
        raise ShapeError(
            f"Given weight of size {list(sw)}, expected bias to be 1-dimensional with {f} elements, but got bias of "
            f"size {list(shape_of(b))} instead"
        )


def _settings(
    nd: int, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Ints, Ints, Ints]:
    s, p, d = (
        expand_ints(stride, nd, "stride"),
        expand_ints(padding, nd, "padding"),
        expand_ints(dilation, nd, "dilation"),
    )
    if min(s) <= 0:
        raise ShapeError("non-positive stride is not supported")
    if min(p) < 0:
        raise ShapeError(
            "negative padding is not supported", "Cut the input with pad(x, (-1, -1, ...))."
        )
    if min(d) <= 0:
        raise ShapeError("dilation should be greater than zero")
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    return s, p, d


def _conv(
    name: str,
    nd: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    _check(name, x, w, b, nd, shape_of(w)[1] * groups if ndim_of(w) == nd + 2 else 0, groups)
    if isinstance(padding, str):
        x, padding = _named_padding(nd, x, w, stride, padding, dilation)
    s, p, d = _settings(nd, stride, padding, dilation, groups)
    single = ndim_of(x) == nd + 1
    if single:
        x = unsqueeze(x, 0)
    k = shape_of(w)[2:]
    padded = [n + 2 * q for n, q in zip(shape_of(x)[2:], p, strict=True)]
    reach = [e * (n - 1) + 1 for n, e in zip(k, d, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size",
            "The image has become smaller than the filter: pool less before this layer, or pad.",
        )
    y = Conv(s, p, d, groups)(x, w) if b is None else Conv(s, p, d, groups)(x, w, b)
    return squeeze(y, 0) if single else y


def _named_padding(
    nd: int, x: Any, w: Any, stride: Any, padding: str, dilation: Any
) -> tuple[Any, Any]:
    """'valid' is none; 'same' pads ``d (k - 1)`` in all, the odd one at the end."""
    if padding == "valid":
        return x, 0
    if padding != "same":
        raise ArgumentError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
    if set(expand_ints(stride, nd, "stride")) != {1}:
        raise ShapeError(
            "padding='same' is not supported for strided convolutions",
            "Give the padding in pixels.",
        )
    total = [
        d * (k - 1)
        for d, k in zip(expand_ints(dilation, nd, "dilation"), shape_of(w)[2:], strict=True)
    ]
    if any(t % 2 for t in total):
        x = pad(x, [n for t in reversed(total) for n in (0, t % 2)])
    return x, tuple(t // 2 for t in total)


def _conv_transpose(
    name: str,
    nd: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    _check(name, x, w, b, nd, shape_of(w)[0], groups)
    s, p, d = _settings(nd, stride, padding, dilation, groups)
    extra = expand_ints(output_padding, nd, "output_padding")
    if any(e >= max(a, c) for e, a, c in zip(extra, s, d, strict=True)):
        raise ShapeError(
            "output padding must be smaller than either stride or dilation, but got output_padding_height: "
            f"{extra[0]} output_padding_width: {extra[-1]} stride_height: {s[0]} stride_width: {s[-1]} "
            f"dilation_height: {d[0]} dilation_width: {d[-1]}"
        )
    single = ndim_of(x) == nd + 1
    if single:
        x = unsqueeze(x, 0)
    spatial = tuple(map(conv_transpose_size, shape_of(x)[2:], shape_of(w)[2:], s, p, d, extra))
    if min(spatial) <= 0:
        raise ShapeError(
            f"Given input size per channel: {list(shape_of(x)[2:])}. Calculated output size per channel: "
            f"{list(spatial)}. Output size is too small"
        )
    conv = ConvInput(s, p, d, groups, spatial)
    y = conv(x, w) if b is None else conv(x, w, b)
    return squeeze(y, 0) if single else y


# ── public ────────────────────────────────────────────────────────────────────────────────────


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Correlate sequences with a bank of filters; arguments as :func:`conv2d`.

    Shape:
        ``(n, c, l), (f, c/g, k), (f) -> (n, f, ol)``
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Correlate images with a bank of filters.

    .. math:: y_{n,f,i,j} = b_f + \\sum_{c,a,b} w_{f,c,a,b}\\, x_{n,\\,c,\\,i s_h + a d_h - p_h,\\,j s_w + b d_w - p_w}

    Args:
        stride: pixels between windows.
        padding: zeros on each side in pixels; ``'same'`` for output of the input's size, ``'valid'`` for none.
        dilation: pixels between taps of the filter.
        groups: input and output channels fall into this many groups that do not see each other.

    Shape:
        ``(n, c, h, w), (f, c/g, kh, kw), (f) -> (n, f, oh, ow)``, ``oh = (h + 2p - d(k - 1) - 1) // s + 1``

    Raises:
        ShapeError: channels do not match, or the filter is larger than the padded image. DTypeError: dtypes differ.

    Source: arithmetic of sizes after Dumoulin & Visin, arXiv 1603.07285.

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 3, 3, requires_grad=True)
    >>> tc.nn.functional.conv2d(x, tc.ones(1, 1, 2, 2)).sum().backward()
    >>> x.grad[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv1d`; arguments as :func:`conv_transpose2d`."""
    return _conv_transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv2d`: each input pixel paints its filter on the output.

    Args:
        output_padding: rows and columns added at one side, where several sizes convolve to the input's.

    Shape:
        ``(n, c, h, w), (c, f/g, kh, kw), (f) -> (n, f, oh, ow)``, ``oh = (h - 1)s - 2p + d(k - 1) + extra + 1``

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 2, 2, requires_grad=True)
    >>> y = tc.nn.functional.conv_transpose2d(x, tc.ones(1, 1, 2, 2))
    >>> y[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]], grad_fn=<SelectBackward0>)
    """
    return _conv_transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
