"""Elements by their place: advanced indexing, gather and scatter, masks, sorting."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import Shape, broadcast, is_int, wrap_dim
from ._common import NUMPY, cast, dtype_of, ndim_of, shape_of, unbroadcast
from .elementwise import copy_, where
from .results import SortResult, TopkResult
from .views import GetItem, PutItem, _out_of_range, broadcast_to, expand, flatten, reshape

# ── x[index] ──────────────────────────────────────────────────────────────────────────────────


def _parse(x: Any, index: Any) -> tuple[tuple[Any, ...], bool]:
    """An index as a tuple NumPy understands, and whether it is advanced (arrays, lists, masks)."""
    items = index if isinstance(index, tuple) else (index,)
    parsed: list[Any] = []
    advanced = False
    for i in items:
        if i is None or i is Ellipsis:
            pass
        elif isinstance(i, slice):
            i = slice(*(None if v is None else int(v) for v in (i.start, i.stop, i.step)))
            if i.step is not None and i.step <= 0:
                raise ValueError("step must be greater than zero\nWrite x.flip(dim) for the reverse.")
        elif isinstance(i, (bool, NUMPY.bool_)):
            i, advanced = bool(i), True
        elif isinstance(i, Variable):
            if i.array.dtype.kind == "f":
                raise RangeError(
                    "tensors used as indices must be long, int, byte or bool tensors", "Write index.long()."
                )
            i = i.array
            if i.ndim == 0 and i.dtype.kind in "iu":
                i = int(i)
            else:
                advanced = True
                if i.dtype.name == "uint8":
                    i = i.astype(bool)
        elif is_int(i):
            i = int(i)
        elif isinstance(i, (list, tuple, range, NUMPY.ndarray)):
            i = NUMPY.asarray([v.array if isinstance(v, Variable) else v for v in i])
            if not i.size and i.dtype.kind == "f":
                i = i.astype("int64")
            advanced = True
        else:
            raise TypeError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                f"(got {type(i).__name__})"
            )
        parsed.append(i)
    return tuple(parsed), advanced


def _check_masks(shape: Shape, index: tuple[Any, ...]) -> None:
    """Name the mask that does not fit, in torch's words."""
    at = 0
    for i in index:
        if i is Ellipsis:
            return
        if i is None or isinstance(i, bool):
            continue
        if getattr(i, "dtype", None) == bool:
            for k, n in enumerate(i.shape):
                if at + k >= len(shape) or n != shape[at + k]:
                    raise RangeError(
                        f"The shape of the mask {list(i.shape)} at index {k} does not match the shape of the indexed "
                        f"tensor {list(shape)} at index {at + k}"
                    )
            at += i.ndim
        else:
            at += 1


@op
class Index(Function):
    """Select by arrays of integers or masks: a copy."""

    index: tuple[Any, ...]

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        _check_masks(x.shape, self.index)
        try:
            return x[self.index]
        except IndexError as error:
            raise _out_of_range(error, x.shape) from None

    def backward(self, g: Any) -> Any:
        return (AddAt(self.index, self.source)(g),)


@op
class AddAt(Function):
    """Zeros with elements added where ``index`` points: the transpose of Index."""

    index: tuple[Any, ...]
    shape: Shape

    def forward(self, g: Array) -> Array:
        out = self.xp.zeros(self.shape, g.dtype)
        if all(i.dtype == bool for i in self.index if hasattr(i, "dtype")):
            out[self.index] = g  # a mask names each place once
        else:
            self.xp.add.at(out, self.index, g)
        return out

    def backward(self, g: Any) -> Any:
        return (Index(self.index)(g),)


def getitem(x: Any, index: Any) -> Any:
    """``x[index]`` with ints, slices, None, ``...``, lists, masks and integer tensors.

    Raises:
        RangeError: an index lies outside.

    >>> import tinyconv as tc
    >>> x = tc.arange(6.).reshape(2, 3).requires_grad_()
    >>> x[:, [0, 0, 2]].sum().backward()
    >>> x.grad
    tensor([[2., 0., 1.],
            [2., 0., 1.]])
    """
    parsed, advanced = _parse(x, index)
    return Index(parsed)(x) if advanced else GetItem(parsed)(x)


@op
class IndexPut(Function):
    """A copy with other values at ``index``."""

    index: tuple[Any, ...]
    accumulate: bool

    def forward(self, x: Array, v: Any) -> Array:
        out = x.copy()
        self.value_shape = getattr(v, "shape", ())
        _check_masks(x.shape, self.index)
        try:
            if self.accumulate:
                self.xp.add.at(out, self.index, v)
            else:
                out[self.index] = v
        except IndexError as error:
            raise _out_of_range(error, x.shape) from None
        except ValueError:
            raise ShapeError(
                f"shape mismatch: value tensor of shape {list(self.value_shape)} cannot be broadcast to indexing "
                f"result of shape {list(x[self.index].shape)}"
            ) from None
        return out

    def backward(self, g: Any) -> Any:
        gx = g
        if not self.accumulate:
            gx = IndexPut(self.index, False)(g, 0)
        gv = unbroadcast(Index(self.index)(g), self.value_shape) if self.needs[1] else None
        return gx, gv


