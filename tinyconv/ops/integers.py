"""Integers: their bits, and what divides them; no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.function import op
from ..backend import XP, Array
from ..dtypes import FLOATS
from ._common import Takes, kind_of, not_implemented, operands
from ._rows import twins
from .compare import SHAPE, Compare, entitled


@op
class Whole(Compare):
    """A function of integers; ``kernel`` is what torch calls it, ``bools`` whether it takes those."""

    function: str
    kernel: str
    bools: bool

    def forward(self, *arrays: Any) -> Array:
        kinds = [kind_of(a) for a in arrays]
        if any(k in FLOATS for k in kinds) or (
            not self.bools and all(k.kind == "b" for k in kinds)
        ):
            raise not_implemented(
                f"{self.kernel}_cpu", next(a for a in arrays if type(a) in XP), _WAY_OUT
            )
        return super().forward(*arrays)


_WAY_OUT = "Write x.long(); or, for bits, compare first, as in (x > 0) & (y > 0)."


# ── bits ──────────────────────────────────────────────────────────────────────────────────────


def _bits(name: str, symbol: str, doc: str) -> Callable[[Any, Any], Any]:
    takes = Takes(name, input=True, symbol=symbol)

    def bitwise(input: Any, other: Any) -> Any:
        return Whole(name, name, True)(*operands(input, other, takes))

    return entitled(bitwise, name, doc + SHAPE)


bitwise_and = _bits("bitwise_and", "&", "And, bit by bit; of bools, and.")
bitwise_or = _bits("bitwise_or", "|", "Or, bit by bit; of bools, or.")
bitwise_xor = _bits("bitwise_xor", "^", "Exclusive or, bit by bit; of bools, difference.")


def bitwise_not(input: Any) -> Any:
    """Flip every bit; of a bool, its opposite."""
    return Whole("invert", "bitwise_not", True)(input)


# ── shifts ────────────────────────────────────────────────────────────────────────────────────


@op
class Shift(Whole):
    """By less than nothing, or by as many bits as there are, all are shifted out."""

    def forward(self, x: Any, y: Any) -> Array:
        kind = (x if type(x) in XP else y).dtype
        xp, bits = self.xp, 8 * kind.itemsize
        x, y = xp.asarray(x), xp.asarray(y)
        if kind in FLOATS or kind.kind == "b":
            raise not_implemented(f"{self.kernel}_cpu", x, "Write x.long() first.")
        x, y = x.astype(kind, copy=False), y.astype(kind, copy=False)
        inside = (y >= 0) & (y < bits)
        z = super().forward(x, xp.where(inside, y, 0).astype(kind, copy=False))
        gone = x >> (bits - 1) if self.kernel == "rshift" and kind.kind == "i" else 0
        return xp.where(inside, z, gone).astype(kind, copy=False)


def _shift(name: str, kernel: str, symbol: str, doc: str) -> Callable[[Any, Any], Any]:
    takes = Takes(name, input=True, symbol=symbol)

    def shift(input: Any, other: Any) -> Any:
        return Shift(name.removeprefix("bitwise_"), kernel, False)(*operands(input, other, takes))

    return entitled(shift, name, doc + SHAPE)


bitwise_left_shift = _shift(
    "bitwise_left_shift", "lshift", "<<", "Multiply by a power of two: shift the bits up."
)
bitwise_right_shift = _shift(
    "bitwise_right_shift", "rshift", ">>", "Divide by a power of two, rounding down."
)


# ── divisors ──────────────────────────────────────────────────────────────────────────────────


def _divisor(name: str, doc: str) -> Callable[[Any, Any], Any]:
    takes = Takes(name, other=False)

    def divisor(input: Any, other: Any) -> Any:
        return Whole(name, name, False)(*operands(input, other, takes))

    return entitled(divisor, name, doc + SHAPE)


gcd = _divisor("gcd", "Greatest common divisor, never negative.")
lcm = _divisor("lcm", "Least common multiple, never negative.")

bitwise_and_, bitwise_or_, bitwise_xor_ = twins(bitwise_and, bitwise_or, bitwise_xor)
bitwise_not_, gcd_, lcm_ = twins(bitwise_not, gcd, lcm)
bitwise_left_shift_, bitwise_right_shift_ = twins(bitwise_left_shift, bitwise_right_shift)
