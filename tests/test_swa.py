"""Averaged models beside torch's."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.optim import swa_utils as torch_swa

import tinyconv as tc
from tinyconv.optim import swa_utils as tiny_swa


def of(lib):
    return tiny_swa if lib is tc else torch_swa


def network(lib):
    lib.manual_seed(1)
    n = lib.nn
    return n.Sequential(n.Conv2d(1, 2, 3), n.BatchNorm2d(2), n.ReLU(), n.Flatten(), n.Linear(8, 2))


HOW = {
    "mean": lambda lib: {},
    "mean, buffers too": lambda lib: {"use_buffers": True},
    "mean of each": lambda lib: {"avg_fn": of(lib).get_swa_avg_fn()},
    "mean of all": lambda lib: {"multi_avg_fn": of(lib).get_swa_multi_avg_fn()},
    "exponential": lambda lib: {"multi_avg_fn": of(lib).get_ema_multi_avg_fn(0.9)},
    "exponential, buffers too": lambda lib: {"multi_avg_fn": of(lib).get_ema_multi_avg_fn(0.3), "use_buffers": True},
    "exponential, one by one": lambda lib: {"avg_fn": of(lib).get_ema_avg_fn(0.9)},
}  # fmt: skip


def batches(lib):
    lib.manual_seed(2)
    return [lib.randn(5, 1, 4, 4) for _ in range(4)]


def averaged(lib, how):
    net = network(lib)
    average = of(lib).AveragedModel(net, **HOW[how](lib))
    optimizer = lib.optim.SGD(net.parameters(), lr=0.05)
    for x in batches(lib):
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        average.update_parameters(net)
    states = [average.state_dict()]
    of(lib).update_bn([[x] for x in batches(lib)], average)
    states.append(copy.deepcopy(average.state_dict()))
    return (
        [{k: v.tolist() for k, v in s.items()} for s in states],
        average.eval()(batches(lib)[0]).tolist(),
        repr(average),
    )


@pytest.mark.parametrize("how", HOW)
def test_averages(how):
    ours, theirs = (averaged(lib, how) for lib in (tc, torch))
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_allclose(a[name], b[name], 1e-5, 1e-6, err_msg=name)
    np.testing.assert_allclose(ours[1], theirs[1], 1e-4, 1e-5)
    assert ours[2] == theirs[2]


@pytest.mark.parametrize("decay", [-0.1, 1.5])
def test_a_decay_beyond_its_range(decay):
    for lib in (tc, torch):
        for make in (of(lib).get_ema_avg_fn, of(lib).get_ema_multi_avg_fn):
            with pytest.raises(ValueError, match="Invalid decay value"):
                make(decay)


def test_one_way_to_average():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        tiny_swa.AveragedModel(
            network(tc), avg_fn=lambda a, b, n: a, multi_avg_fn=lambda a, b, n: None
        )


def test_a_model_without_batchnorm():
    net = tc.nn.Linear(1, 1)
    tiny_swa.update_bn(iter(()), net)
    assert net.training
