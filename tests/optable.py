"""One small case at least for every operation: the same lines for tinyconv on any device, and for torch.

A row is a function of the library and of tensors, and what the tensors are: ``"3 4"`` normal numbers of that shape,
``"+3 4"`` positive ones, ``"u"`` between -1 and 1, ``"p"`` between 0 and 1, ``"o"`` above 1, ``"i5 3 4"`` integers below 5, ``"b"``
bools, ``"!3 4"`` numbers without a gradient. ``run`` gives the values, the gradients and the second gradients.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Story = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One row."""

    name: str
    story: Story
    specs: tuple[str, ...]
    kinds: str = "f"  # besides floats: "i" integers, "b" bools
    torch: bool = True  # whether torch has it, and draws the same numbers
    second: bool = True  # whether torch has second gradients

    def __str__(self) -> str:
        return self.name


CASES: dict[str, Case] = {}


def row(name: str, story: Story, *specs: str, kinds: str = "f", **torch: bool) -> None:
    assert name not in CASES, f"{name} is there"
    CASES[name] = Case(name, story, specs, kinds, **torch)


def method(name: str) -> Story:
    """The function of this dotted name."""

    def story(t: Any, *args: Any) -> Any:
        place = t
        for part in name.split("."):
            place = getattr(place, part)
        return place(*args)

    return story


def rows(names: str, *specs: str, kinds: str = "f") -> None:
    for name in names.split():
        row(name.removeprefix("nn.functional."), method(name), *specs, kinds=kinds)


# ── elements ──────────────────────────────────────────────────────────────────────────────────

rows("neg abs sign sgn square relu", "3 4", kinds="fi")
rows("floor ceil trunc round", "3 4", kinds="fi")
rows("exp exp2 expm1 sin cos tan sinh cosh tanh asinh atan sigmoid erf erfc frac", "3 4")
rows("log log2 log10 log1p sqrt rsqrt reciprocal", "+3 4")
rows("asin acos atanh", "u3 4")
rows("acosh", "o3 4")
rows("deg2rad rad2deg sinc", "3 4")
rows("logit", "p3 4")
rows("fmax fmin logaddexp logaddexp2", "3 4", "4")
rows("copysign xlogy", "3 4", "+4")
row("heaviside", lambda t, x, y: t.heaviside(x, y), "!3 4", "!4")
row("ldexp", lambda t, x, n: t.ldexp(x, n), "3 4", "i4 4")
row("nan_to_num", lambda t, x, c: [t.nan_to_num(t.where(c, x, float(v)), 0.5, 2.0, -2.0)
                                   for v in ("nan", "inf", "-inf")], "3 4", "b3 4")  # fmt: skip
