"""The losses of classification: which of C classes is it?"""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, cast, op, type_name
from ..autograd.variable import Variable
from ..backend import XP, Array, demand_inside, empty_like
from ..dtypes import FLOATS
from ..errors import ArgumentError, DTypeError, RangeError, ShapeError
from ..shapes import Shape
from ._common import ndim_of, shape_of
from ._loss import reduced, reduction_of, tensors
from ._softmax import as_rows, class_gradients, class_losses, dense
from .activation import floats
from .elementwise import neg
from .indexing import Scatter
from .pad import pad
from .reduce import _wide, sum
from .softmax import log_softmax, softmax
from .views import named, reshape, unsqueeze


@op
class NllLoss(Function):
    """``-w_t x_t`` for each element, where t is its class; ``axis`` of x is that of the classes."""

    widens = "always"
    reduction: str
    ignore_index: int
    axis: int

    def forward(self, x: Array, target: Array, weight: Array | None) -> Array:
        xp = self.xp
        if x.ndim > 2:
            self.label = "NllLoss2DBackward0"  # torch has two of them
        at, w = chosen(
            xp, x, xp.expand_dims(target, self.axis), weight, self.ignore_index, self.axis
        )
        loss = xp.where(w == 0, 0, w * (0 - xp.take_along_axis(x, at, self.axis)))
        loss = loss.squeeze(self.axis)
        if self.reduction != "none":
            loss = loss.sum(dtype=_wide(x))
        if self.reduction == "mean":
            total = w.sum(dtype=_wide(x))
            loss, w = loss / total, w / _or_one(total)
        self.blank = x.shape, x.dtype
        if self.needs[0]:
            self.save(at, w.astype(x.dtype, copy=False))
        return loss.astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        at, w = self.saved
        zeros = self.xp.zeros(*self.blank)
        return Scatter(self.axis)(zeros, 0 - self.scale(g, w), at), None, None

    def scale(self, g: Any, w: Any) -> Any:
        """The gradient of the loss of each element, with a dimension of one for the classes."""
        return (unsqueeze(g, self.axis) if self.reduction == "none" else g) * w


@op
class CrossEntropy(NllLoss):
    """``w_t (ln sum_c e^x_c - x_t)``, whose gradient is ``w_t softmax(x)``, less ``w_t`` at t."""

    label = "NllLossBackward0"
    widens = "cpu"
    reduction: str
    ignore_index: int
    axis: int

    def forward(self, x: Array, target: Array, weight: Array | None) -> Array:
        xp, n, kind, wide = self.xp, target.size, x.dtype, _wide(x)
        if x.ndim > 2:
            self.label = "NllLoss2DBackward0"
        _demand_classes(x, target, self.ignore_index, self.axis)
        rows = as_rows(dense(xp, x, self.axis), self.axis)
        shape = (len(rows), *rows.shape[2:])
        at, results = xp.empty(shape, "int64"), xp.empty((3, *shape), wide)
        loss, w, top = results
        class_losses(
            rows, xp.ascontiguousarray(target, "int64").reshape(shape),
            xp.empty(0, kind) if weight is None else weight, self.ignore_index, at, w, top, loss,
        )  # fmt: skip
        if self.reduction != "none":
            loss, whole = results[:2].reshape(2, n).sum(1, dtype=wide)
            if self.reduction == "mean":
                loss, w = loss / whole, w / _or_one(whole)
        self.blank = x.shape, kind
        if self.needs[0]:
            kept = (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])
            self.save(x, *[a.reshape(kept) for a in (at, w, top)])
        return (loss.reshape(target.shape) if loss.ndim else loss).astype(kind, copy=False)

    def backward(self, g: Any) -> Any:
        x, at, w, top = self.saved
        w = self.scale(g, w)
        if isinstance(g, Variable):  # recorded: top depends on x
            zeros = self.xp.zeros(self.blank[0], w.array.dtype)
            gx = softmax(x, self.axis) * w + Scatter(self.axis)(zeros, -w, at)
            return cast(gx, self.blank[1]), None, None
        x = dense(self.xp, x, self.axis)
        gx = empty_like(self.xp, x)
        rows = as_rows(x, self.axis)
        shape = (len(rows), *rows.shape[2:])
        by_row = [self.xp.ascontiguousarray(a).reshape(shape) for a in (at, w, top)]
        class_gradients(rows, *by_row, as_rows(gx, self.axis))
        return gx, None, None


def _or_one(total: Array) -> Array:
    """What weights are divided by: where all classes are ignored the mean is NaN, its gradient zero."""
    return total + (total == 0)


