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

What tinyconv does not have is left out by the rules in ``UNSUPPORTED``, each with its reason; nothing
else is. ``TINYCONV_OPINFO=full`` runs all samples, and torch's wider set of them.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
import torch

import tinyconv as tc
from tinyconv.dtypes import ALL

FULL = (
    os.environ.get("TINYCONV_OPINFO") == "full"
)  # every sample, and torch's wider "reference" samples
SAMPLES = 12  # otherwise at most so many of an op, evenly spread over those torch has
WORDS = 40  # letters of a message that must agree

Tolerance = tuple[float, float] | None  # relative, absolute; None for that of the dtype
ARBITRARY = (np.inf, np.inf)
TOLERANCE = {"float16": (2e-3, 1e-3), "float32": (3e-6, 2e-6), "float64": (1e-11, 1e-11)}

DTYPES = {getattr(torch, d.name): d for d in ALL}


# ── what is left out ──────────────────────────────────────────────────────────────────────────


@dataclass
class Call:
    """The arguments of one call, as torch values."""

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

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

    def to(self, dtype: torch.dtype) -> Call:
        """The same call with its tensors, off the tape, in another dtype."""

        def converted(v: Any) -> Any:
            if isinstance(v, torch.Tensor):
                return v.detach().to(dtype)
            return type(v)(map(converted, v)) if isinstance(v, (list, tuple)) else v

        named = {k: converted(v) for k, v in self.kwargs.items()}
        return Call(self.op, tuple(map(converted, self.args)), named)

    def why_not(self) -> str | None:
        """The reason why tinyconv need not answer, if there is one."""
        return next((reason for reason, rule in UNSUPPORTED if rule(self)), None)


# A call is left out if a rule holds for it.
UNSUPPORTED: list[tuple[str, Callable[[Call], bool]]] = [
    (
        "there are no complex numbers",
        lambda c: (
            any(d.is_complex for d in c.dtypes) or any(isinstance(v, complex) for v in c.values)
        ),
    ),
    (
        "there is no bfloat16, no float of 8 bits, no unsigned integer of more",
        lambda c: any(d not in DTYPES for d in c.dtypes),
    ),
    ("there are no sparse tensors", lambda c: any(t.layout != torch.strided for t in c.tensors)),
    ("both libraries compute on the CPU", lambda c: any(t.device.type != "cpu" for t in c.tensors)),
    ("results are assigned, not written to out=", lambda c: c.kwargs.get("out") is not None),
    ("NumPy arrays have 64 dimensions at most", lambda c: any(t.ndim > 64 for t in c.tensors)),
    (
        "the nuclear norm would take a singular value decomposition",
        lambda c: c.op.name == "norm" and "nuc" in (*c.args[1:2], c.kwargs.get("p")),
    ),
]


# ── the database ──────────────────────────────────────────────────────────────────────────────


@functools.cache
def database() -> dict[str, list[Any]]:
    """torch's entries by name; loading them takes some seconds, so it happens once, when needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own modules warn of torch's own plans
        from torch.testing._internal.common_methods_invocations import op_db
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


def samples(op: Op, dtype: str, *, contiguous: bool = True) -> Iterator[Call]:
    """The arguments of torch's samples that tinyconv has to answer."""
    entry = op.entry
    kind = getattr(torch, dtype)
    graded = kind.is_floating_point and entry.supports_autograd
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some samples are made with deprecated functions
        found = list(entry.sample_inputs("cpu", kind, requires_grad=graded))
        if FULL and entry.reference_inputs_func is not None:
            try:
                found = list(entry.reference_inputs("cpu", kind, requires_grad=graded))
            except ValueError:  # torch's own samples ask for gradients of integers
                found += entry.reference_inputs("cpu", kind, requires_grad=False)
    calls = []
    for sample in found:
        sample = sample if contiguous else sample.noncontiguous()
        call = Call(entry, (sample.input, *sample.args), dict(sample.kwargs))
        if call.why_not() is None:
            calls.append(call)
    assert calls, f"no sample of {op} in {dtype} is left"
    if FULL or len(calls) <= SAMPLES:
        return iter(calls)
    chosen = np.unique(np.linspace(0, len(calls) - 1, SAMPLES).round().astype(int))
    return (calls[i] for i in chosen)


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
    copy.numpy()[...] = t.detach().resolve_neg().numpy()
    return copy


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
        ours = tc.from_numpy(_same_layout(value).numpy())
        if value.requires_grad:
            self.theirs.append(theirs.requires_grad_())
            self.ours.append(ours.requires_grad_())
        return theirs, ours