row("lerp", lambda t, x, y, w: [t.lerp(x, y, 0.3), t.lerp(x, y, w)], "3 4", "3 4", "p4")
row("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=2), "3 4", "3 4", "4")
row("addcdiv", lambda t, x, y, z: t.addcdiv(x, y, z, value=2), "3 4", "3 4", "+4")
row("shifts", lambda t, x, n: [x << n, x >> n], "i9 3 4", "i3 4")
row("round_decimals", lambda t, x: t.round(x, decimals=2), "3 4")
rows("add sub mul maximum minimum", "3 4", "4", kinds="fi")
rows("div true_divide atan2 hypot", "3 4", "+4")
rows("fmod remainder", "3 4", "+4", kinds="fi")
rows("floor_divide", "!3 4", "!+4", kinds="fi")
row("div_floor", lambda t, x, y: t.div(x, y, rounding_mode="floor"), "3 4", "+4", kinds="fi")
row("div_trunc", lambda t, x, y: t.div(x, y, rounding_mode="trunc"), "3 4", "+4", kinds="fi")
row("rsub", lambda t, x: 2 - x, "3 4", kinds="fi")
row("numbers", lambda t, x: (2 * x + 1) / 3 - x**2 + 2 / x, "+3 4")
row("pow", lambda t, x, y: x**y, "+3 4", "3 4")
row("pow_numbers", lambda t, x: [x**3, x**-1.5, 2**x, x**0], "+3 4")
row("pow_of_zero", lambda t, x, y: (x * 0) ** y, "+4", "+4")
row("alpha", lambda t, x, y: t.add(x, y, alpha=3) - t.sub(x, y, alpha=2), "3 4", "3 1")
row("xlogy_numbers", lambda t, x, y: [t.xlogy(2, y), t.xlogy(x, 0.5)], "3 4", "+4")
row("logit_eps", lambda t, x: t.logit(x, 0.2), "p3 4")
row("float_power", lambda t, x: [t.float_power(x, 3), t.float_power(2, x)], "+3 4", kinds="fi")
row("where", lambda t, c, x, y: [t.where(c, x, y), t.where(c, x, 1.0)], "b3 4", "3 4", "4")
row("clamp", lambda t, x: [x.clamp(-0.5, 0.5), x.clamp_min(0), x.clamp_max(1)], "3 4", kinds="f")
row("clamp_tensors", lambda t, x, a, b: t.clamp(x, a, b), "3 4", "!4", "+4")
row("clone", lambda t, x: x.T.clone() * 2, "3 4", kinds="fib")
row("cast", lambda t, x: x.to(t.float64) * 2, "3 4", kinds="fib")
row("cast_whole", lambda t, x: x.to(t.int32), "3 4", kinds="fib")

# ── comparison ────────────────────────────────────────────────────────────────────────────────

rows("eq ne lt le gt ge logical_and logical_or logical_xor", "3 4", "4", kinds="fib")
rows("bitwise_and bitwise_or bitwise_xor", "i5 3 4", "i5 4")
rows("logical_not isnan isinf isfinite", "3 4", kinds="fi")
row("bits", lambda t, x, y: [~x, x & y, x | 1, x ^ y], "i5 3 4", "i5 4")
rows("signbit isposinf isneginf isreal", "3 4", kinds="fi")
row("shifts_out", lambda t, x: [1 << x, (x - 3) >> 70, x << -1], "i9 3 4")
rows("gcd lcm", "i9 3 4", "i9 4")
row("eq_", lambda t, x, y: [(x * 1).eq_(y), (x * 1).lt_(0)],
    "3 4", "4", second=False)  # fmt: skip
row("close", lambda t, x: [t.isclose(x, x + 1e-9), t.allclose(x, x), t.equal(x, x)], "3 4")

# ── reductions ────────────────────────────────────────────────────────────────────────────────

row("sum", lambda t, x: [x.sum(), x.sum(1), x.sum((0, 2), keepdim=True)], "2 3 4", kinds="fib")
row("sum_large", lambda t, x: [x.sum((0, 2, 3)), x.sum((1, 2, 3))], "4 8 12 16")
row("mean", lambda t, x: [x.mean(), x.mean(1), x.mean((0, 2), keepdim=True)], "2 3 4")
row("prod", lambda t, x: [x.prod(), x.prod(1)], "+3 4", kinds="fi")
row("prod_zero", lambda t, x, c: (x * c).prod(1), "+3 4", "b3 4")
row("var", lambda t, x: [x.var(), x.var(1, correction=0), x.var((0, 2), keepdim=True)], "2 3 4")
row("std", lambda t, x: [x.std(), x.std(1)], "3 4")
row("norm", lambda t, x: [x.norm(), x.norm(1), x.norm(3, dim=1), x.norm(float("inf"))], "3 4")
row("norm_zero", lambda t, x: x.norm(0), "3 4")
row("logsumexp", lambda t, x: [x.logsumexp(1), x.logsumexp((0, 1), keepdim=True)], "3 4")
row("cumsum", lambda t, x: [x.cumsum(0), x.cumsum(1)], "3 4", kinds="fib")
row("scans", lambda t, x: [x.cumprod(0), x.logcumsumexp(1), *x.cummax(1), *x.cummin(0)], "+3 4")
row("median", lambda t, x: [x.median(), *x.median(1), *x.kthvalue(2, 1), *x.mode(0)], "3 5")
row("searchsorted", lambda t, x, y: t.searchsorted(x.sort()[0], y), "!5", "!3 4")
row("cumprod", lambda t, x: [x.cumprod(0), x.cumprod(1)], "3 4", kinds="fi")
row("cumprod_zero", lambda t, x, c: (x * c).cumprod(1), "+3 6", "b3 6")
row("logcumsumexp", lambda t, x: [x.logcumsumexp(0), x.logcumsumexp(1)], "3 5")
row("cummax", lambda t, x: [*x.cummax(0), *x.cummin(1)], "3 5", kinds="fib")
row("diff", lambda t, x: [x.diff(), x.diff(2, 0)], "3 4", kinds="fi")
row("trapezoid", lambda t, y, x: [t.trapezoid(y, dx=2), t.cumulative_trapezoid(y, x)], "3 4", "4")
row("nansum", lambda t, x: [x.nansum(), x.nansum(1), x.nanmean(0)], "3 4")
row("count_nonzero", lambda t, x: [x.count_nonzero(), x.count_nonzero(1)], "i3 3 4", kinds="f")
row("var_mean", lambda t, x: [*t.var_mean(x), *t.std_mean(x, 1)], "3 4")
row("nanmedian", lambda t, x: [x.nanmedian(), *x.nanmedian(0)], "3 4")
row("kthvalue", lambda t, x: [*x.kthvalue(2), *x.kthvalue(1, 0, keepdim=True)], "3 4")
row("mode", lambda t, x: [*x.mode(), *x.mode(0, keepdim=True)], "i3 3 4", kinds="f")
row("mode_floats", lambda t, x: x.mode().values, "3 4")
row(
    "quantiles",
    lambda t, x, q: [x.quantile(0.3), x.quantile(q, 1), x.nanquantile(q, 0)],
    "4 5",
    "p3",
)
row("dist", lambda t, x, y: [t.dist(x, y), t.dist(x, y, 1)], "3 4", "3 4")
row("renorm", lambda t, x: t.renorm(x, 2, 0, 1.5), "3 4")
row("max", lambda t, x: [x.max(), *x.max(1), *x.max(0, keepdim=True)], "3 4", kinds="fi")
row("min", lambda t, x: [x.min(), *x.min(1), *x.min(0, keepdim=True)], "3 4", kinds="fi")
row("amax", lambda t, x: [x.amax(), x.amax((0, 1)), x.amax(1, keepdim=True)], "3 4", kinds="fi")
row("amin", lambda t, x: [x.amin(), x.amin(0)], "3 4", kinds="fi")
row("aminmax", lambda t, x: [*x.aminmax(), *x.aminmax(dim=1)], "3 4", kinds="fi")
row("argmax", lambda t, x: [x.argmax(), x.argmax(1), x.argmin(0)], "3 4", kinds="fi")
row("any", lambda t, x: [x.any(), x.any(1), x.all(), x.all(0)], "3 4", kinds="fib")
row("softmax", lambda t, x: [x.softmax(1), x.softmax(0)], "3 4")
row("log_softmax", lambda t, x: [x.log_softmax(1), x.log_softmax(0)], "3 4")
row("softmax_images", lambda t, x: x.softmax(1), "2 3 4 5")

# ── arrangement ───────────────────────────────────────────────────────────────────────────────

row("views", lambda t, x: [x.reshape(4, 3) * 2, x.view(-1)[::2], x.T.reshape(-1), x.flatten()],
    "3 4", kinds="fib")  # fmt: skip
row("turns", lambda t, x: [x.permute(2, 0, 1), x.transpose(0, 2), x.movedim(0, 2), x[0].t()],
    "2 3 4", kinds="fib")  # fmt: skip
row("dims", lambda t, x: [x.squeeze(), x.unsqueeze(1), x.squeeze(1), x.unflatten(0, (1, 3))],
    "3 1 4", kinds="fib")  # fmt: skip
row("expand", lambda t, x: [x.expand(2, 3, 4) * 2, x.expand(-1, 4)], "3 1", kinds="fi")
row("contiguous", lambda t, x: x.T.contiguous() * 2, "3 4")
row(
    "getitem", lambda t, x: [x[1], x[:, 1:3], x[..., -1], x[None, ::2], x[1, 2]], "3 4", kinds="fib"
)
row("diagonal", lambda t, x: [x.diagonal(), x.diagonal(1)], "3 4", kinds="fi")
row("split", lambda t, x: [*x.split(2, 1), *x.chunk(2), *x.unbind(0), x.narrow(1, 1, 2)], "3 4")
row("cat", lambda t, x, y: [t.cat([x, y]), t.hstack([x, x]), t.vstack([x, y])], "3 4", "2 4")
row("stack", lambda t, x, y: [t.stack([x, y]), t.stack([x, y], 1)], "3 4", "3 4", kinds="fib")
row("flip", lambda t, x: [x.flip(0), x.flip((0, 1))], "3 4", kinds="fib")
row("roll", lambda t, x: [x.roll(1), x.roll((1, 2), (0, 1))], "3 4", kinds="fi")
row("repeat", lambda t, x: [x.repeat(2, 3), x.tile(2), x.repeat_interleave(2)], "3 4", kinds="fi")
row("repeat_interleave", lambda t, x, n: x.repeat_interleave(n, 0), "3 4", "i4 3")
row("pad", lambda t, x: [t.nn.functional.pad(x, (1, 2, 0, 1), mode)
                         for mode in ("constant", "reflect", "replicate", "circular")], "2 3 4 5")  # fmt: skip
row("reinterpret", lambda t, x: x.view(t.int32), "i9 3 4")
row("einsum", lambda t, x, y: t.einsum("bij,bjk->bik", x, y), "2 3 4", "2 4 5")
row("shuffle", lambda t, x: [t.nn.functional.pixel_shuffle(x, 2), t.nn.functional.channel_shuffle(x, 2)],
    "1 4 2 3")  # fmt: skip

# ── elements by place ─────────────────────────────────────────────────────────────────────────

row("index", lambda t, x, i: [x[i], x[:, i], x[i, i], x[[0, 2]], x[x[:, 0] < 9]], "3 4", "i3 5")
row("mask", lambda t, x, m: [x[m], t.masked_select(x, m), x.masked_fill(m, 2)], "3 4", "b3 4")
row("gather", lambda t, x, i: [x.gather(1, i), t.take_along_dim(x, i, 1)], "3 4", "i4 3 2")
row("scatter", lambda t, x, s, i: [x.scatter(1, i, s), x.scatter(1, i, 2.0), x.scatter_add(1, i, s)],
    "3 4", "3 2", "i4 3 2")  # fmt: skip
row("index_select", lambda t, x, i: [x.index_select(0, i), x.index_select(1, i)], "3 4", "i3 5")
row("index_put", lambda t, x, v, i: [x.index_put((i,), v), x.index_put((i,), v, accumulate=True)],
    "3 4", "4", "i3 2")  # fmt: skip
row("nonzero", lambda t, x: [x.nonzero(), *t.where(x > 1)], "i3 3 4")
row("sort", lambda t, x: [*x.sort(), *x.sort(0, descending=True), x.argsort(1)], "3 4")
row("topk", lambda t, x: [*x.topk(2), *x.topk(1, 0, largest=False)], "3 4")
row("unique", lambda t, x: [*t.unique(x, return_inverse=True, return_counts=True)], "i4 9")
row("unique_consecutive", lambda t, x: [*t.unique_consecutive(x, True, True),
                                        t.unique_consecutive(x % 2, dim=0)], "i2 9")  # fmt: skip
row("msort", lambda t, x: t.msort(x), "4 3")
row("bucketize", lambda t, x, y: [t.bucketize(x, y.sort()[0]), t.searchsorted(y.expand(3, 5).sort()[0], x, right=True)],
    "!3 4", "!5")  # fmt: skip
row("histc", lambda t, x: [t.histc(x, 4), t.histc(x, 5, -1, 1)], "!3 8")
row("bincount", lambda t, x, w: [t.bincount(x), t.bincount(x, minlength=7)], "i5 9", "!9")
row("embedding", lambda t, i, w: [t.nn.functional.embedding(i, w),
                                  t.nn.functional.embedding(i, w, padding_idx=1)], "i5 2 3", "5 4")  # fmt: skip
row("one_hot", lambda t, i: t.nn.functional.one_hot(i, 5), "i5 4")


def _write(t: Any, x: Any, y: Any) -> Any:
    x = x * 1
    x[1] = y
    x[:, 0] += 1
    x[[0, 2], [1, 1]] = 5.0
    x[x > 4] = 0.5
    return x.mul_(2)


def _write_through(t: Any, x: Any) -> Any:
    x = x * 1
    part = x.T[1:]
    part.diagonal().mul_(3)
    part[0].copy_(part[1].clone())
    x.view(-1)[2:4].zero_()
    x[0].fill_(2)
    return [x, part]


row("write", _write, "3 4", "4")
row("write_through_views", _write_through, "3 4")
row("in_place", lambda t, x, y: (x * 1).add_(y).clamp_(-1, 1).sub_(y).exp_(), "3 4", "4")

# ── triangles, windows, places ────────────────────────────────────────────────────────────────

row("triangles", lambda t, x: [x.tril(), x.triu(1), x.T.tril(-1)], "3 4", kinds="fib")
row(
    "diagonals",
    lambda t, x: [t.diag(x[0]), x.diag(1), t.diag_embed(x), x[:, :3].trace()],
    "3 4",
    kinds="fi",
)
row("block_diag", lambda t, x, y: t.block_diag(x, y), "3 4", "2", kinds="fi")
row(
    "windows",
    lambda t, x: [x.unfold(1, 3, 2), x.unfold(0, 3, 1), x.unfold(1, 2, 3)],
    "3 8",
    kinds="fi",
)
row(
    "as_strided",
    lambda t, x: [x.as_strided((3, 3), (2, 1)), x.as_strided((2, 2), (1, 3), 2)],
    "3 4",
    kinds="fi",
)
row(
    "grids",
    lambda t, x, y: [*t.meshgrid(x, y, indexing="xy"), t.cartesian_prod(x, y), t.combinations(x)],
    "3",
    "2",
)
row(
    "parts",
    lambda t, x: [*x.tensor_split(3), *x.hsplit((1, 3)), t.rot90(x), t.dstack([x, x])],
    "3 4",
    kinds="fi",
)
row(
    "index_add",
    lambda t, x, v, i: [x.index_add(0, i, v), x.index_add(1, i, v.T, alpha=2)],
    "4 4",
    "6 4",
    "i4 6",
    kinds="fi",
)
row(
    "index_copy",
    lambda t, x, v: x.index_copy(0, t.tensor([2, 0], device=x.device), v),
    "3 4",
    "2 4",
    kinds="fi",
)
row(
    "index_fill",
    lambda t, x, v, i: [x.index_fill(1, i, 2), x.index_fill(0, i[:2] % 3, v.sum())],
    "3 4",
    "2",
    "i4 3",
)
row("take", lambda t, x, i: [x.take(i), x.take(i - 12)], "3 4", "i12 2 5", kinds="fi")
row("put", lambda t, x, v, i: x.put(i, v, accumulate=True), "3 4", "5", "i12 5")
row("masked_scatter", lambda t, x, m, v: x.masked_scatter(m, v), "3 4", "b3 4", "3 4", kinds="fi")
row("scatter_views", lambda t, x, v: [x.select_scatter(v[:, 0], 1, 2), x.slice_scatter(v, 1, 1, 3), x.diagonal_scatter(v[:, 1])],
    "3 4", "3 2", kinds="fi")  # fmt: skip
for _how in ("sum", "prod", "mean", "amax", "amin"):
    row(f"scatter_reduce_{_how}", lambda t, x, v, i, how=_how: [x.scatter_reduce(1, i, v, how),
        x.scatter_reduce(1, i, v, how, include_self=False)], "3 4", "3 5", "i3 3 5", kinds="fi")  # fmt: skip


def _turn(t: Any, x: Any) -> Any:
    x = x * 1
    row = x[0]
    x.t_().unsqueeze_(0)
    row.mul_(2)
    x.squeeze_().transpose_(0, 1)[1].mul_(3)
    return [x.fill_diagonal_(7), row]


row("turned_in_place", _turn, "3 4")

# ── products, layers ──────────────────────────────────────────────────────────────────────────

row("mm", lambda t, x, y: [x @ y, t.addmm(x @ y, x, y, alpha=2)], "3 4", "4 5")
row("bmm", lambda t, x, y: [t.bmm(x, y), t.matmul(x, y[0])], "2 3 4", "2 4 5")
row("matmul", lambda t, x, y: t.matmul(x, y), "2 1 3 4", "3 4 5")
row("mv", lambda t, x, y: [x @ y, t.dot(y, y), t.outer(y, y)], "3 4", "4")
row("linear", lambda t, x, w, b: t.nn.functional.linear(x, w, b), "2 3 4", "5 4", "5")
row("distance", lambda t, x, y: [t.nn.functional.pairwise_distance(x, y), t.nn.functional.cosine_similarity(x, y),
                                 t.nn.functional.normalize(x)], "3 4", "3 4")  # fmt: skip


def _conv(name: str, **settings: Any) -> Story:
    return lambda t, x, w, b=None: getattr(t.nn.functional, name)(x, w, b, **settings)


row("conv2d", _conv("conv2d", padding=1), "2 3 6 5", "4 3 3 3", "4")
row("conv2d_1x1", _conv("conv2d"), "2 3 4 5", "4 3 1 1")
row("conv2d_strided", _conv("conv2d", stride=2, padding=2, dilation=2), "1 4 7 8", "2 4 3 3", "2")
row("conv2d_groups", _conv("conv2d", groups=2, padding=1), "1 4 5 5", "6 2 3 3", "6")
row("conv2d_depthwise", _conv("conv2d", groups=3, padding=1), "2 3 5 6", "3 1 3 3")
row("conv1d", _conv("conv1d", padding=1, stride=2), "2 3 8", "4 3 3", "4")
row("conv_transpose2d", _conv("conv_transpose2d", stride=2, padding=1, output_padding=1),
    "1 3 4 3", "3 2 3 3", "2")  # fmt: skip
row("conv_transpose1d", _conv("conv_transpose1d", stride=2), "2 3 5", "3 4 3")
row("conv3d", _conv("conv3d", stride=(2, 1, 1), padding=1, groups=2), "1 4 4 3 4", "2 2 3 2 3", "2")
row("conv_transpose3d", _conv("conv_transpose3d", stride=(1, 2, 1), dilation=(2, 1, 1), output_padding=(1, 1, 0)),
    "2 2 2 3 3", "2 3 2 3 2", "3")  # fmt: skip
row("unfold", lambda t, x: t.nn.functional.unfold(x, 3, padding=1, stride=2), "2 3 5 6")
row("fold", lambda t, x: t.nn.functional.fold(x, (4, 5), 2), "2 8 12")
row("max_pool2d", lambda t, x: [t.nn.functional.max_pool2d(x, 2), t.nn.functional.max_pool2d(x, 3, 2, 1)],
    "2 3 6 5")  # fmt: skip
row("max_pool1d", lambda t, x: t.nn.functional.max_pool1d(x, 3, 2, return_indices=True), "2 3 8")
row("avg_pool2d", lambda t, x: [t.nn.functional.avg_pool2d(x, 2),
                                t.nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)], "2 3 6 5")  # fmt: skip
