"""Elements brought together where indices are equal: sums, products, means, extremes."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array
from ..dtypes import FLOATS
from ..shapes import wrap_dim
from ._common import Select, cast, ndim_of, select, shape_of
from .elementwise import add, div, mul
from .indexing import Gather, Scatter, ScatterAdd, _check_scatter, _line, _within
from .joining import Cat
from .slices import GetItem, PutItem
from .subscript import Index, IndexPut
from .views import flatten, named, reshape

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


class Groups:
    """The elements of ``src``, sorted by the place that ``index`` along ``dim`` gives them in an array of ``shape``."""

    def __init__(self, index: Array, dim: int, shape: Any) -> None:
        xp = self.xp = XP[type(index)]
        i = _line(index)
        count = 1
        for n in shape:
            count *= n
        place = xp.arange(count).reshape(shape or (1,))
        place = xp.take_along_axis(_within(place, i, dim), i, dim).reshape(-1)
        self.shape, self.count = shape, count
        self.order = xp.argsort(place, kind="stable")
        self.place = place[self.order]
        self.touched = xp.zeros(count, bool)
        self.touched[place] = True

    def reduce(self, values: Any, combine: Any, neutral: Any) -> Any:
        """Combine the values of each place; ``neutral`` where there are none. Of Variables it is differentiable.

        Each step doubles how far back the running results reach (Hillis & Steele, 1986, with the places as flags), so
        the last value of each place is that of all. It works alike on all devices, and in a fixed order.
        """
        xp, place = self.xp, self.place
        v = Index((self.order,), True)(flatten(values))
        reach = 1
        while reach < len(place):
            same = place[reach:] == place[:-reach]
            later, earlier = GetItem((slice(reach, None),))(v), GetItem((slice(-reach),))(v)
            more = Select()(same, combine(later, earlier), later)
            v = Cat(0)(GetItem((slice(reach),))(v), more)
            reach *= 2
        last = xp.ones(place.shape, bool)
        last[:-1] = place[1:] != place[:-1]
        target = xp.where(last, place, self.count)  # one place more, for what is not wanted
        room = xp.full(self.count + 1, neutral, _array(v).dtype)
        room = v.wrap(room) if isinstance(v, Variable) else room
        out = IndexPut((target,), False, False)(room, v)
        return reshape(GetItem((slice(self.count),))(out), self.shape)


def _array(x: Any) -> Array:
    return x.array if isinstance(x, Variable) else x


@op
class ScatterExtreme(Function):
    """The largest (or smallest) of what comes to each place; a gradient is shared by those that are equal to it."""

    label = "ScatterReduceBackward0"
    dim: int
    largest: bool
    include_self: bool

    def forward(self, x: Array, src: Array, index: Array) -> Array:
        groups = Groups(index, self.dim, x.shape)
        of = self.xp.maximum if self.largest else self.xp.minimum
        best = groups.reduce(src[tuple(slice(n) for n in index.shape)], of, 0)
        touched = groups.touched.reshape(x.shape)
        y = self.xp.where(touched, of(x, best) if self.include_self else best, x)
        self.untouched = ~touched
        self.save(x, src, index, y)
        return y

    def backward(self, g: Any) -> Any:
        x, src, index, y = self.saved
        dim, shape = self.dim, shape_of(x)
        part = GetItem(tuple(slice(n) for n in shape_of(index)))(src)
        kind = _array(x).dtype
        own = cast(_array(x) == _array(y), kind)
        if not self.include_self:
            own = own * self.untouched
        hit = cast(_array(part) == Gather(dim)(_array(y), _array(index)), kind)
        share = g / select(self.untouched, 1, ScatterAdd(dim, shape)(hit, _array(index)) + own)
        gx = share * own if self.needs[0] else None
        gsrc = None
        if self.needs[1]:
            gsrc = Gather(dim)(share, index) * hit
            if shape_of(gsrc) != shape_of(src):
                gsrc = PutItem(tuple(map(slice, shape_of(gsrc))), shape_of(src))(gsrc)
        return gx, gsrc, None


def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """A copy in which each element is reduced with the elements of ``src`` whose ``index`` along ``dim`` points there.

    Args:
        reduce: ``'sum'``, ``'prod'``, ``'mean'``, ``'amax'`` or ``'amin'``.
        include_self: whether the elements of ``input`` count; where nothing points to, they stay in any case.

    Shape:
        ``(*), index, src -> (*)``; no size of index exceeds that of src

    >>> import tinyconv as tc
    >>> src = tc.tensor([1., 2., 3.], requires_grad=True)
    >>> y = tc.zeros(2).scatter_reduce(0, tc.tensor([0, 1, 0]), src, "prod", include_self=False)
    >>> y
    tensor([3., 2.], grad_fn=<ScatterReduceBackward0>)
    >>> y.sum().backward()
    >>> src.grad
    tensor([3., 1., 1.])
    """
    d = wrap_dim(dim, ndim_of(input))
    if reduce not in REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    _check_scatter(input, d, index, src, "scatter")
    if not index.array.size:
        return input.clone()
    if reduce in ("amax", "amin"):
        return ScatterExtreme(d, reduce == "amax", include_self)(input, src, index)
    if shape_of(index):
        src = GetItem(tuple(slice(n) for n in shape_of(index)))(src)
    if reduce == "prod":
        groups = Groups(index.array, d, shape_of(input))
        product = groups.reduce(src, mul, 1)
        kept = input
        if not include_self:
            kept = Select()(groups.touched.reshape(shape_of(input)), 1, input)
        return named(cast(mul(kept, product), input.array.dtype), "ScatterReduceBackward0")
    shape = shape_of(input)
    kept = input if include_self else Scatter(d)(input, 0, index)
    total = add(kept, ScatterAdd(d, shape)(src, index))
    if reduce == "mean":
        xp = XP[type(input.array)]
        ones = xp.ones(shape_of(index), "int64")
        count = xp.asarray(ScatterAdd(d, shape)(ones, index.array) + include_self)
        count = input.wrap(xp.asarray(xp.maximum(count, 1)))
        if input.array.dtype in FLOATS:
            total = div(total, cast(count, input.array.dtype))
        else:
            total = cast(div(total, count, rounding_mode="floor"), input.array.dtype)
    return named(total, "ScatterReduceBackward0")


scatter_reduce_ = inplace(scatter_reduce)
