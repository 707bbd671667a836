"""Slices and elements taken from, and written to, where a tensor of indices says."""

from __future__ import annotations

from typing import Any

from ..autograd.function import require_one_device, type_name
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import XP, Array, demand_inside
from ..dtypes import FLOATS
from ..errors import DTypeError, RangeError, ShapeError
from ..shapes import broadcast, wrap_dim
from ._common import cast, dtype_of, fitting, ndim_of, shape_of
from .elementwise import add, mul
from .indexing import ScatterAdd, masked_fill, nonzero
from .slices import GetItem
from .subscript import IndexPut
from .take import PutBack, Take
from .views import expand, flatten, named, reshape

argwhere = nonzero

# ── slices along a dimension ──────────────────────────────────────────────────────────────────


def _vector(name: str, index: Any, kinds: tuple[str, ...], expected: str) -> Array:
    """The array of an index along a dimension, a vector of whole numbers."""
    if dtype_of(index).name not in kinds:
        raise DTypeError(f"{name}: {expected}{type_name(index.array)}", "Write index.long().")
    return index.array.reshape(-1)


def _all_before(dim: int, index: Array) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, index)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """A copy with the slices of ``source``, times ``alpha``, added to those of ``dim`` that ``index`` names.

    .. math:: y_{index_i, j} \\mathrel{+}= \\alpha\\, source_{ij} \\quad (dim = 0)

    Shape:
        ``(n, *), (k), (k, *) -> (n, *)`` with ``dim=0``

    >>> import tinyconv as tc
    >>> source = tc.ones(3, requires_grad=True)
    >>> y = tc.zeros(2).index_add(0, tc.tensor([0, 1, 0]), source, alpha=2)
    >>> y
    tensor([4., 2.], grad_fn=<IndexAddBackward0>)
    >>> y.sum().backward()
    >>> source.grad
    tensor([2., 2., 2.])
    """
    require_one_device("index_add", input=input, index=index, source=source)
    d, i = wrap_dim(dim, ndim_of(input)), index.array
    if i.ndim > 1:
        raise RangeError(
            f"index_add_(): Index is supposed to be a vector, but got dim: {i.ndim} with type: {type_name(i)} and "
            f"size: {list(i.shape)}"
        )
    i = _vector(
        "index_add_()", index, ("int64", "int32"), "Expected dtype int32/int64 for index but got: "
    )
    if source.array.dtype != input.array.dtype:
        raise DTypeError(
            f"index_add_(): self ({type_name(input.array)}) and source ({type_name(source.array)}) must have the same "
            "scalar type",
            f"Write source.to({dtype_of(input)}).",
        )
    have, given = shape_of(input), shape_of(source)
    if have and not given:
        raise RangeError(f"Dimension specified as {dim} but tensor has no dimensions")
    if len(have) != len(given) or have[:d] + have[d + 1 :] != given[:d] + given[d + 1 :]:
        raise ShapeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(have)} source.shape = {list(given)}"
        )
    if i.size != (given[d] if given else 1):
        raise ShapeError(
            f"index_add_(): Number of indices ({i.size}) should be equal to source.size(dim): "
            f"({given[d] if given else 1}), for dim: {d}"
        )
    demand_inside(i, 0, have[d] if have else 1, _out_of_range)
    if not have:
        return named(add(input, source, alpha=alpha), "IndexAddBackward0")
    if input.array.dtype in FLOATS:
        source = mul(source, alpha) if alpha != 1 else source
        total = add(input, PutBack(d, i.astype("int64", copy=False), have)(source))
    else:  # whole numbers: those times alpha are cut
        source = cast(mul(source, alpha), input.array.dtype) if alpha != 1 else source
        lines = i.astype("int64", copy=False).reshape(-1, *(1,) * (len(have) - d - 1))
        there = XP[type(i)].broadcast_to(lines, given)
        total = add(input, ScatterAdd(d, have)(source, source.wrap(there)))
    return named(total, "IndexAddBackward0")


