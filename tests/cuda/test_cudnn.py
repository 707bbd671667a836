"""cuDNN as tinyconv calls it: what is said without it, and, through a library of the same functions, every convolution."""

from __future__ import annotations

import gc
import re
import threading
from typing import Any

import fake_cudnn
import numpy as np
import pytest
from conv_cases import CASES, Case
from conv_helpers import numbered
from fake_cudnn import FAST, SLOW, Fake

import tinyconv as tc
from tinyconv.backend import cudnn, library
from tinyconv.backend.cudnn import dense
from tinyconv.backend.flags import Flags, flags
from tinyconv.nn.functional import conv1d, conv2d, conv_transpose2d

TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
FPROP, WGRAD, DGRAD = 10, 11, 12


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


@pytest.fixture(autouse=True)
def _fresh_flags():
    yield
    for field in Flags.__slots__:
        setattr(flags, field, getattr(Flags(), field))


@pytest.fixture
def fake(monkeypatch):
    """The fake, in place of NVIDIA's."""
    made = Fake()
    monkeypatch.setattr(cudnn, "_library", lambda: (made, ""))
    monkeypatch.setattr(cudnn, "_sessions", cudnn._Sessions())
    monkeypatch.delenv("TINYCONV_CONV", raising=False)
    yield made
    cudnn._sessions.of_device.clear()
    gc.collect()
    assert not made.alive, "descriptors that nobody has given back"


# ── without it ────────────────────────────────────────────────────────────────────────────────


