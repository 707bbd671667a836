"""The past of a tensor: backward, hooks, and ways off the tape."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from ..autograd.engine import backward
from ..autograd.function import Function, Handle
from ..autograd.variable import RETAIN, Variable
from .description import Description

if TYPE_CHECKING:
    from .tensor import Tensor


class Tape(Description):
    """Who made this tensor, and what happens when its gradient is known."""

    @property
    def grad_fn(self) -> Function | None:
        """The node that made this tensor, if it was recorded."""
        edge = self.edge
        return edge if isinstance(edge, Function) else None

    @property
    def _version(self) -> int:
        return self.counter().count

    @property
    def _base(self) -> Any:
        return self.base

    def _is_view(self) -> Any:
        return self.base is not None

    def backward(
        self,
        gradient: Any = None,
        retain_graph: Any = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor, weighted by ``gradient``, to ``grad`` of every leaf it was made from.

        >>> import tinyconv as tc
        >>> x = tc.tensor([1., 2.], requires_grad=True)
        >>> (x ** 2).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, off the tape; a write to either is noticed by both."""
        new: Any = self.results.wrap(self.array)
        new.version, new.inference = self.counter(), self.inference
        return new

    def detach_(self) -> Self:
        """Forget how this tensor was made."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node, self.leaf = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape; writes to it go unnoticed."""
        new: Any = self.results.wrap(self.array)
        return new

    @data.setter
    def data(self, new: Tensor) -> None:
        if not isinstance(new, Variable):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
        self.array = new.array

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it returns takes its place.

        >>> import tinyconv as tc
        >>> x = tc.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        """
        edge = self.edge
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if edge.hooks is None:
            edge.hooks = {}
        return Handle(edge.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Handle:
        """Call ``hook(self)`` after a gradient was added to ``grad`` of this leaf."""
        if not self.leaf:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self.after is None:
            self.after = {}
        return Handle(self.after, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is no leaf in its ``grad``."""
        edge = self.edge
        if edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.leaf or self.keeps_grad:
            return
        self.keeps_grad = True
        me = weakref.ref(self)  # the node must not keep its result alive

        def keep(g: Tensor) -> None:
            if (x := me()) is not None:
                x.grad = g.clone() if x.grad is None else x.grad + g

        if edge.hooks is None:
            edge.hooks = {}
        edge.hooks[RETAIN] = keep

    @property
    def retains_grad(self) -> bool:
        """True after :meth:`retain_grad`."""
        return self.keeps_grad
