"""Tensors that a Module finds among its attributes, and those whose shape is not known yet."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..tensor import Parameter, Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Buffer(Tensor):
    """A Tensor that belongs to the state of a Module, but is not trained.

    Args:
        data: the tensor.
        persistent: whether ``state_dict()`` contains it.

    >>> import tinyconv as tc
    >>> layer = tc.nn.Module()
    >>> layer.steps = tc.nn.Buffer(tc.zeros(2))
    >>> layer.state_dict()["steps"]
    tensor([0., 0.])
    """

    persistent: bool

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        source = Tensor() if data is None else data
        if not isinstance(source, Tensor):
            raise TypeError(
                f"Buffer takes a Tensor, got {type(data).__name__}: write Buffer(tensor(...))"
            )
        self.array = source.array
        self.persistent = persistent
        if source.requires_grad:
            self.requires_grad_(True)


class _Uninitialized(Tensor):
    """A Tensor without a shape: it knows its dtype and device, and gets numbers by ``materialize``.

    ``data`` is an empty tensor that stands for both, so that ``module.double()`` converts what is
    to come.
    """

    becomes: type[Tensor]
    model: Tensor  # no elements, but a dtype and a device

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a Parameter (or Buffer) of zeros with this shape."""
        model = self.model.to(device=device, dtype=dtype)
        del self.model
        self.__class__ = self.becomes  # type: ignore[assignment]  # the layouts agree
        self.array = creation.zeros(tuple(shape), device=model.device, dtype=model.dtype).array

    def _no_array(self) -> Any:
        raise ArgumentError(
            "Attempted to use an uninitialized parameter.",
            f"The shape of a {type(self).__name__} is not known yet: run one forward pass first.",
        )

    array = property(_no_array)  # every operation asks for it: one place to refuse

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer.\n"
            "Run one forward pass of the model first; to load a state_dict into a model whose "
            "shapes are "
            "known, save it from such a model."
        )

    @property
    def data(self) -> Tensor:
        return self.model

    @data.setter
    def data(self, new: Tensor) -> None:
        self.model = new

    dtype = property(lambda self: self.model.dtype)
    device = property(lambda self: self.model.device)

    def detach(self) -> Tensor:
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        self.leaf = requires_grad
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        new = _unborn(type(self), self.model, vars(self).copy())
        memo[id(self)] = new
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _unborn, (type(self), self.model, vars(self).copy())


class UninitializedParameter(_Uninitialized, Parameter):
    """A Parameter that learns its shape from the first input: see :class:`LazyLinear`."""

    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self.model = creation.empty(0, device=device, dtype=dtype)
        self.leaf = requires_grad


class UninitializedBuffer(_Uninitialized, Buffer):
    """A Buffer that learns its shape from the first input: see :class:`LazyBatchNorm2d`."""

    becomes = Buffer

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> None:
        self.model = creation.empty(0, device=device, dtype=dtype)
        self.leaf, self.persistent = requires_grad, persistent


def is_lazy(tensor: Any) -> bool:
    """Tell whether a parameter or buffer waits for its shape."""
    return isinstance(tensor, _Uninitialized)


def _unborn(cls: type, model: Tensor, attributes: dict[str, Any]) -> Any:
    new: Any = object.__new__(cls)
    vars(new).update(attributes, model=model.clone())
    return new
