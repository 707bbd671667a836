"""The arguments of torch's samples: which there are, and the same in tinyconv."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np
import torch

import tinyconv as tc
from tinyconv import dtypes

FULL = (
    os.environ.get("TINYCONV_OPINFO") == "full"
)  # every sample, and torch's wider "reference" samples
SAMPLES = 12  # otherwise at most so many of an op, evenly spread over those torch has

DTYPES = {getattr(torch, d.name): d for d in dtypes.ALL}


# ── what is left out ──────────────────────────────────────────────────────────────────────────


@dataclass
class Call:
    """The arguments of one call, as torch values."""

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    seen: Callable[[Any], Any] = lambda result: result  # what of the result is determined

    @property
    def values(self) -> list[Any]:
        """Every argument, those in lists and tuples too."""
        return list(flat((self.args, self.kwargs)))

    @property
    def tensors(self) -> list[torch.Tensor]:
        return [v for v in self.values if isinstance(v, torch.Tensor)]

    @property
    def dtypes(self) -> list[torch.dtype]:
        """Of tensors and of dtype arguments."""
        found = [v for v in self.values if isinstance(v, torch.dtype)]
        return found + [t.dtype for t in self.tensors]

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Call:
        """The same call with every tensor changed."""

        def changed(v: Any) -> Any:
            if isinstance(v, torch.Tensor):
                return change(v)
            return type(v)(map(changed, v)) if isinstance(v, (list, tuple)) else v

        named = {k: changed(v) for k, v in self.kwargs.items()}
        return replace(self, args=tuple(map(changed, self.args)), kwargs=named)

    def to(self, dtype: torch.dtype) -> Call:
        """The same call with its tensors, off the tape, in another dtype."""
        return self.map(lambda t: t.detach().to(dtype))

    def with_gaps(self) -> Call:
        """The same call on tensors that do not lie in one piece."""
        from torch.testing._internal.common_utils import noncontiguous_like

        return self.map(noncontiguous_like)

    def __str__(self) -> str:
        named = (f"{k}={_brief(v)}" for k, v in self.kwargs.items())
        return ", ".join([*map(_brief, self.args), *named])

    def why_not(self) -> str | None:
        """The reason why tinyconv need not answer, if there is one."""
        return next((reason for reason, rule in UNSUPPORTED if rule(self)), None)


ARITHMETIC = ("add", "sub", "mul", "div", "true_divide", "floor_divide")

# A call is left out if a rule holds for it.
UNSUPPORTED: list[tuple[str, Callable[[Call], bool]]] = [
    (
        "there are no complex numbers",
        lambda c: (
            any(d.is_complex for d in c.dtypes) or any(isinstance(v, complex) for v in c.values)
        ),
    ),
    (
        "there is no float of 8 bits, no unsigned integer of more",
        lambda c: any(d not in DTYPES for d in c.dtypes),
    ),
    (
        "images of three dimensions have no layout of their own",
        lambda c: any(v is torch.channels_last_3d for v in c.values),
    ),
    ("there are no sparse tensors", lambda c: any(t.layout != torch.strided for t in c.tensors)),
    ("both libraries compute on the CPU", lambda c: any(t.device.type != "cpu" for t in c.tensors)),
    ("out= is examined by itself", lambda c: c.kwargs.get("out") is not None),
    ("NumPy arrays have 64 dimensions at most", lambda c: any(t.ndim > 64 for t in c.tensors)),
    (
        "arithmetic of two Python numbers is Python's",
        lambda c: not c.tensors and c.op.name in ARITHMETIC,
    ),
]


# ── the database ──────────────────────────────────────────────────────────────────────────────


@functools.cache
def database() -> dict[str, list[Any]]:
    """torch's entries by name; loading them takes some seconds, so it happens once, when needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own modules warn of torch's own plans
        from torch.testing._internal import common_utils
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.opinfo import core
    for module in (
        common_utils,
        core,
    ):  # it looks through the whole stack, 0.2 s, for a test that is not there
        module.extract_test_fn = lambda: None
    entries: dict[str, list[Any]] = {}
    for entry in op_db:
        entries.setdefault(entry.name, []).append(entry)
    return entries


@dataclass(frozen=True)
class Op:
    """Names one entry of the database without loading it; prints as its test id."""

    name: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    @property
    def entry(self) -> Any:
        for entry in database()[self.name]:
            if entry.variant_test_name == self.variant:
                return entry
        raise KeyError(
            f"torch has no {self!r}: {[e.variant_test_name for e in database()[self.name]]}"
        )

    @property
    def ours(self) -> Callable[..., Any]:
        """tinyconv's function of the same dotted name."""
        function = self.entry.op
        if isinstance(function, FunctionType) and function.__name__ == "<lambda>":
            # The arguments in another order, such as ``lambda x, c, y: torch.where(c, x, y)``.
            return FunctionType(function.__code__, {"torch": tc}, "lambda")
        place: Any = tc
        path = self.name.split(".")
        if path[0].startswith("__"):
            place = tc.Tensor  # a dunder is a method only
        for part in path:
            place = getattr(place, part)
        return place


def supports(op: Op, dtype: str) -> bool:
    """True if torch takes this dtype on a CPU."""
    return op.entry.supports_dtype(getattr(torch, dtype), "cpu")


