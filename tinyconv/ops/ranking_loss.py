"""Losses of embeddings: what belongs together is to lie closer, or rank higher, than what does not, by a margin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import FLOATS
from ..errors import ArgumentError, ShapeError
from ._common import ndim_of, select, shape_of
from ._loss import reduced, reduction_of, tensors
from .choose import clamp_min
from .distance import pairwise_distance
from .elementwise import minimum, mul, sqrt, sub
from .reduce import sum

Distance = Callable[[Any, Any], Any]

COSINE_EPSILON = 1e-12  # added to squares of lengths


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Distances of pairs: of those that belong together themselves, of others what they lack of ``margin``.

    .. math:: l = x \\text{ if } y = 1 \\text{, } \\max(0, m - x) \\text{ if } y = -1

    Args:
        input: distances. target: 1 for what belongs together, -1 for what does not.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*), (*) -> ()``, or ``(*)`` without reduction

    >>> import tinyconv as tc
    >>> x = tc.tensor([0.2, 0.2], requires_grad=True)
    >>> loss = tc.nn.functional.hinge_embedding_loss(x, tc.tensor([1, -1]), reduction="none")
    >>> loss
    tensor([0.2000, 0.8000], grad_fn=<AddBackward0>)
    >>> loss.sum().backward()
    >>> x.grad
    tensor([ 1., -1.])
    """
    x, y = tensors("hinge_embedding_loss", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    m = margin if x.array.dtype in FLOATS else int(margin)  # in the type of the distances
    loss = select(y != 1, clamp_min(m - x, 0), 0) + select(y != -1, x, 0)
    return reduced(loss, how)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """What the first of two scores lacks of lying ``margin`` above the second, or below it.

    .. math:: l = \\max(0, -y (x_1 - x_2) + m)

    Args:
        target: 1 where the first is to be higher, -1 where the second is.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(*), (*), (*) -> ()``, or ``(*)`` without reduction

    Raises:
        ShapeError: the numbers of dimensions differ.

    >>> import tinyconv as tc
    >>> x = tc.tensor([1., 3.], requires_grad=True)
    >>> y = tc.tensor([2., 2.])
    >>> tc.nn.functional.margin_ranking_loss(x, y, tc.tensor([1., 1.])).backward()
    >>> x.grad
    tensor([-0.5000, -0.0000])
    """
    a, b, y = tensors("margin_ranking_loss", input1=input1, input2=input2, target=target)
    how = reduction_of(reduction, size_average, reduce)
    if not ndim_of(a) == ndim_of(b) == ndim_of(y):
        sizes = ", ".join(
            f"{name}: {_size(x)}" for name, x in (("input1", a), ("input2", b), ("target", y))
        )
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"{sizes} ",
            "Write target.reshape(input1.shape).",
        )
    return reduced(clamp_min(-y * (a - b) + float(margin), 0), how)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """What an anchor lacks of lying ``margin`` closer to its like than to another.

    .. math:: l = \\max(0, \\lVert a - x_+ \\rVert_p - \\lVert a - x_- \\rVert_p + m)

    Args:
        positive: what belongs to the anchor. negative: what does not.
        p, eps: as for :func:`pairwise_distance`.
        swap: let anchor and positive change places where that is harder (Balntas et al., BMVC 2016).
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(n, d), (n, d), (n, d) -> ()``, or ``(n)`` without reduction; all of it also without n

    Raises:
        ArgumentError: ``margin`` is not positive. ShapeError: the shapes differ.

    Source: Schroff, Kalenichenko & Philbin, arXiv 1503.03832.

    >>> import tinyconv as tc
    >>> a, x, z = tc.tensor([[0., 0.], [3., 4.], [0., 5.]]).unsqueeze(1).requires_grad_().unbind()
    >>> tc.nn.functional.triplet_margin_loss(a, x, z, eps=0.)
    tensor(1., grad_fn=<MeanBackward0>)
    """
    a, x, z = tensors("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    how = reduction_of(reduction, size_average, reduce)

    def distance(v: Any, w: Any) -> Any:
        return pairwise_distance(v, w, p, eps)

    return _triplets(a, x, z, distance, margin, swap, how)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """:func:`triplet_margin_loss` with a distance of one's own.

    Args:
        distance_function: of two tensors; unless given, :func:`pairwise_distance`.

    Shape:
        ``(n, *), (n, *), (n, *) -> ()``, or what ``distance_function`` gives without reduction

    Raises:
        ArgumentError: ``margin`` is not positive. ShapeError: the shapes differ.

    >>> import tinyconv as tc
    >>> def far(x, y):
    ...     return (x - y).abs().sum(-1)
    >>> a, x, z = tc.tensor([[0., 0.], [3., 4.], [0., 5.]])
    >>> tc.nn.functional.triplet_margin_with_distance_loss(a, x, z, distance_function=far)
    tensor(3.)
    """
    how = reduction_of(reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplets(anchor, positive, negative, distance, margin, swap, how)


def _triplets(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Distance,
    margin: float,
    swap: bool,
    how: str,
) -> Any:
    if margin <= 0:
        raise ArgumentError(
            f"margin must be greater than 0, got {margin}",
            "Without one, all embeddings may be the same.",
        )
    dims = [ndim_of(x) for x in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            "dimensions, but got: anchor {}D, positive {}D, and negative {}D inputs".format(*dims),
            "Write x.unsqueeze(0) for one in the place of a batch.",
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + near - far, 0), how)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """How far the cosine of two vectors is from 1, if they belong together; how far above ``margin``, if not.

    .. math:: l = 1 - \\cos(x_1, x_2) \\text{ if } y = 1
              \\text{, } \\max(0, \\cos(x_1, x_2) - m) \\text{ if } y = -1

    Args:
        target: 1 for what belongs together, -1 for what does not.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.

    Shape:
        ``(n, d), (n, d), (n) -> ()``, or ``(n)`` without reduction; all of it also without n

    Raises:
        ShapeError: the inputs have not one dimension more than the target.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[1., 0.]], requires_grad=True)
    >>> tc.nn.functional.cosine_embedding_loss(x, tc.tensor([[0., 2.]]), tc.tensor([1])).backward()
    >>> x.grad
    tensor([[ 0., -1.]])
    """
    a, b, y = tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    how = reduction_of(reduction, size_average, reduce)
    dim = ndim_of(y)
    if dim > 1:
        raise ShapeError(
            "0D or 1D target tensor expected, multi-target not supported",
            "The target is one number for each pair of vectors.",
        )
    if ndim_of(a) != dim + 1 or ndim_of(b) != dim + 1:
        raise ShapeError(
            f"{dim}D target tensor expects {dim + 1}D input tensors, but found inputs with sizes "
            f"{list(shape_of(a))} and {list(shape_of(b))}."
        )
    squares = mul(*(sum(mul(x, x), dim) + COSINE_EPSILON for x in (a, b)))
    cosine = sum(mul(a, b), dim) / sqrt(squares)
    apart = clamp_min(sub(cosine, margin), 0)
    return reduced(select(y == 1, 1 - cosine, 0) + select(y == -1, apart, 0), how)


def _size(x: Any) -> str:
    return f"tinyconv.Size({list(shape_of(x))})"
