"""Losses of classification by margins: the score of the right class is to exceed that of every other."""

from __future__ import annotations

from typing import Any

from ..autograd.function import type_name
from ..backend import XP, backend_of, demand_inside
from ..dtypes import FLOATS, HALVES
from ..errors import ArgumentError, DTypeError, RangeError, ShapeError
from ._common import cast, ndim_of, not_implemented, select, shape_of
from ._loss import reduced, reduction_of, tensors
from .activation import logsigmoid
from .elementwise import exp, log1p, mul, relu
from .indexing import gather
from .reduce import sum
from .views import named, reshape


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """What the score of the right class lacks of exceeding each other by ``margin``.

    .. math:: l = \\frac{w_t}{c} \\sum_{j \\ne t} \\max(0, m - x_t + x_j)^p

    Args:
        input: scores. target: indices of the right classes. p: 1 or 2. weight: a factor for each class.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(n, c), (n) -> ()``, or ``(n)`` without reduction; all of it also without n

    Raises:
        ArgumentError: another ``p``. ShapeError: the shapes do not fit. RuntimeError: there is no such class.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.5, 1., -1.], requires_grad=True)
    >>> tc.nn.functional.multi_margin_loss(x, tc.tensor(0)).backward()
    >>> x.grad
    tensor([-0.3333,  0.3333,  0.0000])
    """
    x, y = tensors("multi_margin_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ArgumentError("only p == 1 and p == 2 supported", f"It is {p}.")
    if weight is not None and ndim_of(weight) != 1:
        raise ArgumentError("weight must be one-dimensional", "It is one factor for each class.")
    n, c = _rows_of(x)
    if ndim_of(y) > 1 or y.array.size != n:
        raise ShapeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{n}], but got {list(shape_of(y))}. Input "
            f"has shape {list(shape_of(x))}.",
            "The target is the index of one class for each row of scores.",
        )
    if weight is not None and shape_of(weight) != (c,):
        raise ShapeError(
            f"inconsistent weight size, expected {c} but got {list(shape_of(weight))}",
            "It is one factor for each class.",
        )
    _need_types("multi_margin_loss_cpu_kernel", x, y)
    demand_inside(y.array, 0, c, _no_class)
    scores, right = reshape(x, n, c), reshape(y, n, 1)
    short = relu(margin - gather(scores, 1, right) + scores)
    if p == 2:
        short = short * short
    others = right.array != XP[type(y.array)].arange(c)
    loss = sum(select(x.wrap(others), short, 0), 1) / c
    if weight is not None:
        loss = loss * gather(weight, 0, reshape(y, n))
    return named(reduced(reshape(loss, shape_of(y)), how), "MultiMarginLossBackward0")


