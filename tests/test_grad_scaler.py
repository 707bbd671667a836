"""GradScaler: the scales and steps of torch's on a CPU, whatever happens to the gradients."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

import tinyconv as tc

# gradients of the steps: numbers are multiplied by the scale, as backward does; inf and nan stay
TRACES = {
    "growth": ([1.0] * 7, {}),
    "one overflow": ([1.0, np.inf, 1.0, 1.0, 1.0], {}),
    "nan": ([np.nan, 1.0, 1.0, np.nan], {}),
    "odd factors": ([1.0, 1.0, np.inf, 1.0, 1.0, 1.0], {"growth_factor": 1.7, "backoff_factor": 0.3}),
    "not beyond float32": ([1.0] * 6, {"init_scale": 2.0**126}),
    "interval of one": ([1.0, np.inf, 1.0], {"growth_interval": 1}),
}  # fmt: skip


def trace(m, gradients, settings):
    """Scales, counts of steps without overflow, and parameters, step by step."""
    x = m.ones(3, requires_grad=True)
    unused = m.ones(2, requires_grad=True)
    optimizer = m.optim.SGD([x, unused], lr=0.125)
    scaler = m.amp.GradScaler("cpu", **{"init_scale": 4.0, "growth_interval": 2, **settings})
    found = []
    for g in gradients:
        optimizer.zero_grad()
        scaler.scale((x * m.tensor([1.0, g, 1.0])).sum()).backward()
        result = scaler.step(optimizer)
        scaler.update()
        found.append((scaler.get_scale(), scaler._get_growth_tracker(), x.tolist(), result))
    return found, scaler.state_dict()


@pytest.mark.parametrize("case", TRACES)
def test_scales(case):
    assert trace(tc, *TRACES[case]) == trace(torch, *TRACES[case])


def test_unscaling_before_clipping():
    found = []
    for m in (tc, torch):
        x = m.ones(3, requires_grad=True)
        optimizer, scaler = m.optim.SGD([x], lr=1.0), m.amp.GradScaler("cpu")
        scaler.scale((x * m.tensor([3.0, 0.0, 4.0])).sum()).backward()
        scaler.unscale_(optimizer)
        norm = m.nn.utils.clip_grad_norm_([x], 1.0)
        scaler.step(optimizer)
        scaler.update()
        found.append((norm.item(), x.tolist()))
    assert found[0] == found[1]
    assert found[0][0] == 5.0


def test_two_optimizers_share_a_scale():
    found = []
    for m in (tc, torch):
        x, y = m.ones(1, requires_grad=True), m.ones(1, requires_grad=True)
        first, second = m.optim.SGD([x], lr=0.5), m.optim.SGD([y], lr=0.5)
        scaler = m.amp.GradScaler("cpu", init_scale=8.0)
        scaled = scaler.scale([x.sum(), (y * float("inf")).sum()])
        assert type(scaled) is list
        scaled[0].backward()
        scaled[1].backward()
        scaler.step(first)
        scaler.step(second)
        scaler.update()
        found.append((x.tolist(), y.tolist(), scaler.get_scale()))
    assert found[0] == found[1] == ([0.5], [1.0], 4.0)


@pytest.mark.parametrize("kind", ["bfloat16", "float64"])
def test_gradients_of_other_number_types(kind):
    found = []
    for m in (tc, torch):
        x = m.ones(3, dtype=getattr(m, kind), requires_grad=True)
        optimizer, scaler = m.optim.SGD([x], lr=0.5), m.amp.GradScaler("cpu", init_scale=3.0)
        scaler.scale(x.sum()).backward()
        scaler.step(optimizer)
        scaler.update(8.0)
        found.append((x.tolist(), scaler.get_scale()))
    assert found[0] == found[1]


def fresh(m, scaled=True, **settings):
    x = m.ones(2, requires_grad=True)
    optimizer, scaler = m.optim.SGD([x], lr=0.5), m.amp.GradScaler("cpu", **settings)
    if scaled:
        scaler.scale(x.sum()).backward()
    return scaler, optimizer


def _twice(m, *names):
    scaler, optimizer = fresh(m)
    for n in names:
        getattr(scaler, n)(optimizer)


def _half_gradients(m):
    x = m.ones(2, dtype=m.float16, requires_grad=True)
    optimizer, scaler = m.optim.SGD([x], lr=0.5), m.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(x.sum()).backward()
    scaler.step(optimizer)


def _without_gradients(m):
    scaler, optimizer = fresh(m)
    optimizer.zero_grad()
    scaler.step(optimizer)


REFUSED = {
    "growth": lambda m: m.amp.GradScaler("cpu", growth_factor=1.0),
    "backoff": lambda m: m.amp.GradScaler("cpu", backoff_factor=1.0),
    "unscale before scale": lambda m: fresh(m, False)[0].unscale_(fresh(m)[1]),
    "step before scale": lambda m: fresh(m, False)[0].step(fresh(m)[1]),
    "update before scale": lambda m: fresh(m, False)[0].update(),
    "update before step": lambda m: fresh(m)[0].update(),
    "unscale twice": lambda m: _twice(m, "unscale_", "unscale_"),
    "unscale after step": lambda m: _twice(m, "step", "unscale_"),
    "step twice": lambda m: _twice(m, "step", "step"),
    "closure": lambda m: fresh(m)[0].step(fresh(m)[1], closure=lambda: 0),
    "no tensors": lambda m: fresh(m)[0].scale(3),
    "half gradients": _half_gradients,
    "no gradients": _without_gradients,
    "a scale with gradients": lambda m: fresh(m)[0].update(m.ones(1, requires_grad=True)),
    "two scales": lambda m: fresh(m)[0].update(m.ones(2)),
    "empty state": lambda m: fresh(m)[0].load_state_dict({}),
    "pickled in between": lambda m: _pickled_in_between(m),
}


def _pickled_in_between(m):
    scaler, optimizer = fresh(m)
    scaler.unscale_(optimizer)
    pickle.dumps(scaler)


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    with pytest.raises(Exception) as theirs:  # whatever torch raises
        REFUSED[case](torch)
    with pytest.raises(theirs.type) as ours:
        REFUSED[case](tc)
    assert str(ours.value)[:40].splitlines()[0] == str(theirs.value)[:40].splitlines()[0]


def test_a_disabled_scaler_does_what_a_script_without_one_does():
    scaler, optimizer = fresh(tc, enabled=False)
    loss = optimizer.param_groups[0]["params"][0].sum()
    assert scaler.scale(loss) is loss
    assert not scaler.is_enabled()
    assert scaler.get_scale() == 1.0
    assert scaler.state_dict() == {}
    scaler.load_state_dict({})
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert optimizer.param_groups[0]["params"][0].tolist() == [0.5, 0.5]


def test_going_on_from_a_state():
    found, state = trace(tc, [1.0, 1.0, np.inf, 1.0], {})
    assert state == trace(torch, [1.0, 1.0, np.inf, 1.0], {})[1]
    for start in ("new", "running"):
        scaler, _ = fresh(tc, start == "running")
        scaler.load_state_dict(state)
        assert scaler.state_dict() == state
    copy = pickle.loads(pickle.dumps(fresh(tc, init_scale=16.0, growth_factor=3.0)[0]))
    assert (copy.get_scale(), copy.get_growth_factor()) == (16.0, 3.0)


def test_settings_can_be_changed():
    scaler, _ = fresh(tc)
    for setting, value in (
        ("growth_factor", 3.0),
        ("backoff_factor", 0.25),
        ("growth_interval", 7),
    ):
        getattr(scaler, f"set_{setting}")(value)
        assert getattr(scaler, f"get_{setting}")() == value


def test_without_a_gpu_the_scaler_of_gpus_is_disabled():
    with pytest.warns(UserWarning, match="Disabling"):
        scaler = tc.amp.GradScaler()
    assert not scaler.is_enabled()
