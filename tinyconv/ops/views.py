"""Other arrangements of the same elements. Most are views: they share the memory of their operand."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..autograd.function import Function, op, type_name
from ..backend import Array
from ..dtypes import dtype as DType
from ..errors import ShapeError
from ..shapes import Ints, Shape, infer_size, is_int, wrap_dim
from ._common import Expand, shape_of

# ── reshape ───────────────────────────────────────────────────────────────────────────────────


@op
class Reshape(Function):
    """A view where strides allow it, otherwise a copy."""

    shape: Shape
    label = "ViewBackward0"

    def forward(self, x: Array) -> Array:
        self.source = x.shape
        out = x.reshape(self.shape)
        self.view = out is x or bool(self.xp.may_share_memory(out, x)) or not out.size
        if not self.view:
            self.label = "UnsafeViewBackward0"  # as torch calls the view of a copy
        return x[...] if out is x else out

    def inverse(self) -> Function:
        return Reshape(self.source)

    def backward(self, g: Any) -> Any:
        return (self.inverse()(g),)


def _sizes(args: tuple[Any, ...], named: Any = None) -> Ints:
    """``f(2, 3)``, ``f((2, 3))`` and ``f(shape=(2, 3))`` mean the same."""
    if named is not None:
        args = tuple(named)
    elif len(args) == 1 and isinstance(args[0], Sequence):
        args = tuple(args[0])
    return tuple(int(a) for a in args)


def named(x: Any, name: str) -> Any:
    """Let the node bear the name that torch gives the whole operation."""
    if x.node is not None:
        x.node.label = name
    return x


def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """Give the elements, in order, another shape; one size may be -1.

    Shape:
        ``(*) -> shape``

    Raises:
        ShapeError: the sizes do not multiply to the number of elements.

    >>> import tinyconv as tc
    >>> x = tc.arange(6.).requires_grad_()
    >>> (x.reshape(2, -1) * tc.tensor([1., 2., 3.])).sum().backward()
    >>> x.grad
    tensor([1., 2., 3., 1., 2., 3.])
    """
    source = shape_of(input)
    return Reshape(infer_size(_sizes(sizes, shape), prod(source)))(input)


@op
class Reinterpret(Function):
    """The same bytes read as another number type."""

    view = True
    differentiable = False
    dtype: Any

    def forward(self, x: Array) -> Array:
        return x.view(self.dtype)


def view(input: Any, *sizes: Any, size: Any = None, dtype: Any = None) -> Any:
    """As :func:`reshape`, but never a copy. A dtype instead of a shape reinterprets the bytes.

    Raises:
        ShapeError: the strides do not allow it.

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, 3)
    >>> x.view(-1)[0] = 5
    >>> x[0, 0]
    tensor(5.)
    """
    if len(sizes) == 1 and isinstance(sizes[0], DType):
        dtype = sizes[0]
    if dtype is not None:
        return Reinterpret(dtype.numpy)(input)
    out = reshape(input, *sizes, shape=size)
    if out.base is None:
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


def view_as(input: Any, other: Any) -> Any:
    """:func:`view` with the shape of ``other``."""
    return view(input, shape_of(other))


def reshape_as(input: Any, other: Any) -> Any:
    """:func:`reshape` to the shape of ``other``."""
    return reshape(input, shape_of(other))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Run dimensions ``start_dim`` to ``end_dim`` together.

    Shape:
        ``(n, c, h, w) -> (n, c h w)`` with ``start_dim=1``

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3, 4).flatten(1).shape
    tinyconv.Size([2, 12])
    """
    shape = shape_of(input)
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return Reshape((1,))(input)
    if start == end:
        return input
    return Reshape((*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))(input)


