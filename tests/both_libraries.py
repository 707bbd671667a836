"""What tests share that run one script in both libraries and compare how it ends."""

from __future__ import annotations

import warnings

import pytest
import torch

import tinyconv as tc

LIBRARIES = (tc, torch)


def build(lib):
    """A network with a shared layer and parameter, buffers of both kinds, and empty places."""
    nn = lib.nn

    class Act(nn.Module):
        def forward(self, x):
            return x.relu()

    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.fc = nn.Linear(n, n)
            self.act = Act()
            self.register_buffer("count", lib.zeros(1, dtype=lib.int64))

        def forward(self, x):
            return x + self.act(self.fc(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(3, 4)
            self.blocks = nn.Sequential(Block(4), Block(4))
            self.again = self.blocks[0]
            self.scale = nn.Parameter(lib.ones(4))
            self.tied = self.scale
            self.register_parameter("nothing", None)
            self.register_module("nobody", None)
            self.register_buffer("mean", lib.zeros(4))
            self.register_buffer("cache", lib.zeros(2), persistent=False)
            self.list = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 2), Act()])

        def forward(self, x):
            x = self.again(self.blocks(self.stem(x))) * self.scale + self.mean
            return self.list[0](x) + self.list[1](x)

    return Net()


def pair():
    """The same network, with the same numbers, in both libraries."""
    ours, theirs = build(tc), build(torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def plain(x):
    """What two libraries can be compared by."""
    if isinstance(x, (tc.Tensor, torch.Tensor)):
        return [list(x.shape), str(x.dtype).rpartition(".")[2], x.tolist(), x.requires_grad]
    if isinstance(x, (tc.nn.Module, torch.nn.Module)):
        return repr(x).replace("torch.", "tinyconv.")
    if isinstance(x, dict) or hasattr(x, "items"):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple, set)) or hasattr(x, "__next__"):
        return [plain(v) for v in x]
    return repr(x).replace("torch.", "tinyconv.") if not isinstance(x, (str, bool)) else x


def outcome(action, *args):
    """The result, or the built-in type and the message of the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return plain(action(*args))
    except Exception as error:
        kind = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        if isinstance(error, AttributeError):
            return kind, str(error)
        return kind, str(error.args[0]).replace("torch.", "tinyconv.").replace(
            "(torch T", "(tinyconv.T"
        )


def assert_same(ours, theirs):
    if isinstance(theirs, tuple) and isinstance(theirs[0], type):
        assert ours[0] is theirs[0], (ours, theirs)
        opening = theirs[1].split("\n")[0].split("<class")[0].split(". Open an")[0].rstrip(".")
        assert ours[1].replace("; is ", "; is").startswith(opening), (ours, theirs)
    else:
        assert ours == theirs


def both(run):
    """What both libraries give, if it is the same."""
    ours, theirs = run(tc), run(torch)
    assert ours == theirs
    return ours


each = pytest.mark.parametrize("lib", LIBRARIES, ids=["ours", "theirs"])


def cases(table):
    return pytest.mark.parametrize("script", list(table.values()), ids=list(table))


def first(net):
    return next(net.parameters())


def set_(net, name, value):
    setattr(net, name, value)
    return net


def assign(net, name, value):
    """Where the value ends up."""
    setattr(net, name, value)
    return [name in d for d in (net._parameters, net._buffers, net._modules, vars(net))] + [
        net.state_dict()
    ]
