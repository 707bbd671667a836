"""The least that can be differentiated: an array, its gradient, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import Array

if TYPE_CHECKING:
    from .function import Function


class Version:
    """A count of in-place writes, shared by an array and all its views."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Variable:
    """Base of Tensor: state without arithmetic, so that the tape can lie below the ops.

    The defaults live on the class: a fresh result costs one attribute, not ten.
    """

    array: Array
    grad: Any = None  # a Variable
    node: Function | None = None  # who made it, if that was recorded
    leaf: bool = False  # not made by a node, and its gradient is wanted
    version: Version | None = None  # made when first needed: few results are saved or written
    base: Variable | None = None  # of a view: the Variable whose memory it shows
    replay: tuple[Function, ...] = ()  # of a view: the view functions that lead from base to it
    stamp: int = 0  # of a view: the version its node belongs to
    born: str = ""  # of a view: "no_grad" or "multiple" if made where writes cannot be recorded
    inference: bool = False
    hooks: Any = None  # of a leaf: functions of its gradient
    keeps_grad: bool = False  # retain_grad() was called

    def __init__(self, array: Array) -> None:
        self.array = array

    @classmethod
    def wrap(cls, array: Array) -> Variable:
        """Box a freshly computed array; a subclass decides what results are."""
        return cls(array)

    def counter(self) -> Version:
        """The version counter, made on demand."""
        if self.version is None:
            self.version = Version()
        return self.version

    def bump(self) -> None:
        """Note that the array was written to."""
        self.counter().count += 1

    @property
    def edge(self) -> Function | Variable | None:
        """Where the gradient goes: the node that made this, this leaf itself, or nowhere."""
        if self.base is not None and self.stamp != self.version.count:  # type: ignore[union-attr]  # views have a version
            self.refresh()
        return self.node or (self if self.leaf else None)

    def refresh(self) -> None:
        """Give a view whose memory was written to since its node was made a new node."""
        view: Any = self.base
        for function in self.replay:
            view = function.again()(view)
        self.node, self.stamp = view.node, self.counter().count

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to or through this."""
        return self.edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say whether the gradient of this leaf is wanted."""
        from_node = self.edge is not None and not self.leaf
        if from_node and not requires_grad:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if requires_grad and self.array.dtype.kind != "f":
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients\n"
                f"This one is {self.array.dtype.name}: write x.float() first."
            )
        if not from_node:
            self.leaf = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """True if this was made by the user, not by a recorded operation."""
        return self.edge is None or self.leaf
