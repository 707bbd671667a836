"""Batches on the device: the next one is copied while the current one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ... import cuda
from ...backend import get_backend
from ...dtypes import to_device
from ...tensor import Tensor
from .collate import moved

__all__ = ["DevicePrefetcher"]

END = object()  # of the loader


class DevicePrefetcher(Iterable[Any]):
    """Iterate over the batches of a loader, on a device.

    On a GPU a second stream copies the next batch while the current one is worked on. With ``pin_memory=True`` in the
    DataLoader it copies from there; otherwise from memory into which the batch is copied first.

    Args:
        loader: a DataLoader, or any iterable of tensors and of tuples, lists and dicts of them.
        device: where the batches are to be; on the CPU they stay as they are.
        transform: called, on the device, with the images: a batch, or the first element of one that is a tuple or list.

    Raises:
        RuntimeError: there is no such device.

    >>> import tinyconv as tc
    >>> from tinyconv.utils.data import DataLoader, TensorDataset
    >>> loader = DataLoader(TensorDataset(tc.arange(4), tc.arange(4)), batch_size=2)
    >>> [x.tolist() for x, y in DevicePrefetcher(loader, "cpu", transform=lambda x: x * 10)]
    [[0, 10], [20, 30]]
    """

    def __init__(
        self,
        loader: Iterable[Any],
        device: Any = "cuda",
        transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        self.loader = loader
        self.device = to_device(device)
        get_backend(self.device.type)  # raises if there is none
        self.transform = transform
        self._stream: Any = None

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # or TypeError

    def __iter__(self) -> Iterator[Any]:
        if self.device.type == "cpu":
            return (self._transformed(moved(batch, self.device)) for batch in self.loader)
        return self._ahead()

    def _ahead(self) -> Iterator[Any]:
        batches = iter(self.loader)
        following = self._copy(next(batches, END))
        while (batch := following) is not END:
            cuda.current_stream(self.device).wait_stream(self._stream)
            following = self._copy(next(batches, END))
            yield self._transformed(batch)

    def _copy(self, batch: Any) -> Any:
        """Start to copy a batch. It may get memory of one before, so whoever still works on that comes first."""
        if batch is END:
            return END
        if self._stream is None:
            self._stream = cuda.Stream(self.device)
        self._stream.wait_stream(cuda.current_stream(self.device))
        with cuda.stream(self._stream):
            return moved(batch, self.device)

    def _transformed(self, batch: Any) -> Any:
        if self.transform is None:
            return batch
        if isinstance(batch, Sequence) and not isinstance(batch, str):
            return [self.transform(batch[0]), *batch[1:]]
        return self.transform(batch)
