"""What is on the device comes back: modules, optimizers, copies, files, other libraries."""

from __future__ import annotations

import copy
import io
import pickle

import pytest

import tinyconv as tc

F = tc.nn.functional
HERE = tc.device("cuda:0")


# ── modules, optimizers ───────────────────────────────────────────────────────────────────────


def _net():
    tc.manual_seed(0)
    return tc.nn.Sequential(
        tc.nn.Linear(3, 4), tc.nn.BatchNorm1d(4), tc.nn.Tanh(), tc.nn.Linear(4, 2)
    )


@pytest.mark.parametrize("move", [lambda m: m.to("cuda"), lambda m: m.cuda(), lambda m: m.cuda(0),
                                  lambda m: m.to(tc.device("cuda:0"), non_blocking=True),
                                  lambda m: m.to("cuda", tc.float64)])  # fmt: skip
def test_modules_move_as_a_whole(move):
    net = _net()
    first = net[0].weight
    net(tc.ones(2, 3)).sum().backward()
    assert move(net) is net
    assert net[0].weight is first
    for x in (*net.parameters(), *net.buffers(), *(p.grad for p in net.parameters())):
        assert x.device == HERE
    net.cpu()
    assert all(x.device.type == "cpu" for x in (*net.parameters(), *net.buffers()))


def test_modules_are_made_where_they_are_wanted():
    with tc.device("cuda"):
        assert next(_net().parameters()).device == HERE
    assert tc.nn.Conv2d(1, 2, 3, device="cuda").weight.device == HERE
    assert tc.nn.BatchNorm2d(2, device="cuda").running_mean.device == HERE


def _train(net, optimizer, device, steps=3):
    x = tc.linspace(-1, 1, 12).reshape(4, 3).to(device)
    y = tc.tensor([0, 1, 1, 0]).to(device)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


OPTIMIZERS = {
    "SGD": lambda p: tc.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda p: tc.optim.Adam(p, 0.1, amsgrad=True),
    "AdamW": lambda p: tc.optim.AdamW(p, 0.1),
    "RMSprop": lambda p: tc.optim.RMSprop(p, 0.01, momentum=0.5),
    "Adagrad": lambda p: tc.optim.Adagrad(p, 0.1),
    "Adadelta": lambda p: tc.optim.Adadelta(p),
    "Adamax": lambda p: tc.optim.Adamax(p, 0.1),
    "NAdam": lambda p: tc.optim.NAdam(p, 0.1, weight_decay=1e-3, decoupled_weight_decay=True),
    "RAdam": lambda p: tc.optim.RAdam(p, 0.1),
    "Rprop": lambda p: tc.optim.Rprop(p, 0.1),
    "ASGD": lambda p: tc.optim.ASGD(p, 0.1),
}


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if hasattr(tc.optim, n)])
def test_training_goes_on_elsewhere(name):
    """Half of the way on the CPU, half on the device; the state travels as state dicts, through a file."""
    make = OPTIMIZERS[name]
    whole = _net()
    expected = _train(whole, make(whole.parameters()), "cpu", 6)
    net = _net()
    optimizer = make(net.parameters())
    _train(net, optimizer, "cpu")
    file = io.BytesIO()
    tc.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = tc.load(file, map_location="cuda")
    other = _net().cuda()
    other.load_state_dict(saved["net"])
    optimizer = make(other.parameters())
    optimizer.load_state_dict(saved["optimizer"])
    assert _train(other, optimizer, "cuda") == pytest.approx(expected, rel=1e-5)
    for state in optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, tc.Tensor) and value.ndim:
                assert value.device == HERE, key
    back = _net()
    back.load_state_dict(other.state_dict())
    for a, b in zip(back.parameters(), other.parameters(), strict=True):
        assert a.device.type == "cpu"
        assert a.tolist() == b.tolist()


# ── copies ──────────────────────────────────────────────────────────────────────────────────────


def test_copies():
    x = tc.nn.Parameter(tc.tensor([1.0, 2.5], device="cuda"))
    (x * x).sum().backward()
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(other) is tc.nn.Parameter
        assert other.device == HERE
        assert other.tolist() == [1, 2.5]
        assert other.requires_grad
        assert other.array is not x.array
    assert copy.deepcopy(x).grad.tolist() == [2, 5]
    net = copy.deepcopy(_net().cuda())
    assert all(p.device == HERE for p in net.parameters())


@pytest.mark.parametrize(
    ("where", "device"),
    [(None, "cpu"), ("cpu", "cpu"), ("cuda", "cuda"), (0, "cuda"), (tc.device("cuda"), "cuda"),
     ({"cuda:0": "cpu"}, "cpu"), ({"cpu": "cuda:0"}, "cuda")],
)  # fmt: skip
def test_files(where, device):
    file = io.BytesIO()
    tc.save({"x": tc.tensor([1.0, 2.5], device="cuda"), "n": 3}, file)
    file.seek(0)
    loaded = tc.load(file, map_location=where)
    assert loaded["x"].device.type == device
    assert loaded["x"].tolist() == [1, 2.5]
    assert loaded["n"] == 3


def test_other_libraries():
    import cupy

    x = tc.arange(6.0, device="cuda").reshape(2, 3)
    assert x.__dlpack_device__() == (2, 0)
    y = tc.from_dlpack(x)
    y[0, 0] = 9
    assert x[0, 0].item() == 9
    about = x.T.__cuda_array_interface__
    assert about["shape"] == (3, 2)
    assert about["data"][0] == x.data_ptr()
    z = tc.as_tensor(cupy.ones(3, "f4"))
    assert z.device == HERE
    assert z.tolist() == [1, 1, 1]
    shared = cupy.ones(3, "f4")
    tc.as_tensor(shared)[0] = 5
    assert float(shared[0]) == 5
    assert tc.tensor(shared).add_(1).tolist() == [6, 2, 2]
    assert float(shared[0]) == 5
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        tc.from_dlpack(x.clone().requires_grad_())
    with pytest.raises(
        RuntimeError, match="Can't get __cuda_array_interface__ on Variable that requires grad"
    ):
        x.clone().requires_grad_().__cuda_array_interface__  # noqa: B018  # the attribute is the test
    assert not hasattr(tc.ones(2), "__cuda_array_interface__")
