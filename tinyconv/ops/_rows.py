"""How a row of the table of element-wise functions becomes an op, a function, its documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ..autograd.function import Function, op
from ..autograd.inplace import inplace
from ..autograd.variable import Variable
from ..backend import Array
from ..dtypes import FLOATS
from ..shapes import broadcast
from ._common import XP, Takes, floating, operands, shape_of, unbroadcast

# ── one operand ───────────────────────────────────────────────────────────────────────────────


class Unary(Function):
    """y = value(x), gx = derivative(g, x and/or y)."""

    widens = "always"
    value: Callable[..., Array]
    derivative: Callable[..., Any]
    keeps: tuple[str, ...] = ()
    function = ""  # its public name

    def forward(self, x: Array) -> Array:
        y = self.value(self.xp, x)
        if self.keeps and self.needs[0]:
            if type(y) not in XP:
                y = self.xp.asarray(y)  # NumPy turns 0-d results into scalars
            self.save(*(x if k == "x" else y for k in self.keeps))
        return y

    def backward(self, g: Any) -> Any:
        return (self.derivative(g, *self.saved),)

    def _on_arrays(self, arrays: list[Any]) -> Array:
        for x in arrays:
            if not hasattr(x, "dtype"):
                raise TypeError(
                    f"{self.function}(): argument 'input' (position 1) must be Tensor, not "
                    f"{type(x).__name__}\nWrite tensor(...) around it, or math.{self.function}()."
                )
        return super()._on_arrays(arrays)


_DOC = """{first}

    .. math:: {formula}

    Shape:
        ``(*) -> (*)``

    >>> import tinyconv as tc
    >>> x = tc.tensor({at}, dtype=tc.float64, requires_grad=True)
    >>> tc.autograd.gradcheck(tc.{name}, x)
    True
    """


def unary(
    name: str,
    value: str | Callable[[Any, Array], Array],
    derivative: Callable[..., Any],
    doc: str,
    *,
    integers: bool = False,
    torch: str = "",
    at: str = "[0.3, 0.7]",
    widens: str = "always",
) -> Callable[[Any], Any]:
    """Declare one row.

    Args:
        value: a function of the array module and the operand, or its name in the array module.
        derivative: of ``g``, and of what it names of ``x`` (the operand) and ``y`` (the result).
        doc: a sentence, a bar, a formula.
        integers: defined on them too; otherwise they become floats first.
        torch: what torch calls the graph node, where that is not the name of the function.
        at: where the doctest looks.
        widens: whether halves are computed in float32, as for a Function.
    """
    body = {
        "value": staticmethod(named(value)),
        "derivative": staticmethod(derivative),
        "keeps": _kept(derivative),
        "widens": widens,
        "function": name,
    }
    cls = _declare(name, Unary, body, torch, derivative.__module__)

    if integers:

        def function(input: Any) -> Any:
            return cls()(input)
    else:

        def function(input: Any) -> Any:
            return cls()(floating(input))

    return _present(function, cls, name, _DOC, doc, at=at)


# ── two operands ──────────────────────────────────────────────────────────────────────────────


class Binary(Function):
    """z = value(x, y), with broadcasting; gx and gy are derivatives of g and of what they name."""

    widens = "always"
    value: Callable[..., Array]
    by_x: Callable[..., Any]
    by_y: Callable[..., Any]
    x_keeps: tuple[str, ...] = ()
    y_keeps: tuple[str, ...] = ()
    with_number = ""  # the name of the node, if it differs when y is a Python number

    def forward(self, x: Array, y: Array) -> Array:
        try:
            z = self.value(self.xp, x, y)
        except ValueError:
            broadcast(shape_of(x), shape_of(y))  # says which dimension
            raise
        want_x, want_y = self.needs
        if want_x or want_y:
            self.shapes = getattr(x, "shape", ()), getattr(y, "shape", ())
            if self.with_number and isinstance(y, (int, float)):
                self.label = self.with_number
            names = (self.x_keeps if want_x else ()) + (self.y_keeps if want_y else ())
            if names:
                if type(z) not in XP:
                    z = self.xp.asarray(z)  # NumPy turns 0-d results into scalars
                self.save(
                    x if "x" in names else None,
                    y if "y" in names else None,
                    z if "z" in names else None,
                )
        return z

    def backward(self, g: Any) -> Any:
        want_x, want_y = self.needs
        kept = dict(zip("xyz", self.saved, strict=False)).get  # or nothing
        gx = gy = None
        if want_x:
            gx = unbroadcast(self.by_x(g, *map(kept, self.x_keeps)), self.shapes[0])
        if want_y:
            gy = unbroadcast(self.by_y(g, *map(kept, self.y_keeps)), self.shapes[1])
        return gx, gy


_BINARY_DOC = """{first}

    .. math:: {formula}

    Shape:
        ``(*), (*) -> (*)``, broadcast

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.3, 0.7], dtype=tc.float64, requires_grad=True)
    >>> y = tc.tensor([[1.1], [2.3]], dtype=tc.float64, requires_grad=True)
    >>> tc.autograd.gradcheck(tc.{name}, (x, y))
    True
    """


def binary(
    name: str,
    value: str | Callable[[Any, Any, Any], Array],
    by_x: Callable[..., Any],
    by_y: Callable[..., Any],
    doc: str,
    *,
    integers: bool = True,
    numbers: str = "",
    torch: str = "",
    widens: str = "always",
) -> Callable[[Any, Any], Any]:
    """Declare one row.

    Args:
        value: a function of the array module and the operands, or its name in the array module.
        by_x, by_y: derivatives, of ``g`` and of what they name of ``x`` and ``y`` (the operands) and
            ``z`` (the result).
        integers: defined on them too; otherwise they become floats first.
        numbers: which operands may be Python numbers: "y", or both, with the operator: "x * y".
        torch: what torch calls the graph node and, after a blank, that where ``y`` is a number.
        doc, widens: as for :func:`unary`.
    """
    body = {
        "value": staticmethod(named(value)),
        "by_x": staticmethod(by_x),
        "by_y": staticmethod(by_y),
        "x_keeps": _kept(by_x),
        "y_keeps": _kept(by_y),
        "widens": widens,
        "with_number": torch.partition(" ")[2],
    }
    cls = _declare(name, Binary, body, torch.partition(" ")[0], by_x.__module__)
    takes = Takes(name, "x" in numbers, "y" in numbers, numbers.strip("x y"))

    if integers:

        def function(input: Any, other: Any) -> Any:
            return cls()(*operands(input, other, takes))
    else:

        def function(input: Any, other: Any) -> Any:
            x, y = operands(input, other, takes)
            some = x if isinstance(x, Variable) else y
            if isinstance(some, Variable) and some.array.dtype in FLOATS:
                return cls()(x, y)
            return cls()(*(floating(v) if hasattr(v, "dtype") else v for v in (x, y)))

    return _present(function, cls, name, _BINARY_DOC, doc)


def underivable(name: str, way_out: str) -> Callable[[Any], Any]:
    """The derivative of what torch has none for."""

    def derivative(g: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented\n{way_out}")

    return derivative


# ── in place ──────────────────────────────────────────────────────────────────────────────────


def twins(*functions: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The in-place versions of functions, in their order."""
    return map(inplace, functions)


# ── both ──────────────────────────────────────────────────────────────────────────────────────


def named(function: str | Callable[..., Array]) -> Callable[..., Array]:
    """A function of the array module and operands, if need be looked up there by its name."""
    if not isinstance(function, str):
        return function
    name = function
    return lambda xp, *operands: getattr(xp, name)(*operands)


def _kept(derivative: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(p for p in inspect.signature(derivative).parameters if p != "g")


def _declare(name: str, base: type, body: dict[str, Any], torch: str, module: str) -> Any:
    """The op of a row; ``module`` is that of the table."""
    if torch:
        body["label"] = torch
    return op(type(name.title().replace("_", ""), (base,), {**body, "__module__": module}))


def _present(function: Any, cls: type, name: str, template: str, doc: str, **settings: str) -> Any:
    """Give the function of a row its name and documentation."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = cls.__module__
    if doc:
        first, _, formula = doc.partition(" | ")
        function.__doc__ = template.format(first=first, formula=formula, name=name, **settings)
    return function
