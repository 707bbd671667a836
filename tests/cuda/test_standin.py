"""The stand-in is as strict as CuPy."""

from __future__ import annotations

import numpy as np
import pytest

import tinyconv as tc


@pytest.mark.parametrize(
    "mix",
    [
        lambda cp, x: x + np.ones((4, 5), "f4"),
        lambda cp, x: np.ones((4, 5), "f4") + x,
        lambda cp, x: np.asarray(x),
        lambda cp, x: np.concatenate([x, x]),
        lambda cp, x: cp.add(x, np.ones((4, 5), "f4")),
        lambda cp, x: x.__setitem__(0, np.ones(5, "f4")),
        lambda cp, x: x.sum(where=True),
        lambda cp, x: cp.where(x, x, x, x),
    ],
)
def test_host_and_device_do_not_mix(mix):
    import cupy as cp

    with pytest.raises(TypeError):
        mix(cp, cp.ones((4, 5), "f4"))


def test_only_what_cupy_has():
    import cupy as cp

    with pytest.raises(AttributeError):
        cp.nosuchthing  # noqa: B018  # the attribute is the test
    with pytest.raises(AttributeError):
        cp.ones(2).setflags  # noqa: B018  # likewise


def test_counts(counts):
    import cupy as cp

    x = cp.ones((3, 4))
    y = (x + x).reshape(-1)[2:]
    assert counts["launches"] == 2
    assert counts["syncs"] == 0
    float(y[0])
    assert counts["syncs"] == 1
    x.get()
    assert counts["d2h"] == 1


def test_a_tensor_goes_there_and_back():
    x = tc.arange(6).reshape(2, 3).float()
    y = x.to("cuda")
    assert str(y.device) == "cuda:0"
    assert y.is_cuda
    assert (y * 2).cpu().tolist() == (x * 2).tolist()


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64, tc.float16])
def test_relu_runs_its_kernel(counts, dtype):
    x = tc.tensor([-1.0, 0.0, 2.0, float("nan"), -float("inf")], dtype=dtype)
    y = x.to("cuda").requires_grad_()
    z = tc.relu(y)
    z.backward(tc.full((5,), 3.0, dtype=dtype, device="cuda"))
    assert counts["rectify"] == counts["pass_positive"] == 1
    assert counts["syncs"] == 0
    np.testing.assert_array_equal(z.detach().cpu().numpy(), tc.relu(x).numpy())
    assert y.grad.cpu().tolist() == [0, 0, 3, 3, 0]