def _out_of_range(index: int) -> Exception:
    return RangeError("index out of range in self", f"One of the indices is {index}.")


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """A copy with the slices of ``source`` in the place of those of ``dim`` that ``index`` names.

    Shape:
        ``(n, *), (k), (k, *) -> (n, *)`` with ``dim=0``

    >>> import tinyconv as tc
    >>> x = tc.zeros(3, requires_grad=True)
    >>> x.index_copy(0, tc.tensor([2, 0]), tc.tensor([5., 6.])).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    require_one_device("index_copy", input=input, index=index, source=source)
    d = wrap_dim(dim, ndim_of(input))
    if ndim_of(index) > 1:
        raise RangeError(
            f"index_copy_(): Index should have dimension 1 or 0 (got {ndim_of(index)})"
        )
    have, given, count = shape_of(input), shape_of(source), index.array.size
    if not given and count != 1:
        raise RangeError(
            f"index_copy_(): When source is scalar, index should have one element (got {count})"
        )
    if given and have and len(given) != len(have):
        raise RangeError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({len(given)}), destination dimensionality ({len(have)})"
        )
    i = _vector("index_copy_()", index, ("int64",), "Expected a long tensor for index, but got ")
    if source.array.dtype != input.array.dtype:
        raise DTypeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{type_name(input.array)} and (source) {type_name(source.array)}",
            f"Write source.to({dtype_of(input)}).",
        )
    one, other = (s[:d] + s[d + 1 :] for s in (have, given))
    if one != other:
        raise ShapeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, one))} at dimension {d} and source slice shape: {' '.join(map(str, other))} at "
            "dimension 0."
        )
    if given and count != given[d]:
        raise RangeError(
            f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) ({given[d]})"
        )
    size = have[d] if have else 1
    demand_inside(i, 0, size, _not_in_copy, d, size)
    x = input if have else reshape(input, 1)
    source = source if given else reshape(source, (1,) * ndim_of(x))
    copied = IndexPut(_all_before(d, i), False, False)(x, source)
    return named(copied if have else reshape(copied, ()), "IndexCopyBackward0")


def _not_in_copy(index: int, dim: int, size: int) -> Exception:
    return RangeError(
        f"index_copy_(): index {index} is out of bounds for dimension {dim} with size {size}",
        f"Indices must lie in [0, {size}).",
    )


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy with one number (or 0-d tensor) in the slices of ``dim`` that ``index`` names.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3).index_fill(1, tc.tensor([0, 2]), 1)
    tensor([[1., 0., 1.],
            [1., 0., 1.]])
    """
    require_one_device("index_fill", input=input, index=index)
    d, have = wrap_dim(dim, ndim_of(input)), shape_of(input)
    if dtype_of(index).name != "int64":
        raise RangeError("index_fill_(): Expected dtype int64 for index.", "Write index.long().")
    if ndim_of(index) > 1:
        raise ShapeError("Index has to be a vector/scalar")
    if isinstance(value, Variable):
        if value.array.ndim:
            raise ShapeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.array.ndim} dimension(s).",
                "Write index_copy().",
            )
        number = cast(value, input.array.dtype)
    else:
        number = fitting(value, dtype_of(input))
    i, size = index.array.reshape(-1), have[d] if have else 1
    demand_inside(i, -size, size, _not_in_fill, d, size)
    there = XP[type(i)].zeros(size, bool)
    there[i] = True  # a mask counts an index once that comes twice
    there = there.reshape((-1, *(1,) * (len(have) - d - 1)) if have else ())
    name = f"IndexFillBackward{int(isinstance(value, Variable))}"
    return named(masked_fill(input, input.wrap(there), number), name)


def _not_in_fill(index: int, dim: int, size: int) -> Exception:
    return RangeError(
        f"index {index} is out of bounds for dimension {dim} with size {size}",
        f"Indices must lie in [{-size}, {size}).",
    )


index_add_, index_copy_, index_fill_ = map(inplace, (index_add, index_copy, index_fill))

# ── elements of the flattened tensor ──────────────────────────────────────────────────────────


