"""Graphs, streams, memory and products on a real GPU: what the stand-in cannot know."""

from __future__ import annotations

import gc
import time

import card
import numpy as np
import pytest

card.require_gpu()

import tinyconv as tc
from tinyconv import nn
from tinyconv.backend import get_backend, product
from tinyconv.errors import DeviceError

SIDE, BATCH, STEPS, LARGE = (8, 4, 40, 1 << 16) if card.STANDIN else (32, 32, 200, 1 << 24)

OPTIMIZERS = {
    "SGD": lambda p: tc.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=1e-4),
    "Adam": lambda p: tc.optim.Adam(p, lr=1e-3, capturable=True),
    "AdamW": lambda p: tc.optim.AdamW(p, lr=1e-3, capturable=True),
}


def network(dropout: float = 0.0) -> nn.Module:
    tc.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(dropout), nn.Flatten(), nn.Linear(2 * SIDE * SIDE, 10),
    ).to("cuda")  # fmt: skip


def batches(n: int, size: int = BATCH) -> list[tuple[tc.Tensor, tc.Tensor]]:
    g = tc.Generator().manual_seed(1)
    return [
        (tc.randn(size, 3, SIDE, SIDE, generator=g), tc.randint(0, 10, (size,), generator=g))
        for _ in range(n)
    ]


@pytest.fixture(autouse=True)
def _same_bits():
    before = tc.backends.cudnn.deterministic
    tc.backends.cudnn.deterministic = True
    yield
    tc.backends.cudnn.deterministic = before


