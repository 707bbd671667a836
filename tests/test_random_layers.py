"""Layers and functions that draw: torch's numbers for torch's seed, bit for bit, wherever they lie in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from stories import check

import tinyconv as tc

A = np.random.default_rng(0).standard_normal(2520).astype("float32")
DTYPES = ("float32", "float64", "bfloat16", "float16")


def given(lib, dtype, shape):
    return lib.tensor(A[: int(np.prod(shape))].reshape(shape)).to(getattr(lib, dtype))


def assert_equal(tell):
    """The same bits from both libraries."""
    found = []
    for lib in (torch, tc):
        lib.manual_seed(7)
        found.append(tell(lib).detach().double().numpy())
    assert np.array_equal(*found)


# ── dropouts ──────────────────────────────────────────────────────────────────────────────────

VIEWS = {
    "whole": ((4, 6, 5, 3), lambda x: x),
    "vectors": ((40, 30), lambda x: x),
    "turned": ((30, 40), lambda x: x.t()),
    "gaps": ((4, 6, 10), lambda x: x[:, :, ::2]),
    "volumes": ((2, 6, 5, 3, 4), lambda x: x.transpose(2, 3)),
}
DROPOUTS = "alpha_dropout feature_alpha_dropout dropout1d dropout2d dropout3d"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DROPOUTS.split())
def test_dropouts(name, dtype, view):
    shape, look = VIEWS[view]
    if name == "dropout1d" and len(shape) > 3:
        return
    for p in (0.25, 0.73):
        for inplace in (False, True):

            def tell(lib, p=p, inplace=inplace):
                function = getattr(lib.nn.functional, name)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of unusual numbers of dimensions
                    return function(look(given(lib, dtype, shape)), p, True, inplace)

            assert_equal(tell)


@pytest.mark.parametrize("name", DROPOUTS.split())
def test_nothing_everything_and_evaluation(name):
    for p, training in ((0.0, True), (1.0, True), (0.5, False)):

        def tell(lib, p=p, training=training):
            x = given(lib, "float32", (2, 3, 4)).requires_grad_()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y = getattr(lib.nn.functional, name)(x, p, training)
            y.sum().backward()
            return [y, x.grad]

        check(tell)


@pytest.mark.parametrize(
    "tell",
    [
        lambda m: m.nn.functional.dropout1d(m.ones(2)),
        lambda m: m.nn.functional.feature_alpha_dropout(m.ones(2), 0.5, True),
        lambda m: m.feature_dropout(m.ones(2), 0.5, True),
        lambda m: m.nn.functional.alpha_dropout(m.ones(2), 1.5, True),
        lambda m: m.nn.functional.alpha_dropout(m.tensor([1, 2]), 0.5, True),
        lambda m: m.nn.functional.dropout(m.tensor([1, 2])),
        lambda m: m.nn.functional.feature_alpha_dropout(m.tensor([1, 2]), 0.5, False),
        lambda m: m.nn.functional.rrelu(m.ones(2), 0.5, 0.2),
        lambda m: m.nn.functional.rrelu(m.tensor([1, 2]), training=True),
        lambda m: m.nn.functional.rrelu(-m.ones(2).half(), training=True),
        lambda m: m.nn.functional.rrelu(-m.ones(2).half()),
    ],
)
def test_refusals(tell):
    check(tell)


@pytest.mark.parametrize(("name", "shape"), [("2", (2, 3)), ("2", (2, 3, 4)), ("3", (2, 3, 4))])
def test_unusual_dimensions_warn(name, shape):
    for lib in (torch, tc):
        with pytest.warns(UserWarning, match=f"dropout{name}d: Received a {len(shape)}-?D input"):
            getattr(lib.nn.functional, f"dropout{name}d")(lib.ones(*shape))


# ── slopes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("view", ["vectors", "turned", "gaps"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_rrelu(dtype, view):
    shape, look = VIEWS[view]
    for bounds in ((), (0.1, 0.37)):
        for inplace in (False, True):

            def tell(lib, bounds=bounds, inplace=inplace):
                x = look(given(lib, dtype, shape))
                limits = dict(zip(("lower", "upper"), bounds, strict=False))
                return lib.nn.functional.rrelu(x, training=True, inplace=inplace, **limits)

            assert_equal(tell)


# ── fills ─────────────────────────────────────────────────────────────────────────────────────

FILLS = {
    "normal_": (1.0, 2.0),
    "uniform_": (),
    "bernoulli_": (0.3,),
    "exponential_": (2.0,),
    "random_": (0, 100),
    "log_normal_": (0.0, 0.5),
    "cauchy_": (1.0, 2.0),
    "geometric_": (0.2,),
}
PLACES = {
    "whole": lambda x: x,
    "turned": lambda x: x.t(),
    "gaps": lambda x: x[:, ::2],
    "rows": lambda x: x[::2],
    "a column": lambda x: x[:, :1],
    "turned, gaps": lambda x: x.t()[::3],
    "permuted": lambda x: x.reshape(4, 3, 5, 7)[:, :, :, :6].permute(2, 0, 3, 1),
    "few": lambda x: x[:3, :4].t(),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FILLS)
def test_fills(name, place):
    for dtype in DTYPES + ("int64",) * (name in ("random_", "geometric_", "bernoulli_")):

        def tell(lib, dtype=dtype):
            x = lib.zeros(20, 21).to(getattr(lib, dtype))
            for _ in range(2):
                getattr(PLACES[place](x), name)(*FILLS[name])
            return x

        assert_equal(tell)


def test_initialisation_of_a_view():
    def tell(lib):
        x = lib.zeros(20, 21)
        lib.nn.init.normal_(x[:, ::2], 1.0, 2.0)
        lib.nn.init.uniform_(x.t()[::2])
        return x

    assert_equal(tell)


def test_the_largest_logarithmic_normal_is_infinite():
    assert tc.zeros(4).double().log_normal_(1000.0, 1e-9).isinf().all()


def test_slopes_of_a_generator():
    def tell(lib):
        g = lib.Generator().manual_seed(3)
        return lib.rrelu(given(lib, "float32", (4, 5)), 0.2, 0.3, True, g)

    assert_equal(tell)


@pytest.mark.parametrize(
    "settings", [{}, {"tau": 0.7, "dim": 0}, {"hard": True}, {"hard": True, "dim": -2}]
)
def test_gumbel_softmax(settings):
    def tell(lib):
        x = given(lib, "float32", (2, 3, 4)).requires_grad_()
        y = lib.nn.functional.gumbel_softmax(x, **settings)
        (y * lib.arange(24.0).reshape(2, 3, 4).cos()).sum().backward()
        return lib.cat([y, x.grad])

    check(tell)
