"""Optimizers on the device: one launch for all parameters, nobody waits, and the numbers of the CPU."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import test_compile

import tinyconv as tc
from tinyconv.backend import cuda_text, helper
from tinyconv.optim import launch

SHAPES = [(3, 4), (5,), (), (0,), (2, 1, 3), (70, 130)]
CASES = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD, decay, uphill": ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    "SGD, momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    "SGD, nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "Adam": ("Adam", {"lr": 0.1}),
    "Adam, decay": (
        "Adam",
        {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1, "maximize": True},
    ),
    "Adam, amsgrad": ("Adam", {"lr": 0.1, "amsgrad": True}),
    "AdamW": ("AdamW", {"lr": 0.1, "weight_decay": 0.1}),
    "AdamW, amsgrad": ("AdamW", {"lr": 0.1, "amsgrad": True}),
    "RMSprop": ("RMSprop", {"lr": 0.01, "weight_decay": 0.1}),
    "RMSprop, momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    "RMSprop, centered": ("RMSprop", {"lr": 0.01, "centered": True}),
    "RMSprop, both": ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}),
    "Adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    "Adadelta": ("Adadelta", {"lr": 0.1, "rho": 0.5, "weight_decay": 0.1}),
    "Adamax": ("Adamax", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1}),
    "NAdam": ("NAdam", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1}),
    "NAdam, decoupled": (
        "NAdam",
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ),
    "RAdam": ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9)}),
    "RAdam, decoupled": (
        "RAdam",
        {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "Rprop": ("Rprop", {"lr": 0.1, "etas": (0.3, 2.5), "step_sizes": (0.05, 0.3)}),
    "ASGD": ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1}),
}
CAPTURABLE = [name for name, _ in CASES.values() if name not in ("SGD", "Adagrad")]


def build(case, device, dtype, **more):
    name, settings = CASES[case]
    rng = np.random.default_rng(0)
    params = [
        tc.tensor(rng.standard_normal(s).astype("float32"), dtype=dtype).to(device).requires_grad_()
        for s in SHAPES
    ]
    return getattr(tc.optim, name)(params, **settings, **more), params


def feed(params, step):
    rng = np.random.default_rng(step + 1)
    for i, p in enumerate(params):
        g = tc.tensor(rng.standard_normal(p.shape).astype("float32"), dtype=p.dtype)
        p.grad = None if (i, step) in ((1, 2), (2, 0)) else g.to(p.device)


def walk(optimizer, params, steps=5):
    for step in range(steps):
        feed(params, step)
        optimizer.step()
    return [p.detach().cpu().double().numpy() for p in params]


# In float32 and float64 each operation rounds as on the CPU.
CLOSE = {"float32": 0, "float64": 0, "float16": 2e-2, "bfloat16": 2e-1}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("case", CASES)
def test_five_steps_are_those_of_the_cpu(case, dtype):
    kind = getattr(tc, dtype)
    here = walk(*build(case, "cpu", tc.float32 if kind.itemsize == 2 else kind))
    there = walk(*build(case, "cuda", kind))
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(a, b, CLOSE[dtype], CLOSE[dtype])


@pytest.mark.skipif(
    not test_compile.COMPILER, reason="neither NVRTC (nvidia-cuda-nvrtc) nor nvcc is here"
)
@pytest.mark.parametrize("arch", test_compile.ARCHITECTURES)
@pytest.mark.parametrize(
    "case",
    [
        "SGD",
        "SGD, momentum",
        "Adam",
        "Adam, amsgrad",
        "RMSprop, both",
        "Adagrad",
        "Adadelta",
        "Adamax",
        "NAdam",
        "RAdam",
        "Rprop",
        "ASGD",
    ],
)
def test_rules_compile(case, arch, tmp_path):
    from tinyconv.backend.cuda import module

    name, settings = CASES[case]
    optimizer, params = build(case, "cpu", tc.float32)
    group = optimizer.settings(optimizer.param_groups[0])
    group.pop("lr")
    rule, _ = optimizer.update(False, **group)
    buffers = optimizer.buffers(optimizer.param_groups[0])
    arrays = 2 + len(buffers.keys() - optimizer.counters)
    text = module.text_of(launch.text_of(rule, arrays))
    more = (tmp_path, name) if test_compile.COMPILER == "nvcc" else ()
    assert not test_compile.noted((text, list(module.TYPES.values()), arch), *more)


@helper
def first_of(a, b):
    return a


def _words(a, b, flag):
    """Everything that the translator knows."""
    total = -a * 2 + b / 3
    if flag:
        total = np.sqrt(np.maximum(a, b))
    elif a <= b:
        total = total**2 if a != 1 else a
    first, total = total, first_of(total, b)
    return first, total


def test_translation():
    text = cuda_text(helper(_words))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "template <class W> __device__ inline auto first_of(W a, W b) {"
    assert "W total = (((-a) * W(2.0)) + (b / W(3.0)));" in lines
    assert "total = sqrt(larger(a, b));" in lines
    assert "total = ((a != W(1.0)) ? pow(total, W(2.0)) : a);" in lines
    assert lines[-2:] == ["return Results<W, 2>{first, total};", "}"]


def test_what_cannot_be_translated():
    def g(a):
        return a @ a

    with pytest.raises(NotImplementedError, match=r"'a @ a' has no words in CUDA C\+\+ here"):
        cuda_text(helper(g))


@pytest.mark.parametrize("case", [c for c, (n, _) in CASES.items() if n in CAPTURABLE])
def test_capturable_counts_on_the_device(counts, case):
    optimizer, params = build(case, "cuda", tc.float64, capturable=True)
    here = walk(*build(case, "cpu", tc.float64))
    for a, b in zip(walk(optimizer, params), here, strict=True):
        np.testing.assert_allclose(a, b, 1e-13, 1e-13)
    steps = [optimizer.state[p]["step"] for p in params]
    assert {str(s.device) for s in steps} == {"cuda:0"}
    assert [s.item() for s in steps] == [5, 4, 4, 5, 5, 5]


@pytest.mark.parametrize("many", [1, 40, launch.ROWS, launch.ROWS + 1])
@pytest.mark.parametrize("settings", [{}, {"capturable": True}])
@pytest.mark.parametrize("name", ["Adam", "NAdam", "ASGD"])
def test_one_launch_for_all(counts, name, settings, many):
    params = [tc.zeros(7, device="cuda", requires_grad=True) for _ in range(many)]
    optimizer = getattr(tc.optim, name)(params, **settings)
    for p in params:
        p.grad = tc.ones(7, device="cuda")
    optimizer.step()
    counts.clear()
    optimizer.step()
    expected = 1 + (many > launch.ROWS)
    assert counts["update"] == expected
    assert counts["count_updates"] == expected * bool(settings)
    assert counts["launches"] == expected * (1 + bool(settings))
    assert (counts["syncs"], counts["h2d"], counts["d2h"]) == (0, 0, 0)


@pytest.mark.parametrize("case", ["SGD, nesterov", "Adam", "AdamW", "NAdam", "RAdam", "ASGD"])
def test_the_rate_may_be_a_tensor(counts, case):
    for device in ("cpu", "cuda"):
        lr = tc.tensor(0.5, device=device)
        optimizer, params = build(case, "cuda", tc.float64)
        optimizer.param_groups[0]["lr"] = lr
        feed(params, 0)
        optimizer.step()
        counts.clear()
        lr.fill_(0.25)
        optimizer.step()
        assert (counts["syncs"], counts["d2h"]) == (0, 0)
        plain, others = build(case, "cpu", tc.float64)
        feed(others, 0)
        for rate in (0.5, 0.25):
            plain.param_groups[0]["lr"] = rate
            plain.step()
        for p, q in zip(params, others, strict=True):
            np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), 1e-12)


def test_only_a_new_rate_is_copied(counts):
    optimizer, params = build("SGD", "cuda", tc.float32)
    feed(params, 0)
    optimizer.step()
    counts.clear()
    optimizer.step()
    assert counts["h2d"] == 0
    optimizer.param_groups[0]["lr"] = 0.2
    optimizer.step()
    assert counts["h2d"] == 1
    assert counts["syncs"] == 0


@pytest.mark.parametrize(
    "case",
    ["SGD, nesterov", "Adam, amsgrad", "AdamW", "NAdam, decoupled", "RAdam", "ASGD", "Adadelta"],
)
def test_a_captured_step_goes_on(case):
    """Counts and rates are read at each launch of a graph."""
    name, _ = CASES[case]
    optimizer, params = build(
        case, "cuda", tc.float64, **{"capturable": True} if name in CAPTURABLE else {}
    )
    other, others = build(case, "cpu", tc.float64)
    feed(params, 0), feed(others, 0)
    stream = tc.cuda.Stream()
    stream.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(stream):
        optimizer.step()
    tc.cuda.current_stream().wait_stream(stream)
    graph = tc.cuda.CUDAGraph()
    with tc.cuda.graph(graph):
        optimizer.step()
    for i in range(3):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        optimizer.refresh()
        graph.replay()
    for rate in (0.1, 0.1, 0.05, 0.1 / 3):
        other.param_groups[0]["lr"] = rate
        other.step()
    for p, q in zip(params, others, strict=True):
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), 1e-12)


@pytest.mark.parametrize("case", ["Adam", "NAdam", "ASGD"])
def test_what_was_found_undoes_a_step(counts, case):
    optimizer, params = build(case, "cuda", tc.float64, capturable=True)
    found = optimizer.found_inf = tc.zeros((), device="cuda")
    other, others = build(case, "cpu", tc.float64)
    for step, bad in enumerate([0, 1, 0, 1, 1, 0]):
        feed(params, step)
        found.fill_(bad)
        optimizer.step()
        if not bad:
            feed(others, step)
            other.step()
    assert optimizer.state[params[0]]["step"].item() == 3
    for p, q in zip(params, others, strict=True):
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), 1e-13)


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("make", [lambda x: x.permute(0, 3, 1, 2), lambda x: x[:, :, ::2]])
def test_any_order_of_memory(counts, make, capturable):
    """Channels-last parameters and plain gradients; a view with gaps is copied, and nobody waits for that."""
    whole = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    results = []
    for device in ("cpu", "cuda"):
        x = tc.tensor(whole, device=device)
        p = make(x).detach().requires_grad_()
        p.grad = tc.ones(p.shape, dtype=p.dtype, device=device)
        optimizer = tc.optim.AdamW([p], lr=0.1, capturable=capturable)
        optimizer.step()
        counts.clear()
        optimizer.step()
        assert (counts["syncs"], counts["d2h"]) == (0, 0)
        results.append(x.cpu().numpy())
    np.testing.assert_array_equal(results[1], results[0])


@pytest.mark.parametrize("bad", [False, True])
def test_what_was_found_undoes_a_step_with_gaps(bad):
    x = tc.ones(4, 4, device="cuda")
    p = x[:, ::2].detach().requires_grad_()
    p.grad = tc.ones(4, 2, device="cuda")
    optimizer = tc.optim.SGD([p], lr=1.0)
    optimizer.found_inf = tc.full((), float(bad), device="cuda")
    optimizer.step()
    assert x.tolist() == [[float(bad), 1.0] * 2] * 4


def test_what_shares_memory():
    """From the first to the last number, also where the first lies behind."""
    x = tc.zeros(8, device="cuda").array
    assert launch.overlap([x[:4], x[3:]])
    assert launch.overlap([x[5::-1], x[:2]])
    assert launch.overlap([x[2:4], x[::-1]])
    assert not launch.overlap([x[5:3:-1], x[:4], x[6:], x[:0]])


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "NAdam"])
@pytest.mark.parametrize("capturable", [False, True])
def test_a_scaler_leaves_the_count_of_a_step_undone(name, capturable):
    p = tc.ones(3, device="cuda", requires_grad=True)
    given = {"capturable": True} if capturable and name in CAPTURABLE else {}
    optimizer, scaler = getattr(tc.optim, name)([p], **given), tc.amp.GradScaler("cuda")
    for factor in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((p * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    if name != "SGD":
        assert optimizer.state[p]["step"].item() == 2
    assert tc.isfinite(p).all().item()


def test_shared_memory_is_updated_in_order(counts):
    results = []
    for device in ("cpu", "cuda"):
        x = tc.ones(6, dtype=tc.float64, device=device)
        parts = [x[:4].detach().requires_grad_(), x[2:].detach().requires_grad_()]
        for p in parts:
            p.grad = tc.ones(4, dtype=tc.float64, device=device)
        tc.optim.SGD(parts, lr=0.1, weight_decay=1.0).step()
        results.append(x.cpu().tolist())
    assert results[0] == results[1]
    assert counts["update"] == 2


def test_views_without_overlap_are_one_launch(counts):
    x = tc.ones(6, device="cuda")
    parts = [x[:3].detach().requires_grad_(), x[3:].detach().requires_grad_()]
    for p in parts:
        p.grad = tc.ones(3, device="cuda")
    counts.clear()
    tc.optim.SGD(parts, lr=0.1).step()
    assert counts["update"] == 1


def test_groups_and_devices_side_by_side(counts):
    def train(second):
        a, b = tc.ones(3, requires_grad=True), tc.ones(3, device=second, requires_grad=True)
        for p in (a, b):
            p.grad = tc.ones_like(p)
        optimizer = tc.optim.SGD(
            [{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.25, momentum=0.9
        )
        for _ in range(2):
            optimizer.step()
        return a.tolist() + b.tolist()

    assert train("cuda") == train("cpu")


@pytest.mark.parametrize("case", ["Adam, amsgrad", "NAdam", "ASGD"])
def test_state_dicts_travel(case):
    optimizer, params = build(case, "cuda", tc.float64, capturable=True)
    walk(optimizer, params, 2)
    saved = copy.deepcopy(optimizer.state_dict())
    there = [p.detach().clone() for p in params]
    expected = walk(optimizer, params, 2)
    for p, q in zip(params, there, strict=True):
        p.detach().copy_(q)
    fresh, others = build(case, "cuda", tc.float64, capturable=True)
    for p, q in zip(others, there, strict=True):
        p.detach().copy_(q)
    fresh.load_state_dict(saved)
    for a, b in zip(walk(fresh, others, 2), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_clipping_and_zero_grad_do_not_wait(counts):
    _, params = build("SGD", "cuda", tc.float32)
    feed(params, 1)
    expected = float(np.sqrt(sum((p.grad.cpu().numpy() ** 2).sum() for p in params)))
    counts.clear()
    norm = tc.nn.utils.clip_grad_norm_(params, 1.0)
    tc.optim.SGD(params, lr=0.1).zero_grad(set_to_none=False)
    assert (counts["syncs"], counts["d2h"]) == (0, 0)
    assert norm.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["SGD", *sorted(set(CAPTURABLE))])
def test_a_graphed_step_follows_its_schedule(name):
    """The rate changes before each step, also before the one that is captured; counts move to the device."""
    x, y = tc.randn(6, 4), tc.randn(6, 2)
    results = []
    for graphed in (False, True):
        tc.manual_seed(0)
        model = tc.nn.Linear(4, 2)
        model = model.to("cuda") if graphed else model
        optimizer = getattr(tc.optim, name)(model.parameters(), lr=0.1)
        schedule = tc.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
        loss = tc.nn.MSELoss()
        step = tc.cuda.make_graphed_step(model, loss, optimizer, warmup=2) if graphed else None
        losses = []
        for _ in range(5):
            if step is not None:
                losses.append(step(x, y).item())
            else:
                optimizer.zero_grad()
                value = loss(model(x), y)
                value.backward()
                optimizer.step()
                losses.append(value.item())
            schedule.step()
        results.append(losses)
    np.testing.assert_allclose(results[1], results[0], 1e-5)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_walks_as_on_the_cpu(search):
    results = []
    for device in ("cpu", "cuda"):
        w = tc.linspace(-1, 2, 6, dtype=tc.float64).reshape(2, 3).to(device).requires_grad_()
        b = tc.ones(3, dtype=tc.float64, device=device, requires_grad=True)
        optimizer = tc.optim.LBFGS([w, b], lr=0.5, max_iter=5, line_search_fn=search)

        def closure(w=w, b=b, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((w + b).tanh() ** 2).sum() + (w**2).sum()
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(2)]
        results.append([*losses, *w.detach().cpu().flatten().tolist(), *b.tolist()])
    np.testing.assert_allclose(results[1], results[0], 1e-9)