def ravel(input: Any) -> Any:
    """All elements in one dimension."""
    return reshape(input, -1)


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Split one dimension into several; one size may be -1.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 12).unflatten(1, (3, -1)).shape
    tinyconv.Size([2, 3, 4])
    """
    shape = shape_of(input)
    d = wrap_dim(dim, len(shape))
    try:
        inner = infer_size(tuple(sizes), shape[d])
    except ShapeError:
        raise ShapeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} "
            f"({shape[d]}) in the input tensor"
        ) from None
    return Reshape((*shape[:d], *inner, *shape[d + 1 :]))(input)


def squeeze(input: Any, dim: Any = None) -> Any:
    """Drop dimensions of size one: all, or those named."""
    shape = shape_of(input)
    chosen = range(len(shape)) if dim is None else [dim] if is_int(dim) else dim
    dims = {wrap_dim(d, len(shape)) for d in chosen}
    node = _Squeeze(tuple(n for i, n in enumerate(shape) if i not in dims or n != 1))
    node.label = f"SqueezeBackward{0 if dim is None else 1 if is_int(dim) else 2}"
    return node(input)


def unsqueeze(input: Any, dim: int) -> Any:
    """Insert a dimension of size one at ``dim``.

    >>> import tinyconv as tc
    >>> tc.zeros(3).unsqueeze(0).shape
    tinyconv.Size([1, 3])
    """
    shape = shape_of(input)
    d = wrap_dim(dim, len(shape) + 1)
    return _Unsqueeze((*shape[:d], 1, *shape[d:]))(input)


@op
class _Squeeze(Reshape):
    pass


@op
class _Unsqueeze(Reshape):
    label = "UnsqueezeBackward0"


# ── order of dimensions ───────────────────────────────────────────────────────────────────────


@op
class Permute(Function):
    view = True
    dims: Ints

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def inverse(self) -> Function:
        return Permute(tuple(self.dims.index(i) for i in range(len(self.dims))))

    def backward(self, g: Any) -> Any:
        return (self.inverse()(g),)


@op
class _Transpose(Permute):
    label = "TransposeBackward0"


@op
class _T(Permute):
    label = "TBackward0"


def permute(input: Any, *order: Any, dims: Any = None) -> Any:
    """Reorder dimensions.

    Shape:
        ``(s_0, s_1, ...) -> (s_{dims[0]}, s_{dims[1]}, ...)``

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3, 4).permute(2, 0, 1).shape
    tinyconv.Size([4, 2, 3])
    """
    n = len(shape_of(input))
    order = tuple(_sizes(order, dims))
    if len(order) != n:
        raise ShapeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {n} is not equal to len(dims) = {len(order)}"
        )
    order = tuple(wrap_dim(d, n) for d in order)
    if len(set(order)) != n:
        raise ShapeError("permute(): duplicate dims are not allowed.")
    return Permute(order)(input)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Swap two dimensions.

    >>> import tinyconv as tc
    >>> tc.zeros(2, 3).transpose(0, 1).shape
    tinyconv.Size([3, 2])
    """
    n = len(shape_of(input))
    a, b = wrap_dim(dim0, n), wrap_dim(dim1, n)
    order = list(range(n))
    if n:
        order[a], order[b] = b, a
    return _Transpose(tuple(order))(input)


def t(input: Any) -> Any:
    """Transpose a matrix; leave a vector or scalar as it is."""
    n = len(shape_of(input))
    if n > 2:
        raise ShapeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {n}D", "Use transpose()."
        )
    return _T(tuple(reversed(range(n))))(input)


def mT(input: Any) -> Any:
    """Swap the last two dimensions."""
    return transpose(input, -2, -1)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Move dimensions to new places; the others keep their order."""
    n = len(shape_of(input))
    src = [wrap_dim(d, n) for d in ([source] if is_int(source) else source)]
    dst = [wrap_dim(d, n) for d in ([destination] if is_int(destination) else destination)]
    if len(src) != len(dst):
        raise ShapeError(
            f"movedim: Invalid source or destination dims: source ({source} dims) should contain the same number "
            f"of dims as destination ({destination} dims)"
        )
    for name, given, dims in (("source", source, src), ("destination", destination, dst)):
        if len(set(dims)) != len(dims):
            raise ShapeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    order = [d for d in range(n) if d not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return Permute(tuple(order))(input)


@op
class Contiguous(Function):
    """A copy in row-major order."""

    label = "CloneBackward0"

    def forward(self, x: Array) -> Array:
        return self.xp.ascontiguousarray(x)

    def backward(self, g: Any) -> Any:
        return (g,)


def contiguous(input: Any, memory_format: Any = None) -> Any:
    """This tensor if its elements lie in row-major order, else a copy in which they do."""
    return input if input.array.flags.c_contiguous else Contiguous()(input)


# ── stretch ───────────────────────────────────────────────────────────────────────────────────


def expand(input: Any, *sizes: Any, size: Any = None) -> Any:
    """Stretch dimensions of size one without copying; -1 keeps a size.

    Raises:
        ShapeError: a size other than one would have to change.

    >>> import tinyconv as tc
    >>> x = tc.ones(3, 1, requires_grad=True)
    >>> x.expand(-1, 4).sum().backward()
    >>> x.grad.flatten()
    tensor([4., 4., 4.])
    """
    shape, wanted = shape_of(input), _sizes(sizes, size)
    lead = len(wanted) - len(shape)
    if lead < 0:
        raise ShapeError(
            f"expand(tinyconv.{type_name(input.array)}Tensor{{{list(shape)}}}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    target = []
    for i, w in enumerate(wanted):
        have = shape[i - lead] if i >= lead else None
        if w == -1:
            if have is None:
                raise ShapeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            w = have
        elif have is not None and have not in (1, w):
            raise ShapeError(
                f"The expanded size of the tensor ({w}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
            )
        target.append(w)
    return Expand(tuple(target))(input)


def expand_as(input: Any, other: Any) -> Any:
    """:func:`expand` to the shape of ``other``."""
    return expand(input, shape_of(other))


def broadcast_to(input: Any, size: Sequence[int]) -> Any:
    """:func:`expand` under NumPy's name."""
    return expand(input, size=size)
