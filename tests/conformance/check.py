"""What the exams share: a case, its checks, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

import tinyconv as tc

Check = Callable[[], None]  # raises if the libraries differ


@dataclass(frozen=True)
class Case:
    """The samples of one entry of one of torch's databases in one type, compared in one respect."""

    group: str
    entry: str
    dtype: str
    what: str

    def __str__(self) -> str:
        return f"{self.entry}-{self.dtype}-{self.what}".replace(" ", "_")


@dataclass
class Result:
    """How many checks there were, and the text of those that failed."""

    count: int = 0
    failures: list[str] = field(default_factory=list)


def run(checks: Iterable[Check]) -> Result:
    """Run every check from the same seed; a failure does not stop the others."""
    result = Result()
    for check in checks:
        result.count += 1
        torch.manual_seed(0)
        tc.manual_seed(0)
        try:
            check()
        except Exception as error:
            notes = getattr(error, "__notes__", [])
            result.failures.append("\n".join([f"{type(error).__name__}: {error}", *notes]))
    return result
