"""Normalisation layers."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import creation, ops
from ..dtypes import int64
from ..errors import ArgumentError
from . import init
from .module import Module
from .parameter import Parameter


class ChannelNorm(Module):
    """What layers share that know each channel's mean and variance: scale, shift, running statistics."""

    _version = 2  # since which the state counts the batches
    ranks: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_parameter(
            "weight", Parameter(creation.empty(num_features, **made)) if affine else None
        )
        self.register_parameter(
            "bias", Parameter(creation.empty(num_features, **made)) if affine and bias else None
        )
        if track_running_stats:
            self.register_buffer("running_mean", creation.zeros(num_features, **made))
            self.register_buffer("running_var", creation.ones(num_features, **made))
            self.register_buffer(
                "num_batches_tracked", creation.tensor(0, dtype=int64, device=device)
            )
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the statistics of all batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale one, shift zero, no statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _wrong_rank(self, input: Any) -> Exception:
        wanted = " or ".join(f"{r}D" for r in self.ranks)
        kind = self._get_name()[:-2]
        return ArgumentError(
            f"expected {wanted} input (got {input.array.ndim}D input)",
            f"The input has shape {list(input.array.shape)}: {kind}1d takes (n, c, l), {kind}2d (n, c, h, w), "
            f"{kind}3d (n, c, d, h, w).",
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *lists: Any
    ) -> None:
        """The state of one layer; files from before batches were counted do not tell how many."""
        key = prefix + "num_batches_tracked"
        if self.track_running_stats and (local_metadata.get("version") or 1) < 2:
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(ChannelNorm):
    def forward(self, input: Any) -> Any:
        if input.array.ndim not in self.ranks:
            raise self._wrong_rank(input)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # the plain average of all batches
                momentum = self.num_batches_tracked
        from_batch = self.training or self.running_mean is None
        tracked = not self.training or self.track_running_stats
        return ops.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            from_batch,
            0.0 if momentum is None else momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Normalise each channel over the batch; arguments as :class:`BatchNorm2d`.

    Shape:
        ``(n, c) -> (n, c)`` or ``(n, c, l) -> (n, c, l)``
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel over batch and pixels, then scale and shift.

    .. math:: y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}} \\gamma + \\beta

    Args:
        num_features: channels. eps: added to the variance.
        momentum: weight of the newest batch in the running statistics; None for the plain average.
        affine: learn gamma and beta. track_running_stats: keep statistics for ``eval()``.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``

    Raises:
        ValueError: not four dimensions, or one value per channel in training.

    Source: Ioffe & Szegedy, arXiv 1502.03167.

    >>> import tinyconv as tc
    >>> layer = tc.nn.BatchNorm2d(2)
    >>> x = tc.arange(8.).reshape(2, 2, 2, 1).requires_grad_()
    >>> layer(x).sum().backward()
    >>> layer.bias.grad
    tensor([4., 4.])
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel over batch and voxels; arguments as :class:`BatchNorm2d`.

    Shape:
        ``(n, c, d, h, w) -> (n, c, d, h, w)``
    """

    ranks = (5,)


class LayerNorm(Module):
    """Normalise each element of the batch over its last dimensions, then scale and shift.

    Args:
        normalized_shape: sizes of the last dimensions. elementwise_affine: learn scale and shift.

    Shape:
        ``(n, *) -> (n, *)``

    Source: Ba, Kiros & Hinton, arXiv 1607.06450.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-05,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        shape = self.normalized_shape
        self.register_parameter(
            "weight", Parameter(creation.empty(shape, **made)) if elementwise_affine else None
        )
        self.register_parameter(
            "bias",
            Parameter(creation.empty(shape, **made)) if elementwise_affine and bias else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale one, shift zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalise groups of channels of each image, then scale and shift by channel.

    Args:
        num_groups: into how many groups the channels fall. num_channels: channels in all.

    Shape:
        ``(n, c, *) -> (n, c, *)``

    Raises:
        ValueError: the channels are not divisible by the groups.

    Source: Wu & He, arXiv 1803.08494.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-05,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ArgumentError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_parameter(
            "weight", Parameter(creation.empty(num_channels, **made)) if affine else None
        )
        self.register_parameter(
            "bias", Parameter(creation.empty(num_channels, **made)) if affine and bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale one, shift zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
