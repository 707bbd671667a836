"""The text of a tensor, to the letter as torch writes it."""

from __future__ import annotations

import math
import re

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyconv import printing
from tinyconv.printing import printoptions, set_printoptions, tensor_text

FLOATS = ["float16", "float32", "float64"]
WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _untouched_settings():
    """Leave the settings of both libraries as they were."""
    yield
    both_print(profile="default")
    torch.set_default_dtype(torch.float32)


def both_print(**options):
    torch.set_printoptions(**options)
    set_printoptions(**options)


def ours(array, **how):
    array = np.asarray(array)
    return tensor_text(array, **{"dtype": array.dtype.name, "default_dtype": "float32"} | how)


def assert_same_text(array, grad=None, default="float32"):
    """Compare the texts of a plain tensor, a leaf (grad="leaf") or a result (grad="node")."""
    torch.set_default_dtype(getattr(torch, default))
    tensor = torch.from_numpy(np.array(array)).requires_grad_(grad is not None)
    if grad == "node":
        tensor = tensor.clone()
    name = tensor.grad_fn.name() if tensor.grad_fn else None
    text = ours(array, requires_grad=tensor.requires_grad, grad_fn=name, default_dtype=default)
    assert text == repr(tensor).replace("torch.", "tinyconv.")


# --- texts that can be read here ------------------------------------------------------------------

TEXTS = [
    ([1.0, 2.0], {"requires_grad": True}, "tensor([1., 2.], requires_grad=True)"),
    ([2.0, 4.0], {"grad_fn": "MulBackward0"}, "tensor([2., 4.], grad_fn=<MulBackward0>)"),
    (
        [2.0],
        {"grad_fn": "MulBackward0", "requires_grad": True},
        "tensor([2.], grad_fn=<MulBackward0>)",
    ),
    (1.5, {}, "tensor(1.5000)"),
    (-3.0, {}, "tensor(-3.)"),
    ([1.0], {"device": "cuda:0"}, "tensor([1.], device='cuda:0')"),
    ([1.0], {"dtype": "float64"}, "tensor([1.], dtype=tinyconv.float64)"),
    ([1.0], {"dtype": "float64", "default_dtype": "float64"}, "tensor([1.])"),
    ([1, 2], {"dtype": "int32"}, "tensor([1, 2], dtype=tinyconv.int32)"),
    ([1, 2], {"dtype": "int64"}, "tensor([1, 2])"),
    ([True, False], {"dtype": "bool"}, "tensor([ True, False])"),
    (np.zeros((2, 0)), {}, "tensor([], size=(2, 0))"),
    (np.zeros(0), {}, "tensor([])"),
    (np.zeros(0), {"dtype": "int64"}, "tensor([], dtype=tinyconv.int64)"),
    ([-0.0, 0.0], {}, "tensor([-0., 0.])"),
    ([-0.0, 0.5], {}, "tensor([-0.0000, 0.5000])"),
    ([NAN, 1.0], {}, "tensor([nan, 1.])"),
    ([INF, -INF, 1.5], {}, "tensor([   inf,   -inf, 1.5000])"),
    ([1000.0, 1.0], {}, "tensor([1000.,    1.])"),
    ([1001.0, 1.0], {}, "tensor([1.0010e+03, 1.0000e+00])"),
    ([1e-5, 1.0], {}, "tensor([1.0000e-05, 1.0000e+00])"),
    ([[1.0], [2.0]], {}, "tensor([[1.],\n        [2.]])"),
    ([[1.0], [2.0]], {"prefix": "MyTensor("}, "MyTensor([[1.],\n          [2.]])"),
    ([[[1.0]], [[2.0]]], {}, "tensor([[[1.]],\n\n        [[2.]]])"),
    (np.arange(1001), {"dtype": "int64"}, "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
]


@pytest.mark.parametrize(("numbers", "how", "text"), TEXTS, ids=[row[-1] for row in TEXTS])
def test_text_by_hand(numbers, how, text):
    assert ours(np.asarray(numbers), **{"dtype": "float32"} | how) == text


# --- the same as torch ----------------------------------------------------------------------------

CASES = {
    "whole": [1.0, -2.0, 30.0],
    "whole, wide": [1.0, 99999.0],
    "one large": [1e8],
    "one larger": [1.5e8],
    "smallest plain": [1e-4, 0.01],
    "below it": [9.9e-5, 0.01],
    "ratio 1000": [1000.5, 1.0005],
    "zeros": [0.0, -0.0],
    "many zeros": np.zeros(100),
    "only specials": [NAN, INF, -INF, 0.0],
    "specials beside small": [NAN, -INF, 1e-7],
    "largest": np.finfo("float64").max,
    "subnormal": [5e-324, 1.0],
    "ratio overflows": [1e300, 1e-300],
    "wrapped": np.linspace(-1, 1, 50),
    "wrapped rows": np.linspace(-1, 1, 90).reshape(3, 30),
    "just not cut": np.arange(1000.0),
    "just cut": np.arange(1001.0),
    "cut in one dimension": np.arange(6006.0).reshape(2, 3003),
    "cut in two": np.arange(10000.0).reshape(100, 100),
    "cut, last not": np.arange(4000.0).reshape(1000, 4),
    "cut, four dimensions": np.arange(4096.0).reshape(8, 2, 16, 16),
    "six is not cut": np.arange(6000.0).reshape(6, 1000),
    "single": np.ones((1, 1, 1)),
    "empty": np.zeros((3, 0, 2)),
    "cut shows only small ones": np.r_[np.arange(500.0), 1e9, np.arange(600.0)],
}


@pytest.mark.parametrize("grad", [None, "leaf", "node"])
@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES)
def test_floats_like_torch(case, dtype, default, grad):
    with np.errstate(over="ignore"):
        array = np.asarray(CASES[case]).astype(dtype)
    assert_same_text(array, grad, default)


