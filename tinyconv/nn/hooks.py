"""Functions that are called when a Module runs forward or backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..autograd.custom import Output, Parts
from ..autograd.function import Function, Handle
from ..autograd.mode import mode
from ..autograd.variable import Variable
from ..backend import XP
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]


class Hook(NamedTuple):
    """A function and the moment at which it is called."""

    moment: str  # "forward_pre", "forward", "backward_pre" or "backward"
    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


OF_ALL: dict[int, Hook] = {}  # the hooks of every Module, called before its own


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> Handle:
    """Call ``hook(module, args)`` before the forward pass of every Module."""
    return Handle(OF_ALL, Hook("forward_pre", hook))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> Handle:
    """Call ``hook(module, args, output)`` after the forward pass of every Module.

    >>> import tinyconv as tc
    >>> from tinyconv.nn.hooks import register_module_forward_hook
    >>> def show(module, args, output):
    ...     print(type(module).__name__, tuple(output.shape))
    >>> with register_module_forward_hook(show):
    ...     y = tc.nn.Sequential(tc.nn.Linear(3, 4), tc.nn.Linear(4, 2))(tc.ones(1, 3))
    Linear (1, 4)
    Linear (1, 2)
    Sequential (1, 2)
    """
    return Handle(OF_ALL, Hook("forward", hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> Handle:
    """Call ``hook(module, grad_output)`` before the backward pass of every Module."""
    return Handle(OF_ALL, Hook("backward_pre", hook))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> Handle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward pass of every Module."""
    return Handle(OF_ALL, Hook("backward", hook))


