"""The fully connected layer's function."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.autocast import LOWER, recast, will_cast
from ..autograd.function import Function, op
from ..autograd.variable import Variable
from ..backend import Array, product
from ..errors import DTypeError, ShapeError
from ..shapes import Shape
from ._common import dtype_of, ndim_of, shape_of
from .reduce import sum
from .views import reshape, transpose


@op
class Linear(Function):
    """y = x w^T + b over the last dimension."""

    label = "AddmmBackward0"
    gives_away = True
    widens = "cpu"

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        self.source = x.shape
        self.save(x if self.needs[1] else None, w if self.needs[0] else None)
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        # BLAS is up to twice as fast with the longer matrix first
        turned = len(w) > len(rows)
        y = self.xp.ascontiguousarray(product(w, rows.T).T) if turned else product(rows, w.T)
        if b is not None:
            y += b
        return y.reshape(*x.shape[:-1], w.shape[0])

    def backward(self, gy: Any) -> Any:
        x, w = self.saved
        rows = prod(self.source[:-1])
        g = _matrix(gy, rows)
        gx = gw = None
        if self.needs[0]:
            gx = _product(g, w)
            gx = gx if len(self.source) == 2 else reshape(gx, self.source)
        if self.needs[1]:
            gw = _product(transpose(g, 0, 1), _matrix(x, rows))
        if len(self.needs) == 2:
            return gx, gw
        return gx, gw, sum(g, 0) if self.needs[2] else None


def _matrix(x: Any, rows: int) -> Any:
    return x if ndim_of(x) == 2 else reshape(x, rows, shape_of(x)[-1])


def _product(a: Any, b: Any) -> Any:
    return a @ b if isinstance(a, Variable) or isinstance(b, Variable) else product(a, b)


def _origin(x: Any) -> Shape | None:
    """The shape that a flattened tensor had before."""
    if isinstance(x, Variable):
        if x.base is not None and ndim_of(x.base) > 2:
            return shape_of(x.base)
        source = getattr(x.node, "source", None)
        if source is not None and len(source) > 2:
            return tuple(source)
    return None


def _hint(x: Any, out: int, expected: int) -> str:
    sx = shape_of(x)
    have = sx[-1] if sx else 1
    before = _origin(x)
    if before is not None and prod(before[1:]) == have:
        sizes = "x".join(map(str, before[1:]))
        return f"got {have} features = {sizes} after Flatten: Linear({have}, {out}) or LazyLinear({out})"
    if len(sx) > 2 and prod(sx[1:]) == expected:
        return f"got {'x'.join(map(str, sx[1:]))} features that are not flattened: x.flatten(1), or nn.Flatten() before"
    if len(sx) > 2 and have != expected:
        return (
            f"got a last dimension of {have}: nn.Flatten() before this layer gives {prod(sx[1:])} features, for "
            f"Linear({prod(sx[1:])}, {out}) or LazyLinear({out})"
        )
    return f"got {have} features, the layer takes {expected}: Linear({have}, {out}) or LazyLinear({out})"


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Multiply by a matrix and add a vector.

    .. math:: y = x W^T + b

    Shape:
        ``(..., in), (out, in), (out) -> (..., out)``

    Raises:
        ShapeError: the numbers of features differ. DTypeError: dtypes differ.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, 3, requires_grad=True)
    >>> tc.nn.functional.linear(x, tc.arange(6.).reshape(2, 3)).sum().backward()
    >>> x.grad
    tensor([[3., 5., 7.],
            [3., 5., 7.]])
    """
    sx, sw = shape_of(input), shape_of(weight)
    if len(sw) == 1:  # torch takes a vector too
        input, weight, bias = recast(LOWER, input, weight, bias)
        return input @ weight if bias is None else input @ weight + bias
    out, expected = sw
    if not sx or sx[-1] != expected:
        rows, have = (prod(sx[:-1]), sx[-1]) if sx else (1, 1)
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{have} and {expected}x{out})",
            _hint(input, out, expected),
        )
    dx, dw = dtype_of(input), dtype_of(weight)
    if dx is not dw and not will_cast(LOWER, input, weight):
        names = {
            "float32": "float",
            "float64": "double",
            "float16": "c10::Half",
            "bfloat16": "c10::BFloat16",
            "int64": "long int",
        }
        hint = f"Write x.to(tinyconv.{dw.name})."
        if dx.name == "float64":
            hint = "NumPy's floats are float64: write x.float(), or set_default_dtype(float64)."
        elif dx.name == "uint8":
            hint = "A uint8 image becomes a float one by transforms.ToTensor(), or x.float() / 255."
        raise DTypeError(
            f"mat1 and mat2 must have the same dtype, but got {names.get(dx.name, dx.name).title()} and "
            f"{names.get(dw.name, dw.name).title()}",
            hint,
        )
    return Linear()(input, weight) if bias is None else Linear()(input, weight, bias)
