"""How far to go along a direction: Wolfe's conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..tensor import Tensor

Number = Any  # of Python, or a tensor with one element

DECREASE, CURVATURE = 1e-4, 0.9  # c₁ and c₂


class Point(NamedTuple):
    """A place on the way: how far it is, and there the loss, its gradient, and its slope along the way."""

    t: Number
    loss: float
    gradient: Tensor
    slope: Number


def strong_wolfe(
    evaluate: Callable[[Number], Point], start: Point, t: Number, length: Number, tolerance: float, most: int
) -> tuple[Point, int]:  # fmt: skip
    """Find a point where the loss is low enough, and its slope flat enough.

    loss(t) ≤ loss(0) + c₁ t slope(0);  |slope(t)| ≤ c₂ |slope(0)|

    First the steps grow until such a point lies between two of them, then the bracket shrinks; each next point is
    the lowest of a cubic polynomial. Nocedal & Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6.

    Args:
        evaluate: the point at t. start: that at 0. t: where to look first.
        length: of the direction; a bracket shorter than ``tolerance`` is good enough.
        most: how many steps besides the first are allowed.

    Returns:
        the point, or if there was none in time the lowest known; and how many were evaluated.
    """

    def too_high(point: Point) -> Any:
        return point.loss > start.loss + DECREASE * point.t * start.slope

    def flat(point: Point) -> Any:
        return abs(point.slope) <= -CURVATURE * start.slope

    before, new, steps = start, evaluate(t), 0
    while steps < most:
        if too_high(new) or (steps > 1 and new.loss >= before.loss):
            bracket = [before, new]
            break
        if flat(new):
            return new, steps + 1
        if new.slope >= 0:
            bracket = [before, new]
            break
        t = lowest(before, new, new.t + 0.01 * (new.t - before.t), new.t * 10)
        before, new, steps = new, evaluate(t), steps + 1
    else:
        bracket = [start, new]

    low, high = _order(bracket)
    slow = False  # the last point was near an end
    while steps < most:
        left, right = sorted(point.t for point in bracket)
        if (right - left) * length < tolerance:
            break
        t = lowest(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (slow or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        slow = near
        new, steps = evaluate(t), steps + 1
        if too_high(new) or new.loss >= bracket[low].loss:
            bracket[high] = new
            low, high = _order(bracket)
            continue
        if flat(new):
            return new, steps + 1
        if new.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
    return bracket[low], steps + 1


def lowest(a: Point, b: Point, low: Number, high: Number) -> Number:
    """The minimum of the cubic polynomial through two points with their slopes, kept within bounds; their middle if there is none.

    Nocedal & Wright, equation 3.59.
    """
    if not a.t <= b.t:
        a, b = b, a
    d = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    root = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + root - d) / (b.slope - a.slope + 2 * root))
    return min(max(t, low), high)


def _order(bracket: list[Point]) -> tuple[int, int]:
    """Which point is the lower, and which the higher."""
    return (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
