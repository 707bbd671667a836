"""Modules that hold others in order or by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import index as to_int
from typing import Any, Self, overload

from ..autograd.mode import is_grad_enabled
from ..tensor import Parameter, Tensor
from . import fusion
from .module import Module, indented

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Row(Module):
    """Modules in a row, named by their place."""

    def _name(self, index: Any) -> str:
        """The name of the module at a place, which may count from the end."""
        names, i = list(self._modules), to_int(index)
        if not -len(names) <= i < len(names):
            raise IndexError(
                f"index {i} is out of range\nThere are {len(names)} modules in this "
                f"{self._get_name()}."
            )
        return names[i]

    def _picked(self, where: slice) -> Self:
        raise NotImplementedError(f"{type(self).__name__}[a:b]")

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]  # seldom None

    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...

    def __getitem__(self, index: Any) -> Any:
        return self._picked(index) if isinstance(index, slice) else self._modules[self._name(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name(index)]:
            delattr(self, name)
        self._modules = {str(i): module for i, module in enumerate(self._modules.values())}

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{self._get_name()}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}\n"
                "For one module: append(module)."
            )
        for module in list(modules):
            self.append(module)
        return self

    __iadd__ = extend

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at ``index``."""
        n, at = len(self), to_int(index)
        if not -n <= at <= n:
            raise IndexError(f"Index out of range: {index}")
        row = list(self._modules.values())
        self.append(module)  # it checks, and makes the last name
        row.insert(at, module)
        self._modules = dict(zip(self._modules, row, strict=True))

    def pop(self, key: int | slice) -> Any:
        """Take out a module."""
        module = self[key]
        del self[key]
        return module


class Sequential(_Row):
    """Modules one after the other: the output of each is the input of the next.

    Args: the modules, or one ``OrderedDict`` of names and modules.

    >>> import tinyconv as tc
    >>> net = tc.nn.Sequential(tc.nn.Linear(3, 4), tc.nn.Linear(4, 2))
    >>> net(tc.ones(1, 3)).shape
    tinyconv.Size([1, 2])
    >>> net[:1]
    Sequential(
      (0): Linear(in_features=3, out_features=4, bias=True)
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        one = len(args) == 1 and isinstance(args[0], OrderedDict)
        named = args[0] if one else {str(i): module for i, module in enumerate(args)}
        for name, module in named.items():
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Pass ``input`` through all modules."""
        if not is_grad_enabled():
            return fusion.run(list(self._modules.values()), input)  # type: ignore[arg-type]  # seldom None
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]  # seldom None
        return input

    def _picked(self, where: slice) -> Self:
        return type(self)(OrderedDict(list(self._modules.items())[where]))

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_modules_of(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(_modules_of(other))

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add the modules of another row at the end."""
        return super().extend(sequential)

    def insert(self, index: int, module: Module) -> Self:  # type: ignore[override]  # as in torch
        """Put a module before the one at ``index``."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        super().insert(index, module)
        return self

    def __mul__(self, n: int) -> Sequential:
        return Sequential(*self._times(n))

    __rmul__ = __mul__

    def __imul__(self, n: int) -> Self:
        return self.extend(self._times(n)[len(self) :])

    def _times(self, n: Any) -> list[Module]:
        if not isinstance(n, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(n)}")
        if n <= 0:
            raise ValueError(f"Non-positive multiplication factor {n} for {type(self)}")
        return list(self) * n


def _modules_of(other: Any) -> list[Module]:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given.\n"
            "Write Sequential(*a, *b)."
        )
    return list(other)


