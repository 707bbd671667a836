"""Layers that learn the size of their input when they first see one."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.mode import no_grad
from ..errors import ArgumentError, ShapeError
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "LazyModuleMixin",
]


class LazyModuleMixin(Module):
    """Base of lazy layers: the first call makes the parameters, and ``self`` the real layer.

    A subclass names the real layer, assigns uninitialized parameters, and writes
    ``initialize_parameters``, which takes the arguments of ``forward``.
    """

    cls_to_become: ClassVar[type[Module]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._until_initialized = (
            self.register_forward_pre_hook(_initialize, with_kwargs=True),
            self.register_load_state_dict_pre_hook(_take_shapes),
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Find the sizes in the first input and call ``_shape``."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Tell whether a parameter or buffer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def reset_parameters(self) -> None:
        """Draw new first values, if there is anything to draw."""
        if all(p is None or (not is_lazy(p) and p.numel()) for p in self._parameters.values()):
            super().reset_parameters()  # type: ignore[misc]  # that of the real layer

    def _wait(self, *names: str, device: Any, dtype: Any) -> None:
        """Replace these parameters by some without a shape."""
        for name in names:
            self.register_parameter(name, UninitializedParameter(device=device, dtype=dtype))

    def _shape(self, **shapes: tuple[int, ...]) -> None:
        """Give these tensors their shapes and first values, except those that were loaded."""
        if not self.has_uninitialized_params():
            return
        with no_grad():
            known = [x for x in (*self.parameters(), *self.buffers()) if not is_lazy(x)]
            loaded = [(x, x.clone()) for x in known]
            for name, shape in shapes.items():
                if is_lazy(x := getattr(self, name)):
                    x.materialize(shape)
            self.reset_parameters()
            for x, numbers in loaded:
                x.copy_(numbers)


def _initialize(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Before the first forward: shapes, values, and the class of the real layer."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(
            f"module {module._get_name()} has not been fully initialized\n"
            "Its initialize_parameters() must call _shape() with every uninitialized parameter."
        )
    for handle in module._until_initialized:
        handle.remove()
    del module._until_initialized
    module.__class__ = module.cls_to_become


def _take_shapes(module: Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Before loading: the shapes of what is loaded."""
    for name, x in (*module._parameters.items(), *module._buffers.items()):
        new = state_dict.get(prefix + name)
        if is_lazy(x) and new is not None and not is_lazy(new):
            x.materialize(new.shape)  # type: ignore[union-attr]  # a lazy one is not None


class LazyLinear(LazyModuleMixin, Linear):
    """A :class:`Linear` that takes ``in_features`` from its first input.

    >>> import tinyconv as tc
    >>> layer = tc.nn.LazyLinear(2)
    >>> layer(tc.ones(4, 3)).shape
    tinyconv.Size([4, 2])
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._wait("weight", *["bias"] * bias, device=device, dtype=dtype)

    def initialize_parameters(self, input: Any) -> None:
        self.in_features = input.shape[-1]
        self._shape(weight=(self.out_features, self.in_features), bias=(self.out_features,))


class _LazyFilters(LazyModuleMixin):
    dims: ClassVar[int]
    transposed: ClassVar[bool]

    def initialize_parameters(self, input: Any, *_: Any, **__: Any) -> None:
        n = self.dims
        if input.ndim not in (n + 1, n + 2):
            raise ShapeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {self._get_name()}, "
                "but got input of "
                f"size: {input.shape}"
            )
        self.in_channels = input.shape[-n - 1]
        if self.in_channels % self.groups:
            raise ArgumentError(
                "in_channels must be divisible by groups",
                f"The input has {self.in_channels} channels, groups is {self.groups}.",
            )
        ends = self.out_channels, self.in_channels
        outer, inner = reversed(ends) if self.transposed else ends
        shape = (outer, inner // self.groups, *self.kernel_size)
        self._shape(weight=shape, bias=(self.out_channels,))


class _LazyConv(_LazyFilters):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self.out_channels = out_channels
        self._wait("weight", *["bias"] * bias, device=device, dtype=dtype)


class _LazyTranspose(_LazyFilters):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
        )
        self.out_channels = out_channels
        self._wait("weight", *["bias"] * bias, device=device, dtype=dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A :class:`Conv1d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A :class:`Conv2d` that takes ``in_channels`` from its first input.

    >>> import tinyconv as tc
    >>> layer = tc.nn.LazyConv2d(8, 3)
    >>> layer(tc.ones(1, 3, 5, 5)).shape
    tinyconv.Size([1, 8, 3, 3])
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A :class:`Conv3d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTranspose, ConvTranspose1d):
    """A :class:`ConvTranspose1d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTranspose, ConvTranspose2d):
    """A :class:`ConvTranspose2d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTranspose, ConvTranspose3d):
    """A :class:`ConvTranspose3d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    ranks: ClassVar[Any]

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        owned = [name for name, x in self._parameters.items() if x is not None]
        self._wait(*owned, device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)

    def initialize_parameters(self, input: Any) -> None:
        if input.ndim not in self.ranks:
            wanted = " or ".join(f"{r}D" for r in self.ranks)
            raise ArgumentError(f"expected {wanted} input (got {input.ndim}D input)")
        self.num_features = input.shape[self._channels(input)]
        size = (self.num_features,)
        self._shape(weight=size, bias=size, running_mean=size, running_var=size)

    def _channels(self, input: Any) -> int:
        """The dimension of the channels."""
        return 1


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A :class:`BatchNorm1d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A :class:`BatchNorm2d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A :class:`BatchNorm3d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm3d


class _LazyInstanceNorm(_LazyNorm):
    single: ClassVar[int]

    def _channels(self, input: Any) -> int:
        return input.ndim - self.single


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An :class:`InstanceNorm1d` that takes ``num_features`` from its first input; affine unless told otherwise."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An :class:`InstanceNorm2d` that takes ``num_features`` from its first input; affine unless told otherwise."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An :class:`InstanceNorm3d` that takes ``num_features`` from its first input; affine unless told otherwise."""

    cls_to_become = InstanceNorm3d