def chosen(
    xp: Any, x: Array, target: Array, weight: Array | None, ignore_index: int, axis: int
) -> tuple[Array, Array]:
    """The class of each element, and its weight: zero where it is to be ignored."""
    _demand_classes(x, target, ignore_index, axis)
    ignored = target == ignore_index
    at = xp.where(ignored, 0, target)
    w = xp.ones(target.shape, x.dtype) if weight is None else weight[at]
    return at, xp.where(ignored, 0, w)


def _demand_classes(x: Array, target: Array, ignore_index: int, axis: int) -> None:
    demand_inside(target, 0, x.shape[axis], _no_such_class, x.shape, axis, ignored=ignore_index)


def _no_such_class(value: int, shape: Shape, axis: int) -> Exception:
    return RangeError(
        f"Target {value} is out of bounds.",
        f"Classes count from 0 to {shape[axis] - 1}: the input has shape {list(shape)}, and "
        f"dimension {axis} is that of the classes.",
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Negative logarithm of the likelihood of a class, from logarithms.

    .. math:: l = -w_t\\, x_t

    Args:
        input: logarithms of probabilities, as :func:`log_softmax` gives them.
        target: classes in [0, c), of any integer dtype.
        weight: one factor for each class; the mean is then the weighted one.
        ignore_index: a class that does not count.

    Shape:
        ``(n, c, *), (n, *) -> ()``, or ``(n, *)`` without reduction; ``(c), () -> ()``

    Raises:
        ShapeError, ArgumentError: shapes that do not fit. DTypeError: a target of floats.
        RangeError: a class that is not there.

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, 3, requires_grad=True)
    >>> tc.nn.functional.nll_loss(x, tc.tensor([0, 2])).backward()
    >>> x.grad
    tensor([[-0.5000,  0.0000,  0.0000],
            [ 0.0000,  0.0000, -0.5000]])
    """
    input, target = tensors("nll_loss_nd", input=input, target=target)
    how = reduction_of(reduction, size_average, reduce)
    floats(input, "nll_loss_out_frame")
    return _of_classes(NllLoss, input, target, weight, ignore_index, how)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross entropy of ``softmax(input)`` and a class, or probabilities of classes.

    .. math:: l = w_t \\Bigl(\\ln \\sum_c e^{x_c} - x_t\\Bigr) \\qquad\\text{or}\\qquad
              l = -\\sum_c w_c\\, y_c \\ln\\mathrm{softmax}(x)_c

    Args:
        input: any numbers, one for each class.
        target: classes in [0, c) of any integer dtype, or floats of the shape of the input.
        weight: one factor for each class; with classes the mean is then the weighted one.
        ignore_index: a class that does not count.
        label_smoothing: in [0, 1], how much of the certainty is shared among all classes.

    Shape:
        ``(n, c, *), (n, *) or (n, c, *) -> ()``, or ``(n, *)`` without reduction; ``(c), () -> ()``

    Raises:
        ShapeError, ArgumentError: shapes that do not fit. DTypeError: dtypes that do not.
        RangeError: a class that is not there.

    >>> import tinyconv as tc
    >>> x = tc.zeros(2, 4, requires_grad=True)
    >>> tc.nn.functional.cross_entropy(x, tc.tensor([0, 2]), reduction="sum").backward()
    >>> x.grad
    tensor([[-0.7500,  0.2500,  0.2500,  0.2500],
            [ 0.2500,  0.2500, -0.7500,  0.2500]])
    """
    input, target = tensors("cross_entropy_loss", input=input, target=target)
    floats(input, "log_softmax_lastdim_kernel_impl")
    how = reduction_of(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}\n"
            "It is the part of the certainty that is given away; 0.1 is usual."
        )
    if shape_of(input) == shape_of(target):
        return _of_probabilities(input, target, weight, ignore_index, how, label_smoothing)
    if label_smoothing == 0:
        return _of_classes(CrossEntropy, input, target, weight, ignore_index, how)
    axis, target = _axis(input), _checked(input, target)
    _check_weight(input, weight)
    q, total = smoothed(input, target, weight, ignore_index, label_smoothing, axis)
    return named(reduced(_soft(input, q, axis), how, total), "AddBackward0")


# ── the two kinds of target ───────────────────────────────────────────────────────────────────


