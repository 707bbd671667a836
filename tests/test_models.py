"""Networks, their published weights, and the layers they share, against the real torchvision.

All networks are compared by their text and the names and shapes of their parameters; one small member of each family
also by its first values, outputs and gradients. With ``TINYCONV_ALL_MODELS=1`` that is done for every network
(some minutes, and several GB of memory).
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import download, hub, models, ops

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
KINDS = sorted(
    {models.get_model_weights(n) for n in models.list_models()}, key=lambda k: k.__name__
)
RNG = np.random.default_rng(0)


def both(name):
    return getattr(theirs, name), getattr(models, name)


def seeded(make_expected, make):
    torch.manual_seed(0)
    tc.manual_seed(0)
    return make_expected(), make()


# ── all networks ──


def test_every_network_is_there():
    assert models.list_models() == NAMES == models.list_models(module=models)
    for name in NAMES:
        parameters = inspect.signature(getattr(models, name)).parameters
        assert list(parameters) == ["weights", "progress", "config"]
        assert parameters["weights"].annotation == models.get_model_weights(name) | None


def as_it_is(x, *_, **__):
    return x


@contextlib.contextmanager
def without_first_values():
    with contextlib.ExitStack() as stack:
        for owner, name in [
            (tc.Tensor, "normal_"),
            (tc.Tensor, "uniform_"),
            (tc.nn.init, "trunc_normal_"),
        ]:
            stack.enter_context(mock.patch.object(owner, name, as_it_is))
        yield


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
def slim_classifiers(widths={4096: 8}):  # noqa: B006  # nobody changes it
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


def close(expected, x, what):
    scale = max(1.0, expected.abs().max().item())
    np.testing.assert_allclose(
        x.detach().numpy() / scale, expected.detach().numpy() / scale, 1e-10, 1e-10, err_msg=what
    )


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


# ── weights ──


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_weights(kind):
    expected = getattr(theirs, kind.__name__)
    assert list(kind.__members__) == list(expected.__members__)
    for name, theirs_ in expected.__members__.items():
        own = kind[name]
        assert (own.name, own.url, repr(own), str(own)) == (
            theirs_.name,
            theirs_.url,
            repr(theirs_),
            str(theirs_),
        )
        for key in ("num_params", "min_size", "_ops", "_file_size"):
            assert own.meta[key] == theirs_.meta[key], key
        assert repr(own.meta["_metrics"]) == repr(theirs_.meta["_metrics"])  # NaN is not itself
        assert repr(own.transforms()) == repr(theirs_.transforms())
        assert models.get_weight(str(own)) is own is kind.verify(name) is kind.verify(own)


@pytest.mark.parametrize(
    "image",
    [RNG.integers(0, 256, (40, 31, 3), np.uint8), RNG.integers(0, 256, (20, 25, 3), np.uint8)],
)
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC"])
def test_preset(image, mode):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    expected = ImageClassification(
        crop_size=24, resize_size=26, interpolation=InterpolationMode[mode]
    )
    mode = tc.vision.transforms.InterpolationMode[mode]
    preset = models.preset.ImageClassification(crop_size=24, resize_size=26, interpolation=mode)
    picture = Image.fromarray(image)
    np.testing.assert_allclose(preset(picture).numpy(), expected(picture).numpy(), 1e-5, 1e-6)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    a, b = expected(torch.from_numpy(planes)), preset(tc.from_numpy(planes))
    np.testing.assert_allclose(
        b.numpy(), a.numpy(), atol=1.01 / 255 / 0.224
    )  # one level, rounded otherwise
    assert "crop_size=[24]" in preset.describe()


LEGACY = [
    lambda m: m.squeezenet1_1(pretrained=True),
    lambda m: m.squeezenet1_1(pretrained=False),
    lambda m: m.squeezenet1_1(True),
    lambda m: m.squeezenet1_1(True, False),
    lambda m: m.squeezenet1_1(None, False),
    lambda m: m.squeezenet1_1(weights=True),
    lambda m: m.squeezenet1_1(weights=False),
    lambda m: m.squeezenet1_1(weights="legacy"),
    lambda m: m.squeezenet1_1(weights="SqueezeNet1_1_Weights.DEFAULT"),
    lambda m: m.googlenet(weights="DEFAULT", aux_logits=True),
    lambda m: m.googlenet(weights="DEFAULT"),
    lambda m: m.mobilenet_v2(pretrained=True),
    lambda m: m.mobilenet_v2(weights="DEFAULT", width_mult=1.0),
]


@pytest.mark.parametrize("call", LEGACY, ids=range(len(LEGACY)))
def test_old_and_new_ways_to_ask(call):
    """Which weights are fetched, how, and what is warned of; the file is the state of the network itself."""
    told = []
    for m, library in ((theirs, torch), (models, tc)):
        asked = []

        def state(weights, library=library, m=m, asked=asked, **how):
            asked.append((str(weights), how))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                name = {"Mob": "mobilenet_v2", "Squ": "squeezenet1_1", "Goo": "googlenet"}[
                    str(weights)[:3]
                ]
                return getattr(m, name)(
                    **({"init_weights": False} if name == "googlenet" else {})
                ).state_dict()

        with (
            mock.patch.object(m.WeightsEnum, "get_state_dict", state),
            without_first_values(),
            warnings.catch_warnings(record=True) as said,
        ):
            warnings.simplefilter("always")
            model = call(m)
        told.append((asked, [(w.category, str(w.message)) for w in said], str(model)))
    assert told[0] == told[1]


# ── fetching ──


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server on this machine in the place of the real one, and an empty folder for what comes."""
    content = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = content[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    for name in (
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "TINYCONV_MIRROR",
        "TINYCONV_OFFLINE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "RETRIES", 0)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield content, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_weights_are_fetched_once(site, tmp_path, capsys):
    content, address = site
    assert hub.get_dir() == str(tmp_path / "home" / "hub")
    source = models.squeezenet1_1(num_classes=1000)
    tc.save(source.state_dict(), tmp_path / "file")
    body = (tmp_path / "file").read_bytes()
    name = f"tiny-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    content[f"/{name}"] = body
    with mock.patch.object(models.SqueezeNet1_1_Weights.DEFAULT.value, "url", f"{address}/{name}"):
        for _ in range(2):
            model = models.squeezenet1_1(weights="DEFAULT", progress=False)
            content.clear()  # the second time, it is there
    for a, b in zip(model.parameters(), source.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    target = tmp_path / "home" / "hub" / "checkpoints" / name
    assert target.read_bytes() == body
    said = capsys.readouterr()
    assert said.out == f'Downloading: "{address}/{name}" to {target}\n'
    assert said.err == ""


def test_a_damaged_file_is_not_kept(site, tmp_path):
    content, address = site
    tc.save({"w": tc.ones(2)}, tmp_path / "file")
    content["/w-0123456789.pth"] = (tmp_path / "file").read_bytes()
    url = f"{address}/w-0123456789.pth"
    with pytest.raises(RuntimeError, match="SHA256 0123456789"):
        hub.load_state_dict_from_url(url, tmp_path / "here", check_hash=True, progress=False)
    assert list((tmp_path / "here").iterdir()) == []
    state = hub.load_state_dict_from_url(url, tmp_path / "here", file_name="x", progress=False)
    assert state["w"].tolist() == [1.0, 1.0]
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["x"]


def test_old_files():
    """DenseNet's published files have other names, and MNASNet's of version 1 another first width."""
    small = {
        "growth_rate": 4,
        "block_config": (2, 1, 1, 1),
        "num_init_features": 8,
        "num_classes": 3,
    }
    model, other = models.DenseNet(**small), models.DenseNet(**small)
    state = model.state_dict()
    for key in list(state):
        if "denselayer" in key:
            for word in ("norm", "relu", "conv"):
                new = key.replace(f".{word}1.", f".{word}.1.").replace(f".{word}2.", f".{word}.2.")
                if new != key:
                    state[new] = state.pop(key)
    other.load_state_dict(state)
    np.testing.assert_array_equal(
        other.features.denseblock1.denselayer2.conv2.weight.detach().numpy(),
        model.features.denseblock1.denselayer2.conv2.weight.detach().numpy(),
    )

    model = models.MNASNet(0.5, 3)
    model.load_state_dict(
        dict(model.state_dict())
    )  # a file that does not tell its version is of this one
    old = theirs.MNASNet(0.5, 3)
    state = theirs.MNASNet(0.5, 3).state_dict()
    for wide, shape in [(0, (32,)), (1, (32,)), (3, (32,)), (4, (32,)), (6, (16, 32)), (7, (16,))]:
        for key in [k for k in state if k.startswith(f"layers.{wide}.") and state[k].ndim]:
            state[key] = torch.ones(shape + tuple(state[key].shape[len(shape) :]))
    first = "layers.8.0.layers."
    for n, shape in [(0, (48, 16)), (1, (48,)), (3, (48,)), (4, (48,)), (6, (16, 48))]:
        for key in [k for k in state if k.startswith(f"{first}{n}.") and state[k].ndim]:
            state[key] = torch.ones(shape + tuple(state[key].shape[len(shape) :]))
    metadata = {**state._metadata, "": {"version": 1}}
    own = type(state)((k, tc.from_numpy(v.numpy())) for k, v in state.items())
    state._metadata = own._metadata = metadata
    for m, s in ((old, state), (model, own)):
        with pytest.warns(UserWarning, match="A new version of MNASNet model has been implemented"):
            m.load_state_dict(s)
    assert str(model) == str(old)
    assert model.state_dict()._metadata[""] == {"version": 1}


# ── what networks share ──

X = RNG.standard_normal((2, 4, 6, 5))
LAYERS = [
    lambda o, nn: o.Conv2dNormActivation(4, 6),
    lambda o, nn: o.Conv2dNormActivation(
        4, 6, (3, 5), dilation=2, norm_layer=None, activation_layer=nn.Sigmoid, inplace=None
    ),
    lambda o, nn: o.Conv2dNormActivation(
        4, 8, 3, dilation=(1, 2), groups=2, norm_layer=lambda n: nn.GroupNorm(2, n), bias=True
    ),
    lambda o, nn: o.Conv2dNormActivation(4, 6, 1, 2, 1, activation_layer=None),
    lambda o, nn: o.SqueezeExcitation(4, 2),
    lambda o, nn: o.SqueezeExcitation(4, 2, nn.SiLU, nn.Tanh),
    lambda o, nn: nn.Sequential(o.Permute([0, 2, 3, 1]), o.MLP(4, [5, 3], dropout=0.3)),
    lambda o, nn: nn.Sequential(
        o.Permute([0, 2, 3, 1]), o.MLP(4, [5, 6, 3], nn.LayerNorm, nn.GELU, bias=False)
    ),
    lambda o, nn: o.MLP(5, [3], inplace=True),
    lambda o, nn: o.FrozenBatchNorm2d(4, 1e-3),
    lambda o, nn: o.StochasticDepth(0.4, "row"),
    lambda o, nn: o.StochasticDepth(0.4, "batch"),
    lambda o, nn: o.StochasticDepth(0.0, "row"),
    lambda o, nn: o.StochasticDepth(1.0, "row"),
]


@pytest.mark.parametrize("make", LAYERS, ids=range(len(LAYERS)))
def test_layers(make):
    expected, layer = seeded(lambda: make(torchvision.ops, torch.nn), lambda: make(ops, tc.nn))
    assert str(layer) == str(expected)
    expected.double(), layer.double()
    if isinstance(layer, ops.FrozenBatchNorm2d):
        state = {
            k: RNG.random(4)
            for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        }
        expected.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
        layer.load_state_dict({k: tc.tensor(v) for k, v in state.items()})
    for _ in range(3):
        x, y = torch.tensor(X, requires_grad=True), tc.tensor(X, requires_grad=True)
        a, b = expected(x), layer(y)
        close(a, b, "output")
        (a * a).sum().backward(), (b * b).sum().backward()
        close(x.grad, y.grad, "gradient")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2), (-1, 2), (0.5, 0.5)])
