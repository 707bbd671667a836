"""More arrangements of the same elements: turned, broadcast together, of more dimensions, changed in place."""

from __future__ import annotations

from typing import Any

from ..autograd.inplace import inplace_view
from ..autograd.variable import Variable, Version
from ..backend import XP
from ..dtypes import FLOATS
from ..errors import InplaceError, RangeError, ShapeError
from ..shapes import Size, broadcast, is_int, wrap_dim
from ._common import SumTo, cast, ndim_of, shape_of
from .elementwise import clone
from .joining import flip
from .slices import narrow
from .views import _sizes, expand, named, reshape, squeeze, t, transpose, unsqueeze

squeeze_, unsqueeze_ = inplace_view(squeeze), inplace_view(unsqueeze)
transpose_ = swapaxes_ = swapdims_ = inplace_view(transpose)
swapaxes = swapdims = transpose


def t_(input: Any) -> Any:
    """In-place version of :func:`t`: no element moves."""
    if ndim_of(input) > 2:
        raise ShapeError(
            f"t_() expects a tensor with <= 2 dimensions, but self is {ndim_of(input)}D",
            "Use transpose_().",
        )
    return _t_(input)


_t_ = inplace_view(t)


def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """:func:`narrow` with a copy."""
    n = ndim_of(input)
    if n and dim >= n:  # other words than narrow()
        raise ShapeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.",
            f"The tensor has {n} dimension{'s' * (n > 1)}.",
        )
    if n and length < 0:
        size = shape_of(input)[wrap_dim(dim, n)]
        raise ShapeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return named(clone(narrow(input, dim, start, length)), "NarrowCopyBackward0")


# ── turned ────────────────────────────────────────────────────────────────────────────────────


def fliplr(input: Any) -> Any:
    """Reverse the columns: the second dimension.

    >>> import tinyconv as tc
    >>> tc.fliplr(tc.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if ndim_of(input) < 2:
        raise ShapeError("Input must be >= 2-d.", "Write x.flip(0) for a vector.")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """Reverse the rows: the first dimension."""
    if ndim_of(input) < 1:
        raise ShapeError("Input must be >= 1-d.")
    return flip(input, 0)


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turn by 90 degrees, ``k`` times, from the first towards the second of two dimensions.

    >>> import tinyconv as tc
    >>> tc.rot90(tc.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    n, dims = ndim_of(input), tuple(dims)
    if len(dims) != 2:
        raise ShapeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if n < 2:
        raise ShapeError(f"expected total dims >= 2, but got total dims = {n}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == n:
        raise ShapeError(
            "expected rotation dims to be different, but got dim0 = {} and dim1 = {}".format(*dims)
        )
    for i, d in enumerate(dims):
        if not -n <= d < n:
            raise RangeError(f"Rotation dim{i} out of range, dim{i} = {d}")
    a, b = dims
    match k % 4:
        case 0:
            return clone(input)
        case 1:
            return transpose(flip(input, b), a, b)
        case 2:
            return flip(input, a, b)
    return transpose(flip(input, a), a, b)


def adjoint(input: Any) -> Any:
    """The last two dimensions swapped: of real numbers, the adjoint is the transpose. A scalar stays as it is.

    >>> import tinyconv as tc
    >>> tc.zeros(4, 2, 3).adjoint().shape
    tinyconv.Size([4, 3, 2])
    """
    return _swapped("adjoint()", input)


def mH(input: Any) -> Any:
    """The last two dimensions swapped: see :func:`adjoint`."""
    return _swapped("mH", input)


def _swapped(name: str, x: Any) -> Any:
    if ndim_of(x) == 1:
        raise ShapeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return transpose(x, -2, -1) if ndim_of(x) else x


def H(input: Any) -> Any:
    """The transpose of a matrix, which is what its adjoint is of real numbers."""
    if ndim_of(input) not in (0, 2):
        raise ShapeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim_of(input)}-D tensor."
            + " For batches of matrices, consider using tensor.mH" * (ndim_of(input) > 2)
        )
    return transpose(input, 0, 1) if ndim_of(input) else input


def real(input: Any) -> Any:
    """The real part: of real numbers, the tensor itself."""
    return input


# ── broadcasting ──────────────────────────────────────────────────────────────────────────────


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all of these stretch to.

    >>> import tinyconv as tc
    >>> tc.broadcast_shapes((2, 1), 3)
    tinyconv.Size([2, 3])
    """
    out: list[int] = []
    for i, given in enumerate(shapes):
        shape = (given,) if is_int(given) else tuple(given)
        if any(n < 0 for n in shape):
            raise ValueError("Attempting to broadcast a dimension with negative length!")
        out = [1] * (len(shape) - len(out)) + out
        for d in range(-1, -1 - len(shape), -1):
            if shape[d] in (1, out[d]):
                continue
            if out[d] != 1:
                raise ShapeError(
                    f"Attempting to broadcast a dimension of length {shape[d]} at {d}! Mismatching argument at index "
                    f"{i} had {shape}; but expected shape should be broadcastable to {out}"
                )
            out[d] = shape[d]
    return Size(out)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Views of all these in the shape that they stretch to.

    >>> import tinyconv as tc
    >>> [x.shape for x in tc.broadcast_tensors(tc.zeros(2, 1), tc.zeros(3))]
    [tinyconv.Size([2, 3]), tinyconv.Size([2, 3])]
    """
    xs = _one_or_several(tensors)
    shape: tuple[int, ...] = ()
    for x in xs:
        shape = broadcast(shape, shape_of(x))
    return tuple(x if shape_of(x) == shape else expand(x, shape) for x in xs)


def sum_to_size(input: Any, *size: Any) -> Any:
    """The sum over the dimensions along which ``size`` would be stretched to this shape.

    >>> import tinyconv as tc
    >>> tc.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    shape, wanted = shape_of(input), _sizes(size)
    lead = len(shape) - len(wanted)
    if lead < 0 or any(w not in (1, n) for w, n in zip(wanted, shape[lead:], strict=True)):
        raise ShapeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    if shape == wanted and shape:
        return input
    return SumTo(wanted)(input if input.array.dtype in FLOATS else cast(input, "int64"))