def to_ours(value: Any) -> Any:
    """A torch constant as the tinyconv constant of that name; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return tc.from_numpy(_same_layout(value).numpy())
    if isinstance(value, torch.dtype):
        return DTYPES[value]
    if isinstance(value, torch.device):
        return tc.device(str(value))
    if isinstance(value, torch.memory_format):
        return getattr(tc, str(value).removeprefix("torch."))
    if isinstance(value, torch.Size):
        return tuple(value)
    return value


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
        _assert_close(ours.detach().numpy(), theirs.detach().numpy(force=True), tolerance, where)
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
    if b.dtype.kind != "f":
        assert np.array_equal(a, b), f"{where}:\n{a}\ninstead of\n{b}"
        return
    rtol, atol = tolerance or TOLERANCE[b.dtype.name]
    with np.errstate(all="ignore"):  # inf - inf
        close = np.isclose(a, b, rtol, atol, equal_nan=True)
        if not close.all():
            worst = np.nanmax(np.where(close, 0, np.abs(a - b)))
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


def _cotangents(outputs: list[torch.Tensor], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.standard_normal(tuple(y.shape))).astype(str(y.dtype)[6:]) for y in outputs
    ]


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
    """First and, if asked for, second gradients with respect to the leaves of ``pair``."""
    y, z = _differentiable(ours, tc.Tensor), _differentiable(theirs, torch.Tensor)
    if not z:
        return
    weights = _cotangents(z, 0)
    gy, gz = [tc.tensor(w) for w in weights], [torch.tensor(w) for w in weights]
    if second:
        gy, gz = [g.requires_grad_() for g in gy], [g.requires_grad_() for g in gz]
    a = tc.autograd.grad(y, pair.ours, gy, create_graph=second, allow_unused=True)
    b = torch.autograd.grad(z, pair.theirs, gz, create_graph=second, allow_unused=True)
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
    c = tc.autograd.grad(
        [a[i] for i in at], pair.ours + gy, [tc.tensor(w) for w in weights], allow_unused=True
    )
    d = torch.autograd.grad(
        [b[i] for i in at], sources, [torch.tensor(w) for w in weights], allow_unused=True
    )
    _assert_same_grads(c, d, sources, tolerance, "second gradient")


def _assert_same_grads(ours: Any, theirs: Any, sources: Any, tolerance: Any, what: str) -> None:
    for i, (a, b, x) in enumerate(zip(ours, theirs, sources, strict=True)):
        shape = tuple(x.shape)
        for g in (a, b):
            assert g is None or tuple(g.shape) == shape, (
                f"{what} {i}: shape {g.shape} instead of {shape}"
            )
        if a is not None:
            assert a.dtype is DTYPES[x.dtype], f"{what} {i}: {a.dtype} instead of {x.dtype}"
        zero = np.zeros(shape, str(x.dtype)[6:])  # None stands for zeros
        p, q = (zero if g is None else g.detach().numpy(force=True) for g in (a, b))
        _assert_close(p, q, tolerance, f"{what} {i}")


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
                    _check(call, theirs, ours, gradients, second, tolerance)
                except Exception as error:
                    gaps = "" if contiguous else ", with gaps in memory"
                    error.add_note(f"{op}, {dtype}, sample {i}, as a {form}{gaps}: {_brief(call)}")
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
        yield "in-place method", _on_a_copy(entry.inplace_variant), _on_a_copy(ours)


def _on_a_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply an in-place method to a copy, as leaves cannot be written to; it must return it."""

    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        copy = x.clone()
        out = function(copy, *args, **kwargs)
        assert out is copy, "an in-place method returns its operand"
        return out

    return run


def _check(
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
        assert ours.error is not None, (
            f"no error instead of {type(theirs.error).__name__}: {theirs.error}"
        )
        try:
            assert_same_error(ours.error, theirs.error)
        except AssertionError as difference:
            raise difference from ours.error
        return
    if ours.error is not None:
        raise ours.error
    unheard = set(ours.warned) - set(theirs.warned)  # torch also warns of plans that are not ours
    assert not unheard, f"warnings that torch does not give: {unheard}"
    assert_same(ours.value, theirs.value, tolerance)
    if gradients and pair.theirs:
        assert_same_gradients(ours.value, theirs.value, pair, second=second, tolerance=tolerance)


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in samples()
        refused = [wrong.sample_input for wrong in op.entry.error_inputs("cpu")]
    for wrong in refused:
        call = Call(op.entry, (wrong.input, *wrong.args), dict(wrong.kwargs))
        if call.why_not() is None:
            _noted(op, call, "refused by torch")


def _noted(op: Op, call: Call, what: str) -> None:
    try:
        _check(call, op.entry.op, op.ours)
    except Exception as error:
        error.add_note(f"{op}, {what}: {_brief(call)}")
        raise


def _brief(call: Call) -> str:
    def text(v: Any) -> str:
        if isinstance(v, torch.Tensor):
            return (
                f"{str(v.dtype)[6:]}{list(v.shape)}"
                if v.numel() > 6
                else f"{str(v.dtype)[6:]} {v.tolist()}"
            )
        if isinstance(v, (list, tuple)):
            return f"({', '.join(map(text, v))})"
        return repr(v)

    return ", ".join([*map(text, call.args), *(f"{k}={text(v)}" for k, v in call.kwargs.items())])
