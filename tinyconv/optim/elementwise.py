"""A step, once for all optimizers whose update is arithmetic on the arrays of one parameter."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from ..autograd import Variable, enable_grad
from ..backend import Array, backend_of
from ..errors import ArgumentError, DeviceError, DTypeError, ShapeError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, State

_NONNEGATIVE = (
    "eps",
    "momentum",
    "weight_decay",
    "alpha",
    "lr_decay",
    "initial_accumulator_value",
)
_WORDS = {"lr": "learning rate", "eps": "epsilon value"}


class Elementwise(Optimizer):
    """An optimizer that treats one parameter at a time.

    A subclass names the ``buffers`` it keeps and writes ``update``. The rest of a step stands here:
    the closure, all checks, new state, weight decay, ``maximize``, the loop and the version
    counter.

    A step that raises has changed nothing: what can be wrong is looked at before the first write.
    """

    def buffers(self, group: Group) -> dict[str, float | None]:
        """Name the arrays kept per parameter and their first value; None: ``update`` makes it.

        ``"step"`` is a single number, which counts the updates.
        """
        return {}

    def update(self, p: Array, g: Array, state: State, *_: Any, **settings: Any) -> None:
        """Change ``p`` and the buffers in ``state`` in place; leave the gradient ``g`` as it is."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how to update: write update()."
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once.

        ``closure`` computes the loss anew and its gradients; its result is returned.

        Raises ``RuntimeError`` if a gradient or a buffer does not fit its parameter, ``ValueError``
        if a setting is out of its range; then everything is as before.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        jobs = self._prepare()
        with np.errstate(all="ignore"):  # an infinity is a number like any other
            for p, state, settings in jobs:
                if "step" in state:
                    state["step"].array += 1
                self.update(p.array, _decayed(p.array, p.grad.array, **settings), state, **settings)
                if state:
                    self.state[p] = state
                p.bump()
        return loss

    def _prepare(self) -> list[tuple[Tensor, State, dict[str, Any]]]:
        """Check all that a step needs and allocate what is new; the optimizer stays as it is."""
        jobs: list[tuple[Tensor, State, dict[str, Any]]] = []
        fresh: dict[Tensor, State] = {}
        for i, group in enumerate(self.param_groups):
            settings = self.settings(group)
            for j, p in enumerate(group["params"]):
                if p.grad is None:
                    continue
                _check_gradient(p, f"parameter {j} of group {i}")
                state = self.state.get(p) or fresh.get(p)
                if state is None:
                    state = fresh[p] = self.new_state(p, group)
                self.check_state(p, state, group)
                jobs.append((p, state, settings))
        return jobs

    def new_state(self, p: Tensor, group: Group) -> State:
        """Make the state of a parameter before its first update."""
        return {
            # the count lies on the CPU, whatever the device: reading it must not wait for a GPU
            name: Tensor.wrap(
                np.zeros((), np.float32) if name == "step" else np.full_like(p.array, value)
            )
            for name, value in self.buffers(group).items()
            if value is not None
        }

    # ── checks ──

    def settings(self, group: Group) -> dict[str, Any]:
        """Return the settings of a group as plain numbers; raise if one is out of its range.

        A rate below zero is let through: a schedule may miss the zero at its end by one rounding.
        """
        settings = {name: _plain(name, group[name]) for name in self.defaults}
        for name in _NONNEGATIVE:
            if settings.get(name, 0) < 0:
                raise invalid(name, group[name], "0 or more")
        return settings

    def check(self, group: Group) -> None:
        """Raise ``ValueError`` if a setting of a new group is out of its range."""
        if self.settings(group)["lr"] < 0:
            raise invalid(
                "lr", group["lr"], "0 or more; to climb instead of descending: maximize=True"
            )

    def check_state(self, p: Tensor, state: State, group: Group) -> None:
        """Raise if a buffer is missing in the state of a parameter, or unlike the parameter."""
        for name, value in self.buffers(group).items():
            buffer = state.get(name)
            if buffer is None and value is None:
                continue
            if not isinstance(buffer, Tensor):
                raise KeyError(
                    f"{name!r} is not in the state of a parameter of shape {p.array.shape}, "
                    f"which was made with other settings: build a new {type(self).__name__} with "
                    "the settings wanted"
                )
            if name != "step":
                _check_like(p.array, buffer.array, "buffer", f"{name!r} of a parameter:")


