"""The least that can be differentiated: an array, its gradient, and where it came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..backend import Array
from ..dtypes import FLOATS
from ..errors import DeviceError, DTypeError, GraphError, InplaceError, ShapeError
from .mode import mode

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .function import Function

RETAIN = math.inf  # the key of retain_grad() among the hooks of a node: after all others


class Version:
    """A count of in-place writes, shared by an array and all its views."""

    count = 0


class Variable:
    """Base of Tensor: state without arithmetic, so that the tape can lie below the ops.

    The defaults live on the class: a fresh result costs one attribute, not ten.
    """

    array: Array
    node: Function | None = None  # who made it, if that was recorded
    leaf: bool = False  # not made by a node, and its gradient is wanted
    version: Version | None = None  # made when first needed: few results are saved or written
    base: Variable | None = None  # of a view: the Variable whose memory it shows
    replay: tuple[Function, ...] = ()  # of a view: the view functions that lead from base to it
    undo: tuple[
        Function, ...
    ] = ()  # of a base that was turned in place: those back to where replays start
    stamp: int = 0  # of a view: the version its node belongs to
    born: str = (
        ""  # of a view: "no_grad", "inference", "multiple" or "custom" if writes cannot be recorded
    )
    inference: bool = False
    hooks: Any = None  # of a leaf: functions of its gradient
    after: Any = None  # of a leaf: functions to call when its gradient has been added up
    keeps_grad: bool = False  # retain_grad() was called
    _grad: Any = None  # a Variable

    results: ClassVar[
        type[Variable]
    ]  # what computed arrays are boxed in: Tensor, once there is one

    def __init__(self, array: Array) -> None:
        self.array = array

    @classmethod
    def wrap(cls, array: Array) -> Variable:
        """Box a freshly computed array; a subclass decides what results are."""
        return cls(array)

    # ── writes ──

    def counter(self) -> Version:
        """The version counter, made on demand."""
        if self.version is None:
            self.version = Version()
        return self.version

    def bump(self) -> None:
        """Note that the array was written to."""
        (self.version or self.counter()).count += 1

    def adopt(self, node: Function | None) -> None:
        """Take ``node`` for the maker of this; a gradient to be retained is from now on the one there."""
        if self.keeps_grad and self.node is not None and node is not None:
            node.hooks = node.hooks or {}
            node.hooks[RETAIN] = self.node.hooks.pop(RETAIN)
        self.node, self.leaf = node, False

    # ── the way back ──

    @property
    def edge(self) -> Function | Variable | None:
        """Where the gradient goes: the node that made this, this leaf itself, or nowhere."""
        if self.base is not None and self.stamp != self.version.count:  # type: ignore[union-attr]  # views have a version
            self.refresh()
        return self.node or (self if self.leaf else None)

    def refresh(self) -> None:
        """Give a view whose memory was written to since its node was made a new node.

        Raises:
            InplaceError: the way from base to view was not recorded, or is not the only one of its node.
        """
        if self.base.edge is not None:  # type: ignore[union-attr]  # views have a base
            if self.born:
                raise unwritable(self, "its base or another view of its base has been")
            before = mode.enabled
            mode.enabled = True  # whoever asks, the way leads through the base
            try:
                self.adopt(follow(self.way, self.base).node)
                self.node.label = "AsStridedBackward0"  # type: ignore[union-attr]  # recorded; as torch prints it
            finally:
                mode.enabled = before
        self.stamp = self.counter().count

    @property
    def way(self) -> tuple[Function, ...]:
        """Of a view: the view functions that lead here from its base as it is now."""
        base: Any = self.base
        if base.version is not self.version:
            raise InplaceError(
                "a view of memory that was resized since is used where its history is needed",
                "Take the view after resize_().",
            )
        return (*base.undo, *self.replay)

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to or through this, or through the memory that this is a view of."""
        return (
            self.leaf
            or self.node is not None
            or (self.base is not None and self.base.requires_grad)
        )

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether the gradient of this leaf is wanted."""
        if not self.is_leaf:
            if not requires_grad:
                raise GraphError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a "
                    "computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach()."
                )
            return self
        if requires_grad and self.array.dtype not in FLOATS:
            raise DTypeError(
                "only Tensors of floating point dtype can require gradients",
                f"This one is {self.array.dtype.name}: write x.float() first.",
            )
        if requires_grad and self.inference and not mode.inference:
            raise InplaceError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
                "Write x.clone().requires_grad_(), or use no_grad() instead of inference_mode().",
            )
        self.leaf = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """True if this was made by the user, not by a recorded operation."""
        edge = self.edge
        return edge is None or edge is self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward()`` has added up, or None."""
        return self._grad

    @grad.setter
    def grad(self, g: Any) -> None:
        if g is not None and not isinstance(g, Variable):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}"
            )
        if g is not None and g.array.shape != self.array.shape:
            raise ShapeError(
                f"attempting to assign a gradient of size '{list(g.array.shape)}' to a tensor of size "
                f"'{list(self.array.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        if g is not None and type(g.array) is not type(self.array):
            raise DeviceError(
                "assigned grad has data located on a different device",
                "Write x.grad = g.to(x.device).",
            )
        if g is not None and g.array.dtype != self.array.dtype:
            raise DTypeError(
                f"attempting to assign a gradient with dtype '{g.array.dtype.name}' to a tensor with "
                f"dtype '{self.array.dtype.name}'",
                "Convert it: x.grad = g.to(x.dtype).",
            )
        self._grad = g


Variable.results = Variable


def follow(replay: tuple[Function, ...], x: Any) -> Any:
    """Apply view functions in turn, to a Variable or an array."""
    for function in replay:
        x = function.again()(x)
    return x


_WHY = {
    "no_grad": " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
    "your code by moving both the view and the inplace either both inside the no_grad block (if you don't "
    "want the inplace to be tracked) or both outside (if you want the inplace to be tracked).",
    "inference": " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
    "your code by moving both the view and the inplace either both inside the inference_mode block (if you "
    "don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).",
    "multiple": " This view is the output of a function that returns multiple views. Such functions do not "
    "allow the output views to be modified inplace. You should replace the inplace operation by an "
    "out-of-place one.",
    "custom": " This view was created inside a custom Function (or because an input was returned as-is) and the "
    "autograd logic to handle view+inplace would override the custom backward associated with the custom "
    "Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the "
    "output of the custom Function.",
}


def unwritable(view: Variable, what: str) -> InplaceError:
    """Say why a write to ``view`` (``what``: "is being"), or to its base, cannot be recorded."""
    node = view.node
    output = "" if node is None else f"Output {node.part} of {node.short_name} is a view"
    if output and view.born in ("multiple", "custom"):
        text = f"{output} and {what} modified inplace."
    else:
        place, end = "no_grad mode", "with grad mode enabled"
        if view.born == "inference":
            place, end = "inference mode", "in normal mode"
        text = f"{output or 'A view'}{' of a view which' * bool(output)} was created in {place} and {what} modified inplace {end}."
    return InplaceError(
        text + _WHY[view.born], "Write to a .clone(), or through the base: base[index] = ..."
    )
