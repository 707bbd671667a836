"""Autocast: the number types that torch's gives on a CPU, and the same training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from opinfo_calls import array_of

import tinyconv as tc
from tinyconv.autograd.function import REGISTRY
from tinyconv.autograd.mode import mode

HALVES = ["bfloat16", "float16"]


def pair(*shape, kind="float32", seed=0, grad=True):
    """The same random leaf in both libraries."""
    data = np.random.default_rng((seed, *shape)).standard_normal(shape) / 2
    theirs = torch.tensor(data).to(getattr(torch, kind))
    ours = tc.from_numpy(array_of(theirs).copy())
    return ours.requires_grad_(grad), theirs.requires_grad_(grad)


def name(dtype):
    return str(dtype).partition(".")[2]


# ── number types of results ───────────────────────────────────────────────────────────────────

# name: shapes of the operands, function of the library and them
LOWER = {
    "conv1d": ([(2, 3, 9), (4, 3, 3), (4,)], lambda m, x, w, b: m.conv1d(x, w, b)),
    "conv2d": ([(2, 3, 6, 6), (4, 3, 3, 3), (4,)], lambda m, x, w, b: m.conv2d(x, w, b)),
    "conv2d same": ([(2, 3, 6, 6), (4, 3, 3, 3)], lambda m, x, w: m.nn.functional.conv2d(x, w, padding="same")),
    "conv2d of one image": ([(3, 6, 6), (4, 3, 3, 3)], lambda m, x, w: m.conv2d(x, w)),
    "conv_transpose1d": ([(2, 3, 9), (3, 4, 3)], lambda m, x, w: m.conv_transpose1d(x, w)),
    "conv3d": ([(2, 3, 4, 5, 5), (4, 3, 2, 3, 3), (4,)], lambda m, x, w, b: m.conv3d(x, w, b)),
    "conv_transpose3d": ([(2, 3, 3, 4, 4), (3, 4, 2, 3, 3), (4,)], lambda m, x, w, b: m.conv_transpose3d(x, w, b)),
    "conv_transpose2d": ([(2, 3, 6, 6), (3, 4, 3, 3), (4,)], lambda m, x, w, b: m.conv_transpose2d(x, w, b)),
    "linear": ([(5, 3), (4, 3), (4,)], lambda m, x, w, b: m.nn.functional.linear(x, w, b)),
    "linear without bias": ([(5, 3), (4, 3)], lambda m, x, w: m.nn.functional.linear(x, w)),
    "linear by a vector": ([(5, 3), (3,)], lambda m, x, w: m.nn.functional.linear(x, w)),
    "mm": ([(5, 3), (3, 4)], lambda m, x, y: m.mm(x, y)),
    "bmm": ([(2, 5, 3), (2, 3, 4)], lambda m, x, y: m.bmm(x, y)),
    "addmm": ([(4,), (5, 3), (3, 4)], lambda m, b, x, y: m.addmm(b, x, y)),
    "matmul 1 1": ([(3,), (3,)], lambda m, x, y: m.matmul(x, y)),
    "matmul 2 1": ([(5, 3), (3,)], lambda m, x, y: x @ y),
    "matmul 1 2": ([(3,), (3, 5)], lambda m, x, y: x @ y),
    "matmul 2 2": ([(5, 3), (3, 4)], lambda m, x, y: x @ y),
    "matmul 3 2": ([(2, 5, 3), (3, 4)], lambda m, x, y: x @ y),
    "matmul 4 3": ([(2, 2, 5, 3), (2, 3, 4)], lambda m, x, y: x @ y),
    "einsum": ([(5, 3), (4, 3)], lambda m, x, y: m.einsum("ij,kj->ik", x, y)),
    "prelu": ([(5, 3), (3,)], lambda m, x, w: m.prelu(x, w)),
}  # fmt: skip
CLASSES = [1, 2, 0, 2, 1]
FLOAT32 = {
    "mse_loss": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.mse_loss(x, y)),
    "l1_loss": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.l1_loss(x, y)),
    "smooth_l1_loss": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.smooth_l1_loss(x, y)),
    "huber_loss": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.huber_loss(x, y)),
    "kl_div": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.kl_div(x, y.exp(), reduction="sum")),
    "nll_loss": ([(5, 3)], lambda m, x: m.nn.functional.nll_loss(x, m.tensor(CLASSES))),
    "cross_entropy": ([(5, 3)], lambda m, x: m.nn.functional.cross_entropy(x, m.tensor(CLASSES))),
    "cross_entropy, smoothed": (
        [(5, 3)], lambda m, x: m.nn.functional.cross_entropy(x, m.tensor(CLASSES), label_smoothing=0.1)
    ),
    "cross_entropy of probabilities": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.cross_entropy(x, y)),
    "binary_cross_entropy": (
        [(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.binary_cross_entropy(x.sigmoid(), y.sigmoid())
    ),
    "binary_cross_entropy_with_logits": (
        [(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.binary_cross_entropy_with_logits(x, y)
    ),
    "prod": ([(5, 3)], lambda m, x: m.prod(x)),
    "prod of a dimension": ([(5, 3)], lambda m, x: x.prod(1)),
    "reflect": ([(2, 3, 5, 5)], lambda m, x: m.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")),
    "replicate": ([(2, 3, 5, 5)], lambda m, x: m.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")),
}  # fmt: skip
WIDEST = {
    "cat": ([(5, 3), (5, 3)], lambda m, x, y: m.cat([x, y])),
    "stack": ([(5, 3), (5, 3)], lambda m, x, y: m.stack([x, y])),
    "add": ([(5, 3), (5, 3)], lambda m, x, y: x + y),
    "where": ([(5, 3), (5, 3)], lambda m, x, y: m.where(x > 0, x, y)),
}
UNTOUCHED = {
    "exp": ([(5, 3)], lambda m, x: m.exp(x)),
    "log": ([(5, 3)], lambda m, x: m.log(x * x + 1)),
    "pow": ([(5, 3)], lambda m, x: x**3),
    "sum": ([(5, 3)], lambda m, x: x.sum()),
    "mean": ([(5, 3)], lambda m, x: x.mean(0)),
    "norm": ([(5, 3)], lambda m, x: x.norm()),
    "cumsum": ([(5, 3)], lambda m, x: x.cumsum(0)),
    "softmax": ([(5, 3)], lambda m, x: x.softmax(1)),
    "log_softmax": ([(5, 3)], lambda m, x: x.log_softmax(1)),
    "dot": ([(3,), (3,)], lambda m, x, y: m.dot(x, y)),
    "mv": ([(5, 3), (3,)], lambda m, x, y: m.mv(x, y)),
    "gelu": ([(5, 3)], lambda m, x: m.nn.functional.gelu(x)),
    "relu": ([(5, 3)], lambda m, x: m.relu(x)),
    "max_pool2d": ([(2, 3, 6, 6)], lambda m, x: m.nn.functional.max_pool2d(x, 2)),
    "max_pool3d": ([(2, 3, 6, 6, 6)], lambda m, x: m.nn.functional.max_pool3d(x, 2)),
    "avg_pool3d": ([(2, 3, 6, 6, 6)], lambda m, x: m.nn.functional.avg_pool3d(x, 2)),
    "adaptive_avg_pool3d": ([(2, 3, 6, 6, 6)], lambda m, x: m.nn.functional.adaptive_avg_pool3d(x, 4)),
    "adaptive_max_pool3d": ([(2, 3, 6, 6, 6)], lambda m, x: m.nn.functional.adaptive_max_pool3d(x, 4)),
    "lp_pool2d": ([(2, 3, 6, 6)], lambda m, x: m.nn.functional.lp_pool2d(x, 2, 2)),
    "instance_norm": ([(2, 3, 6, 6), (3,)], lambda m, x, w: m.nn.functional.instance_norm(x, weight=w)),
    "avg_pool2d": ([(2, 3, 6, 6)], lambda m, x: m.nn.functional.avg_pool2d(x, 2)),
    "interpolate": ([(2, 3, 6, 6)], lambda m, x: m.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")),
    "circular": ([(2, 3, 5, 5)], lambda m, x: m.nn.functional.pad(x, (1, 1, 1, 1), mode="circular")),
    "constant": ([(2, 3, 5, 5)], lambda m, x: m.nn.functional.pad(x, (1, 1, 1, 1))),
    "cosine_similarity": ([(5, 3), (5, 3)], lambda m, x, y: m.nn.functional.cosine_similarity(x, y)),
}  # fmt: skip
MIXED = {  # halves with parameters in float32, as they are in a network
    "batch_norm": (
        [(4, 3, 5, 5), (3,), (3,)], lambda m, x, w, b: m.nn.functional.batch_norm(x, None, None, w, b, True)
    ),
    "layer_norm": ([(5, 3), (3,), (3,)], lambda m, x, w, b: m.nn.functional.layer_norm(x, (3,), w, b)),
    "group_norm": ([(5, 4, 6), (4,), (4,)], lambda m, x, w, b: m.nn.functional.group_norm(x, 2, w, b)),
}  # fmt: skip
TABLE = LOWER | FLOAT32 | WIDEST | UNTOUCHED


def outcome(m, function, operands, half):
    """The number types of the result and of the gradients, and the result; or that it was refused."""
    try:
        with m.autocast("cpu", getattr(m, half)):
            y = function(m, *operands)
        y.float().sum().backward()
    except (RuntimeError, TypeError) as error:
        return type(error), None
    kinds = [name(y.dtype), *(name(x.grad.dtype) for x in operands)]
    return kinds, np.array(y.tolist())


def check(case, kinds, half):
    shapes, function = case
    pairs = [pair(*s, kind=k, seed=i) for i, (s, k) in enumerate(zip(shapes, kinds, strict=True))]
    ours, theirs = (
        outcome(m, function, operands, half)
        for m, operands in zip((tc, torch), zip(*pairs, strict=True), strict=True)
    )
    if theirs[1] is None:  # refused
        assert ours[1] is None, f"{ours[0]} instead of {theirs[0]}"
        return
    assert ours[0] == theirs[0]
    tolerance = {"float32": 1e-5, "float64": 1e-5, "bfloat16": 2e-2, "float16": 2e-3}[theirs[0][0]]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("case", TABLE)
def test_number_types(case, half):
    for kind in ("float32", "float64", *([half] if case in WIDEST else HALVES)):
        check(TABLE[case], [kind] * len(TABLE[case][0]), half)


@pytest.mark.parametrize("case", [*LOWER, *FLOAT32, *WIDEST])
def test_number_types_of_mixtures(case):
    n = len(TABLE[case][0])
    check(TABLE[case], (["bfloat16"] + ["float32"] * (n - 1)), "bfloat16")
    check(TABLE[case], (["float32"] + ["bfloat16"] * (n - 1)), "bfloat16")


@pytest.mark.parametrize("case", MIXED)
def test_halves_are_normalised_by_parameters_in_float32(case):
    check(MIXED[case], ["bfloat16", "float32", "float32"], "bfloat16")


def test_every_policy_is_one_of_the_table():
    """What has a policy on the CPU is checked above."""
    found = {n for n, f in REGISTRY.items() if "cpu" in f.autocast}
    assert found == {"Conv", "ConvInput", "ConvBlock", "Linear", "Mm", "Bmm", "Prelu", "Prod"}


CUDA_IN_FLOAT32 = {
    "exp": lambda x: x.exp(),
    "log1p": lambda x: x.abs().log1p(),
    "pow": lambda x: x**2,
    "sum": lambda x: x.sum(),
    "softmax": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(0),
    "norm": lambda x: x.norm(),
    "prod": lambda x: x.prod(),
    "cumsum": lambda x: x.cumsum(0),
    "layer_norm": lambda x: tc.nn.functional.layer_norm(x, (3,)),
    "group_norm": lambda x: tc.nn.functional.group_norm(x, 1),
    "softplus": lambda x: tc.nn.functional.softplus(x),
    "cosine_similarity": lambda x: tc.nn.functional.cosine_similarity(x, x),
    "interpolate": lambda x: tc.nn.functional.interpolate(x[None], scale_factor=2),
}


@pytest.mark.parametrize("case", CUDA_IN_FLOAT32)
def test_the_list_of_gpus(case, monkeypatch):
    """The rules of another device, tried on arrays of this one."""
    x = tc.ones(2, 3, dtype=tc.bfloat16)
    with tc.autocast("cpu"):
        policies = {n: f.autocast for n, f in REGISTRY.items()}
        casting = mode.autocast
        monkeypatch.setattr(casting, "cast", lambda policy, xs: _as_on_cuda(casting, policy, xs))
        assert CUDA_IN_FLOAT32[case](x).dtype is tc.float32
        assert (x + x).relu().mean().dtype is tc.bfloat16
    assert policies["Exp"] == {"cuda": "float32"}


def _as_on_cuda(casting, policy, xs):
    return type(casting).cast(casting, {"cpu": policy["cuda"]} if "cuda" in policy else {}, xs)


# ── the context ───────────────────────────────────────────────────────────────────────────────


def test_contexts_nest():
    x = tc.ones(2, 2)
    assert not tc.is_autocast_enabled("cpu")
    with tc.autocast("cpu"):
        assert tc.is_autocast_enabled("cpu")
        assert not tc.is_autocast_enabled()  # that of GPUs
        assert (x @ x).dtype is tc.bfloat16
        with tc.autocast("cpu", enabled=False):
            assert not tc.is_autocast_enabled("cpu")
            assert (x @ x).dtype is tc.float32
            with tc.autocast("cpu", dtype=tc.float16):
                assert tc.get_autocast_dtype("cpu") is tc.float16
                assert (x @ x).dtype is tc.float16
                with tc.autocast("cpu"):  # the type of the context around it
                    assert (x @ x).dtype is tc.float16
        assert tc.get_autocast_dtype("cpu") is tc.bfloat16
        assert (x @ x).dtype is tc.bfloat16
    assert (x @ x).dtype is tc.float32
    assert tc.get_autocast_dtype("cuda") is tc.float16


def test_decorator():
    @tc.autocast("cpu")
    def product(x):
        """Square."""
        return x @ x

    assert product(tc.ones(2, 2)).dtype is tc.bfloat16
    assert product.__doc__ == "Square."
    assert not tc.is_autocast_enabled("cpu")


def test_what_is_raised_leaves_the_context():
    with pytest.raises(ZeroDivisionError), tc.autocast("cpu"):
        raise ZeroDivisionError
    assert mode.autocast is None


ERRORS = {
    "no device": lambda m: m.autocast(1),
    "unknown device": lambda m: m.autocast("tpu"),
    "not callable": lambda m: m.autocast("cpu")(3),
    "float64 with a half": lambda m: _mixed(m),
}


def _mixed(m):
    with m.autocast("cpu"):
        return m.ones(2, 2, dtype=m.float64) @ m.ones(2, 2)


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    with pytest.raises(Exception) as theirs:  # whatever torch raises
        ERRORS[case](torch)
    with pytest.raises(theirs.type) as ours:
        ERRORS[case](tc)
    words = str(theirs.value).replace("torch", "tinyconv")
    assert str(ours.value)[:25] == words[:25]


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("cuda", "float16")])
def test_what_cannot_be_is_switched_off_with_a_warning(device, dtype):
    for m in (torch, tc):
        with pytest.warns(UserWarning, match="Disabling"):
            context = m.autocast(device, getattr(m, dtype))
        with context:
            assert not m.is_autocast_enabled(device)


def test_a_parameter_is_cast_once():
    w, x = tc.ones(2, 2, requires_grad=True), tc.ones(2, 2)
    with tc.autocast("cpu"):
        y, z = x @ w, x @ w
        with tc.autocast("cpu"):
            inner = x @ w
        with tc.no_grad():
            unrecorded = x @ w
        assert y.grad_fn.edges[1] is z.grad_fn.edges[1] is inner.grad_fn.edges[1]
        assert not unrecorded.requires_grad
    with tc.autocast("cpu", cache_enabled=False):
        assert not tc.amp.is_autocast_cache_enabled()
        apart, again = x @ w, x @ w
        assert apart.grad_fn.edges[1] is not again.grad_fn.edges[1]
    (y + z + inner + apart).sum().backward()
    assert w.grad.dtype is tc.float32
    assert w.grad.tolist() == [[8.0, 8.0]] * 2


def test_a_first_use_without_gradients_does_not_cost_them():
    w, x = tc.ones(2, 2, requires_grad=True), tc.ones(2, 2)
    with tc.autocast("cpu"):
        with tc.no_grad():
            x @ w
        assert (x @ w).requires_grad


def test_backward_is_not_cast():
    """Also inside the context backward computes in the types of forward."""
    x = tc.ones(2, 2, requires_grad=True)
    y = x @ x
    with tc.autocast("cpu"):
        (g,) = tc.autograd.grad(y.sum(), x, create_graph=True)
        assert mode.autocast is not None
    assert g.dtype is tc.float32


@pytest.mark.parametrize("cast_inputs", [None, "float32"])
def test_functions_of_users(cast_inputs):
    seen = {}

    def of(m):
        class Product(m.autograd.Function):
            @staticmethod
            @m.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs and m.float32)
            def forward(ctx, x, y):
                ctx.save_for_backward(x, y)
                return x @ y

            @staticmethod
            @m.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                x, y = ctx.saved_tensors
                seen[m.__name__] = name((x @ y).dtype)
                return g @ y.T.to(g.dtype), x.T.to(g.dtype) @ g

        return Product

    kinds = []
    for m in (tc, torch):
        x = m.ones(2, 2, requires_grad=True)
        with m.autocast("cpu"):
            y = of(m).apply(x, x)
        y.sum().backward()
        kinds.append((name(y.dtype), name(x.grad.dtype)))
    assert kinds[0] == kinds[1]
    assert seen["tinyconv"] == seen["torch"]


# ── training ──────────────────────────────────────────────────────────────────────────────────


def network(m):
    return m.nn.Sequential(
        m.nn.Conv2d(3, 8, 3, padding=1),
        m.nn.BatchNorm2d(8),
        m.nn.ReLU(),
        m.nn.MaxPool2d(2),
        m.nn.Conv2d(8, 8, 3, padding=1),
        m.nn.ReLU(),
        m.nn.AdaptiveAvgPool2d(1),
        m.nn.Flatten(),
        m.nn.Linear(8, 4),
    )


def losses(m, half, device="cpu", momentum=0.9):
    """Five steps of training under autocast, and what became of the parameters."""
    m.manual_seed(0)
    net = network(m).to(device)
    optimizer = m.optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
    scaler = m.amp.GradScaler(device, enabled=half == "float16")
    x, target = m.randn(16, 3, 12, 12).to(device), m.randint(0, 4, (16,)).to(device)
    found = []
    for _ in range(5):
        optimizer.zero_grad()
        with m.autocast(device, getattr(m, half)):
            loss = m.nn.functional.cross_entropy(net(x), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        found.append(loss.item())
    kinds = {name(p.dtype) for p in net.parameters()} | {
        name(p.grad.dtype) for p in net.parameters()
    }
    return found, kinds, scaler.get_scale()


@pytest.mark.parametrize(("half", "bound"), [("bfloat16", 4e-3), ("float16", 5e-4)])
def test_training(half, bound):
    """The losses of five steps are torch's to within about one unit of the halves (2^-8, 2^-11)."""
    ours, theirs = losses(tc, half), losses(torch, half)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=bound)
    assert ours[1:] == theirs[1:]
    assert ours[0][4] < ours[0][0]
