"""Published weights of networks: what they say of themselves, how they are asked for, and how they are fetched."""

from __future__ import annotations

import hashlib
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest import mock

import numpy as np
import pytest
import torch
from networks import RNG, without_first_values
from PIL import Image
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import download, hub, models

theirs = torchvision.models
KINDS = sorted(
    {models.get_model_weights(n) for n in models.list_models()}, key=lambda k: k.__name__
)


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
