"""What every optimizer keeps: groups of parameters, a state for each, hooks around ``step``."""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..autograd.function import Handle
from ..backend import backend_of
from ..dtypes import FLOATS
from ..tensor import Tensor
from .rule import counter_type

Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, Any]


class Optimizer:
    """Base of all optimizers: groups of parameters, each with its own settings.

    ``params`` are tensors, pairs (name, tensor), or dicts with the key ``"params"`` and settings
    that differ from ``defaults`` in that group. A subclass writes ``step``.

    Attributes: ``param_groups``, the groups as dicts; ``state``, what is remembered about a
    parameter; ``defaults``, the settings of a group that says nothing else.

    Raises ``TypeError`` for what is no tensor, ``ValueError`` for an empty list, for a tensor made
    by an operation, and for a parameter in two groups.

    >>> import tinyconv as tc
    >>> class SignDescent(tc.optim.Optimizer):
    ...     def step(self, closure=None):
    ...         with tc.no_grad():
    ...             for group in self.param_groups:
    ...                 for p in group["params"]:
    ...                     p -= group["lr"] * p.grad.sign()
    >>> x = tc.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SignDescent([x], {"lr": 0.5})
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.5, -1.5]
    """

    counters: ClassVar[tuple[str, ...]] = ("step",)  # single numbers in the state of a parameter

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}\nPut it into a list: [tensor]."
            )
        self.defaults = defaults
        self.state: defaultdict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._optimizer_step_pre_hooks: dict[int, Any] = {}
        self._optimizer_step_post_hooks: dict[int, Any] = {}
        self._opt_called = False  # schedules ask: they want to come second
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list\n"
                "Pass model.parameters(); if a generator was passed, somebody may have used it up."
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]  # same call, plus hooks

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"

    # ── groups ──

    def add_param_group(self, param_group: Group) -> None:
        """Optimize further parameters, with settings of their own.

        The dict passed in is copied. Raises as the constructor does.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"param_group must be a dict, but got {type(param_group)}\n"
                'Write {"params": [...], "lr": ...}: tensors and groups cannot stand in one list.'
            )
        group = {**self.defaults, **param_group}
        group["params"], names = _unzip(group["params"])
        if names:
            group["param_names"] = names
        for p in group["params"]:
            self._check_param(p)
        if len({id(p) for p in group["params"]}) < len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "each step will update them as often as they are named",
                stacklevel=3,
            )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in known for p in group["params"]):
            raise ValueError(
                "some parameters appear in more than one parameter group\n"
                "Keep each in one group: its settings would contradict each other."
            )
        named = "param_names" in group
        if any(("param_names" in other) != named for other in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer\n"
                "Pass named_parameters() in every group, or parameters() in every group."
            )
        self.check(group)
        self.param_groups.append(group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                "optimizer can only optimize Tensors, but one of the params is "
                f"{type(p).__name__}\nPass model.parameters() or a list of tensors."
            )
        if not (p.is_leaf or p.keeps_grad or self.defaults.get("differentiable")):
            raise ValueError(
                "can't optimize a non-leaf Tensor\n"
                "It was computed from other tensors: pass those, or make it a starting point of "
                "its own with x.detach().requires_grad_()."
            )

    def check(self, group: Group) -> None:
        """Raise if a setting of a new group is out of its range; the base knows of none."""

    # ── the step ──

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; with ``set_to_none=False`` make them zero."""
        for p in self._params():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                if p.grad.requires_grad:  # by backward(create_graph=True); zeros have no past
                    p.grad = p.grad.detach()
                p.grad.array[...] = 0
                p.grad.bump()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change all parameters once; return what ``closure`` returned, if there was one."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what a step is: write step()."
        )

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` before each step.

        It may return ``(args, kwargs)`` to take their place; ``args[0]`` is the optimizer.
        """
        return Handle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return Handle(self._optimizer_step_post_hooks, hook)

    # ── save and load ──

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state with parameters replaced by their numbers, in torch's format.

        ``{"state": {0: {"step": ...}, ...}, "param_groups": [{"lr": ..., "params": [0, ...]},
        ...]}``. The tensors are those of the optimizer, not copies.
        """
        number: dict[int, int] = {}
        for i, p in enumerate(self._params()):
            number.setdefault(id(p), i)
        return {
            "state": {number.get(id(p), p): state for p, state in self.state.items()},
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copy settings and state from a ``state_dict()``: all of it, or on an error nothing.

        Buffers take the number type and device of their parameter. They may be tensors or whatever
        NumPy reads, so a dict saved by PyTorch's optimizer of the same name is fine too.

        Raises ``ValueError`` if groups or shapes do not match, ``KeyError`` if a setting is
        missing.
        """
        groups, saved = self.param_groups, state_dict["param_groups"]
        if len(groups) != len(saved):
            raise ValueError(
                "loaded state dict has a different number of parameter groups\n"
                f"It has {len(saved)}, this optimizer {len(groups)}: build it as when saving."
            )
        for i, (group, other) in enumerate(zip(groups, saved, strict=True)):
            if len(group["params"]) != len(other["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group\nGroup {i} has {len(other['params'])} parameters there and "
                    f"{len(group['params'])} here: build the same model as when saving."
                )
        loaded = [self._load_group(*pair) for pair in zip(groups, saved, strict=True)]
        owner = {
            number: (p, group)
            for group, other in zip(loaded, saved, strict=True)
            for number, p in zip(other["params"], group["params"], strict=True)
        }
        state: defaultdict[Any, State] = defaultdict(dict)
        for number, entry in state_dict["state"].items():
            if number in owner:
                p, group = owner[number]
                state[p] = self._load_state(p, entry)
                self.check_state(p, state[p], group)
            else:
                state[number] = deepcopy(entry)
        self.state, self.param_groups = state, loaded  # nothing was changed up to here

    def check_state(self, p: Tensor, state: State, group: Group) -> None:
        """Raise if ``state`` does not fit ``p``; the base does not know what it holds."""

    def _load_group(self, group: Group, saved: Group) -> Group:
        # older files lack newer switches, which were off then
        switches = {k: v for k, v in self.defaults.items() if v is None or isinstance(v, bool)}
        missing = self.defaults.keys() - switches.keys() - saved.keys()
        if missing:
            raise KeyError(
                f"loaded state dict has no setting {', '.join(sorted(map(repr, missing)))}: it "
                f"was saved by another optimizer than {type(self).__name__}"
            )
        names = {k: v for k, v in group.items() if k == "param_names"}
        return {**names, **switches, **deepcopy(saved), "params": group["params"]}

    def _load_state(self, p: Tensor, entry: State) -> State:
        """Copy the saved state of one parameter: counters stay on the CPU, buffers go where the parameter is."""
        state: State = {}
        for name, value in entry.items():
            if name in self.counters:
                saved = _on_cpu(value)
                kind = (
                    saved.dtype if name == "step" else p.array.dtype
                )  # a count stays as it was saved
                if kind not in FLOATS or isinstance(value, (int, float)):
                    kind = counter_type()
                state[name] = Tensor.wrap(np.array(saved, kind))
            elif value is not None:  # None: a buffer that the next step makes
                state[name] = _loaded(p, value)
        return state

    def _params(self) -> Iterable[Tensor]:
        return (p for group in self.param_groups for p in group["params"])


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        optimizer = args[0]
        optimizer._opt_called = True
        for hook in list(optimizer._optimizer_step_pre_hooks.values()):
            replaced = hook(optimizer, args, kwargs)
            if replaced is not None:
                args, kwargs = replaced
        result = step(*args, **kwargs)
        for hook in list(optimizer._optimizer_step_post_hooks.values()):
            hook(optimizer, args, kwargs)
        return result

    return hooked


def _unzip(params: Any) -> tuple[list[Any], list[str]]:
    """Split what stands under ``"params"`` into tensors and their names, if they have any."""
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    entries = [params] if isinstance(params, Tensor) else list(params)
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names and len(names) < len(entries):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing\n"
            "Pass either (name, tensor) pairs only, or tensors only."
        )
    return [entry[1] for entry in entries] if names else entries, names


def _loaded(p: Tensor, value: Any) -> Any:
    """A copy of what belongs to a parameter: arrays with its number type and on its device, also those in lists."""
    if isinstance(value, list):
        return [_loaded(p, v) for v in value]
    if not hasattr(value, "__array__"):
        return deepcopy(value)
    array = np.array(_on_cpu(value), p.array.dtype)
    return Tensor.wrap(backend_of(p.array).from_numpy(array))


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return backend_of(value.array).to_numpy(value.array)
    return np.asarray(value)
