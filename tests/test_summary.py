"""The table of layers: its numbers, and that a look at a model leaves no trace."""

from __future__ import annotations

import re

import pytest

import tinyconv as tc
from tinyconv import nn
from tinyconv.utils.summary import Summary, summary


class Act(nn.Module):
    def forward(self, x):
        return x.relu()


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(n)

    def forward(self, x):
        return x + self.bn(self.conv(x)).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.act = Act()
        self.fc = nn.Linear(8, 10)
        self.extra = nn.Parameter(tc.ones(8))
        self.unused = nn.Linear(3, 3)
        self.parts = nn.ModuleList([Act(), nn.Linear(8, 8)])
        self.stem.bias.requires_grad_(False)

    def forward(self, x, twice=True):
        x = self.act(self.blocks(self.act(self.stem(x)))).mean((2, 3)) + self.extra
        x = self.parts[1](x)
        return self.fc(self.parts[1](x) if twice else x)


TABLE = """\
=============================================================
Layer                     Output shape      Params  Mult-adds
=============================================================
Net                       [4, 10]                8         --
├─ stem: Conv2d           [4, 8, 15, 15]       224    201,600
├─ act: Act               [4, 8, 15, 15]        --         --
├─ blocks: Sequential     [4, 8, 15, 15]        --         --
│  ├─ 0: Block            [4, 8, 15, 15]        --         --
│  │  ├─ conv: Conv2d     [4, 8, 15, 15]       576    518,400
│  │  └─ bn: BatchNorm2d  [4, 8, 15, 15]        16         64
│  └─ 1: Block            [4, 8, 15, 15]        --         --
│     ├─ conv: Conv2d     [4, 8, 15, 15]       576    518,400
│     └─ bn: BatchNorm2d  [4, 8, 15, 15]        16         64
├─ act: Act               [4, 8, 15, 15]        --         --
├─ parts.1: Linear        [4, 8]                72        288
├─ parts.1: Linear        [4, 8]          (reused)        288
├─ fc: Linear             [4, 10]               90        360
└─ unused: Linear         --                    12         --
=============================================================
Total params: 1,590
Trainable params: 1,582
Non-trainable params: 8
Total mult-adds: 1,239,464
=============================================================
Input size (MB): 0.05
Forward/backward pass size (MB): 0.29
Params size (MB): 0.01
Estimated total size (MB): 0.34
============================================================="""


def test_table(capsys):
    """The totals are those that torchinfo 1.8 prints for the same network in PyTorch."""
    table = summary(Net(), input_size=(4, 3, 32, 32))
    assert str(table) == TABLE
    assert repr(table) == TABLE
    assert capsys.readouterr().out == TABLE + "\n"
    assert isinstance(table, Summary)
    assert (table.total_params, table.trainable_params, table.total_mult_adds) == (
        1590,
        1582,
        1239464,
    )
    assert table.total_input == 4 * 3 * 32 * 32 * 4
    assert table.total_output_bytes == 2 * 4 * (5 * 4 * 8 * 15 * 15 + 2 * 32 + 40)
    assert table.total_param_bytes == 4 * 1590


def lines(table):
    return [re.split(r"  +", line.strip()) for line in str(table).splitlines() if "=" not in line]


def test_depth_sums_up_what_it_hides():
    table = summary(Net(), input_size=(4, 3, 32, 32), depth=1, verbose=0)
    assert ["├─ blocks: Sequential", "[4, 8, 15, 15]", "1,184", "1,036,928"] in lines(table)
    assert not [line for line in lines(table) if "conv" in line[0]]
    top = lines(summary(Net(), input_size=(4, 3, 32, 32), depth=0, verbose=0))[1]
    assert top == ["Net", "[4, 10]", "1,590", "1,239,464"]