class Nothing:
    """A fake that only says for which CUDA it was made."""

    def __init__(self, cuda: int) -> None:
        self.cudnnGetVersion = lambda: 91900
        self.cudnnGetCudartVersion = lambda: cuda


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ({}, "libcudnn.so.9 was not found. Install it: pip install nvidia-cudnn-cu1[23]"),
        ({"libcudnn.so.9": 13010}, "libcublasLt.so.13, which was not found. Install it: pip install nvidia-cublas$"),
        ({"libcudnn.so.9": 12090}, "libcublasLt.so.12, which was not found. Install it: pip install nvidia-cublas-cu12$"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(there, message, monkeypatch):
    monkeypatch.setattr(
        library, "load", lambda name: Nothing(there[name]) if name in there else None
    )
    monkeypatch.setattr(cudnn, "_library", cudnn._library.__wrapped__)
    assert not cudnn.available()
    assert cudnn.version() is None
    assert re.search(message, cudnn.why_unavailable())
    with pytest.raises(RuntimeError, match="cuDNN is not available"):
        cudnn.Descriptor("tensor")


@pytest.mark.parametrize(("cupy", "wheel"), [("cupy-cuda12x", 12), ("cupy-cuda13x", 13), ("x", 13)])
def test_the_command_is_for_the_cuda_that_is_there(cupy, wheel, monkeypatch):
    class Distribution:
        name = cupy

    monkeypatch.setattr(cudnn, "distributions", lambda: [Distribution])
    assert cudnn._command() == f"pip install nvidia-cudnn-cu{wheel}"


def test_asking_for_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(cudnn, "_library", lambda: (None, "pip install it"))
    monkeypatch.setenv("TINYCONV_CONV", "cudnn")
    x = tc.zeros(1, 1, 3, 3, device="cuda")
    with pytest.raises(RuntimeError, match=r"is 'cudnn', which is not there\.\npip install it"):
        conv2d(x, x)


# ── the numbers, and in which order of memory ─────────────────────────────────────────────────


def gradients(f: Any, arrays: list[np.ndarray], dtype: str, device: str) -> list[Any]:
    """The value of ``f`` and the gradients of its arguments; on the CPU of the same numbers in float64."""
    kind = getattr(tc, dtype)
    given = [tc.tensor(a).to(kind).to(device).requires_grad_() for a in arrays]
    if device == "cpu":
        given = [a.detach().double().requires_grad_() for a in given]
    y = f(*given)
    gy = tc.tensor(normal(*y.shape, seed=1)).to(kind).to(device)
    y.backward(gy if device == "cuda" else gy.double())
    return [y, *(a.grad for a in given)]


def compare(f: Any, arrays: list[np.ndarray], dtype: str) -> list[Any]:
    made = gradients(f, arrays, dtype, "cuda")
    for ours, exact in zip(made, gradients(f, arrays, dtype, "cpu"), strict=True):
        a, b = ours.detach().cpu().double().numpy(), exact.detach().numpy()
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= TOLERANCE[dtype] * max(1, np.abs(b).max())
    return made


def arrays_of(case: Case) -> list[np.ndarray]:
    w = normal(case.f, case.c // case.groups, *case.k)
    return [normal(case.n, case.c, *case.size), w, normal(case.f)]


TYPES = [("float32", False), ("float32", True), ("float16", False), ("bfloat16", False)]


@pytest.mark.parametrize(("dtype", "tf32"), TYPES)
@pytest.mark.parametrize("case", **numbered(CASES))
def test_every_case(case, dtype, tf32, fake, counts):
    flags.cudnn_tf32 = tf32
    last = tf32 or dtype != "float32"
    y, _, gw, _ = compare(lambda x, w, b: conv2d(x, w, b, *case.settings), arrays_of(case), dtype)
    x, w = (case.n, case.c, *case.size), (case.f, case.c // case.groups, *case.k)
    orders = [dense(s, last).strides for s in ((case.n, case.f, *case.out), x, w)]
    engine = (3, 0) if last else (3, 2)
    expected = [(FPROP, engine, orders[0]), (DGRAD, engine, orders[1]), (WGRAD, engine, orders[2])]
    assert fake.executed == expected
    turned = (0, 2, 3, 1) if last else (0, 1, 2, 3)
    assert y.array.transpose(turned).flags.c_contiguous
    assert gw.array.flags.c_contiguous


def test_gradients_of_filters_are_in_one_piece(fake):
    x, w, _ = (tc.tensor(a).half().to("cuda").requires_grad_() for a in arrays_of(CASES[0]))
    (gw,) = tc.autograd.grad(conv2d(x, w).sum(), w)
    assert gw.is_contiguous()


def test_the_bias_goes_along(fake, counts):
    x, w, b = (tc.tensor(a).float().to("cuda") for a in arrays_of(CASES[0]))
    counts.clear()
    with tc.no_grad():
        conv2d(x, w, b)
    assert counts["add"] == 0


@pytest.mark.parametrize("bias", [False, True])
def test_a_block_is_one_execution(bias, fake):
    model = tc.nn.Sequential(tc.nn.Conv2d(3, 4, 3, bias=bias), tc.nn.ReLU()).eval()
    x = tc.tensor(normal(2, 3, 9, 9)).float()
    with tc.no_grad():
        exact = model(x).numpy()
        ours = model.to("cuda")(x.to("cuda")).cpu().numpy()
    np.testing.assert_allclose(ours, exact, 0, 3e-6)
    assert (ours == 0).any()
    assert len(fake.executed) == 1


def test_one_dimension(fake):
    arrays = [normal(3, 4, 17), normal(6, 2, 4), normal(6)]
    compare(lambda x, w, b: conv1d(x, w, b, 2, 1, 3, 2), arrays, "float16")
    assert len(fake.executed) == 3


@pytest.mark.parametrize(("extra", "dilation", "done"), [(0, 1, 3), (1, 1, 3), (2, 3, 0)])
def test_transposed(extra, dilation, done, fake):
    """What is larger than any convolution needs is nothing that cuDNN knows: our own kernels do it."""
    fake.refuses = lambda graph: dilation == 3
    arrays = [normal(2, 4, 5, 6), normal(4, 3, 3, 2), normal(6)]
    compare(lambda x, w, b: conv_transpose2d(x, w, b, 2, 1, extra, 2, dilation), arrays, "float32")
    assert len(fake.executed) == done


def test_memory_that_does_not_begin_on_a_line(fake):
    """Views may begin anywhere; cuDNN is given a copy then."""
    x = tc.tensor(normal(1 + 2 * 3 * 5 * 5)).float()
    w = tc.tensor(normal(4, 3, 3, 3)).float()
    exact = conv2d(x[1:].reshape(2, 3, 5, 5), w)
    ours = conv2d(x.to("cuda")[1:].reshape(2, 3, 5, 5), w.to("cuda"))
    np.testing.assert_allclose(ours.cpu().numpy(), exact.numpy(), 0, 1e-5)


# ── which plan ────────────────────────────────────────────────────────────────────────────────


def run(dtype: str = "float32", c: int = 3) -> Any:
    kind = getattr(tc, dtype)
    x, w = (
        tc.tensor(normal(2, c, 6, 6)).to(kind).to("cuda"),
        tc.tensor(normal(4, c, 3, 3)).to(kind).to("cuda"),
    )
    return conv2d(x, w, padding=1)


@pytest.mark.parametrize(
    ("dtype", "settings", "engine"),
    [
        ("float32", {}, (3, 2)),
        ("float32", {"cudnn_tf32": True}, (3, 0)),
        ("float32", {"matmul_tf32": True}, (3, 2)),
        ("float32", {"cudnn_deterministic": True}, FAST),
        ("float32", {"use_deterministic": True}, FAST),
        ("float32", {"use_deterministic": True, "workspace_limit": 5000}, SLOW),
        ("float16", {}, (3, 0)),
        ("float16", {"workspace_limit": 10}, (3, 2)),
        ("float16", {"cudnn_deterministic": True}, (3, 0)),
        ("float64", {}, None),
        ("float32", {"cudnn_enabled": False}, None),
    ],
)
def test_which_engine(dtype, settings, engine, fake):
    for name, value in settings.items():
        setattr(flags, name, value)
    run(dtype)
    assert [e for _, e, _ in fake.executed] == ([engine] if engine else [])


def test_a_plan_is_made_once(fake, counts):
    run()
    plans = fake.plans
    counts.clear()
    run()
    assert fake.plans == plans
    assert len(fake.executed) == 2
    assert counts["syncs"] == 0
    run(c=5)
    assert fake.plans == plans + 1
    flags.cudnn_deterministic = True
    run()
    assert fake.plans > plans + 1
    flags.workspace_limit = 5000
    run()
    assert [e for _, e, _ in fake.executed[-2:]] == [FAST, SLOW]


def test_packs_are_kept(fake):
    import cupy as cp

    session = cudnn.session(0, cp.cuda.get_current_stream().ptr)
    x, w, y = (cp.ones(s, "float32") for s in ((1, 1, 4, 4), (1, 1, 3, 3), (1, 1, 2, 2)))
    layouts = (dense(a.shape) for a in (x, w, y))
    convolution = cudnn.Convolution("fprop", "float32", *layouts, (1, 1), (0, 0), (1, 1))
    plan = next(cudnn.candidates(session.device, convolution, 1 << 30))
    addresses = {cudnn.X: x.data.ptr, cudnn.W: w.data.ptr, cudnn.Y: y.data.ptr}
    for _ in range(3):
        plan.execute(addresses)
        assert fake.packs == 1
    for i in range(1, 100):
        plan.execute(addresses, i)
    assert fake.packs == 100
    assert len(plan._packs) <= cudnn._PACKS
    assert (y.get() == 9).all()


def test_nothing_fits(fake, monkeypatch):
    """Then our own kernels do it, unless cuDNN was asked for."""
    fake.refuses = lambda graph: True
    assert run().shape == (2, 4, 6, 6)
    assert not fake.executed
    monkeypatch.setenv("TINYCONV_CONV", "cudnn")
    with pytest.raises(RuntimeError, match="cuDNN has no plan for fprop"):
        run()


def test_an_accident_is_no_refusal(fake, monkeypatch):
    """What is wrong with cuDNN itself comes up."""
    monkeypatch.setattr(fake_cudnn, "NOT_SUPPORTED", 5000)
    monkeypatch.setattr(
        fake, "cudnnGetErrorString", lambda status: b"CUDNN_STATUS_EXECUTION_FAILED"
    )
    fake.refuses = lambda graph: True
    with pytest.raises(RuntimeError, match="CUDNN_STATUS_EXECUTION_FAILED\nno such graph"):
        run()


@pytest.mark.parametrize(("limit", "tried"), [(2, 2), (10, 3), (0, 3)])
def test_the_fastest_of_some(limit, tried, fake, monkeypatch):
    """The plans of float32 are three; the last takes the least time here."""
    import cupy as cp

    times = {(3, 2): 3.0, FAST: 2.0, SLOW: 1.0}

    class Event:
        def record(self, stream: Any = None) -> None:
            self.engine = fake.executed[-1][1]

        def synchronize(self) -> None: ...

    monkeypatch.setattr(cp.cuda, "Event", Event, raising=False)
    monkeypatch.setattr(cp.cuda, "get_elapsed_time", lambda a, b: times[b.engine], raising=False)
    flags.benchmark, flags.benchmark_limit = True, limit
    run()
    engines = [e for _, e, _ in fake.executed]
    assert len(set(engines)) == tried
    assert engines[-1] == (FAST if tried == 2 else SLOW)
    count = len(engines)
    run()
    assert len(fake.executed) == count + 1


def test_a_graph_of_it(fake):
    """Captured once, launched with other numbers; the plan is made before."""
    import cupy as cp

    x, w, b = (tc.tensor(a).half().to("cuda").requires_grad_() for a in arrays_of(CASES[0]))

    def step() -> list[Any]:
        y = conv2d(x, w, b, padding=1)
        return [y.detach(), *tc.autograd.grad((y * y).sum(), (x, w))]

    step()
    stream = cp.cuda.Stream(non_blocking=True)
    stream.wait_event(cp.cuda.get_current_stream().record())
    with stream:
        stream.begin_capture()
        captured = step()
        graph = stream.end_capture()
        x.array[...] *= 2
        graph.launch(stream)
        for ours, exact in zip(captured, step(), strict=True):
            assert (ours.array.get() == exact.array.get()).all()


# ── handles ───────────────────────────────────────────────────────────────────────────────────


def test_a_handle_for_each_thread_and_device(fake):
    here = cudnn.session(0, 1)
    assert cudnn.session(0, 1) is here
    assert fake.streams == [1]
    assert cudnn.session(0, 2) is here
    assert fake.streams == [1, 2]
    assert cudnn.session(1, 1) is not here
    others = []
    thread = threading.Thread(target=lambda: others.append(cudnn.session(0, 1)))
    thread.start()
    thread.join()
    assert others[0] is not here
    assert fake.handles == 3


def test_it_may_not_start(fake, monkeypatch):
    def create(handle: Any) -> int:
        return fake.bad("no driver", fake_cudnn.NOT_SUPPORTED)

    monkeypatch.setattr(fake, "cudnnCreate", create)
    with pytest.raises(
        RuntimeError,
        match=r"does not start on this device.*\nno driver.*backends.cudnn.enabled = False",
    ):
        run()


# ── tinyconv.backends ─────────────────────────────────────────────────────────────────────────


def test_settings_are_those_of_torch(fake):
    import torch

    import tinyconv.backends.cudnn as module
    from tinyconv import backends

    assert module is backends.cudnn
    for name in ("enabled", "benchmark", "deterministic"):
        assert getattr(module, name) == getattr(torch.backends.cudnn, name)
    assert backends.cuda.matmul.allow_tf32 == torch.backends.cuda.matmul.allow_tf32
    assert module.version() == 91900
    assert module.is_available()
    assert not backends.mps.is_available()
    backends.cuda.allow_tf32 = True
    assert flags.matmul_tf32
    assert flags.cudnn_tf32
    module.allow_tf32 = False
    assert not backends.cuda.allow_tf32
    assert backends.cuda.matmul.allow_tf32
    with module.flags(enabled=True, deterministic=True):
        assert flags.cudnn_deterministic
        assert flags.cudnn_tf32
    assert not flags.cudnn_deterministic
    assert not flags.cudnn_tf32


def test_settings_are_checked():
    from tinyconv import backends

    with pytest.raises(RuntimeError, match="benchmark expects a bool, but got int"):
        backends.cudnn.benchmark = 1
    with pytest.raises(AttributeError):
        backends.cuda.matmul.allow_tf23 = True
    with pytest.raises(TypeError, match=r"argument 'mode' .* must be bool, not int"):
        backends.use_deterministic_algorithms(1)
    with pytest.raises(ValueError, match="'x' is not one of 'highest', 'high', or 'medium'"):
        backends.set_float32_matmul_precision("x")


def test_determinism_is_for_all():
    from tinyconv import backends

    backends.use_deterministic_algorithms(True)
    assert backends.are_deterministic_algorithms_enabled()
    assert flags.deterministic
    assert not backends.cudnn.deterministic
    backends.set_float32_matmul_precision("high")
    assert backends.cuda.matmul.allow_tf32
    assert backends.get_float32_matmul_precision() == "high"
