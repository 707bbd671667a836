"""Matrix products on the GPU: what cuBLAS is told, compared with NumPy."""

from __future__ import annotations

import itertools
import threading

import ml_dtypes
import numpy as np
import pytest
import standin

import tinyconv as tc
from tinyconv.backend import get_backend, product
from tinyconv.backend.flags import flags
from tinyconv.errors import DeviceError

DTYPES = {
    "float32": (np.dtype("f4"), 2e-6),
    "float64": (np.dtype("f8"), 1e-14),
    "float16": (np.dtype("f2"), 1e-3),
    "bfloat16": (np.dtype(ml_dtypes.bfloat16), 8e-3),
}


@pytest.fixture
def calls():
    """What cuBLAS was asked for; nothing it was told made no sense."""
    fake = standin.blas[0]
    fake.calls.clear()
    yield fake.calls
    assert fake.error is None


def numbers(*shape, dtype="f4", seed=0):
    made = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return made.astype(DTYPES[dtype][0] if dtype in DTYPES else dtype)


def device(a):
    return get_backend("cuda").from_numpy(a)


def host(a):
    return get_backend("cuda").to_numpy(a)


def exact(a, b):
    return np.matmul(a.astype("f8"), b.astype("f8"))


def close(y, expected, dtype="float32"):
    assert y.shape == expected.shape
    assert y.dtype.name == dtype
    error = np.abs(host(y).astype("f8") - expected).max(initial=0)
    assert error <= DTYPES[dtype][1] * max(1, np.abs(expected).max(initial=0)), error


# How the same matrix may lie in memory: NumPy's view of it, from its numbers.
def plain(a):
    return device(a)


def turned(a):
    return device(np.ascontiguousarray(a.swapaxes(-1, -2))).swapaxes(-1, -2)


def part(a):  # rows further apart than they are long, not at the beginning
    wide = np.zeros((*a.shape[:-2], a.shape[-2] + 2, a.shape[-1] + 3), a.dtype)
    wide[..., 1:-1, 1:-2] = a
    return device(wide)[..., 1:-1, 1:-2]


def part_turned(a):
    return part(a.swapaxes(-1, -2)).swapaxes(-1, -2)


def every_other(a):  # gaps in both directions, which cuBLAS does not know
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return device(wide)[..., ::2]


def backwards(a):
    return device(np.ascontiguousarray(a[..., ::-1]))[..., ::-1]


LAYOUTS = [plain, turned, part, part_turned, every_other, backwards]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("left", "right"), [*itertools.product(LAYOUTS, LAYOUTS)])
def test_every_layout(calls, left, right, dtype):
    a, b = numbers(3, 5, dtype=dtype), numbers(5, 4, dtype=dtype)
    close(product(left(a), right(b)), exact(a, b), dtype)
    assert len(calls) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_needs_no_copy_is_not_copied(counts, calls, layout):
    a = layout(numbers(3, 5))
    counts.clear()
    product(a, a.T)
    assert counts["launches"] - counts["gemm"] == (2 if layout in (every_other, backwards) else 0)