@pytest.mark.parametrize("shape", [(), (1,), (40,), (1001,), (3, 400), (0,), (0, 2), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [*WHOLE, "bool"])
def test_whole_numbers_like_torch(dtype, shape):
    rng = np.random.default_rng(0)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    draw = "uint8" if dtype == "bool" else dtype
    for top in (high, min(high, 9)):
        whole = rng.integers(max(low, -top), top, shape, dtype=draw, endpoint=True)
        assert_same_text(np.asarray(whole).astype(dtype))


def neighbours(value, dtype):
    value = np.array(value, dtype)
    return [np.nextafter(value, -value), value, np.nextafter(value, 2 * value)]


@pytest.mark.parametrize("dtype", FLOATS)
def test_switch_of_notation_at_the_same_number(dtype):
    edges = [1e-4, 1e-4 / 3, 1e-3, 1.0, 1.0005, 3.0, 1000.0, 1000.5]
    edges += [3000.0] if dtype == "float16" else [1e8, 1e5]
    numbers = [n for edge in edges for n in neighbours(edge, dtype)]
    for x in numbers:
        for y in [*numbers, 0.0, NAN]:
            assert_same_text(np.array([x, y], dtype))


def random_array(rng, dtype):
    shape = tuple(rng.choice([1, 2, 3, 6, 7, 9, 13], rng.integers(0, 5)))
    values = rng.choice(
        [
            rng.standard_normal(shape),
            10.0 ** rng.uniform(-4, 4, shape) * rng.choice([-1, 1], shape),
            rng.choice([0.0, -0.0, 0.5, 1.0, 999.0, 1001.0, NAN, INF, -INF], shape),
        ]
    ) * 10.0 ** rng.integers(-6, 9)
    with np.errstate(over="ignore"):
        return np.asarray(np.round(values) if rng.random() < 0.4 else values).astype(dtype)


CHOICES = {
    "precision": [0, 1, 2, 8],
    "threshold": [0, 1, 20, 1000, INF],
    "edgeitems": [0, 1, 2, 5],
    "linewidth": [0, 20, 45, 79, 120, 200],
    "profile": ["short", "full", "default"],
    "sci_mode": [True, False, None],
}


@pytest.mark.parametrize("seed", range(4))
def test_random_tensors_and_settings_like_torch(seed):
    rng = np.random.default_rng(seed)
    for turn in range(150):
        chosen = {} if turn % 3 == 0 else {k: v for k, v in CHOICES.items() if rng.random() < 0.5}
        both_print(profile="default")
        both_print(**{name: values[rng.integers(len(values))] for name, values in chosen.items()})
        array = random_array(rng, FLOATS[turn % len(FLOATS)])
        assert_same_text(array, rng.choice([None, "leaf", "node"]), rng.choice(FLOATS))


@settings(max_examples=150, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([*FLOATS, *WHOLE, "bool"]), hnp.array_shapes(min_dims=0, min_side=0)
    ),
    options=st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in CHOICES.items()}),
)
def test_any_tensor_like_torch(array, options):
    both_print(profile="default")
    both_print(**options)
    assert_same_text(array)


def test_order_of_remarks_like_torch():
    both_print(linewidth=200)
    tensor = torch.empty(2, 0, dtype=torch.float64, device="meta", requires_grad=True)
    text = ours(np.zeros((2, 0)), device="meta", requires_grad=True)
    assert text == repr(tensor).replace("...", "[]").replace("torch.", "tinyconv.")


def test_line_breaks_ignore_that_our_name_is_longer():
    for n in range(1, 20):  # at some n torch's remark just fits, and ours would not
        assert_same_text(np.full(n, 1.25))


# --- only what is shown is looked at --------------------------------------------------------------


def test_a_huge_array_is_not_read_whole():
    huge = np.broadcast_to(np.float32(1.5), (10**6, 10**6))  # 4 TB, if anybody copied it
    assert ours(huge).count("1.5000") == 36


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["default", "short", "full"])
def test_profiles_like_torch(profile):
    both_print(precision=7, threshold=7, edgeitems=7, linewidth=77)
    both_print(profile=profile)
    assert vars(printing._options) == vars(torch._tensor_str.PRINT_OPTS)


def test_sci_mode_is_forgotten_unless_repeated():
    set_printoptions(sci_mode=True)
    assert ours(np.float32([1.0])) == "tensor([1.0000e+00])"
    set_printoptions(precision=2)
    assert ours(np.float32([1.5])) == "tensor([1.50])"


def test_printoptions_puts_the_old_ones_back():
    set_printoptions(precision=3)
    before = printing._options
    with printoptions(profile="short"):
        assert ours(np.float32([0.125])) == "tensor([0.12])"
    assert printing._options == before
    with pytest.raises(ZeroDivisionError), printoptions(linewidth=40):
        _ = 1 / 0
    assert printing._options == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"profile": "x"}, ValueError, "unknown profile 'x'\nuse one of: default, short, full"),
        ({"precision": -1}, ValueError, "precision must not be negative, got -1"),
        (
            {"precision": 2.0},
            TypeError,
            "precision must be an int, not float\nwrite e.g.",
        ),
        ({"edgeitems": -1}, ValueError, "edgeitems must not be negative, got -1"),
        (
            {"edgeitems": "3"},
            TypeError,
            "edgeitems must be an int, not str\nwrite e.g.",
        ),
    ],
)
def test_refused_settings(options, error, message):
    before = printing._options
    with pytest.raises(error, match=re.escape(message)):
        set_printoptions(**options)
    assert printing._options == before
