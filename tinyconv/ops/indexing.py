"""Elements by a tensor that says where: gather and scatter, masks."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op, require_one_device
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array, demand_inside
from ..errors import ArgumentError, DTypeError, RangeError, ShapeError
from ..shapes import Shape, broadcast, wrap_dim
from ._common import Select, cast, dtype_of, fitting, ndim_of, shape_of
from .slices import GetItem, PutItem
from .subscript import Index, add_at
from .take import Take
from .views import expand, flatten, named

# ── gather and its transpose ──────────────────────────────────────────────────────────────────


@op
class Gather(Function):
    """``y[i][j] = x[i][index[i][j]]``, with ``dim`` 1."""

    dim: int

    def forward(self, x: Array, index: Array) -> Array:
        self.source = x.shape
        self.save(None, index)
        if not index.size:
            return self.xp.empty(index.shape, x.dtype)
        i = _line(index)
        y = self.xp.take_along_axis(_within(_line(x), i, self.dim), i, self.dim)
        return y.reshape(index.shape)

    def backward(self, g: Any) -> Any:
        _, index = self.saved
        return ScatterAdd(self.dim, self.source)(g, index), None


@op
class ScatterAdd(Function):
    """Zeros of ``shape`` with ``g`` added where ``index`` points along ``dim``: the transpose of Gather."""

    widens = "always"
    dim: int
    shape: Shape

    def forward(self, g: Array, index: Array) -> Array:
        self.save(None, index)
        xp, i = self.xp, _line(index)
        out = xp.zeros(self.shape, g.dtype)
        if index.size:
            place = xp.arange(out.size).reshape(self.shape or (1,))
            place = xp.take_along_axis(_within(place, i, self.dim), i, self.dim)
            add_at(out.reshape(-1), place.reshape(-1), g.reshape(-1))
        return out

    def backward(self, g: Any) -> Any:
        _, index = self.saved
        return Gather(self.dim)(g, index), None


@op
class Scatter(Function):
    """A copy with ``src`` written where ``index`` points along ``dim``."""

    dim: int

    def forward(self, x: Array, src: Any, index: Array) -> Array:
        self.save(None, None, index)
        self.src_shape = getattr(src, "shape", ())
        out = x.copy()
        if index.size:
            if self.src_shape:
                src = _line(src[tuple(slice(n) for n in index.shape)])
            i = _line(index)
            self.xp.put_along_axis(_within(_line(out), i, self.dim), i, src, self.dim)
        return out

    def backward(self, g: Any) -> Any:
        _, _, index = self.saved
        gx = Scatter(self.dim)(g, 0, index) if self.needs[0] else None
        gsrc = None
        if self.needs[1]:
            gsrc = Gather(self.dim)(g, index)
            if self.src_shape != shape_of(gsrc):
                gsrc = PutItem(tuple(map(slice, shape_of(gsrc))), self.src_shape)(gsrc)
        return gx, gsrc, None


def _line(x: Array) -> Array:
    """A scalar as a vector of one."""
    return x if x.ndim else x.reshape(1)


def _within(x: Array, index: Array, dim: int) -> Array:
    """The part of x that ``index`` along ``dim`` reaches: it may be smaller in other dimensions."""
    return x[tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(index.shape))]


# ── what they take ────────────────────────────────────────────────────────────────────────────


def _check_index(x: Any, dim: int, index: Any, name: str) -> None:
    """Refuse an index of a wrong type, or one that points outside."""
    if not index.array.size:
        return
    if dtype_of(index).name not in ("int64", "int32"):
        raise DTypeError(
            f"{name}(): Expected dtype int32/int64 for index",
            f"It is {dtype_of(index).name}: write index.long().",
        )
    if (ndim_of(x) or 1) != (ndim_of(index) or 1):
        what = "input" if name == "gather" else "self"
        raise ShapeError(f"Index tensor must have the same number of dimensions as {what} tensor")


def _check_bounds(x: Any, dim: int, index: Any) -> None:
    size = shape_of(x)[dim] if shape_of(x) else 1
    demand_inside(index.array, 0, size, _out_of_bounds, dim, size)


def _out_of_bounds(index: int, dim: int, size: int) -> Exception:
    return RuntimeError(  # not an IndexError, in torch
        f"index {index} is out of bounds for dimension {dim} with size {size}\n"
        f"Indices must lie in [0, {size})."
    )


def _check_scatter(x: Any, dim: int, index: Any, src: Any, name: str) -> None:
    _check_index(x, dim, index, name)
    if isinstance(src, Variable) and src.array.dtype != x.array.dtype:
        raise DTypeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype",
            f"Write src.to({dtype_of(x)}).",
        )
    if not index.array.size:
        return
    lengths = shape_of(index) or (1,)
    room = shape_of(x) or (1,)
    given = (shape_of(src) or (1,)) if isinstance(src, Variable) else lengths
    if len(given) != len(lengths):
        raise ShapeError("Index tensor must have the same number of dimensions as src tensor")
    if any(
        n > s or (d != dim and n > m)
        for d, (n, m, s) in enumerate(zip(lengths, room, given, strict=True))
    ):
        text = f"Expected index {list(lengths)} to be no larger than self {list(room)} apart from dimension {dim}"
        if isinstance(src, Variable):
            text += f" and to be no larger size than src {list(given)}"
        raise ShapeError(text)
    _check_bounds(x, dim, index)


# ── the functions ─────────────────────────────────────────────────────────────────────────────


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Pick one element for each of ``index``, which counts along ``dim``.

    .. math:: y_{ij} = x_{i, index_{ij}} \\quad (dim = 1)

    Shape:
        ``(*), index -> index``

    Raises:
        RuntimeError: an index lies outside. ShapeError: the numbers of dimensions differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2.], [3., 4.]], requires_grad=True)
    >>> x.gather(1, tc.tensor([[0], [1]])).sum().backward()
    >>> x.grad
    tensor([[1., 0.],
            [0., 1.]])
    """
    d = wrap_dim(dim, ndim_of(input))
    _check_index(input, d, index, "gather")
    lengths, room = shape_of(index), shape_of(input)
    if index.array.size and any(
        k != d and n > m for k, (n, m) in enumerate(zip(lengths, room, strict=False))
    ):
        raise ShapeError(
            f"Size does not match at dimension {next(k for k, n in enumerate(lengths) if k != d and n > room[k])} "
            f"expected index {list(lengths)} to be no larger than self {list(room)} apart from dimension {d}"
        )
    _check_bounds(input, d, index)
    return Gather(d)(input, index)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """:func:`gather` with broadcasting; without ``dim`` in the flattened tensor.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[3, 1], [2, 4]])
    >>> tc.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 3],
            [2, 4]])
    """
    if dim is None:
        return gather(flatten(input), 0, flatten(indices))
    if ndim_of(input) != ndim_of(indices):
        raise ShapeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{ndim_of(input)} dimensions for input, and {ndim_of(indices)} dimensions for indices"
        )
    if dtype_of(indices).name != "int64":
        raise DTypeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {dtype_of(indices).name.capitalize()}",
            "Write indices.long().",
        )
    d = wrap_dim(dim, ndim_of(input))
    sx, si = list(shape_of(input)), list(shape_of(indices))
    sx[d] = si[d] = 1
    both = list(broadcast(tuple(sx), tuple(si)))
    both[d] = shape_of(input)[d]
    x = expand(input, *both)
    both[d] = shape_of(indices)[d]
    i = indices.array
    return gather(x, d, expand(indices.wrap(i + shape_of(input)[d] * (i < 0)), *both))