def test_focal_loss(reduction, alpha, gamma):
    targets = RNG.integers(0, 2, X.shape).astype(float)
    x, y = torch.tensor(X, requires_grad=True), tc.tensor(X, requires_grad=True)
    a = torchvision.ops.sigmoid_focal_loss(x, torch.tensor(targets), alpha, gamma, reduction)
    b = ops.sigmoid_focal_loss(y, tc.tensor(targets), alpha, gamma, reduction)
    close(a, b, "loss")
    a.sum().backward(), b.sum().backward()
    close(x.grad, y.grad, "gradient")


CORNERS = RNG.random((2, 7, 4)) * 10
CORNERS[..., 2:] += CORNERS[..., :2]


@pytest.mark.parametrize("fmt", ["xyxy", "xywh", "cxcywh"])
def test_boxes(fmt):
    their = torchvision.ops
    t, x = torch.tensor(CORNERS), tc.tensor(CORNERS)
    for out in ("xyxy", "xywh", "cxcywh"):
        close(their.box_convert(t, fmt, out), ops.box_convert(x, fmt, out), out)
    close(their.box_area(t, fmt), ops.box_area(x, fmt), "area")
    close(their.box_iou(t[0, :5], t[1], fmt), ops.box_iou(x[0, :5], x[1], fmt), "iou")
    close(their.box_iou(t, t, fmt), ops.box_iou(x, x, fmt), "batches")
    close(their.clip_boxes_to_image(t, (7, 9)), ops.clip_boxes_to_image(x, (7, 9)), "clip")
    assert (
        their.remove_small_boxes(t[0], 5.0).tolist() == ops.remove_small_boxes(x[0], 5.0).tolist()
    )
    for kind in ("float32", "float16", "uint8", "int64"):
        areas = (
            their.box_area(t.to(getattr(torch, kind)), fmt),
            ops.box_area(x.to(getattr(tc, kind)), fmt),
        )
        assert str(areas[0].dtype).partition(".")[2] == str(areas[1].dtype).partition(".")[2]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_nms(threshold):
    boxes = torch.tensor(RNG.random((60, 4)) * 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = torch.tensor(RNG.random(60).round(1))  # with ties
    overlaps = torchvision.ops.box_iou(boxes, boxes) > threshold
    kept = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if not overlaps[i, kept].any():
            kept.append(i)
    found = ops.nms(tc.tensor(boxes.numpy()), tc.tensor(scores.numpy()), threshold)
    assert found.dtype == tc.int64
    assert found.tolist() == kept
    assert ops.nms(tc.zeros(0, 4), tc.zeros(0), threshold).tolist() == []


REFUSED_OPS = [
    lambda o, x: o.stochastic_depth(x, 1.5, "row"),
    lambda o, x: o.stochastic_depth(x, 0.5, "rows"),
    lambda o, x: o.sigmoid_focal_loss(x, x, alpha=2),
    lambda o, x: o.sigmoid_focal_loss(x, x, reduction="none "),
    lambda o, x: o.box_convert(x, "xyxy", "yxyx"),
    lambda o, x: o.box_area(x, "yxyx"),
]


@pytest.mark.parametrize("call", REFUSED_OPS, ids=range(len(REFUSED_OPS)))
def test_refused_by_functions(call):
    with pytest.raises(Exception) as expected:
        call(torchvision.ops, torch.ones(2, 4))
    with pytest.raises(expected.type) as caught:
        call(ops, tc.ones(2, 4))
    assert str(caught.value)[:30] == str(expected.value)[:30]


@pytest.mark.parametrize("name", ops.__all__)
def test_arguments_of_functions(name):
    expected, found = (
        inspect.signature(getattr(o, name)).parameters.values() for o in (torchvision.ops, ops)
    )
    assert [p.name for p in found] == [p.name for p in expected]
    for p, q in zip(expected, found, strict=True):
        if isinstance(p.default, type):
            assert p.default.__name__ == q.default.__name__
        else:
            assert p.default == q.default