row("pools_3d", lambda t, x: [t.nn.functional.max_pool3d(x, (3, 2, 3), 2, 1, return_indices=True),
                              t.nn.functional.avg_pool3d(x, 2, 1, 1, count_include_pad=False),
                              t.nn.functional.lp_pool3d(x, 3, 2)], "2 2 4 4 5")  # fmt: skip
row("adaptive_pools_3d", lambda t, x: [t.nn.functional.adaptive_avg_pool3d(x, (3, 2, 1)),
                                       t.nn.functional.adaptive_max_pool3d(x, 3)], "2 2 4 4 5")  # fmt: skip
row("max_unpool2d", lambda t, x: t.nn.functional.max_unpool2d(
        *t.nn.functional.max_pool2d(x, 2, return_indices=True), 2, output_size=(5, 4)), "2 3 5 4")  # fmt: skip
row("pools_of_integers", lambda t, x: [t.nn.functional.avg_pool2d(x, 3, 2, 1), t.nn.functional.max_pool2d(x, 3, 2, 1),
                                       t.nn.functional.max_pool3d(x, 2)], "i9 2 4 5 6", kinds="i")  # fmt: skip
row("adaptive_pools", lambda t, x: [t.nn.functional.adaptive_avg_pool2d(x, 1),
                                    t.nn.functional.adaptive_avg_pool2d(x, (3, 2)),
                                    t.nn.functional.adaptive_max_pool2d(x, 2)], "2 3 6 5")  # fmt: skip


