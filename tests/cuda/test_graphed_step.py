"""A training step as one CUDA graph, on the stand-in: the numbers of a loop without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyconv as tc
from tinyconv import nn
from tinyconv.errors import ArgumentError, DeviceError
from tinyconv.nn import functional as F


@pytest.fixture(autouse=True)
def _settled(device):
    """No test leaves work behind."""
    tc.cuda.synchronize()
    yield
    assert not tc.cuda.is_current_stream_capturing()
    tc.cuda.synchronize()


# ── a training step ───────────────────────────────────────────────────────────────────────────


class Rolling(tc.optim.Optimizer):
    """Momentum, all of it on the GPU: the rate is a number there."""

    on_device = ("lr",)

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr, "momentum": 0.9})
        self.rates = [tc.full((), g["lr"], device="cuda") for g in self.param_groups]

    def refresh(self):
        for rate, group in zip(self.rates, self.param_groups, strict=True):
            rate.fill_(group["lr"])

    def step(self, closure=None):
        if not tc.cuda.is_current_stream_capturing():
            self.refresh()
        with tc.no_grad():
            for rate, group in zip(self.rates, self.param_groups, strict=True):
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if not state:
                        state["momentum_buffer"] = tc.zeros_like(p)
                    buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(p.grad)
                    p -= rate * buffer


OPTIMIZERS: dict[str, Any] = {
    "plain": lambda p: tc.optim.SGD(p, lr=0.1),
    "rolling": lambda p: Rolling(p, 0.05),
    "momentum": lambda p: tc.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: tc.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: tc.optim.Adam(p, lr=0.01, capturable=True),
    "adamw": lambda p: tc.optim.AdamW(p, lr=0.01, capturable=True),
}


def network(*extra: nn.Module) -> nn.Module:
    tc.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), *extra, nn.Flatten(),
        nn.Linear(64, 5),
    ).to("cuda")  # fmt: skip


def batches(n: int, size: int = 6) -> list[tuple[tc.Tensor, tc.Tensor]]:
    g = tc.Generator().manual_seed(1)
    return [
        (tc.randn(size, 1, 8, 8, generator=g), tc.randint(0, 5, (size,), generator=g))
        for _ in range(n)
    ]


def train(make, data, graphed, change=None, model=None, **options):
    """Losses, and all numbers of the model at the end."""
    model = network() if model is None else model
    loss, optimizer = nn.CrossEntropyLoss(), make(model.parameters())

    def eager(x, y):
        optimizer.zero_grad()
        with options.get("autocast") or tc.enable_grad():
            value = loss(model(x.to("cuda")), y.to("cuda"))
        value.backward()
        optimizer.step()
        return value.detach()

    step = tc.cuda.make_graphed_step(model, loss, optimizer, **options) if graphed else eager
    losses = []
    for i, (x, y) in enumerate(data):
        losses.append(step(x, y))
        if change is not None:
            change(i, model, optimizer)
    return [v.item() for v in losses], {k: v.cpu().numpy() for k, v in model.state_dict().items()}


def same(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    for name, value in one[1].items():
        np.testing.assert_array_equal(value, other[1][name], err_msg=name)


def halve(i, model, optimizer):
    if i in (4, 7):
        for group in optimizer.param_groups:
            group["lr"] /= 2


def freeze_statistics(i, model, optimizer):
    model[1].train(i < 5)


def freeze(i, model, optimizer):
    model[0].weight.requires_grad_(i < 5)


def replace(i, model, optimizer):
    if i == 5:
        model[0].weight.data = model[0].weight.data * 0.5


def reload(i, model, optimizer):
    if i == 5:
        optimizer.load_state_dict(optimizer.state_dict())


def no_gradients(i, model, optimizer):
    optimizer.zero_grad()


def other_momentum(i, model, optimizer):
    if i == 5:
        optimizer.param_groups[0]["momentum"] = 0.5


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("change", [None, halve])
def test_a_captured_step_is_the_step(make, change):
    data = batches(10)
    same(train(make, data, False, change), train(make, data, True, change))


@pytest.mark.parametrize(
    "change", [freeze_statistics, freeze, replace, reload, no_gradients, other_momentum]
)
def test_what_changes_meanwhile(change):
    data = batches(12)
    same(
        train(OPTIMIZERS["rolling"], data, False, change),
        train(OPTIMIZERS["rolling"], data, True, change, warmup=1),
    )


def test_batches_of_two_sizes():
    data = [b for pair in zip(batches(8), batches(8, 3), strict=True) for b in pair]
    same(
        train(OPTIMIZERS["rolling"], data, False),
        train(OPTIMIZERS["rolling"], data, True, warmup=2),
    )


def test_batches_that_are_there_already():
    data = [(x.to("cuda"), y.to("cuda")) for x, y in batches(8)]
    same(train(OPTIMIZERS["plain"], data, False), train(OPTIMIZERS["plain"], data, True))


def test_batches_in_pinned_memory():
    data = [(x.pin_memory(), y.pin_memory()) for x, y in batches(8)]
    same(train(OPTIMIZERS["plain"], data, False), train(OPTIMIZERS["plain"], data, True))


def test_in_a_stream_of_its_own():
    data, side = batches(8), tc.cuda.Stream()

    def wander(i, model, optimizer):
        tc.cuda.current_stream().synchronize() if i < 4 else None
        tc.cuda.set_stream(side if i % 2 else tc.cuda.default_stream())

    try:
        wandered = train(OPTIMIZERS["plain"], data, True, wander)
    finally:
        tc.cuda.set_stream(tc.cuda.default_stream())
    same(train(OPTIMIZERS["plain"], data, False), wandered)


def test_autocast_is_captured():
    data = batches(8)
    options = {"autocast": tc.autocast("cuda", tc.bfloat16)}
    same(
        train(OPTIMIZERS["rolling"], data, False, **options),
        train(OPTIMIZERS["rolling"], data, True, **options),
    )


def test_a_step_is_one_launch_and_no_wait(counts):
    model = network()
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["rolling"](model.parameters())
    )
    data, figures = batches(12), []
    for x, y in data:
        counts.clear()
        step(x, y)
        figures.append((counts["graphs"], counts["syncs"], counts["launches"]))
    eager, captured = figures[1][2], figures[-1][2]  # the first makes buffers
    assert figures[1:3] == [(0, 0, eager)] * 2
    assert figures[3][0] == 1
    assert figures[4:] == [(1, 0, captured)] * 8
    assert captured <= 5 < 30 < eager


def test_memory_does_not_grow():
    model = network()
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["rolling"](model.parameters())
    )
    figures = []
    for x, y in batches(12):
        step(x, y)
        figures.append((tc.cuda.memory_allocated(), tc.cuda.memory_reserved()))
    assert len(set(figures[5:])) == 1


def test_losses_are_apart_and_gradients_there():
    model = network()
    optimizer = tc.optim.SGD(model.parameters(), lr=0.0)
    step = tc.cuda.make_graphed_step(model, nn.CrossEntropyLoss(), optimizer, warmup=1)
    data = [b for pair in zip(batches(4), batches(4, 3), strict=True) for b in pair]
    losses = [step(x, y) for x, y in data]
    assert len({v.item() for v in losses}) == 8
    assert not losses[-1].requires_grad
    for x, y in data[-2:]:  # of two sizes, each with its graph
        optimizer.zero_grad()
        step(x, y)
        found = [p.grad.cpu().numpy() for p in model.parameters()]
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(x.cuda()), y.cuda()).backward()
        for g, p in zip(found, model.parameters(), strict=True):
            np.testing.assert_array_equal(g, p.grad.cpu().numpy())


def test_dropout_varies():
    model = network(nn.Dropout(0.5))
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), tc.optim.SGD(model.parameters(), lr=0.0)
    )
    ((x, y),) = batches(1)
    losses = [step(x, y).item() for _ in range(10)]
    assert len(set(losses)) == 10


class Noise(nn.Module):
    """Random numbers of the CPU."""

    def forward(self, x):
        return x * tc.rand(1).item()


class Waiting(nn.Module):
    """Looks at what it computes."""

    def forward(self, x):
        return x / x.sum().item()


REFUSED = {
    "numbers of the CPU": (Noise, "plain", "Random numbers of the CPU were drawn"),
    "a wait": (
        Waiting,
        "plain",
        r"In item, asked for by test_graphed_step.py:\d+: return x / x.sum\(\).item\(\)",
    ),
    "counts on the CPU": (
        nn.Identity,
        "adam, not capturable",
        "instance of Adam but param_groups' capturable is False",
    ),
}


@pytest.mark.parametrize(("layer", "optimizer", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_captured(layer, optimizer, text):
    model = network(layer())
    make = OPTIMIZERS.get(optimizer, lambda p: tc.optim.Adam(p))
    optimizer = make(model.parameters())
    step = tc.cuda.make_graphed_step(model, nn.CrossEntropyLoss(), optimizer, warmup=1)
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = False
    x, y = batches(1)[0]
    step(x, y)
    with pytest.raises(DeviceError, match=text):
        step(x, y)


def test_a_step_needs_a_first_one():
    model = network()
    with pytest.raises(ArgumentError, match="warmup must be at least 1"):
        tc.cuda.make_graphed_step(
            model, nn.CrossEntropyLoss(), OPTIMIZERS["plain"](model.parameters()), warmup=0
        )


class Overflowing(nn.Module):
    """A loss that is infinite now and then."""

    def forward(self, output, y):
        return F.cross_entropy(output, y) * tc.where(y[0] == 0, float("inf"), 1.0)


@pytest.mark.parametrize("make", [OPTIMIZERS["momentum"], OPTIMIZERS["adam"]])
def test_the_loss_scale_lives_on_the_gpu(counts, make):
    data, ends = batches(14), []
    assert any(y[0] == 0 for _, y in data[5:])
    for graphed in (False, True):
        model, scaler, loss = network(), tc.amp.GradScaler("cuda", growth_interval=3), Overflowing()
        optimizer = make(model.parameters())
        step = tc.cuda.make_graphed_step(model, loss, optimizer, scaler=scaler)
        for x, y in data:
            counts.clear()
            if graphed:
                step(x, y)
            else:
                optimizer.zero_grad()
                scaler.scale(loss(model(x.cuda()), y.cuda())).backward()
                scaler.step(optimizer)
                scaler.update()
        assert counts["syncs"] == 0
        ends.append(
            ([scaler.get_scale()], {k: v.cpu().numpy() for k, v in model.state_dict().items()})
        )
    same(*ends)
    assert ends[0][0][0] != 2.0**16


# ── parts of a step ───────────────────────────────────────────────────────────────────────────


def test_graphed_callables_in_a_loop():
    data, ends = [(x.cuda(), y.cuda()) for x, y in batches(6)], []
    for graphed in (False, True):
        model, loss = network(nn.Dropout(0.0)), nn.CrossEntropyLoss()
        model[1].eval()  # the warm-up would move its statistics
        if graphed:
            samples = (
                (data[0][0].clone(),),
                (tc.zeros(6, 5, device="cuda", requires_grad=True), data[0][1].clone()),
            )
            model, loss = tc.cuda.make_graphed_callables((model, loss), samples)
        optimizer, losses = tc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), []
        for i, (x, y) in enumerate(data):
            if i % 2 == 0:  # else gradients add up
                optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        model.eval()
        losses += model(data[0][0]).flatten().tolist()
        ends.append((losses, {k: v.cpu().numpy() for k, v in model.state_dict().items()}))
    same(*ends)


def test_graphed_functions():
    x = tc.ones(3, device="cuda", requires_grad=True)
    f = tc.cuda.make_graphed_callables(
        lambda x, y: (x * y, x + y), (tc.ones(3).cuda().requires_grad_(), tc.ones(3).cuda())
    )
    a, b = f(x, tc.tensor([1.0, 2.0, 3.0]).cuda())
    (a.sum() + 10 * b.sum()).backward()
    assert x.grad.tolist() == [11, 12, 13]
    with pytest.raises(ArgumentError, match="takes the 2 tensors"):
        f(x)
