"""Vectors for words: a table looked up, and the table of all classes."""

from __future__ import annotations

from typing import Any

from ..autograd.function import op, require_one_device, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array, demand_inside
from ..errors import DTypeError, RangeError, ShapeError
from ._common import ndim_of, shape_of
from .take import PutBack, Take


@op
class Embedding(Take):
    """Rows of a table; ``factor``, if there is one, scales what goes back to each."""

    axis: int
    index: Array
    factor: Array | None

    def backward(self, g: Any) -> Any:
        return (PutBack(0, self.index, self.source)(g if self.factor is None else g * self.factor),)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Look up rows of a table.

    Args:
        input: row numbers, of an integer dtype. weight: the table.
        padding_idx: a row that gets no gradient.
        max_norm: rows looked up that are longer are cut to this length first, in the table.
        norm_type: what is meant by length: the p of a p-norm.
        scale_grad_by_freq: divide the gradient of a row by how often it was looked up.
        sparse: accepted and ignored: gradients are dense.

    Shape:
        ``(*), (n, d) -> (*, d)``

    Raises:
        RangeError: a row that is not there. DTypeError: numbers that are no integers.
        ShapeError: the table is no matrix.

    >>> import tinyconv as tc
    >>> w = tc.arange(6.).reshape(3, 2).requires_grad_()
    >>> tc.nn.functional.embedding(tc.tensor([2, 0, 2]), w).sum().backward()
    >>> w.grad
    tensor([[1., 1.],
            [0., 0.],
            [2., 2.]])
    """
    for at, (name, value) in enumerate({"weight": weight, "indices": input}.items(), 1):
        if not isinstance(value, Variable):
            raise TypeError(
                f"embedding(): argument '{name}' (position {at}) must be Tensor, not "
                f"{type(value).__name__}\nWrite tensor(...) around it."
            )
    if ndim_of(weight) != 2:
        raise ShapeError(
            "'weight' must be 2-D", f"It has shape {list(shape_of(weight))}; each row is a vector."
        )
    require_one_device("embedding", weight=weight, input=input)
    index, rows = input.array, shape_of(weight)[0]
    xp = XP[type(index)]
    if index.dtype.kind not in "iu":
        raise DTypeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got tinyconv.{type_name(index)}Tensor instead (while checking "
            "arguments for embedding)",
            "Write input.long().",
        )
    if padding_idx is not None:
        assert -rows <= padding_idx < rows, "Padding_idx must be within num_embeddings"
        padding_idx %= rows
    demand_inside(index, 0, rows, _no_such_row, rows)
    if max_norm is not None:
        _shorten(xp, weight, xp.unique(index), float(max_norm), float(norm_type))
    factor = None
    if scale_grad_by_freq:
        factor = 1 / xp.bincount(index.ravel(), minlength=rows)[index]
    if padding_idx is not None:
        factor = (index != padding_idx) * (1 if factor is None else factor)
    if factor is not None:
        factor = xp.expand_dims(factor, -1).astype(weight.array.dtype)
    return Embedding(0, index, factor)(weight)


def _no_such_row(index: int, rows: int) -> Exception:
    if not rows:
        return RuntimeError(
            "index_select(): self indexing axis dim should be positive\nThe table has no rows."
        )
    return RangeError(
        "index out of range in self",
        f"The table has {rows} rows, numbered from 0; an index is {index}.",
    )


def _shorten(xp: Any, weight: Variable, rows: Array, max_norm: float, p: float) -> None:
    """Cut rows to a length, in place; not on the tape."""
    lengths = xp.linalg.norm(weight.array[rows], p, axis=1)
    long = lengths > max_norm
    weight.array[rows[long]] *= (max_norm / (lengths[long] + 1e-7))[:, None]
    weight.bump()


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """A one for the class, zeros for all others.

    Args:
        tensor: classes, of an integer dtype.
        num_classes: how many there are; one more than the largest unless given.

    Shape:
        ``(*) -> (*, num_classes)`` int64

    Raises:
        RuntimeError: a class outside [0, num_classes), or none to tell their number from.

    >>> import tinyconv as tc
    >>> tc.nn.functional.one_hot(tc.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    classes = tensor.array
    xp = XP[type(classes)]
    if classes.dtype.kind not in "iu":
        raise DTypeError(
            "one_hot is only applicable to index tensor of type LongTensor.", "Write x.long()."
        )
    if not classes.size:
        if num_classes < 1:
            raise RuntimeError(
                "Can not infer total number of classes from empty tensor.\nGive num_classes."
            )
    elif num_classes == -1:
        num_classes = int(classes.max()) + 1
    demand_inside(classes, 0, num_classes, _no_such_class, num_classes)
    return tensor.wrap((classes[..., None] == xp.arange(num_classes)).astype("int64"))


def _no_such_class(value: int, num_classes: int) -> Exception:
    if value < 0:
        return RuntimeError("Class values must be non-negative.\nClasses count from 0.")
    return RuntimeError(
        "Class values must be smaller than num_classes.\n"
        f"One is {value}, num_classes is {num_classes}."
    )