def _normed(t: Any, x: Any, w: Any, b: Any) -> Any:
    f = t.nn.functional
    mean, var = w.detach() * 0, w.detach() * 0 + 1
    out = [f.batch_norm(x, mean, var, w, b, training=True), f.batch_norm(x, mean, var, w, b)]
    return [*out, f.group_norm(x, 2, w, b), f.instance_norm(x, weight=w, bias=b), mean, var]


row("norms", _normed, "3 4 5 6", "+4", "4")
row("layer_norm", lambda t, x, w, b: t.nn.functional.layer_norm(x, (4,), w, b), "2 3 4", "4", "4")
row("rms_norm", lambda t, x, w: t.nn.functional.rms_norm(x, (4,), w), "2 3 4", "4")
row("local_response_norm", lambda t, x: t.nn.functional.local_response_norm(x, 3, 0.5), "2 5 3 4")
row("grid_sample", lambda t, x, g: [t.nn.functional.grid_sample(x, g, mode, padding, corners)
    for mode, padding, corners in (("bilinear", "zeros", False), ("bicubic", "reflection", True))],
    "2 3 4 5", "u2 3 2 2")  # fmt: skip
row("grid_sample_3d", lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=True),
    "1 2 3 4 5", "u1 2 3 2 3")  # fmt: skip
