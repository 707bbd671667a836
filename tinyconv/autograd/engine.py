"""Walk the tape backwards."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from ..backend import XP, backend_of, hush, restore
from ..errors import GraphError
from .function import Function
from .mode import mode
from .variable import Variable

Edge = Any  # Function | Variable: a node, or a leaf
_accumulation = threading.Lock()  # two threads may reach the same leaf


def run(
    roots: Iterable[tuple[Edge, Any]],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    wanted: Sequence[Edge] | None = None,
) -> dict[Edge, Any]:
    """Send gradients from ``roots`` down to the leaves and add them to ``leaf.grad``.

    Nodes are taken newest first. A node is always newer than those it was made from, so when one is
    taken every gradient that will reach it has arrived: no recursion, no second pass. (A node must wait
    for all of them: in ``b = a + a; c = a * b`` the gradient of ``a`` has three parts.)

    With ``wanted`` nothing is added to any leaf; the gradients at these edges are returned.
    """
    useful = None if wanted is None else _leading_to(wanted, [edge for edge, _ in roots])
    found: dict[Edge, Any] = {}
    pending: dict[Edge, Any] = {}
    queue: list[tuple[int, Function]] = []

    def arrive(edge: Edge, g: Any, fresh: bool) -> None:
        if useful is not None and edge not in useful:
            return
        if isinstance(edge, Variable):
            if edge.hooks:
                g = _hooked(edge.hooks, g, edge.wrap)
            if wanted is not None:
                found[edge] = found[edge] + g if edge in found else g
            else:
                _accumulate(edge, g, fresh)
        elif edge in pending:
            pending[edge] = pending[edge] + g
        else:
            pending[edge] = g
            heappush(queue, (-edge.order, edge))

    before = mode.enabled, mode.graph
    mode.enabled = mode.graph = create_graph
    token = hush()
    try:
        for edge, g in roots:
            arrive(edge, g, False)
        while queue:
            _, node = heappop(queue)
            g = pending.pop(node)
            if node.hooks:
                g = _hooked(node.hooks, g, None)
            if wanted is not None and node in wanted:
                found[node] = g
                if node not in useful:  # type: ignore[operator]  # set together with wanted
                    continue
            grads = node.backward(g)
            if "after" in vars(node):
                grads = _after(node, grads, g)
            for edge, gx in zip(node.edges, grads, strict=False):
                if edge is not None and gx is not None:
                    arrive(edge, gx, node.gives_away)
            if not retain_graph:
                node.release()
    finally:
        restore(token)
        mode.enabled, mode.graph = before
    return found


def _leading_to(wanted: Sequence[Edge], roots: list[Edge]) -> set[Edge]:
    """The edges from which some wanted edge can be reached, themselves included."""
    seen: set[Edge] = set()
    stack = [e for e in roots if isinstance(e, Function)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(e for e in node.edges if isinstance(e, Function))
    useful = set(wanted)
    for node in sorted(seen, key=lambda n: n.order):  # oldest first: what a node leads to is settled
        if any(e in useful for e in node.edges):
            useful.add(node)
    return useful


def _hooked(hooks: dict[int, Any], g: Any, wrap: Any) -> Any:
    """Pass a gradient through tensor hooks, each of which may replace it."""
    plain = not isinstance(g, Variable)
    for hook, box in list(hooks.values()):
        shown = box(_array(g)) if plain else g
        answer = hook(shown)
        if answer is not None:
            if answer.array.shape != shown.array.shape:
                raise RuntimeError(
                    f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value"
                )
            g = answer.array if plain else answer
    return g


def _after(node: Any, grads: Any, g: Any) -> Any:
    for hook in list(node.after.values()):
        answer = hook(grads, (g,))
        if answer is not None:
            grads = answer
    return grads


def _array(g: Any) -> Any:
    return g if type(g) in XP else XP[next(iter(XP))].asarray(g)


def _accumulate(leaf: Any, g: Any, fresh: bool) -> None:
    with _accumulation:
        old = leaf.grad
        if isinstance(g, Variable):  # the backward pass is recorded: grad has a history of its own
            leaf.grad = g.clone() if old is None else old + g
            return
        g = _array(g)
        if old is None:
            own = fresh and g.base is None and g.dtype == leaf.array.dtype
            leaf.grad = leaf.wrap(g if own else g.astype(leaf.array.dtype, order="C"))
        elif old.edge is None:
            old.array += g
            old.bump()
        else:
            leaf.grad = leaf.wrap(old.array + g)
    if "after" in vars(leaf):
        for hook in list(leaf.after.values()):
            hook(leaf)


def _roots(
    tensors: Sequence[Variable], gradients: Sequence[Any], create_graph: bool
) -> list[tuple[Edge, Any]]:
    roots = []
    for i, (y, g) in enumerate(zip(tensors, gradients, strict=True)):
        if y.edge is None:
            raise GraphError(
                f"element {i} of tensors does not require grad and does not have a grad_fn",
                "Was it made under no_grad(), detached, or from tensors without requires_grad=True?",
            )
        if g is None:
            if y.array.size != 1:
                raise GraphError(
                    "grad can be implicitly created only for scalar outputs",
                    f"The output has shape {list(y.array.shape)}: reduce it (.sum() or .mean()) or pass "
                    "gradient=.",
                )
            g = y.wrap(backend_of(y.array).xp.ones_like(y.array))
        elif g.array.shape != y.array.shape:
            raise GraphError(
                f"Mismatch in shape: grad_output[{i}] has a shape of tinyconv.Size("
                f"{list(g.array.shape)}) and output[{i}] has a shape of tinyconv.Size("
                f"{list(y.array.shape)})."
            )
        roots.append((y.edge, g if create_graph else g.array))
    return roots


def _tuple(x: Any) -> tuple[Any, ...]:
    return (x,) if isinstance(x, Variable) or x is None else tuple(x)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of ``tensors``, weighted by ``grad_tensors``, to ``grad`` of every leaf.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 2.], requires_grad=True)
    >>> tc.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    tensors = _tuple(tensors)
    gradients = (None,) * len(tensors) if grad_tensors is None else _tuple(grad_tensors)
    if len(gradients) != len(tensors):
        raise RuntimeError(
            f"got {len(tensors)} tensors and {len(gradients)} gradients"
        )
    keep = create_graph if retain_graph is None else retain_graph
    roots = _roots(tensors, gradients, create_graph)
    if inputs is None:
        run(roots, retain_graph=keep, create_graph=create_graph)
        return
    chosen = _tuple(inputs)
    if not chosen:
        raise RuntimeError("'inputs' argument to 'backward' cannot be empty")
    found = run(roots, retain_graph=keep, create_graph=create_graph, wanted=[x.edge for x in chosen])
    for x in chosen:
        if x.edge in found:
            _accumulate(x, found[x.edge], False)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs``, weighted by ``grad_outputs``, with respect to ``inputs``.

    >>> import tinyconv as tc
    >>> x = tc.tensor(3., requires_grad=True)
    >>> (g,) = tc.autograd.grad(x ** 3, x, create_graph=True)
    >>> tc.autograd.grad(g, x)
    (tensor(18.),)
    """
    outputs, inputs = _tuple(outputs), _tuple(inputs)
    if is_grads_batched:
        rows = [
            grad(outputs, inputs, tuple(g[i] for g in _tuple(grad_outputs)), True, create_graph, allow_unused)
            for i in range(len(_tuple(grad_outputs)[0]))
        ]
        box = inputs[0].wrap
        return tuple(
            box(XP[type(column[0].array)].stack([g.array for g in column])) for column in zip(*rows, strict=True)
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    gradients = (None,) * len(outputs) if grad_outputs is None else _tuple(grad_outputs)
    for i, x in enumerate(inputs):
        if x.edge is None:
            raise GraphError(
                "One of the differentiated Tensors does not require grad",
                f"It is input {i}: make it with requires_grad=True before the forward pass.",
            )
    keep = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, gradients, create_graph)
    found = run(roots, retain_graph=keep, create_graph=create_graph, wanted=[x.edge for x in inputs])
    results = []
    for i, x in enumerate(inputs):
        g = found.get(x.edge)
        if g is None:
            if materialize_grads:
                g = x.wrap(backend_of(x.array).xp.zeros_like(x.array))
            elif not allow_unused:
                raise GraphError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior.",
                    f"It is input {i}, of shape {list(x.array.shape)}.",
                )
        elif not isinstance(g, Variable):
            g = x.wrap(_array(g))
        results.append(g)
    return tuple(results)
