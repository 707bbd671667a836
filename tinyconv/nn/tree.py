"""What a Module is made of: parameters, buffers and smaller Modules, by name, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from ..tensor import Tensor
from .parameter import Buffer, Parameter

if TYPE_CHECKING:
    from .module import Module


class Tree:
    """Base of Module: sorts what is assigned as an attribute by kind, and finds it again.

    A parameter, buffer or module does not lie in ``__dict__`` but in the dict of its kind, from
    where ``__getattr__`` fetches it.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        vars(self).update(
            _parameters={}, _buffers={}, _modules={}, _non_persistent_buffers_set=set()
        )

    # ── attributes ──

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_parameters" in own and (
            name in (home := own["_parameters"])
            or name in (home := own["_modules"])
            or name in (home := own["_buffers"])
        ):
            return home[name]
        raise _MissingAttribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        for kind in KINDS:
            home = own.get(kind.store)
            if isinstance(value, kind.cls):
                if home is None:
                    raise AttributeError(
                        f"cannot assign {kind.noun + 's' * (kind is PARAMETER)} before "
                        f"Module.__init__() call\n{_init_first(self)}"
                    )
                if name not in home:
                    self._forget(name)
                kind.register(self, name, value)
                return
            if home is not None and name in home:
                if value is None or (kind.store == "_buffers" and isinstance(value, Tensor)):
                    home[name] = value
                    return
                raise TypeError(
                    f"cannot assign '{typename(value)}' as {kind.role} '{name}' ({kind.wanted} or "
                    "None expected)\n"
                    f"To write new numbers into it: self.{name}.copy_(...) under no_grad(); "
                    f"to make {name!r} an ordinary attribute: del self.{name} first."
                )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if not self._forget(name):
            object.__delattr__(self, name)

    def _forget(self, name: str) -> bool:
        """Remove an attribute of whatever kind, if it exists."""
        own = self.__dict__
        own.get("_non_persistent_buffers_set", set()).discard(name)
        for home in (*(own.get(store, {}) for store in STORES), own):
            if name in home:
                del home[name]
                return True
        return False

    def __dir__(self) -> list[str]:
        names = {*object.__dir__(self), *self._parameters, *self._modules, *self._buffers}
        return sorted(n for n in names if not n[:1].isdigit())

    # ── registration ──

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, reachable as an attribute; None keeps the place free."""
        self._check_name(name, PARAMETER)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(tinyconv.nn.Parameter or None "
                "required)\nWrite Parameter(tensor)."
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                "created explicitly. "
                f"To express '{name}' as a function of another Tensor, compute the value in the "
                "forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained, such as a running mean.

        Args:
            persistent: whether ``state_dict()`` contains it.
        """
        self._check_name(name, BUFFER)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (tinyconv.Tensor or "
                "None required)\n"
                "Write tinyconv.tensor(...)."
            )
        self._buffers[name] = tensor
        (
            self._non_persistent_buffers_set.discard
            if persistent
            else self._non_persistent_buffers_set.add
        )(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a module, reachable as an attribute; None keeps the place free."""
        if module is not None and not isinstance(module, Tree):
            raise TypeError(
                f"{typename(module)} is not a Module subclass\nPass an instance of a Module."
            )
        self._check_name(name, MODULE)
        self._modules[name] = module

    add_module = register_module

    def _check_name(self, name: Any, kind: Kind) -> None:
        if kind.store not in self.__dict__:
            raise AttributeError(
                f"cannot assign {kind.noun} before Module.__init__() call\n{_init_first(self)}"
            )
        if not isinstance(name, str):
            raise TypeError(f"{kind.noun} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{kind.noun} name can\'t contain ".", got: {name}')
        if not name:
            raise KeyError(f'{kind.noun} name can\'t be empty string ""')
        if name not in getattr(self, kind.store) and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ── the tree ──

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """All modules with their paths: this one, then those inside, depth first."""
        memo = set() if memo is None else memo
        me: Any = self  # a Module: there are no other trees
        if me in memo:
            return
        if remove_duplicate:
            memo.add(me)
        yield prefix, me
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """All modules: this one, then those inside, depth first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        for _, module in self.named_children():
            yield module

    def _named(
        self, store: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        homes = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        seen = set()
        for path, module in homes:
            for name, x in getattr(module, store).items():
                if x is None or x in seen:
                    continue
                if remove_duplicate:
                    seen.add(x)
                yield (f"{path}.{name}" if path else name), x

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, shared ones once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters: what an optimizer takes.

        >>> import tinyconv as tc
        >>> [tuple(p.shape) for p in tc.nn.Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their paths, shared ones once."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"features.3"``; this one for ``""``."""
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(
                    f"{type(module).__name__} has no attribute "
                    f"`{name}`{closest(name, module._modules)}"
                )
            module = getattr(module, name)
            if not isinstance(module, Tree):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"features.3.weight"``."""
        return self._get(target, Parameter, "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"features.1.running_mean"``."""
        return self._get(target, None, "a buffer")

    def _get(self, target: str, wanted: type | None, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            others = {**module._parameters, **module._buffers}
            raise AttributeError(
                f"{type(module).__name__} has no attribute `{name}`{closest(name, others)}"
            )
        found = getattr(module, name)
        if not (isinstance(found, wanted) if wanted else name in module._buffers):
            raise AttributeError(f"`{name}` is not {what}")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path; with ``strict``, only where one was before."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Tree):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict:
            parent.get_submodule(name)
        elif name not in parent._modules and hasattr(parent, name):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)


class Kind(NamedTuple):
    """One of the three kinds of things that are found among the attributes."""

    store: str
    cls: type
    noun: str
    role: str
    wanted: str
    register: Callable[[Any, str, Any], None]


PARAMETER = Kind(
    "_parameters", Parameter, "parameter", "parameter", "tinyconv.nn.Parameter",
    lambda m, name, x: m.register_parameter(name, x),
)  # fmt: skip
BUFFER = Kind(
    "_buffers", Buffer, "buffer", "buffer", "tinyconv.nn.Buffer, tinyconv.Tensor",
    lambda m, name, x: m.register_buffer(name, x, x.persistent),
)  # fmt: skip
MODULE = Kind(
    "_modules", Tree, "module", "child module", "tinyconv.nn.Module",
    lambda m, name, x: m._modules.__setitem__(name, x),
)  # fmt: skip
KINDS = (PARAMETER, MODULE, BUFFER)
STORES = ("_parameters", "_buffers", "_modules")


class _MissingAttribute(AttributeError):
    """The hint is looked for when somebody reads it: ``hasattr`` should be fast."""

    def __init__(self, owner: Tree, name: str) -> None:
        super().__init__(f"'{type(owner).__name__}' object has no attribute '{name}'")
        self.owner, self.missing = owner, name

    def __str__(self) -> str:
        if "_parameters" not in vars(self.owner):
            return f"{self.args[0]}\n{_init_first(self.owner)}"
        return self.args[0] + closest(
            self.missing, [n for n in dir(self.owner) if not n.startswith("__")]
        )

    def __reduce__(self) -> Any:
        return AttributeError, (str(self),)


def closest(name: str, names: Iterable[str]) -> str:
    """A second line that names what may have been meant."""
    found = get_close_matches(name, names, 1)
    return f"\nDid you mean {found[0]!r}?" if found else ""


def _init_first(owner: Tree) -> str:
    return f"Write super().__init__() as the first line of {type(owner).__name__}.__init__."


def typename(x: Any) -> str:
    """The type of ``x`` as errors print it: ``int``, ``tinyconv.FloatTensor``, ``module.Class``."""
    if type(x) is Tensor:
        return str(x.type())
    cls = type(x)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
