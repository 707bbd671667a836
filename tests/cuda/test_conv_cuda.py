"""Convolution on the CUDA backend without cuDNN, compared with the CPU: our own kernels, and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conv_cases import CASES, Case
from conv_helpers import numbered

import tinyconv as tc
from tinyconv.backend.flags import flags
from tinyconv.nn.functional import conv1d, conv2d, conv_transpose2d
from tinyconv.ops.conv import cuda, implicit, maps
from tinyconv.ops.conv.implicit import Geometry

TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
WAYS = ["gemm", "columns"]


@pytest.fixture(autouse=True)
def _without_cudnn(monkeypatch):
    monkeypatch.setattr(flags, "cudnn_enabled", False)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def close(ours: np.ndarray, exact: np.ndarray, tolerance: float) -> None:
    assert ours.shape == exact.shape
    assert np.isfinite(ours).all()
    assert np.abs(ours - exact).max() <= tolerance * max(1, np.abs(exact).max())


def gradients(f: Any, arrays: list[np.ndarray], dtype: str, device: str) -> list[np.ndarray]:
    """The value of ``f`` and the gradients of its arguments, given as numbers of ``dtype``, in float64."""
    kind = getattr(tc, dtype)
    given = [tc.tensor(a).to(kind).to(device).requires_grad_() for a in arrays]
    if device == "cpu":  # the same numbers, exactly
        given = [a.detach().double().requires_grad_() for a in given]
    y = f(*given)
    gy = tc.tensor(normal(*y.shape, seed=1)).to(kind).to(device)
    y.backward(gy if device == "cuda" else gy.double())
    made = [y, *(a.grad for a in given)]
    assert all(m.dtype == a.dtype for m, a in zip(made, [given[0], *given], strict=True))
    return [m.detach().cpu().double().numpy() for m in made]


def compare(f: Any, arrays: list[np.ndarray], dtype: str) -> None:
    exact = gradients(f, arrays, dtype, "cpu")
    for ours, ideal in zip(gradients(f, arrays, dtype, "cuda"), exact, strict=True):
        close(ours, ideal, TOLERANCE[dtype])


def arrays_of(case: Case) -> list[np.ndarray]:
    w = normal(case.f, case.c // case.groups, *case.k)
    return [normal(case.n, case.c, *case.size), w, normal(case.f)]


# ── numbers ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", **numbered(CASES))
def test_every_case(case, way, dtype, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    compare(lambda x, w, b: conv2d(x, w, b, *case.settings), arrays_of(case), dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", **numbered([CASES[i] for i in (0, 2, 8, 13, 16)]))
def test_halves_sum_in_float32(case, way, dtype, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    compare(lambda x, w, b: conv2d(x, w, b, *case.settings), arrays_of(case), dtype)


def test_chunks_of_halves_are_added_in_float32(monkeypatch):
    """1000 terms near 1, in chunks of one image each: in float16 the sum would be off by 4 at times."""
    monkeypatch.setitem(maps._CHUNK, "cuda", 1)
    monkeypatch.setenv("TINYCONV_CONV", "columns")
    x = tc.tensor(1 + normal(250, 1, 2, 2) / 8).half().to("cuda")
    w = tc.zeros(1, 1, 1, 1, dtype=tc.float16, device="cuda", requires_grad=True)
    conv2d(x, w).sum().backward()
    exact = x.cpu().double().sum().item()
    assert abs(w.grad.item() - exact) <= 0.5 * 2.0**-10 * 1024


@pytest.mark.parametrize("way", WAYS)
def test_one_dimension(way, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    arrays = [normal(3, 4, 17), normal(6, 2, 4), normal(6)]
    compare(lambda x, w, b: conv1d(x, w, b, 2, 1, 3, 2), arrays, "float64")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("stride", "extra", "dilation"), [(1, 0, 1), (2, 1, 1), (3, 2, 2), (1, 1, 2)])  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed(way, stride, extra, dilation, groups, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    arrays = [normal(2, 4, 5, 6), normal(4, 3, 3, 2), normal(3 * groups)]

    def f(x: Any, w: Any, b: Any) -> Any:
        return conv_transpose2d(x, w, b, stride, 1, extra, groups, dilation)

    compare(f, arrays, "float64")


@pytest.mark.parametrize("way", WAYS)
def test_second_gradients(way, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    results = []
    for device in ("cpu", "cuda"):
        x, w = (
            tc.tensor(a, device=device, requires_grad=True)
            for a in (normal(2, 3, 6, 5), normal(4, 3, 3, 2))
        )
        y = conv2d(x, w, None, 2, 1)
        gx, gw = tc.autograd.grad((y * y).sum(), (x, w), create_graph=True)
        seconds = tc.autograd.grad((gx * gx).sum() + (gw * gw).sum(), (x, w))
        results.append([s.cpu().numpy() for s in seconds])
    for ours, exact in zip(*results, strict=True):
        close(ours, exact, 1e-12)


def test_views_and_orders_of_memory():
    """What is not in one piece, or channels last, gives the same."""
    x, w, b = arrays_of(CASES[0])
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    def f(x: Any, w: Any, b: Any) -> Any:
        return conv2d(x.permute(0, 3, 1, 2)[1:], w.transpose(2, 3), b, *CASES[0].settings)

    compare(f, [last, w, b], "float64")


@pytest.mark.parametrize("way", WAYS)
def test_nothing_to_convolve(way, monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", way)
    x = tc.zeros(0, 3, 5, 5, device="cuda", requires_grad=True)
    w = tc.ones(2, 3, 3, 3, device="cuda", requires_grad=True)
    y = conv2d(x, w)
    y.sum().backward()
    assert y.shape == (0, 2, 3, 3)
    assert x.grad.shape == x.shape
    assert w.grad.abs().sum().item() == 0


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [False, True])
def test_block(relu, pool):
    """A convolution with what follows it, where no gradient is wanted."""
    layers = [tc.nn.Conv2d(3, 4, 3)]
    layers += [tc.nn.ReLU()] * relu + [tc.nn.MaxPool2d(2)] * pool
    model = tc.nn.Sequential(*layers).eval()
    x = tc.tensor(normal(2, 3, 9, 9)).float()
    with tc.no_grad():
        exact = model(x).numpy()
        close(model.to("cuda")(x.to("cuda")).cpu().numpy(), exact, 3e-6)


# ── which way ─────────────────────────────────────────────────────────────────────────────────


TILES = {"forward_tiles", "input_tiles", "weight_tiles"}
NARROW = {"forward_narrow", "input_narrow", "weight_narrow"}
COLUMNS = {"unfold_windows", "fold_windows", "gemm"}
PRODUCT = {"gemm"}
CHOICES = [
    (TILES, CASES[0], "float32", ""),
    (TILES, CASES[0], "float64", ""),
    (COLUMNS, CASES[0], "float16", ""),
    (COLUMNS, CASES[0], "bfloat16", ""),
    (TILES, CASES[0], "float16", "gemm"),
    (COLUMNS, CASES[0], "float32", "columns"),
    (PRODUCT, CASES[2], "float32", ""),
    (PRODUCT, CASES[2], "float16", ""),
    (TILES, CASES[4], "float32", ""),
    (NARROW, CASES[12], "float32", ""),
    (NARROW, CASES[14], "float64", ""),
    (TILES, CASES[15], "float32", ""),
]


@pytest.mark.parametrize(("kernels", "case", "dtype", "asked"), CHOICES)
def test_which_way_is_taken(kernels, case, dtype, asked, monkeypatch, counts):
    if asked:
        monkeypatch.setenv("TINYCONV_CONV", asked)
    kind = getattr(tc, dtype)
    x, w, _ = (tc.tensor(a).to(kind).to("cuda").requires_grad_() for a in arrays_of(case))
    counts.clear()
    y = conv2d(x, w, None, *case.settings)
    y.backward(y.detach())
    assert {k for k in counts if k in TILES | NARROW | COLUMNS} == kernels
    assert counts["syncs"] == counts["h2d"] == counts["d2h"] == 0


def test_an_unknown_way_is_named(monkeypatch):
    monkeypatch.setenv("TINYCONV_CONV", "winograd")
    x = tc.zeros(1, 1, 3, 3, device="cuda")
    with pytest.raises(ValueError, match="'winograd', should be one of cudnn, gemm, columns"):
        conv2d(x, x)


def test_few_tiles_are_cut_into_parts(counts):
    """The gradient of a small filter is a long sum: its parts are added in their order, the same bits every time."""
    x, gy = normal(4, 3, 40, 40).astype("float32"), normal(4, 4, 38, 38).astype("float32")
    made = []
    for _ in range(2):
        w = tc.zeros(4, 3, 3, 3, device="cuda", requires_grad=True)
        conv2d(tc.tensor(x, device="cuda"), w).backward(tc.tensor(gy, device="cuda"))
        made.append(w.grad.cpu().numpy())
    assert made[0].tobytes() == made[1].tobytes()
    w = tc.zeros(4, 3, 3, 3, dtype=tc.float64, requires_grad=True)
    conv2d(tc.tensor(x).double(), w).backward(tc.tensor(gy).double())
    close(made[0], w.grad.numpy(), 3e-6)


@pytest.mark.parametrize("parts", [1, 2, 5, 40])
def test_any_number_of_parts(parts):
    """Also one so large that the last parts are empty."""
    import cupy as cp

    g = Geometry(2, 3, 9, 8, 5, 9, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1)
    x, gy = normal(*g.images), normal(*g.outputs)
    sums = cp.empty((parts, *g.filters), "float64")
    implicit.weight_tiles(cp.asarray(x), cp.asarray(gy), sums, parts, *g)
    exact = np.empty((parts, *g.filters))
    implicit.weight_tiles(x, gy, exact, parts, *g)
    close(sums.sum(0).get(), exact[0], 1e-12)


@pytest.mark.parametrize("blocks", [1, 3])
def test_any_number_of_blocks(blocks, monkeypatch):
    """A block goes on with the tiles that no other has taken."""
    case = CASES[16]
    for kernel in (implicit.forward_tiles, implicit.input_tiles, implicit.weight_tiles):
        monkeypatch.setattr(kernel, "plan", lambda *a, plan=kernel.plan: (blocks, plan(*a)[1]))
    compare(lambda x, w, b: conv2d(x, w, b, *case.settings), arrays_of(case), "float64")


def test_definitions_are_the_same():
    """Each kernel against its definition in array operations."""
    import cupy as cp

    for case in (CASES[8], CASES[13]):
        (s, p, d), g = case.pairs, case.groups
        sizes = Geometry(case.n, case.c, *case.size, case.f, *case.out, *case.k, *s, *p, *d, g)
        x, w, y = normal(*sizes.images), normal(*sizes.filters), normal(*sizes.outputs)
        for given, shape, kernels in (
            ((x, w), y.shape, (implicit.forward_tiles, implicit.forward_narrow)),
            ((y, w), x.shape, (implicit.input_tiles, implicit.input_narrow)),
            ((x, y), w.shape, (implicit.weight_narrow,)),
        ):
            for kernel in kernels:
                exact, ours = np.empty(shape), cp.empty(shape, "float64")
                kernel.definition(np, *given, exact, *sizes)
                kernel(*map(cp.asarray, given), ours, *sizes)
                close(ours.get(), exact, 1e-12)


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[12]])
@pytest.mark.parametrize("way", WAYS)
def test_a_graph_of_it(case, way, monkeypatch):
    """Captured once, launched with other numbers."""
    import cupy as cp

    monkeypatch.setenv("TINYCONV_CONV", way)
    x, w, _ = (tc.tensor(a).to("cuda").requires_grad_() for a in arrays_of(case))

    def step() -> list[Any]:
        y = conv2d(x, w, None, *case.settings)
        return [y.detach(), *tc.autograd.grad((y * y).sum(), (x, w))]

    step()  # compiles
    stream = cp.cuda.Stream(non_blocking=True)
    stream.wait_event(cp.cuda.get_current_stream().record())
    with stream:
        stream.begin_capture()
        captured = step()
        graph = stream.end_capture()
        x.array[...] *= 2
        graph.launch(stream)
        for ours, exact in zip(captured, step(), strict=True):
            close(ours.array.get(), exact.array.get(), 1e-12)


def test_integers_take_columns():
    x = tc.arange(16, device="cuda").reshape(1, 1, 4, 4)
    assert cuda.way_of(x.array, Geometry(*range(16))) == "columns"
