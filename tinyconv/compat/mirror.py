"""Modules that look like PyTorch's and hold what tinyconv has.

A mirror passes every name on to its original, so that settings such as ``torch.backends.cudnn.benchmark = True`` arrive
where they are read. A name that is not there is refused with the nearest one that is.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ..alias import call_library

# what scripts import -> where it is here
NAMES = {
    "torch": "tinyconv",
    "torchvision": "tinyconv.vision",
    "torchsummary": "tinyconv.utils.summary",
    "torchinfo": "tinyconv.utils.summary",
    "torch.hub": "tinyconv.vision.hub",
    "torch.autograd.function": "tinyconv.autograd.custom",
    "torch.nn.modules": "tinyconv.nn",
    "torch.nn.modules.batchnorm": "tinyconv.nn.norm",
    "torch.nn.modules.utils": "tinyconv.compat.tuples",
}
VERSION = "2.13.0+tinyconv"  # the PyTorch whose behaviour this is
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


def original(name: str) -> str:
    """The module of tinyconv that stands for this one; empty if none does."""
    known, rest = name, ""
    while known and known not in NAMES:
        known, _, last = known.rpartition(".")
        rest = f".{last}{rest}"
    return NAMES[known] + rest if known else ""


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is not
        return False


class Mirror(ModuleType):
    """A module under another name."""

    def __init__(self, name: str, module: ModuleType) -> None:
        super().__init__(name, module.__doc__)
        vars(self)["_module"] = module

    def __getattr__(self, name: str) -> Any:
        if name == "__version__" and "." not in self.__name__:
            return VERSION
        own = f"{self.__name__}.{name}"
        if own in NAMES:
            return import_module(own)
        try:
            value = getattr(self._module, name)
        except AttributeError:
            value = None
            if not name.startswith("__") and _is_there(original(own)):
                return import_module(own)
            self._refuse(name)
        if isinstance(value, ModuleType) and value.__name__ == original(own):
            return import_module(own)
        return value

    def _refuse(self, name: str) -> None:
        """Raise; a question (``hasattr``) gets an AttributeError, an import its reason."""
        near = get_close_matches(name, dir(self._module), 1)
        hint = f" The nearest name is {self.__name__}.{near[0]}." if near else ""
        text = f"{self.__name__}.{name} is not in tinyconv.{hint}"
        caller = sys._getframe(
            2
        )  # of `from m import name` Python itself would only say that it failed
        importing = caller.f_code.co_code[caller.f_lasti] == _IMPORT_FROM
        raise (ImportError if importing else AttributeError)(text)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        elif not (isinstance(value, Mirror) and original(value.__name__) == value._module.__name__):
            setattr(self._module, name, value)

    def __dir__(self) -> list[str]:
        return dir(self._module)


class _Finder(MetaPathFinder, Loader):
    """Finds a mirror for each module of `NAMES` and below."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in NAMES:
            return None
        if not _is_there(original(name)):
            home, _, last = original(name).rpartition(".")
            names = dir(import_module(home)) if home and _is_there(home) else []
            near = get_close_matches(last, names, 1)
            hint = f" The nearest name is {name.rpartition('.')[0]}.{near[0]}." if near else ""
            raise ModuleNotFoundError(f"{name} is not in tinyconv.{hint}", name=name)
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Mirror(spec.name, import_module(original(spec.name)))

    def exec_module(self, module: ModuleType) -> None: ...


_finder = _Finder()


def install() -> None:
    """Let ``import torch`` and its like mean tinyconv from now on, in this process; ``torch.float32`` prints so, too.

    Raises:
        ImportError: the real ones are loaded already.

    >>> import tinyconv.compat
    >>> with tinyconv.compat.installed():
    ...     import torch
    ...     x = torch.ones(2, requires_grad=True)
    ...     x.sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    if _finder in sys.meta_path:
        return
    loaded = [name for name in NAMES if name in sys.modules and "." not in name]
    if loaded:
        raise ImportError(
            f"{', '.join(loaded)} is loaded already: install() comes before the first import of it."
        )
    sys.meta_path.insert(0, _finder)
    call_library("torch")


def uninstall() -> None:
    """Let the names mean what they meant before."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        call_library("tinyconv")
        for name in [n for n in sys.modules if n.partition(".")[0] in NAMES]:
            del sys.modules[name]


@contextmanager
def installed() -> Iterator[None]:
    """:func:`install` for the body of a ``with``; what was loaded before is back afterwards."""
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in NAMES}
    for name in before:
        del sys.modules[name]
    install()
    try:
        yield
    finally:
        uninstall()
        sys.modules.update(before)