row("affine_grid", lambda t, x: t.nn.functional.affine_grid(x, (2, 3, 4, 5), False), "2 2 3")
row(
    "bilinear",
    lambda t, x, y, w, b: t.nn.functional.bilinear(x, y, w, b),
    "5 3",
    "5 2",
    "4 3 2",
    "4",
)
row("interpolate", lambda t, x: [t.nn.functional.interpolate(x, scale_factor=2, mode=mode)
                                 for mode in ("nearest", "bilinear", "bicubic")], "1 2 3 4")  # fmt: skip
row("dropout", lambda t, x: [t.nn.functional.dropout(x, 0.5), t.nn.functional.dropout2d(x, 0.5),
                             t.nn.functional.dropout3d(x, 0.5), t.nn.functional.alpha_dropout(x, 0.5, True),
                             t.nn.functional.feature_alpha_dropout(x, 0.5, True),
                             t.nn.functional.rrelu(x, 0.1, 0.4, training=True)],
    "2 3 4 5", torch=False)  # fmt: skip
row("random_", lambda t, x: [(x * 1).uniform_(), (x * 1).normal_(), (x * 1).bernoulli_(0.3),
                             (x * 1).log_normal_(), (x * 1).cauchy_(), (x * 1).geometric_(0.3),
                             t.normal(x, 1.0), t.bernoulli(x * 0 + 0.5)], "3 4", torch=False)  # fmt: skip