def scatter(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Any:
    """A copy with each element of ``src`` (or one number) written where ``index`` points along ``dim``.

    .. math:: y_{i, index_{ij}} = src_{ij} \\quad (dim = 1)

    Args:
        reduce: ``'add'`` adds instead, :func:`scatter_add`; others are not offered.

    Shape:
        ``(*), index, src -> (*)``; no size of index exceeds that of src

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3).scatter(1, tc.tensor([[0], [2]]), 1.)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    d = wrap_dim(dim, ndim_of(input))
    src = value if src is None else src
    if not isinstance(src, Variable):
        src = fitting(src, dtype_of(input))
    if reduce == "add":
        if not isinstance(src, Variable):
            src = input.wrap(XP[type(index.array)].full(shape_of(index), src, input.array.dtype))
        return scatter_add(input, dim, index, src)
    if reduce is not None:
        raise ArgumentError(f"reduce argument must be 'add' here, got {reduce!r}")
    _check_scatter(input, d, index, src, "scatter")
    return named(
        Scatter(d)(input, src, index), f"ScatterBackward{int(not isinstance(src, Variable))}"
    )


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy with each element of ``src`` added where ``index`` points along ``dim``.

    .. math:: y_{i, index_{ij}} \\mathrel{+}= src_{ij} \\quad (dim = 1)

    >>> import tinyconv as tc
    >>> tc.zeros(3).scatter_add(0, tc.tensor([0, 2, 0]), tc.ones(3))
    tensor([2., 0., 1.])
    """
    d = wrap_dim(dim, ndim_of(input))
    _check_scatter(input, d, index, src, "scatter")
    if not index.array.size:
        return input.clone()
    part = (
        GetItem(tuple(slice(n) for n in shape_of(index)))(src)
        if shape_of(index) and shape_of(src)
        else src
    )
    return named(input + ScatterAdd(d, shape_of(input))(part, index), "ScatterAddBackward0")


scatter_, scatter_add_ = inplace(scatter), inplace(scatter_add)


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices of ``dim`` that a vector of indices names.

    Raises:
        RangeError: an index lies outside; negative ones do.

    >>> import tinyconv as tc
    >>> tc.arange(6).reshape(2, 3).index_select(1, tc.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    d = wrap_dim(dim, ndim_of(input))
    require_one_device("index_select", input=input, index=index)
    if ndim_of(index) > 1:
        raise RangeError(
            "index_select(): Index is supposed to be a vector",
            f"It has shape {list(shape_of(index))}.",
        )
    if dtype_of(index).name not in ("int64", "int32"):
        raise DTypeError(
            "index_select(): Expected dtype int32 or int64 for index", "Write index.long()."
        )
    i = index.array.reshape(-1).astype("int64", copy=False)
    if not shape_of(input) and i.size != 1:
        raise RangeError(
            f"index_select(): Index to scalar can have only 1 value, got {i.size} value(s)"
        )
    size = shape_of(input)[d] if shape_of(input) else 1
    demand_inside(i, 0, size, _out_of_range, size)
    if not shape_of(input):
        return named(input.clone(), "IndexSelectBackward0")
    return named(Take(d, i)(input), "IndexSelectBackward0")


def _out_of_range(index: int, size: int) -> Exception:
    return RangeError(
        "index out of range in self", f"Indices must lie in [0, {size}), and one is {index}."
    )


# ── masks ─────────────────────────────────────────────────────────────────────────────────────


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """A copy with ``value`` (a number or 0-d tensor) where ``mask`` is true.

    Shape:
        ``(*), (*) -> (*)``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.ones(3, requires_grad=True)
    >>> x.masked_fill(tc.tensor([True, False, True]), 0).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    if dtype_of(mask).rank:
        raise DTypeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {dtype_of(mask).name}",
            "Write mask.bool().",
        )
    broadcast(shape_of(mask), shape_of(input))  # torch names them in this order
    target = dtype_of(input)
    name = f"MaskedFillBackward{int(isinstance(value, Variable))}"
    if not isinstance(value, Variable):
        if isinstance(value, float) and target.rank == 1:
            raise DTypeError(
                f"value cannot be converted to type {target.name}_t without overflow",
                "Write x.float() first.",
            )
        number = fitting(value, target)  # goes along with the kernel, as a number of Python's
        return named(Select()(mask, getattr(number, "item", lambda: number)(), input), name)
    if ndim_of(value):
        raise ShapeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{ndim_of(value)} dimension(s).",
            "Write where(mask, value, x).",
        )
    return named(Select()(mask, cast(value, target.numpy), input), name)


masked_fill_ = inplace(masked_fill)


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where ``mask`` is true, in a vector.

    Shape:
        ``(*), (*) -> (n)``, broadcast

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 1., 2.], requires_grad=True)
    >>> tc.masked_select(x, x > 1).sum().backward()
    >>> x.grad
    tensor([1., 0., 1.])
    """
    if dtype_of(mask).rank:
        raise DTypeError(
            f"masked_select: expected BoolTensor for mask, got {dtype_of(mask).name}",
            "Write mask.bool().",
        )
    require_one_device("masked_select", input=input, mask=mask)
    shape = broadcast(shape_of(mask), shape_of(input)) or (1,)
    places = XP[type(mask.array)].broadcast_to(mask.array, shape).nonzero()
    return named(Index(places, True)(expand(input, *shape)), "MaskedSelectBackward0")


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of elements that are not zero: rows of a matrix, or a tuple of vectors.

    >>> import tinyconv as tc
    >>> tc.tensor([0, 3, 0, 5]).nonzero()
    tensor([[1],
            [3]])
    """
    a = input.array
    xp = XP[type(a)]
    if as_tuple:
        return tuple(input.wrap(i) for i in (a if a.ndim else a.reshape(1)).nonzero())
    rows = a.nonzero() if a.ndim else ()
    return input.wrap(xp.stack(rows, 1) if rows else xp.empty((int(bool(a)), 0), "int64"))
