"""Tensors without a shape, and layers that find it in their first input."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from both_libraries import (
    each,
)

import tinyconv as tc


@each
def test_uninitialized_parameters_refuse_numbers(lib):
    p = lib.nn.UninitializedParameter(dtype=lib.float64)
    assert repr(p) == "<UninitializedParameter>"
    assert p.requires_grad
    assert p.is_leaf
    assert p.dtype == lib.float64
    assert isinstance(p, lib.nn.Parameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        p.shape  # noqa: B018  # the access is the test
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        p + 1
    twin = copy.deepcopy(p)
    p.materialize((2, 3))
    assert type(p) is lib.nn.Parameter
    assert (tuple(p.shape), p.dtype, p.requires_grad) == ((2, 3), lib.float64, True)
    assert repr(twin) == "<UninitializedParameter>"


LAZY = {
    "linear": (lambda nn: nn.LazyLinear(4), lambda nn: nn.Linear(3, 4), (2, 3)),
    "linear-no-bias": (
        lambda nn: nn.LazyLinear(4, bias=False),
        lambda nn: nn.Linear(3, 4, False),
        (2, 3),
    ),
    "conv1d": (lambda nn: nn.LazyConv1d(4, 3, 2), lambda nn: nn.Conv1d(3, 4, 3, 2), (2, 3, 7)),
    "conv2d": (
        lambda nn: nn.LazyConv2d(4, 3, padding=1, groups=2),
        lambda nn: nn.Conv2d(6, 4, 3, padding=1, groups=2),
        (2, 6, 5, 5),
    ),
    "bn1d": (lambda nn: nn.LazyBatchNorm1d(), lambda nn: nn.BatchNorm1d(3), (2, 3)),
    "bn2d": (
        lambda nn: nn.LazyBatchNorm2d(momentum=0.3),
        lambda nn: nn.BatchNorm2d(3, momentum=0.3),
        (2, 3, 2, 2),
    ),
    "bn2d-bare": (
        lambda nn: nn.LazyBatchNorm2d(affine=False, track_running_stats=False),
        lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        (2, 3, 2, 2),
    ),
}


@pytest.mark.parametrize("name", list(LAZY))
def test_lazy_layers_become_the_real_ones(name):
    make_lazy, make_real, shape = LAZY[name]
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's warns that it may change
        theirs = make_lazy(torch.nn)
    ours = make_lazy(tc.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.has_uninitialized_params() == theirs.has_uninitialized_params()
    tc.manual_seed(1)
    torch.manual_seed(1)
    y, z = ours(tc.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert repr(ours) == repr(make_real(tc.nn))
    assert repr(theirs) in (
        repr(ours),
        repr(ours).replace("(3,", "(0,"),
    )  # torch leaves the 0 if nothing had to wait
    assert type(ours) is type(make_real(tc.nn))
    assert not ours._hooks
    pickle.loads(pickle.dumps(ours)).load_state_dict(make_real(tc.nn).state_dict())


@pytest.mark.parametrize("name", [n for n in LAZY if n != "bn2d-bare"])
def test_lazy_layers_load(name):
    make_lazy, make_real, shape = LAZY[name]
    lazy, real = copy.deepcopy(make_lazy(tc.nn)), make_real(tc.nn)
    lazy.load_state_dict(make_lazy(tc.nn).state_dict())
    assert lazy.has_uninitialized_params()
    broken = {**real.state_dict(), "q": tc.ones(1)}
    with pytest.raises(RuntimeError, match="Unexpected"):
        lazy.load_state_dict(broken)
    assert lazy.has_uninitialized_params()
    lazy.double().load_state_dict(real.state_dict())
    assert not lazy.has_uninitialized_params()
    x = tc.ones(*shape, dtype=tc.float64)
    assert tc.equal(lazy(x), real.double()(x))
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        real.load_state_dict(make_lazy(tc.nn).state_dict())


def test_lazy_layers_keep_what_was_loaded():
    layer = tc.nn.LazyBatchNorm1d()
    layer.load_state_dict({"weight": tc.full((3,), 5.0), "running_var": tc.zeros(3)}, strict=False)
    layer.eval()(tc.ones(2, 3))
    assert layer.weight.tolist() == [5, 5, 5]
    assert layer.bias.tolist() == layer.running_var.tolist() == [0, 0, 0]


def test_lazy_layers_check_their_input():
    with pytest.raises(
        RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"
    ):
        tc.nn.LazyConv2d(4, 3)(tc.ones(2, 3))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        tc.nn.LazyConv2d(4, 3, groups=2)(tc.ones(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\)"):
        tc.nn.LazyBatchNorm2d()(tc.ones(3, 8))


def test_a_call_costs_one_frame():
    import sys

    class Count(tc.nn.Module):
        def forward(self):
            frame, n = sys._getframe(), 0
            while frame.f_code is not test_a_call_costs_one_frame.__code__:
                frame, n = frame.f_back, n + 1
            return n

    assert Count()() == 2  # __call__ and forward
