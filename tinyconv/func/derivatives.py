"""Derivatives as functions: what goes in and comes out may be tensors in tuples, lists and dicts.

Note [Whose graph]. A transform differentiates with respect to tensors of its own, connected to those of the
caller. The result is recorded only if something else than these own tensors has a part in it: an outer
transform, or a tensor of the caller that requires a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..autograd import function as nodes
from ..autograd import grad as gradients
from ..autograd.mode import enable_grad
from ..creation import zeros_like
from ..errors import ArgumentError, GraphError
from ..ops import stack
from ..tensor import Tensor
from .pytree import flatten, tensors, unflatten

Argnums = int | tuple[int, ...]


def _own(leaves: list[Any]) -> list[Tensor]:
    """Tensors to differentiate by, connected to the caller's."""
    for x in leaves:
        if not isinstance(x, Tensor):
            raise ArgumentError(
                f"Thing passed to transform API must be Tensor, got {type(x)}",
                "Numbers that are not differentiated go elsewhere: choose with argnums=.",
            )
    return [x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in leaves]


def _alone(results: Any, own: list[Tensor], given: list[Any]) -> Any:
    """The results, off the tape if nobody else is on it (see Note [Whose graph])."""
    leaves, structure = flatten(results)
    ours = {id(x) for x, y in zip(own, given, strict=True) if not y.requires_grad}

    def strangers(x: Any) -> bool:
        stack, seen = [x.edge], set()
        while stack:
            edge = stack.pop()
            if isinstance(edge, nodes.Function):
                if id(edge) not in seen:
                    seen.add(id(edge))
                    stack.extend(edge.edges)
            elif edge is not None and id(edge) not in ours:
                return True
        return False

    return unflatten(
        structure,
        [
            v.detach() if isinstance(v, Tensor) and v.requires_grad and not strangers(v) else v
            for v in leaves
        ],
    )


def _chosen(args: tuple[Any, ...], argnums: Argnums) -> tuple[list[int], Any]:
    """The numbers of the arguments to differentiate by, from 0, and these."""
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise GraphError(f"Got argnum={n}, but only {len(args)} positional inputs")
    numbers = [n % len(args) for n in numbers]
    return numbers, args[numbers[0]] if isinstance(argnums, int) else tuple(
        args[n] for n in numbers
    )


def _placed(args: tuple[Any, ...], numbers: list[int], argnums: Argnums, chosen: Any) -> list[Any]:
    """The arguments with the chosen ones exchanged."""
    placed = list(args)
    for n, v in zip(numbers, (chosen,) if isinstance(argnums, int) else chosen, strict=True):
        placed[n] = v
    return placed


def _grads(outputs: list[Tensor], own: list[Tensor], seeds: list[Any] | None) -> list[Tensor]:
    """Gradients that can be differentiated again; zeros for what has no part in the outputs."""
    live = [i for i, y in enumerate(outputs) if y.requires_grad]
    if not live:
        return [zeros_like(x) for x in own]
    grads = gradients(
        [outputs[i] for i in live],
        own,
        None if seeds is None else [seeds[i] for i in live],
        create_graph=True,
        allow_unused=True,
    )
    return [zeros_like(x) if g is None else g for g, x in zip(grads, own, strict=True)]


def _with_aux(name: str, made: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return made, None
    if not isinstance(made, tuple) or len(made) != 2:
        raise GraphError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return made


# ── gradients ─────────────────────────────────────────────────────────────────────────────────


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of ``func``, which returns one number, and that number.

    With ``has_aux`` ``func`` returns ``(value, aux)``, and the function ``(gradient, (value, aux))``.

    >>> import tinyconv as tc
    >>> tc.func.grad_and_value(lambda x: (x * x).sum())(tc.tensor([1., 2.]))
    (tensor([2., 4.]), tensor(5.))
    """

    @wraps(func)
    @enable_grad()
    def derived(*args: Any, **kwargs: Any) -> Any:
        numbers, chosen = _chosen(args, argnums)
        given, structure = flatten(chosen)
        own = _own(given)
        made = func(*_placed(args, numbers, argnums, unflatten(structure, own)), **kwargs)
        value, aux = _with_aux("grad_and_value(f)(*args)", made, has_aux)
        if not isinstance(value, Tensor):
            raise GraphError(
                f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}"
            )
        if value.dim():
            raise GraphError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor "
                f"with {value.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        slopes = unflatten(structure, _grads([value], own, None))
        result = (slopes, (value, aux)) if has_aux else (slopes, value)
        return _alone(result, own, given)

    return derived


def value_and_grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """:func:`grad_and_value` in the other order, as JAX has it.

    >>> import tinyconv as tc
    >>> tc.func.value_and_grad(lambda x: (x * x).sum())(tc.tensor([1., 2.]))
    (tensor(5.), tensor([2., 4.]))
    """
    both = grad_and_value(func, argnums, has_aux)
    return wraps(func)(lambda *args, **kwargs: both(*args, **kwargs)[::-1])


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The gradient of ``func``, which returns one number, as a function; it nests.

    Args:
        argnums: the arguments to differentiate by.
        has_aux: ``func`` returns ``(value, aux)``, and the gradient comes as ``(gradient, aux)``.

    Raises:
        GraphError: ``func`` returns something else than one number.

    >>> import tinyconv as tc
    >>> slope = tc.func.grad(lambda x: x ** 3)
    >>> slope(tc.tensor(2.)), tc.func.grad(slope)(tc.tensor(2.))
    (tensor(12.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def derived(*args: Any, **kwargs: Any) -> Any:
        slopes, value = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return derived


# ── products with the Jacobian ────────────────────────────────────────────────────────────────


@enable_grad()
def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``func(*primals)``, and a function that multiplies a vector and the Jacobian there.

    The function returns a tuple, one item for each of ``primals``.

    >>> import tinyconv as tc
    >>> y, pull = tc.func.vjp(lambda x: x * x, tc.tensor([1., 2.]))
    >>> pull(tc.tensor([1., 10.]))
    (tensor([ 2., 40.]),)
    """
    given, structure = flatten(primals)
    own = _own(given)
    y, aux = _with_aux("vjp(f, *primals)", func(*unflatten(structure, own)), has_aux)
    outputs, form = flatten(y)
    if not tensors(outputs):
        wrong = next(v for v in outputs if not isinstance(v, Tensor))
        raise GraphError(
            f"vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type {type(wrong)}"
        )

    @enable_grad()
    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        seeds, shape = flatten(cotangents)
        if repr(shape) != repr(form):
            raise GraphError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs "
                f"to the function. cotangents: {shape}, primal output: {form}"
            )
        return _alone(unflatten(structure, _grads(outputs, own, seeds)), own, given)

    y = _alone(y, own, given)
    return (y, pull, aux) if has_aux else (y, pull)