class ModuleList(_Row):
    """A list of modules that a Module finds; to be called one by one.

    >>> import tinyconv as tc
    >>> layers = tc.nn.ModuleList(tc.nn.Linear(2, 2) for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _picked(self, where: slice) -> Self:
        return type(self)(list(self)[where])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        runs: list[list[Any]] = []  # [first place, how many, text]
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] += 1
            else:
                runs.append([i, 1, text])
        return [
            f"({i}): {indented(text)}" if n == 1 else f"({i}-{i + n - 1}): {n} x {indented(text)}"
            for i, n, text in runs
        ]


def _pairs(given: Any, what: str) -> Iterable[tuple[str, Any]]:
    """The entries of a mapping, or of a list of pairs, for the ``update`` of a dict."""
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{what}.update should be called with an iterable of key/value pairs, but got "
            f"{type(given).__name__}"
        )
    if hasattr(given, "items"):
        yield from given.items()
        return
    for i, pair in enumerate(given):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{what} update sequence element #{i} should be Iterable; is {type(pair).__name__}"
            )
        entry = tuple(pair)
        if len(entry) != 2:
            raise ValueError(
                f"{what} update sequence element #{i} has length {len(entry)}; 2 is required"
            )
        yield entry


class ModuleDict(Module):
    """A dict of modules that a Module finds.

    >>> import tinyconv as tc
    >>> heads = tc.nn.ModuleDict({"digit": tc.nn.Linear(4, 10), "colour": tc.nn.Linear(4, 3)})
    >>> heads["colour"](tc.ones(1, 4)).shape
    tinyconv.Size([1, 3])
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[return-value]  # seldom None

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """The names with their modules."""
        return self._modules.items()

    def clear(self) -> None:
        """Remove all."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take out a module."""
        return self._modules.pop(key)  # type: ignore[return-value]  # seldom None

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs, replacing those of the same name."""
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


# ── parameters ──


def _trained(x: Any) -> Any:
    return Parameter(x) if isinstance(x, Tensor) and not isinstance(x, Parameter) else x


def _line(name: str, x: Any, kind: str) -> str:
    if not isinstance(x, Tensor):
        return f"  ({name}): Object of type: {type(x).__name__}"
    size = "x".join(map(str, x.shape))
    where = f" (GPU {x.device.index})" if x.is_cuda else ""
    what = "Parameter" if isinstance(x, Parameter) else "Tensor"
    return f"  ({name}): {what} containing: [{kind} of size {size}{where}]"


class ParameterList(Module):
    """A list of parameters that a Module finds; a tensor becomes a Parameter, other things stay.

    >>> import tinyconv as tc
    >>> factors = tc.nn.ParameterList([tc.ones(2), tc.ones(3)])
    >>> sum(p.numel() for p in factors.parameters())
    5
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _name(self, index: Any) -> str:
        i = to_int(index)
        if not -self._size <= i < self._size:
            raise IndexError(
                f"index {i} is out of range\nThere are {self._size} entries in this ParameterList."
            )
        return str(i % self._size)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, str(i)) for i in range(self._size)])

    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @overload
    def __getitem__(self, index: int) -> Any: ...

    def __getitem__(self, index: Any) -> Any:
        return (
            type(self)(list(self)[index])
            if isinstance(index, slice)
            else getattr(self, self._name(index))
        )

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name(index), _trained(value))

    def append(self, value: Any) -> Self:
        """Add an entry at the end."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several entries at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                f"{type(values).__name__}\n"
                "For one entry: append(value)."
            )
        for value in list(values):
            self.append(value)
        return self

    __iadd__ = extend

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")

    def extra_repr(self) -> str:
        kinds = [str(x.dtype) if isinstance(x, Tensor) else "" for x in self]
        return "\n".join(
            _line(str(i), x, kind) for i, (x, kind) in enumerate(zip(self, kinds, strict=True))
        )


class ParameterDict(Module):
    """A dict of parameters that a Module finds; a tensor becomes a Parameter, other things stay.

    >>> import tinyconv as tc
    >>> scales = tc.nn.ParameterDict({"x": tc.ones(2), "y": tc.ones(3)})
    >>> [name for name, _ in scales.named_parameters()]
    ['x', 'y']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type "
                "is "
                f"'{type(key).__name__}').\nThe key becomes the name of an attribute: write "
                "str(key)."
            )
        if key not in self._keys and hasattr(self, key):
            raise KeyError(f"attribute '{key}' already exists")
        setattr(self, key, _trained(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Any:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The entries."""
        return (self[k] for k in self._keys)

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names with their entries."""
        return ((k, self[k]) for k in self._keys)

    def get(self, key: str, default: Any = None) -> Any:
        """The entry under ``key``, or ``default``."""
        return getattr(self, key) if key in self else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry under ``key``, which becomes ``default`` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Take out an entry."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out the last entry, with its name."""
        key, _ = self._keys.popitem()
        self._keys[key] = None
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all."""
        for key in list(self._keys):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A dict with these names and one entry for all."""
        return ParameterDict((k, default) for k in keys)

    def update(self, parameters: Any) -> None:
        """Add entries from a mapping or from pairs; those of a plain dict in the order of names."""
        pairs = _pairs(parameters, "ParameterDict")
        plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        for key, value in sorted(pairs, key=lambda pair: pair[0]) if plain else pairs:
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        new = self.copy()
        new.update(other)
        return new

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        return other.copy() | self

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def extra_repr(self) -> str:
        return "\n".join(
            _line(k, x, x.data.type() if isinstance(x, Tensor) else "") for k, x in self.items()
        )
