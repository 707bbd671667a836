"""Every operation on the device, against the same on the CPU: values, gradients, second gradients, errors.

The cases are those of ``optable.py`` and a few of torch's own samples (see ``opinfo.py``); ``TINYCONV_OPINFO=full`` runs all of these.
"""

from __future__ import annotations

import functools

import numpy as np
import opinfo_calls
import optable
import pytest
from opinfo import Outcome
from opinfo_calls import FULL, Op, Pair, database, flat, supports

import tinyconv as tc
from tinyconv.autograd.function import REGISTRY
from tinyconv.autograd.mode import mode
from tinyconv.backend import get_backend

CLOSE = {"float32": (1e-5, 1e-6), "float64": (1e-12, 1e-12)}
RANDOM = ("dropout", "random_")  # a GPU draws other numbers

CASES = [
    pytest.param(case, kind, id=f"{case}-{kind}")
    for case in optable.CASES.values()
    for kind in optable.kinds_of(case, "float32 float64")
]


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_table(case, kind):
    here, there = (optable.run(case, tc, kind, device) for device in ("cpu", "cuda"))
    if case.name in RANDOM:
        assert there.about == here.about
    else:
        optable.assert_close(there, here, *CLOSE.get(kind, (0, 0)))


# ── the table is whole ────────────────────────────────────────────────────────────────────────

NO_FORWARD = {"CopySlices", "Output"}  # they only enter the tape
NO_BACKWARD = {"FloorDivide", "Heaviside"}  # there is no derivative


def test_every_operation_has_a_case(monkeypatch):
    met = {"forward": set(), "backward": set(), "backward, recorded": set()}

    def watch(cls, name):
        method = getattr(cls, name)

        def watched(self, *args):
            met[name + ", recorded" * (name == "backward" and mode.graph)].add(type(self))
            return method(self, *args)

        monkeypatch.setattr(cls, name, watched)

    ops = {op for op in REGISTRY.values() if op.__module__.startswith("tinyconv.")}
    for cls in {base for op in ops for base in op.__mro__ if "forward" in vars(base)}:
        watch(cls, "forward")
    for cls in {base for op in ops for base in op.__mro__ if "backward" in vars(base)}:
        watch(cls, "backward")
    for case in optable.CASES.values():
        for kind in optable.kinds_of(case, "float32"):
            optable.run(case, tc, kind, "cuda")
    assert {op.__name__ for op in ops - met["forward"]} == NO_FORWARD
    differentiable = {op for op in ops if op.differentiable}
    back = met["backward"] | met["backward, recorded"]
    assert {op.__name__ for op in differentiable - back} == NO_BACKWARD


def test_a_fault_is_found(monkeypatch):
    from tinyconv.ops.elementwise import Add

    right = Add.value
    wrong = staticmethod(lambda xp, x, y: right(xp, x, y) * (1 if xp is np else 1.001))
    monkeypatch.setattr(Add, "value", wrong)
    with pytest.raises(AssertionError):
        test_table(optable.CASES["add"], "float32")


# ── torch's samples ───────────────────────────────────────────────────────────────────────────

PARTS = 8
FEW = 2  # samples of an operation and a dtype
ARBITRARY = (
    "empty",
    "rand",
    "multinomial",
    "bernoulli",
    "normal",
    "dropout",
    "rrelu",
)  # drawn, or whatever was there


@functools.cache
def operations():
    """The entries of torch's database that tinyconv has under the same name."""
    ops = [
        Op(name, e.variant_test_name)
        for name, entries in sorted(database().items())
        for e in entries
        if _has(name)
    ]
    return [op for op in ops if not any(word in op.name for word in ARBITRARY)]


def _has(name):
    place = tc.Tensor if name.startswith("__") else tc
    for part in name.split("."):
        place = getattr(place, part, None)
    return place is not None


@pytest.mark.parametrize("part", range(PARTS))
def test_samples(part, monkeypatch):
    if not FULL:
        monkeypatch.setattr(opinfo_calls, "SAMPLES", FEW)
    for op in operations()[part::PARTS]:
        for dtype in ("float32", "float64", "int64", "bool"):
            if supports(op, dtype):
                for call in opinfo_calls.samples(op, dtype, contiguous=dtype != "float32"):
                    _noted(check, op, call, dtype)


def _noted(check, op, call, *rest):
    try:
        check(op, call, *rest)
    except Exception as error:
        error.add_note(f"{op}, {rest}: {call}")
        raise


