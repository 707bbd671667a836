"""Layers that are done in one pass: the same numbers, and nobody who looks sees a difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinyconv as tc
from tinyconv import nn
from tinyconv.nn import fusion


@pytest.fixture
def blocks(monkeypatch):
    """How many layers each block took along."""
    taken = []
    plain = fusion._block
    monkeypatch.setattr(fusion, "_block", lambda c, t, x: taken.append(len(t)) or plain(c, t, x))
    return taken


def network(lib):
    n = lib.nn
    return n.Sequential(
        n.Conv2d(3, 16, 3, padding=1), n.BatchNorm2d(16), n.ReLU(), n.MaxPool2d(2),
        n.Conv2d(16, 20, 3, bias=False), n.BatchNorm2d(20, affine=False), n.ReLU(inplace=True),
        n.Conv2d(20, 8, 5, stride=2, padding=2), n.MaxPool2d(2, 2), n.ReLU(),
        n.Conv2d(8, 8, 3, padding=1, groups=8), n.ReLU(), n.Conv2d(8, 8, 3, padding=1, groups=2), n.ReLU(),
        n.Conv2d(8, 4, 1), n.Flatten(), n.Linear(36, 3),
    )  # fmt: skip


def both(dtype="float64"):
    """The same network and images in both libraries, with statistics of one batch."""
    nets, images = [], []
    for lib in (tc, torch):
        lib.manual_seed(0)
        net = network(lib).to(getattr(lib, dtype))
        x = lib.randn(3, 3, 28, 28, dtype=getattr(lib, dtype))
        net(x)
        nets.append(net.eval())
        images.append(x)
    return nets, images


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_evaluation_gives_what_torch_gives(dtype, bound, mode, blocks):
    (ours, theirs), (x, y) = both(dtype)
    with getattr(tc, mode)():
        a = ours(x)
    with getattr(torch, mode)():
        b = theirs(y)
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=bound * b.abs().max().item())
    assert blocks == [3, 2, 2, 1, 1]


def test_without_a_compiler_too(monkeypatch, blocks):
    (ours, theirs), (x, y) = both()
    monkeypatch.setenv("TINYCONV_JIT", "0")
    with tc.no_grad(), torch.no_grad():
        np.testing.assert_allclose(ours(x).numpy(), theirs(y).numpy(), rtol=0, atol=1e-10)
    assert blocks == [3, 2, 2, 1, 1]


def test_with_gradients_every_layer_leaves_its_node(blocks):
    (net, _), (x, _) = both()
    assert type(net[:3](x).grad_fn).__name__ == "Relu"
    assert blocks == []


def row(*layers):
    return nn.Sequential(nn.Conv2d(3, 4, 3), *layers).eval()


class MyReLU(nn.ReLU):
    def forward(self, input):
        return super().forward(input) + 1


def hooked(register):
    net = row(nn.ReLU())
    getattr(net[1], register)(lambda *a: None)
    return net


def patched():
    net = row(nn.ReLU())
    net[1].forward = lambda x: x * 2
    return net


ALONE = {
    "training BatchNorm": lambda: row(nn.BatchNorm2d(4)).train(),
    "BatchNorm without statistics": lambda: row(nn.BatchNorm2d(4, track_running_stats=False)),
    "pool with padding": lambda: row(nn.MaxPool2d(2, padding=1)),
    "pool 3": lambda: row(nn.MaxPool2d(3, 2)),
    "pool with ceil_mode": lambda: row(nn.MaxPool2d(2, ceil_mode=True)),
    "other activation": lambda: row(nn.Tanh()),
    "subclass": lambda: row(MyReLU()),
    "forward hook": lambda: hooked("register_forward_hook"),
    "forward pre-hook": lambda: hooked("register_forward_pre_hook"),
    "another forward": patched,
    "padding by name": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU()),
    "other border": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_what_could_be_noticed_is_left_alone(name, blocks):
    tc.manual_seed(0)
    net, x = ALONE[name](), tc.randn(2, 3, 9, 9)
    with tc.no_grad():
        y = net(x)
        expected = x
        for layer in net:
            expected = layer(expected)
    if name != "training BatchNorm":
        assert tc.equal(y, expected)
    assert blocks == []


def test_a_hook_sees_what_it_always_sees(blocks):
    net, x = row(nn.ReLU(), nn.MaxPool2d(2)), tc.randn(2, 3, 9, 9)
    shapes = []
    net[0].register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape)))
    with tc.no_grad():
        net(x)
    assert shapes == [(2, 4, 7, 7)]
    assert blocks == []


@pytest.mark.parametrize(
    "x",
    {
        "channels": tc.zeros(2, 4, 9, 9), "too small": tc.zeros(2, 3, 2, 2), "dtype": tc.zeros(2, 3, 9, 9, dtype=tc.float64),
        "nothing to pool": tc.zeros(2, 3, 3, 3), "rank": tc.zeros(3, 9), "no tensor": np.zeros((2, 3, 9, 9)),
    }.items(),
    ids=lambda p: p[0],
)  # fmt: skip
def test_errors_are_those_of_the_layers(x, blocks):
    net = row(nn.ReLU(), nn.MaxPool2d(2))
    messages = []
    for mode in (tc.no_grad, tc.enable_grad):
        with mode(), pytest.raises(Exception) as error:  # whatever it is, it is the same
            net(x[1])
        messages.append((type(error.value), str(error.value)))
    assert messages[0] == messages[1]
    assert blocks == []


def test_nan_and_negative_zero_pass_as_in_the_layers():
    net = row(nn.ReLU(), nn.MaxPool2d(2))
    x = tc.randn(1, 3, 9, 9)
    x[0, 1, 4, 4] = float("nan")
    with tc.no_grad():
        fused = net(x)
        plain = nn.functional.max_pool2d(net[0](x).relu(), 2)
    np.testing.assert_array_equal(fused.numpy(), plain.numpy())