def _of_classes(
    loss: type[NllLoss], x: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    axis, target = _axis(x), _checked(x, target)
    _check_weight(x, weight)
    if not shape_of(x)[axis]:  # no class is there, so that every target has to be ignored
        _demand_classes(x.array, target.array, ignore_index, axis)
        x, weight = pad(x, (0, 0) * (ndim_of(x) - 1 - axis) + (0, 1)), None
    return loss(reduction, ignore_index, axis)(x, target, weight)


def _of_probabilities(
    x: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    axis = _axis(x)
    if target.array.dtype not in FLOATS:
        raise DTypeError(
            "Expected floating point type for target with class probabilities, got "
            f"{type_name(target.array)}",
            "A target of the shape of the input holds probabilities: write target.float(), or "
            f"target.argmax({axis}) for classes.",
        )
    if ignore_index >= 0:
        raise RuntimeError(
            "ignore_index is not supported for floating point target\n"
            "Probabilities of zero do not count."
        )
    _check_weight(x, weight, "cross_entropy: ")
    q = target
    if smoothing:
        q = q * (1 - smoothing) + smoothing / shape_of(x)[axis]
    if weight is not None:
        q = q * reshape(weight, (-1,) + (1,) * (ndim_of(x) - 1 - axis))
    name = "DivBackward1" if reduction == "mean" else "NegBackward0"
    return named(reduced(_soft(x, q, axis), reduction), name)


def _soft(x: Any, q: Any, axis: int) -> Any:
    return neg(sum(log_softmax(x, axis) * q, axis))


def smoothed(
    x: Any, target: Any, weight: Any, ignore_index: int, smoothing: float, axis: int
) -> tuple[Any, Any]:
    """Classes as weighted probabilities, some of each given to all, and the sum of the weights."""
    a, t = x.array, target.array
    xp = XP[type(a)]
    t = xp.expand_dims(t, axis)
    by_class = None if weight is None else weight.array
    at, w = chosen(xp, a, t, by_class, ignore_index, axis)
    share = smoothing / a.shape[axis]
    if by_class is not None:
        share = share * by_class.reshape((-1,) + (1,) * (a.ndim - 1 - axis))
    q = xp.where(t == ignore_index, 0, xp.broadcast_to(share, a.shape)).astype(a.dtype)
    certain = (1 - smoothing) * w + xp.take_along_axis(q, at, axis)
    xp.put_along_axis(q, at, certain, axis)
    return x.wrap(q), x.wrap(xp.asarray(w.sum(), a.dtype))


# ── what must fit ─────────────────────────────────────────────────────────────────────────────


def _axis(x: Any) -> int:
    """The dimension of the classes."""
    if not ndim_of(x):
        raise ArgumentError(
            "Expected 1 or more dimensions (got 0)", "The input holds a score for each class."
        )
    return min(1, ndim_of(x) - 1)


def _checked(x: Any, target: Any) -> Any:
    """Check that ``target`` names a class for each element of ``x``."""
    shape, found = shape_of(x), shape_of(target)
    wanted = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    if found == wanted and target.array.dtype.kind in "iu":
        return target
    hint = f"An input of shape {list(shape)} takes a target of shape {list(wanted)}."
    if len(shape) > 1 and shape[:1] != found[:1]:
        raise ArgumentError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size "
            f"({found[0] if found else 0}).",
            hint,
        )
    if len(shape) < 3 and len(found) > 1:
        squeezed = " Write target.squeeze(1)." if found == (*wanted, 1) else ""
        raise ShapeError(
            "0D or 1D target tensor expected, multi-target not supported", hint + squeezed
        )
    if len(shape) == 1 and found not in ((), (1,)):
        raise ArgumentError(
            f"For 1D input, 1D target must have size 1, but got target size: {found[0]}", hint
        )
    if len(shape) == 4 and len(found) != 3:
        raise ShapeError(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{len(found)}",
            hint + (" Write target.squeeze(1)." if found == (shape[0], 1, *shape[2:]) else ""),
        )
    if len(shape) == 4 and found != wanted:
        raise ShapeError(f"size mismatch (got input: {list(shape)} , target: {list(found)}", hint)
    if len(shape) > 1 and found != wanted:
        raise ShapeError(f"Expected target size {list(wanted)}, got {list(found)}", hint)
    if target.array.dtype.kind not in "iu":
        raise DTypeError(
            f"expected target dtype to be Long or Byte, but got {type_name(target.array)}",
            "Classes are integers: write target.long(). Probabilities have the shape of the input.",
        )
    return reshape(target, wanted)


def _check_weight(x: Any, weight: Any, name: str = "") -> None:
    if weight is None:
        return
    classes = shape_of(x)[_axis(x)]
    if shape_of(weight) != (classes,):
        raise ShapeError(
            f"{name}weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(shape_of(weight))}",
            f"Give {classes} factors, one for each class.",
        )
    if not name and weight.array.dtype != x.array.dtype:
        wanted, found = type_name(x.array), type_name(weight.array)
        raise DTypeError(
            f"expected scalar type {wanted} but found {found}", f"Write weight.{wanted.lower()}()."
        )
