"""Layers that are a function with settings, against torch: signatures, text, state, numbers."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from twins import agree, array, same_error

import tinyconv as tc

X, IMAGE, LINE = (4, 6), (2, 4, 6, 6), (2, 4, 6)

# name, arguments, named arguments, shape of the input
UNARY = [
    ("ReLU", (), {}, X),
    ("ReLU", (True,), {}, X),
    ("LeakyReLU", (0.2,), {}, X),
    ("LeakyReLU", (0.2, True), {}, X),
    ("ELU", (2,), {}, X),
    ("CELU", (), {"alpha": 0.5}, X),
    ("SELU", (), {}, X),
    ("GELU", (), {}, X),
    ("GELU", ("tanh",), {}, X),
    ("SiLU", (), {}, X),
    ("SiLU", (), {"inplace": True}, X),
    ("Mish", (), {}, X),
    ("Sigmoid", (), {}, X),
    ("LogSigmoid", (), {}, X),
    ("Tanh", (), {}, X),
    ("Tanhshrink", (), {}, X),
    ("Softsign", (), {}, X),
    ("Softplus", (2, 10), {}, X),
    ("Hardtanh", (-0.5,), {}, X),
    ("ReLU6", (), {}, X),
    ("ReLU6", (True,), {}, X),
    ("Hardsigmoid", (True,), {}, X),
    ("Hardswish", (), {}, X),
    ("Threshold", (0.1, 20), {}, X),
    ("Softshrink", (), {}, X),
    ("Hardshrink", (0.3,), {}, X),
    ("GLU", (), {}, X),
    ("GLU", (0,), {}, X),
    ("Softmax", (1,), {}, X),
    ("Softmin", (), {"dim": 0}, X),
    ("LogSoftmax", (-1,), {}, X),
    ("Softmax2d", (), {}, IMAGE),
    ("PReLU", (), {}, X),
    ("PReLU", (4, 0.1), {}, IMAGE),
    ("ZeroPad1d", (2,), {}, LINE),
    ("ZeroPad2d", ((1, 2, 0, -1),), {}, IMAGE),
    ("ConstantPad1d", ((1, 2), 3.5), {}, LINE),
    ("ConstantPad2d", (1, 7), {}, IMAGE),
    ("ReflectionPad1d", (2,), {}, LINE),
    ("ReflectionPad2d", ((1, 2, 3, 4),), {}, IMAGE),
    ("ReplicationPad1d", ((1, 2),), {}, LINE),
    ("ReplicationPad2d", (3,), {}, IMAGE),
    ("CircularPad1d", (2,), {}, LINE),
    ("CircularPad2d", ([1, 2, 3, 4],), {}, IMAGE),
    ("Upsample", (), {"scale_factor": 2}, IMAGE),
    ("Upsample", ((3, 4),), {"mode": "bilinear"}, IMAGE),
    ("Upsample", (), {"scale_factor": (2, 1.5), "mode": "bicubic", "align_corners": True}, IMAGE),
    ("UpsamplingNearest2d", (3,), {}, IMAGE),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, IMAGE),
    ("Unfold", (2,), {"padding": 1}, IMAGE),
    ("Fold", ((3, 3), 2), {}, (2, 4, 4)),
    ("PixelShuffle", (2,), {}, IMAGE),
    ("PixelUnshuffle", (2,), {}, IMAGE),
    ("ChannelShuffle", (2,), {}, IMAGE),
    ("Identity", (3,), {"unused": True}, X),
    ("Flatten", (), {}, IMAGE),
    ("Flatten", (0, 1), {}, IMAGE),
    ("Unflatten", (1, (2, -1)), {}, X),
]
LOSSES = [
    ("MSELoss", (), {}),
    ("MSELoss", (), {"reduction": "none"}),
    ("L1Loss", (), {"reduction": "sum"}),
    ("SmoothL1Loss", (), {"beta": 0.5}),
    ("HuberLoss", ("sum", 0.5), {}),
    ("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}),
    ("BCEWithLogitsLoss", (), {}),
    ("CosineSimilarity", (0,), {}),
    ("PairwiseDistance", (), {"p": 1, "keepdim": True}),
]
NAMES = sorted(
    {row[0] for row in [*UNARY, *LOSSES]} | {"CrossEntropyLoss", "NLLLoss", "BCELoss", "Embedding"}
)


@pytest.mark.parametrize(("name", "args", "named", "shape"), UNARY)
def test_layer(name, args, named, shape):
    layers = {lib: getattr(lib.nn, name)(*args, **named).to(lib.float64) for lib in (torch, tc)}
    assert repr(layers[tc]) == repr(layers[torch])
    x = np.random.default_rng(0).standard_normal(shape)
    second = name != "Hardsigmoid"  # torch has none
    agree(lambda lib, x: layers[lib](x * 1), x, second=second, tol=1e-7)
    theirs, ours = (
        {k: array(v).tolist() for k, v in layers[lib].state_dict().items()} for lib in (torch, tc)
    )
    assert ours == theirs


@pytest.mark.parametrize(("name", "args", "named"), LOSSES)
def test_two_inputs(name, args, named):
    layers = {lib: getattr(lib.nn, name)(*args, **named) for lib in (torch, tc)}
    assert repr(layers[tc]) == repr(layers[torch])
    x, y = np.random.default_rng(0).standard_normal((2, 4, 6))
    second = name not in ("L1Loss", "PairwiseDistance")  # straight
    agree(lambda lib, x, y: layers[lib](x, y), x, y, second=second)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    if name in ("Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign", "Softmax2d"):
        return  # torch's take arguments, to refuse them
    theirs, ours = (
        [
            (p.name, p.default, p.kind)
            for p in inspect.signature(getattr(lib.nn, name)).parameters.values()
        ]
        for lib in (torch, tc)
    )
    if name == "Hardtanh":
        theirs = theirs[:3]  # and two old names
    assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_text(name):
    assert getattr(tc.nn, name).__doc__


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss"])
def test_weight_is_state(name):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3))
    binary = name.startswith("BCE")
    target = x[::-1].copy() if binary else np.array([0, 2])
    layers = {lib: getattr(lib.nn, name)(lib.tensor([1.0, 2.0, 3.0])) for lib in (torch, tc)}
    for lib, layer in layers.items():
        layer.double()
        assert layer.weight.dtype == lib.float64
        assert list(layer.state_dict()) == ["weight"]
        assert list(getattr(lib.nn, name)().state_dict()) == []
    agree(lambda lib, x: layers[lib](x, lib.tensor(target)), x)
    for twin in (copy.deepcopy(layers[tc]), pickle.loads(pickle.dumps(layers[tc]))):
        assert twin.weight.tolist() == [1, 2, 3]
        assert twin.reduction == "mean"


def test_positive_weight_is_state():
    layer = tc.nn.BCEWithLogitsLoss(pos_weight=tc.ones(2))
    assert list(layer.state_dict()) == ["pos_weight"]
    assert layer.weight is None


def test_old_flags():
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert tc.nn.MSELoss(size_average=False).reduction == "sum"


def test_names_of_inputs():
    x, t = tc.zeros(2, 3), tc.tensor([0, 1])
    assert tc.nn.CrossEntropyLoss()(input=x, target=t).item() == pytest.approx(np.log(3))


def test_settings_are_read_at_each_call():
    layer = tc.nn.LeakyReLU()
    layer.negative_slope = 0.5
    assert layer(tc.tensor([-2.0])).item() == -1


class Scaled(tc.nn.LeakyReLU):
    """A layer of a user, with a constructor of its own."""

    def __init__(self, factor):
        super().__init__(0.5)
        self.factor = factor

    def forward(self, x):
        return super().forward(x) * self.factor


def test_subclass():
    layer = Scaled(3)
    assert layer(tc.tensor([-2.0])).item() == -3
    assert repr(layer) == "Scaled(negative_slope=0.5)"


def test_relu6_is_a_hardtanh():
    for lib in (torch, tc):
        layer = lib.nn.ReLU6()
        assert isinstance(layer, lib.nn.Hardtanh)
        assert (layer.min_val, layer.max_val) == (0, 6)


@pytest.mark.parametrize(
    "settings",
    [{}, {"padding_idx": -1}, {"padding_idx": 1, "max_norm": 2.0, "norm_type": 1.0, "sparse": False},
     {"scale_grad_by_freq": True}],
)  # fmt: skip
def test_embedding(settings):
    tables = []
    for lib in (torch, tc):
        lib.manual_seed(0)
        layer = lib.nn.Embedding(5, 3, **settings)
        y = layer(lib.tensor([[0, 1], [4, 1]]))
        y.sum().backward()
        tables.append((repr(layer), array(layer.weight), array(y), array(layer.weight.grad)))
    assert tables[1][0] == tables[0][0]
    for theirs, ours in zip(tables[0][1:], tables[1][1:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_pretrained():
    for lib in (torch, tc):
        frozen = lib.nn.Embedding.from_pretrained(lib.ones(2, 3))
        assert not frozen.weight.requires_grad
        assert lib.nn.Embedding.from_pretrained(lib.ones(2, 3), freeze=False).weight.requires_grad
        assert frozen(lib.tensor([1])).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    "story",
    [
        lambda nn, lib: nn.Embedding(5, 3, padding_idx=5),
        lambda nn, lib: nn.Embedding(5, 3, _weight=lib.zeros(2, 2)),
        lambda nn, lib: nn.Embedding.from_pretrained(lib.zeros(3)),
        lambda nn, lib: nn.Hardtanh(2, 1),
        lambda nn, lib: nn.Softmax2d()(lib.zeros(2, 2)),
        lambda nn, lib: nn.Unflatten(1, 2),
        lambda nn, lib: nn.Unflatten(1, (2, "a")),
        lambda nn, lib: nn.Unflatten(1, (2, 2))(lib.zeros(2, 5)),
        lambda nn, lib: nn.ReLU(True, 1),
        lambda nn, lib: nn.Threshold(1),
        lambda nn, lib: nn.PixelShuffle(2)(lib.zeros(1, 3, 2, 2)),
    ],
)
def test_errors(story):
    same_error(lambda lib: story(lib.nn, lib))
