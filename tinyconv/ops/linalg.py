"""Products of vectors and matrices."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.autocast import LOWER, recast, will_cast
from ..autograd.function import Function, op, type_name
from ..backend import Array, product
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast
from ._common import dtype_of, ndim_of, not_implemented, shape_of, unbroadcast
from .elementwise import mul
from .reduce import sum
from .slices import diagonal
from .views import expand, named, permute, reshape, squeeze, transpose, unsqueeze

# What torch's messages call the types here.
C_NAMES = {"float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double", "bool": "bool", "uint8": "unsigned char",
           "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long"}  # fmt: skip


def _same_dtype(x: Any, y: Any, name: str) -> None:
    a, b = dtype_of(x), dtype_of(y)
    if a is not b and not will_cast(LOWER, x, y):
        raise DTypeError(
            f"expected m1 and m2 to have the same dtype, but got: {C_NAMES[a.name]} != {C_NAMES[b.name]}",
            f"{name}() does not convert: write y.to({a}), or x.to({b}). NumPy's floats are float64: .float() makes "
            "them the default float32.",
        )
    if a.rank == 0:
        raise not_implemented(f"{name}_impl_cpu_", x.array, "Write x.float() first.")


@op
class Mm(Function):
    """``(..., n, k) @ (..., k, m)``, leading dimensions broadcast."""

    widens = "cpu"

    def forward(self, x: Array, y: Array) -> Array:
        want_x, want_y = self.needs
        self.shapes = x.shape, y.shape
        self.save(x if want_y else None, y if want_x else None)
        return product(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = gy = None
        if self.needs[0]:
            gx = unbroadcast(Mm()(g, transpose(y, -2, -1)), self.shapes[0])
        if self.needs[1]:
            gy = unbroadcast(Mm()(transpose(x, -2, -1), g), self.shapes[1])
        return gx, gy


@op
class Bmm(Mm):
    pass


@op
class Dot(Mm):
    """``(n) @ (n)``."""

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return g * y if self.needs[0] else None, g * x if self.needs[1] else None


@op
class Mv(Mm):
    """``(n, k) @ (k)``."""

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = unsqueeze(g, 1) * y if self.needs[0] else None
        return gx, Mv()(transpose(x, 0, 1), g) if self.needs[1] else None


def mm(input: Any, mat2: Any) -> Any:
    """Matrix product.

    Shape:
        ``(n, k), (k, m) -> (n, m)``

    Raises:
        ShapeError: not matrices, or inner sizes differ. DTypeError: dtypes differ.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, 3, requires_grad=True)
    >>> (x @ tc.arange(3.).reshape(3, 1)).sum().backward()
    >>> x.grad
    tensor([[0., 1., 2.],
            [0., 1., 2.]])
    """
    for name, v in (("self", input), ("mat2", mat2)):
        if ndim_of(v) != 2:
            raise ShapeError(f"{name} must be a matrix", "Write matmul() for other shapes.")
    (n, k), (k2, m) = shape_of(input), shape_of(mat2)
    if k != k2:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({n}x{k} and {k2}x{m})",
            f"The second size of the left ({k}) must equal the first of the right ({k2}).",
        )
    _same_dtype(input, mat2, "mm")
    return Mm()(input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """Product of corresponding matrices of two batches.

    Shape:
        ``(b, n, k), (b, k, m) -> (b, n, m)``

    >>> import tinyconv as tc
    >>> tc.bmm(tc.ones(4, 2, 3), tc.ones(4, 3, 5)).shape
    tinyconv.Size([4, 2, 5])
    """
    for i, v in enumerate((input, mat2)):
        if ndim_of(v) != 3:
            raise ShapeError(
                f"batch{i + 1} must be a 3D tensor", "Write matmul() for other shapes."
            )
    (b, _, k), (b2, k2, _) = shape_of(input), shape_of(mat2)
    if b != b2 or k != k2:
        raise _batches_differ(b, k, b2, k2)
    _same_dtype(input, mat2, "bmm")
    return Bmm()(input, mat2)


def _batches_differ(b: int, k: int, b2: int, k2: int) -> ShapeError:
    return ShapeError(
        f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: [{b2}, {k2}].",
        "Each matrix on the left needs one on the right, with as many rows as the left one has columns.",
    )


def dot(input: Any, tensor: Any) -> Any:
    """Scalar product of two vectors.

    Shape:
        ``(n), (n) -> ()``

    >>> import tinyconv as tc
    >>> tc.dot(tc.tensor([1., 2.]), tc.tensor([3., 4.]))
    tensor(11.)
    """
    if ndim_of(input) != 1 or ndim_of(tensor) != 1:
        raise ShapeError(
            f"1D tensors expected, but got {ndim_of(input)}D and {ndim_of(tensor)}D tensors"
        )
    if dtype_of(input) is not dtype_of(tensor):
        raise DTypeError(
            f"dot : expected both vectors to have same dtype, but found {type_name(input.array)} and "
            f"{type_name(tensor.array)}",
            f"Write y.to({dtype_of(input)}).",
        )
    if shape_of(input) != shape_of(tensor):
        (n,), (m,) = shape_of(input), shape_of(tensor)
        raise ShapeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, "
            f"but got {n} and {m} elements respectively"
        )
    return Dot()(input, tensor)


def _vector_differs(n: int, k: int, k2: int) -> ShapeError:
    return ShapeError(
        f"size mismatch, got input ({n}), mat ({n}x{k}), vec ({k2})",
        f"The columns of the matrix ({k}) must be as many as the elements of the vector ({k2}).",
    )


def mv(input: Any, vec: Any) -> Any:
    """Matrix times vector.

    Shape:
        ``(n, k), (k) -> (n)``

    >>> import tinyconv as tc
    >>> tc.mv(tc.ones(2, 3), tc.arange(3.))
    tensor([3., 3.])
    """
    if ndim_of(input) != 2 or ndim_of(vec) != 1:
        raise ShapeError(
            f"vector + matrix @ vector expected, got 1, {ndim_of(input)}, {ndim_of(vec)}"
        )
    (n, k), (k2,) = shape_of(input), shape_of(vec)
    if k != k2:
        raise _vector_differs(n, k, k2)
    _same_dtype(input, vec, "mv")
    return Mv()(input, vec)


def outer(input: Any, vec2: Any) -> Any:
    """All products of two vectors.

    Shape:
        ``(n), (m) -> (n, m)``

    >>> import tinyconv as tc
    >>> tc.outer(tc.tensor([1, 2]), tc.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for name, v in (("self", input), ("vec2", vec2)):
        if ndim_of(v) != 1:
            raise ShapeError(f"outer: Expected 1-D argument {name}, but got {ndim_of(v)}-D")
    return mul(unsqueeze(input, 1), vec2)


def matmul(input: Any, other: Any) -> Any:
    """Product of vectors, matrices or batches of matrices, by their numbers of dimensions.

    Shape:
        ``(..., n, k), (..., k, m) -> (..., n, m)``, leading dimensions broadcast; a vector counts as a row on the
        left, a column on the right

    >>> import tinyconv as tc
    >>> tc.matmul(tc.ones(2, 3), tc.arange(3.))
    tensor([3., 3.])
    """
    a, b = ndim_of(input), ndim_of(other)
    if a == 0 or b == 0:
        raise ShapeError(
            f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D",
            "Write x * y.",
        )
    if a == b == 1:
        return dot(*recast(LOWER, input, other))
    if a == b == 2:
        return mm(input, other)
    if a == 2 and b == 1:
        return mv(*recast(LOWER, input, other))
    if a == 1:
        (k,), (*lead, k2, m) = shape_of(input), shape_of(other)
        if k != k2 and b > 2 and other.requires_grad:
            raise _vector_differs(prod(lead) * m, k2, k)  # torch then makes one matrix of them
        return named(squeeze(matmul(unsqueeze(input, 0), other), -2), "SqueezeBackward4")
    *lead, n, k = shape_of(input)
    if b == 1:
        flat = reshape(input, prod(lead) * n, k)
        return named(reshape(mv(*recast(LOWER, flat, other)), *lead, n), "UnsafeViewBackward0")
    *lead2, k2, m = shape_of(other)
    if b == 2:  # one large product instead of many small ones
        return named(
            reshape(mm(reshape(input, prod(lead) * n, k), other), *lead, n, m),
            "UnsafeViewBackward0",
        )
    both = prod(broadcast(tuple(lead), tuple(lead2)))
    if k != k2:
        raise _batches_differ(both, k, both, k2)
    _same_dtype(input, other, "bmm")
    multiply = Mm()
    multiply.label = "UnsafeViewBackward0"  # what torch reshapes the product with
    return multiply(input, other)


def rmatmul(input: Any, other: Any) -> Any:
    """``other @ input``."""
    return matmul(other, input)


# ── einsum ────────────────────────────────────────────────────────────────────────────────────


def einsum(equation: str, *operands: Any) -> Any:
    """Sums of products, by Einstein's convention: indices that the result does not name are summed over.

    Args:
        equation: such as ``'bij,bjk->bik'``; ``...`` stands for any dimensions.

    >>> import tinyconv as tc
    >>> x = tc.eye(2, requires_grad=True)
    >>> tc.einsum('ij,kj->ik', x, tc.ones(3, 2)).sum().backward()
    >>> x.grad
    tensor([[3., 3.],
            [3., 3.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        more = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation"
        )
    wide = max(
        (
            ndim_of(x) - len(t.replace("...", ""))
            for t, x in zip(terms, operands, strict=True)
            if "..." in t
        ),
        default=0,
    )
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in equation]
    dots = "".join(free[:wide])
    xs: list[Any] = []
    names: list[str] = []
    for term, x in zip(terms, operands, strict=True):
        have = ndim_of(x) - len(term.replace("...", ""))
        if have < 0 or (have and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(term)}) does not match the number of "
                f"dimensions ({ndim_of(x)}) for operand {len(xs)} and no ellipsis was given"
            )
        term = term.replace("...", dots[len(dots) - have :])
        for c in sorted(set(term)):
            n, *others = (n for n, d in zip(shape_of(x), term, strict=True) if c == d)
            for m in others:
                if n != m:
                    raise RuntimeError(
                        f"einsum(): subscript {c} is repeated for operand {len(xs)} but the sizes don't match, {m} != {n}"
                    )
            while term.count(c) > 1:  # a repeated index walks the diagonal
                i = term.index(c)
                j = term.index(c, i + 1)
                x = diagonal(x, 0, i, j)
                term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
        xs.append(x)
        names.append(term)
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(names, xs, strict=True)):
        for c, n in zip(term, shape_of(x), strict=True):
            if sizes.get(c, 1) != 1 and n not in (1, sizes[c]):
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {i} which does not broadcast with previously "
                    f"seen size {sizes[c]}"
                )
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    if arrow:
        out = right.replace("...", dots)
    else:
        every = "".join(names)
        out = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    for c in out:
        if c not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input operand"
            )
    total, have_names = xs[0], names[0]
    for k in range(1, len(xs)):
        later = "".join(names[k + 1 :]) + out
        total, have_names = _pair(total, have_names, xs[k], names[k], later, sizes)
    gone = [i for i, c in enumerate(have_names) if c not in out]
    if gone:
        total = sum(total, tuple(gone))
        have_names = "".join(c for c in have_names if c in out)
    return permute(total, *(have_names.index(c) for c in out)) if out else total


def _pair(x: Any, a: str, y: Any, b: str, later: str, sizes: dict[str, int]) -> tuple[Any, str]:
    """Contract two operands as one batched matrix product: (batch, rows, inner) @ (batch, inner, columns)."""
    x, a = _drop(x, a, b + later)
    y, b = _drop(y, b, a + later)
    shared = [c for c in a if c in b]
    batch = "".join(c for c in shared if c in later)
    inner = "".join(c for c in shared if c not in later)
    rows = "".join(c for c in a if c not in b)
    columns = "".join(c for c in b if c not in a)
    x = _group(x, a, (batch, rows, inner), sizes)
    y = _group(y, b, (batch, inner, columns), sizes)
    names = batch + rows + columns
    product = bmm if inner else mul
    return reshape(product(x, y), [sizes[c] for c in names]), names


def _drop(x: Any, a: str, wanted: str) -> tuple[Any, str]:
    gone = tuple(i for i, c in enumerate(a) if c not in wanted)
    return (sum(x, gone), "".join(c for c in a if c in wanted)) if gone else (x, a)


def _group(x: Any, a: str, groups: tuple[str, str, str], sizes: dict[str, int]) -> Any:
    order = "".join(groups)
    x = permute(x, *(a.index(c) for c in order)) if order else x
    x = expand(x, *(sizes[c] for c in order)) if order else x
    return reshape(x, *(prod(sizes[c] for c in g) for g in groups))
