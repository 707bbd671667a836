"""Three dimensions against torch: convolutions, pooling and its way back; the settings of torch's database lie in `conformance`."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from twins import agree, array, same_error

import tinyconv as tc


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def with_equals(*shape: int) -> np.ndarray:
    return np.round(normal(*shape) * 2)


# ── convolution ───────────────────────────────────────────────────────────────────────────────

CONV = [
    ({}, (2, 3, 4, 5, 6), (4, 3, 2, 3, 2)),
    ({"stride": (2, 1, 3), "padding": (1, 0, 2)}, (2, 2, 5, 4, 6), (3, 2, 3, 2, 4)),
    ({"dilation": (2, 1, 2), "padding": 1}, (1, 2, 5, 4, 6), (2, 2, 3, 2, 2)),
    ({"groups": 2}, (2, 4, 3, 4, 4), (6, 2, 2, 2, 2)),
    ({"groups": 3, "padding": 1}, (2, 3, 3, 4, 4), (3, 1, 3, 3, 3)),
    ({"padding": "same"}, (1, 2, 4, 3, 5), (2, 2, 2, 3, 4)),
    ({"padding": "valid"}, (2, 4, 3, 5), (3, 2, 1, 1, 1)),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("settings", "shape", "filters"), CONV, ids=str)
def test_conv3d(settings, shape, filters):
    def story(lib, x, w, b=None):
        return lib.nn.functional.conv3d(x, w, b, **settings)

    agree(story, normal(*shape), normal(*filters), normal(filters[0]))
    agree(story, normal(*shape), normal(*filters), second=False)


TRANSPOSED = [
    ({}, (2, 3, 3, 4, 2), (3, 2, 2, 3, 2)),
    ({"stride": (2, 1, 3), "padding": (1, 0, 2)}, (2, 2, 3, 3, 2), (2, 3, 3, 2, 4)),
    ({"stride": 2, "output_padding": 1}, (1, 2, 3, 2, 2), (2, 1, 2, 2, 3)),
    ({"dilation": 3, "output_padding": (2, 1, 0), "padding": (3, 1, 1)}, (1, 2, 3, 3, 4), (2, 2, 3, 2, 2)),
    ({"groups": 2, "stride": (1, 2, 2)}, (4, 2, 3, 2), (4, 3, 2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "shape", "filters"), TRANSPOSED, ids=str)
def test_conv_transpose3d(settings, shape, filters):
    def story(lib, x, w, b=None):
        return lib.nn.functional.conv_transpose3d(x, w, b, **settings)

    f = filters[1] * settings.get("groups", 1)
    agree(story, normal(*shape), normal(*filters), normal(f))
    agree(story, normal(*shape), normal(*filters), second=False)


def test_results_lie_in_one_piece_under_torchs_names():
    x = tc.ones(2, 2, 4, 4, 4, requires_grad=True)
    w, f = tc.ones(2, 2, 2, 2, 2), tc.nn.functional
    for y, name in (
        (f.conv3d(x, w), "Convolution"),
        (f.conv_transpose3d(x, w), "Convolution"),
        (f.max_pool3d(x, 2), "MaxPool3DWithIndices"),
        (f.avg_pool3d(x, 2), "AvgPool3D"),
        (f.adaptive_avg_pool3d(x, 2), "AdaptiveAvgPool3D"),
        (f.adaptive_avg_pool3d(x, 1), "Mean"),
        (f.adaptive_max_pool3d(x, 2), "AdaptiveMaxPool3D"),
    ):
        assert y.is_contiguous()
        assert y.grad_fn.name().startswith(name + "Backward")


# ── pooling ───────────────────────────────────────────────────────────────────────────────────

GRID = list(
    product((2, (3, 2, 1)), (None, (1, 2, 2)), (0, (1, 1, 0)), (1, (1, 2, 2)), (False, True))
)


@pytest.mark.parametrize(("k", "s", "p", "d", "c"), GRID)
def test_max_pool3d(k, s, p, d, c):
    x = with_equals(2, 2, 5, 6, 7)
    agree(lambda lib, x: lib.nn.functional.max_pool3d(x, k, s, p, d, c), x)
    theirs, ours = (
        lib.nn.functional.max_pool3d(lib.tensor(x[0]), k, s, p, d, c, return_indices=True)
        for lib in (torch, tc)
    )
    np.testing.assert_array_equal(array(ours[0]), array(theirs[0]))
    np.testing.assert_array_equal(array(ours[1]), array(theirs[1]))


@pytest.mark.parametrize(
    ("settings"),
    [
        {"kernel_size": k, "stride": s, "padding": p, "ceil_mode": c, "count_include_pad": i, "divisor_override": v}
        for k, s, p, (c, i), v in product(
            (2, (3, 2, 1)), (None, (1, 2, 2)), (0, (1, 1, 0)), ((False, True), (True, False), (True, True)), (None, 3)
        )
    ],
    ids=str,
)  # fmt: skip
def test_avg_pool3d(settings):
    agree(lambda lib, x: lib.nn.functional.avg_pool3d(x, **settings), normal(2, 2, 4, 5, 6))
    x = np.random.default_rng(0).integers(-50, 50, (2, 2, 4, 5, 6))
    theirs, ours = (lib.nn.functional.avg_pool3d(lib.tensor(x), **settings) for lib in (torch, tc))
    np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.mark.parametrize("out", [1, 2, (3, 2, 5), (7, 7, 7), (None, 3, 1)])
def test_adaptive(out):
    agree(lambda lib, x: lib.nn.functional.adaptive_avg_pool3d(x, out), normal(2, 2, 5, 4, 6))
    x = with_equals(2, 2, 5, 4, 6)
    theirs, ours = (
        lib.nn.functional.adaptive_max_pool3d(lib.tensor(x), out, return_indices=True)
        for lib in (torch, tc)
    )
    np.testing.assert_array_equal(array(ours[0]), array(theirs[0]))
    np.testing.assert_array_equal(array(ours[1]), array(theirs[1]))
    agree(lambda lib, x: lib.nn.functional.adaptive_max_pool3d(x, out), x)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("norm_type", [1, 2, 3.5, float("inf"), -float("inf")])
def test_lp_pool(nd, norm_type):
    x = np.abs(normal(2, 2, *(5,) * nd)) + 0.1
    agree(
        lambda lib, x: getattr(lib.nn.functional, f"lp_pool{nd}d")(x, norm_type, 2, None, True), x
    )


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("told", [False, True])
def test_max_unpool(nd, told):
    size = (2, 2, *(7 if told else 6,) * nd)

    def story(lib, x):
        f = lib.nn.functional
        y, places = getattr(f, f"max_pool{nd}d")(x, 2, return_indices=True)
        layer = getattr(lib.nn, f"MaxUnpool{nd}d")(2)
        return layer(y * y, places, size if told else None)

    agree(story, normal(*size))


# ── integers, bools ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "story",
    [
        lambda f, x: f.max_pool2d(x, 3, 2, 1),
        lambda f, x: f.max_pool2d(x, 2, return_indices=True)[1],
        lambda f, x: f.max_pool3d(x[:, None], (1, 2, 2)),
        lambda f, x: f.avg_pool2d(x, 3, 2, 1),
        lambda f, x: f.avg_pool2d(x, 3, 2, 1, True, False),
        lambda f, x: f.avg_pool1d(x[0], 3, 1, 1),
        lambda f, x: f.unfold(x > 0, 2),
    ],
)
def test_integers(story):
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 5, 6))
    theirs, ours = (story(lib.nn.functional, lib.tensor(x)) for lib in (torch, tc))
    np.testing.assert_array_equal(array(ours), array(theirs))
    assert str(ours.dtype)[9:] == str(theirs.dtype)[6:]


# ── nothing, and refusals ─────────────────────────────────────────────────────────────────────

ANSWERED = [
    lambda f, z: f.conv3d(z(0, 1, 4, 4, 4), z(2, 1, 2, 2, 2)),
    lambda f, z: f.conv_transpose3d(z(0, 1, 4, 4, 4), z(1, 2, 2, 2, 2)),
    lambda f, z: f.max_pool3d(z(0, 1, 4, 4, 4), 2),
    lambda f, z: f.avg_pool3d(z(0, 1, 4, 4, 4), 2),
    lambda f, z: f.adaptive_avg_pool3d(z(0, 1, 4, 4, 4), 3),
    lambda f, z: f.adaptive_max_pool3d(z(0, 4, 4, 4), 3),
    lambda f, z: f.adaptive_avg_pool2d(z(0, 4, 4), 3),
    lambda f, z: f.adaptive_avg_pool2d(z(2, 0, 4, 4), 3),
    lambda f, z: f.adaptive_avg_pool2d(z(4, 4), 1),
    lambda f, z: f.adaptive_avg_pool3d(z(1, 4, 4, 4), (0, 2, 2)),
    lambda f, z: f.adaptive_max_pool3d(z(1, 4, 4, 4), (0, 2, 2)),
    lambda f, z: f.adaptive_max_pool1d(z(0, 4), 3),
    lambda f, z: f.max_pool2d(z(0, 2, 4, 4), 2),
    lambda f, z: f.max_unpool2d(z(0, 2, 2, 2), z(0, 2, 2, 2).long(), 2),
    lambda f, z: f.batch_norm(z(0), None, None, training=True),
    lambda f, z: f.batch_norm(z(0, 3), z(3), z(3), z(3), z(3), training=True),
    lambda f, z: f.instance_norm(z(2, 2, 0)),
    lambda f, z: f.layer_norm(z(3), (3,)),
    lambda f, z: f.layer_norm(z(1), (1,)),
]


@pytest.mark.parametrize("number", range(len(ANSWERED)))
def test_of_nothing(number):
    theirs, ours = (ANSWERED[number](lib.nn.functional, lib.zeros) for lib in (torch, tc))
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert not array(ours).any()


REFUSED = [
    lambda f, z: f.conv3d(z(4, 4, 4), z(1, 1, 2, 2, 2)),
    lambda f, z: f.conv3d(z(1, 1, 4, 4, 4), z(1, 2, 2, 2, 2)),
    lambda f, z: f.conv3d(z(1, 1, 1, 4, 4), z(1, 1, 2, 2, 2)),
    lambda f, z: f.conv3d(z(1, 1, 4, 4, 4), z(1, 1, 2, 2, 2), stride=(1, 1)),
    lambda f, z: f.conv3d(z(1, 1, 4, 4, 4), z(1, 1, 2, 2, 2), z(2)),
    lambda f, z: f.conv1d(z(1, 1, 4), z(1, 2)),
    lambda f, z: f.conv_transpose3d(z(1, 1, 1, 4, 4), z(1, 1, 2, 2, 2), padding=3),
    lambda f, z: f.conv_transpose3d(z(1, 1, 4, 4, 4), z(1, 1, 2, 2, 2), output_padding=1),
    lambda f, z: f.conv_transpose2d(z(0, 4, 4), z(0, 2, 2, 2)),
    lambda f, z: f.max_pool3d(z(4, 4, 4), 2),
    lambda f, z: f.max_pool3d(z(1, 4, 4, 4), (2, 3)),
    lambda f, z: f.max_pool3d(z(1, 4, 4, 4), 2, stride=-1),
    lambda f, z: f.max_pool3d(z(1, 4, 4, 4), 2, dilation=0),
    lambda f, z: f.max_pool3d(z(0, 4, 4, 4), 2),
    lambda f, z: f.max_pool3d(z(1, 1, 4, 4), 2),
    lambda f, z: f.max_pool3d(z(1, 4, 4, 4).bool(), 2),
    lambda f, z: f.avg_pool3d(z(1, 1, 4, 4), 2),
    lambda f, z: f.avg_pool3d(z(1, 4, 4, 4), 2, divisor_override=0),
    lambda f, z: f.avg_pool2d(z(0, 1, 4), 2, padding=-1),
    lambda f, z: f.avg_pool2d(z(1, 4, 4).bool(), 2),
    lambda f, z: f.max_pool2d(z(2, 0, 4, 4), 2),
    lambda f, z: f.max_pool1d(z(4), 2),
    lambda f, z: f.max_pool1d(z(1, 4), 2, padding=-1),
    lambda f, z: f.max_pool1d(z(1, 4), 2, padding=2),
    lambda f, z: f.max_pool1d(z(1, 4), 5),
    lambda f, z: f.max_pool1d(z(1, 4), (2, 2)),
    lambda f, z: f.max_pool1d(z(1, 4).long(), 2),
    lambda f, z: f.avg_pool1d(z(4), 2),
    lambda f, z: f.avg_pool1d(z(1, 4), (2, 2)),
    lambda f, z: f.adaptive_avg_pool3d(z(4, 4, 4), 2),
    lambda f, z: f.adaptive_avg_pool3d(z(2, 0, 4, 4, 4), 2),
    lambda f, z: f.adaptive_avg_pool3d(z(2, 1, 4, 4, 4), (2, 2)),
    lambda f, z: f.adaptive_avg_pool3d(z(2, 1, 4, 4, 4), (2, 2, -1)),
    lambda f, z: f.adaptive_max_pool3d(z(2, 1, 4, 4, 4), (2, 2, -1)),
    lambda f, z: f.adaptive_max_pool2d(z(2, 1, 4, 4), (2,)),
    lambda f, z: f.adaptive_max_pool2d(z(2, 1, 4, 4).long(), 2),
    lambda f, z: f.adaptive_avg_pool1d(z(2, 4), (2, 2)),
    lambda f, z: f.adaptive_avg_pool1d(z(2, 4), None),
    lambda f, z: f.max_unpool2d(z(1, 2, 2), z(1, 2, 2), 2),
    lambda f, z: f.max_unpool2d(z(2, 2), z(2, 2).long(), 2),
    lambda f, z: f.max_unpool2d(z(1, 2, 2), z(1, 2, 1).long(), 2),
    lambda f, z: f.max_unpool2d(z(1, 2, 2), z(1, 2, 2).long() + 16, 2),
    lambda f, z: f.max_unpool2d(z(1, 2, 2), z(1, 2, 2).long(), 2, output_size=(4,)),
    lambda f, z: f.max_unpool3d(z(1, 2, 2, 2), z(1, 2, 2, 2).long(), 2, output_size=(4, 4, 9)),
    lambda f, z: f.max_unpool2d(z(1, 1, 1), z(1, 1, 1).long(), 1, padding=1),
    lambda f, z: f.batch_norm(z(2, 3), z(3), z(3), training=True, eps=0.0),
    lambda f, z: f.batch_norm(z(2, 3), z(3), z(3), eps=-1.0),
    lambda f, z: f.batch_norm(z(3), None, None, training=True),
    lambda f, z: f.instance_norm(z(2, 3, 1)),
    lambda f, z: f.instance_norm(z(2, 3, 4), use_input_stats=False),
    lambda f, z: f.instance_norm(z(0, 2, 4), weight=z(2)),
    lambda f, z: f.instance_norm(z(2, 3, 4), weight=z(2)),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals(number):
    same_error(lambda lib: REFUSED[number](lib.nn.functional, lib.zeros))


def test_a_summary_counts_volumes():
    net = tc.nn.Sequential(tc.nn.Conv3d(1, 4, 3, padding=1), tc.nn.MaxPool3d(2))
    for size in ((1, 8, 8, 8), (1, 1, 8, 8, 8)):
        assert tc.utils.summary(net, size).total_mult_adds == (27 + 1) * 4 * 8**3


def test_another_output_size():
    for lib in (torch, tc):
        layer = lib.nn.ConvTranspose3d(1, 1, 3, 2)
        assert tuple(layer(lib.zeros(1, 1, 2, 2, 2), output_size=[6, 5, 6]).shape)[2:] == (6, 5, 6)
    for size in ((5, 5), (7, 5, 5)):
        same_error(
            lambda lib, size=size: lib.nn.ConvTranspose3d(1, 1, 3, 2)(
                lib.zeros(1, 1, 2, 2, 2), output_size=size
            )
        )
