"""float16 and bfloat16: computed in float32 and rounded once, where torch rounds once or more often."""

from __future__ import annotations

import io

import numpy as np
import opinfo
import opinfo_calls
import pytest
import safetensors.torch
import test_opinfo
import test_opinfo_shapes
import torch
from opinfo_calls import array_of

import tinyconv as tc
from tinyconv.dtypes import ALL, FLOATS

UNIT = {"bfloat16": 2.0**-7, "float16": 2.0**-10}  # the distance of 1 and the next number


# ── layers: one rounding ──────────────────────────────────────────────────────────────────────


def of(name, *args, **kwargs):
    """A function of ``nn.functional`` with settings."""
    return lambda m, *xs: getattr(m.nn.functional, name)(*xs, *args, **kwargs)


def classified(name, classes, **kwargs):
    return lambda m, x: getattr(m.nn.functional, name)(x, m.tensor(classes), **kwargs)


IMAGES, ROWS = (2, 3, 9, 9), (5, 7)
ACTIVATIONS = """relu gelu silu mish elu selu celu softplus softsign tanhshrink logsigmoid hardswish hardsigmoid hardtanh
leaky_relu relu6 softshrink hardshrink"""

# name: function of the library and operands; shapes of these
ONE_ROUNDING = {
    "conv2d": (of("conv2d", padding=1), (2, 3, 8, 8), (4, 3, 3, 3), (4,)),
    "conv2d 1x1": (of("conv2d"), (2, 3, 8, 8), (4, 3, 1, 1), (4,)),
    "conv2d with groups": (of("conv2d", None, 2, 1, 1, 2), (2, 4, 9, 9), (4, 2, 3, 3)),
    "conv2d by channel": (of("conv2d", None, 1, 1, 1, 4), (2, 4, 9, 9), (4, 1, 3, 3)),
    "conv_transpose2d": (of("conv_transpose2d", stride=2), (2, 3, 5, 5), (3, 4, 3, 3), (4,)),
    "conv1d": (of("conv1d"), (2, 3, 9), (4, 3, 3), (4,)),
    "linear": (of("linear"), (5, 7), (3, 7), (3,)),
    "matmul": (lambda m, x, y: x @ y, (2, 5, 7), (2, 7, 3)),
    "einsum": (lambda m, x, y: m.einsum("ij,kj->ik", x, y), (5, 8), (3, 8)),
    "batch_norm": (lambda m, x, w, b: m.nn.functional.batch_norm(x, None, None, w, b, True), (4, 3, 5, 5), (3,), (3,)),
    "layer_norm": (lambda m, x, w, b: m.nn.functional.layer_norm(x, (7,), w, b), ROWS, (7,), (7,)),
    "group_norm": (lambda m, x, w, b: m.nn.functional.group_norm(x, 2, w, b), (3, 4, 5, 5), (4,), (4,)),
    "instance_norm": (of("instance_norm"), (3, 4, 5, 5)),
    "max_pool2d": (of("max_pool2d", 3, 2, 1), IMAGES),
    "avg_pool2d": (of("avg_pool2d", 3, 2, 1), IMAGES),
    "adaptive_avg_pool2d": (of("adaptive_avg_pool2d", 1), IMAGES),
    "adaptive_avg_pool2d unevenly": (of("adaptive_avg_pool2d", 4), IMAGES),
    "adaptive_max_pool2d": (of("adaptive_max_pool2d", 4), IMAGES),
    "interpolate": (of("interpolate", scale_factor=2, mode="bilinear"), IMAGES),
    "interpolate nearest": (of("interpolate", scale_factor=2), IMAGES),
    "reflect": (of("pad", (1, 2, 1, 1), mode="reflect"), IMAGES),
    "constant": (of("pad", (1, 2), value=0.3), IMAGES),
    "unfold": (of("unfold", 3), (2, 3, 5, 5)),
    "fold": (of("fold", (5, 5), 3), (2, 27, 9)),
    "embedding": (lambda m, w: m.nn.functional.embedding(m.tensor([1, 2, 1, 1, 0]), w), (4, 3)),
    "cross_entropy": (classified("cross_entropy", [1, 2, 0, 4, 5]), ROWS),
    "cross_entropy of images": (classified("cross_entropy", [[1, 2], [0, 4]]), (2, 5, 2)),
    "nll_loss": (classified("nll_loss", [1, 2, 0, 4, 5]), ROWS),
    "mse_loss": (of("mse_loss"), ROWS, ROWS),
    "l1_loss": (of("l1_loss"), ROWS, ROWS),
    "smooth_l1_loss": (of("smooth_l1_loss"), ROWS, ROWS),
    "huber_loss": (of("huber_loss"), ROWS, ROWS),
    "binary_cross_entropy_with_logits": (
        lambda m, x: m.nn.functional.binary_cross_entropy_with_logits(x, (x.detach() > 0).to(x.dtype)), ROWS
    ),
    "prelu": (of("prelu"), ROWS, (7,)),
    "glu": (of("glu"), (5, 8)),
    "index": (lambda m, x: x[[0, 1, 1, 0]], ROWS),
    "where": (lambda m, x: m.where(x > 0, x, 0.3), ROWS),
    "clamp": (lambda m, x: x.clamp(-0.3, 0.3), ROWS),
    "x 0.1": (lambda m, x: x * 0.1, ROWS),
    "0.1 - x": (lambda m, x: 0.1 - x, ROWS),
    "x / 0.7": (lambda m, x: x / 0.7, ROWS),
    "x^3": (lambda m, x: x**3, ROWS),
    "mean": (lambda m, x: x.mean((0, 2, 3)), IMAGES),
    "var": (lambda m, x: x.var(1), ROWS),
    "logsumexp": (lambda m, x: x.logsumexp(1), ROWS),
    **{name: (of(name), ROWS) for name in ACTIVATIONS.split()},
}  # fmt: skip
FROM_THE_RESULT = {"logsumexp"}  # the gradient is computed from a result that was rounded