def all_samples(op: Op, dtype: str) -> list[Call]:
    """The arguments of torch's samples that tinyconv has to answer."""
    entry, kind = op.entry, getattr(torch, dtype)
    graded = kind.is_floating_point and entry.supports_autograd
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some samples are made with deprecated functions
        torch.manual_seed(0)  # the same numbers, whatever was drawn before
        found = list(entry.sample_inputs("cpu", kind, requires_grad=graded))
        if FULL and entry.reference_inputs_func is not None:
            try:
                found = list(entry.reference_inputs("cpu", kind, requires_grad=graded))
            except ValueError:  # torch's own samples ask for gradients of integers
                found += entry.reference_inputs("cpu", kind, requires_grad=False)
    calls = [
        Call(entry, (s.input, *s.args), dict(s.kwargs), s.output_process_fn_grad) for s in found
    ]
    calls = [call for call in calls if call.why_not() is None]
    assert calls, f"no sample of {op} in {dtype} is left"
    return calls


def some(items: list[Any], few: int) -> list[Any]:
    """So many of a list, evenly spread; all of it if ``FULL``."""
    if FULL or len(items) <= few:
        return items
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, few).round().astype(int))]


def samples(op: Op, dtype: str, *, contiguous: bool = True) -> Iterator[Call]:
    """Some of them, or all if ``FULL``."""
    calls = some(all_samples(op, dtype), SAMPLES)
    return iter(calls) if contiguous else (call.with_gaps() for call in calls)


def refused(op: Op) -> list[Call]:
    """The arguments that torch refuses, and tinyconv has to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in all_samples()
        torch.manual_seed(0)
        found = [wrong.sample_input for wrong in op.entry.error_inputs("cpu")]
    calls = [Call(op.entry, (s.input, *s.args), dict(s.kwargs)) for s in found]
    return [call for call in calls if call.why_not() is None]


# ── from torch to tinyconv ────────────────────────────────────────────────────────────────────


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from flat(v)
    elif isinstance(value, dict):
        yield from flat(list(value.values()))
    else:
        yield value


def _same_layout(t: torch.Tensor) -> torch.Tensor:
    """A copy of its own, with the strides of the original, gaps and repetitions included."""
    copy = torch.empty_strided(t.size(), t.stride(), dtype=t.dtype)
    array_of(copy)[...] = array_of(t)
    return copy


def array_of(t: torch.Tensor) -> np.ndarray:
    """The memory of a torch tensor as an array of NumPy, which torch cannot make of bfloat16."""
    t = t.detach().resolve_neg()
    t = t.clone() if t._is_zerotensor() else t  # a gradient of zeros without memory
    return t.view(torch.int16).numpy().view("bfloat16") if t.dtype is torch.bfloat16 else t.numpy()


class Pair:
    """The same arguments twice: in torch, and in tinyconv; leaves side by side."""

    def __init__(self, call: Call) -> None:
        self.theirs: list[torch.Tensor] = []  # the leaves, in order
        self.ours: list[tc.Tensor] = []
        self._done: dict[int, tuple[Any, Any]] = {}  # a tensor that occurs twice stays one tensor
        pairs = [self._pair(a) for a in call.args]
        named = {k: self._pair(v) for k, v in call.kwargs.items()}
        self.torch_args = [a for a, _ in pairs], {k: a for k, (a, _) in named.items()}
        self.tiny_args = [b for _, b in pairs], {k: b for k, (_, b) in named.items()}

    def _pair(self, value: Any) -> tuple[Any, Any]:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._done:
                self._done[id(value)] = self._tensor(value)
            return self._done[id(value)]
        if isinstance(value, (list, tuple)):
            pairs = [self._pair(v) for v in value]
            make = tuple if isinstance(value, tuple) else list
            return make(a for a, _ in pairs), make(b for _, b in pairs)
        if isinstance(value, dict):
            made = {k: self._pair(v) for k, v in value.items()}
            return {k: a for k, (a, _) in made.items()}, {k: b for k, (_, b) in made.items()}
        return value, to_ours(value)

    def _tensor(self, value: torch.Tensor) -> tuple[torch.Tensor, tc.Tensor]:
        theirs = _same_layout(value)
        ours = tc.from_numpy(array_of(_same_layout(value)))
        if value.requires_grad:
            self.theirs.append(theirs.requires_grad_())
            self.ours.append(ours.requires_grad_())
        return theirs, ours


def to_ours(value: Any) -> Any:
    """A torch constant as the tinyconv constant of that name; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return tc.from_numpy(array_of(_same_layout(value)))
    if isinstance(value, torch.dtype):
        return DTYPES[value]
    if isinstance(value, torch.device):
        return tc.device(str(value))
    if isinstance(value, torch.memory_format):
        return getattr(dtypes, str(value).removeprefix("torch."))
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, torch.nn.Module):  # with its defaults
        return getattr(tc.nn, type(value).__name__)()
    return value


def _brief(v: Any) -> str:
    if isinstance(v, torch.Tensor):
        return f"{str(v.dtype)[6:]}{list(v.shape) if v.numel() > 6 else ' ' + str(v.tolist())}"
    if isinstance(v, (list, tuple)):
        return f"({', '.join(map(_brief, v))})"
    return repr(v)
