"""``tinyconv.testing``: the messages of torch, and models beside their twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinyconv as tc
import tinyconv.testing


def t(lib, *values):
    return lib.tensor(values)


nan, inf = float("nan"), float("inf")
PAIRS = {
    "equal": (lambda m: (t(m, 1.0, 2.0), t(m, 1.0, 2.0)), {}),
    "nearly": (lambda m: (t(m, 1.0), t(m, 1.000001)), {}),
    "one off": (lambda m: (t(m, 1.0, 2.0, 3.0), t(m, 1.0, 2.0, 4.0)), {}),
    "numbers in tensors": (lambda m: (m.tensor(1.0), m.tensor(2.0)), {}),
    "numbers": (lambda m: (1.0, 2.0), {}),
    "integers": (lambda m: (1, 2), {}),
    "integer tensors": (lambda m: (t(m, 1, 2), t(m, 1, 3)), {}),
    "integer in tensors": (lambda m: (m.tensor(1), m.tensor(3)), {}),
    "shapes": (lambda m: (t(m, 1.0, 2.0), t(m, 1.0)), {}),
    "types": (lambda m: (t(m, 1.0), t(m, 1.0).double()), {}),
    "types allowed": (lambda m: (t(m, 1.0), t(m, 1.0).double()), {"check_dtype": False}),
    "lists": (lambda m: ([t(m, 1.0), t(m, 2.0)], [t(m, 1.0), t(m, 3.0)]), {}),
    "lengths": (lambda m: ([1], [1, 2]), {}),
    "keys": (lambda m: ({"a": t(m, 1.0)}, {"b": t(m, 1.0)}), {}),
    "values": (lambda m: ({"a": t(m, 1.0)}, {"a": t(m, 2.0)}), {}),
    "deep": (lambda m: ({"x": [t(m, 1.0), 1]}, {"x": [t(m, 1.0), 2]}), {}),
    "none": (lambda m: (None, None), {}),
    "none and one": (lambda m: (None, 1), {}),
    "one and none": (lambda m: (1, None), {}),
    "tensor and number": (lambda m: (m.tensor(1.0), 1.0), {}),
    "tensor and array": (lambda m: (t(m, 1.0), np.ones(1, "f4")), {}),
    "arrays": (lambda m: (np.array([1.0]), np.array([2.0])), {}),
    "texts": (lambda m: ("a", "b"), {}),
    "half a tolerance": (lambda m: (t(m, 1.0), t(m, 2.0)), {"rtol": 1}),
    "a tolerance": (lambda m: (t(m, 1.0), t(m, 2.0)), {"rtol": 0, "atol": 1}),
    "nan": (lambda m: (t(m, nan), t(m, nan)), {}),
    "equal nan": (lambda m: (t(m, nan), t(m, nan)), {"equal_nan": True}),
    "infinity": (lambda m: (t(m, 1.0, inf), t(m, 1.0, 2.0)), {}),
    "infinities": (lambda m: (t(m, inf), t(m, inf)), {}),
    "zero": (lambda m: (t(m, 1.0), t(m, 0.0)), {}),
    "exactly": (lambda m: (t(m, 1.0), t(m, 2.0)), {"rtol": 0, "atol": 0}),
    "booleans": (lambda m: (True, False), {}),
    "boolean tensors": (lambda m: (t(m, True), t(m, False)), {}),
    "a matrix": (lambda m: (m.tensor([[1.0, 2], [3, 4]]), m.tensor([[1.0, 2], [9, 4]])), {}),
    "halves": (lambda m: (t(m, 1.0).half(), t(m, 1.1).half()), {}),
    "kinds of numbers": (lambda m: (1, 1.0), {}),
    "a message": (lambda m: (t(m, 1.0), t(m, 2.0)), {"msg": "no"}),
    "around the message": (lambda m: (t(m, 1.0), t(m, 2.0)), {"msg": lambda text: f"<{text}>"}),
    "empty": (lambda m: (m.zeros(0), m.zeros(0)), {}),
    "tuple and list": (lambda m: ((1,), [1]), {}),
}  # fmt: skip


def outcome(lib, name):
    make, settings = PAIRS[name]
    try:
        lib.testing.assert_close(*make(lib), **settings)
    except Exception as error:
        return type(error).__mro__, str(error).replace("torch.", "tinyconv.").replace(
            "tinyconv._C.", ""
        )
    return None, ""


@pytest.mark.parametrize("name", PAIRS)
def test_the_words_are_those_of_torch(name):
    (ours, mine), (theirs, wanted) = (outcome(lib, name) for lib in (tc, torch))
    assert (ours is None) == (theirs is None), mine or wanted
    if ours is not None:
        assert theirs[0] in ours
        assert mine.splitlines()[0].startswith(wanted.splitlines()[0].partition("<class")[0])
        if theirs[0] is AssertionError:
            assert mine == wanted


def pair(change=None):
    models = []
    for lib in (tc, torch):
        n = lib.nn
        models.append(
            n.Sequential(
                n.Conv2d(2, 3, 3), n.BatchNorm2d(3), n.ReLU(), n.Flatten(), n.Linear(12, 2)
            ).double()
        )
    if change:
        change(models[0])
    return models


def numbers(seed=0):
    return np.random.default_rng(seed).standard_normal((4, 2, 4, 4))


@pytest.mark.parametrize("training", [True, False])
def test_twins(training):
    ours, theirs = pair()
    theirs.train(training)
    tc.testing.compare_with_torch(ours, theirs, numbers(), rtol=1e-10, atol=1e-10)
    tc.testing.compare_with_torch(ours, theirs, torch.tensor(numbers()), rtol=1e-10, atol=1e-10)
    tc.testing.compare_with_torch(ours, theirs, tc.tensor(numbers()), rtol=1e-10, atol=1e-10)


def wrong_output(net):
    net[1].eps = 0.1


def wrong_gradient(net):
    net[0].register_full_backward_hook(lambda m, gx, g: (gx[0] * 2,))


def wrong_weight_gradient(net):
    net[4].weight.register_hook(lambda g: g * 1.001)


def wrong_state(net):
    net[1].momentum = 0.2


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (wrong_output, "output: "),
        (wrong_gradient, "gradient of input 0: "),
        (wrong_weight_gradient, "gradient of 4.weight: "),
        (wrong_state, "state afterwards: "),
    ],
)
def test_a_difference_is_found(change, where):
    ours, theirs = pair(change)
    with pytest.raises(AssertionError, match=f"^{where}"):
        tc.testing.compare_with_torch(ours, theirs, numbers(), rtol=1e-9, atol=1e-9)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"missing here \['bias'\]"):
        tc.testing.compare_with_torch(
            tc.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2), np.ones((1, 2))
        )