def take(input: Any, index: Any) -> Any:
    """The elements at ``index``, counted as if the tensor were flat.

    Shape:
        ``(*), index -> index``

    >>> import tinyconv as tc
    >>> tc.tensor([[1, 2], [3, 4]]).take(tc.tensor([0, -1]))
    tensor([1, 4])
    """
    require_one_device("take", input=input, index=index)
    i, n = index.array, input.array.size
    if dtype_of(index).name != "int64":
        raise DTypeError(
            f"take(): Expected a long tensor for index, but got {type_name(i)}",
            "Write index.long().",
        )
    if not n and i.size:
        raise RangeError("take(): tried to take from an empty tensor")
    demand_inside(i, -n, n, _out_of_all, n)
    return named(Take(0, i % max(n, 1))(flatten(input)), "TakeBackward0")


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy with the elements of ``source`` written (or added) at ``index``, counted as if the tensor were flat.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 2).put(tc.tensor([1, -1]), tc.tensor([5., 6.]))
    tensor([[0., 5.],
            [0., 6.]])
    """
    require_one_device("put", input=input, index=index, source=source)
    i, n = index.array, input.array.size
    if dtype_of(index).name != "int64":
        raise DTypeError(
            f"put_(): Expected a long tensor for index, but got {type_name(i)}",
            "Write index.long().",
        )
    if source.array.dtype != input.array.dtype:
        raise DTypeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{type_name(input.array)} and source.dtype = {type_name(source.array)}",
            f"Write source.to({dtype_of(input)}).",
        )
    if source.array.size != i.size:
        raise RangeError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.array.size}, index.numel() = {i.size}"
        )
    if i.size and not n:
        raise RangeError("put_(): Tried to put elements into an empty tensor")
    demand_inside(i, -n, n, _out_of_all, n)
    written = IndexPut((i.reshape(-1),), False, accumulate)(flatten(input), flatten(source))
    return named(reshape(written, shape_of(input)), "PutBackward0")


def _out_of_all(index: int, count: int) -> Exception:
    return RangeError(
        f"out of range: tried to access index {index} on a tensor of {count} elements."
    )


put_ = inplace(put)


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy with the elements of ``source``, one after the other, where ``mask`` is true.

    Shape:
        ``(*), (*) -> (*)``, broadcast; source has at least as many elements as are true

    >>> import tinyconv as tc
    >>> tc.zeros(3).masked_scatter(tc.tensor([True, False, True]), tc.tensor([1., 2., 3.]))
    tensor([1., 0., 2.])
    """
    require_one_device("masked_scatter", input=input, mask=mask, source=source)
    if dtype_of(mask).rank:
        raise DTypeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{type_name(mask.array)}",
            "Write mask.bool().",
        )
    if source.array.dtype != input.array.dtype:
        raise DTypeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{type_name(input.array)} and {type_name(source.array)}",
            f"Write source.to({dtype_of(input)}).",
        )
    shape = broadcast(shape_of(mask), shape_of(input))
    x = input if shape_of(input) == shape else expand(input, shape)
    places = XP[type(mask.array)].broadcast_to(mask.array, shape or (1,)).nonzero()
    count = places[0].size
    if source.array.size < count:
        raise ShapeError(
            "Number of elements of source < number of ones in mask",
            f"They are {source.array.size} and {count}.",
        )
    first = GetItem((slice(count),))(flatten(source))
    written = IndexPut(places, True, False)(x if shape else reshape(x, 1), first)
    return named(written if shape else reshape(written, ()), "MaskedScatterBackward0")


def _masked_scatter_here(input: Any, mask: Any, source: Any) -> Any:
    have, given = shape_of(input), shape_of(mask)
    if len(given) > len(have):
        raise ShapeError(
            f"expand(CPU{type_name(mask.array)}Type{{{list(given)}}}, size={list(have)}): the number of sizes provided "
            f"({len(have)}) must be greater or equal to the number of dimensions in the tensor ({len(given)})"
        )
    return masked_scatter(input, mask, source)


masked_scatter_ = inplace(_masked_scatter_here)
