"""Windows as columns, and back, against torch."""

from __future__ import annotations

from itertools import product

import numpy as np
import opinfo
import pytest
from opinfo import Op
from twins import agree, same_error

GRID = list(product((2, (3, 1)), (1, (2, 1)), (0, (1, 2)), (1, (2, 3))))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_samples(dtype):
    opinfo.check_samples(Op("nn.functional.unfold"), dtype)


@pytest.mark.parametrize(("k", "d", "p", "s"), GRID)
def test_there_and_back(k, d, p, s):
    def there(lib, x):
        return lib.nn.functional.unfold(x, k, d, p, s)

    def back(lib, x):
        return lib.nn.functional.fold(there(lib, x), (6, 7), k, d, p, s)

    agree(there, normal(2, 3, 6, 7))
    agree(back, normal(2, 3, 6, 7))
    agree(back, normal(3, 6, 7))


def test_layouts():
    agree(lambda lib, x: lib.nn.functional.unfold(x.transpose(1, 3), 2), normal(2, 5, 4, 3))
    agree(lambda lib, x: lib.nn.functional.fold(x.transpose(1, 2), 3, 2), normal(2, 4, 8))
    agree(lambda lib, x: lib.nn.functional.unfold(x, 2), normal(0, 2, 4, 4))
    agree(lambda lib, x: lib.nn.functional.fold(x, (3, 3), 2), normal(0, 4, 4))


def test_node():
    def story(lib, x):
        columns = lib.nn.functional.unfold(x, 2)
        image = lib.nn.functional.fold(columns, (3, 3), 2)
        names = [getattr(y.grad_fn, "name", "") for y in (columns, image)]
        names = [n if isinstance(n, str) else n() for n in names]
        assert names == ["Im2ColBackward0", "Col2ImBackward0"]
        return image

    agree(story, normal(1, 1, 3, 3))


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((1, 2, 2, 2), (3,)),
        ((2, 0, 4, 4), (2,)),
        ((1, 2, 4, 4), (0,)),
        ((1, 2, 4, 4), (2, 0)),
        ((1, 2, 4, 4), (2, 1, -1)),
        ((1, 2, 4, 4), (2, 1, 0, 0)),
        ((1, 2, 4, 4), ((2, 2, 2),)),
    ],
)
def test_unfold_errors(shape, settings):
    same_error(lambda lib: lib.nn.functional.unfold(lib.zeros(shape), *settings))


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((1, 5, 4), ((3, 3), 2)),
        ((1, 4, 5), ((3, 3), 2)),
        ((1, 4, 4), ((1, 1), 2)),
        ((1, 4, 4), ((3, 3), 0)),
        ((1, 4, 4), ((3, 3), 2, 0)),
        ((1, 4, 4), ((3, 3), 2, 1, -1)),
        ((1, 4, 4), ((3, 3), 2, 1, 0, 0)),
        ((1, 4, 4), ((3, 3, 3), 2)),
    ],
)
def test_fold_errors(shape, settings):
    same_error(lambda lib: lib.nn.functional.fold(lib.zeros(shape), *settings))


@pytest.mark.parametrize(("name", "shape"), [("unfold", (1, 2, 4, 4)), ("fold", (1, 4, 4))])
def test_no_integers(name, shape):
    settings = (2,) if name == "unfold" else (3, 2)
    same_error(
        lambda lib: getattr(lib.nn.functional, name)(lib.zeros(shape, dtype=lib.int64), *settings)
    )
