"""Tensors in page-locked memory of the host, from which a GPU copies while the host goes on."""

from __future__ import annotations

from typing import Any

from ..backend import backend_of, cuda_unavailable, get_backend
from ..errors import DeviceError


def pin_memory(input: Any, device: Any = None) -> Any:
    """A copy in page-locked memory; ``input`` itself if it is there.

    ``x.pin_memory().to('cuda', non_blocking=True)`` returns at once, and so does not wait for the copy:
    until the GPU has made it, nobody may write to the pinned tensor.

    Args:
        device: of no effect; there is one kind of accelerator.

    Raises:
        RuntimeError: there is no GPU, or the tensor is on it.

    >>> import tinyconv as tc
    >>> x = tc.ones(2)
    >>> y = x.pin_memory() if tc.cuda.is_available() else x
    >>> y.is_pinned() == tc.cuda.is_available()
    True
    """
    x = input.array
    if backend_of(x).name != "cpu":
        raise DeviceError(
            f"cannot pin '{input.type()}' only dense CPU tensors can be pinned",
            "Pin before it goes to the GPU: x.cpu().pin_memory().",
        )
    if why := cuda_unavailable():
        raise DeviceError("Cannot access accelerator device when none is available.", why)
    backend = get_backend("cuda")
    return input if backend.is_pinned(x) else type(input).wrap(backend.pin(x))


def is_pinned(input: Any, device: Any = None) -> bool:
    """True in page-locked memory of the host.

    >>> import tinyconv as tc
    >>> tc.ones(2).is_pinned()
    False
    """
    x = input.array
    return (
        backend_of(x).name == "cpu" and not cuda_unavailable() and get_backend("cuda").is_pinned(x)
    )