def call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run ``module.forward`` with all hooks around it."""
    hooks = [*OF_ALL.values(), *module._hooks.values()]
    waiting = [h for h in hooks if h.moment == "forward"]
    result = None
    try:
        for hook in hooks:
            if hook.moment == "forward_pre":
                args, kwargs = _prepared(hook, module, args, kwargs)
        gates = Gates(module, hooks)
        result = gates.leave(module.forward(*gates.enter(args), **kwargs))
        while waiting:
            result = _finished(waiting.pop(0), module, args, kwargs, result)
        return result
    except Exception:
        for hook in waiting:
            if hook.always_call:
                try:
                    result = _finished(hook, module, args, kwargs, result)
                except Exception as error:  # the first error is the one to report
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that "
                        "was silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


def _prepared(hook: Hook, module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    if not hook.with_kwargs:
        answer = hook.function(module, args)
        return (
            args if answer is None else answer if isinstance(answer, tuple) else (answer,)
        ), kwargs
    answer = hook.function(module, args, kwargs)
    if answer is None:
        return args, kwargs
    if isinstance(answer, tuple) and len(answer) == 2:
        return answer
    raise RuntimeError(
        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {answer}."
    )


def _finished(hook: Hook, module: Module, args: Any, kwargs: Any, result: Any) -> Any:
    given = (args, kwargs) if hook.with_kwargs else (args,)
    answer = hook.function(module, *given, result)
    return result if answer is None else answer


# ── backward ──


Action: TypeAlias = Callable[[list[Any]], Iterable[Any]]


class Gate(Function):
    """One node for several tensors: their gradients meet here and pass through ``action`` together.

    ``zeros`` says whether a tensor without gradient is shown with zeros or with None.
    """

    label = "BackwardHookFunctionBackward"

    def __init__(self, tensors: list[Tensor], action: Action, zeros: bool) -> None:
        self.blanks = [(t.array.shape, t.array.dtype) for t in tensors]
        self.xp = XP[type(tensors[0].array)]
        self.action, self.zeros = action, zeros
        self.connect(*[t.edge for t in tensors])

    def backward(self, g: Parts) -> Any:
        shown = [self._shown(i, g.grads.get(i), self.zeros) for i in range(len(self.edges))]
        passed = [self._shown(i, x, True) for i, x in enumerate(self.action(shown))]
        return passed if mode.graph else [x.array for x in passed]

    def _shown(self, i: int, g: Any, zeros: bool) -> Any:
        if g is None:
            return Tensor.wrap(self.xp.zeros(*self.blanks[i])) if zeros else None
        return g if isinstance(g, Variable) else Tensor.wrap(self.xp.asarray(g))


class Passage(Output):
    """The node of one tensor that went through a gate."""

    label = Gate.label


def _through(gate: Gate, i: int, x: Tensor) -> Any:
    """``x`` behind the gate: a view, not to be written to, for a write would pass by the gate."""
    new = x[...]
    new.node, new.born = Passage(i).connect(gate), "multiple"
    return new


class Gates:
    """The backward hooks of one call of a Module: a gate at its inputs, another at its outputs."""

    def __init__(self, module: Module, hooks: list[Hook]) -> None:
        self.module = module
        self.before = [h.function for h in hooks if h.moment == "backward_pre"]
        self.after = [h.function for h in hooks if h.moment == "backward"]
        self.active = bool(self.before or self.after) and mode.enabled
        self.n_inputs = 0
        self.inputs: list[int] = []  # positions of the tensors
        self.outputs: list[int] = []
        self.n_outputs = 0
        self.grad_output: tuple[Any, ...] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.active:
            return args
        self.n_inputs = len(args)
        args, self.inputs = _gated(args, self._on_inputs, True)
        return args

    def leave(self, result: Any) -> Any:
        if not self.active:
            return result
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                "Tensors "
                f"but received {type(result)}",
                stacklevel=4,
            )
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(outputs)
        outputs, self.outputs = _gated(outputs, self._on_outputs, False)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _on_outputs(self, grads: list[Any]) -> Iterable[Any]:
        full = _spread(grads, self.outputs, self.n_outputs)
        for hook in self.before:
            full = _answer(hook(self.module, full), full, "Backward pre hook", "grad_output")
        self.grad_output = full
        if not self.inputs and self.after:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module "
                "outputs "
                "since no inputs require gradients.",
                stacklevel=2,
            )
            for hook in self.after:
                answer = hook(self.module, (None,) * self.n_inputs, full)
                if answer is not None and not (
                    isinstance(answer, tuple) and all(a is None for a in answer)
                ):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        "return None "
                        "or None for all gradients."
                    )
        return [full[i] for i in self.outputs]

    def _on_inputs(self, grads: list[Any]) -> Iterable[Any]:
        if self.grad_output is None:
            return grads
        full = _spread(grads, self.inputs, self.n_inputs)
        for hook in self.after:
            answer = hook(self.module, full, self.grad_output)
            full = _answer(answer, full, "Backward hook", "grad_input")
        self.grad_output = None  # a second gradient comes by another way
        return [full[i] for i in self.inputs]


def _gated(items: tuple[Any, ...], action: Action, zeros: bool) -> tuple[Any, list[int]]:
    """Send the tensors among ``items`` through one gate, and tell where they are.

    If none has a gradient, nothing is done.
    """
    where = [i for i, x in enumerate(items) if isinstance(x, Tensor)]
    if not any(items[i].requires_grad for i in where):
        return items, []
    gate = Gate([items[i] for i in where], action, zeros)
    new = list(items)
    for n, i in enumerate(where):
        if items[i].requires_grad:
            new[i] = _through(gate, n, items[i])
    named = hasattr(items, "_fields")  # a namedtuple
    return (type(items)(*new) if named else tuple(new)), where


def _spread(grads: list[Any], where: list[int], n: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * n
    for i, g in zip(where, grads, strict=True):
        full[i] = g
    return tuple(full)


def _answer(answer: Any, full: tuple[Any, ...], who: str, what: str) -> tuple[Any, ...]:
    if answer is None:
        return full
    if isinstance(answer, Tensor) or len(answer) != len(full):
        got = "a Tensor" if isinstance(answer, Tensor) else len(answer)
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {got}, but expected {len(full)}\n"
            f"Return None, or a tuple with one entry for each {what}."
        )
    return tuple(answer)
