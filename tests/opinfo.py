"""PyTorch's own test data, run through both libraries.

torch ships a database of its operations: for each, sample arguments that reach its corners, and
arguments that it must refuse. :func:`check_samples` and :func:`check_errors` run them through torch
and through tinyconv's function of the same dotted name, and compare

- values, dtypes, shapes, ``requires_grad``, and the names of the fields of a named tuple;
- gradients under a random cotangent and, in float64, gradients of these gradients;
- the method and the in-place method, with errors where torch has errors;
- the same again on operands with gaps in memory;
- exceptions: ours is a subclass of torch's and starts with the same words.

Usage::

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("op", opinfo.variants("sum"), ids=str)
    def test(op, dtype):
        opinfo.check_samples(op, dtype)

What tinyconv does not have is left out by the rules in ``opinfo_calls.UNSUPPORTED``, each with its
reason; nothing else is. ``TINYCONV_OPINFO=full`` runs all samples, and torch's wider set of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from opinfo_calls import (
    DTYPES,
    FULL,
    SAMPLES,
    UNSUPPORTED,
    Call,
    Op,
    Pair,
    array_of,
    database,
    flat,
    refused,
    samples,
    supports,
    to_ours,
)

import tinyconv as tc
from tinyconv.dtypes import FLOATS

WORDS = 40  # letters of a message that must agree

Tolerance = tuple[float, float] | None  # relative, absolute; None for that of the dtype
ARBITRARY = (np.inf, np.inf)
TOLERANCE = {
    "bfloat16": (1.6e-2, 1e-2),
    "float16": (2e-3, 1e-3),
    "float32": (3e-6, 2e-6),
    "float64": (1e-11, 1e-11),
}

__all__ = [
    "ARBITRARY", "DTYPES", "FULL", "SAMPLES", "UNSUPPORTED", "Call", "Op", "Outcome", "Pair", "assert_same",
    "assert_same_error", "assert_same_gradients", "assert_same_refusal", "check_call", "check_errors", "check_refusal", "check_samples", "database",
    "flat", "on_a_copy", "refused", "samples", "supports", "to_ours", "variants",
]  # fmt: skip

# ── comparison ────────────────────────────────────────────────────────────────────────────────


def assert_same(ours: Any, theirs: Any, tolerance: Tolerance = None, where: str = "result") -> None:
    """Same kind, dtype, shape, ``requires_grad`` and, up to rounding, values."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, tc.Tensor), f"{where}: {type(ours).__name__} instead of a Tensor"
        assert tuple(ours.shape) == tuple(theirs.shape), (
            f"{where}: {ours.shape} instead of {theirs.shape}"
        )
        assert ours.dtype is DTYPES[theirs.dtype], (
            f"{where}: {ours.dtype} instead of {theirs.dtype}"
        )
        assert ours.requires_grad == theirs.requires_grad, (
            f"{where}: requires_grad is {ours.requires_grad}"
        )
        _assert_close(ours.detach().array, array_of(theirs), tolerance, where)
    elif isinstance(theirs, (list, tuple)):
        assert isinstance(ours, (list, tuple)), f"{where}: {type(ours).__name__} instead of a tuple"
        assert isinstance(ours, tuple) == isinstance(theirs, tuple), (
            f"{where}: {type(ours).__name__}"
        )
        assert len(ours) == len(theirs), f"{where}: {len(ours)} items instead of {len(theirs)}"
        if isinstance(theirs, torch.Size):
            assert tuple(ours) == tuple(theirs), f"{where}: {ours} instead of {theirs}"
        elif type(theirs) is not tuple and isinstance(theirs, tuple):
            fields = type(theirs).__match_args__
            assert ours._fields == fields, f"{where}: fields {ours._fields} instead of {fields}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, tolerance, f"{where}[{i}]")
    elif isinstance(theirs, torch.dtype):
        assert ours is DTYPES[theirs], f"{where}: {ours} instead of {theirs}"
    else:
        assert type(ours) is type(theirs), (
            f"{where}: {type(ours).__name__} instead of {type(theirs).__name__}"
        )
        assert ours == theirs, f"{where}: {ours} instead of {theirs}"


def _assert_close(a: np.ndarray, b: np.ndarray, tolerance: Tolerance, where: str) -> None:
    if tolerance == ARBITRARY:
        return
    if b.dtype not in FLOATS:
        assert np.array_equal(a, b), f"{where}:\n{a}\ninstead of\n{b}"
        return
    rtol, atol = tolerance or TOLERANCE[b.dtype.name]
    if b.dtype == "bfloat16":
        a, b = a.astype("float32"), b.astype("float32")
    with np.errstate(all="ignore"):  # inf - inf
        close = np.isclose(a, b, rtol, atol, equal_nan=True)
        if not close.all():
            worst = np.nanmax(np.where(close, 0, np.abs(a - b)), initial=0)
            raise AssertionError(
                f"{where}: off by {worst}\n{a[~close][:8]}\ninstead of\n{b[~close][:8]}"
            )


