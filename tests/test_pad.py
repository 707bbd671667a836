"""Padding against torch."""

from __future__ import annotations

import numpy as np
import opinfo
import pytest
from opinfo import Op
from twins import agree, same_error

import tinyconv as tc

MODES = ["constant", "reflect", "replicate", "replicate_negative", "circular"]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", MODES)
def test_samples(mode, dtype):
    opinfo.check_samples(Op("nn.functional.pad", mode), dtype)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(1, 2), (0, 0), (3, 0), (-1, 2), (2, -1), (-1, -1)])
def test_one_dimension(mode, pad):
    agree(lambda lib, x: lib.nn.functional.pad(x, pad, mode=mode), normal(2, 3, 5))
    agree(lambda lib, x: lib.nn.functional.pad(x, pad, mode=mode), normal(3, 5))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(1, 2, 0, 3), (-1, 2, 1, -2), (0, 0, 1, 1), (4, 4, 3, 3)])
def test_two_dimensions(mode, pad):
    agree(lambda lib, x: lib.nn.functional.pad(x, pad, mode=mode), normal(2, 3, 4, 5))
    agree(lambda lib, x: lib.nn.functional.pad(x, pad, mode=mode), normal(3, 4, 5))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_three_dimensions(mode):
    agree(lambda lib, x: lib.nn.functional.pad(x, (1, 0, 2, 1, 1, 1), mode), normal(1, 2, 3, 4, 5))


def test_constant():
    agree(lambda lib, x: lib.nn.functional.pad(x, (1, 1), value=2.5), normal(3))
    agree(lambda lib, x: lib.nn.functional.pad(x.T[::2], (1, 1, 0, 2)), normal(4, 3))
    agree(lambda lib, x: lib.nn.functional.pad(x, (1, 1), "constant", 1), normal(0, 3))
    assert tc.nn.functional.pad(tc.arange(2), (1, 1), value=2.5).tolist() == [2, 0, 1, 2]
    assert tc.nn.functional.pad(tc.tensor([True]), (1, 0)).tolist() == [False, True]


def test_a_copy_even_if_there_is_nothing_to_do():
    for mode in ("constant", "reflect"):
        x = tc.ones(2, 3)
        tc.nn.functional.pad(x, (0, 0), mode=mode).zero_()
        assert x.all()


@pytest.mark.parametrize(
    ("shape", "pad", "mode"),
    [
        ((2, 3, 4, 5), (1,), "constant"),
        ((2, 3), (1, 2, 3, 4, 5, 6), "constant"),
        ((2, 3), (-2, -2), "constant"),
        ((2, 3), 1, "constant"),
        ((2, 3, 4, 5), (1, 1, 1, 1), "mirror"),
        ((2, 3, 4, 5), (1, 1), "reflect"),
        ((5,), (1, 1), "circular"),
        ((2, 3, 4, 5), (5, 1, 1, 1), "reflect"),
        ((2, 3, 4, 5), (1, 1, 4, 1), "reflect"),
        ((2, 3, 5), (1, 5), "reflect"),
        ((2, 3, 4, 5), (6, 1, 1, 1), "circular"),
        ((2, 3, 4, 5), (-7, 0, 1, 1), "replicate"),
        ((2, 3, 0, 5), (1, 1, 1, 1), "replicate"),
        ((2, 3, 0), (1, 1), "reflect"),
    ],
)
def test_errors(shape, pad, mode):
    same_error(lambda lib: lib.nn.functional.pad(lib.zeros(shape), pad, mode))


def test_a_border_of_the_image_takes_no_value():
    same_error(lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (1, 1), "reflect", 1.0), "border")