# ── linear algebra ────────────────────────────────────────────────────────────────────────────


def _regular(t: Any, x: Any) -> Any:
    return x @ x.mT + t.eye(x.shape[-1], dtype=x.dtype, device=x.device)


row("added", lambda t, x, y, z: [t.addmv(z, x, y), t.addr(x, z, y), t.baddbmm(x, x[None], (x.T @ x)[None]),
                                 t.addbmm(x, x[None], (x.T @ x)[None])], "3 4", "4", "3")  # fmt: skip
row("tensordot", lambda t, x, y: [t.tensordot(x, y, 1), t.inner(x, y.T), t.kron(x, y), t.linalg.multi_dot([x, y, x])],
    "3 4", "4 3")  # fmt: skip
row("cross", lambda t, x, y: [t.linalg.cross(x, y), t.cross(x, y, dim=1)], "2 3", "2 3")
row("cdist", lambda t, x, y: [t.cdist(x, y), t.cdist(x, y, 1.0)], "30 3", "4 3", second=False)
row(
    "inverse",
    lambda t, x, y: [_regular(t, x).inverse(), t.linalg.solve(_regular(t, x), y)],
    "2 3 3",
    "3 2",
)
row("determinant", lambda t, x: [t.det(x), *t.linalg.slogdet(x), t.logdet(_regular(t, x))], "2 3 3")
row("powers", lambda t, x: [t.matrix_power(_regular(t, x), n) for n in (0, 3, -2)], "3 3")
row("svd", lambda t, x: [(lambda U, S, Vh: U * S.sqrt() @ Vh)(*t.linalg.svd(x, full_matrices=False)), t.linalg.svdvals(x)],
    "4 3")  # fmt: skip