def both(function, shapes, kind):
    """Result and gradients here in halves, and torch's in float32 of the same operands."""
    rng = np.random.default_rng(0)
    halves = [torch.tensor(rng.standard_normal(s)).to(getattr(torch, kind)) for s in shapes]
    wide = [x.float().requires_grad_() for x in halves]
    exact = function(torch, *wide)
    cotangent = torch.tensor(rng.standard_normal(tuple(exact.shape))).to(getattr(torch, kind))
    theirs = [exact, *torch.autograd.grad(exact, wide, cotangent.float())]
    leaves = [tc.from_numpy(array_of(x).copy()).requires_grad_() for x in halves]
    y = function(tc, *leaves)
    ours = [y, *tc.autograd.grad(y, leaves, tc.from_numpy(array_of(cotangent).copy()))]
    assert {str(v.dtype) for v in ours} == {f"tinyconv.{kind}"}
    return [v.detach().float().array for v in ours], [v.detach().numpy() for v in theirs]


@pytest.mark.parametrize("kind", UNIT)
@pytest.mark.parametrize("case", ONE_ROUNDING)
def test_one_rounding(case, kind):
    """Half a unit of the result; where terms cancel, of a hundredth of the largest result."""
    function, *shapes = ONE_ROUNDING[case]
    for i, (a, b) in enumerate(zip(*both(function, shapes, kind), strict=True)):
        scale = np.maximum(np.abs(b), np.abs(b).max() / 100) * UNIT[kind]
        worst = (np.abs(a - b) / np.where(scale, scale, 1)).max()
        assert worst < (3 if i and case in FROM_THE_RESULT else 0.51), f"{worst} units in part {i}"


@pytest.mark.parametrize("kind", UNIT)
def test_float64_becomes_a_half_by_way_of_float32(kind):
    rng = np.random.default_rng(0)
    ties = np.arange(1, 2, UNIT[kind]) + UNIT[kind] / 2
    x = np.concatenate([ties + 1e-12, ties - 1e-12, rng.standard_normal(100)])
    ours, theirs = (lib.tensor(x).to(getattr(lib, kind)).float() for lib in (tc, torch))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


# ── all functions: torch's samples ────────────────────────────────────────────────────────────

# In torch's derivatives of these halves are rounded between one operation and the next.
ROUNDED_BETWEEN = {
    "tan": np.inf, "asin": 0.1, "atanh": 0.1, "true_divide": 0.1, "div-no_rounding_mode": 0.1, "fmod": 0.5, "remainder": 0.5,
    "__rmod__": 0.5, "pow": np.inf, "__rpow__": np.inf, "atan2": 0.1, "hypot": 0.1,
}  # fmt: skip
OTHERWISE = {
    "sort", "argsort", "topk",  # of equals, of which there are many, any may come first
    "bincount",  # refuses halves as it refuses other floats
    "unique",  # of many samples, none of which computes
}  # fmt: skip
SHAPES = " ".join(
    getattr(test_opinfo_shapes, table) for table in ("VIEWS", "JOINS", "PLACES", "PRODUCTS")
)
NAMES = sorted(
    {*test_opinfo.ELEMENTWISE, *test_opinfo.COMPARISON, *test_opinfo.REDUCTION, *SHAPES.split()} - OTHERWISE
)  # fmt: skip


