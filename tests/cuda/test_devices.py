"""Where tensors are: asked for in every way, moved, mixed, refused, printed."""

from __future__ import annotations

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.errors import DeviceError

F = tc.nn.functional
HERE = tc.device("cuda:0")

WAYS = ["cuda", "cuda:0", 0, tc.device("cuda"), tc.device("cuda", 0), tc.device(0)]
CREATION = {
    "zeros": lambda d: tc.zeros(2, 3, device=d),
    "ones": lambda d: tc.ones((2, 3), device=d),
    "full": lambda d: tc.full((2, 3), 7.0, device=d),
    "empty": lambda d: tc.empty(2, device=d),
    "eye": lambda d: tc.eye(3, 2, device=d),
    "arange": lambda d: tc.arange(1, 7, 2, device=d),
    "linspace": lambda d: tc.linspace(0, 1, 5, device=d),
    "tensor": lambda d: tc.tensor([[1.0, 2.0]], device=d),
    "as_tensor": lambda d: tc.as_tensor(np.ones(2), device=d),
    "asarray": lambda d: tc.asarray([1, 2], device=d),
    "rand": lambda d: tc.rand(3, device=d),
    "randn": lambda d: tc.randn(3, device=d),
    "randint": lambda d: tc.randint(5, (3,), device=d),
    "randperm": lambda d: tc.randperm(4, device=d),
    "normal": lambda d: tc.normal(0.0, 1.0, size=(3,), device=d),
}
LIKE = {
    "zeros_like": tc.zeros_like,
    "ones_like": tc.ones_like,
    "empty_like": tc.empty_like,
    "full_like": lambda x, **names: tc.full_like(x, 3, **names),
    "rand_like": tc.rand_like,
    "randn_like": tc.randn_like,
    "randint_like": lambda x, **names: tc.randint_like(x, 5, **names),
    "new_tensor": lambda x, **names: x.new_tensor([1, 2], **names),
    "new_zeros": lambda x, **names: x.new_zeros(2, 3, **names),
    "new_ones": lambda x, **names: x.new_ones((2,), **names),
    "new_empty": lambda x, **names: x.new_empty(2, **names),
    "new_full": lambda x, **names: x.new_full((2,), 5, **names),
}
DRAWN = ("rand", "normal", "empty")


def numbers(x):
    return x.detach().cpu().tolist()


def same(there, here, name):
    assert there.device == HERE
    assert (there.dtype, there.shape) == (here.dtype, here.shape)
    if not name.startswith(DRAWN) and "empty" not in name:
        assert numbers(there) == here.tolist()


@pytest.mark.parametrize("name", CREATION)
def test_creation(name):
    here = CREATION[name]("cpu")
    assert here.device == tc.device("cpu")
    for way in WAYS:
        same(CREATION[name](way), here, name)
    with tc.device("cuda"):
        same(CREATION[name](None), here, name)
        assert CREATION[name]("cpu").device.type == "cpu"


@pytest.mark.parametrize("name", CREATION)
def test_default_device(name):
    tc.set_default_device("cuda")
    try:
        assert tc.get_default_device() == tc.device("cuda")
        assert CREATION[name](None).device == HERE
    finally:
        tc.set_default_device("cpu")


@pytest.mark.parametrize("name", LIKE)
def test_like(name):
    x = tc.tensor([1.0, 2.0])
    here = LIKE[name](x)
    same(LIKE[name](x.cuda()), here, name)
    same(LIKE[name](x, device="cuda"), here, name)
    assert LIKE[name](x.cuda(), device="cpu").device.type == "cpu"


def test_values_are_made_where_they_are_wanted(counts):
    x = tc.zeros(3, device="cuda")
    for make in (tc.zeros_like, tc.ones_like, tc.empty_like, lambda x: x.new_full((2,), 3)):
        make(x)
    for name in ("ones", "full", "eye", "arange", "linspace"):
        CREATION[name]("cuda")
    assert counts["h2d"] == counts["syncs"] == 0


