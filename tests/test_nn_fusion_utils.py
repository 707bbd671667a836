"""BatchNorm folded into the layer before it, and modules without first numbers, compared with torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from both_libraries import LIBRARIES, cases, each

import tinyconv as tc

LAYERS = {
    "conv": (lambda nn: nn.Conv2d(4, 6, 3, groups=2), lambda nn: nn.BatchNorm2d(6), (2, 4, 6, 6)),
    "conv without bias": (lambda nn: nn.Conv1d(4, 6, 3, bias=False), lambda nn: nn.BatchNorm1d(6), (2, 4, 6)),
    "bn without weights": (lambda nn: nn.Conv2d(4, 6, 3), lambda nn: nn.BatchNorm2d(6, affine=False), (2, 4, 6, 6)),
    "large eps": (lambda nn: nn.Conv2d(4, 6, 3), lambda nn: nn.BatchNorm2d(6, eps=0.5), (2, 4, 6, 6)),
    "transpose": (lambda nn: nn.ConvTranspose2d(4, 6, 2, 2), lambda nn: nn.BatchNorm2d(6), (2, 4, 3, 3)),
    "frozen": (lambda nn: nn.Conv2d(4, 6, 1).requires_grad_(False), lambda nn: nn.BatchNorm2d(6), (2, 4, 3, 3)),
    "linear": (lambda nn: nn.Linear(4, 6), lambda nn: nn.BatchNorm1d(6), (3, 4)),
    "linear without bias": (lambda nn: nn.Linear(4, 6, bias=False), lambda nn: nn.BatchNorm1d(6), (3, 4)),
    "linear to one": (lambda nn: nn.Linear(4, 1), lambda nn: nn.BatchNorm1d(1), (3, 4)),
}  # fmt: skip


def pair(lib, name, dtype="float64"):
    """A layer and a BatchNorm behind it, with statistics of their own, in evaluation."""
    lib.manual_seed(1)
    make, norm, shape = LAYERS[name]
    layer, bn = make(lib.nn).double(), norm(lib.nn).double()
    for _ in range(3):
        bn(layer(lib.randn(*shape).double() + 1).detach())
    with lib.no_grad():
        for p in bn.parameters():
            p.add_(lib.rand(p.shape).double())
    kind = getattr(lib, dtype)
    return layer.to(kind).eval(), bn.to(kind).eval(), lib.randn(*shape).to(kind)


@pytest.mark.parametrize("name", LAYERS)
def test_fused(name):
    results = []
    for lib in LIBRARIES:
        layer, bn, x = pair(lib, name)
        fuse = lib.nn.utils
        if name.startswith("linear"):
            fused = fuse.fuse_linear_bn_eval(layer, bn)
        else:
            fused = fuse.fuse_conv_bn_eval(layer, bn, transpose=name == "transpose")
        assert type(fused) is type(layer)
        assert fused is not layer
        y = fused(x)
        np.testing.assert_allclose(y.detach().numpy(), bn(layer(x)).detach().numpy(), rtol=1e-10)
        flags = [(n, p.requires_grad, p.is_leaf) for n, p in fused.named_parameters()]
        results.append((flags, y.detach().numpy(), fused.weight.tolist(), fused.bias.tolist()))
    assert results[0][0] == results[1][0]
    for ours, theirs in zip(results[0][1:], results[1][1:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_dtype_is_that_of_the_layer():
    for lib in LIBRARIES:
        layer, bn, _ = pair(lib, "conv", "bfloat16")
        fused = lib.nn.utils.fuse_conv_bn_eval(layer, bn.float())
        assert fused.weight.dtype == fused.bias.dtype == lib.bfloat16


def weights(lib, transpose):
    rng = np.random.default_rng(0)
    w, m = (lib.tensor(rng.random(s)) for s in ((3, 3, 2), (3,)))
    results = lib.nn.utils.fuse_conv_bn_weights(w, None, m, m + 1, 1e-5, None, None, transpose)
    linear = lib.nn.utils.fuse_linear_bn_weights(w[:, :, 0], None, m, m + 1, 1e-5, m - 2, m * 2)
    return [t.tolist() for t in (*results, *linear)]


@pytest.mark.parametrize("transpose", [False, True])
def test_weights(transpose):
    ours, theirs = (weights(lib, transpose) for lib in LIBRARIES)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


ERRORS = {
    "training": lambda nn: nn.utils.fuse_conv_bn_eval(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)),
    "training linear": lambda nn: nn.utils.fuse_linear_bn_eval(nn.Linear(1, 1), nn.BatchNorm1d(1)),
    "no statistics": lambda nn: nn.utils.fuse_conv_bn_eval(
        nn.Conv2d(1, 1, 1).eval(), nn.BatchNorm2d(1, track_running_stats=False).eval()
    ),
    "other features": lambda nn: nn.utils.fuse_linear_bn_eval(
        nn.Linear(1, 2).eval(), nn.BatchNorm1d(3).eval()
    ),
    "no module": lambda nn: nn.utils.skip_init(dict, device="cpu"),
    "no device": lambda nn: nn.utils.skip_init(nn.Sequential),
}


@cases(ERRORS)
def test_what_is_refused(script):
    openings = []
    for lib in LIBRARIES:
        with pytest.raises((AssertionError, RuntimeError)) as caught:
            script(lib.nn)
        openings.append((type(caught.value).__mro__[-4:], str(caught.value).split("\n")[0]))
    assert openings[0] == openings[1]


@each
def test_skip_init(lib):
    lib.manual_seed(0)
    layer = lib.nn.utils.skip_init(lib.nn.Conv2d, 3, 4, kernel_size=3, dtype=lib.float64)
    assert isinstance(layer.weight, lib.nn.Parameter)
    assert layer.weight.dtype == lib.float64
    assert layer.weight.requires_grad
    after = lib.rand(3)
    lib.manual_seed(0)
    assert (lib.rand(3) == after).all()


def test_both_libraries_list_the_same_names():
    missing = set(torch.nn.utils.__all__) - set(tc.nn.utils.__all__)
    formats = {"convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"}
    assert missing <= {"rnn", "stateless", *formats}  # layers and functions of other parts


def test_the_old_name_of_clip_grad_norm_():
    for lib in LIBRARIES:
        p = lib.nn.Parameter(lib.ones(4))
        p.grad = lib.ones(4)
        with pytest.warns(FutureWarning, match="clip_grad_norm` is now deprecated"):
            assert lib.nn.utils.clip_grad_norm(p, 1.0) == 2