def train(make, graphed, steps=STEPS // 10, autocast=None):
    """Losses; the rate is halved on the way."""
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = make(model.parameters())
    step = tc.cuda.make_graphed_step(model, loss, optimizer, autocast=autocast)
    data, losses = batches(4), []
    for i in range(steps):
        if i == steps // 2:
            optimizer.param_groups[0]["lr"] /= 2
        x, y = (v.to("cuda") for v in data[i % 4])
        losses.append(step(x, y) if graphed else step._step(x, y).detach())
    return [v.item() for v in losses]


@pytest.mark.parametrize("half", [None, "bfloat16"])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_captured_equals_eager(make, half):
    autocast = None if half is None else tc.autocast("cuda", getattr(tc, half))
    eager, captured = (train(make, graphed, autocast=autocast) for graphed in (False, True))
    np.testing.assert_allclose(captured, eager, rtol=1e-5)
    assert np.isfinite(captured).all()


def test_the_loss_scale_stays_on_the_gpu():
    model, scaler = network(), tc.amp.GradScaler("cuda", growth_interval=4)
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    step = tc.cuda.make_graphed_step(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        scaler=scaler,
        autocast=tc.autocast("cuda", tc.float16),
    )
    data = batches(4)
    losses = [step(*data[i % 4]) for i in range(STEPS // 4)]
    assert losses[-1].item() < losses[0].item()
    assert np.log2(scaler.get_scale()) % 1 == 0


def test_steps_take_no_memory():
    model = network(0.5)
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["Adam"](model.parameters())
    )
    data = batches(4)
    figures = []
    for i in range(STEPS):
        step(*data[i % 4])
        if i in (STEPS // 4, STEPS - 1):
            tc.cuda.synchronize()
            gc.collect()
            figures.append((tc.cuda.memory_allocated(), tc.cuda.memory_reserved()))
    assert figures[0] == figures[1]


def test_dropout_varies():
    model = network(0.5)
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), tc.optim.SGD(model.parameters(), lr=0.0)
    )
    ((x, y),) = batches(1)
    losses = {step(x, y).item() for _ in range(STEPS // 4)}
    assert len(losses) > STEPS // 5


def test_a_captured_step_asks_less_of_the_host():
    model = network()
    step = tc.cuda.make_graphed_step(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["SGD"](model.parameters())
    )
    x, y = (v.to("cuda") for v in batches(1)[0])
    times = []
    for f in (step._step, step):
        for _ in range(5):
            f(x, y)
        tc.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(STEPS // 10):
            f(x, y)
        times.append(time.perf_counter() - start)
        tc.cuda.synchronize()
    if not card.STANDIN:  # which has no GPU to leave the work to
        assert times[1] < times[0] / 2


WAITS = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: 1 if x.sum() > 0 else 2,
    "cpu": lambda x: x.cpu(),
    "mask": lambda x: x[x > 0],
    "synchronize": lambda x: tc.cuda.synchronize(),
}


@pytest.mark.parametrize("f", WAITS.values(), ids=WAITS)
def test_a_wait_inside_is_an_error(f):
    x, g = tc.ones(8, device="cuda"), tc.cuda.CUDAGraph()
    f(x)
    with pytest.raises(DeviceError, match="when stream is capturing"), tc.cuda.graph(g):
        f(x)
    assert (x * 2).tolist() == [2.0] * 8  # all goes on


def test_nothing_is_done_while_captured():
    x, g = tc.ones(1000, device="cuda"), tc.cuda.CUDAGraph()
    with tc.cuda.graph(g):
        x.mul_(2)
    assert x.sum().item() == 1000
    for _ in range(3):
        g.replay()
    assert x.sum().item() == 8000


def test_graphed_callables():
    model = network()
    x, y = (v.to("cuda") for v in batches(1)[0])
    exact = model(x)
    exact.sum().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    graphed = tc.cuda.make_graphed_callables(model, (x.clone(),))
    out = graphed(x)
    out.sum().backward()
    np.testing.assert_allclose(
        out.detach().cpu().numpy(), exact.detach().cpu().numpy(), rtol=1e-4, atol=1e-5
    )
    for p, g in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), g.cpu().numpy(), rtol=1e-3, atol=1e-3)


# ── products ──────────────────────────────────────────────────────────────────────────────────

TOLERANCE = {"float64": 1e-13, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
SHAPES = [((257, 129), (129, 65)), ((8, 64, 33), (8, 33, 17)), ((64, 33), (8, 33, 17)), ((2, 3, 5, 7), (3, 7, 4)),
          ((31,), (31,)), ((5, 31), (31,)), ((1, 1000), (1000, 1))]  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("turned", [False, True])
def test_products(left, right, dtype, turned):
    kind = getattr(tc, dtype).numpy
    a, b = (
        np.random.default_rng(i).standard_normal(s).astype(kind)
        for i, s in enumerate((left, right))
    )
    there = [get_backend("cuda").from_numpy(v) for v in (a, b)]
    if turned:
        there = [v.swapaxes(-1, -2).copy().swapaxes(-1, -2) if v.ndim > 1 else v for v in there]
    y = get_backend("cuda").to_numpy(product(*there)).astype("f8")
    exact = np.matmul(a.astype("f8"), b.astype("f8"))
    assert np.abs(y - exact).max() <= TOLERANCE[dtype] * np.abs(exact).max()


def test_tf32_is_coarser():
    a, b = (tc.randn(256, 256, dtype=tc.float64) for _ in range(2))
    errors = []
    for allowed in (False, True):
        tc.backends.cuda.matmul.allow_tf32 = allowed
        y = a.float().cuda() @ b.float().cuda()
        errors.append((y.cpu().double() - a @ b).abs().max().item())
    tc.backends.cuda.matmul.allow_tf32 = False
    assert errors[0] < 1e-4 < 1e-3 < errors[1] < 1


# ── streams and memory ────────────────────────────────────────────────────────────────────────


def test_streams_wait_for_each_other():
    side, x = tc.cuda.Stream(), tc.ones(LARGE, device="cuda")
    for _ in range(20):
        side.wait_stream(tc.cuda.current_stream())
        with tc.cuda.stream(side):
            x.add_(1)
        tc.cuda.current_stream().wait_stream(side)
        x.mul_(0.5)
    assert x.max().item() == x.min().item() == 1.0


def test_time_passes():
    start, end = (tc.cuda.Event(enable_timing=True) for _ in range(2))
    x = tc.ones(LARGE, device="cuda")
    start.record()
    for _ in range(10):
        x = x * 1.5
    end.record()
    end.synchronize()
    assert end.query()
    assert start.elapsed_time(end) > 0


def test_what_is_in_use():
    tc.cuda.synchronize()
    gc.collect()
    tc.cuda.empty_cache()
    tc.cuda.reset_peak_memory_stats()
    before, free = tc.cuda.memory_allocated(), tc.cuda.mem_get_info()[0]
    x = tc.empty(1 << 26, device="cuda")
    assert tc.cuda.memory_allocated() - before == 1 << 28
    assert free - tc.cuda.mem_get_info()[0] >= 1 << 28
    del x
    assert tc.cuda.memory_allocated() == before
    assert tc.cuda.max_memory_allocated() - before == 1 << 28
    tc.cuda.empty_cache()
    assert tc.cuda.mem_get_info()[0] > free - (1 << 27)


def test_too_much_memory():
    total = tc.cuda.mem_get_info()[1]
    with pytest.raises(tc.cuda.OutOfMemoryError, match=r"CUDA out of memory\. Tried to allocate"):
        tc.empty(total, device="cuda")
    assert tc.ones(3, device="cuda").sum().item() == 3


def test_the_card_is_described():
    about = tc.cuda.get_device_properties()
    assert about.total_memory >= 1 << 30
    assert about.multi_processor_count > 0
    assert tc.cuda.get_device_name() == about.name
    assert tc.cuda.get_arch_list()