def invalid(name: str, value: Any, wanted: str) -> ArgumentError:
    """The error for a setting out of its range."""
    words = _WORDS.get(name, f"{name} value")
    return ArgumentError(f"Invalid {words}: {value}", f"{name} must be {wanted}.")


def _plain(name: str, value: Any) -> Any:
    """Turn a setting into numbers of Python, which leave the number type of an array alone."""
    if isinstance(value, bool) or (value is None and name in ("foreach", "fused")):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(_plain(name, v) for v in value)
    if isinstance(value, Tensor):
        if value.array.size != 1:
            raise ArgumentError(
                f"Tensor {name} must be 1-element",
                "For different values, make several groups: {'params': [p], '" + name + "': ...}.",
            )
        return _plain(name, value.array.item())
    if not isinstance(value, Real):
        raise TypeError(
            f"Invalid {_WORDS.get(name, f'{name} value')}: {value!r}\n"
            f"{name} must be a number, not {type(value).__name__}."
        )
    if not isfinite(value):
        raise invalid(name, value, "a finite number")
    return float(value)


def _check_gradient(p: Tensor, where: str) -> None:
    array, grad = p.array, p.grad
    if not isinstance(grad, Variable):
        raise TypeError(
            "assigned grad expected to be a Tensor or None but got grad of type "
            f"{type(grad).__name__}\n"
            f"Give {where} a Tensor: p.grad = tinyconv.tensor(...)."
        )
    if array.dtype.kind != "f":
        raise DTypeError(
            f"result type Float can't be cast to the desired output type {array.dtype.name}",
            f"Only floating point numbers can be optimized, and {where} has none: p.float().",
        )
    if not getattr(array.flags, "writeable", True):  # CuPy knows no read-only arrays
        raise ValueError(
            "assignment destination is read-only\n"
            f"The memory of {where} is somebody else's: optimize a copy, p.clone()."
        )
    _check_like(array, grad.array, "grad", f"{where}:")


def _check_like(array: Array, other: Array, what: str, where: str) -> None:
    """Raise if ``other`` cannot be combined with the parameter's ``array``, number by number."""
    if type(other) is not type(array):
        raise DeviceError(
            f"assigned {what} has data located on a different device",
            f"{where} {backend_of(other).name}, but the parameter is on {backend_of(array).name}: "
            "move the model before building the optimizer.",
        )
    if other.shape != array.shape:
        raise ShapeError(
            f"assigned {what} has data of a different size",
            f"{where} {other.shape}, but the parameter is {array.shape}: was it replaced after "
            "backward()?",
        )
    if other.dtype != array.dtype:
        raise DTypeError(
            f"assigned {what} has data of a different type",
            f"{where} {other.dtype.name}, but the parameter is {array.dtype.name}: "
            "convert the model before building the optimizer.",
        )


# ── arithmetic that several updates share, rounded in torch's order ──


def _decayed(
    p: Array,
    g: Array,
    *,
    lr: float,
    weight_decay: float = 0.0,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
    **_: Any,
) -> Array:
    """Return g + λ p, the gradient of the loss plus λ/2 |p|²; ``maximize`` turns g around.

    A decoupled decay shrinks p by 1 - lr λ at once and leaves g alone (Loshchilov & Hutter, 2019).
    """
    if weight_decay and decoupled_weight_decay:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        total = p * weight_decay
        if maximize:
            total -= g
        else:
            total += g
        return total
    return -g if maximize else g


def lerp(a: Array, b: Array, weight: float) -> None:
    """a ← a + weight (b - a), from the nearer end."""
    way = b - a
    if abs(weight) < 0.5:
        way *= weight
        a += way
    else:
        way *= 1 - weight
        np.subtract(b, way, out=a)


def add_product(a: Array, x: Array, y: Array, value: float) -> None:
    """a ← a + value x y."""
    term = x * value
    term *= y
    a += term


def add_quotient(a: Array, x: Array, y: Array, value: float) -> None:
    """a ← a + value x / y."""
    term = x * value
    term /= y
    a += term
