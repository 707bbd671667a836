"""What several networks have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...errors import ArgumentError
from ...tensor import Tensor

__all__ = ["check_setting", "fan_out_normal", "initialize", "make_divisible", "small_normal"]

Rule = Callable[[Tensor], Any]  # fills a weight

fan_out_normal = partial(nn.init.kaiming_normal_, mode="fan_out")
small_normal = partial(nn.init.normal_, std=0.01)


def initialize(model: nn.Module, conv: Rule, linear: Rule | None = None) -> None:
    """Fill all layers in order: weights by a rule, those of normalisations with 1; biases with 0.

    Args:
        conv: fills the filters of convolutions
        linear: fills the matrices of linear layers; None leaves these layers alone
    """
    rules: list[tuple[Any, Rule | None]] = [
        (nn.Conv2d, conv),
        ((nn.BatchNorm2d, nn.GroupNorm), nn.init.ones_),
        (nn.Linear, linear),
    ]
    for layer in model.modules():
        for kind, rule in rules:
            if isinstance(layer, kind) and rule is not None:
                rule(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """Round a number of channels to a multiple of ``divisor``, and not down by more than 10%.

    >>> make_divisible(20, 8), make_divisible(17, 8), make_divisible(3, 8)
    (24, 16, 8)
    """
    rounded = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def check_setting(setting: Any, kind: type, name: str, shown: str = "") -> None:
    """Refuse what is no list of ``kind``, or an empty one."""
    if not setting:
        raise ArgumentError(f"The {name} should not be empty", "It lists the parts of the network.")
    if not isinstance(setting, Sequence) or not all(isinstance(s, kind) for s in setting):
        raise TypeError(
            f"The {name} should be List[{shown or kind.__name__}]\n"
            f"Write {name}=[{shown or kind.__name__}(...), ...]."
        )