def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of ``x`` with ``values`` written (or added, with ``accumulate``) at ``indices``."""
    parsed, _ = _parse(x, tuple(indices))
    if isinstance(values, Variable):
        values = cast(values, x.array.dtype)
    return IndexPut(parsed, accumulate)(x, values)


index_put_ = inplace(index_put)


def setitem(x: Any, index: Any, value: Any) -> None:
    """``x[index] = value``: differentiable in both.

    >>> import tinyconv as tc
    >>> v = tc.tensor(3., requires_grad=True)
    >>> y = tc.zeros(2, 2)
    >>> y[0, 1] = v * v
    >>> y.sum().backward()
    >>> v.grad
    tensor(6.)
    """
    parsed, advanced = _parse(x, index)
    if isinstance(value, NUMPY.ndarray):
        value = x.wrap(value)
    if advanced:
        index_put_(x, parsed, value)
        return
    target = GetItem(parsed)(x)
    if isinstance(value, Variable):
        extra = ndim_of(value) - ndim_of(target)
        if extra > 0 and shape_of(value)[:extra] == (1,) * extra:
            value = reshape(value, shape_of(value)[extra:])
        try:
            fits = broadcast(shape_of(target), shape_of(value)) == shape_of(target)
        except ShapeError:
            fits = False
        if not fits:
            expand(value, *shape_of(target))  # says which size cannot be stretched
    copy_(target, value)


# ── one index tensor ──────────────────────────────────────────────────────────────────────────


def _index_tensor(index: Any, name: str) -> None:
    if dtype_of(index).name not in ("int64", "int32"):
        raise DTypeError(
            f"{name}(): Expected dtype int64 for index", f"It is {dtype_of(index).name}: write index.long()."
        )


@op
class Gather(Function):
    dim: int

    def forward(self, x: Array, index: Array) -> Array:
        self.source = x.shape
        self.save(None, index)
        size = x.shape[self.dim] if x.ndim else 1
        bad = (index < 0) | (index >= size)
        if bad.any():
            raise RangeError(
                f"index {int(index[bad].ravel()[0])} is out of bounds for dimension {self.dim} with size {size}"
            )
        if not x.ndim or not index.ndim:
            return x.reshape(-1)[index.reshape(-1)].reshape(index.shape)
        region = tuple(slice(None) if d == self.dim else slice(n) for d, n in enumerate(index.shape))
        return self.xp.take_along_axis(x[region], index, self.dim)

    def backward(self, g: Any) -> Any:
        _, index = self.saved
        return ScatterAdd(self.dim, self.source)(g, index), None


@op
class ScatterAdd(Function):
    """Zeros of ``shape`` with ``g`` added where ``index`` points along ``dim``: the transpose of Gather."""

    dim: int
    shape: Shape

    def forward(self, g: Array, index: Array) -> Array:
        self.save(None, index)
        out = self.xp.zeros(self.shape, g.dtype)
        if out.ndim == 0:
            return out + g.sum()
        self.xp.add.at(out, _places(self.xp, index, self.dim), g)
        return out

    def backward(self, g: Any) -> Any:
        _, index = self.saved
        return Gather(self.dim)(g, index), None


def _places(xp: Any, index: Array, dim: int) -> tuple[Array, ...]:
    """The coordinates that ``index`` along ``dim`` stands for."""
    grids = xp.ogrid[tuple(slice(n) for n in index.shape)]
    return tuple(index if d == dim else grids[d] for d in range(index.ndim))


def _same_ndim(x: Any, index: Any, name: str) -> None:
    if (ndim_of(x) or 1) != (ndim_of(index) or 1):
        raise ShapeError(f"Index tensor must have the same number of dimensions as {name} tensor")


def gather(x: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Pick ``out[i][j] = x[i][index[i][j]]`` (with ``dim=1``).

    Shape:
        ``(*), index -> index``

    Raises:
        RangeError: an index lies outside. ShapeError: the numbers of dimensions differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 2.], [3., 4.]], requires_grad=True)
    >>> x.gather(1, tc.tensor([[0], [1]])).sum().backward()
    >>> x.grad
    tensor([[1., 0.],
            [0., 1.]])
    """
    d = wrap_dim(dim, ndim_of(x))
    _index_tensor(index, "gather")
    _same_ndim(x, index, "input")
    for i, (n, m) in enumerate(zip(shape_of(index), shape_of(x), strict=False)):
        if i != d and n > m:
            raise ShapeError(
                f"Size does not match at dimension {i} expected index {list(shape_of(index))} to be no larger than "
                f"self {list(shape_of(x))} apart from dimension {d}"
            )
    return Gather(d)(x, index)


