"""Walk the tape backwards."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from ..backend import XP, backend_of, hush, is_whole, restore
from ..errors import ArgumentError, GraphError, ShapeError
from .anomaly import watched
from .function import Function, gradients, require_one_device
from .mode import mode
from .variable import Variable

if TYPE_CHECKING:
    from ..tensor import Tensor

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
    for all of them: in ``b = a + a; c = a * b`` the gradient of ``a`` has three parts.) The leaves are
    older than all nodes.

    With ``wanted`` nothing is added to any leaf; the gradients at these edges are returned.
    """
    goals = set(wanted or ())
    leading = None if wanted is None else _leading_to(goals, [edge for edge, _ in roots])
    found: dict[Edge, Any] = {}
    pending: dict[Edge, tuple[Any, bool]] = {}  # the gradient so far, and whether it is ours alone
    queue: list[tuple[int, Function]] = []

    def arrive(edge: Edge, g: Any, ours: bool) -> None:
        if leading is not None and edge not in leading and edge not in goals:
            return
        if edge in pending:
            g, ours = pending[edge][0] + g, True
        elif isinstance(edge, Function):
            heappush(queue, (-edge.order, edge))
        pending[edge] = g, ours

    anomaly = mode.anomaly
    before = mode.enabled, mode.graph, mode.autocast
    mode.enabled = mode.graph = create_graph
    mode.autocast = None  # backward runs as forward was recorded
    token = hush()
    try:
        for edge, g in roots:
            arrive(edge, g, False)
        while queue:
            _, node = heappop(queue)
            g, _ = pending.pop(node)
            if node.hooks:
                g = _hooked(node.hooks, g)
            if leading is not None:
                if node in goals:
                    found[node] = g
                if node not in leading:
                    continue
                needs = node.needs
                node.needs = [e in leading or e in goals for e in node.edges]
            if anomaly:
                grads = watched(node, g)
            else:
                grads = node.backward(g) if node.kinds is None else gradients(node, g)
            if leading is not None:
                node.needs = needs
            if node.after:
                grads = _after(node, grads, g)
            for edge, gx in zip(node.edges, grads, strict=False):
                if edge is not None and gx is not None:
                    arrive(edge, gx, node.gives_away)
            if not retain_graph:
                node.release()
        for leaf, (g, ours) in pending.items():
            if leaf.hooks:
                g, ours = _hooked(leaf.hooks, g), False
            if leading is None:
                _accumulate(leaf, g, ours)
            else:
                found[leaf] = g
    finally:
        restore(token)
        mode.enabled, mode.graph, mode.autocast = before
    return found