@enable_grad()
def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """``func(*primals)``, and how it moves along ``tangents``: the product of the Jacobian and these.

    Source: two reverse passes instead of a forward one, as the product is linear in the tangents.

    >>> import tinyconv as tc
    >>> tc.func.jvp(lambda x: x * x, (tc.tensor([1., 2.]),), (tc.tensor([1., 10.]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    if not isinstance(primals, tuple):
        raise GraphError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call "
            "f(*primals)."
        )
    given, structure = flatten(primals)
    along, shape = flatten(tangents)
    if repr(shape) != repr(structure):
        raise GraphError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. "
            "For example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with "
            f"structure {structure} and tangents with structure {shape}"
        )
    own = _own(given)
    for x, t in zip(own, along, strict=True):
        if x.shape != t.shape:
            raise GraphError(
                "Trying to set a forward gradient that has a different size than that of the original "
                f"Tensor, this is not supported. Tensor is of size {list(x.shape)} while the given forward "
                f"gradient is of size {list(t.shape)}."
            )
    y, aux = _with_aux("jvp(f, primals, tangents)", func(*unflatten(structure, own)), has_aux)
    outputs, form = flatten(y)
    w = [zeros_like(v).requires_grad_() for v in outputs]
    moves = _grads(_grads(outputs, own, w), w, along)
    pushed = unflatten(form, moves)
    result = (y, pushed, aux) if has_aux else (y, pushed)
    return _alone(result, own + w, [*given, *(v.detach() for v in w)])


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``func(*primals)``, and the linear function that approximates its change there.

    >>> import tinyconv as tc
    >>> y, change = tc.func.linearize(lambda x: x * x, tc.tensor([1., 2.]))
    >>> change(tc.tensor([1., 10.]))
    tensor([ 2., 40.])
    """
    return func(*primals), lambda *tangents: jvp(func, primals, tangents)[1]


# ── matrices ──────────────────────────────────────────────────────────────────────────────────


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian of ``func`` as a function: a backward pass for each number of its result.

    Shape:
        ``(*y), (*x) -> (*y, *x)``

    >>> import tinyconv as tc
    >>> tc.func.jacrev(lambda x: x * x)(tc.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @wraps(func)
    @enable_grad()
    def derived(*args: Any, **kwargs: Any) -> Any:
        numbers, chosen = _chosen(args, argnums)
        given, structure = flatten(chosen)
        own = _own(given)
        made = func(*_placed(args, numbers, argnums, unflatten(structure, own)), **kwargs)
        y, aux = _with_aux("jacrev(f)(*args)", made, has_aux)
        outputs, form = flatten(y)
        if not tensors(outputs):
            wrong = next(v for v in outputs if not isinstance(v, Tensor))
            raise GraphError(
                f"vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type {type(wrong)}"
            )
        table = [unflatten(structure, _matrix(v, own)) for v in outputs]
        result = unflatten(form, table)
        return _alone((result, aux) if has_aux else result, own, given)

    return derived


def _matrix(y: Tensor, own: list[Tensor]) -> list[Tensor]:
    rows = [_grads([number], own, None) for number in y.reshape(-1)]
    if not rows:
        return [y.new_zeros((*y.shape, *x.shape)) for x in own]
    columns = zip(*rows, strict=True)
    return [stack(c).reshape((*y.shape, *x.shape)) for c, x in zip(columns, own, strict=True)]


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """:func:`jacrev`: there is no forward mode, and the matrix is the same.

    >>> import tinyconv as tc
    >>> tc.func.jacfwd(lambda x: x * x)(tc.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The Hessian of ``func``, which returns one number, as a function.

    >>> import tinyconv as tc
    >>> tc.func.hessian(lambda x: x[0] * x[0] * x[1])(tc.tensor([1., 2.]))
    tensor([[4., 2.],
            [2., 0.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