def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Any:
    """:func:`gather` with broadcasting; without ``dim`` in the flattened tensor."""
    if dim is None:
        return gather(flatten(x), 0, flatten(indices))
    d = wrap_dim(dim, ndim_of(x))
    sx, si = list(shape_of(x)), list(shape_of(indices))
    sx[d] = si[d] = 1
    both = list(broadcast(tuple(sx), tuple(si)))
    wide_x, wide_i = both.copy(), both.copy()
    wide_x[d], wide_i[d] = shape_of(x)[d], shape_of(indices)[d]
    return gather(expand(x, *wide_x), d, expand(indices, *wide_i))


@op
class Scatter(Function):
    """A copy with ``src`` written where ``index`` points along ``dim``."""

    dim: int

    def forward(self, x: Array, src: Any, index: Array) -> Array:
        out = x.copy()
        self.save(None, None, index)
        self.src_shape = getattr(src, "shape", ())
        if out.ndim == 0:
            out[...] = src
            return out
        region = tuple(slice(n) for n in index.shape)
        out[_places(self.xp, index, self.dim)] = src[region] if self.src_shape else src
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


def _check_scatter(x: Any, d: int, index: Any, src: Any, name: str) -> None:
    _index_tensor(index, name)
    _same_ndim(x, index, "self")
    size = shape_of(x)[d] if shape_of(x) else 1
    i = index.array
    if i.size and (int(i.min()) < 0 or int(i.max()) >= size):
        bad = i[(i < 0) | (i >= size)].ravel()[0]
        raise RangeError(f"index {int(bad)} is out of bounds for dimension {d} with size {size}")
    for k, n in enumerate(shape_of(index)):
        too_long = k != d and n > shape_of(x)[k]
        if too_long or (isinstance(src, Variable) and shape_of(src) and n > shape_of(src)[k]):
            text = f"Expected index {list(shape_of(index))} to be no larger than self {list(shape_of(x))} apart from dimension {d}"
            if isinstance(src, Variable):
                text += f" and to be no larger size than src {list(shape_of(src))}"
            raise ShapeError(text)
    if isinstance(src, Variable) and src.array.dtype != x.array.dtype:
        raise DTypeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype", f"Write src.to({dtype_of(x).name})."
        )