def multilabel_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """What the scores of the right classes lack of exceeding each of the others by one.

    .. math:: l = \\frac{1}{c} \\sum_{t \\in T} \\sum_{j \\notin T} \\max(0, 1 - x_t + x_j)

    Args:
        input: scores. target: in each row the indices of the right classes, then -1; what follows does not count.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(n, c), (n, c) -> ()``, or ``(n)`` without reduction; all of it also without n

    Raises:
        ShapeError: the shapes differ. RuntimeError: there is no such class.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.5, 1., -1.], requires_grad=True)
    >>> tc.nn.functional.multilabel_margin_loss(x, tc.tensor([0, 2, -1])).backward()
    >>> x.grad
    tensor([-0.3333,  0.6667, -0.3333])
    """
    x, y = tensors("multilabel_margin_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    n, c = _rows_of(x)
    if shape_of(y) != shape_of(x):
        raise ShapeError(
            f"inconsistent target size: {list(shape_of(y))} for input of size: {list(shape_of(x))}",
            "Fill each row of the target up with -1.",
        )
    _need_types("multilabel_margin_loss_forward_out_frame", x, y)
    demand_inside(y.array, -1, c, _out_of_range)
    xp, classes = XP[type(y.array)], y.array.reshape(n, c)
    listed = xp.cumsum(classes < 0, 1) == 0  # what comes before the first -1
    classes = xp.where(listed, classes, 0)
    right = ((classes[:, :, None] == xp.arange(c)) & listed[:, :, None]).any(1)
    scores = reshape(x, n, c)
    own = gather(scores, 1, y.wrap(classes))
    short = relu(1 - reshape(own, n, c, 1) + reshape(scores, n, 1, c))
    counted = x.wrap(listed[:, :, None] & ~right[:, None, :])
    loss = sum(select(counted, short, 0), (1, 2)) / c
    loss = reshape(loss, shape_of(x)[:-1])
    return named(reduced(loss, how), "MultilabelMarginLossBackward0")


def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Logistic loss of two classes that are called 1 and -1.

    .. math:: l = \\ln(1 + e^{-y x})

    Args:
        input: scores. target: 1 or -1. reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ShapeError: the shapes do not broadcast. DTypeError: the scores are integers.

    >>> import tinyconv as tc
    >>> x = tc.tensor([0., 0.], requires_grad=True)
    >>> tc.nn.functional.soft_margin_loss(x, tc.tensor([1., -1.])).backward()
    >>> x.grad
    tensor([-0.2500,  0.2500])
    """
    x, y = tensors("soft_margin_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    kind = x.array.dtype
    if kind not in FLOATS:
        raise DTypeError(
            f"result type Float can't be cast to the desired output type {type_name(x.array)}",
            "Write input.float().",
        )
    loss = log1p(exp(-mul(x, y if y.array.dtype == kind else cast(y, kind))))
    return named(reduced(loss, how), "SoftMarginLossBackward0")


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Binary cross entropy of the sigmoids of several scores, averaged over them.

    .. math:: l = -\\frac{1}{c} \\sum_j w_j (y_j \\ln \\sigma(x_j) + (1 - y_j) \\ln \\sigma(-x_j))

    Args:
        input: scores. target: 1 for the right classes, 0 for the others. weight: a factor for each class.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*, c), (*, c) -> ()``, or ``(*)`` without reduction

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, requires_grad=True)
    >>> tc.nn.functional.multilabel_soft_margin_loss(x, tc.tensor([1., 0.])).backward()
    >>> x.grad
    tensor([-0.2500,  0.2500])
    """
    x, y = tensors("multilabel_soft_margin_loss", input=input, target=target)
    if size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    loss = -(y * logsigmoid(x) + (1 - y) * logsigmoid(-x))
    if weight is not None:
        loss = loss * weight
    if not ndim_of(x):
        raise RangeError(
            "Dimension specified as -1 but tensor has no dimensions", "The last one is of classes."
        )
    loss = sum(loss, -1) / shape_of(x)[-1]
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"{reduction} is not valid", "It is 'none', 'mean' or 'sum'.")
    return reduced(loss, reduction)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


def _rows_of(x: Any) -> tuple[int, int]:
    """How many rows of how many scores; one, of a vector or of a single score."""
    shape = shape_of(x)
    if len(shape) > 2 or 0 in shape[-1:]:
        raise ShapeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(shape)}",
            "It is (classes), or (batch, classes).",
        )
    return shape[0] if len(shape) == 2 else 1, shape[-1] if shape else 1


def _need_types(kernel: str, x: Any, y: Any) -> None:
    """Floats, on the CPU no halves, and long integers."""
    kind = x.array.dtype
    if kind not in FLOATS or (kind in HALVES and backend_of(x.array).name == "cpu"):
        raise not_implemented(kernel, x.array, "Write input.float() first.")
    if y.array.dtype != "int64":
        raise DTypeError(
            f"expected scalar type Long but found {type_name(y.array)}", "Write target.long()."
        )


def _no_class(value: int) -> Exception:
    return RuntimeError(f"target out of range\nThere is no class {value}.")


def _out_of_range(value: int) -> Exception:
    return RuntimeError(f"argument #2 'target' is out of range\nThere is no class {value}.")
