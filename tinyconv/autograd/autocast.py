"""What ``autocast`` does to the inputs of an operation, before it sees them.

Each operation has a policy: on which devices its inputs become halves (what is fast and forgives it), on
which float32 (what does not). A Function carries it as ``autocast``; what is made of several Functions, or
looks at number types itself, asks :func:`recast` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backend import backend_of
from ..dtypes import FLOATS, dtype, float32, float64
from .function import cast
from .mode import mode
from .variable import Variable

Policy = Mapping[str, str]  # device type -> what is made of inputs there

LOWER: Policy = {"cpu": "lower", "cuda": "lower"}
LOWER_ON_CUDA: Policy = {"cuda": "lower"}
FLOAT32: Policy = {"cpu": "float32", "cuda": "float32"}
FLOAT32_ON_CPU: Policy = {"cpu": "float32"}
FLOAT32_ON_CUDA: Policy = {"cuda": "float32"}
FLOAT32_OR_ERROR: Policy = {"cpu": "float32", "cuda": "error"}


@dataclass
class Casting:
    """What is switched on, and the parameters cast so far.

    A parameter that is used several times is cast once, and the gradients of the cast add up before they
    are cast back. So it is not to be changed meanwhile: the contexts end before ``optimizer.step()``.
    """

    chosen: dict[str, dtype]  # the halves of each device type
    enabled: frozenset[str]  # the device types whose operations choose
    caching: bool
    known: dict[int, tuple[Variable, Any]]  # by id of the leaf, which stands there to stay

    def cast(self, policy: Policy, inputs: Sequence[Any]) -> list[Any]:
        """The inputs as the policy wants them; numbers, integers and float64 stay as they are."""
        return [self._one(policy, x) if isinstance(x, Variable) else x for x in inputs]

    def _one(self, policy: Policy, x: Variable) -> Any:
        array = x.array
        where = backend_of(array).name
        wish = policy.get(where) if where in self.enabled else None
        if wish is None or not _castable(array.dtype):
            return x
        if wish == "error":
            raise RuntimeError(
                "binary_cross_entropy and BCELoss are unsafe to autocast.\n"
                "Their logarithm needs the digits that a sigmoid of halves has lost: "
                "write binary_cross_entropy_with_logits, or BCEWithLogitsLoss without the sigmoid."
            )
        if wish == "float32":
            return cast(x, float32.numpy)
        half = self.chosen[where].numpy
        if not (self.caching and mode.enabled and x.leaf and x.base is None):
            return cast(x, half)
        if id(x) not in self.known:
            self.known[id(x)] = x, cast(x, half)
        return self.known[id(x)][1]


def recast(policy: Policy, *inputs: Any) -> Sequence[Any]:
    """Under ``autocast`` the inputs as the policy wants them, otherwise as they are."""
    return inputs if mode.autocast is None else mode.autocast.cast(policy, inputs)


def will_cast(policy: Policy, *inputs: Any) -> bool:
    """Tell whether ``autocast`` will bring all of these (or None) to one type, so that they need not agree."""
    casting = mode.autocast
    if casting is None:
        return False
    on = policy.keys() & casting.enabled
    return all(
        x is None or (backend_of(x.array).name in on and _castable(x.array.dtype)) for x in inputs
    )


def _castable(kind: Any) -> bool:
    return kind in FLOATS and kind != float64.numpy
