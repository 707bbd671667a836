"""A step, once for all optimizers whose update is arithmetic on the arrays of one parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from numbers import Real
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..autograd import Variable, enable_grad
from ..backend import Array, backend_of, hush, restore
from ..dtypes import FLOATS
from ..errors import ArgumentError, DeviceError, DTypeError, ShapeError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Params, State
from .rule import Numbers, Rule, Terms, counter_type
from .update import Update, run

_WORDS = {"lr": "learning rate", "eps": "epsilon value"}

Buffers: TypeAlias = dict[str, float | Tensor | None]  # names and first values


class Elementwise(Optimizer):
    """An optimizer that treats all numbers of a parameter alike.

    A subclass names the ``buffers`` it keeps, and says in ``update`` which kernel changes a parameter
    and them. The rest of a step stands here: the closure, all checks, new state, the version counter.

    A step that raises has changed nothing: what can be wrong is looked at before the first write.

    Attributes: ``on_device`` names the settings that lie in memory of a GPU where the parameters do, so that a captured
    step follows them; ``nonnegative`` names those that may not be negative; ``found_inf``, if it is a tensor on the GPU, undoes the next steps there if it is not zero.
    """

    nonnegative: ClassVar[tuple[str, ...]] = (
        "eps",
        "momentum",
        "momentum_decay",
        "weight_decay",
        "alpha",
        "lr_decay",
        "initial_accumulator_value",
    )
    on_device = ("lr",)
    found_inf: Tensor | None = None

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        # By group and GPU: the rate last written, and where.
        self._rates: dict[tuple[int, Any], tuple[Any, Array]] = {}
        super().__init__(params, defaults)

    def buffers(self, group: Group) -> Buffers:
        """Name the arrays kept per parameter and their first value.

        ``"step"`` counts the updates; it and all ``counters`` are single numbers. A buffer that begins with None is
        made, of negative zeros, whenever it is not there.
        """
        return {}

    def update(self, first: bool, *_: Any, **settings: Any) -> tuple[Rule, Numbers]:
        """Return the rule that changes a parameter and its buffers, and the settings that its numbers follow from.

        Besides them a rule gets ``t``, the number of updates of the parameter, this one included, if there is a
        ``"step"``; ``lr``; and other counters. The gradient comes as it is: ``decayed`` stands for ``maximize`` and
        ``weight_decay``.

        Args:
            first: tells whether a buffer that begins with None was made for this update.
        """
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
        prepared = self._prepare()
        token = hush()  # an infinity is a number like any other
        try:
            found = None if self.found_inf is None else self.found_inf.array
            run([update for group in prepared for update in self._updates(*group)], found)
        finally:
            restore(token)
        return loss

    @property
    def undoes(self) -> bool:
        """Whether ``found_inf`` undoes all that a step does on a GPU: unless updates are counted on the CPU."""
        return all(g.get("capturable") or "step" not in self.buffers(g) for g in self.param_groups)

    def refresh(self) -> None:
        """Write rates that have changed into memory of the GPU, where captured steps read them."""
        for (i, _), (_, there) in list(self._rates.items()):
            self._rate(i, self.param_groups[i]["lr"], there)

    def _rate(self, i: int, lr: Any, like: Array) -> Array:
        """The rate of a group as a float64 where ``like`` is."""
        backend = backend_of(like)
        place = i, backend.index(like)
        if place not in self._rates:
            with backend.at(place[1]):
                self._rates[place] = None, backend.xp.empty((), "float64")
        old, there = self._rates[place]
        if isinstance(lr, Tensor):
            there[...] = lr.array.reshape(())
        elif lr != old:
            there.set(np.array(lr, np.float64))
        self._rates[place] = None if isinstance(lr, Tensor) else lr, there
        return there

    def _prepare(self) -> list[tuple[int, dict[str, Any], Buffers, list[tuple[Tensor, State]]]]:
        """Check all that a step needs and allocate what is new; the optimizer stays as it is."""
        prepared = []
        fresh: dict[Tensor, State] = {}
        for i, group in enumerate(self.param_groups):
            settings, buffers = self.settings(group), self.buffers(group)
            members = []
            for j, p in enumerate(group["params"]):
                if p.grad is None:
                    continue
                _check_gradient(p, i, j)
                state = self.state.get(p) or fresh.get(p)
                if state is None:
                    state = fresh[p] = self.new_state(p, buffers)
                else:
                    self._check_buffers(p, state, buffers)
                members.append((p, state))
            prepared.append((i, settings, buffers, members))
        return prepared

    def _updates(
        self,
        i: int,
        settings: dict[str, Any],
        buffers: Buffers,
        members: list[tuple[Tensor, State]],
    ) -> Iterator[Update]:
        """Say for each parameter of a group what is to be done, and note that it is."""
        names = [name for name in buffers if name not in self.counters]
        counting = [name for name in buffers if name in self.counters]
        late = [name for name, value in buffers.items() if value is None]
        lr = settings.pop("lr")
        # Nobody waits for a rate on the GPU: what is counted with it is counted there.
        there = settings.get("capturable") or (len(counting) > 1 and isinstance(lr, Tensor))
        rules: dict[bool, tuple[Rule, Numbers]] = {}
        known: dict[Any, tuple[Rule, Terms, Numbers]] = {}
        for p, state in members:
            array, t = p.array, 0.0
            others: Numbers = ()
            here = type(array) is np.ndarray
            missing = [name for name in late if state.get(name) is None]
            for name in missing:
                state[name] = _full(array, -0.0)  # adds nothing, not even to -0
            first = bool(missing)
            if first not in rules:
                rules[first] = self.update(first, **settings)
            rule, constants = rules[first]
            counters = [state[name].array for name in counting]
            if counters and not here and (there or type(counters[0]) is not np.ndarray):
                counters = [_on_gpu(state, name, array) for name in counting]
                others = (0.0,) * (len(counters) - 1)  # to be read there
            elif counters:
                step, *more = counters
                t = step.item() + 1
                step.fill(t)
                if more:
                    others = _counted(rule, t, lr, more, constants)
                counters = []
            if state:
                self.state[p] = state
            place = None if here else backend_of(array).index(array)
            key = t, *others, first, array.dtype, here, place
            if key not in known:
                constants = (*others, *constants)
                terms = Terms(t, lr if here else self._rate(i, lr, array), constants)
                numbers = map(array.dtype.type, rule.numbers(t, lr, *constants)) if here else ()
                known[key] = rule, terms, tuple(numbers)
            p.bump()
            grad: Any = p.grad  # only members with one come here
            arrays = [grad.array, array, *[state[name].array for name in names]]
            yield *known[key], arrays, counters

    def new_state(self, p: Tensor, buffers: Buffers) -> State:
        """Make the state of a parameter before its first update."""
        return {
            # a count begins on the CPU, whatever the device: reading it must not wait for a GPU
            name: Tensor.wrap(np.array(float(value), counter_type()))
            if name in self.counters
            else _full(p.array, float(value))
            for name, value in buffers.items()
            if value is not None
        }

    # ── checks ──

    def settings(self, group: Group) -> dict[str, Any]:
        """Return the settings of a group as plain numbers; raise if one is out of its range.

        A rate below zero is let through: a schedule may miss the zero at its end by one rounding.
        """
        settings = {}
        for name in self.defaults:
            value = group[name]
            usual = type(value) is bool or (type(value) is float and isfinite(value))
            settings[name] = value if usual else _plain(name, value)
        for name in self.nonnegative:
            if settings.get(name, 0) < 0:
                raise invalid(name, group[name], "0 or more")
        if "betas" in settings:
            _check_betas(settings["betas"])
        return settings

    def check(self, group: Group) -> None:
        """Raise ``ValueError`` if a setting of a new group is out of its range."""
        lr = self.settings(group)["lr"]
        if not isinstance(lr, Tensor) and lr < 0:
            raise invalid(
                "lr", group["lr"], "0 or more; to climb instead of descending: maximize=True"
            )

    def check_state(self, p: Tensor, state: State, group: Group) -> None:
        """Raise if a buffer is missing in the state of a parameter, or unlike the parameter."""
        self._check_buffers(p, state, self.buffers(group))

    def _check_buffers(self, p: Tensor, state: State, buffers: Buffers) -> None:
        for name, value in buffers.items():
            buffer = state.get(name)
            if buffer is None and value is None:
                continue
            if not isinstance(buffer, Tensor):
                raise KeyError(
                    f"{name!r} is not in the state of a parameter of shape {p.array.shape}, "
                    f"which was made with other settings: build a new {type(self).__name__} with "
                    "the settings wanted"
                )
            if name not in self.counters and not _alike(p.array, buffer.array):
                raise _unlike(p.array, buffer.array, "buffer", f"{name!r} of a parameter:")


def invalid(name: str, value: Any, wanted: str) -> ArgumentError:
    """The error for a setting out of its range."""
    words = _WORDS.get(name, f"{name} value")
    return ArgumentError(f"Invalid {words}: {value}", f"{name} must be {wanted}.")


def _check_betas(betas: Any) -> None:
    if not isinstance(betas, tuple) or len(betas) != 2:
        raise ArgumentError(f"Invalid betas: {betas}", "Write a pair: betas=(0.9, 0.999).")
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ArgumentError(
                f"Invalid beta parameter at index {i}: {beta}", "It must be in [0, 1)."
            )


def _plain(name: str, value: Any) -> Any:
    """Turn a setting into numbers of Python, which leave the number type of an array alone."""
    if isinstance(value, bool) or (value is None and name in ("foreach", "fused")):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(_plain(name, v) for v in value)
    if isinstance(value, Tensor):
        if name == "lr" and value.is_cuda and value.array.size == 1:
            return value  # nobody waits for it
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


def _counted(rule: Rule, t: float, lr: Any, counters: list[Array], settings: Numbers) -> Numbers:
    """Change further counters, on the CPU; return what the numbers of the update follow from."""
    before = tuple([c.item() for c in counters])
    assert rule.count is not None
    made = rule.count(t, lr, *[c[()] for c in counters], *settings)
    for counter, value in zip(counters, made, strict=True):
        counter.fill(value)
    return before if rule.late else tuple([c.item() for c in counters])


def _on_gpu(state: State, name: str, array: Array) -> Array:
    """A counter as a float32 where ``array`` is."""
    counter = state[name].array
    if type(counter) is np.ndarray:
        counter = backend_of(array).from_numpy(counter.astype(np.float32))
        state[name] = Tensor.wrap(counter)
    return counter


def _full(array: Array, value: float) -> Tensor:
    """A buffer for a parameter."""
    return Tensor.wrap(backend_of(array).xp.full_like(array, value))


def _check_gradient(p: Tensor, group: int, number: int) -> None:
    array, grad = p.array, p.grad
    if not isinstance(grad, Variable):
        raise TypeError(
            "assigned grad expected to be a Tensor or None but got grad of type "
            f"{type(grad).__name__}\n"
            f"Give {_place(group, number)} a Tensor: p.grad = tinyconv.tensor(...)."
        )
    if array.dtype not in FLOATS:
        raise DTypeError(
            f"result type Float can't be cast to the desired output type {array.dtype.name}",
            "Only floating point numbers can be optimized, and "
            f"{_place(group, number)} has none: p.float().",
        )
    if not getattr(array.flags, "writeable", True):  # CuPy knows no read-only arrays
        raise ValueError(
            "assignment destination is read-only\n"
            f"The memory of {_place(group, number)} is somebody else's: optimize a copy, p.clone()."
        )
    if not _alike(array, grad.array):
        raise _unlike(array, grad.array, "grad", f"{_place(group, number)}:")


def _place(group: int, number: int) -> str:
    return f"parameter {number} of group {group}"


def _alike(array: Array, other: Array) -> bool:
    """Tell whether ``other`` can be combined with the parameter's ``array``, number by number."""
    return type(other) is type(array) and other.shape == array.shape and other.dtype == array.dtype


def _unlike(array: Array, other: Array, what: str, where: str) -> Exception:
    """Say why not."""
    if type(other) is not type(array):
        return DeviceError(
            f"assigned {what} has data located on a different device",
            f"{where} {backend_of(other).name}, but the parameter is on {backend_of(array).name}: "
            "move the model before building the optimizer.",
        )
    if other.shape != array.shape:
        return ShapeError(
            f"assigned {what} has data of a different size",
            f"{where} {other.shape}, but the parameter is {array.shape}: was it replaced after "
            "backward()?",
        )
    return DTypeError(
        f"assigned {what} has data of a different type",
        f"{where} {other.dtype.name}, but the parameter is {array.dtype.name}: "
        "convert the model before building the optimizer.",
    )
