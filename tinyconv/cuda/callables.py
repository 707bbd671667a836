"""Functions and modules whose forward and backward are CUDA graphs, inside a training loop that is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Function, grad
from ..errors import ArgumentError
from ..tensor import Tensor
from .graphs import CUDAGraph, graph, graph_pool_handle
from .streams import Stream, current_stream, stream


class _Pair:
    """The two graphs of one function, and the tensors through which numbers go in and out of them."""

    def __init__(
        self, call: Callable[..., Any], args: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        self.call, self.args = call, args
        self.inputs = (*args, *parameters)
        self.wanted = [v for v in self.inputs if v.requires_grad]
        self.forward, self.backward = CUDAGraph(), CUDAGraph()
        self.outputs: tuple[Any, ...] = ()
        self.given: list[Any] = []  # the gradients of outputs that have one
        self.gradients: dict[int, Any] = {}  # those of inputs, by the id of the input

    def run(self) -> tuple[Any, ...]:
        made = self.call(*self.args)
        self.single = isinstance(made, Tensor)
        return (made,) if self.single else tuple(made)

    def differentiate(
        self, outputs: tuple[Any, ...], given: list[Any], unused: bool
    ) -> tuple[Any, ...]:
        recorded = [o for o in outputs if o.requires_grad]
        return (
            grad(recorded, self.wanted, given, allow_unused=unused)
            if recorded and self.wanted
            else ()
        )

    def warm_up(self, unused: bool) -> None:
        outputs = self.run()
        self.differentiate(outputs, _like([o for o in outputs if o.requires_grad]), unused)

    def capture_forward(self, pool: Any) -> None:
        with graph(self.forward, pool):
            self.outputs = self.run()

    def capture_backward(self, pool: Any, unused: bool) -> None:
        self.given = _like([o for o in self.outputs if o.requires_grad])
        with graph(self.backward, pool):
            found = self.differentiate(self.outputs, self.given, unused)
        self.gradients = dict(zip(map(id, self.wanted), found, strict=False))
        self.recorded = [o.requires_grad for o in self.outputs]
        self.outputs = tuple([o.detach() for o in self.outputs])

    def function(self) -> Callable[..., Any]:
        """A function of the same arguments, differentiable, that replays the graphs."""
        pair = self

        class Graphed(Function):
            @staticmethod
            def forward(ctx: Any, *given: Any) -> Any:
                for there, here in zip(pair.args, given, strict=False):
                    if there.array is not here.array:
                        there.array[...] = here.array
                pair.forward.replay()
                made = tuple([o.detach() for o in pair.outputs])
                ctx.mark_non_differentiable(
                    *[o for o, r in zip(made, pair.recorded, strict=True) if not r]
                )
                return made

            @staticmethod
            def backward(ctx: Any, *given: Any) -> Any:
                wanted = [g for g, r in zip(given, pair.recorded, strict=True) if r]
                for there, here in zip(pair.given, wanted, strict=True):
                    there.array[...] = here.array
                pair.backward.replay()
                return tuple([pair.gradients.get(id(v)) for v in pair.inputs])

        def graphed(*args: Any) -> Any:
            if len(args) != len(pair.args):
                raise ArgumentError(
                    f"A graphed callable takes the {len(pair.args)} tensors it was captured with, got {len(args)}."
                )
            made = Graphed.apply(*args, *pair.inputs[len(args) :])
            return made[0] if pair.single else made

        return graphed


def _like(tensors: Sequence[Any]) -> list[Any]:
    return [Tensor.wrap(t.array.copy()) for t in tensors]


def make_graphed_callables(
    callables: Any,
    sample_args: Any,
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: Any = None,
) -> Any:
    """Capture the forward and the backward of functions or modules as CUDA graphs.

    A module gets a new ``forward``, used as long as it is in the mode, training or not, in which it was captured. Results
    are overwritten by the next call.

    Args:
        callables: a function or Module, or a tuple of them that run in this order.
        sample_args: a tuple of tensors on the GPU, with the shapes and ``requires_grad`` of those to come; for a tuple of
            callables, a tuple of such tuples.
        num_warmup_iters: how often all is computed before. allow_unused_input: inputs may have no gradient.
        pool: see ``graph``.

    Returns:
        What takes the place of each callable.
    """
    single = not isinstance(callables, tuple)
    calls = (callables,) if single else callables
    samples = (tuple(sample_args),) if single else tuple(map(tuple, sample_args))
    if len(calls) != len(samples):
        raise ArgumentError(f"Got {len(calls)} callables and sample_args for {len(samples)}.")
    pool = graph_pool_handle() if pool is None else pool
    pairs = [
        _Pair(call, args, tuple(call.parameters()) if hasattr(call, "parameters") else ())
        for call, args in zip(calls, samples, strict=True)
    ]
    side = Stream()
    side.wait_stream(current_stream())
    with stream(side):
        for pair in pairs:
            for _ in range(num_warmup_iters):
                pair.warm_up(allow_unused_input)
    current_stream().wait_stream(side)
    for pair in pairs:
        pair.capture_forward(pool)
    for pair in reversed(pairs):
        pair.capture_backward(pool, allow_unused_input)
    made = [_replaced(call, pair) for call, pair in zip(calls, pairs, strict=True)]
    return made[0] if single else tuple(made)


def _replaced(call: Any, pair: _Pair) -> Any:
    """The graphed function, or the module with its forward replaced."""
    graphed = pair.function()
    if not hasattr(call, "parameters"):
        return graphed
    training, plain = call.training, call.forward

    def forward(*args: Any) -> Any:
        return (graphed if call.training == training else plain)(*args)

    call.forward = forward
    return call