# ── moving ────────────────────────────────────────────────────────────────────────────────────

MOVES = {
    "to name": lambda x: x.to("cuda"),
    "to index": lambda x: x.to(0),
    "to device": lambda x: x.to(tc.device("cuda:0")),
    "to device and dtype": lambda x: x.to("cuda", tc.float64),
    "to, by names": lambda x: x.to(device="cuda", dtype=tc.float64, non_blocking=True),
    "to a tensor's": lambda x: x.to(tc.zeros(1, device="cuda", dtype=tc.float16)),
    "type_as": lambda x: x.type_as(tc.zeros(1, device="cuda")),
    "cuda": lambda x: x.cuda(),
    "cuda index": lambda x: x.cuda(0, non_blocking=True),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    y = MOVES[name](x)
    assert y.device == HERE
    assert y.is_cuda
    assert not y.is_leaf
    (y * 3).sum().backward()
    assert x.grad.device.type == "cpu"
    assert x.grad.tolist() == [3, 3]
    assert x.grad.dtype is tc.float32


def test_who_is_there_stays():
    x = tc.ones(2, device="cuda")
    assert x.to("cuda") is x
    assert x.to("cuda:0") is x
    assert x.cuda() is x
    assert x.to(tc.zeros(1, device="cuda")) is x
    assert x.to("cuda", copy=True) is not x
    assert x.cpu().to("cpu:0").device == tc.device("cpu")
    y = tc.ones(2)
    assert y.cpu() is y


@pytest.mark.parametrize(
    "ask",
    [
        lambda: tc.ones(2).to("cuda:7"),
        lambda: tc.ones(2).cuda(7),
        lambda: tc.zeros(2, device="cuda:7"),
        lambda: tc.rand(2, device=7),
        lambda: tc.tensor([1.0], device="cuda:7"),
        lambda: tc.nn.Linear(2, 2).to("cuda:7"),
        lambda: tc.ones(2, device="cuda").new_zeros(2, device="cuda:7"),
    ],
)
def test_a_device_that_is_not_there(ask):
    with pytest.raises(
        DeviceError, match=r"CUDA error: invalid device ordinal\ncuda:7 is not there"
    ):
        ask()


def test_the_number_is_kept(monkeypatch):
    """A second GPU, as far as the move is concerned."""
    import cupy

    class Device:
        def __init__(self, index):
            asked.append(index)

        def __enter__(self):
            return self

        def __exit__(self, *_): ...

    asked = []
    tc.ones(1, device="cuda")
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    monkeypatch.setattr(cupy.cuda, "Device", Device)
    tc.ones(2).to("cuda:1")
    tc.ones(2).cuda(1)
    tc.zeros(2, device="cuda:1")
    tc.ones(2, device="cuda").to("cuda:1")
    assert set(asked) == {1}


def test_moves_in_place_keep_history():
    x = tc.zeros(3, device="cuda")
    x.copy_(tc.tensor([1.0, 2.0, 3.0]))
    y = tc.zeros(3)
    y.copy_(x)
    assert y.tolist() == [1, 2, 3]
    leaf = tc.ones(2, requires_grad=True)
    z = tc.zeros(2, device="cuda")
    z.copy_(leaf * 2)
    z[0] = tc.tensor(5.0)
    z.sum().backward()
    assert leaf.grad.tolist() == [0, 2]


# ── mixing ────────────────────────────────────────────────────────────────────────────────────

SCALARS = {  # a scalar of the CPU goes with anything
    "add": lambda x, s: x + s,
    "radd": lambda x, s: s + x,
    "div": lambda x, s: s / x,
    "where": lambda x, s: tc.where(x > 1.5, x, s),
    "maximum": lambda x, s: tc.maximum(x, s),
    "pow": lambda x, s: x**s,
    "compare": lambda x, s: x < s,
    "add_": lambda x, s: (x * 1).add_(s),
    "masked_fill": lambda x, s: x.masked_fill(x > 1.5, s),
    "setitem": lambda x, s: _set(x * 1, 0, s),
    "clamp": lambda x, s: tc.clamp(x, s),
    "number": lambda x, s: x * 2 + 1.5,
    "numpy number": lambda x, s: x * np.float32(2),
}


def _set(x, at, value):
    x[at] = value
    return x


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_go_with_anything(name):
    results = []
    for device in ("cpu", "cuda"):
        x = tc.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
        s = tc.tensor(2.0, requires_grad=True)
        y = SCALARS[name](x, s)
        assert y.device.type == device
        grads = []
        if y.requires_grad:
            grads = tc.autograd.grad(y.sum(), [x, s], allow_unused=True)
            assert grads[0] is None or grads[0].device.type == device
            assert grads[1] is None or grads[1].device.type == "cpu"
        results.append([numbers(y), *(g if g is None else numbers(g) for g in grads)])
    assert results[0] == results[1]


INDICES = {  # on the CPU, too
    "list": lambda x: x[[0, 2]],
    "ints": lambda x: x[tc.tensor([0, 2])],
    "negative": lambda x: x[tc.tensor([0, -1])],
    "mask": lambda x: x[tc.tensor([True, False, True])],
    "numpy": lambda x: x[np.array([0, 2])],
    "several": lambda x: x[tc.tensor([0, 2]), tc.tensor([1, 1])],
    "scalar": lambda x: x[tc.tensor(1)],
    "set": lambda x: _set(x.clone(), tc.tensor([0, 2]), tc.ones(2, device=x.device)),
    "set a mask": lambda x: _set(x.clone(), tc.tensor([True, False, True]), 0.0),
    "index_put": lambda x: x.index_put(
        (tc.tensor([0, 0]),), tc.ones(2, device=x.device), accumulate=True
    ),
}


@pytest.mark.parametrize("name", INDICES)
def test_indices_may_be_on_the_cpu(name):
    x = tc.arange(6.0).reshape(3, 2)
    y = INDICES[name](x.cuda())
    assert y.device == HERE
    assert numbers(y) == INDICES[name](x).tolist()


def test_an_index_out_of_range():
    x = tc.arange(3.0, device="cuda")
    words = "index 3 is out of bounds for dimension 0 with size 3"
    with pytest.raises(IndexError, match=words):
        x[tc.tensor([3])]  # the host looks at once
    x[tc.tensor([3], device="cuda")]
    with pytest.raises(IndexError, match=words):  # and here when it waits
        tc.cuda.synchronize()


MIXED = {
    "add": (lambda x, y: x + y, "argument y of Add"),
    "matmul": (lambda x, y: x @ y, "argument y of Mm"),
    "cat": (lambda x, y: tc.cat([x, y]), "argument xs of Cat"),
    "where": (lambda x, y: tc.where(x > 0, x, y), "argument y of Select"),
    "linear": (lambda x, y: F.linear(x, y), "argument w of Linear"),
    "conv": (
        lambda x, y: F.conv2d(x.reshape(1, 1, 2, 2), y.reshape(1, 1, 2, 2)),
        "argument w of Conv",
    ),
    "gather": (lambda x, y: x.gather(0, y.long()), "argument index of Gather"),
    "index_select": (lambda x, y: x.index_select(0, y.long()[0]), "index"),
    "masked_select": (lambda x, y: x.masked_select(y > 0), "mask"),
    "masked_fill": (lambda x, y: x.masked_fill(y > 0, 1), "argument c of Select"),
    "embedding": (lambda x, y: F.embedding(y.long(), x), ""),
    "cross_entropy": (lambda x, y: F.cross_entropy(x, y[0].long()), "target"),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), "argument y of MseLoss"),
    "bce": (lambda x, y: F.binary_cross_entropy(x.sigmoid(), y * 0), ""),
    "batch_norm": (lambda x, y: F.batch_norm(x, None, None, y[0], training=True), ""),
    "add_": (lambda x, y: y.add_(x), ""),
    "equal": (lambda x, y: tc.equal(x, y), ""),
    "repeat_interleave": (lambda x, y: x.repeat_interleave(y[0].long(), 0), "repeats"),
    "setitem": (lambda x, y: _set(x, tc.tensor([0, 1]), y), ""),
    "bincount": (lambda x, y: tc.bincount(x[0].long(), y[0]), "weights"),
    "backward": (lambda x, y: x.requires_grad_().mul(2).backward(y), ""),
    "grad": (lambda x, y: setattr(x, "grad", y), None),
    "index on the device": (lambda x, y: y[x.long()], None),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_must_be_on_one_device(name):
    story, what = MIXED[name]
    x, y = tc.ones(2, 2, device="cuda"), tc.ones(2, 2)
    with pytest.raises(RuntimeError) as caught:
        story(x, y)
    text = str(caught.value)
    if what is None:
        assert "device" in text
        return
    first, second = text.split("\n")[:2]
    opening = "Expected all tensors to be on the same device, but found at least two devices, "
    assert first == f"{opening}cuda:0 and cpu!"
    assert what in second
    assert ".to('cuda:0')" in second


