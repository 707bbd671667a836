"""InstanceNorm and what a state knows of statistics, against torch."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from both_libraries import each
from twins import array, same_error

import tinyconv as tc


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"affine": True}, {"track_running_stats": True, "momentum": None},
                                      {"track_running_stats": True, "affine": True, "bias": False}], ids=str)  # fmt: skip
@pytest.mark.parametrize("alone", [False, True])
def test_instance_norm(nd, settings, alone):
    x = np.random.default_rng(0).standard_normal((2, 3, *(4,) * nd)).astype("float32")
    x = x[0] if alone else x
    runs = []
    for lib in (torch, tc):
        layer = getattr(lib.nn, f"InstanceNorm{nd}d")(3, **settings)
        out = [array(layer(lib.tensor(x))), array(layer(lib.tensor(x * 2 + 1)))]
        out.append(array(layer.eval()(lib.tensor(x))))
        state = layer.state_dict()
        runs.append((repr(layer), list(state), out + [array(v) for v in state.values()]))
    theirs, ours = runs
    assert ours[:2] == theirs[:2]
    for a, b in zip(theirs[2], ours[2], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


def test_refusals():
    same_error(lambda lib: lib.nn.InstanceNorm2d(3)(lib.zeros(2, 3)))
    same_error(
        lambda lib: lib.nn.InstanceNorm2d(2, affine=True)(lib.zeros(2, 3, 4, 4)),
        r"InstanceNorm2d\(3",
    )
    same_error(lambda lib: lib.nn.BatchNorm3d(2)(lib.zeros(2, 2, 4, 4)), "BatchNorm3d")


@each
def test_an_element_alone_has_no_gradient(lib):
    x = lib.tensor([-4.3, 2.0], requires_grad=True)
    y = lib.nn.functional.layer_norm(x[:, None], (1,), lib.tensor([-8.5]), lib.tensor([-1.75]))
    y.sum().backward()
    assert y.tolist() == [[-1.75], [-1.75]]
    assert x.grad.tolist() == [0, 0]


@each
def test_other_channels_do_not_matter_without_scale(lib):
    with pytest.warns(UserWarning, match="input's size at dim=1 does not match num_features"):
        lib.nn.InstanceNorm2d(2)(lib.ones(2, 3, 4, 4))


@each
def test_a_state_from_before_batches_were_counted(lib):
    layer, other = lib.nn.BatchNorm2d(2), lib.nn.BatchNorm2d(2)
    state = layer.state_dict()
    assert state._metadata[""] == {"version": 2}
    plain = OrderedDict(state)
    del plain["num_batches_tracked"]
    other.load_state_dict(plain)
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        other.load_state_dict(state)  # it knows of them: they are missing


@each
def test_statistics_that_nobody_keeps_are_taken_out(lib):
    layer = lib.nn.InstanceNorm2d(2)
    state, errors = {"running_mean": lib.zeros(2), "weight": lib.zeros(2)}, []
    layer._load_from_state_dict(
        state, "", {"assign_to_params_buffers": False}, True, [], [], errors
    )
    assert list(state) == ["weight"]
    assert len(errors) == 1


@each
def test_a_state_with_statistics_that_nobody_keeps(lib):
    state = OrderedDict(lib.nn.InstanceNorm2d(2, track_running_stats=True).state_dict())
    with pytest.raises(RuntimeError, match="Unexpected running stats buffer"):
        lib.nn.InstanceNorm2d(2).load_state_dict(state)


LAZY = [
    (name, rank)
    for names, ranks in (("ConvTranspose", (1, 2, 3)), ("Conv", (3,)), ("InstanceNorm", (1, 2, 3)), ("BatchNorm", (3,)))
    for name in [names]
    for rank in ranks
]  # fmt: skip


@pytest.mark.parametrize(("name", "nd"), LAZY)
def test_lazy(name, nd):
    x = np.random.default_rng(0).standard_normal((2, 4, *(5,) * nd)).astype("float32")
    settings = {"kernel_size": 2, "out_channels": 6, "groups": 2} if "Conv" in name else {}
    runs = []
    for lib in (torch, tc):
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's warns that it may change
            layer = getattr(lib.nn, f"Lazy{name}{nd}d")(**settings)
        before, y = repr(layer), array(layer(lib.tensor(x)))
        runs.append((before, repr(layer), list(layer.state_dict()), y))
    theirs, ours = runs
    assert ours[:3] == theirs[:3]
    np.testing.assert_allclose(ours[3], theirs[3], rtol=1e-4, atol=1e-5)