@pytest.mark.parametrize("kind", UNIT)
@pytest.mark.parametrize("name", NAMES)
def test_samples(name, kind, monkeypatch):
    monkeypatch.setattr(opinfo_calls, "SAMPLES", 3)
    op = test_opinfo.op(name)
    tolerance = {"bfloat16": (1.6e-2, 1e-2), "float16": (2e-3, 2e-3)}[kind]
    if name in ROUNDED_BETWEEN:
        tolerance = (ROUNDED_BETWEEN[name],) * 2
    if opinfo.supports(op, kind):
        opinfo.check_samples(op, kind, tolerance=tolerance)
    else:
        opinfo.check_refusal(op, kind)


def test_second_gradients():
    """The recorded backward pass computes in float32, too, and gives halves."""
    for m in (tc, torch):
        x = m.tensor([0.5, 1.5], dtype=m.bfloat16, requires_grad=True)
        (g,) = m.autograd.grad(m.tanh(x).sum(), x, create_graph=True)
        (h,) = m.autograd.grad(g.sum(), x)
        assert g.dtype is h.dtype is m.bfloat16
        np.testing.assert_allclose(h.tolist(), [-0.7267, -0.3271], rtol=0.05)


def test_what_is_kept_for_backward_is_half_as_large():
    x = tc.ones(4, dtype=tc.bfloat16, requires_grad=True)
    y = x.exp() * x
    assert {a.dtype.name for a in y.grad_fn._saved if a is not None} == {"bfloat16"}


def test_writing_to_what_was_kept_is_noticed():
    x = tc.ones(4, dtype=tc.float16, requires_grad=True)
    y = x * 1
    z = y.exp()
    z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.sum().backward()


def test_sums_accumulate_in_float32():
    """10000 ones: in bfloat16 a sum stops at 256, in float16 at 2048."""
    for kind in UNIT:
        x = tc.ones(10000, dtype=getattr(tc, kind))
        assert x.sum().item() == torch.ones(10000, dtype=getattr(torch, kind)).sum().item()
        assert x.mean().item() == 1
        assert (x[None] @ x[:, None]).item() == x.sum().item()
        assert (
            tc.ones(10000, 1, dtype=x.dtype, requires_grad=True).expand(10000, 3).sum(0)[0] > 9900
        )


# ── the number type ───────────────────────────────────────────────────────────────────────────


def test_what_numpy_does_not_tell():
    assert tc.bfloat16.numpy.kind == "V"
    assert {d for d in ALL if d.numpy in FLOATS} == {d for d in ALL if d.is_floating_point}
    assert tc.promote_types(tc.bfloat16, tc.float16) is tc.float32
    assert tc.promote_types(tc.bfloat16, tc.int64) is tc.bfloat16


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_limits(kind):
    ours, theirs = tc.finfo(getattr(tc, kind)), torch.finfo(getattr(torch, kind))
    names = ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype")
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert repr(ours) == repr(theirs)


