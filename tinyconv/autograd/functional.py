"""Derivatives of functions of tensors: whole Jacobians and Hessians, and their products with vectors.

The functions here take tensors or tuples of them and hand back the same. There is no forward mode: J v is
the derivative by u of uᵀ J, which is linear in u.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..creation import zeros_like
from ..errors import GraphError
from ..ops import stack
from ..tensor import Tensor
from .engine import grad
from .mode import enable_grad

Tensors = tuple[Tensor, ...]

_STRICT = "The outputs must be computed in a differentiable manner from the input when running in strict mode."


def _tensors(value: Any, what: str, where: str, doing: str = "given to") -> tuple[bool, Tensors]:
    """Whether it was a tuple, and the tuple."""
    several = isinstance(value, tuple)
    for i, v in enumerate(value if several else (value,)):
        if not isinstance(v, Tensor):
            place = f"the value at index {i}" if several else f"the given {what}"
            raise TypeError(
                f"The {what} {doing} {where} must be either a Tensor or a tuple of Tensors but {place} "
                f"has type {type(v)}.\nMake it a tensor, or pass it by a closure."
            )
    return several, tuple(value) if several else (value,)


def _run(
    name: str, function: Any, inputs: Any, create_graph: bool
) -> tuple[bool, Tensors, bool, Tensors]:
    """Call the function on inputs of its own; tell which of both were tuples."""
    many_in, given = _tensors(inputs, "inputs", name)
    own = tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach() for x in given)
    for x in own:
        if not x.requires_grad:
            x.requires_grad_()
    outputs = function(*own)
    what = "outputs of the user-provided function"
    many_out, made = _tensors(outputs, what, name)
    return many_in, own, many_out, made


def _grad(outputs: Tensors, inputs: Tensors, v: Any, create_graph: bool) -> list[Tensor | None]:
    """``grad``, with None for what has no part in it."""
    live = [(y, u) for y, u in zip(outputs, v, strict=True) if y.requires_grad]
    if not live:
        return [None] * len(inputs)
    ys, us = zip(*live, strict=True)
    return list(
        grad(ys, inputs, us, retain_graph=True, create_graph=create_graph, allow_unused=True)
    )


def _filled(
    grads: Iterable[Tensor | None], like: Tensors, strict: bool, complaint: str, create_graph: bool
) -> Tensors:
    """Zeros for None; an error in strict mode."""
    filled = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None and strict:
            raise GraphError(complaint.format(i), "With strict=False its derivative is zero.")
        filled.append(zeros_like(x) if g is None else g if create_graph else g.detach())
    return tuple(filled)


def _require_grad(outputs: Tensors, strict: bool) -> None:
    for i, y in enumerate(outputs):
        if strict and not y.requires_grad:
            raise GraphError(
                f"Output {i} of the user-provided function does not require gradients. {_STRICT}"
            )


def _one(values: Tensors, several: bool) -> Any:
    return values if several else values[0]


def _detached(values: Tensors, create_graph: bool) -> Tensors:
    return values if create_graph else tuple(v.detach() for v in values)


def _scalar(name: str, several: bool, outputs: Tensors) -> None:
    if several or outputs[0].numel() != 1:
        raise GraphError(
            f"The Tensor returned by the function given to {name} should contain a single element",
            "Reduce it: .sum() or .mean().",
        )


def _vectors(v: Any, like: Tensors, several: bool, name: str, otherwise: str) -> Tensors:
    """The vectors of a product, in the shapes of ``like``; ones if that is a single number."""
    if v is None:
        if several or like[0].numel() != 1:
            raise GraphError(f"The vector v can only be None if {otherwise} with a single element.")
        return (zeros_like(like[0]) + 1,)
    _, given = _tensors(v, "v", name)
    if len(given) != len(like):
        wanted = f"{len(like)} Tensors" if several else "a single Tensor"
        text = (
            f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}."
            if several
            else f"The given v should contain {wanted}."
        )
        raise GraphError(text)
    for i, (u, x) in enumerate(zip(given, like, strict=True)):
        if u.shape != x.shape:
            entry = f"Entry {i} in v" if several else "v"
            raise GraphError(f"{entry} has invalid size: should be {x.shape} but got {u.shape}.")
    return given


# ── products with a vector ────────────────────────────────────────────────────────────────────


@enable_grad()
def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of ``func``, and the product of ``v`` and its Jacobian.

    .. math:: g = v^\\top \\frac{\\partial f}{\\partial x}

    Args:
        v: shaped as the outputs; may be left out if these are one number.
        create_graph: let the results be differentiated.
        strict: refuse outputs that do not depend on the inputs.

    Raises:
        GraphError: a ``v`` that does not fit.

    >>> import tinyconv as tc
    >>> tc.autograd.functional.vjp(lambda x: x * x, tc.tensor([1., 2.]), tc.tensor([1., 10.]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    many_in, x, many_out, y = _run("vjp", func, inputs, create_graph)
    _require_grad(y, strict)
    u = _vectors(v, y, many_out, "vjp", "the user-provided function returns a single Tensor")
    complaint = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."
    g = _filled(_grad(y, x, u, create_graph), x, strict, complaint, create_graph)
    return _one(_detached(y, create_graph), many_out), _one(g, many_in)


def _pushed(y: Tensors, x: Tensors, u: Tensors, create_graph: bool) -> list[Tensor | None]:
    """J u, as the derivative of the linear wᵀ J by w."""
    w = tuple(zeros_like(v).requires_grad_() for v in y)
    g = _grad(y, x, w, True)
    pairs = [(a, b) for a, b in zip(g, u, strict=True) if a is not None]
    if not pairs:
        return [None] * len(y)
    rows, us = zip(*pairs, strict=True)
    return _grad(rows, w, us, create_graph)


@enable_grad()
def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of ``func``, and the product of its Jacobian and ``v``.

    .. math:: t = \\frac{\\partial f}{\\partial x}\\, v

    Args:
        v: shaped as the inputs; may be left out if these are one number.

    >>> import tinyconv as tc
    >>> tc.autograd.functional.jvp(lambda x: x.sum() * x, tc.tensor([1., 2.]), tc.tensor([1., 0.]))
    (tensor([3., 6.]), tensor([4., 2.]))
    """
    many_in, x, many_out, y = _run("jvp", func, inputs, create_graph)
    _require_grad(y, strict)
    u = _vectors(v, x, many_in, "jvp", "the input to the user-provided function is a single Tensor")
    complaint = "Output {} of the user-provided function is independent of the input. This is not allowed in strict mode."
    t = _filled(_pushed(y, x, u, create_graph), y, strict, complaint, create_graph)
    return _one(_detached(y, create_graph), many_out), _one(t, many_out)


