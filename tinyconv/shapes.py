"""Shape arithmetic on integers alone; imports no array library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from operator import index
from typing import Any, SupportsIndex, overload

from .alias import library
from .errors import RangeError, ShapeError

Shape = tuple[int, ...]
Ints = tuple[int, ...]


class Size(Shape):
    """The shape of a Tensor: a tuple of ints that prints as ``tinyconv.Size([2, 3])``."""

    def __new__(cls, sizes: Iterable[Any] = ()) -> Size:
        sizes = tuple(sizes)
        for i, n in enumerate(sizes):
            if not hasattr(n, "__index__"):
                raise TypeError(
                    f"tinyconv.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')"
                )
        return super().__new__(cls, map(index, sizes))

    def numel(self) -> int:
        """The number of elements: the product of the sizes."""
        return prod(self)

    def __repr__(self) -> str:
        return f"{library()}.Size({list(self)})"

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            name = type(other).__name__
            raise TypeError(f"can only concatenate tuple (not {name}) to tinyconv.Size")
        return Size((*self, *other))

    def __radd__(self, other: Any) -> Size:
        return Size((*other, *self))

    def __mul__(self, n: Any) -> Size:
        return Size(tuple(self) * n)

    __rmul__ = __mul__

    @overload
    def __getitem__(self, at: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Size: ...

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return Size(part) if isinstance(at, slice) else part


def is_int(x: Any) -> bool:
    """Tell whether ``x`` can stand for a size or an index: an int of Python or NumPy, not a bool."""
    return hasattr(x, "__index__") and not isinstance(x, bool) and getattr(x, "shape", ()) == ()


def wrap_dim(dim: int, ndim: int) -> int:
    """Turn a dimension that may count from the end into one that counts from the start."""
    n = ndim or 1  # a scalar may be addressed as if it had one dimension
    if not -n <= dim < n:
        raise RangeError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})",
            f"The tensor has {ndim} dimension{'s' * (ndim != 1)}.",
        )
    return dim % n


def wrap_dims(dim: Any, ndim: int) -> Ints:
    """Normalise ``None`` (all), an int or a sequence of them to sorted-as-given positive dimensions."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(ndim))
    if isinstance(dim, Sequence):
        dims = tuple(wrap_dim(int(d), ndim) for d in dim)
        for d in dims:
            if dims.count(d) > 1:
                raise ShapeError(f"dim {d} appears multiple times in the list of dims")
    else:
        dims = (wrap_dim(int(dim), ndim),)
    return dims if ndim else ()


def expand_ints(value: Any, n: int, name: str) -> Ints:
    """Give an int, or a sequence of one or ``n`` ints, as a tuple of ``n``."""
    if is_int(value):
        return (int(value),) * n
    if isinstance(value, (tuple, list)) and all(map(is_int, value)) and len(value) in (1, n):
        return tuple(map(int, value)) * (n // len(value))
    raise ShapeError(f"{name} must be an int or a sequence of {n} ints, but got {value!r}")


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape that both stretch to: equal sizes, or size one, counted from the last dimension."""
    if a == b:
        return a
    n = max(len(a), len(b))
    out = []
    for i in range(-1, -n - 1, -1):  # of several differences torch names the last
        p = a[i] if -i <= len(a) else 1
        q = b[i] if -i <= len(b) else 1
        if p != q and p != 1 and q != 1:
            raise ShapeError(
                f"The size of tensor a ({p}) must match the size of tensor b ({q}) "
                f"at non-singleton dimension {n + i}",
                f"Shapes {list(a)} and {list(b)} do not broadcast: aligned at their last dimension, "
                "each pair of sizes must be equal or contain a 1.",
            )
        out.append(q if p == 1 else p)
    return tuple(reversed(out))


def infer_size(shape: Sequence[int], numel: int) -> Shape:
    """Fill the one ``-1`` of ``shape`` so that it holds ``numel`` elements."""
    sizes = tuple(map(int, shape))
    if sizes.count(-1) > 1:
        raise ShapeError("only one dimension can be inferred")
    for i, s in enumerate(sizes):
        if s < -1:
            raise ShapeError(f"invalid shape dimension {s} at index {i} of shape {list(sizes)}")
    known = prod(s for s in sizes if s != -1)
    if -1 in sizes and known == numel == 0:
        raise ShapeError(
            f"cannot reshape tensor of 0 elements into shape {list(sizes)} because the "
            "unspecified dimension size -1 can be any value and is ambiguous"
        )
    if known != numel if -1 not in sizes else not known or numel % known:
        raise ShapeError(
            f"shape '{list(sizes)}' is invalid for input of size {numel}",
            f"The sizes must multiply to {numel}; one of them may be -1.",
        )
    return tuple(numel // known if s == -1 else s for s in sizes)


def conv_size(size: int, k: int, s: int, p: int, d: int) -> int:
    """How many windows of ``k`` taps, ``d`` apart, fit at stride ``s`` into ``size`` padded by ``p``.

    Relationship 14 and 15 of Dumoulin & Visin, arXiv 1603.07285.
    """
    return (size + 2 * p - d * (k - 1) - 1) // s + 1


def conv_transpose_size(size: int, k: int, s: int, p: int, d: int, extra: int) -> int:
    """The size whose convolution has ``size`` windows, plus ``extra`` rows that no window decides."""
    return (size - 1) * s - 2 * p + d * (k - 1) + extra + 1


def pool_size(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """As :func:`conv_size`; with ``ceil_mode`` a last, partial window counts if it starts inside
    the input or its left padding."""
    span = size + 2 * p - d * (k - 1) - 1
    n = (span + (s - 1) * ceil_mode) // s + 1
    if ceil_mode and (n - 1) * s >= size + p:
        n -= 1
    return n