@pytest.mark.parametrize("sizes", [*itertools.product((1, 2, 7), repeat=3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes_of_one(calls, sizes, layout):
    m, k, n = sizes
    a, b = numbers(m, k), numbers(k, n)
    close(product(layout(a), layout(b)), exact(a, b))


BATCHES = [
    ((4, 3, 5), (4, 5, 2)),
    ((3, 5), (4, 5, 2)),  # one for all
    ((4, 3, 5), (5, 2)),
    ((1, 3, 5), (4, 5, 2)),
    ((2, 3, 3, 5), (2, 3, 5, 2)),
    ((2, 1, 3, 5), (3, 5, 2)),
    ((2, 3, 3, 5), (3, 5, 2)),  # distances that differ: copied
    ((2, 1, 3, 5), (1, 3, 5, 2)),
    ((2, 1, 1, 3, 5), (2, 3, 5, 2)),
    ((1, 1, 3, 5), (5, 2)),
    ((0, 3, 5), (0, 5, 2)),
    ((2, 0, 5), (2, 5, 2)),
    ((2, 3, 0), (2, 0, 2)),
    ((3, 0), (0, 2)),
    ((0, 5), (5, 2)),
    ((5,), (5, 2)),
    ((3, 5), (5,)),
    ((5,), (5,)),
    ((5,), (4, 5, 2)),
    ((4, 3, 5), (5,)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("left", "right"), BATCHES)
def test_batches_broadcast(calls, left, right, dtype):
    a, b = numbers(*left, dtype=dtype), numbers(*right, dtype=dtype)
    close(product(device(a), device(b)), exact(a, b), dtype)
    assert len(calls) <= 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("left", "right"), [b for b in BATCHES if min(map(len, b)) > 1])
def test_batches_in_every_layout(calls, left, right, layout):
    a, b = numbers(*left), numbers(*right)
    close(product(layout(a), plain(b)), exact(a, b))
    close(product(plain(a), layout(b)), exact(a, b))


def test_one_for_all_is_read_in_place(calls):
    a, b = numbers(3, 5), numbers(4, 5, 2)
    product(device(a), device(b))
    assert calls[0].steps == (10, 0)
    assert calls[0].batch == 4


@pytest.mark.parametrize("shape", [(4, 3), (6, 4, 3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_into_given_memory(calls, layout, shape):
    *lead, m, n = shape
    a, b = numbers(*lead, m, 5), numbers(5, n)
    out = layout(numbers(*shape, seed=1))
    assert product(device(a), device(b), out) is out
    close(out, exact(a, b))


def test_the_rest_of_given_memory_stays(calls):
    whole = device(np.full((5, 6), 7.0, "f4"))
    product(device(numbers(3, 2)), device(numbers(2, 4)), whole[1:4, 1:5])
    left = host(whole).copy()
    left[1:4, 1:5] = 7
    assert (left == 7).all()


def test_integers_are_left_to_cupy(calls):
    a, b = numbers(3, 5, dtype="i8"), numbers(5, 2, dtype="i8")
    np.testing.assert_array_equal(host(product(device(a), device(b))), a @ b)
    assert not calls


def test_tf32_is_asked_for(calls, monkeypatch):
    a, b = numbers(8, 64), numbers(64, 8)
    errors = []
    for allowed in (False, True):
        monkeypatch.setattr(flags, "matmul_tf32", allowed)
        errors.append(np.abs(host(product(device(a), device(b))) - exact(a, b)).max())
    assert errors[0] < 1e-5 < 1e-4 < errors[1] < 1e-1
    product(device(a.astype("f8")), device(b.astype("f8")))
    product(device(a.astype("f2")), device(b.astype("f2")))
    assert [c.sums for c in calls] == [68, 77, 70, 68]


def test_halves_are_summed_in_float32(calls):
    ones = np.ones((1, 4096), "f2")
    y = product(device(ones), device(ones).T)
    assert host(y)[0, 0] == 4096  # a float16 sum stops at 2048


def test_each_thread_has_its_handle(calls):
    before = len(standin.blas[0].handles)
    a = device(numbers(3, 3))
    product(a, a)
    mine = len(standin.blas[0].handles)
    other = threading.Thread(target=lambda: product(a, a))
    other.start()
    other.join()
    assert mine == max(before, 1)
    assert len(calls) == 2


def test_each_stream_has_its_workspace(calls):
    a = device(numbers(3, 3))
    product(a, a)
    side = tc.cuda.Stream()
    side.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(side):
        y = product(a, a)
    product(a, a)
    tc.cuda.current_stream().wait_stream(side)
    close(y, exact(host(a), host(a)))
    assert len(calls) == 3


@pytest.mark.parametrize(
    "shapes", [((3, 5), (5, 2)), ((4, 3, 5), (4, 5, 2)), ((5,), (5,)), ((3, 5), (5,))]
)
def test_products_of_tensors_go_through_it(calls, shapes):
    a, b = (tc.randn(*s, device="cpu", requires_grad=True) for s in shapes)
    on_gpu = [x.detach().to("cuda").requires_grad_() for x in (a, b)]
    for x, y in ((a, b), on_gpu):
        (x @ y).square().sum().backward()
    for x, y in zip((a, b), on_gpu, strict=True):
        np.testing.assert_allclose(y.grad.cpu().numpy(), x.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert calls


def test_linear_goes_through_it(calls, counts):
    layer, x = tc.nn.Linear(6, 3), tc.randn(4, 6)
    y = layer(x)
    y.sum().backward()
    expected = y.detach().numpy(), layer.weight.grad.numpy().copy()
    layer.zero_grad()
    layer.to("cuda")
    y = layer(x.to("cuda"))
    y.sum().backward()
    np.testing.assert_allclose(y.detach().cpu().numpy(), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.weight.grad.cpu().numpy(), expected[1], rtol=1e-5, atol=1e-6)
    assert counts["gemm"] == 2
    assert counts["matmul"] == 0


@pytest.fixture
def missing(monkeypatch):
    """No cuBLAS anywhere."""
    cublas = __import__("importlib").import_module("tinyconv.backend.cuda.cublas")
    monkeypatch.setattr("tinyconv.backend.library.load", lambda name: None)
    cublas._library.cache_clear()
    yield cublas
    cublas._library.cache_clear()


def test_without_the_library_cupy_multiplies(calls, counts, missing):
    a, b = numbers(3, 5), numbers(5, 2)
    close(product(device(a), device(b)), exact(a, b))
    assert counts["matmul"] == 1
    assert not calls
    assert missing.why_unavailable().endswith("pip install nvidia-cublas")


def test_without_the_library_no_capture(missing):
    import cupy

    a = device(numbers(3, 3))
    with cupy.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(
            DeviceError, match=r"cannot be captured .*\n.*pip install nvidia-cublas"
        ):
            product(a, a)
        stream.end_capture()


def test_what_cublas_refuses_is_named(calls):
    cublas = __import__("importlib").import_module("tinyconv.backend.cuda.cublas")
    a = device(numbers(3, 3))
    product(a, a)
    mine = cublas.session(0)
    handle, mine.handle = mine.handle, type(mine.handle)(12345)
    try:
        with pytest.raises(
            DeviceError, match="CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasGemmEx`"
        ):
            product(a, a)
    finally:
        mine.handle = handle
