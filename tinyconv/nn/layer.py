"""Layers that are a function with its settings fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

from .module import Module


@dataclass_transform(eq_default=False)
class Layer(Module):
    """A function of tensors whose other arguments are attributes.

    ::

        class LeakyReLU(Layer, function=F.leaky_relu):
            negative_slope: float = 0.01
            inplace: bool = False

    The fields are the arguments of the constructor, in order. ``forward`` hands them to the
    function by name. ``repr`` shows them, except for ``inplace=False`` and what is marked
    ``field(repr=False)``. A class without a text of its own has that of the function.

    >>> import tinyconv as tc
    >>> layer = tc.nn.LeakyReLU(0.1)
    >>> layer
    LeakyReLU(negative_slope=0.1)
    >>> layer(tc.tensor([-1., 2.]))
    tensor([-0.1000,  2.0000])
    """

    function: ClassVar[Callable[..., Any]]
    tensors: ClassVar[tuple[str, ...]] = ()  # fields that are buffers
    settings: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, function: Callable[..., Any] | None = None) -> None:
        super().__init_subclass__()
        if function is None:  # a class that brings its own constructor
            return
        cls.function = staticmethod(function)
        cls.__doc__ = cls.__doc__ or function.__doc__
        dataclass(eq=False, repr=False)(cls)
        declared = fields(cls)  # type: ignore[arg-type]  # it is a dataclass now
        cls.settings = tuple(f.name for f in declared)
        cls.shown = tuple(f.name for f in declared if f.init and f.repr)
        for name in cls.tensors:
            delattr(cls, name)  # the default, which would hide the buffer

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        Module.__init__(self)  # before the constructor, which only knows the fields
        for name in cls.tensors:
            self.register_buffer(name, None)
        return self

    def forward(self, *inputs: Any, **named: Any) -> Any:
        settings = {name: getattr(self, name) for name in self.settings}
        return type(self).function(*inputs, **named, **settings)

    def extra_repr(self) -> str:
        pairs = ((name, getattr(self, name)) for name in self.shown)
        return ", ".join(f"{n}={v!r}" for n, v in pairs if n != "inplace" or v)