def scatter(x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """A copy of ``x`` with ``out[i][index[i][j]] = src[i][j]`` (with ``dim=1``).

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3).scatter(1, tc.tensor([[0], [2]]), 1.)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    src = value if src is None else src
    d = wrap_dim(dim, ndim_of(x))
    if reduce == "add":
        return scatter_add(x, dim, index, src if isinstance(src, Variable) else x.wrap(NUMPY.full(shape_of(index), src, x.array.dtype)))
    if reduce is not None:
        raise RuntimeError(f"reduce argument must be 'add' here, got {reduce!r}")
    _check_scatter(x, d, index, src, "scatter")
    return Scatter(d)(x, src, index)


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of ``x`` with ``src[i][j]`` added to ``out[i][index[i][j]]`` (with ``dim=1``)."""
    d = wrap_dim(dim, ndim_of(x))
    _check_scatter(x, d, index, src, "scatter_add")
    part = GetItem(tuple(slice(n) for n in shape_of(index)))(src) if shape_of(index) else src
    return x + ScatterAdd(d, shape_of(x))(part, index)


scatter_, scatter_add_ = inplace(scatter), inplace(scatter_add)


def index_select(x: Any, dim: int, index: Any) -> Any:
    """The slices of ``dim`` that a vector of indices names.

    >>> import tinyconv as tc
    >>> tc.arange(6).reshape(2, 3).index_select(1, tc.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    d = wrap_dim(dim, ndim_of(x))
    if ndim_of(index) > 1:
        raise RangeError("index_select(): Index is supposed to be a vector")
    if dtype_of(index).name not in ("int64", "int32"):
        raise DTypeError("index_select(): Expected dtype int32 or int64 for index", "Write index.long().")
    i = index.array.reshape(-1)
    size = shape_of(x)[d] if shape_of(x) else 1
    if i.size and (int(i.min()) < 0 or int(i.max()) >= size):
        raise RangeError("index out of range in self", f"Indices must lie in [0, {size}).")
    if not shape_of(x):
        return x.clone()
    return Index((slice(None),) * d + (i,))(x)


# ── masks ─────────────────────────────────────────────────────────────────────────────────────


def _bool_mask(mask: Any, name: str) -> None:
    if dtype_of(mask).rank:
        raise DTypeError(
            f"{name} only supports boolean masks, but got mask with dtype {dtype_of(mask)}".replace("tinyconv.", ""),
            "Write mask.bool().",
        )


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """A copy of ``x`` with ``value`` (a number or 0-d tensor) where ``mask`` is true.

    >>> import tinyconv as tc
    >>> x = tc.ones(3, requires_grad=True)
    >>> x.masked_fill(tc.tensor([True, False, True]), 0).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    _bool_mask(mask, "masked_fill")
    if isinstance(value, Variable):
        if ndim_of(value):
            raise ShapeError(
                f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {ndim_of(value)} dimension(s)."
            )
        value = cast(value, x.array.dtype)
    else:
        if isinstance(value, float) and dtype_of(x).rank < 2:
            raise DTypeError(
                f"value cannot be converted to type {dtype_of(x).name} without overflow", "Write x.float() first."
            )
        value = x.wrap(NUMPY.asarray(value, x.array.dtype))
    return where(mask, value, x)


masked_fill_ = inplace(masked_fill)


def masked_select(x: Any, mask: Any) -> Any:
    """The elements where ``mask`` is true, in a vector.

    Shape:
        ``(*), (*) -> (n)``, broadcast
    """
    _bool_mask(mask, "masked_select")
    shape = broadcast(shape_of(x), shape_of(mask))
    return Index((NUMPY.broadcast_to(mask.array, shape),))(broadcast_to(x, shape))


def nonzero(x: Any, *, as_tuple: bool = False) -> Any:
    """The indices of elements that are not zero: rows of a matrix, or a tuple of vectors.

    >>> import tinyconv as tc
    >>> tc.tensor([0, 3, 0, 5]).nonzero()
    tensor([[1],
            [3]])
    """
    a = x.array
    if as_tuple:
        return tuple(x.wrap(i) for i in (a if a.ndim else a.reshape(1)).nonzero())
    if not a.ndim:
        return x.wrap(NUMPY.empty((int(bool(a)), 0), "int64"))
    return x.wrap(NUMPY.stack(a.nonzero(), 1) if prod(a.shape) else NUMPY.empty((0, a.ndim), "int64"))


# ── order ─────────────────────────────────────────────────────────────────────────────────────


@op
class _Order(Function):
    """The indices that sort, NaN last (first if descending); stable, as a stable sort is a valid sort."""

    differentiable = False
    dim: int
    descending: bool

    def forward(self, x: Array) -> Array:
        if not x.ndim:
            return self.xp.zeros((), "int64")
        if not self.descending:
            return self.xp.argsort(x, axis=self.dim, kind="stable")
        n = x.shape[self.dim]
        back = self.xp.argsort(self.xp.flip(x, self.dim), axis=self.dim, kind="stable")
        return n - 1 - self.xp.flip(back, self.dim)


def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Sort along ``dim``: values and where they were.

    >>> import tinyconv as tc
    >>> values, indices = tc.tensor([3., 1., 2.]).sort()
    >>> indices
    tensor([1, 2, 0])
    """
    d = wrap_dim(dim, ndim_of(x))
    order = _Order(d, descending)(x)
    return SortResult(_named(Gather(d)(x, order), "SortBackward0"), order)


def argsort(x: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort ``x`` along ``dim``."""
    return _Order(wrap_dim(dim, ndim_of(x)), descending)(x)


def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) along ``dim``, in order: values and where they were.

    >>> import tinyconv as tc
    >>> x = tc.tensor([3., 1., 2.], requires_grad=True)
    >>> x.topk(2).values.sum().backward()
    >>> x.grad
    tensor([1., 0., 1.])
    """
    d = wrap_dim(dim, ndim_of(x))
    if not 0 <= k <= (shape_of(x)[d] if shape_of(x) else 1):
        raise ShapeError("selected index k out of range", f"The dimension has {shape_of(x)[d] if shape_of(x) else 1} elements.")
    order = _Order(d, largest)(x)
    if shape_of(x):
        order = order.wrap(order.array[(slice(None),) * d + (slice(k),)].copy())
    return TopkResult(_named(Gather(d)(x, order), "TopkBackward0"), order)


def _named(x: Any, name: str) -> Any:
    if x.node is not None:
        x.node.name = name
    return x


def unique(x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The distinct elements in order; on request where each element went, and how often each occurs."""
    out = NUMPY.unique(x.array, return_inverse=True, return_counts=True, axis=dim)
    values, inverse, counts = (x.wrap(a) for a in out)
    chosen = [values] + [inverse] * return_inverse + [counts] * return_counts
    return tuple(chosen) if len(chosen) > 1 else values


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each non-negative integer occurs."""
    if x.array.ndim != 1 or (x.array.size and x.array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    out = NUMPY.bincount(x.array, None if weights is None else weights.array, minlength)
    return x.wrap(out if weights is None or weights.array.dtype.name != "float32" else out.astype("float32"))
