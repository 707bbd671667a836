"""Layers that are a function with its settings fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

from .module import Module


@dataclass_transform(eq_default=False)
class Layer(Module):
    """A function of tensors whose other arguments are the attributes of the layer.

    ::

        class LeakyReLU(Layer, function=F.leaky_relu):
            negative_slope: float = 0.01
            inplace: bool = False

    The fields are the arguments of the constructor, in order; ``forward`` hands them to the function
    by name; ``repr`` shows them, but for ``inplace=False`` and those marked ``field(repr=False)``.
    Without a text of its own the class has that of the function.

    >>> import tinyconv as tc
    >>> layer = tc.nn.LeakyReLU(0.1)
    >>> layer
    LeakyReLU(negative_slope=0.1)
    >>> layer(tc.tensor([-1., 2.]))
    tensor([-0.1000,  2.0000])
    """

    function: ClassVar[Callable[..., Any]]
    buffers_: ClassVar[tuple[str, ...]] = ()  # fields that belong to the state

    def __init_subclass__(cls, function: Callable[..., Any] | None = None) -> None:
        super().__init_subclass__()
        if function is not None:  # else a user's class, which has a constructor of its own
            cls.function = staticmethod(function)
            cls.__doc__ = cls.__doc__ or function.__doc__
            dataclass(eq=False, repr=False)(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        Module.__init__(self)  # the constructor of a dataclass begins with its fields
        for name in cls.state:
            self.register_buffer(name, None)
        return self
