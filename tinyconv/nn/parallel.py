"""Batches shared among devices, of which there is one: a wrapper that changes names and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Call ``module`` as it is, as torch does where there is at most one GPU.

    Parameters get the prefix ``module.`` in :meth:`state_dict`.

    Args:
        module: what is wrapped
        device_ids: numbers of GPUs
        output_device: where results lie
        dim: the dimension of the batch

    Raises:
        ValueError: there are several devices among ``device_ids``

    >>> import tinyconv as tc
    >>> list(DataParallel(tc.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(
                f"DataParallel runs on one device, got device_ids={list(device_ids)}\n"
                "Name one, or none."
            )
        self.module = module
        self.device_ids = list(device_ids or [])
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
