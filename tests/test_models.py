"""Networks, against the real torchvision.

All networks are compared by their text and the names and shapes of their parameters; one small member of each family
also by its first values, outputs and gradients. With ``TINYCONV_ALL_MODELS=1`` that is done for every network
(some minutes, and several GB of memory).
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from networks import RNG, close, seeded, without_first_values
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import models

theirs = torchvision.models
OTHERS = (
    "vit",
    "swin",
    "maxvit",
    "regnet",
)  # families that are not convolution networks, and RegNet
NAMES = [n for n in theirs.list_models(module=theirs) if not n.startswith(OTHERS)]
ALL = os.environ.get("TINYCONV_ALL_MODELS", "0") not in ("", "0")
LATER = pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
HEADS = {4096: 8}  # how wide layers are made instead, in tests


def both(name):
    return getattr(theirs, name), getattr(models, name)


# ── all networks ──


def test_every_network_is_there():
    assert models.list_models() == NAMES == models.list_models(module=models)
    for name in NAMES:
        parameters = inspect.signature(getattr(models, name)).parameters
        assert list(parameters) == ["weights", "progress", "config"]
        assert parameters["weights"].annotation == models.get_model_weights(name) | None


@LATER
@pytest.mark.parametrize("name", NAMES)
def test_text_names_and_shapes(name):
    with without_first_values(), torch.device("meta"):
        expected, model = (make() for make in both(name))
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert list(shapes.items()) == [(k, tuple(v.shape)) for k, v in expected.state_dict().items()]
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in expected.named_parameters()]
    assert str(model) == str(expected)


# ── one of each family ──

# Name, height and width, how many images, arguments. Sizes are such that no BatchNorm sees only two numbers, whose
# gradient would magnify what is rounded.
SMALL = [
    ("alexnet", 63, 1, {"num_classes": 3}),
    ("squeezenet1_0", 33, 2, {"num_classes": 4}),
    ("squeezenet1_1", 33, 2, {"num_classes": 4, "dropout": 0.1}),
    ("mobilenet_v2", 64, 2, {"num_classes": 4, "width_mult": 0.35}),
    (
        "mobilenet_v3_small",
        64,
        2,
        {"num_classes": 4, "width_mult": 0.5, "reduced_tail": True, "dilated": True},
    ),
    ("googlenet", 33, 4, {"num_classes": 4, "transform_input": True}),
    ("shufflenet_v2_x0_5", 64, 2, {"num_classes": 4}),
    ("mnasnet0_5", 64, 2, {"num_classes": 4}),
]


def nn_of(m):
    return torch.nn if m is theirs else tc.nn


def features(nn):
    return nn.Sequential(
        nn.Conv2d(3, 512, 3), nn.BatchNorm2d(512), nn.ReLU(inplace=True), nn.MaxPool2d(4)
    )


# Whole networks that would take long are made smaller, by the arguments of their classes.
SMALLER = [
    (lambda m: m.DenseNet(8, (2, 3, 2, 2), 16, drop_rate=0.2, num_classes=3), 40, 3),
    (lambda m: m.DenseNet(4, (2, 1, 1, 1), 8, bn_size=2, num_classes=3, memory_efficient=True), 40, 3),
    (lambda m: m.ConvNeXt([m.convnext.CNBlockConfig(8, 12, 2), m.convnext.CNBlockConfig(12, None, 3)], 0.5, 0.1, 3), 32, 4),
    (
        lambda m: m.EfficientNet(
            [m.efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 2), m.efficientnet.FusedMBConvConfig(4, 3, 2, 8, 16, 2),
             m.efficientnet.MBConvConfig(4, 5, 2, 16, 16, 2, depth_mult=1.2)],
            dropout=0.1, num_classes=3, last_channel=40,
        ), 32, 3,
    ),
    (lambda m: m.VGG(features(nn_of(m)), 3, dropout=0.2), 14, 2),
    (lambda m: m.ShuffleNetV2([2, 1, 2], [8, 16, 24, 32, 40], 3), 40, 3),
    (lambda m: m.ResNet(m.resnet.Bottleneck, [1, 1, 1, 2], 3, True, 4, 8, [False, True, True]), 40, 3),
    (lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], 3, True), 40, 3),
    *((lambda m, part=part: getattr(m.inception, part)(3), 9, 2) for part in ("InceptionB", "InceptionD", "InceptionE")),
    *((lambda m, part=part: getattr(m.inception, part)(3, 4), 9, 2) for part in ("InceptionA", "InceptionC")),
    (lambda m: m.inception.InceptionAux(3, 4), 17, 3),
    (lambda m: m.mobilenetv2.MobileNetV2(3, 0.1, [[2, 16, 2, 2]], 4, norm_layer=lambda n: nn_of(m).GroupNorm(4, n), dropout=0.5), 24, 2),
]  # fmt: skip


@contextlib.contextmanager
def slim_classifiers(widths=HEADS):
    """Let the classifiers of AlexNet and VGG be 8 wide, not 4096; or others."""
    with contextlib.ExitStack() as stack:
        for nn in (torch.nn, tc.nn):

            def init(self, in_features, out_features, linear=nn.Linear, **options):
                slim = (widths.get(n, n) for n in (in_features, out_features))
                linear.__init__(self, *slim, **options)

            slim = type("Linear", (nn.Linear,), {"__init__": init})
            stack.enter_context(mock.patch.object(nn, "Linear", slim))
        yield


def check_network(make_expected, make, size, count):
    """The same text and first values, bit for bit; outputs and gradients in both modes; statistics."""
    expected, model = seeded(make_expected, make)
    assert str(model) == str(expected)
    for (k, v), (key, x) in zip(
        expected.state_dict().items(), model.state_dict().items(), strict=True
    ):
        assert k == key
        np.testing.assert_array_equal(v.numpy(), x.numpy(), err_msg=k)
    assert torch.rand(1).item() == tc.rand(1).item()  # as many random numbers were taken
    expected.double(), model.double()
    images = RNG.standard_normal((count, 3, size, size))
    for training in (False, True):
        expected.train(training), model.train(training)
        x, y = torch.tensor(images, requires_grad=True), tc.tensor(images, requires_grad=True)
        a, b = seeded(lambda: expected(x), lambda: model(y))
        assert type(a).__name__ == type(b).__name__
        outputs = [a, b] if isinstance(a, tuple) else [(a,), (b,)]
        for one, other in zip(*outputs, strict=True):
            close(one, other, "output")
        for group in outputs:
            sum((o * o).sum() for o in group).backward()
        close(x.grad, y.grad, "gradient of the images")
        for (name, p), q in zip(expected.named_parameters(), model.parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None), name
            if p.grad is not None:
                close(p.grad, q.grad, f"gradient of {name}")
            p.grad = q.grad = None
    for (k, v), x in zip(expected.state_dict().items(), model.state_dict().values(), strict=True):
        close(v.double(), x.double(), k)


@LATER
@pytest.mark.parametrize(
    ("name", "size", "count", "config"), SMALL, ids=lambda v: v if isinstance(v, str) else ""
)
def test_numbers(name, size, count, config):
    first, second = both(name)
    with slim_classifiers():
        check_network(lambda: first(**config), lambda: second(**config), size, count)


@pytest.mark.parametrize(("make", "size", "count"), SMALLER, ids=range(len(SMALLER)))
def test_numbers_of_classes(make, size, count):
    with slim_classifiers():
        check_network(lambda: make(theirs), lambda: make(models), size, count)


def test_outputs_of_inception():
    """Not its gradients: in training, its BatchNorms need larger images than there is time for."""
    expected, model = seeded(
        *(lambda m=m: m(num_classes=3, init_weights=False) for m in both("inception_v3"))
    )
    x = RNG.standard_normal((1, 3, 75, 75))
    with torch.no_grad(), tc.no_grad():
        close(
            expected.double().eval()(torch.from_numpy(x)),
            model.double().eval()(tc.from_numpy(x)),
            "output",
        )


def test_numbers_of_inception_with_other_blocks():
    def make(m):
        nn = nn_of(m)

        def conv(inputs, outputs, groups=1):
            return lambda *_, **__: nn.Conv2d(inputs, outputs, 1, groups=groups, bias=False)

        parts = [
            conv(3, 3),
            conv(3, 3),
            conv(3, 768),
            conv(768, 768, 768),
            conv(768, 3),
            conv(3, 3),
            m.inception.InceptionAux,
        ]
        return m.Inception3(3, transform_input=True, inception_blocks=parts, init_weights=True)

    with slim_classifiers({2048: 3}):
        check_network(lambda: make(theirs), lambda: make(models), 71, 3)


if ALL:

    @LATER
    @pytest.mark.parametrize("name", NAMES)
    def test_numbers_of_all(name):
        first, second = both(name)
        deep = name.startswith(("googlenet", "mobilenet", "mnasnet", "efficientnet"))
        size = 299 if name == "inception_v3" else 160 if deep else 96
        check_network(lambda: first(num_classes=3), lambda: second(num_classes=3), size, 2)


# ── arguments ──

CLASSES = [
    getattr(theirs, n) for n in theirs.__dict__ if hasattr(models, n) and isinstance(getattr(theirs, n), type)
    and issubclass(getattr(theirs, n), torch.nn.Module)
]  # fmt: skip
GOOGLENET = sys.modules["torchvision.models.googlenet"]  # the attribute is the function
CLASSES += [theirs.resnet.BasicBlock, theirs.resnet.Bottleneck, theirs.squeezenet.Fire, theirs.mobilenetv2.InvertedResidual,
    theirs.mobilenetv3.InvertedResidual, theirs.mobilenetv3.InvertedResidualConfig, theirs.convnext.CNBlock,
    theirs.convnext.CNBlockConfig, theirs.convnext.LayerNorm2d, theirs.efficientnet.MBConv, theirs.efficientnet.FusedMBConv,
    theirs.efficientnet.MBConvConfig, theirs.efficientnet.FusedMBConvConfig, GOOGLENET.Inception,
    GOOGLENET.InceptionAux, theirs.inception.BasicConv2d, theirs.inception.InceptionC, theirs.inception.InceptionE]  # fmt: skip


@pytest.mark.parametrize(
    "cls", CLASSES, ids=lambda c: f"{c.__module__.split('.')[-1]}.{c.__name__}"
)
def test_arguments(cls):
    own = getattr(
        sys.modules[cls.__module__.replace("torchvision", "tinyconv.vision")], cls.__name__
    )
    expected, found = (inspect.signature(c).parameters.values() for c in (cls, own))
    assert [p.name for p in found] == [p.name for p in expected]
    for p, q in zip(expected, found, strict=True):
        if not callable(p.default):
            assert p.default == q.default, p.name


REFUSED = [
    lambda m: m.get_model("resnet19"),
    lambda m: m.get_model_weights(lambda weights: None),
    lambda m: m.get_weight("ResNet18_Weights"),
    lambda m: m.get_weight("ResNet19_Weights.DEFAULT"),
    lambda m: m.resnet18(weights=m.ResNet34_Weights.DEFAULT),
    lambda m: m.resnet18(weights="IMAGENET1K_V1", num_classes=10),
    lambda m: m.vgg11(weights="DEFAULT", num_classes=10),
    lambda m: m.googlenet(weights="DEFAULT", aux_logits=False),
    lambda m: m.resnext50_32x4d(groups=2),
    lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], groups=2),
    lambda m: m.ResNet(
        m.resnet.BasicBlock, [1, 1, 1, 1], replace_stride_with_dilation=[True, False, False]
    ),
    lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], replace_stride_with_dilation=[True]),
    lambda m: m.SqueezeNet("2_0"),
    lambda m: m.MobileNetV2(inverted_residual_setting=[]),
    lambda m: m.MobileNetV2(inverted_residual_setting=[[1, 16, 1]]),
    lambda m: m.MobileNetV2(inverted_residual_setting=[[1, 16, 1, 3]]),
    lambda m: m.MobileNetV3([], 8),
    lambda m: m.MobileNetV3([1], 8),
    lambda m: m.ConvNeXt([1]),
    lambda m: m.EfficientNet([1], 0.1),
    lambda m: m.EfficientNet([m.efficientnet.MBConvConfig(1, 3, 3, 8, 8, 1)], 0.1),
    lambda m: m.ShuffleNetV2([1], [1] * 5),
    lambda m: m.ShuffleNetV2([1] * 3, [1]),
    lambda m: m.shufflenetv2.InvertedResidual(4, 6, 1),
    lambda m: m.MNASNet(0.0),
    lambda m: m.GoogLeNet(blocks=[1], init_weights=True),
    lambda m: m.Inception3(inception_blocks=[1], init_weights=True),
]


@pytest.mark.parametrize("call", REFUSED, ids=range(len(REFUSED)))
def test_refused_alike(call):
    with pytest.raises(Exception) as expected:
        call(theirs)
    with pytest.raises(expected.type) as caught:
        call(models)
    first = str(expected.value).splitlines()[0].partition(" Make sure")[0]
    assert str(caught.value).splitlines()[0] == first
    assert len(str(caught.value).splitlines()) == 2


def test_unknown_names_of_weights():
    with pytest.raises(KeyError, match="'V3'\nResNet18_Weights has IMAGENET1K_V1, DEFAULT"):
        models.resnet18(weights="V3")
    with pytest.raises(KeyError, match=r"imagenet_classes\.txt"):
        models.ResNet18_Weights.DEFAULT.meta["categories"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"include": "vgg*"},
        {"include": ["vgg1[13]", "alex*"], "exclude": "*_bn"},
        {"exclude": ["*net*", "vgg*"]},
    ],
    ids=str,
)
def test_list_models(query):
    expected = [n for n in theirs.list_models(module=theirs, **query) if n in NAMES]
    assert models.list_models(**query) == expected
    assert models.get_model_builder("VGG11") is models.vgg11
