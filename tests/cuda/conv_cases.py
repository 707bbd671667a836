"""Convolutions of all kinds: strides, paddings, dilations, groups, odd sizes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    n: int
    c: int
    size: tuple[int, ...]
    f: int
    k: tuple[int, ...]
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1

    @property
    def settings(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Stride, padding and dilation over two dimensions."""
        return tuple((v, v) if isinstance(v, int) else v for v in self.settings[:3])

    @property
    def out(self) -> tuple[int, ...]:
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.size, self.k, *self.pairs, strict=True)
        )


CASES = [
    Case(2, 3, (9, 8), 5, (3, 3), padding=1),
    Case(1, 1, (1, 1), 1, (1, 1)),
    Case(2, 3, (7, 5), 4, (1, 1)),
    Case(2, 6, (6, 7), 4, (1, 1), groups=2),
    Case(2, 5, (6, 7), 4, (1, 1), stride=2),
    Case(2, 3, (5, 4), 4, (1, 1), padding=(0, 2)),
    Case(3, 4, (11, 7), 6, (5, 4), padding=(2, 1)),
    Case(2, 3, (9, 10), 4, (3, 3), stride=2, padding=1),
    Case(2, 4, (13, 11), 7, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 3)),
    Case(2, 5, (10, 9), 3, (2, 3), stride=(3, 2), padding=(0, 3)),
    Case(2, 3, (4, 5), 4, (3, 3), padding=3),
    Case(1, 3, (20, 19), 4, (7, 7), stride=2, padding=3),
    Case(2, 6, (8, 9), 6, (3, 3), padding=1, groups=6),
    Case(2, 6, (8, 9), 12, (3, 3), stride=2, padding=1, groups=6),
    Case(2, 6, (7, 6), 9, (3, 3), padding=1, dilation=2, groups=3),
    Case(2, 20, (5, 6), 18, (3, 3), padding=1, groups=2),
    Case(2, 70, (5, 7), 66, (3, 3), padding=1),
    Case(5, 2, (13, 13), 3, (3, 3), padding=1),
]