MADE = {
    "ones": lambda m, d: m.ones(2, 3, dtype=d),
    "tensor": lambda m, d: m.tensor([1.01, -2.03, 3e38, 1e-7, float("nan")], dtype=d),
    "integers": lambda m, d: m.tensor([1001, 259], dtype=d),
    "arange": lambda m, d: m.arange(5, dtype=d),
    "linspace": lambda m, d: m.linspace(0, 3, 17, dtype=d),
    "eye": lambda m, d: m.eye(3, dtype=d),
    "full": lambda m, d: m.full((3,), 1.23, dtype=d),
    "rand": lambda m, d: m.rand(100, dtype=d),
    "randn of few": lambda m, d: m.randn(7, dtype=d),
    "randn": lambda m, d: m.randn(100, dtype=d),
    "randint": lambda m, d: m.randint(0, 9, (50,), dtype=d),
    "uniform_": lambda m, d: m.zeros(50, dtype=d).uniform_(-3, 2),
    "normal_": lambda m, d: m.zeros(50, dtype=d).normal_(1, 2),
    "random_": lambda m, d: m.zeros(50, dtype=d).random_(),
    "exponential_": lambda m, d: m.zeros(50, dtype=d).exponential_(),
    "bernoulli": lambda m, d: m.bernoulli(m.full((50,), 0.3, dtype=d)),
    "multinomial": lambda m, d: m.multinomial(m.tensor([0.1, 0.2, 0.7], dtype=d), 9, True),
    "dropout": lambda m, d: m.nn.functional.dropout(m.arange(60, dtype=d) + 1, 0.3),
    "dropout2d": lambda m, d: m.nn.functional.dropout2d(m.ones(5, 60, 2, 2, dtype=d) + 1, 0.3),
    "layer": lambda m, d: m.nn.Linear(9, 9, dtype=d).weight.detach(),
    "converted layer": lambda m, d: m.nn.Linear(9, 9).to(d).weight.detach(),
    "fill_": lambda m, d: m.zeros(3, dtype=d).fill_(1.23),
    "masked_fill": lambda m, d: m.zeros(2, dtype=d).masked_fill(m.tensor([True, False]), 1.23),
    "new_tensor": lambda m, d: m.ones(3, dtype=d).new_tensor([1.3]),
    "cast": lambda m, d: m.linspace(-3, 3, 40).to(d),
    "cast back": lambda m, d: m.linspace(-3, 3, 40).to(d).double(),
    "to integers": lambda m, d: m.tensor([1.7, -2.7], dtype=d).long(),
    "scientific": lambda m, d: m.tensor([1.23, 3e4, 1e-5], dtype=d),
    "of a gradient": lambda m, d: m.ones(2, dtype=d, requires_grad=True) * 1.1,
    "empty": lambda m, d: m.zeros(0, 3, dtype=d),
}


@pytest.mark.parametrize("kind", UNIT)
@pytest.mark.parametrize("case", MADE)
def test_numbers_and_their_text(case, kind):
    results = []
    for m in (tc, torch):
        m.manual_seed(3)
        x = MADE[case](m, getattr(m, kind))
        results.append((repr(x).replace("torch.", "tinyconv."), repr(x.tolist())))
    assert results[0] == results[1]


def test_names():
    for m in (tc, torch):
        x = m.ones(2).bfloat16()
        assert x.type() == f"{m.__name__}.BFloat16Tensor"
        assert x.is_floating_point()
        assert x.type(m.bfloat16) is x
        assert m.nn.Linear(2, 2).bfloat16().weight.dtype is m.bfloat16


@pytest.mark.parametrize("force", [False, True])
def test_numpy_has_no_bfloat16(force):
    for m in (tc, torch):
        with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
            m.ones(2, dtype=m.bfloat16).numpy(force=force)
    with pytest.raises(TypeError, match="BFloat16"):
        np.asarray(tc.ones(2, dtype=tc.bfloat16))


def test_files():
    tensors = {n: tc.linspace(-3, 3, 7).to(getattr(tc, n)) for n in (d.name for d in ALL)}
    file = io.BytesIO()
    tc.save(tensors, file)
    theirs = safetensors.torch.load(file.getvalue())
    file.seek(0)
    for name, x in tc.load(file).items():
        assert x.dtype is tensors[name].dtype
        assert x.tolist() == tensors[name].tolist() == theirs[name].tolist()
        assert str(theirs[name].dtype) == f"torch.{name}"


@pytest.mark.parametrize("kind", UNIT)
def test_training_in_halves(kind):
    """A network all of whose numbers are halves, statistics of normalisation included."""
    found = []
    for m in (tc, torch):
        m.manual_seed(0)
        net = m.nn.Sequential(
            m.nn.Conv2d(3, 4, 3),
            m.nn.BatchNorm2d(4),
            m.nn.ReLU(),
            m.nn.Flatten(),
            m.nn.Linear(64, 3),
        )
        net.to(getattr(m, kind))
        optimizer = m.optim.SGD(net.parameters(), lr=0.05)
        x, target = m.randn(8, 3, 6, 6, dtype=getattr(m, kind)), m.randint(0, 3, (8,))
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = m.nn.functional.cross_entropy(net(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found.append(losses)
        assert net[1].running_mean.dtype is getattr(m, kind)
    np.testing.assert_allclose(found[0], found[1], rtol=4 * UNIT[kind])
