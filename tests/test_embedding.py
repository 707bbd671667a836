"""Tables of vectors, and distances between vectors, against torch."""

from __future__ import annotations

import numpy as np
import opinfo
import pytest
import torch
from opinfo import Op
from twins import agree, array, same_error

import tinyconv as tc
from tinyconv.ops.take import add_slices

INDEX = [[1, 2, 1], [0, 4, 1]]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["embedding", "normalize", "cosine_similarity", "pairwise_distance"]
)
def test_samples(name, dtype):
    # p = 0.5 loses digits
    loose = (1e-5, 1e-5) if (name, dtype) == ("normalize", "float32") else None
    opinfo.check_samples(Op(f"nn.functional.{name}"), dtype, tolerance=loose)


def test_refusals():
    opinfo.check_errors("nn.functional.embedding")


def test_one_hot_samples():
    opinfo.check_samples(Op("nn.functional.one_hot"), "int64")


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 1}, {"padding_idx": -1}])
@pytest.mark.parametrize("by_frequency", [False, True])
@pytest.mark.parametrize("index", [INDEX, [2], [], 3])
def test_embedding(settings, by_frequency, index):
    def story(lib, w):
        rows = lib.tensor(index, dtype=lib.int64)
        return lib.nn.functional.embedding(rows, w, scale_grad_by_freq=by_frequency, **settings)

    # torch has no second gradient by frequency, nor of an empty index
    agree(story, normal(5, 3), second=not by_frequency and index != [])


@pytest.mark.parametrize("p", [2.0, 1.0])
def test_long_rows_are_cut(p):
    tables = []
    for lib in (torch, tc):
        w = lib.tensor(normal(5, 3) * 3, requires_grad=True)
        y = lib.nn.functional.embedding(lib.tensor(INDEX), w, max_norm=1.5, norm_type=p)
        y.sum().backward()
        tables += [array(w), array(w.grad), array(y)]
    for theirs, ours in zip(tables[:3], tables[3:], strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("shape", [(3, 4, 2), (1, 7, 1), (2, 0, 3)])
def test_loop_and_definition(shape):
    g = normal(*shape)
    index = np.random.default_rng(0).integers(0, 3, shape[1])
    loop, definition = np.zeros((shape[0], 3, shape[2])), np.zeros((shape[0], 3, shape[2]))
    add_slices(g, index, loop)
    add_slices.definition(np, g, index, definition)
    np.testing.assert_allclose(loop, definition)


@pytest.mark.parametrize(
    ("story", "hint"),
    [
        (lambda lib, f, w: f(lib.tensor([5]), w), "5 rows"),
        (lambda lib, f, w: f(lib.tensor([-1]), w), "numbered from 0"),
        (lambda lib, f, w: f(lib.tensor([1.0]), w), r"input\.long\(\)"),
        (lambda lib, f, w: f(lib.tensor([1]), w[0]), "row"),
        (lambda lib, f, w: f(lib.tensor([1]), w, padding_idx=5), ""),
        (lambda lib, f, w: f([1], w), r"tensor\(\.\.\.\)"),
    ],
)
def test_embedding_errors(story, hint):
    same_error(lambda lib: story(lib, lib.nn.functional.embedding, lib.zeros(5, 3)), hint)


@pytest.mark.parametrize(
    ("classes", "n"), [([1, -1], -1), ([1, 3], 3), ([1.0], 3), ([2], 0), ([], -1)]
)
def test_one_hot_errors(classes, n):
    def story(lib):
        kind = lib.float32 if classes == [1.0] else lib.int64
        return lib.nn.functional.one_hot(lib.tensor(classes, dtype=kind), n)

    same_error(story)


# ── distances ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_distances(p):
    curved = p not in (1.0, float("inf"))
    for story in (
        lambda lib, x, y: lib.nn.functional.pairwise_distance(x, y, p),
        lambda lib, x, y: lib.nn.functional.normalize(x * y, p, dim=0),
    ):
        agree(story, normal(4, 3), normal(3), second=curved)


def test_cosine():
    f = "cosine_similarity"
    agree(lambda lib, x, y: getattr(lib.nn.functional, f)(x, y), normal(4, 3), normal(1, 3))
    agree(lambda lib, x, y: getattr(lib.nn.functional, f)(x, y, -2), normal(4, 3), normal(3))
    agree(lambda lib, x, y: getattr(lib.nn.functional, f)(x, y, 0), normal(0, 3), normal(0, 3))


def test_zero_vectors():
    zero = np.zeros((2, 3))
    agree(lambda lib, x: lib.nn.functional.normalize(x), zero, second=False)


@pytest.mark.parametrize(
    "story",
    [
        lambda lib: lib.nn.functional.cosine_similarity(lib.zeros(3, 4), lib.zeros(3, 5)),
        lambda lib: lib.nn.functional.cosine_similarity(lib.arange(3), lib.arange(3), 0),
        lambda lib: lib.nn.functional.pairwise_distance(lib.zeros(3, 4), lib.zeros(3, 5)),
        lambda lib: lib.nn.functional.normalize(lib.arange(3), dim=0),
    ],
)
def test_distance_errors(story):
    same_error(story)
