"""Let a gradient pass where a value is positive: the derivative of ReLU, in one pass over memory."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function, op
from ..backend import Array, Kernel, empty


@Kernel
def pass_positive(xp, g, y, gx):
    """gx = g where y > 0 or y is NaN, else 0 (not g * 0, which would be NaN for an infinite g)."""
    gx[...] = xp.where(y <= 0, g.dtype.type(0), g)


@pass_positive.cpu
def _pass_loop(start, stop, g, y, gx):
    for i in range(start, stop):
        gx[i] = g.dtype.type(0) if y[i] <= 0 else g[i]


@op
class Gate(Function):
    name = "ThresholdBackwardBackward0"

    def forward(self, g: Array, y: Array) -> Array:
        self.save(None, y)
        gx = empty(self.xp, y.shape, g.dtype)
        if g.flags.c_contiguous and y.flags.c_contiguous and g.dtype == y.dtype:
            pass_positive(g.reshape(-1), y.reshape(-1), gx.reshape(-1))
        else:
            pass_positive.definition(self.xp, g, y, gx)
        return gx

    def backward(self, gg: Any) -> Any:
        _, y = self.saved
        return Gate()(gg, y) if self.needs[0] else None, None


def gate(g: Any, y: Any) -> Any:
    """``g`` where ``y`` is positive, else 0."""
    return Gate()(g, y)
