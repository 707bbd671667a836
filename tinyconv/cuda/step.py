"""A training step as one CUDA graph: forward, backward and the optimizer in one call of the host.

Small networks keep a GPU waiting: to ask for a hundred kernels from Python takes longer than to run them. A graph of them is
asked for at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import generator
from ..backend import backend_of, get_backend
from ..errors import ArgumentError, DeviceError
from ..tensor import Tensor
from . import door
from .graphs import CUDAGraph, graph
from .streams import Event, current_stream

# Note [What a captured optimizer reads]. A captured step does the same arithmetic each time: settings are numbers in it.
# An optimizer may name settings that it reads from memory of the device (``on_device``); ``refresh()`` then writes what has
# changed there. A change of any other setting needs a graph of its own. What it remembers must lie on the device, too.


class _Captured:
    """One graph: where its numbers go in and out, and what has to be as it was for it to hold."""

    def __init__(self, x: Tensor, y: Tensor, held: list[Any]) -> None:
        self.inputs = [_on_gpu(v) for v in (x, y)]
        self.held = held
        self.graph = CUDAGraph()
        self.loss: Any = None
        self.gradients: list[tuple[Tensor, Any]] = []

    def fill(self, *given: Tensor) -> None:
        """Copy numbers in, wherever they are; nobody waits."""
        for buffer, v in zip(self.inputs, given, strict=True):
            array = v.array
            if backend_of(array).name == "cpu":
                array = get_backend("cuda").from_numpy(array)
            buffer.array[...] = array


def _on_gpu(v: Tensor) -> Tensor:
    """A tensor like ``v`` on the GPU."""
    return Tensor.wrap(door.cupy().empty(v.array.shape, v.array.dtype))


class GraphedStep:
    """What ``make_graphed_step`` returns: ``step(x, y)`` trains on a batch and returns the loss."""

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        warmup: int,
        scaler: Any,
        autocast: AbstractContextManager[Any] | None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.warmup, self.scaler = warmup, scaler
        self.autocast = nullcontext() if autocast is None else autocast
        self._seen: dict[Any, int] = {}
        self._captured: dict[Any, _Captured] = {}
        self._pool: Any = None
        self._modules = list(model.modules())
        self._last: tuple[Any, Any] = (
            None,
            None,
        )  # the stream of the last step, and when it was done
        self._refreshes = getattr(optimizer, "on_device", ())
        self._live = {"params", "param_names", *self._refreshes}

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Train on one batch, on the CPU or the GPU; return its loss, on the GPU."""
        key, held = self._key(x, y), list(self._held())
        captured = self._captured.get(key)
        if captured is not None and not _same(captured.held, held):
            del self._captured[key]  # the model or the optimizer was given other memory
            self._seen[key] = 0
            captured = None
        if captured is None:
            if self._seen.get(key, 0) < self.warmup:
                self._seen[key] = self._seen.get(key, 0) + 1
                return self._step(*[v.to("cuda") for v in (x, y)]).detach()
            captured = self._captured[key] = self._capture(x, y, held)
        self._in_order()
        captured.fill(x, y)
        self._refresh()
        captured.graph.replay()
        for p, g in captured.gradients:
            p.grad = g
        loss: Tensor = captured.loss.clone()
        self._last[1].record()
        return loss

    # ── what is captured ──

    def _step(self, x: Tensor, y: Tensor) -> Any:
        """One step, in the order of any training loop."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            loss = self.loss(self.model(x), y)
        if self.scaler is None:
            loss.backward()
            self.optimizer.step()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss

    def _capture(self, x: Tensor, y: Tensor, held: list[Any]) -> _Captured:
        self._check_state()
        self._refresh()
        captured = _Captured(x, y, held)
        drawn = generator.current().get_state()
        with graph(captured.graph, self._pool):
            captured.loss = self._step(*captured.inputs).detach()
        self._pool = captured.graph.pool()
        if (generator.current().get_state() != drawn).any():
            generator.current().set_state(drawn)
            raise DeviceError(
                "Random numbers of the CPU were drawn while a training step was captured.",
                "They would be the same in every step. Draw them outside, or on the GPU.",
            )
        captured.gradients = [(p, p.grad) for p in self._parameters()]
        return captured

    def _refresh(self) -> None:
        if self._refreshes:
            self.optimizer.refresh()

    def _check_state(self) -> None:
        """Refuse an optimizer that counts on the CPU: in a graph the count would stand still."""
        for state in self.optimizer.state.values():
            for name, value in state.items():
                if isinstance(value, Tensor) and not value.is_cuda:
                    kind = type(self.optimizer).__name__
                    raise DeviceError(
                        f"Attempting CUDA graph capture of step() for an instance of {kind} but param_groups' "
                        "capturable is False.",
                        f"Its {name!r} lies on the CPU: build {kind}(..., capturable=True) for a captured step.",
                    )

    # ── when it holds ──

    def _key(self, x: Tensor, y: Tensor) -> Any:
        """What a graph is captured for."""
        groups = tuple(
            tuple([(k, v) for k, v in g.items() if k not in self._live])
            for g in self.optimizer.param_groups
        )
        modes = tuple([m.training for m in self._modules])
        return x.array.shape, x.array.dtype, y.array.shape, y.array.dtype, modes, groups

    def _parameters(self) -> Iterator[Tensor]:
        return (p for g in self.optimizer.param_groups for p in g["params"])

    def _held(self) -> Iterator[Any]:
        """What must be the same objects, for their memory is part of the graph."""
        yield self.optimizer.state
        for p in self._parameters():
            yield p.array
            yield p.leaf

    def _in_order(self) -> None:
        """Let the current stream wait for the last step, if that was asked of another."""
        stream = current_stream()
        before, done = self._last
        if before != stream:
            if done is not None:
                stream.wait_event(done)
            self._last = stream, Event()


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def make_graphed_step(
    model: Any,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    *,
    warmup: int = 3,
    scaler: Any = None,
    autocast: AbstractContextManager[Any] | None = None,
) -> GraphedStep:
    """Make a function that trains on a batch in one call of the host.

    It computes what a loop computes that calls ``zero_grad``, ``loss(model(x), y).backward()`` and ``step``. The first
    steps for each shape of batch are such steps; the next is captured as a graph, and those after it replay that.
    Learning rates may change at any time; other settings, the mode of the model, and the shape have graphs of their own.
    What Python does inside besides, such as hooks, happens while a step is captured, and not when it is replayed.

    Args:
        model: a Module on the GPU. loss: ``loss(output, y)``, a scalar. optimizer: of the model's parameters.
        warmup: how many steps of each kind are done before one is captured; at least 1.
        scaler: a ``GradScaler``. autocast: a context for the forward pass, such as ``autocast('cuda', bfloat16)``.

    Shape:
        ``x (n, ...), y (n, ...) -> ()``, the loss, on the GPU: reading it waits for the step.

    Raises:
        DeviceError: something inside waits for the GPU; it says which operation, and where.

    >>> import tinyconv as tc
    >>> if tc.cuda.is_available():
    ...     model = tc.nn.Linear(8, 2).to('cuda')
    ...     step = tc.cuda.make_graphed_step(model, tc.nn.CrossEntropyLoss(), tc.optim.SGD(model.parameters(), lr=0.1))
    ...     losses = [step(tc.randn(4, 8), tc.tensor([0, 1, 1, 0])) for _ in range(10)]
    """
    door.cupy()
    if warmup < 1:
        raise ArgumentError(
            f"warmup must be at least 1, got {warmup}",
            "The first step makes the state of the optimizer and compiles kernels, which a graph cannot.",
        )
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
    return GraphedStep(model, loss, optimizer, warmup, scaler, autocast)