def is_same_size(input: Any, other: Any) -> bool:
    """Tell whether two tensors have the same shape."""
    return shape_of(input) == shape_of(other)


# ── at least so many dimensions ───────────────────────────────────────────────────────────────


def _one_or_several(tensors: tuple[Any, ...]) -> list[Any]:
    """``f(a, b)`` and ``f([a, b])`` mean the same."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    return list(tensors)


def _each(raised: Any, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Variable):
        return raised(tensors[0])
    return tuple(map(raised, _one_or_several(tensors)))


def atleast_1d(*tensors: Any) -> Any:
    """Scalars as vectors of one; anything else as it is. Several tensors come back in a tuple.

    >>> import tinyconv as tc
    >>> tc.atleast_1d(tc.tensor(3))
    tensor([3])
    """
    return _each(lambda x: x if ndim_of(x) else reshape(x, 1), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Vectors as rows of matrices; anything of more dimensions as it is."""
    return _each(_rows, tensors)


def _rows(x: Any) -> Any:
    return x if ndim_of(x) > 1 else unsqueeze(x, 0) if ndim_of(x) else reshape(x, 1, 1)


def atleast_3d(*tensors: Any) -> Any:
    """Vectors as ``(1, n, 1)``, matrices as ``(n, m, 1)``; anything of more dimensions as it is."""
    return _each(lambda x: x if ndim_of(x) > 2 else unsqueeze(_rows(x), -1), tensors)


# ── another size ──────────────────────────────────────────────────────────────────────────────


def resize_(input: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Change the shape in place: the first elements stay; should there be more than before, those are zero.

    Raises:
        RuntimeError: a gradient is wanted. InplaceError: it is a view of other memory.

    >>> import tinyconv as tc
    >>> tc.arange(4).resize_(2, 1)
    tensor([[0],
            [1]])
    """
    shape = _sizes(sizes)
    if shape == shape_of(input):
        return input
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad\nWrite x.detach() first.")
    if input.base is not None:
        raise InplaceError(
            "resize_() takes a tensor with memory of its own, and this one is a view",
            "Write x.clone() first, or reshape() if the number of elements stays the same.",
        )
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize_: sizes must not be negative, got {list(shape)}")
    old = input.array
    xp, count = XP[type(old)], 1
    for n in shape:
        count *= n
    flat = old.reshape(-1)
    if count > old.size:
        flat = xp.concatenate((flat, xp.zeros(count - old.size, old.dtype)))
    input.array = flat[:count].reshape(shape)
    if input.version is not None:  # views keep the memory of before, on their own
        input.bump()
        input.version, input.undo, input.replay = Version(), (), ()
    return input


def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """:func:`resize_` to the shape of another tensor."""
    return resize_(input, shape_of(the_template), memory_format=memory_format)
