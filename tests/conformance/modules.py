"""The exam of modules: every module of torch's database that tinyconv has a class for."""

from __future__ import annotations

import copy
import functools
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import opinfo
import torch
from opinfo import Call, Outcome, Pair
from opinfo_calls import some

import tinyconv as tc

from .check import Case, Check
from .tables import tolerance

FEW = 5  # samples of a module
DTYPES = ("float32", "float64")
WHAT = ("train", "eval", "gaps", "to", "repr", "state", "copies")


@functools.cache
def database() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    return {info.module_cls.__name__: info for info in module_db}


def entries() -> list[str]:
    return [name for name in database() if hasattr(tc.nn, name)]


def missing() -> list[str]:
    return sorted(name for name in database() if not hasattr(tc.nn, name))


def cases(full: bool) -> Iterator[Case]:
    for name in entries():
        for dtype in DTYPES:
            for what in WHAT:
                yield Case("modules", name, dtype, what)
        if database()[name].module_error_inputs_func is not None:
            yield Case("modules", name, "float32", "errors")


def checks(case: Case) -> Iterator[Check]:
    name, what = case.entry, case.what
    if what == "errors":
        for wrong in refused(name):
            yield functools.partial(compare_errors, name, wrong)
        return
    for sample in samples(name, case.dtype, what != "eval"):
        yield functools.partial(compare, what, name, case.dtype, sample)


@functools.lru_cache(4)
def samples(name: str, dtype: str, training: bool) -> list[Any]:
    info = database()[name]
    kind = getattr(torch, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)  # the same numbers, whatever was drawn before
        found = info.module_inputs_func(info, "cpu", kind, requires_grad=True, training=training)
    return some(found, FEW)


def refused(name: str) -> list[Any]:
    info = database()[name]
    return info.module_error_inputs_func(info, "cpu", torch.float32, False, True)


def _call(given: Any) -> Call:
    return Call(torch.nn, given.args, given.kwargs)


@dataclass
class Twins:
    """A module of torch, and ours with its weights."""

    theirs: torch.nn.Module
    ours: tc.nn.Module
    tolerance: opinfo.Tolerance

    @classmethod
    def of(cls, name: str, dtype: str, given: Any) -> Twins:
        pair = Pair(_call(given))
        twins = cls(
            Outcome.of(getattr(torch.nn, name), pair.torch_args).get(),
            Outcome.of(getattr(tc.nn, name), pair.tiny_args).get(),
            tolerance(name, dtype),
        )
        twins.theirs.to(getattr(torch, dtype))
        twins.ours.to(getattr(tc, dtype))
        return twins

    def share_weights(self) -> None:
        theirs, ours = self.theirs.state_dict(), self.ours.state_dict()
        assert list(ours) == list(theirs), f"keys {list(ours)} instead of {list(theirs)}"
        self.ours.load_state_dict({k: opinfo.to_ours(v) for k, v in theirs.items()})

    def same_state(self) -> None:
        for part in ("named_parameters", "named_buffers"):
            ours, theirs = (dict(getattr(m, part)()) for m in (self.ours, self.theirs))
            assert list(ours) == list(theirs), f"{part}: {list(ours)} instead of {list(theirs)}"
            for key, value in theirs.items():
                opinfo.assert_same(ours[key], value, self.tolerance, key)

    def run(self, given: Any, *, contiguous: bool = True, second: bool = False) -> None:
        call = _call(given)
        pair = Pair(call if contiguous else call.with_gaps())
        theirs = Outcome.of(self.theirs, pair.torch_args).get()
        ours = Outcome.of(self.ours, pair.tiny_args).get()
        opinfo.assert_same(ours, theirs, self.tolerance)
        pair.theirs += self.theirs.parameters()
        pair.ours += self.ours.parameters()
        opinfo.assert_same_gradients(ours, theirs, pair, second=second, tolerance=self.tolerance)
        self.same_state()


def compare(what: str, name: str, dtype: str, sample: Any) -> None:
    given = sample.forward_input
    twins = Twins.of(name, dtype, sample.constructor_input)
    info = database()[name]
    assert str(twins.ours) == str(twins.theirs)
    if what == "repr":
        return
    if info.is_lazy:
        pair = Pair(_call(given))
        twins.theirs(*pair.torch_args[0], **pair.torch_args[1])
        twins.ours(*pair.tiny_args[0], **pair.tiny_args[1])
    twins.share_weights()
    second = dtype == "float64" and info.supports_gradgrad
    match what:
        case "train":
            twins.run(given, second=second)
        case "eval":
            twins.theirs.eval()
            twins.ours.eval()
            twins.run(given, second=second)
        case "gaps":
            twins.run(given, contiguous=False)
        case "to":
            other = "float64" if dtype == "float32" else "float32"
            twins.theirs.to(getattr(torch, other))
            twins.ours.to(getattr(tc, other))
            twins.same_state()
        case "state":
            fresh = Twins.of(name, dtype, sample.constructor_input)
            fresh.theirs.load_state_dict(twins.theirs.state_dict())
            fresh.ours.load_state_dict(twins.ours.state_dict())
            fresh.run(given)
        case "copies":
            for made in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
                Twins(made(twins.theirs), made(twins.ours), twins.tolerance).run(given)


def compare_errors(name: str, wrong: Any) -> None:
    sample = wrong.module_error_input
    pair = Pair(_call(sample.constructor_input))
    theirs = Outcome.of(getattr(torch.nn, name), pair.torch_args)
    ours = Outcome.of(getattr(tc.nn, name), pair.tiny_args)
    if theirs.error is None and ours.error is None:
        pair = Pair(_call(sample.forward_input))
        theirs = Outcome.of(theirs.value, pair.torch_args)
        ours = Outcome.of(ours.value, pair.tiny_args)
    opinfo.assert_same_refusal(ours, theirs)