row(
    "eigh",
    lambda t, x: (lambda v, V: [v, V * v.exp() @ V.T])(*t.linalg.eigh(_regular(t, x))),
    "3 3",
)
row("pinv", lambda t, x: t.linalg.pinv(x), "2 3 4")
row(
    "qr",
    lambda t, x: [
        *t.linalg.qr(x[1:] + 3 * _regular(t, x[1:])),
        *t.linalg.qr((x + 9 * t.ones_like(x).tril()).T),
    ],
    "4 3",
)
row("cholesky", lambda t, x: t.linalg.cholesky(_regular(t, x)), "2 3 3")
row(
    "matrix_norms",
    lambda t, x: [t.linalg.matrix_norm(x, p) for p in ("fro", "nuc", 1, 2, -2, float("inf"))],
    "3 4",
)

# ── activations ───────────────────────────────────────────────────────────────────────────────

rows(" ".join(f"nn.functional.{n}" for n in ["logsigmoid", "silu", "mish", "softsign", "tanhshrink", "elu", "celu", "selu", "gelu", "softplus", "hardswish", "leaky_relu", "hardtanh", "relu6", "softshrink", "hardshrink", "glu"]), "3 4")  # fmt: skip
row("hardsigmoid", lambda t, x: t.nn.functional.hardsigmoid(x), "3 4", second=False)
row("softmin", lambda t, x: t.nn.functional.softmin(x, dim=1), "3 4")
row("gelu_tanh", lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), "3 4")
row("threshold", lambda t, x: t.nn.functional.threshold(x, 0.1, -2), "3 4")
row("prelu", lambda t, x, w: t.nn.functional.prelu(x, w), "2 3 4", "3")
row("conv_block", lambda t, x: _fused(t, x), "!2 3 6 6", torch=False)


def _fused(t: Any, x: Any) -> Any:
    """What a Sequential does in one pass when no gradients are recorded."""
    nn, kind = t.nn, x.dtype
    t.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    net = net.to(x.device, kind).eval()
    with t.no_grad():
        return net(x)


COARSE_IN_TORCH = ("hardsigmoid", "hardswish")  # constants of theirs are float32 in float64, too


# ── losses ────────────────────────────────────────────────────────────────────────────────────


def _loss(name: str, **settings: Any) -> Story:
    def story(t: Any, *args: Any) -> Any:
        f = getattr(t.nn.functional, name)
        return [f(*args, reduction=how, **settings) for how in ("none", "sum", "mean")]

    return story


for _name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
    row(_name, _loss(_name), "3 4", "3 4")
row("binary_cross_entropy", _loss("binary_cross_entropy"), "p3 4", "p3 4")
row("bce_with_logits", _loss("binary_cross_entropy_with_logits"), "3 4", "p3 4")
row("kl_div", lambda t, x, y: [t.nn.functional.kl_div(x, y, reduction=how)
                               for how in ("none", "sum", "batchmean")], "3 4", "p3 4")  # fmt: skip
row("nll_loss", _loss("nll_loss"), "5 4", "i4 5", "!+4")
row("nll_loss_images", _loss("nll_loss", ignore_index=1), "2 4 3 3", "i4 2 3 3")
row("cross_entropy", _loss("cross_entropy"), "5 4", "i4 5")
row("cross_entropy_weighted", _loss("cross_entropy", ignore_index=2), "5 4", "i4 5", "!+4")
row("cross_entropy_smooth", _loss("cross_entropy", label_smoothing=0.1), "5 4", "i4 5")
row("cross_entropy_images", _loss("cross_entropy"), "2 4 3 3", "i4 2 3 3")
row("cross_entropy_soft", _loss("cross_entropy"), "5 4", "p5 4")
row("hinge_embedding_loss", _loss("hinge_embedding_loss"), "+3 4", "!3 4")
row("margin_ranking_loss", _loss("margin_ranking_loss", margin=0.3), "3 4", "3 4", "!3 4")
row("triplet_margin_loss", _loss("triplet_margin_loss", swap=True), "5 4", "5 4", "5 4")
row("cosine_embedding_loss", lambda t, x, y, b: [
    t.nn.functional.cosine_embedding_loss(x, y, b.long() * 2 - 1, 0.1, reduction=how)
    for how in ("none", "mean")], "5 4", "5 4", "b5")  # fmt: skip
row("multi_margin_loss", _loss("multi_margin_loss", p=2), "5 4", "i4 5", second=False)
row("multilabel_margin_loss", _loss("multilabel_margin_loss"), "5 4", "i4 5 4", second=False)
row("soft_margin_loss", _loss("soft_margin_loss"), "3 4", "!3 4")
row("multilabel_soft_margin_loss", _loss("multilabel_soft_margin_loss"), "5 4", "p5 4")
row("poisson_nll_loss", _loss("poisson_nll_loss", full=True), "3 4", "+3 4")
row("gaussian_nll_loss", _loss("gaussian_nll_loss", full=True), "3 4", "3 4", "+3 4")


