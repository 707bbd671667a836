"""The layers that networks share, and boxes, against the real torchvision."""

from __future__ import annotations

import inspect

import pytest
import torch
from networks import RNG, close, seeded
from real_torchvision import torchvision

import tinyconv as tc
from tinyconv.vision import ops

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
