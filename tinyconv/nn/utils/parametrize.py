"""Tensors of a Module that are computed from others: ``weight`` becomes a function of what is trained.

A parametrized module gets a class of its own, with a property for each parametrized tensor. The class is never changed:
another tensor, or one less, is another class, so copies of a module do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from ...autograd.mode import no_grad
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_depth = 0  # of `cached()` in `cached()`
_values: dict[tuple[int, str], Tensor] = {}  # by the id of a module and the name of its tensor


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once in the body of the ``with``, when it is first asked for.

    >>> import tinyconv as tc, tinyconv.nn.utils.parametrize as P
    >>> layer = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(2, 3))
    >>> layer.weight is layer.weight
    False
    >>> with P.cached():
    ...     layer.weight is layer.weight
    True
    """
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _values.clear()


class ParametrizationList(ModuleList):
    """The functions that one tensor goes through, and what it is computed from.

    Called, it computes the tensor. What is trained is ``original``, or ``original0``, ``original1``, ... if the
    ``right_inverse`` of the first function returns several. :func:`register_parametrization` makes these lists.

    Args:
        modules: the functions, in the order of their application.
        original: the tensor as it is; it stays the same object if there is one ``original``.
        unsafe: let dtype and shape change, and do not check.
    """

    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # then it counts as the identity
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._check_single(original, new)
            original.data = new.data  # the same parameter, which an optimizer may know already
            _register(self, "original", original)
        else:
            self._register_several(original, new)
        if not unsafe:
            _check(self(), "original", dtype, shape)

    @staticmethod
    def _check_single(original: Tensor, new: Tensor) -> None:
        for what in ("dtype", "device"):
            if getattr(original, what) != getattr(new, what):
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {getattr(original, what)}\n"
                    f"right_inverse(original).{what}: {getattr(new, what)}"
                )

    def _register_several(self, original: Tensor, parts: Sequence[Any]) -> None:
        for i, part in enumerate(parts):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type {type(part).__name__}."
                )
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            _register(self, f"original{i}", part.requires_grad_(original.requires_grad))

    def forward(self) -> Any:
        """Compute the tensor."""
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x

    def _originals(self) -> list[Tensor]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Any) -> None:
        """Set what is trained so that the tensor becomes ``value``: what an assignment to it does.

        Raises:
            RuntimeError: a function has no ``right_inverse``.
            ValueError: one returned something else than at the registration.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse.\n"
                        "Write one that returns what forward() makes this value of, or set "
                        "parametrizations.<name>.original."
                    )
                value = module.right_inverse(value)
        if self.is_tensor:
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"`right_inverse` should return a tensor. Got {type(value).__name__}"
                )
            if value.dtype != self.original.dtype:
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {value.dtype} while "
                    f"`original` has dtype {self.original.dtype}"
                )
            self.original.data = value.data
        else:
            self._set_several(value)

    def _set_several(self, values: Any) -> None:
        if not isinstance(values, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(values).__name__}."
            )
        if len(values) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                f"Got a sequence of length {len(values)}."
            )
        for i, (old, new) in enumerate(zip(self._originals(), values, strict=True)):
            if not isinstance(new, Tensor):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors or reference-type opaques. "
                    f"Got element {i} of type {type(new).__name__}."
                )
            if new.dtype != old.dtype:
                raise ValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {new.dtype} while "
                    f"`original{i}` has dtype {old.dtype}"
                )
            old.data = new.data


def _register(module: Module, name: str, x: Tensor) -> None:
    if isinstance(x, Parameter):
        module.register_parameter(name, x)
    else:
        module.register_buffer(name, x)


def _check(new: Any, name: str, dtype: Any, shape: Any) -> None:
    """Refuse a parametrization whose result is no tensor, or of another dtype or shape."""
    if not isinstance(new, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(new).__name__}.")
    for what, old in (("dtype", dtype), ("shape", shape)):
        if getattr(new, what) != old:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                f"the `unsafe` flag is enabled.\n{name}.{what}: {old}\n"
                f"parametrization({name}).{what}: {getattr(new, what)}"
            )


# ── the class of a parametrized module ──


def _class_of(cls: type[Module], names: Iterable[str]) -> type[Module]:
    """A subclass whose tensors of these names are computed when they are read."""
    members: dict[str, Any] = {name: _property(name) for name in names}
    members["__getstate__"] = _no_state
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    return type(f"Parametrized{cls.__name__}", (cls,), members)


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        compute: Callable[[], Any] = self.parametrizations[name]
        if not _depth:
            return compute()
        key = id(self), name
        if key not in _values:
            _values[key] = compute()
        return _values[key]

    def set(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set, doc="Computed: see ``parametrizations``.")


def _no_state(self: Module) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict().\n"
        "Save module.state_dict(), and load it into a module that is parametrized in the same way."
    )


def _deepcopy(self: Module, memo: dict[int, Any]) -> Module:
    copy = object.__new__(type(self))
    memo[id(self)] = copy
    vars(copy).update(deepcopy(vars(self), memo))
    return copy


# ── for users ──


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a parameter or buffer be computed: ``module.weight`` becomes ``parametrization(original)``.

    What is trained moves to ``module.parametrizations.weight.original``. A second parametrization takes what the first
    returns. If a parametrization has ``right_inverse``, ``module.weight = x`` sets the original so that ``module.weight``
    becomes ``x``; with several return values of it, there are as many originals, and ``forward`` takes them all.

    Args:
        tensor_name: which parameter or buffer.
        parametrization: a Module from the original to the tensor.
        unsafe: let dtype and shape change, and do not check.

    Raises:
        ValueError: there is no such tensor, or dtype or shape would change.

    >>> import tinyconv as tc, tinyconv.nn.utils.parametrize as P
    >>> class Symmetric(tc.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = P.register_parametrization(tc.nn.Linear(2, 2), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all()), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    >>> layer.weight.sum().backward()
    >>> layer.parametrizations.weight.original.grad
    tensor([[1., 2.],
            [0., 1.]])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        row = _rows(module)[tensor_name]
        if not unsafe:
            _check_addition(getattr(module, tensor_name), parametrization, f"module.{tensor_name}")
        row.append(parametrization)
        row.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        row = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.parametrizations = ModuleDict()
            original = type(module)
        else:
            original = type(module).__bases__[0]
        module.__class__ = _class_of(original, [*module.parametrizations, tensor_name])
        module.parametrizations[tensor_name] = row
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _rows(module: Module) -> Any:
    return module.parametrizations


def _check_addition(y: Tensor, parametrization: Any, name: str) -> None:
    """Refuse a further parametrization that leaves the tensors of dtype and shape of ``y``."""
    x = parametrization(y)
    _check(x, name, y.dtype, y.shape)
    if not hasattr(parametrization, "right_inverse"):
        return
    with suppress(NotImplementedError):
        z = parametrization.right_inverse(x)
        if not isinstance(z, Tensor):
            raise ValueError(
                f"parametrization.right_inverse must return a tensor. Got: {type(z).__name__}"
            )
        for what in ("dtype", "shape"):
            if getattr(z, what) != getattr(y, what):
                raise ValueError(
                    f"The tensor returned by parametrization.right_inverse must have the same "
                    f"{what} as {name}, unless the `unsafe` flag is enabled.\n"
                    f"{name}.{what}: {getattr(y, what)}\nreturned {what}: {getattr(z, what)}"
                )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Tell whether this tensor of the module is parametrized, or any if none is named."""
    rows = getattr(module, "parametrizations", None)
    if not isinstance(rows, ModuleDict):
        return False
    return len(rows) > 0 if tensor_name is None else tensor_name in rows


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor an ordinary one again.

    Args:
        leave_parametrized: keep the numbers that it had as computed; otherwise those of the original.

    Raises:
        ValueError: it is not parametrized, or has several originals of which none is to be kept.

    >>> import tinyconv as tc, tinyconv.nn.utils.parametrize as P
    >>> layer = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(2, 3))
    >>> P.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    row = _rows(module)[tensor_name]
    if row.is_tensor:
        original = row.original
        if leave_parametrized:
            with no_grad():
                original.data = getattr(module, tensor_name).data
    elif leave_parametrized:
        t = getattr(module, tensor_name)
        original = Parameter(t) if t.requires_grad else t
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    cls = type(module).__bases__[0]
    del _rows(module)[tensor_name]
    left = list(_rows(module))
    module.__class__ = _class_of(cls, left) if left else cls
    _register(module, tensor_name, original)
    if not left:
        del module.parametrizations
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of a module, as if nothing of it were parametrized.

    >>> import tinyconv as tc, tinyconv.nn.utils.parametrize as P
    >>> layer = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(2, 3))
    >>> type(layer).__name__, P.type_before_parametrizations(layer).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize ``to_module`` with the modules and the originals of ``from_module``, which both share then.

    Args:
        tensor_name: which tensor; all parametrized ones if not given.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in _rows(from_module) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source = _rows(from_module)[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        for original, x in source._parameters.items() | source._buffers.items():
            setattr(_rows(to_module)[name], original, x)
    return to_module
