"""The exam of operations: every entry of torch's database that tinyconv has a name for."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import opinfo
import opinfo_calls
import torch
from opinfo import Call, Op, supports
from opinfo_calls import flat, some

import tinyconv as tc

from .check import Case, Check
from .tables import ARBITRARY, BY_VECTORS, VALUES_ONLY, tolerance

FEW = 4  # samples of a function, in the short run
FEWER = 2  # of its other forms
DTYPES = ("float32", "float64", "int64", "bool")
WHOLE = ("int64", "bool")  # in the short run not in every form
HALVES = ("float16", "bfloat16")
MORE = ("uint8", "int8", "int16", "int32")
CASTS = [
    "to",
    "bfloat16",
    "bool",
    "byte",
    "char",
    "double",
    "float",
    "half",
    "int",
    "long",
    "short",
]
METHODS = ("method", "in place", "in place operator")
GRADED = ("function", "method", "in place", "gaps", "empty")  # the other forms are names of these

# ── entries ───────────────────────────────────────────────────────────────────────────────────


def found(place: Any, name: str) -> Any:
    """What ``place`` has of this dotted name, or None."""
    for part in name.split("."):
        place = getattr(place, part, None)
    return place


def there(name: str) -> bool:
    return found(tc, name) is not None or found(tc.Tensor, name) is not None


@functools.cache
def entries() -> dict[str, Op]:
    """What tinyconv has, by the name and variant in torch's database."""
    names = [name for name in opinfo.database() if there(name)]
    return {str(op): op for op in opinfo.variants(*names)}


def missing() -> list[str]:
    """The names, aliases too, that tinyconv does not have."""
    names = {name for name in opinfo.database() if not there(name)}
    aliases = {a.name for op in entries().values() for a in op.entry.aliases}
    return sorted(names | {name for name in aliases if not there(name)})


def dtypes(op: Op, full: bool) -> Iterator[str]:
    from torch.testing._internal.opinfo.core import BinaryUfuncInfo, UnaryUfuncInfo

    halves = op.name in CASTS or isinstance(op.entry, (BinaryUfuncInfo, UnaryUfuncInfo))
    for dtype in DTYPES + HALVES * halves + MORE * full:
        if supports(op, dtype):
            yield dtype


# ── the forms of an operation ─────────────────────────────────────────────────────────────────

Form = tuple[Callable[..., Any], Callable[..., Any] | None]  # torch's and, if there, ours


def forms(op: Op) -> dict[str, Form]:
    """Function, method, operator, the in-place ones, and the aliases that tinyconv has."""
    entry = op.entry
    variants = {
        "method": entry.method_variant,
        "in place": entry.inplace_variant,
        "operator": entry.operator_variant,
        "in place operator": entry.inplace_operator_variant,
    }
    result = {"function": (entry.op, translated(entry.op, op.name))}
    for what, torchs in variants.items():
        if torchs is not None and torchs is not entry.op:
            result[what] = torchs, translated(torchs, op.name)
    for alias in entry.aliases:
        if there(alias.name):
            result[f"alias {alias.name}"] = alias.op, translated(alias.op, alias.name)
    return result


def translated(function: Any, name: str) -> Any:
    """tinyconv's function or method of the same name; a lambda of torch's with tinyconv for torch."""
    if isinstance(function, functools.partial):
        inner = translated(function.func, name)
        return inner and functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, FunctionType) and function.__name__ == "<lambda>":
        names = {"torch": tc, "wrapper_set_seed": _seeded}
        return FunctionType(function.__code__, names, "lambda", function.__defaults__)
    own = function.__name__
    if getattr(operator, own, None) is function:
        return function
    if getattr(torch.Tensor, own, None) is function:
        return found(tc.Tensor, own)
    return found(tc, name)


def _seeded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    tc.manual_seed(42)  # as torch's function of this name does
    return function(*args, **kwargs)


# ── cases and their checks ────────────────────────────────────────────────────────────────────


def cases(full: bool) -> Iterator[Case]:
    for label, op in entries().items():
        for dtype in dtypes(op, full):
            for what in (*forms(op), "gaps", "empty"):
                if full or dtype not in WHOLE or what in ("function", "in place", "empty"):
                    yield Case("operations", label, dtype, what)
        if op.entry.error_inputs_func is not None:
            yield Case("operations", label, "any", "errors")


def checks(case: Case) -> Iterator[Check]:
    op = entries()[case.entry]
    if case.what == "errors":
        calls = opinfo_calls.refused(op)
    else:
        calls = some(_samples(op, case.dtype), FEW if case.what == "function" else FEWER)
    if case.what in METHODS or op.name == "__rsub__":  # what is no tensor has none
        calls = [call for call in calls if isinstance(call.args[0], torch.Tensor)]
    change = {"gaps": Call.with_gaps, "empty": _empty}.get(case.what)
    for call in calls:
        yield functools.partial(compare, op, case, change(call) if change else call)


_samples = functools.lru_cache(2)(opinfo_calls.all_samples)


def _empty(call: Call) -> Call:
    """Nothing along the first dimension of the operand, and of what is as long."""
    operand = next(iter(call.tensors), torch.tensor(0))

    def cut(t: torch.Tensor) -> torch.Tensor:
        alike = t.ndim and operand.ndim and len(t) == len(operand)
        return t.detach()[:0].requires_grad_(t.requires_grad) if alike else t

    return call.map(cut)


def compare(op: Op, case: Case, call: Call) -> None:
    theirs, ours = forms(op).get(case.what) or forms(op)["function"]
    assert ours is not None, f"there is no {case.what} of this name"
    if case.what.startswith("in place"):
        theirs, ours = opinfo.on_a_copy(theirs), opinfo.on_a_copy(ours)
    if op.name in VALUES_ONLY and case.dtype not in ("float32", "float64"):
        theirs, ours = _first(theirs), _first(ours)
    if op.name in BY_VECTORS:
        theirs = _in_vectors(theirs)
    graded = case.what in GRADED
    twice = case.dtype == "float64" and op.entry.supports_gradgrad and case.what != "empty"
    check = functools.partial(
        opinfo.check_call,
        call,
        tiny_function=ours,
        gradients=graded,
        second=graded and twice,
        tolerance=opinfo.ARBITRARY if op.name in ARBITRARY else tolerance(case.entry, case.dtype),
    )
    try:
        check(theirs)
    except Exception as difference:
        difference.add_note(str(call))
        if case.dtype not in HALVES or not isinstance(difference, AssertionError):
            raise
        check(_in_float32(theirs))


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: next(flat(function(*args, **kwargs)))


def _in_vectors(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch's function on an array of whole vectors, with nothing left over at its end."""

    def run(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        row = x.reshape(-1)
        row = torch.cat([row, row.new_zeros(-len(row) % 64)])
        return function(row, *args, **kwargs)[: x.numel()].reshape(x.shape)

    return run


def _in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch's function on halves, computed in float32 and rounded once: how tinyconv does it."""

    def run(*args: Any, **kwargs: Any) -> Any:
        call = Call(None, args, kwargs)
        half = next(t.dtype for t in call.tensors if str(t.dtype)[6:] in HALVES)
        call = call.map(lambda t: t.float() if t.dtype is half else t)
        out = function(*call.args, **call.kwargs)
        return out.to(half) if out.dtype is torch.float32 else out

    return run
