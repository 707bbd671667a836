"""Training on a GPU: the same losses as on the CPU and as torch's, the same bits twice, and no memory lost."""

from __future__ import annotations

import gc

import card
import pytest

card.require_gpu()

import tinyconv as tc

try:
    import torch
except ImportError:
    torch = None

OPTIMIZERS = {
    "SGD": lambda lib, p: lib.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-4),
    "Adam": lambda lib, p: lib.optim.Adam(p, 5e-3),
}


def network(lib, dropout=0.0):
    nn = lib.nn
    lib.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(48, 5),
    )  # fmt: skip


def batches(lib, n=4):
    lib.manual_seed(1)
    return [(lib.randn(6, 3, 12, 12), lib.randint(5, (6,))) for _ in range(n)]


def train(lib, device, kind, name, steps, dropout=0.0):
    """The losses, and the network."""
    net = network(lib, dropout).to(device, getattr(lib, kind))
    optimizer = OPTIMIZERS[name](lib, net.parameters())
    data = [(x.to(device, getattr(lib, kind)), y.to(device)) for x, y in batches(lib)]
    lib.manual_seed(2)
    losses = []
    for i in range(steps):
        x, y = data[i % len(data)]
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [loss.item() for loss in losses], net


@pytest.mark.parametrize(("kind", "tolerance"), [("float64", 1e-7), ("float32", 2e-3)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_are_those_of_the_cpu(name, kind, tolerance):
    here, _ = train(tc, "cpu", kind, name, 12)
    there, _ = train(tc, "cuda", kind, name, 12)
    assert there == pytest.approx(here, rel=tolerance)
    assert there[-1] < there[0]


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_are_those_of_torch(name):
    theirs, _ = train(torch, "cpu", "float64", name, 12)
    ours, _ = train(tc, "cuda", "float64", name, 12)
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_bits_twice(name):
    (first, one), (second, two) = (
        train(tc, "cuda", "float32", name, 10, dropout=0.5) for _ in range(2)
    )
    assert first == second
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert a.cpu().numpy().tobytes() == b.cpu().numpy().tobytes()


def test_memory_comes_back():
    train(tc, "cuda", "float32", "SGD", 2)  # libraries are loaded, what stays stays
    gc.collect()
    tc.cuda.synchronize()
    before = tc.cuda.memory_allocated()
    net = network(tc).cuda()
    images, classes = (x.cuda() for x in batches(tc, 1)[0])
    held = tc.cuda.memory_allocated()
    assert held > before
    for p in net.parameters():
        p.grad = tc.zeros_like(p)
    with_gradients = tc.cuda.memory_allocated()
    for _ in range(3):
        loss = tc.nn.functional.cross_entropy(net(images), classes)
        assert tc.cuda.memory_allocated() > with_gradients  # what backward will need
        loss.backward()
        del loss
        tc.cuda.synchronize()
        assert tc.cuda.memory_allocated() == with_gradients
    del net, p, images, classes
    gc.collect()
    assert tc.cuda.memory_allocated() <= before


def test_many_steps_take_no_more_memory_than_a_few():
    net = network(tc, 0.5).cuda()
    optimizer = tc.optim.Adam(net.parameters(), 1e-3)
    data = [(x.cuda(), y.cuda()) for x, y in batches(tc)]
    gc.disable()  # nothing may wait for a collection of circles
    try:
        for i in range(200):
            x, y = data[i % len(data)]
            optimizer.zero_grad()
            loss = tc.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            if i == 9:
                tc.cuda.synchronize()
                allocated, reserved = tc.cuda.memory_allocated(), tc.cuda.memory_reserved()
    finally:
        gc.enable()
    tc.cuda.synchronize()
    assert tc.cuda.memory_allocated() <= allocated
    assert tc.cuda.memory_reserved() <= reserved
    assert loss.item() < 2


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_mixed_precision_learns(kind):
    net = network(tc).cuda()
    optimizer = tc.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    scaler = tc.amp.GradScaler("cuda", enabled=kind == "float16")
    data = [(x.cuda(), y.cuda()) for x, y in batches(tc, 2)]
    losses = []
    for i in range(40):
        x, y = data[i % 2]
        optimizer.zero_grad()
        with tc.amp.autocast("cuda", getattr(tc, kind)):
            loss = tc.nn.functional.cross_entropy(net(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
    assert losses[-1].item() < 0.5 * losses[0].item()
    assert all(p.dtype is tc.float32 for p in net.parameters())