def check(op, call, dtype):
    """One call on both devices: the same result and gradients, or the same refusal."""
    (here, here_leaves), (there, there_leaves) = runs = [
        _run(op, call, move) for move in (_same, _moved)
    ]
    _check_outcome(here, there)
    if here.error is not None:
        return
    assert set(there.warned) <= set(here.warned), there.warned
    rtol, atol = CLOSE.get(dtype, (1e-5, 1e-6))
    if dtype == "float32" and op.name in ("pow", "__rpow__"):
        atol = 1e-3  # sums of 1e3 that nearly cancel
    assert_same(there.value, here.value, rtol, atol, "value")
    second = dtype == "float64" and op.entry.supports_gradgrad
    a, b = (_gradients(run.value, leaves, second) for run, leaves in runs)
    assert_same(b, a, rtol * 10, atol * 10, "gradient")


def _run(op, call, move):
    pair = Pair(call)
    leaves = {id(x): move(x) for x in pair.ours}
    device = "cuda" if move is _moved else "cpu"
    args, names = _map(lambda x: leaves[id(x)] if id(x) in leaves else move(x), pair.tiny_args)

    def run(*args, **names):
        with tc.device(device):
            out = op.ours(*args, **names)
        tc.cuda.synchronize()  # late errors
        return out

    return Outcome.of(
        run, (args, {**names, **({"device": device} if "device" in names else {})})
    ), list(leaves.values())


def _check_outcome(here, there):
    if (type(here.error), str(here.error)) != (type(there.error), str(there.error)):
        raise there.error or AssertionError(f"no error instead of {here.error}") from here.error


def _gradients(value, leaves, second):
    ys = [y for y in flat(value) if getattr(y, "requires_grad", False)]
    if not ys or not leaves:
        return ()
    seeds = [optable.weights(tc, y, i) for i, y in enumerate(ys)]
    first = tc.autograd.grad(ys, leaves, seeds, create_graph=second, allow_unused=True)
    squares = [(g * g).sum() for g in first if g is not None and g.requires_grad]
    return (*first, *(tc.autograd.grad(sum(squares), leaves, allow_unused=True) if squares else ()))


def _map(f, value):
    if isinstance(value, tc.Tensor):
        return f(value)
    if type(value) in (list, tuple):
        return type(value)(_map(f, v) for v in value)
    if isinstance(value, dict):
        return {k: _map(f, v) for k, v in value.items()}
    return value


def _same(x):
    return x


def _moved(x):
    """The same numbers with the same strides on the device, and the same between them: as_strided() reads that."""
    xp, a = get_backend("cuda").xp, x.array
    room = 1 + sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)) // a.itemsize
    memory = np.lib.stride_tricks.as_strided(a, (room if a.size else 0,), (a.itemsize,)).copy()
    there = xp.lib.stride_tricks.as_strided(xp.asarray(memory), a.shape, a.strides)
    return tc.Tensor.wrap(there).requires_grad_(x.requires_grad)


def assert_same(there, here, rtol, atol, where):
    """The same types, shapes and numbers; there on the device."""
    if isinstance(here, tc.Tensor):
        assert there.device == tc.device("cuda:0"), f"{where} is on {there.device}"
        assert there.dtype is here.dtype, where
        assert (there.shape, there.requires_grad) == (here.shape, here.requires_grad), where
        a, b = (x.detach().cpu().double().numpy() for x in (there, here))
        if b.size:
            scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
            np.testing.assert_allclose(a, b, rtol, atol * scale, err_msg=where)
    elif isinstance(here, (list, tuple)):
        assert type(there) is type(here), where
        assert len(there) == len(here), where
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            assert_same(a, b, rtol, atol, f"{where}[{i}]")
    else:
        assert there == here, where


@pytest.mark.parametrize("part", range(2))
def test_refusals(part):
    """What torch refuses is refused on the device in the same words as on the CPU."""
    for op in operations()[part::2]:
        for wrong in op.entry.error_inputs("cpu") if op.entry.error_inputs_func else ():
            sample = wrong.sample_input
            call = opinfo_calls.Call(op.entry, (sample.input, *sample.args), dict(sample.kwargs))
            if call.why_not() is None:
                _noted(_check_refusal, op, call)


def _check_refusal(op, call):
    _check_outcome(*(_run(op, call, move)[0] for move in (_same, _moved)))
