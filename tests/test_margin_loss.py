"""Losses of margins and likelihoods beside torch's: what they refuse, the names of their nodes, their layers.

Values and gradients are those of ``optable.py`` and of torch's own samples.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from stories import Stories, check

import tinyconv as tc

STORIES = Stories()


def scores(lib, *shape):
    return lib.linspace(-1.0, 2.0, max(1, int(torch.Size(shape).numel()))).reshape(shape)


def longs(lib, *values):
    return lib.tensor(values)


# ── what is refused, and what is not ──────────────────────────────────────────────────────────

CALLS = {
    "multi_margin_loss": [
        lambda m, f: f(scores(m, 3, 4), longs(m, 0, 1, 4)),
        lambda m, f: f(scores(m, 3, 4), longs(m, 0, -1, 3)),
        lambda m, f: f(scores(m, 3, 4), longs(m, 0, 1)),
        lambda m, f: f(scores(m, 3, 4), longs(m, 0, 1, 2).int()),
        lambda m, f: f(scores(m, 3, 4), longs(m, 0, 1, 2), weight=m.ones(3)),
        lambda m, f: f(scores(m, 3, 4).long(), longs(m, 0, 1, 2)),
        lambda m, f: f(scores(m, 3, 4).half(), longs(m, 0, 1, 2)),
        lambda m, f: f(scores(m, 3, 4, 2), longs(m, 0, 1, 2)),
        lambda m, f: f(scores(m, 4), m.tensor(1), reduction="none"),
        lambda m, f: f(scores(m, 4), longs(m, 1), reduction="none"),
        lambda m, f: f(scores(m), longs(m, 0), reduction="none"),
        lambda m, f: f(scores(m, 2, 4), longs(m, 0, 3), weight=scores(m, 4), reduction="none"),
    ],
    "multilabel_margin_loss": [
        lambda m, f: f(scores(m, 4), longs(m, 0, 4, 2, -1)),
        lambda m, f: f(scores(m, 4), longs(m, 0, 1, -2, -1)),
        lambda m, f: f(scores(m, 4), longs(m, 0, 1, -1)),
        lambda m, f: f(scores(m, 4), m.ones(4)),
        lambda m, f: f(scores(m, 4), longs(m, 2, 2, -1, 0), reduction="none"),
        lambda m, f: f(scores(m), m.tensor(0), reduction="none"),
    ],
    "multilabel_soft_margin_loss": [
        lambda m, f: f(scores(m), m.tensor(1.0)),
        lambda m, f: f(scores(m, 2, 3), m.ones(2, 3), reduction="x"),
        lambda m, f: f(scores(m, 2, 3), m.ones(2, 3), weight=scores(m, 3)),
    ],
    "soft_margin_loss": [
        lambda m, f: f(longs(m, 1, 2), longs(m, 1, -1)),
        lambda m, f: f(scores(m, 2), scores(m, 2).double()),
        lambda m, f: f(scores(m, 2), longs(m, 1, -1), reduction="none"),
        lambda m, f: f(scores(m, 2, 3), scores(m, 3), reduction="none"),
    ],
    "hinge_embedding_loss": [
        lambda m, f: f(scores(m, 3), longs(m, 1, -1, 0), reduction="none"),
        lambda m, f: f(longs(m, 1, 3, 2), longs(m, 1, -1, 0), 2.5, reduction="none"),
        lambda m, f: f(longs(m, 1, 3, 2), longs(m, 1, -1, 0)),
        lambda m, f: f(scores(m, 3), scores(m, 2, 3), reduction="sum"),
    ],
    "margin_ranking_loss": [
        lambda m, f: f(scores(m, 3), scores(m, 3), scores(m, 3, 1)),
        lambda m, f: f(longs(m, 1, 2), longs(m, 3, 1), longs(m, 1, 1), reduction="none"),
    ],
    "cosine_embedding_loss": [
        lambda m, f: f(scores(m, 3, 2), scores(m, 3, 2), m.tensor(1)),
        lambda m, f: f(scores(m, 3, 2), scores(m, 2), longs(m, 1, 1, 1)),
        lambda m, f: f(scores(m, 3, 2), scores(m, 3, 2), m.ones(3, 2)),
        lambda m, f: f(scores(m, 3), scores(m, 3) * 2, m.tensor(-1), 0.2),
        lambda m, f: f(scores(m, 3, 2).long(), scores(m, 3, 2).long() + 1, m.ones(3)),
    ],
    "triplet_margin_loss": [
        lambda m, f: f(scores(m, 3, 2), scores(m, 2), scores(m, 3, 2)),
        lambda m, f: f(scores(m, 3, 2), scores(m, 3, 2), scores(m, 3, 2), margin=0),
        lambda m, f: f(longs(m, 1, 2), longs(m, 3, 4), longs(m, 1, 1)),
    ],
    "poisson_nll_loss": [
        lambda m, f: f(longs(m, 1, 2), longs(m, 0, 3), full=True, reduction="none"),
        lambda m, f: f(scores(m, 3), scores(m, 3), reduction="x"),
    ],
    "gaussian_nll_loss": [
        lambda m, f: f(scores(m, 3), scores(m, 3), -1.0),
        lambda m, f: f(scores(m, 3), scores(m, 3), 1),
        lambda m, f: f(scores(m, 3), scores(m, 3), 0.5, full=True),
        lambda m, f: f(scores(m, 3), scores(m, 3), scores(m, 3)),
        lambda m, f: f(scores(m, 3), scores(m, 3), m.ones(2)),
        lambda m, f: f(scores(m, 2, 3), scores(m, 2, 3), m.ones(2)),
        lambda m, f: f(scores(m, 3), scores(m, 3), m.zeros(3), eps=0.5),
    ],
    "bilinear": [
        lambda m, f: f(scores(m, 3, 4), scores(m, 2), scores(m, 5, 4, 2)),
        lambda m, f: f(scores(m, 3, 4), scores(m, 2, 2), scores(m, 5, 4, 2)),
        lambda m, f: f(scores(m, 3, 3), scores(m, 3, 2), scores(m, 5, 4, 2)),
        lambda m, f: f(scores(m, 3, 4), scores(m, 3, 3), scores(m, 5, 4, 2)),
        lambda m, f: f(scores(m, 3, 4), scores(m, 3, 2), scores(m, 5, 4)),
        lambda m, f: f(scores(m, 3, 4), scores(m, 3, 2), scores(m, 5, 4, 2), m.ones(4)),
        lambda m, f: f(scores(m, 3, 4), scores(m, 3, 2).double(), scores(m, 5, 4, 2)),
        lambda m, f: f(longs(m, 1, 2), longs(m, 1, 2), m.ones(3, 2, 2).long()),
    ],
    "rms_norm": [
        lambda m, f: f(m.ones(3, 4).long(), (4,)),
        lambda m, f: f(scores(m, 3, 4).half(), (4,), m.ones(4).half()),
        lambda m, f: f(scores(m, 3, 4) * 1e-4, (4,)),
        lambda m, f: f(scores(m, 3, 0), (0,)),
    ],
    "local_response_norm": [lambda m, f: f(scores(m, 3, 4), 2)],
    "pdist": [
        lambda m, f: f(scores(m, 3, 2), -1),
        lambda m, f: f(scores(m, 3)),
        lambda m, f: f(longs(m, 1, 2).reshape(2, 1)),
        lambda m, f: f(scores(m, 1, 2)),
        lambda m, f: f(scores(m, 4, 2), float("inf")),
    ],
    "grid_sample": [
        lambda m, f: f(scores(m, 1, 1, 3), scores(m, 1, 2, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 2, 1, 3, 3), scores(m, 1, 2, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 2, 2, 3), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 0, 3), scores(m, 1, 2, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 2, 2, 2).double(), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 3, 3).long(), scores(m, 1, 2, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 2, 2, 2), mode="x"),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 2, 2, 2), padding_mode="x"),
        lambda m, f: f(scores(m, 1, 1, 3, 3), scores(m, 1, 0, 2, 2), align_corners=False),
        lambda m, f: f(scores(m, 1, 1, 1, 1), scores(m, 1, 2, 2, 2) * 3, "bilinear", "reflection", True),
    ],
    "affine_grid": [
        lambda m, f: f(scores(m, 1, 2, 3), (1, 1, 2), False),
        lambda m, f: f(scores(m, 1, 2, 2), (1, 1, 2, 2), False),
        lambda m, f: f(scores(m, 1, 2, 3).long(), (1, 1, 2, 2), False),
        lambda m, f: f(scores(m, 1, 2, 3), (1, 1, 2, 0), False),
        lambda m, f: f(scores(m, 1, 3, 4), (1, 1, 2, 3, 1), True),
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "call"),
    [(name, call) for name, calls in CALLS.items() for call in calls],
    ids=[f"{name}-{i}" for name, calls in CALLS.items() for i in range(len(calls))],
)
def test_calls(name, call):
    check(lambda lib: call(lib, getattr(lib.nn.functional, name)))


def test_without_align_corners_a_warning_is_given():
    for call in (
        lambda m: m.nn.functional.grid_sample(scores(m, 1, 1, 2, 2), scores(m, 1, 1, 1, 2)),
        lambda m: m.nn.functional.affine_grid(scores(m, 1, 2, 3), (1, 1, 2, 2)),
    ):
        with pytest.warns(UserWarning, match="Default grid_sample and affine_grid behavior"):
            call(tc)


# ── names of nodes, and the functions without nn ──────────────────────────────────────────────

NODES = {
    "hinge_embedding_loss": lambda m, x: m.hinge_embedding_loss(x, m.ones(2, 3), 1.0, 0),
    "margin_ranking_loss": lambda m, x: m.margin_ranking_loss(x, x * 2, m.ones(2, 3), 0.5, 0),
    "cosine_embedding_loss": lambda m, x: m.cosine_embedding_loss(x, x + 1, m.ones(2), 0.0, 2),
    "triplet_margin_loss": lambda m, x: m.triplet_margin_loss(x, x + 1, x - 1, reduction=0),
    "poisson_nll_loss": lambda m, x: m.poisson_nll_loss(x, m.ones(2, 3), True, False, 1e-8, 0),
    "multi_margin_loss": lambda m, x: m.nn.functional.multi_margin_loss(x, longs(m, 0, 1)),
    "multilabel_margin_loss": lambda m, x: m.nn.functional.multilabel_margin_loss(
        x, m.zeros(2, 3).long()
    ),
    "soft_margin_loss": lambda m, x: m.nn.functional.soft_margin_loss(x, m.ones(2, 3)),
    "rms_norm": lambda m, x: m.rms_norm(x, (3,), m.ones(3)),
    "pdist": lambda m, x: m.pdist(x),
    "rrelu": lambda m, x: m.rrelu(x, training=True),
    "alpha_dropout": lambda m, x: m.alpha_dropout(x, 0.5, True),
    "feature_dropout": lambda m, x: m.feature_dropout(x, 0.5, True),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes(name):
    def tell(m):
        m.manual_seed(0)
        x = m.tensor([[0.5, 1.0, -2.0], [1.5, -0.5, 0.25]], requires_grad=True)
        y = NODES[name](m, x)
        y.sum().backward()
        return [y, x.grad, y.grad_fn.name()]

    check(tell)


def test_a_number_stands_for_a_reduction():
    with pytest.raises(TypeError, match="words"):
        tc.hinge_embedding_loss(tc.ones(2), tc.ones(2), 1.0, "mean")


# ── layers ────────────────────────────────────────────────────────────────────────────────────

LAYERS = {
    "HingeEmbeddingLoss": [{"margin": 2.0, "reduction": "sum"}],
    "TripletMarginLoss": [{"margin": 0}, {"p": 1.0, "swap": True, "size_average": False}],
    "TripletMarginWithDistanceLoss": [{"margin": -1}, {}, {"reduction": "x"}],
    "MultiMarginLoss": [{"p": 3}, {"p": 2, "margin": 0.5}],
    "GaussianNLLLoss": [{"full": True, "eps": 0.1, "reduction": "none"}],
    "PoissonNLLLoss": [{"log_input": False, "reduce": False}],
    "HuberLoss": [{"delta": 1j}, {"delta": 2}, {"delta": "1"}],
    "Bilinear": [{"in1_features": 0, "in2_features": 2, "out_features": 1}],
    "RMSNorm": [{"normalized_shape": 3}, {"normalized_shape": (2, 3), "elementwise_affine": False}],
    "LocalResponseNorm": [{"size": 2}, {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.0}],
    "RReLU": [{}, {"lower": 0.2, "upper": 0.3, "inplace": True}],
    "AlphaDropout": [{"p": 1.5}, {"p": 0.2, "inplace": True}],
    "CircularPad3d": [{"padding": 2}],
    "ConstantPad3d": [{"padding": (1, 2, 3, 4, 5, 6), "value": 3.0}],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    for settings in LAYERS[name]:

        def tell(m, settings=settings):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the two flags
                layer = getattr(m.nn, name)(**settings)
            kept = {k: v for k, v in vars(layer).items() if isinstance(v, (str, int, float, tuple))}
            return [repr(layer), sorted((k, v) for k, v in kept.items() if k[0] != "_")]

        check(tell)


def test_bilinear_starts_with_torchs_numbers():
    def tell(m):
        m.manual_seed(0)
        layer = m.nn.Bilinear(5, 4, 3)
        other = m.nn.Bilinear(5, 4, 3, bias=False)
        return [p.detach() for p in (*layer.parameters(), *other.parameters())]

    check(tell)