def assert_same_error(ours: BaseException, theirs: BaseException) -> None:
    """A subclass of torch's type, and the same opening words."""
    assert isinstance(ours, type(theirs)), (
        f"{type(ours).__name__}: {ours}\ninstead of\n{type(theirs).__name__}: {theirs}"
    )
    a, b = (_opening(e) for e in (ours, theirs))
    assert a == b, f"{a!r} instead of {b!r}"


def assert_same_refusal(ours: Outcome, theirs: Outcome) -> None:
    """The same error or, if torch only warns, the same warnings."""
    assert theirs.error or theirs.warned, "torch refuses nothing"
    if theirs.error is None:
        assert ours.error is None, f"{ours.error!r} instead of a warning"
        assert set(ours.warned) == set(theirs.warned)
        return
    assert ours.error is not None, (
        f"no error instead of {type(theirs.error).__name__}: {theirs.error}"
    )
    try:
        assert_same_error(ours.error, theirs.error)
    except AssertionError as difference:
        raise difference from ours.error


def _opening(error: Any) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0].replace("torch.", "tinyconv.")[:WORDS].rstrip()


@dataclass
class Outcome:
    """What a call returned or raised, and the warnings it gave on the way."""

    value: Any = None
    error: BaseException | None = None
    warned: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Callable[..., Any], args: Any) -> Outcome:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            out = cls()
            try:
                out.value = function(*args[0], **args[1])
            except Exception as error:
                out.error = error
        out.warned = tuple(_opening(w.message) for w in caught)
        return out

    def get(self) -> Any:
        """What was returned; what was raised is raised again."""
        if self.error is not None:
            raise self.error
        return self.value


def _cotangents(outputs: list[torch.Tensor], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.standard_normal(tuple(y.shape))).astype(str(y.dtype)[6:]) for y in outputs
    ]


