"""Mixed precision on the stand-in: number types, scales, and how often a step waits."""

from __future__ import annotations

import numpy as np
import pytest
from test_amp import losses
from test_grad_scaler import TRACES

import tinyconv as tc
from tinyconv.amp.grad_scaler import adapt, unscale
from tinyconv.backend import get_backend


@pytest.mark.parametrize(("half", "bound"), [("bfloat16", 4e-3), ("float16", 5e-4)])
def test_training(half, bound):
    """The losses of five steps are those of the CPU."""
    here, there = (losses(tc, half, device, 0.0) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there[0], here[0], rtol=bound)
    assert there[1] == here[1]


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("bad", [0.0, np.inf, -np.inf, np.nan])
def test_unscaling(kind, bad):
    x = np.linspace(-3, 3, 1000)
    x[777] = bad
    results = []
    for device in ("cpu", "cuda"):
        g = tc.tensor(x).to(getattr(tc, kind)).to(device)
        inverse, found = tc.tensor(1 / 3).to(device), tc.zeros(()).to(device)
        unscale(g.array, inverse.array, found.array)
        results.append((g.cpu().double().numpy(), found.item()))
    assert results[0][1] == results[1][1] == (bad != 0)
    np.testing.assert_array_equal(results[0][0], results[1][0])


@pytest.mark.parametrize("case", TRACES)
def test_scales(case):
    gradients, settings = TRACES[case]
    growth, backoff = settings.get("growth_factor", 2.0), settings.get("backoff_factor", 0.5)
    interval, start = settings.get("growth_interval", 2), settings.get("init_scale", 4.0)
    scales: dict[str, list[object]] = {"cpu": [], "cuda": []}
    for device, seen in scales.items():
        scale, tracker = tc.tensor(start).to(device), tc.tensor(0, dtype=tc.int32).to(device)
        for g in gradients:
            found = tc.tensor(float(not np.isfinite(g))).to(device)
            with np.errstate(over="ignore"):
                adapt(found.array, scale.array, tracker.array, growth, backoff, interval)
            seen.append((scale.item(), tracker.item()))
    assert scales["cpu"] == scales["cuda"]


def test_one_wait_a_step(counts):
    """That of step(), which must know whether to take it; scale, unscale_ and update do not wait."""
    x = tc.ones(3, device="cuda", requires_grad=True)
    y = tc.ones(2, 2, device="cuda", requires_grad=True)
    optimizer, scaler = tc.optim.SGD([x, y], lr=0.5), tc.amp.GradScaler()
    for _ in range(2):  # the first makes the scale
        optimizer.zero_grad()
        scaler.scale(x.sum() + y.sum()).backward()
        get_backend("cuda").synchronize()
        counts.clear()
        scaler.unscale_(optimizer)
        assert counts["syncs"] == counts["h2d"] == counts["d2h"] == 0
        assert counts["unscale"] == 2
        scaler.step(optimizer)
        assert counts["syncs"] <= 2  # what kernels have noted is looked at with it
        counts.clear()
        scaler.update()
        assert counts["syncs"] == counts["h2d"] == counts["d2h"] == 0
        assert counts["launches"] == counts["adapt"] == 1
    assert x.tolist() == [0.0] * 3


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_number_types(half):
    """The list of GPUs is longer than that of CPUs."""
    layer = tc.nn.Linear(3, 3).cuda()
    x = tc.ones(2, 3, device="cuda")
    with tc.autocast("cuda", getattr(tc, half)):
        y = layer(x)
        assert y.dtype is getattr(tc, half)
        for function in (tc.exp, tc.sum, tc.Tensor.softmax, tc.Tensor.norm, tc.Tensor.prod):
            at = (0,) if function is tc.Tensor.softmax else ()
            assert function(y, *at).dtype is tc.float32
        assert tc.nn.functional.layer_norm(y, (3,)).dtype is tc.float32
        assert (y.relu() + y).mean().dtype is getattr(tc, half)
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            tc.nn.functional.binary_cross_entropy(y.sigmoid(), y.sigmoid())
        assert (tc.ones(2, 2) @ tc.ones(2, 2)).dtype is tc.float32  # on the CPU
    assert not tc.is_autocast_enabled()