# ── looking at them ───────────────────────────────────────────────────────────────────────────


def test_printing():
    x = tc.tensor([1.0, 2.5], device="cuda", requires_grad=True)
    assert repr(x) == "tensor([1.0000, 2.5000], device='cuda:0', requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 5.], device='cuda:0', grad_fn=<MulBackward0>)"
    assert repr(tc.nn.Parameter(x.detach())).startswith("Parameter containing:\ntensor(")
    assert str(x.device) == "cuda:0"
    assert repr(x.device) == "device(type='cuda', index=0)"
    assert f"{x[1].detach():.2f}" == "2.50"


def test_numbers():
    x = tc.tensor([1.0, 2.5], device="cuda")
    assert x.tolist() == [1, 2.5]
    assert x[1].item() == float(x[1]) == 2.5
    assert int(x[0]) == 1
    assert bool(x[0])
    assert 2.5 in x
    assert [y.item() for y in x] == [1, 2.5]
    assert len(x) == 2
    with pytest.raises(
        TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"
    ):
        x.numpy()
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        np.asarray(x)
    assert x.numpy(force=True).tolist() == [1, 2.5]
    assert tc.tensor([x[0], x[1]]).tolist() == [1, 2.5]
    assert tc.tensor(x, device="cpu").tolist() == [1, 2.5]
    assert tc.tensor(x).device == HERE


# ── views and hooks ───────────────────────────────────────────────────────────────────────────


def test_views_share_memory():
    x = tc.zeros(3, 4, device="cuda")
    x.T[1].add_(1)
    x.view(-1)[::5] = 2
    x[1:, 2:].mul_(3).add_(1)
    y = tc.zeros(3, 4)
    y.T[1].add_(1)
    y.view(-1)[::5] = 2
    y[1:, 2:].mul_(3).add_(1)
    assert x.tolist() == y.tolist()
    assert x.T.is_contiguous() is False
    assert x.T.stride() == (1, 4)
    assert x.detach().data_ptr() == x.data_ptr()


def test_writes_are_noticed():
    x = tc.ones(3, device="cuda", requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_hooks():
    seen = []
    x = tc.ones(2, device="cuda", requires_grad=True)
    x.register_hook(lambda g: g * 10)
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.device))
    y = x * 3
    y.retain_grad()
    net = tc.nn.Linear(2, 1, device="cuda")
    net.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].device))
    net(y).sum().backward()
    assert seen == [HERE, HERE]
    assert y.grad.device == x.grad.device == HERE
    expected = (net.weight.detach()[0] * 30).tolist()
    assert x.grad.tolist() == pytest.approx(expected)