def _to_torch(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """By way of a list, as torch takes no array of bfloat16."""
    return torch.tensor(values.tolist(), dtype=like.dtype).reshape(like.shape)


def _differentiable(outputs: Any, kind: type) -> list[Any]:
    return [y for y in flat(outputs) if isinstance(y, kind) and y.requires_grad]


def assert_same_gradients(
    ours: Any,
    theirs: Any,
    pair: Pair,
    *,
    second: bool,
    tolerance: Tolerance = None,
) -> None:
    """First and, if asked for, second gradients with respect to the leaves of ``pair``.

    A second gradient that is NaN in torch may be a number here.
    """
    y, z = _differentiable(ours, tc.Tensor), _differentiable(theirs, torch.Tensor)
    if not z:
        return
    weights = _cotangents(z, 0)
    gy = [tc.tensor(w) for w in weights]
    gz = [_to_torch(w, y) for w, y in zip(weights, z, strict=True)]
    if second:
        gy, gz = [g.requires_grad_() for g in gy], [g.requires_grad_() for g in gz]
    try:
        b = torch.autograd.grad(z, pair.theirs, gz, create_graph=second, allow_unused=True)
    except RuntimeError as error:
        if "derivative for" in str(error):
            return  # torch has none: nothing to compare with
        raise
    a = tc.autograd.grad(y, pair.ours, gy, create_graph=second, allow_unused=True)
    _assert_same_grads(a, b, pair.theirs, tolerance, "gradient")
    if not second:
        return
    at = [
        i
        for i, (p, q) in enumerate(zip(a, b, strict=True))
        if p is not None and q is not None and q.requires_grad
    ]
    for i in at:
        if not a[i].requires_grad:  # constant, for us: then torch's second gradients must vanish
            a[i].requires_grad_()
    if not at:
        return
    weights = _cotangents([b[i] for i in at], 1)
    sources = pair.theirs + gz
    try:
        d = torch.autograd.grad(
            [b[i] for i in at],
            sources,
            [_to_torch(w, b[i]) for i, w in zip(at, weights, strict=True)],
            allow_unused=True,
        )
    except RuntimeError as error:
        if "derivative for" in str(error):
            return  # torch has no second one
        raise
    c = tc.autograd.grad(
        [a[i] for i in at], pair.ours + gy, [tc.tensor(w) for w in weights], allow_unused=True
    )
    _assert_same_grads(c, d, sources, tolerance, "second gradient", where=lambda q: ~np.isnan(q))


def _assert_same_grads(
    ours: Any,
    theirs: Any,
    sources: Any,
    tolerance: Any,
    what: str,
    where: Callable[[np.ndarray], Any] = lambda q: ...,
) -> None:
    for i, (a, b, x) in enumerate(zip(ours, theirs, sources, strict=True)):
        shape = tuple(x.shape)
        for g in (a, b):
            assert g is None or tuple(g.shape) == shape, (
                f"{what} {i}: shape {g.shape} instead of {shape}"
            )
        if a is not None:
            assert a.dtype is DTYPES[x.dtype], f"{what} {i}: {a.dtype} instead of {x.dtype}"
        zero = np.zeros(shape, str(x.dtype)[6:])  # None stands for zeros
        p = zero if a is None else a.detach().array
        q = zero if b is None else array_of(b)
        _assert_close(p[where(q)], q[where(q)], tolerance, f"{what} {i}")


# ── the checks ────────────────────────────────────────────────────────────────────────────────


def variants(*names: str) -> list[Op]:
    """All entries of these names. It loads the database: tables name ``Op(name, variant)``."""
    return [Op(n, entry.variant_test_name) for n in names for entry in database()[n]]


def check_samples(
    op: Op | str, dtype: str, *, gradients: bool = True, tolerance: Tolerance = None
) -> None:
    """Run torch's samples of ``op`` in ``dtype`` through both libraries, in all forms both have.

    Args:
        gradients: compare first and second gradients too.
        tolerance: relative and absolute, instead of that of the dtype; ``ARBITRARY`` for functions
            such as ``empty``.
    """
    op = Op(op) if isinstance(op, str) else op
    second = gradients and dtype == "float64" and op.entry.supports_gradgrad
    for contiguous in (True, False):
        for i, call in enumerate(samples(op, dtype, contiguous=contiguous)):
            for form, theirs, ours in _forms(op, call) if contiguous else [_function(op)]:
                try:
                    check_call(call, theirs, ours, gradients, second, tolerance)
                except Exception as error:
                    gaps = "" if contiguous else ", with gaps in memory"
                    error.add_note(f"{op}, {dtype}, sample {i}, as a {form}{gaps}: {call}")
                    raise


Form = tuple[str, Callable[..., Any], Callable[..., Any]]  # its name, torch's, ours


def _function(op: Op) -> Form:
    return "function", op.entry.op, op.ours


def _forms(op: Op, call: Call) -> Iterator[Form]:
    """The function and, if both libraries have them, the method and the in-place method."""
    yield _function(op)
    if not isinstance(call.args[0], torch.Tensor):
        return
    name, entry = op.name, op.entry
    if entry.method_variant is not None and hasattr(tc.Tensor, name):
        yield "method", entry.method_variant, getattr(tc.Tensor, name)
    if entry.inplace_variant is not None and hasattr(tc.Tensor, f"{name}_"):
        ours = getattr(tc.Tensor, f"{name}_")
        yield "in-place method", on_a_copy(entry.inplace_variant), on_a_copy(ours)


def on_a_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply an in-place method to a copy, as leaves cannot be written to; it must return it."""

    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        copy = x.clone()
        out = function(copy, *args, **kwargs)
        assert out is copy, "an in-place method returns its operand"
        return out

    return run


def check_call(
    call: Call,
    torch_function: Callable[..., Any],
    tiny_function: Callable[..., Any],
    gradients: bool = False,
    second: bool = False,
    tolerance: Tolerance = None,
) -> None:
    """One call: the same result and gradients, or the same refusal."""
    pair = Pair(call)
    theirs = Outcome.of(torch_function, pair.torch_args)
    ours = Outcome.of(tiny_function, pair.tiny_args)
    if theirs.error is not None:
        assert_same_refusal(ours, theirs)
        return
    if ours.error is not None:
        raise ours.error
    unheard = set(ours.warned) - set(theirs.warned)  # torch also warns of plans that are not ours
    assert not unheard, f"warnings that torch does not give: {unheard}"
    a, b = call.seen(ours.value), call.seen(theirs.value)
    assert_same(a, b, tolerance)
    if gradients and pair.theirs:
        assert_same_gradients(a, b, pair, second=second, tolerance=tolerance)


def check_refusal(op: Op | str, dtype: str) -> None:
    """Run samples in a dtype that torch's database says it does not take.

    Where torch refuses, tinyconv must refuse likewise; where it answers after all, tinyconv too.
    """
    op = Op(op) if isinstance(op, str) else op
    for call in samples(op, "float32"):
        _noted(op, call.to(getattr(torch, dtype)), dtype)


def check_errors(op: Op | str) -> None:
    """Run the arguments that torch refuses: tinyconv must refuse them alike."""
    op = Op(op) if isinstance(op, str) else op
    for call in refused(op):
        _noted(op, call, "refused by torch")


def _noted(op: Op, call: Call, what: str) -> None:
    try:
        check_call(call, op.entry.op, op.ours)
    except Exception as error:
        error.add_note(f"{op}, {what}: {call}")
        raise
