"""Memory for time: what a part of a network computes is thrown away and computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import generator
from ..autograd.graph import saved_tensors_hooks
from ..autograd.mode import enable_grad
from ..errors import GraphError
from ..nn import Module, Sequential
from ..tensor import Tensor

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


class _Found(Exception):
    """All that was saved in the forward pass has been computed again."""


class _Frame:
    """One call of a function, whose saved tensors are numbered in the order in which they were saved."""

    def __init__(self, again: Callable[[], Any], determinism_check: bool, early_stop: bool) -> None:
        self.again, self.determinism_check, self.early_stop = again, determinism_check, early_stop
        self.kinds: list[tuple[Any, Any]] = []  # of what was saved: shape and number type
        self.tensors: list[Tensor] | None = None  # the same, computed again

    def pack(self, tensor: Tensor) -> int:
        self.kinds.append((tensor.shape, tensor.dtype))
        return len(self.kinds) - 1

    def unpack(self, number: int) -> Tensor:
        if self.tensors is None:
            self.tensors = self._computed_again()
        return self.tensors[number]

    def _computed_again(self) -> list[Tensor]:
        found: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            found.append(tensor.detach())
            if self.early_stop and len(found) == len(self.kinds):
                raise _Found
            return tensor

        try:
            with saved_tensors_hooks(keep, lambda tensor: tensor), enable_grad():
                self.again()
        except _Found:
            pass
        self._check(found)
        return found

    def _check(self, found: list[Tensor]) -> None:
        if len(found) != len(self.kinds):
            raise GraphError(
                "tinyconv.utils.checkpoint: A different number of tensors was saved during the original "
                f"forward and recomputation. Number of tensors saved during forward: {len(self.kinds)}. "
                f"Number of tensors saved during recomputation: {len(found)}.",
                "The function must do the same each time: it may not look at what changes meanwhile.",
            )
        for i, (tensor, kind) in enumerate(zip(found, self.kinds, strict=True)):
            if self.determinism_check and (tensor.shape, tensor.dtype) != kind:
                raise GraphError(
                    "tinyconv.utils.checkpoint: Recomputed values for the following tensors have different "
                    f"metadata than during the forward pass. Tensor at position {i}: {kind} before, "
                    f"{(tensor.shape, tensor.dtype)} now.",
                    "The function must do the same each time.",
                )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = lambda: (nullcontext(), nullcontext()),
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, of which nothing is kept for the backward pass but the arguments.

    The backward pass calls the function again. Random numbers are drawn as the first time.

    Args:
        use_reentrant: of no effect: there is one way here, torch's ``use_reentrant=False``.
        context_fn: returns two contexts, for the first call and for the second.
        determinism_check: ``"default"`` compares shapes and dtypes of both calls, ``"none"`` does not.
        early_stop: stop the second call once all is there.
        preserve_rng_state: draw the same random numbers in both calls.

    Raises:
        GraphError: the function has done something else the second time.

    Source: Chen et al., arXiv 1604.06174.

    >>> import tinyconv as tc
    >>> from tinyconv.utils.checkpoint import checkpoint
    >>> x = tc.tensor([2.], requires_grad=True)
    >>> checkpoint(lambda v: (v * v).exp(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([218.3926])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'] but got {determinism_check}"
        )
    stream = generator.current()
    before = stream.get_state() if preserve_rng_state else None
    first, second = context_fn()

    def again() -> Any:
        now = stream.get_state()
        if before is not None:
            stream.set_state(before)
        try:
            with second:
                return function(*args, **kwargs)
        finally:
            if before is not None:
                stream.set_state(now)

    frame = _Frame(again, determinism_check == "default", early_stop)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequential | Sequence[Module],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Modules one after the other, in ``segments`` parts of which only the inputs are kept.

    >>> import tinyconv as tc
    >>> from tinyconv.utils.checkpoint import checkpoint_sequential
    >>> net = tc.nn.Sequential(tc.nn.Tanh(), tc.nn.Sigmoid(), tc.nn.Tanh())
    >>> x = tc.zeros(1, requires_grad=True)
    >>> checkpoint_sequential(net, 2, x, use_reentrant=False).backward()
    >>> x.grad
    tensor([0.1966])
    """
    modules = list(functions.children()) if isinstance(functions, Sequential) else list(functions)
    size = len(modules) // segments

    def run(part: Sequence[Any]) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for module in part:
                x = module(x)
            return x

        return forward

    last = size * (segments - 1)
    for start in range(0, last, size or 1):
        part = modules[start : start + size]
        input = checkpoint(run(part), input, use_reentrant=use_reentrant, **kwargs)
    return run(modules[last:])(input)
