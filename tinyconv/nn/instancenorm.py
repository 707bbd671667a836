"""Normalisation of each channel of each image."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from .. import ops
from ..errors import ArgumentError
from .norm import ChannelNorm

_OLD = (
    "Unexpected running stats buffer(s) {names} for {kind} with track_running_stats=False. The file is of a layer that "
    "kept statistics: make this one with track_running_stats=True, or take them out of the state."
)


class _InstanceNorm(ChannelNorm):
    single: ClassVar[int]  # dimensions of one image

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Any) -> Any:
        if input.array.ndim not in self.ranks:
            raise self._wrong_rank(input)
        alone = input.array.ndim == self.single
        dim = 0 if alone else 1
        channels = input.array.shape[dim]
        if channels != self.num_features:
            if self.affine:
                raise ArgumentError(
                    f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: "
                    f"{channels}.",
                    f"Make the layer {self._get_name()}({channels}, affine=True).",
                )
            warnings.warn(
                f"input's size at dim={dim} does not match num_features. It does not matter without affine=True; "
                f"{self._get_name()}({channels}) says what comes.",
                stacklevel=2,
            )
        y = ops.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return y.squeeze(0) if alone else y

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *lists: Any
    ) -> None:
        """The state of one layer; files without a version may have statistics that nobody asked for."""
        old = [prefix + name for name in ("running_mean", "running_var")]
        old = [key for key in old if key in state_dict]
        if local_metadata.get("version") is None and not self.track_running_stats and old:
            names = " and ".join(f'"{key}"' for key in old)
            lists[-1].append(_OLD.format(names=names, kind=self._get_name()))
            for key in old:
                del state_dict[key]
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sequence; arguments as :class:`InstanceNorm2d`.

    Shape:
        ``(n, c, l) -> (n, c, l)``, with or without n
    """

    ranks = (2, 3)
    single = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image over its pixels, then scale and shift.

    Args:
        num_features: channels. eps: added to the variance.
        momentum: weight of the newest batch in the running statistics.
        affine: learn scale and shift. track_running_stats: keep statistics for ``eval()``.

    Shape:
        ``(n, c, h, w) -> (n, c, h, w)``, with or without n

    Raises:
        ValueError: other dimensions; other channels than those with scale and shift; one pixel in training.

    Source: Ulyanov, Vedaldi & Lempitsky, arXiv 1607.08022.

    >>> import tinyconv as tc
    >>> tc.nn.InstanceNorm2d(1, eps=0.)(tc.tensor([[[1., 3.]]]))
    tensor([[[-1.,  1.]]])
    """

    ranks = (3, 4)
    single = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of each volume; arguments as :class:`InstanceNorm2d`.

    Shape:
        ``(n, c, d, h, w) -> (n, c, d, h, w)``, with or without n
    """

    ranks = (4, 5)
    single = 4
