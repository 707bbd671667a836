"""``state_dict`` and ``load_state_dict``: the state of a Module as a flat dict of tensors."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..autograd.mode import no_grad
from ..tensor import Parameter, Tensor
from .parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module

HOOKS = (
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
EXTRA = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What ``load_state_dict`` found nothing for, and what it had no use for."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return "_" + super().__repr__()

    __str__ = __repr__


# ── saving ──


def save(module: Module, destination: Any, prefix: str, keep_vars: bool) -> OrderedDict[str, Any]:
    """Collect the state of ``module`` and of all modules inside."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()
    metadata = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = metadata
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    for hook in module._state_dict_hooks.values():
        if hook(module, destination, prefix, metadata) is not None:
            raise RuntimeError(
                "state_dict post-hook must return None\nChange the dict it is given."
            )
    return destination


def save_own(module: Module, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Add the parameters and persistent buffers of one module."""
    for name, x in _own(module).items():
        destination[prefix + name] = x if keep_vars else x.detach()
    if _has_extra(module):
        destination[prefix + EXTRA] = module.get_extra_state()


def _own(module: Module) -> dict[str, Tensor]:
    both = itertools.chain(module._parameters.items(), module._buffers.items())
    return {k: x for k, x in both if x is not None and k not in module._non_persistent_buffers_set}


def _has_extra(module: Module) -> bool:
    return hasattr(type(module), "get_extra_state")


# ── loading ──


def load(
    module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool
) -> IncompatibleKeys:
    """Load all of ``state_dict`` into ``module``, or raise and leave it as it was."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"Expected state_dict to be dict-like, got {type(state_dict)}.\n"
            "Pass what model.state_dict() gave; from a file: load_state_dict(tinyconv.load(path))."
        )
    keys, errors = IncompatibleKeys([], []), list[str]()
    metadata = getattr(state_dict, "_metadata", {})
    entries = OrderedDict(state_dict)  # hooks may change it
    before = Snapshot(module, [*module.parameters(), *module.buffers()])
    try:
        _load(module, entries, "", metadata, assign, keys, errors)
        problems = _mismatches(keys) + errors if strict else errors
        if problems:
            lines = [f"Error(s) in loading state_dict for {type(module).__name__}:", *problems]
            raise RuntimeError("\n\t".join(lines) + _advice(keys, entries, errors))
    except BaseException:
        before.restore()
        raise
    return keys


def _load(
    module: Module,
    entries: dict[str, Any],
    prefix: str,
    metadata: Mapping[str, Any],
    assign: bool,
    keys: IncompatibleKeys,
    errors: list[str],
) -> None:
    local = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": assign}
    lists = (keys.missing_keys, keys.unexpected_keys, errors)
    for hook in module._load_state_dict_pre_hooks.values():
        hook(module, entries, prefix, local, True, *lists)
    module._load_from_state_dict(entries, prefix, local, True, *lists)
    for name, child in module._modules.items():
        if child is not None:
            _load(child, entries, f"{prefix}{name}.", metadata, assign, keys, errors)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new "
                "values, if incompatible_keys need to be modified, it should be done inplace."
            )


def load_own(
    module: Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Load the parameters and buffers of one module, and note what does not fit."""
    own = _own(module)
    for name, x in own.items():
        key = prefix + name
        if key in state_dict:
            problem = _load_one(
                module,
                name,
                key,
                x,
                state_dict[key],
                bool(local_metadata["assign_to_params_buffers"]),
            )
            if problem:
                error_msgs.append(problem)
        elif strict:
            missing_keys.append(key)
    if _has_extra(module):
        if prefix + EXTRA in state_dict:
            module.set_extra_state(state_dict[prefix + EXTRA])
        elif strict:
            missing_keys.append(prefix + EXTRA)
    if strict:
        known = {*own, *([EXTRA] if _has_extra(module) else [])}
        for key in state_dict:
            if key.startswith(prefix):
                name, inside, _ = key[len(prefix) :].partition(".")
                if name not in (module._modules if inside else known):
                    unexpected_keys.append(key)


def _load_one(module: Module, name: str, key: str, x: Tensor, new: Any, assign: bool) -> str:
    """Load one tensor; the result is a complaint, or empty."""
    if not isinstance(new, Tensor):
        return (
            f'While copying the parameter named "{key}", expected tinyconv.Tensor or Tensor-like '
            "object from "
            f"checkpoint but received {type(new)}"
        )
    if is_lazy(x) and is_lazy(new):
        return ""
    if x.shape == () and new.shape == (1,):
        new = new[0]  # files from before there were 0-d tensors
    if x.shape != new.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, the "
            "shape in "
            f"current model is {x.shape}."
        )
    if not assign:
        try:
            with no_grad():
                x.copy_(new.to(x.device))
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{x.shape} and whose "
                f"dimensions in the checkpoint are {new.shape}, an exception occurred : "
                f"{error.args}."
            )
    elif isinstance(x, Parameter):
        made = new if isinstance(new, Parameter) else Parameter(new)
        setattr(module, name, made.requires_grad_(x.requires_grad))
    else:
        setattr(module, name, new)
    return ""


class Snapshot:
    """Tensors, and the dicts of a module in which they lie, as they are now."""

    def __init__(self, module: Module, tensors: Iterable[Tensor]) -> None:
        homes: list[dict[str, Any]] = [m._parameters for m in module.modules()]
        homes += [m._buffers for m in module.modules()]
        self.dicts = [(home, dict(home)) for home in homes]
        self.tensors = [(x, type(x), x.counter().count, dict(vars(x)), _copy(x)) for x in tensors]

    def restore(self) -> None:
        """Put everything back: the same tensors in the same places, with the same numbers."""
        for d, entries in self.dicts:
            d.clear()
            d.update(entries)
        for x, cls, version, attributes, numbers in self.tensors:
            x.__class__ = cls  # one without a shape may have got one
            vars(x).clear()
            vars(x).update(attributes)
            x.counter().count = version
            if numbers is not None:
                x.array[...] = numbers


def _copy(x: Tensor) -> Any:
    return None if is_lazy(x) else x.array.copy()


# ── explaining ──


def _mismatches(keys: IncompatibleKeys) -> list[str]:
    named = (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
    return [
        f"{word} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in found) + ". "
        for word, found in named
        if found
    ]


def _advice(keys: IncompatibleKeys, entries: Mapping[str, Any], errors: list[str]) -> str:
    """A last line that says what to do, if there is something to say."""
    missing, unexpected = keys
    for key in unexpected:
        if isinstance(entries.get(key), Mapping):
            return f"\nThe value of {key!r} is itself a dict: load that, state_dict[{key!r}]."
    if extra := _prefix(unexpected, missing):
        return (
            f"\nAll keys start with {extra!r}: load "
            f"{{k.removeprefix({extra!r}): v for k, v in state_dict.items()}}."
        )
    if lacking := _prefix(missing, unexpected):
        return (
            f"\nThe state_dict is that of the part {lacking[:-1]!r}: load it there, "
            f"model.{lacking}load_state_dict(...)."
        )
    if errors:
        return (
            "\nBuild the model with the sizes it was saved with, or leave these keys out and load "
            "with strict=False."
        )
    return "\nWith strict=False, what matches is loaded and the rest stays as it is."


def _prefix(longer: list[str], shorter: list[str]) -> str:
    """The first part of all names in ``longer``, if without it they are those in ``shorter``."""
    prefix = longer[0].partition(".")[0] + "." if longer else ""
    if prefix and shorter and {k.removeprefix(prefix) for k in longer} >= set(shorter):
        return prefix
    return ""