def test_columns(capsys):
    columns = ("input_size", "kernel_size", "trainable")
    table = summary(Net(), (3, 32, 32), depth=1, verbose=0, col_names=columns)
    assert capsys.readouterr().out == ""
    assert lines(table)[:3] == [
        ["Layer", "Input shape", "Kernel", "Trainable"],
        ["Net", "[-1, 3, 32, 32]", "--", "Partial"],
        ["├─ stem: Conv2d", "[-1, 3, 32, 32]", "[3, 3]", "Partial"],
    ]


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda m: summary(m, (3, 32, 32), verbose=0), "[-1, 10]"),  # torchsummary
        (lambda m: summary(m, (3, 32, 32), 5, verbose=0), "[5, 10]"),
        (lambda m: summary(m, (3, 32, 32), batch_size=5, device="cpu", verbose=0), "[5, 10]"),
        (lambda m: summary(m, input_size=(2, 3, 32, 32), verbose=0), "[2, 10]"),  # torchinfo
        (lambda m: summary(m, [(2, 3, 32, 32)], verbose=0), "[2, 10]"),
        (lambda m: summary(m, input_data=tc.ones(2, 3, 32, 32), verbose=0), "[2, 10]"),
        (lambda m: summary(m, input_data=[tc.ones(2, 3, 32, 32)], verbose=0), "[2, 10]"),
        (lambda m: summary(m, input_data={"x": tc.ones(2, 3, 32, 32)}, verbose=0), "[2, 10]"),
        (lambda m: summary(m, (2, 3, 32, 32), verbose=0, twice=False), "[2, 10]"),
        (lambda m: summary(m.double(), (3, 32, 32), verbose=0, dtypes=[tc.float64]), "[-1, 10]"),
    ],
)
def test_ways_to_say_the_input(call, shape):
    assert lines(call(Net()))[1][1] == shape


@pytest.mark.parametrize(
    ("layer", "size", "shape"),
    [
        (nn.Linear(7, 2), (7,), "[-1, 2]"),
        (nn.Linear(7, 2), (5, 7), "[5, 2]"),
        (nn.Conv1d(3, 2, 1), (3, 9), "[-1, 2, 9]"),
        (nn.Conv1d(3, 2, 1), (4, 3, 9), "[4, 2, 9]"),
    ],
)
def test_batch_dimension_is_guessed(layer, size, shape):
    assert lines(summary(layer, size, verbose=0))[1][1] == shape


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def forward(self, a, b):
            return {"sum": a + b, "pair": (a, [b])}

    table = summary(Two(), [(2, 3), (2, 1)], verbose=0, col_names=("input_size", "output_size"))
    assert lines(table)[1] == ["Two", "[[2, 3], [2, 1]]", "[[2, 3], [2, 3], [2, 1]]"]


def test_shared_parameters_count_once():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    assert summary(net, (1, 4), verbose=0).total_params == 24


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_no_trace(mode):
    class Restless(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()
            self.register_buffer("calls", tc.zeros(()))
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            self.calls += 1
            assert not tc.is_grad_enabled()
            assert self.net.training == (mode == "train")
            tc.rand(3)
            return self.drop(self.net(x))

    model = Restless()
    model.net.blocks.eval()
    flags = [m.training for m in model.modules()]
    before = [(id(b), b.tolist()) for b in model.buffers()]
    random = tc.get_rng_state()
    summary(model, (3, 32, 32), verbose=0, mode=mode)
    assert [m.training for m in model.modules()] == flags
    assert [(id(b), b.tolist()) for b in model.buffers()] == before
    assert tc.equal(tc.get_rng_state(), random)
    assert not any(m._hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_no_trace_of_a_model_that_fails():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Linear(5, 5))
    with pytest.raises(RuntimeError, match="In layer 1: Linear"):
        summary(model, (3, 8, 8), mode="train", verbose=0)
    assert model.training
    assert not any(m._hooks for m in model.modules())
    assert model[0].num_batches_tracked == 0


def test_a_graph_from_before_survives():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    y = model(tc.ones(1, 3, 4, 4))
    summary(model, (3, 4, 4), mode="train", verbose=0)
    y.sum().backward()


def test_lazy_layers_are_initialized():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
    table = summary(model, input_size=(1, 3, 8, 8), verbose=0)
    assert table.total_params == 4 * 3 * 9 + 4 + 8
    assert type(model[0]) is nn.Conv2d


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "either input_size or input_data"),
        ({"input_size": (1, 2), "input_data": tc.ones(1)}, "either input_size or input_data"),
        ({"input_size": (1, 2), "col_names": ("colour",)}, "unknown column 'colour'"),
        ({"input_size": (1, 2), "mode": "test"}, "mode must be 'eval' or 'train'"),
    ],
)
def test_errors(arguments, text):
    with pytest.raises(ValueError, match=text):
        summary(nn.Linear(2, 2), **arguments)