def _first_derivative(
    name: str, func: Any, inputs: Any, create_graph: bool, strict: bool
) -> tuple[bool, Tensors, Tensor, Tensors]:
    many, x, several, y = _run(name, func, inputs, create_graph)
    _scalar(name, several, y)
    _require_grad(y, strict)
    complaint = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."
    ones = (zeros_like(y[0]) + 1,)
    return many, x, y[0], _filled(_grad(y, x, ones, True), x, strict, complaint, True)


_NO_SECOND = "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode."


@enable_grad()
def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of ``func``, and the product of ``v`` and its Hessian: cheaper than :func:`hvp`, and the same.

    >>> import tinyconv as tc
    >>> tc.autograd.functional.vhp(lambda x: (x ** 3).sum(), tc.tensor([1., 2.]), tc.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    many, x, y, g = _first_derivative("vhp", func, inputs, create_graph, strict)
    u = _vectors(v, x, many, "vhp", "the input to the user-provided function is a single Tensor")
    h = _filled(_grad(g, x, u, create_graph), x, strict, _NO_SECOND, create_graph)
    return _one(_detached((y,), create_graph), False), _one(h, many)


@enable_grad()
def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of ``func``, and the product of its Hessian and ``v``.

    .. math:: p = \\frac{\\partial^2 f}{\\partial x^2}\\, v

    >>> import tinyconv as tc
    >>> tc.autograd.functional.hvp(lambda x: (x ** 3).sum(), tc.tensor([1., 2.]), tc.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    many, x, y, g = _first_derivative("hvp", func, inputs, create_graph, strict)
    u = _vectors(v, x, many, "hvp", "the input to the user-provided function is a single Tensor")
    h = _filled(_pushed(g, x, u, create_graph), x, strict, _NO_SECOND, create_graph)
    return _one(_detached((y,), create_graph), False), _one(h, many)


# ── whole matrices ────────────────────────────────────────────────────────────────────────────


def _rows(y: Tensor, x: Tensors, create_graph: bool, strict: bool, i: int) -> list[Tensor]:
    """The derivative of each number of ``y``: one backward pass for each."""
    rows: list[list[Tensor]] = [[] for _ in x]
    for number in y.reshape(-1) if y.requires_grad else ():
        grads = grad(number, x, retain_graph=True, create_graph=create_graph, allow_unused=True)
        for j, g in enumerate(grads):
            if g is None and strict:
                raise GraphError(
                    f"Output {i} of the user-provided function is independent of input {j}. This is not "
                    "allowed in strict mode.",
                    "With strict=False its derivative is zero.",
                )
            rows[j].append(zeros_like(x[j]) if g is None else g)
    if not rows[0]:  # no gradient, or no number
        return [y.new_zeros((*y.shape, *v.shape)) for v in x]
    return [stack(r).reshape((*y.shape, *v.shape)) for r, v in zip(rows, x, strict=True)]


def _check_strategy(vectorize: bool, strategy: str) -> None:
    assert strategy in ("forward-mode", "reverse-mode"), (
        'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: both give the same here.'
    )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`.\nLeave the strategy out: it is the same here."
        )


@enable_grad()
def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of each number of the outputs by each number of the inputs.

    .. math:: J_{ij} = \\frac{\\partial f_i}{\\partial x_j}

    Args:
        create_graph: let it be differentiated.
        strict: refuse outputs that do not depend on the inputs.
        vectorize, strategy: how to compute it; here always one backward pass for each output.

    Shape:
        ``(*y), (*x) -> (*y, *x)``; tuples of tensors give tuples of these, by output and then by input

    >>> import tinyconv as tc
    >>> tc.autograd.functional.jacobian(lambda x: x * x.sum(), tc.tensor([1., 2.]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    _check_strategy(vectorize, strategy)
    many_in, x, many_out, y = _run("jacobian", func, inputs, create_graph)
    _require_grad(y, strict)
    table = tuple(
        _one(_detached(tuple(_rows(v, x, create_graph, strict, i)), create_graph), many_in)
        for i, v in enumerate(y)
    )
    return _one(table, many_out)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one number for its value.

    .. math:: H_{ij} = \\frac{\\partial^2 f}{\\partial x_i \\partial x_j}

    Shape:
        ``(), (*x) -> (*x, *x)``; a tuple of tensors gives a tuple of tuples

    >>> import tinyconv as tc
    >>> tc.autograd.functional.hessian(lambda x: x[0] * x[0] * x[1], tc.tensor([1., 2.]))
    tensor([[4., 2.],
            [2., 0.]])
    """
    several, _ = _tensors(inputs, "inputs", "hessian")

    def value(*x: Tensor) -> Any:
        y = func(*x)
        many, made = _tensors(y, "outputs of the user-provided function", "hessian")
        _scalar("hessian", many, made)
        return made[0].reshape(())

    def gradient(*x: Tensor) -> Tensors:
        row = jacobian(value, x, create_graph=True)
        for i, g in enumerate(row):
            if strict and not g.requires_grad:
                raise GraphError(
                    "While computing the hessian, found that the jacobian of the user-provided function "
                    f"with respect to input {i} is independent of the input. This is not allowed in strict mode.",
                    "With strict=False its second derivative is zero.",
                )
        return tuple(row)

    x = inputs if several else (inputs,)
    _check_strategy(vectorize, outer_jacobian_strategy)
    table: Sequence[Any] = jacobian(gradient, x, create_graph, strict)
    return tuple(table) if several else table[0][0]
