"""A training step never waits for the GPU, and sends it nothing but kernels."""

from __future__ import annotations

import pytest

import tinyconv as tc

nn = tc.nn

OPTIMIZERS = {
    "SGD": lambda p: tc.optim.SGD(p, 0.1),
    "SGD with momentum": lambda p: tc.optim.SGD(
        p, 0.1, momentum=0.9, weight_decay=1e-4, nesterov=True
    ),
    "Adam": lambda p: tc.optim.Adam(p, 1e-2),
    "AdamW": lambda p: tc.optim.AdamW(p, 1e-2, amsgrad=True),
}


NONE = {"syncs": 0, "h2d": 0, "d2h": 0}


def waits(counts):
    return {key: counts[key] for key in NONE}


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(24, 5),
    )  # fmt: skip


def stepper(net, optimizer, loss, images, classes):
    def step():
        optimizer.zero_grad()
        value = loss(net(images), classes)
        value.backward()
        optimizer.step()
        return value

    return step


def data():
    tc.manual_seed(0)
    return tc.randn(4, 3, 8, 8).cuda(), tc.tensor([0, 4, 2, 1]).cuda()


@pytest.mark.parametrize("kind", [tc.float32, tc.float64], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_neither_waits_nor_copies(counts, name, kind):
    images, classes = data()
    net = network().to("cuda", kind)
    optimizer = OPTIMIZERS[name](net.parameters())
    step = stepper(net, optimizer, nn.CrossEntropyLoss(), images.to(kind), classes)
    for _ in range(2):
        step()
    counts.clear()
    losses = [step() for _ in range(3)]
    assert waits(counts) == NONE
    assert losses[2].item() < 10


LOSSES = {
    "mse": lambda y, t: nn.functional.mse_loss(y, nn.functional.one_hot(t, 5).to(y.dtype)),
    "nll": lambda y, t: nn.functional.nll_loss(y.log_softmax(1), t),
    "smooth": lambda y, t: nn.functional.cross_entropy(y, t, label_smoothing=0.1),
    "weighted": lambda y, t: nn.functional.cross_entropy(
        y, t, weight=y.new_ones(5), ignore_index=0
    ),
    "bce": lambda y, t: nn.functional.binary_cross_entropy(
        y.sigmoid(), nn.functional.one_hot(t, 5).to(y.dtype)
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_do_not_wait(counts, name):
    images, classes = data()
    net = network().cuda()
    step = stepper(net, tc.optim.SGD(net.parameters(), 0.1), LOSSES[name], images, classes)
    step()
    counts.clear()
    step()
    assert waits(counts) == NONE


def test_what_belongs_to_a_step_does_not_wait(counts):
    images, classes = data()
    net = network().cuda()
    optimizer = tc.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    scheduler = tc.optim.lr_scheduler.StepLR(optimizer, 2)
    total, right = tc.zeros((), device="cuda"), tc.zeros((), device="cuda", dtype=tc.int64)

    def step():
        nonlocal total, right
        optimizer.zero_grad()
        scores = net(images)
        loss = nn.functional.cross_entropy(scores, classes)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total += loss.detach() * len(images)
        right += (scores.argmax(1) == classes).sum()

    step()
    counts.clear()
    step()
    assert waits(counts) == NONE
    step()
    assert waits(counts) == {**NONE, "h2d": 1}  # the new learning rate
    assert 0 <= right.item() <= 12


def test_an_embedding_does_not_wait(counts):
    tc.manual_seed(0)
    words = tc.randint(9, (4, 6)).cuda()
    classes = tc.tensor([0, 1, 2, 0]).cuda()
    net = nn.Sequential(
        nn.Embedding(9, 5, padding_idx=0), nn.Flatten(), nn.LayerNorm(30), nn.Linear(30, 3)
    ).cuda()
    step = stepper(net, tc.optim.Adam(net.parameters(), 0.1), nn.CrossEntropyLoss(), words, classes)
    step()
    counts.clear()
    step()
    assert waits(counts) == NONE


def test_a_wait_is_found(counts, monkeypatch):
    def waiting(y, t):
        return nn.functional.cross_entropy(y, t) * (1 if y.max().item() < 1e9 else 0)

    monkeypatch.setitem(LOSSES, "waiting", waiting)
    with pytest.raises(AssertionError, match="syncs"):
        test_losses_do_not_wait(counts, "waiting")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_numbers_as_on_the_cpu(name):
    """Without dropout, whose numbers differ."""
    results = []
    for device in ("cpu", "cuda"):
        tc.manual_seed(0)
        net = network().to(device, tc.float64).train()
        net[9].p = 0.0
        images, classes = (x.to(device) for x in data())
        step = stepper(
            net, OPTIMIZERS[name](net.parameters()), nn.CrossEntropyLoss(), images.double(), classes
        )
        results.append([step().item() for _ in range(4)])
    assert results[1] == pytest.approx(results[0], rel=1e-9)