def _leading_to(goals: set[Edge], roots: list[Edge]) -> set[Edge]:
    """The nodes with an edge from which a goal can be reached."""
    seen: set[Edge] = set()
    stack = [e for e in roots if isinstance(e, Function)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(e for e in node.edges if isinstance(e, Function))
    leading: set[Edge] = set()
    for node in sorted(
        seen, key=lambda n: n.order
    ):  # oldest first: what a node leads to is settled
        if any(e in leading or e in goals for e in node.edges):
            leading.add(node)
    return leading


def _hooked(hooks: dict[Any, Any], g: Any) -> Any:
    """Pass a gradient through tensor hooks, each of which may replace it."""
    shown = _shown(g)
    for _, hook in sorted(hooks.items()):
        answer = hook(shown)
        if answer is None:
            continue
        if not isinstance(answer, Variable):
            raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
        if answer.array.shape != shown.array.shape:
            name = getattr(hook, "__name__", hook)
            raise ShapeError(
                f"hook '{name}' has changed the size of value",
                f"It was {list(shown.array.shape)} and became {list(answer.array.shape)}.",
            )
        shown = answer
    return shown if isinstance(g, Variable) else shown.array


def _after(node: Function, grads: Any, g: Any) -> Any:
    """Show hooks of a node the gradients of its inputs and output, of which they may replace the former."""
    for hook in list(node.after.values()):
        inputs = tuple(map(_shown, grads))
        answer = hook(inputs, tuple(map(_shown, node.parts(g))))
        if answer is not None:
            grads = [v if v is None or mode.graph else v.array for v in answer]
    return grads


def _shown(g: Any) -> Any:
    """A gradient as a Variable."""
    return g if isinstance(g, Variable) or g is None else Variable.results.wrap(_array(g))


def _array(g: Any) -> Any:
    return g if type(g) in XP else XP[next(iter(XP))].asarray(g)


def _accumulate(leaf: Variable, g: Any, ours: bool) -> None:
    """Add to ``leaf.grad``; an array that is ours alone becomes it."""
    with _accumulation:
        old = leaf._grad
        if isinstance(g, Variable):  # the backward pass is recorded: grad has a history of its own
            leaf.grad = g.clone() if old is None else old + g  # type: ignore[attr-defined]  # a Tensor
        elif old is None:
            g, kind = _array(g), leaf.array.dtype
            own = ours and is_whole(g) and g.dtype == kind
            leaf.grad = leaf.wrap(g if own else g.astype(kind, order="C"))
        elif old.node is None and not old.leaf:
            old.array += g
            old.bump()
        else:
            leaf.grad = leaf.wrap(old.array + g)
    for hook in list(leaf.after.values()) if leaf.after else ():
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
        if type(g.array) is not type(y.array):
            require_one_device("backward", **{f"outputs[{i}]": y, f"gradients[{i}]": g})
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
        raise GraphError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    keep = create_graph if retain_graph is None else retain_graph
    roots = _roots(tensors, gradients, create_graph)
    if inputs is None:
        run(roots, retain_graph=keep, create_graph=create_graph)
        return
    chosen = _tuple(inputs)
    if not chosen:
        raise GraphError("`inputs` argument to `backward()` cannot be empty.")
    for x in chosen:
        if x.edge is None:
            raise GraphError("can't retain_grad on Tensor that has requires_grad=False")
    found = run(
        roots, retain_graph=keep, create_graph=create_graph, wanted=[x.edge for x in chosen]
    )
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
) -> tuple[Tensor, ...]:
    """Return the gradients of ``outputs``, weighted by ``grad_outputs``, with respect to ``inputs``.

    >>> import tinyconv as tc
    >>> x = tc.tensor(3., requires_grad=True)
    >>> (g,) = tc.autograd.grad(x ** 3, x, create_graph=True)
    >>> tc.autograd.grad(g, x)
    (tensor(18.),)
    """
    outputs, inputs = _tuple(outputs), _tuple(inputs)
    if is_grads_batched:
        return _batched(outputs, inputs, _tuple(grad_outputs), create_graph, allow_unused)
    if materialize_grads and allow_unused is False:
        raise ArgumentError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if not inputs:
        raise GraphError("`inputs` argument to `grad()` cannot be empty.")
    gradients = (None,) * len(outputs) if grad_outputs is None else _tuple(grad_outputs)
    if len(gradients) != len(outputs):
        raise GraphError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    for i, x in enumerate(inputs):
        if x.edge is None:
            raise GraphError(
                "One of the differentiated Tensors does not require grad",
                f"It is input {i}: make it with requires_grad=True before the forward pass.",
            )
    keep = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, gradients, create_graph)
    found = run(
        roots, retain_graph=keep, create_graph=create_graph, wanted=[x.edge for x in inputs]
    )
    results = []
    for i, x in enumerate(inputs):
        g = _shown(found.get(x.edge))
        if g is None and materialize_grads:
            g = x.wrap(backend_of(x.array).xp.zeros_like(x.array))
            g.leaf = create_graph
        elif g is None and not allow_unused:
            raise GraphError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior.",
                f"It has shape {list(x.array.shape)}.",
            )
        results.append(g)
    return tuple(results)


def _batched(
    outputs: Any, inputs: Any, seeds: Any, create_graph: bool, allow_unused: bool | None
) -> tuple[Any, ...]:
    """One backward pass for each row of the gradients, stacked."""
    if create_graph:
        raise GraphError("is_grads_batched=True cannot be recorded", "Call grad() once a row.")
    rows = [
        grad(
            outputs,
            inputs,
            tuple(seed.wrap(seed.array[i]) for seed in seeds),
            True,
            False,
            allow_unused,
        )
        for i in range(len(seeds[0].array))
    ]
    return tuple(
        None if column[0] is None else column[0].wrap(_stack([g.array for g in column]))
        for column in zip(*rows, strict=True)
    )


def _stack(arrays: list[Any]) -> Any:
    return XP[type(arrays[0])].stack(arrays)
