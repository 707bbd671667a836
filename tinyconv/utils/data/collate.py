"""From a list of samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...creation import as_tensor, tensor
from ...ops import stack
from ...tensor import Tensor

__all__ = ["Batch", "collate", "default_collate", "default_collate_fn_map", "default_convert"]

CANNOT = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)

NUMBERS = "biufc"  # the kinds of dtype that a tensor can hold


class Batch(Sequence[tuple[Tensor, ...]]):
    """Samples that are batched already: one tensor per column, read as a sequence of rows.

    ``__getitems__`` of a dataset may return one. ``default_collate`` then has nothing to do, and
    any other ``collate_fn`` gets a list of the rows.

    >>> import tinyconv as tc
    >>> batch = Batch([tc.zeros(4, 3), tc.arange(4)])
    >>> len(batch), batch[2]
    (4, (tensor([0., 0., 0.]), tensor(2)))
    """

    def __init__(self, columns: Sequence[Tensor]) -> None:
        self.columns = list(columns)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Batch([column[index] for column in self.columns])
        return tuple(column[index] for column in self.columns)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return zip(*self.columns, strict=True)

    def __len__(self) -> int:
        return len(self.columns[0])


def default_collate(batch: Sequence[Any]) -> Any:
    """Join samples into a batch, through tuples, lists and dicts.

    Tensors, arrays and numbers become tensors with a new first dimension; Python floats become
    float64; strings stay a list; tuples and lists become lists, named tuples and dicts stay what
    they are.

    Raises:
        TypeError: if a sample holds anything else.
        RuntimeError: if samples differ in shape or length.

    >>> default_collate([(1, {"name": "a"}), (2, {"name": "b"})])
    [tensor([1, 2]), {'name': ['a', 'b']}]
    """
    if isinstance(batch, Batch):
        return batch.columns
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(
    batch: Sequence[Any], *, collate_fn_map: Mapping[Any, Callable[..., Any]] | None = None
) -> Any:
    """Join samples as ``default_collate`` does, but with rules of one's own for some types.

    Args:
        batch: the samples.
        collate_fn_map: from types, or tuples of types, to functions
            ``f(batch, *, collate_fn_map)``.

    >>> rules = {int: lambda batch, *, collate_fn_map: sum(batch)}
    >>> collate([(1, 2), (10, 20)], collate_fn_map=rules)
    [11, 22]
    """
    rules = collate_fn_map or {}
    first = batch[0]
    kind = type(first)
    rule = rules.get(kind) or next(
        (rule for types, rule in rules.items() if isinstance(first, types)), None
    )
    if rule is not None:
        return rule(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return _mapping_like(first, columns)
    if isinstance(first, Sequence) and not isinstance(first, str | bytes):
        sizes = [len(sample) for sample in batch]
        if len(set(sizes)) > 1:
            raise RuntimeError(
                "each element in list of batch should be of equal size\n"
                f"The samples have {sizes} elements: pad them in a collate_fn of your own."
            )
        return _sequence_like(
            first, [collate(c, collate_fn_map=collate_fn_map) for c in zip(*batch, strict=True)]
        )
    raise TypeError(
        CANNOT.format(kind) + "\nConvert it in the dataset, or give the DataLoader a collate_fn."
    )


def default_convert(data: Any) -> Any:
    """Turn arrays into tensors, through tuples, lists and dicts; leave everything else alone.

    What a DataLoader with ``batch_size=None`` does to each sample.

    >>> import numpy as np
    >>> default_convert({"x": np.arange(3), "name": "a"})
    {'x': tensor([0, 1, 2]), 'name': 'a'}
    """
    return _each(_to_tensor, data)


def pinned(data: Any) -> Any:
    """Move tensors to page-locked memory, through tuples, lists and dicts."""
    return _each(lambda x: x.pin_memory() if hasattr(x, "pin_memory") else x, data)


def moved(data: Any, device: Any) -> Any:
    """Start to copy tensors to a device, through tuples, lists and dicts."""
    return _each(lambda x: x.to(device, non_blocking=True) if isinstance(x, Tensor) else x, data)


def _to_tensor(x: Any) -> Any:
    numeric = isinstance(x, np.ndarray | np.generic) and x.dtype.kind in NUMBERS
    return as_tensor(x) if numeric else x


def _each(function: Callable[[Any], Any], data: Any) -> Any:
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: _each(function, value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence_like(data, [_each(function, value) for value in data])
    return function(data)


def _mapping_like(original: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    if type(original) is dict:
        return items
    try:
        if isinstance(original, MutableMapping):
            result = copy.copy(original)  # keeps, say, the factory of a defaultdict
            result.update(items)
            return result
        return type(original)(items)  # type: ignore[call-arg]  # most mappings can be made from one
    except TypeError:
        return items


def _sequence_like(original: Sequence[Any], items: list[Any]) -> Any:
    if isinstance(original, tuple):
        fields = hasattr(original, "_fields")
        return type(original)(*items) if fields else items
    if type(original) is list:
        return items
    try:
        if isinstance(original, MutableSequence):
            result = copy.copy(original)
            result[:] = items
            return result
        return type(original)(items)  # type: ignore[call-arg]  # most sequences can be made from one
    except TypeError:  # a range, for one
        return items


def _tensors(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Tensor:
    return stack(batch, 0)


def _arrays(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Tensor:
    if batch[0].dtype.kind not in NUMBERS:
        raise TypeError(
            CANNOT.format(batch[0].dtype)
            + "\nArrays must hold numbers: convert them in the dataset."
        )
    return stack([as_tensor(array) for array in batch], 0)


def _scalars(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.asarray(batch))


def _floats(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.asarray(batch, np.float64))


def _integers(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch)


def _unchanged(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Sequence[Any]:
    return batch


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number): _scalars,
    float: _floats,
    int: _integers,
    str: _unchanged,
    bytes: _unchanged,
}