def _custom(t: Any, x: Any) -> Any:
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    class Twice(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x + x, x * 1

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return 2 * g + h

    return [Cube.apply(x), *Twice.apply(x)]


row("custom_function", _custom, "3 4")
row("to_device", lambda t, x: x.cpu().to(x.device) * x, "3 4")


# ── running them ──────────────────────────────────────────────────────────────────────────────


def make(spec: str, seed: int, kind: str) -> tuple[np.ndarray, bool]:
    """The numbers that a spec asks for, floats in ``kind``, and whether they want a gradient."""
    rng = np.random.default_rng(seed)
    wanted = not spec.startswith("!")
    first, *rest = spec.lstrip("!").split()
    letter = first[0] if not first[0].isdigit() else ""
    if letter == "i":
        return rng.integers(0, int(first[1:]), tuple(map(int, rest))), False
    shape = tuple(map(int, [first.removeprefix(letter), *rest]))
    if letter == "b":
        return rng.random(shape) < 0.5, False
    if kind == "bool":
        return rng.random(shape) < 0.5, False
    if kind == "int64":
        return rng.integers(1 if letter == "+" else -4, 5, shape), False
    x = rng.standard_normal(shape)
    values = {"": lambda: x, "+": lambda: np.abs(x) + 0.3, "u": lambda: np.tanh(x) * 0.9,
              "p": lambda: rng.uniform(0.1, 0.9, shape), "o": lambda: np.abs(x) + 1.1}[letter]()  # fmt: skip
    return np.round(values * 64) / 64, wanted  # exact in 16 bits, or nearly so


def kinds_of(case: Case, floats: str) -> Iterator[str]:
    """The dtypes to run a case in."""
    yield from floats.split()
    yield from (name for letter, name in (("i", "int64"), ("b", "bool")) if letter in case.kinds)


@dataclass
class Result:
    """What came out, by a name for each: arrays on the host, as float64 if they are floats; and what is to be equal besides."""

    numbers: dict[str, np.ndarray]
    about: dict[str, tuple[Any, ...]]


def flat(y: Any) -> list[Any]:
    return [v for part in y for v in flat(part)] if isinstance(y, (list, tuple)) else [y]


def run(case: Case, lib: Any, kind: str, device: str, second: bool = True) -> Result:
    """Values, gradients under uneven weights, and gradients of the sum of the squares of these."""
    seed = zlib.crc32(case.name.encode())
    lib.manual_seed(0)
    xs, leaves = [], []
    for i, spec in enumerate(case.specs):
        values, wanted = make(spec, seed + i, kind)
        x = lib.tensor(values, device=device)
        if values.dtype.kind == "f":
            x = x.to(getattr(lib, kind))
            if wanted:
                leaves.append(x.requires_grad_())
        xs.append(x)
    result = Result({}, {})
    ys = flat(case.story(lib, *xs))
    _note(result, "value", ys)
    ys = [y for y in ys if getattr(y, "requires_grad", False)]
    if ys:
        seeds = [weights(lib, y, i) for i, y in enumerate(ys)]
        plain = lib.autograd.grad(ys, leaves, seeds, retain_graph=True, allow_unused=True)
        _note(result, "gradient", _zeros_for_none(lib, plain, leaves))
    if ys and second:
        seeds = [s.requires_grad_() for s in seeds]
        grads = lib.autograd.grad(ys, leaves, seeds, create_graph=True, allow_unused=True)
        _note(result, "recorded gradient", _zeros_for_none(lib, grads, leaves))
        squares = [(g * g).sum() for g in grads if g is not None and g.requires_grad]
        if squares:
            again = lib.autograd.grad(sum(squares), [*leaves, *seeds], allow_unused=True)
            _note(result, "second gradient", _zeros_for_none(lib, again, [*leaves, *seeds]))
    return result


def weights(lib: Any, y: Any, seed: int) -> Any:
    """Uneven numbers of the shape, dtype and device of ``y``."""
    values = np.cos(np.arange(max(y.numel(), 1)) + seed)[: y.numel()].reshape(tuple(y.shape)) + 0.5
    return lib.tensor(values, device=y.device).to(y.dtype)


def _zeros_for_none(lib: Any, grads: Any, sources: Any) -> list[Any]:
    return [
        lib.zeros_like(x).detach() if g is None else g for g, x in zip(grads, sources, strict=True)
    ]


def _note(result: Result, what: str, values: list[Any]) -> None:
    for i, v in enumerate(values):
        name = f"{what} {i}"
        if not hasattr(v, "dtype"):
            result.about[name] = (type(v).__name__, v)
            continue
        kind = str(v.dtype).rpartition(".")[2]
        result.about[name] = (kind, tuple(v.shape))
        host = v.detach().cpu()
        if v.is_floating_point():
            host = host.double()
        result.numbers[name] = host.numpy(force=True)


def assert_close(ours: Result, theirs: Result, rtol: float, atol: float) -> None:
    """What is in ``theirs`` is in ``ours``: types, shapes; and numbers, up to rounding."""
    assert {name: ours.about.get(name) for name in theirs.about} == theirs.about
    for name, b in theirs.numbers.items():
        a = ours.numbers[name]
        if b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol, atol * max(1.0, _size(b)), err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def _size(b: np.ndarray) -> float:
    finite = np.abs(b[np.isfinite(b)])
    return float(finite.max()) if finite.size else 1.0
