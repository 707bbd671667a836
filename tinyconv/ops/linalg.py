"""Products of vectors and matrices."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import Function, op
from ..backend import Array
from ..errors import DTypeError, ShapeError
from ..shapes import broadcast
from ._common import dtype_of, ndim_of, shape_of, unbroadcast
from .elementwise import add, mul
from .reduce import sum
from .views import diagonal, expand, permute, reshape, squeeze, transpose, unsqueeze


def _same_dtype(x: Any, y: Any, name: str) -> None:
    a, b = dtype_of(x), dtype_of(y)
    if a is not b:
        raise DTypeError(
            f"expected m1 and m2 to have the same dtype, but got: {_cname(a)} != {_cname(b)}",
            f"{name} does not convert: write y.to({a}), or x.to({b}). NumPy's floats are float64: .float() makes "
            "them the default float32.",
        )


def _cname(d: Any) -> str:
    return {"float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long long",
            "int32": "int"}.get(d.name, d.name)  # fmt: skip


@op
class Mm(Function):
    """(..., n, k) @ (..., k, m), leading dimensions equal or broadcast."""

    def forward(self, x: Array, y: Array) -> Array:
        want_x, want_y = self.needs
        self.save(x if want_y else None, y if want_x else None)
        return x @ y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = gy = None
        if self.needs[0]:
            gx = g @ transpose(y, -2, -1)
        if self.needs[1]:
            gy = transpose(x, -2, -1) @ g
        return gx, gy


@op
class Bmm(Mm):
    pass


@op
class Dot(Mm):
    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return g * y if self.needs[0] else None, g * x if self.needs[1] else None


def mm(x: Any, y: Any) -> Any:
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
    for i, v in enumerate((x, y)):
        if ndim_of(v) != 2:
            raise ShapeError("self must be a matrix" if i == 0 else "mat2 must be a matrix", "Write matmul() for other shapes.")
    (n, k), (k2, m) = shape_of(x), shape_of(y)
    if k != k2:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({n}x{k} and {k2}x{m})",
            f"The second size of the left ({k}) must equal the first of the right ({k2}).",
        )
    _same_dtype(x, y, "mm()")
    return Mm()(x, y)


def bmm(x: Any, y: Any) -> Any:
    """Product of corresponding matrices of two batches.

    Shape:
        ``(b, n, k), (b, k, m) -> (b, n, m)``
    """
    for i, v in enumerate((x, y)):
        if ndim_of(v) != 3:
            raise ShapeError(f"batch{i + 1} must be a 3D tensor")
    (b, _, k), (b2, k2, m) = shape_of(x), shape_of(y)
    if b != b2 or k != k2:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: [{b2}, {k2}]."
        )
    _same_dtype(x, y, "bmm()")
    return Bmm()(x, y)


def dot(x: Any, y: Any) -> Any:
    """Scalar product of two vectors.

    Shape:
        ``(n), (n) -> ()``
    """
    if ndim_of(x) != 1 or ndim_of(y) != 1:
        raise ShapeError(f"1D tensors expected, but got {ndim_of(x)}D and {ndim_of(y)}D tensors")
    if shape_of(x) != shape_of(y):
        raise ShapeError(
            f"inconsistent tensor size, expected tensor [{shape_of(x)[0]}] and src [{shape_of(y)[0]}] to have the "
            f"same number of elements, but got {shape_of(x)[0]} and {shape_of(y)[0]} elements respectively"
        )
    if dtype_of(x) is not dtype_of(y):
        raise DTypeError(
            f"dot : expected both vectors to have same dtype, but found {_cname(dtype_of(x)).title()} and "
            f"{_cname(dtype_of(y)).title()}"
        )
    return Dot()(x, y)


def mv(x: Any, vec: Any) -> Any:
    """Matrix times vector.

    Shape:
        ``(n, k), (k) -> (n)``
    """
    if ndim_of(x) != 2 or ndim_of(vec) != 1:
        raise ShapeError(f"vector + matrix @ vector expected, got {1}, {ndim_of(x)}, {ndim_of(vec)}")
    if shape_of(x)[1] != shape_of(vec)[0]:
        raise ShapeError(f"size mismatch, got input ({shape_of(x)[0]}), mat ({shape_of(x)[0]}x{shape_of(x)[1]}), vec ({shape_of(vec)[0]})")
    return squeeze(mm(x, unsqueeze(vec, 1)), 1)


def outer(x: Any, vec2: Any) -> Any:
    """All products of two vectors.

    Shape:
        ``(n), (m) -> (n, m)``
    """
    for name, v in (("self", x), ("vec2", vec2)):
        if ndim_of(v) != 1:
            raise ShapeError(f"outer: Expected 1-D argument {name}, but got {ndim_of(v)}-D")
    return mul(unsqueeze(x, 1), vec2)


def matmul(x: Any, y: Any) -> Any:
    """Product of vectors, matrices or batches of matrices, by their numbers of dimensions.

    Shape:
        ``(..., n, k), (..., k, m) -> (..., n, m)``, leading dimensions broadcast; a vector counts as a row on the
        left, a column on the right

    >>> import tinyconv as tc
    >>> tc.matmul(tc.ones(2, 3), tc.arange(3.))
    tensor([3., 3.])
    """
    a, b = ndim_of(x), ndim_of(y)
    if a == 0 or b == 0:
        raise ShapeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D", "Write x * y.")
    if a == b == 1:
        return dot(x, y)
    if a == b == 2:
        return mm(x, y)
    if a == 2 and b == 1:
        return mv(x, y)
    if a == 1:
        return squeeze(matmul(unsqueeze(x, 0), y), -2)
    if b == 1:
        return squeeze(matmul(x, unsqueeze(y, 1)), -1)
    sx, sy = shape_of(x), shape_of(y)
    if b == 2:  # one large product instead of many small ones
        if sx[-1] != sy[0]:
            raise ShapeError(f"mat1 and mat2 shapes cannot be multiplied ({prod(sx[:-1])}x{sx[-1]} and {sy[0]}x{sy[1]})")
        return reshape(mm(reshape(x, prod(sx[:-1]), sx[-1]), y), *sx[:-1], sy[1])
    lead = broadcast(sx[:-2], sy[:-2])
    if sx[-1] != sy[-2]:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{prod(lead)}, {sx[-1]}] but got: "
            f"[{prod(lead)}, {sy[-2]}]."
        )
    _same_dtype(x, y, "matmul()")
    return _BatchMatmul()(x, y)


@op
class _BatchMatmul(Mm):
    name = "UnsafeViewBackward0"

    def forward(self, x: Array, y: Array) -> Array:
        self.shapes = x.shape, y.shape
        return super().forward(x, y)

    def backward(self, g: Any) -> Any:
        gx, gy = super().backward(g)
        return (
            None if gx is None else unbroadcast(gx, self.shapes[0]),
            None if gy is None else unbroadcast(gy, self.shapes[1]),
        )


def rmatmul(x: Any, y: Any) -> Any:
    """``y @ x``."""
    return matmul(y, x)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta input + alpha (mat1 @ mat2)``.

    Shape:
        ``(n, m), (n, k), (k, m) -> (n, m)``, input broadcast
    """
    product = mm(mat1, mat2)
    if alpha != 1:
        product = mul(product, alpha)
    return product if beta == 0 else add(product, input if beta == 1 else mul(input, beta))


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
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation")
    wide = max((ndim_of(x) - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True) if "..." in t), default=0)
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in equation]
    dots = "".join(free[:wide])
    xs, names = [], []
    for term, x in zip(terms, operands, strict=True):
        have = ndim_of(x) - len(term.replace("...", ""))
        if have < 0 or (have and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(term)}) does not match the number of "
                f"dimensions ({ndim_of(x)}) for operand {len(xs)} and no ellipsis was given"
            )
        term = term.replace("...", dots[len(dots) - have :])
        for c in sorted(set(term)):
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
            sizes[c] = max(sizes.get(c, 1), n) if n else 0
    if arrow:
        out = right.replace("...", dots)
    else:
        every = "".join(names)
        out = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    for c in out:
        if c not in sizes:
            raise RuntimeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
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
    return reshape(bmm(x, y), [sizes[c] for c in names]), names


def _drop(x: Any, a: str, wanted: str) -> tuple[Any, str]:
    gone = tuple(i for i, c in enumerate(a) if c not in wanted)
    return (sum(x, gone), "".join(c for c in a if c in wanted)) if gone else (x, a)


def _group(x: Any, a: str, groups: tuple[str, str, str], sizes: dict[str, int]) -> Any:
    order = "".join(groups)
    x = permute(x, *(a.index(c) for c in order)) if order else x
    x = expand(x, *(sizes[c] for c in order)) if order else x
    return reshape(x, *(prod(sizes[c] for c in g) for g in groups))
