"""Creation functions against torch: values, dtypes, memory, refusals, and the numbers of a seed."""

from __future__ import annotations

import warnings
from collections import deque

import numpy as np
import pytest
import torch

import tinyconv as tc


def result(function, module):
    """dtype, values and ``requires_grad`` of a Tensor, or the kind and first words of an error."""
    module.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if module is torch else "error")
        try:
            out = function(module)
        except Exception as error:
            words = str(error).splitlines()[0].replace("torch.", "tinyconv.")[:40]
            return "refused", type(error), words
    if isinstance(out, (torch.Tensor, tc.Tensor)):
        dtype = str(out.dtype).partition(".")[2]
        return dtype, tuple(out.shape), out.requires_grad, out.detach().numpy()
    return out


def assert_alike(function):
    ours, theirs = result(function, tc), result(function, torch)
    if isinstance(theirs, tuple) and theirs[0] == "refused":
        assert ours[0] == "refused", f"{ours} instead of {theirs}"
        assert issubclass(ours[1], theirs[1])
        assert ours[2] == theirs[2]
    elif isinstance(theirs, tuple) and isinstance(theirs[-1], np.ndarray):
        assert ours[:3] == theirs[:3]
        np.testing.assert_allclose(ours[3], theirs[3], rtol=3e-16)  # one rounding of a double
    else:
        assert ours == theirs


DATA = {
    "int": lambda m: m.tensor(3),
    "float": lambda m: m.tensor(3.5),
    "bool": lambda m: m.tensor(True),
    "list of ints": lambda m: m.tensor([1, 2]),
    "ints and floats": lambda m: m.tensor([1, 2.5]),
    "bools and ints": lambda m: m.tensor([True, 2]),
    "bools and floats": lambda m: m.tensor([[True], [2.0]]),
    "nested": lambda m: m.tensor([[1, 2], (3, 4)]),
    "deeply nested": lambda m: m.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]),
    "range": lambda m: m.tensor(range(3)),
    "rows of ranges": lambda m: m.tensor([range(3), range(3)]),
    "deque": lambda m: m.tensor(deque([1, 2])),
    "bytearray": lambda m: m.tensor(bytearray(b"ab")),
    "[]": lambda m: m.tensor([]),
    "[[]]": lambda m: m.tensor([[], []]),
    "()": lambda m: m.tensor(()),
    "largest int": lambda m: m.tensor([2**63 - 1, -(2**63)]),
    "large int and float": lambda m: m.tensor([2**63 - 1, 1.0]),
    "inf and nan": lambda m: m.tensor([np.inf, -np.inf, np.nan]),
    "requires_grad": lambda m: m.tensor([1.0], requires_grad=True),
    "to int": lambda m: m.tensor([1.7, -1.7], dtype=m.int64),
    "to uint8": lambda m: m.tensor([255, -1], dtype=m.uint8),
    "to bool": lambda m: m.tensor([0.0, 0.5, np.nan], dtype=m.bool),
    "to half": lambda m: m.tensor([1e10, 0.1], dtype=m.float16),
    "bool to float": lambda m: m.tensor([True, False], dtype=m.float32),
    "np.float64": lambda m: m.tensor(np.float64(1.5)),
    "np.float32": lambda m: m.tensor(np.float32(1.5)),
    "np.int8": lambda m: m.tensor(np.int8(3)),
    "np.bool_": lambda m: m.tensor(np.bool_(True)),
    "list of np.float64": lambda m: m.tensor([np.float64(1.5)]),
    "list of np.float32 and float": lambda m: m.tensor([np.float32(1.5), 2.0]),
    "list of np.float64 and float": lambda m: m.tensor([np.float64(1.5), 2.0]),
    "list of np.int32": lambda m: m.tensor([np.int32(1)]),
    "list of np.int32 and int": lambda m: m.tensor([np.int32(1), 2]),
    "array": lambda m: m.tensor(np.arange(3, dtype="int16")),
    "0-d array": lambda m: m.tensor(np.array(2.0)),
    "array in columns": lambda m: m.tensor(np.arange(6.0).reshape(2, 3).T),
    "array to uint8": lambda m: m.tensor(np.array([1.5, 300.0]), dtype=m.uint8),
    "list of arrays": lambda m: m.tensor([np.array([1, 2]), np.array([3, 4])]),
    "list of tensors": lambda m: m.tensor([m.tensor(1), m.tensor(2.0)]),
    "list of doubles": lambda m: m.tensor([m.tensor(1.0, dtype=m.float64)]),
    "list of one-element tensors": lambda m: m.tensor([m.tensor([1.0]), m.tensor([3.0])]),
    "nested tensors": lambda m: m.tensor([[m.tensor(1.0), 2], [3, m.tensor(4)]]),
    "tensor": lambda m: m.tensor(m.tensor([1, 2], dtype=m.int8)),
    "tensor with dtype": lambda m: m.tensor(m.tensor([1, 2]), dtype=m.float64),
    "list of tensors of two": lambda m: m.tensor([m.tensor([1.0, 2.0]), m.tensor([3.0, 4.0])]),
    "ragged": lambda m: m.tensor([[1, 2], [3]]),
    "ragged deeper": lambda m: m.tensor([[[1, 2], [3, 4]], [[5, 6], [7]]]),
    "row then number": lambda m: m.tensor([[1, 2], 3]),
    "number then row": lambda m: m.tensor([1, [2]]),
    "str": lambda m: m.tensor("a"),
    "number and str": lambda m: m.tensor([1, "a"]),
    "bytes": lambda m: m.tensor(b"a"),
    "None": lambda m: m.tensor(None),
    "[None]": lambda m: m.tensor([None]),
    "dict": lambda m: m.tensor({}),
    "generator": lambda m: m.tensor(x for x in [1]),
    "object": lambda m: m.tensor([object()]),
    "too large": lambda m: m.tensor(2**63),
    "far too large": lambda m: m.tensor([2**64]),
    "too large for uint8": lambda m: m.tensor([300], dtype=m.uint8),
    "float too large for int32": lambda m: m.tensor(1e10, dtype=m.int32),
    "nan to int": lambda m: m.tensor([1.0, np.nan], dtype=m.int64),
    "int with gradient": lambda m: m.tensor([1, 2], requires_grad=True),
    "array of str": lambda m: m.tensor(np.array(["a"])),
    "array of objects": lambda m: m.tensor(np.array([object()])),
    "other byte order": lambda m: m.tensor(np.array([1], dtype=">i4")),
    "from_numpy of a list": lambda m: m.from_numpy([1]),
    "as_tensor of a list": lambda m: m.as_tensor([1, 2]),
    "as_tensor of a scalar": lambda m: m.as_tensor(np.float32(2)),
    "as_tensor with dtype": lambda m: m.as_tensor(np.arange(3), dtype=m.float32),
    "asarray": lambda m: m.asarray([1, 2], dtype=m.float32, requires_grad=True),
    "is_tensor": lambda m: (m.is_tensor(m.ones(1)), m.is_tensor(1)),
}
VALUES = {
    "zeros": lambda m: m.zeros(2, 3),
    "zeros of a tuple": lambda m: m.zeros((2, 3), dtype=m.int32),
    "zeros of a Size": lambda m: m.zeros(m.ones(2, 3).shape),
    "zeros by name": lambda m: m.zeros(size=(2,)),
    "zeros of np.int64": lambda m: m.zeros(np.int64(2)),
    "zeros of a tensor": lambda m: m.zeros(m.tensor(2)),
    "zeros of []": lambda m: m.zeros([]),
    "zeros of nothing": lambda m: m.zeros(),
    "zeros of a float": lambda m: m.zeros(2.5),
    "zeros of a str": lambda m: m.zeros("a"),
    "zeros of -1": lambda m: m.zeros(-1),
    "zeros with a strange name": lambda m: m.zeros(2, colour=1),
    "zeros of float": lambda m: m.zeros(2, dtype=float),
    "zeros of int": lambda m: m.zeros(2, dtype=int),
    "zeros of bool": lambda m: m.zeros(2, dtype=bool),
    "int zeros with gradient": lambda m: m.zeros(2, dtype=m.int64, requires_grad=True),
    "ones": lambda m: m.ones(2, 3, requires_grad=True),
    "ones of -1": lambda m: m.ones(2, -1),
    "empty of -1": lambda m: m.empty(-1),
    "full of bool": lambda m: m.full((2,), True),
    "full of int": lambda m: m.full((2,), 1),
    "full of float": lambda m: m.full((2,), 1.5),
    "full of a tensor": lambda m: m.full((2,), m.tensor(3)),
    "full to int": lambda m: m.full((2,), 1.5, dtype=m.int64),
    "full to half": lambda m: m.full((2,), 1e10, dtype=m.float16),
    "full to uint8": lambda m: m.full((2,), 300, dtype=m.uint8),
    "full of int size": lambda m: m.full(2, 1.0),
    "full of str": lambda m: m.full((2,), "a"),
    "zeros_like": lambda m: m.zeros_like(m.tensor([1], dtype=m.int8)),
    "ones_like with dtype": lambda m: m.ones_like(m.tensor([1]), dtype=m.float16),
    "full_like": lambda m: m.full_like(m.tensor([1]), 1.5),
    "full_like too large": lambda m: m.full_like(m.tensor([1], dtype=m.uint8), 300),
    "zeros_like of a list": lambda m: m.zeros_like([1]),
    "empty_like": lambda m: m.empty_like(m.ones(2, 3), dtype=m.int8).shape == (2, 3),
    "eye": lambda m: m.eye(3),
    "eye of two": lambda m: m.eye(2, 3, dtype=m.int64),
    "eye of -1": lambda m: m.eye(-1),
    "eye of 2, -1": lambda m: m.eye(2, -1),
    "eye of float": lambda m: m.eye(2.0),
    "arange": lambda m: m.arange(5),
    "arange of float": lambda m: m.arange(5.0),
    "arange from": lambda m: m.arange(2, 5),
    "arange by": lambda m: m.arange(1, 10, 3),
    "arange down": lambda m: m.arange(10, 1, -3),
    "arange by 0.1": lambda m: m.arange(0, 1, 0.1, dtype=m.float64),
    "arange by 0.1 in floats": lambda m: m.arange(0, 1, 0.1).shape,
    "arange by 0.3": lambda m: m.arange(0, 3, 0.3).shape,
    "arange float to int": lambda m: m.arange(0.5, 5, dtype=m.int64),
    "arange by 1.5 to int": lambda m: m.arange(0, 5, 1.5, dtype=m.int64),
    "arange float to int32": lambda m: m.arange(0.5, 5, dtype=m.int32),
    "arange of tensors": lambda m: m.arange(m.tensor(1), m.tensor(5.0)),
    "arange of uint8": lambda m: m.arange(300, dtype=m.uint8),
    "arange by name": lambda m: m.arange(start=1, end=7, step=2),
    "arange of end": lambda m: m.arange(end=3),
    "arange of True": lambda m: m.arange(True),
    "arange with gradient": lambda m: m.arange(3.0, requires_grad=True),
    "arange backwards": lambda m: m.arange(1, 0),
    "arange by 0": lambda m: m.arange(0, 5, 0),
    "arange of nan": lambda m: m.arange(np.nan),
    "arange of inf": lambda m: m.arange(0, np.inf),
    "arange of str": lambda m: m.arange("a"),
    "arange of bool": lambda m: m.arange(2, dtype=m.bool),
    "linspace": lambda m: m.linspace(0, 1, 5),
    "linspace in 7": lambda m: m.linspace(-3, 10, 7, dtype=m.float64),
    "linspace of ints": lambda m: m.linspace(0.9, 10.9, 5, dtype=m.int64),
    "linspace of one": lambda m: m.linspace(3, 5, 1),
    "linspace of none": lambda m: m.linspace(0, 1, 0),
    "linspace of -1": lambda m: m.linspace(0, 1, -1),
    "linspace of 2.5": lambda m: m.linspace(0, 1, 2.5),
    "linspace of tensors": lambda m: m.linspace(m.tensor(0.0), m.tensor(1.0), 3),
    "linspace of vectors": lambda m: m.linspace(m.tensor([0.0]), 1, 3),
    "linspace by name": lambda m: m.linspace(start=0, end=1, steps=3),
}
RANDOM = {
    "rand": lambda m: m.rand(2, 3),
    "rand by name": lambda m: m.rand(size=(2, 3)),
    "rand of a tuple": lambda m: m.rand((2, 3), dtype=m.float64),
    "rand of []": lambda m: m.rand([]),
    "rand of ints": lambda m: m.rand(2, dtype=m.int64),
    "rand of -1": lambda m: m.rand(-1),
    "rand with gradient": lambda m: m.rand(2, requires_grad=True),
    "rand of a generator": lambda m: m.rand(2, generator=m.Generator().manual_seed(3)),
    "randn": lambda m: m.randn(2, 3),
    "randn of many": lambda m: m.randn(20),
    "randint(high, size)": lambda m: m.randint(10, (2, 3)),
    "randint(low, high, size)": lambda m: m.randint(3, 10, (2, 3)),
    "randint(high, size=)": lambda m: m.randint(10, size=(2, 3)),
    "randint(low, high, size=)": lambda m: m.randint(3, 10, size=(2, 3)),
    "randint by name": lambda m: m.randint(low=3, high=10, size=(2, 3)),
    "randint of high": lambda m: m.randint(high=10, size=(2,)),
    "randint of floats": lambda m: m.randint(10, (2,), dtype=m.float32),
    "randint without size": lambda m: m.randint(10),
    "randint of nothing": lambda m: m.randint(5, 5, (2,)),
    "randperm": lambda m: m.randperm(10),
    "randperm of int32": lambda m: m.randperm(10, dtype=m.int32),
    "randperm of -1": lambda m: m.randperm(-1),
    "normal(mean, std, size)": lambda m: m.normal(0, 1, (2,)),
    "normal by size": lambda m: m.normal(0, np.sqrt(2 / 3), size=(2, 3)),
    "normal by name": lambda m: m.normal(mean=1.0, std=2.0, size=(2, 3)),
    "normal of means": lambda m: m.normal(m.tensor([0.0, 10.0]), 1.0),
    "normal of stds": lambda m: m.normal(0.0, m.tensor([1.0, 2.0])),
    "normal of both": lambda m: m.normal(m.tensor([0.0, 10.0]), m.tensor([1.0, 2.0])),
    "normal without size": lambda m: m.normal(0.0, 1.0),
    "normal of std -1": lambda m: m.normal(0.0, -1.0, (2,)),
    "bernoulli": lambda m: m.bernoulli(m.tensor([0.0, 0.5, 0.5, 1.0])),
    "bernoulli of 2": lambda m: m.bernoulli(m.tensor([2.0])),
    "multinomial": lambda m: m.multinomial(m.tensor([1.0, 2.0, 3.0]), 2),
    "rand_like": lambda m: m.rand_like(m.ones(2, 3)),
    "randn_like": lambda m: m.randn_like(m.ones(2, 3), dtype=m.float64),
    "randint_like": lambda m: m.randint_like(m.ones(2, 3), 10),
    "randint_like from": lambda m: m.randint_like(m.ones(2, 3), 5, 10),
    "uniform_": lambda m: m.zeros(3).uniform_(),
    "uniform_ between": lambda m: m.zeros(3).uniform_(-1, 1),
    "uniform_ by name": lambda m: m.zeros(3).uniform_(**{"from": 2, "to": 3}),
    "normal_": lambda m: m.zeros(3).normal_(1, 2),
    "normal_ by name": lambda m: m.zeros(3).normal_(mean=1, std=np.float64(2)),
    "random_": lambda m: m.zeros(3).random_(),
    "random_ to": lambda m: m.zeros(3, dtype=m.int64).random_(10),
    "random_ between": lambda m: m.zeros(3).random_(5, 10),
    "bernoulli_": lambda m: m.zeros(20).bernoulli_(0.3),
    "bernoulli_ of a tensor": lambda m: m.zeros(2).bernoulli_(m.tensor([0.0, 1.0])),
    "exponential_": lambda m: m.zeros(3).exponential_(2),
    "uniform_ through a view": lambda m: (x := m.zeros(2, 3), x[:, 1].uniform_())[0],
    "uniform_ of a leaf": lambda m: m.zeros(3, requires_grad=True).uniform_(),
    "uniform_ on the tape": lambda m: (m.ones(3, requires_grad=True) * 2).uniform_(),
    "seed": lambda m: (m.manual_seed(5), m.rand(2), m.manual_seed(5), m.rand(2))[3],
    "initial_seed": lambda m: m.initial_seed(),
    "state": lambda m: (s := m.get_rng_state(), m.rand(3), m.set_rng_state(s), m.rand(3))[3],
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_from_data(name):
    assert_alike(DATA[name])


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    assert_alike(VALUES[name])


@pytest.mark.parametrize("name", RANDOM)
def test_random(name):
    assert_alike(RANDOM[name])


@pytest.mark.parametrize("default", ["float16", "float64"])
@pytest.mark.parametrize("name", ["float", "[]", "ints and floats", "np.float32", "int"])
def test_the_default_dtype_is_that_of_python_floats(name, default):
    for m in (tc, torch):
        m.set_default_dtype(getattr(m, default))
    assert_alike(DATA[name])
    assert_alike(VALUES["zeros"])
    assert_alike(VALUES["zeros of float"])
    assert_alike(VALUES["full of float"])


# ── memory ────────────────────────────────────────────────────────────────────────────────────

SHARING = {
    "from_numpy": (lambda m, a: m.from_numpy(a), True),
    "as_tensor": (lambda m, a: m.as_tensor(a), True),
    "as_tensor to another dtype": (lambda m, a: m.as_tensor(a, dtype=m.float32), False),
    "asarray": (lambda m, a: m.asarray(a), True),
    "asarray with copy": (lambda m, a: m.asarray(a, copy=True), False),
    "tensor": (lambda m, a: m.tensor(a), False),
    "Tensor of a view": (lambda m, a: m.from_numpy(a[::2]), True),
    "from_dlpack": (lambda m, a: m.from_dlpack(a), True),
    "as_tensor of a tensor": (lambda m, a: m.as_tensor(m.from_numpy(a)), True),
    "tensor of a tensor": (lambda m, a: m.tensor(m.from_numpy(a)), False),
}


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("module", [tc, torch], ids=["tinyconv", "torch"])
def test_memory(name, module):
    make, shared = SHARING[name]
    a = np.zeros(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if module is torch else "error")
        t = make(module, a)
    a[0] = 1
    assert (t[0].item() == 1) == shared
    t[0] = 2
    assert (a[0] == 2) == shared


def test_asarray_that_must_not_copy():
    a = np.zeros(2)
    assert np.shares_memory(tc.asarray(a, copy=False).numpy(), a)
    for m in (tc, torch):
        with pytest.raises(ValueError, match="can't alias arbitrary sequence into a tensor"):
            m.asarray([1, 2], copy=False)


def test_a_tensor_of_a_leaf_is_a_leaf_of_its_own():
    x = tc.ones(2, requires_grad=True)
    y = tc.tensor(x, requires_grad=True)
    y.sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [1, 1]


def test_random_fills_have_a_gradient_of_zero():
    for m in (tc, torch):
        x = m.ones(3, requires_grad=True)
        y = (x * 2).normal_()
        (g,) = m.autograd.grad(y, x, m.tensor([np.inf, np.nan, 1.0]))
        assert g.tolist() == [0, 0, 0]


def test_generators_are_independent():
    for m in (tc, torch):
        g = m.Generator().manual_seed(1)
        m.manual_seed(2)
        before = m.rand(2, generator=g).tolist()
        m.manual_seed(1)
        assert m.rand(2).tolist() == before
        state = g.get_state()
        first = m.rand(2, generator=g).tolist()
        g.set_state(state)
        assert m.rand(2, generator=g).tolist() == first


def test_no_backwards_way_to_a_dtype():
    with pytest.raises(TypeError, match="can't convert None"):
        tc.zeros(2).to(dtype=tc.dtypes.to_dtype(None))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "uint8"])
@pytest.mark.parametrize(
    "data", [2 / 3, [2 / 3, 1e-9], [[0.1, 3]], [1.9999999999999998, 200.5], [0.1 + 1e-17]]
)
def test_numbers_are_rounded_once(data, dtype):
    ours = tc.tensor(data, dtype=getattr(tc, dtype))
    theirs = torch.tensor(data, dtype=getattr(torch, dtype))
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("ends", [(-1, 1), (0, 1), (2.7, -13.1), (0.1, 1e4)])
def test_steps_have_the_very_bits_of_torchs(ends):
    for steps in (1, 2, 7, 28, 100, 1001):
        assert tc.linspace(*ends, steps).tolist() == torch.linspace(*ends, steps).tolist()


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("size", [(28, 16), (7, 1), (100, 33)])
def test_the_grid_of_the_identity_has_the_very_bits_of_torchs(size, aligned):
    """A place between two pixels, or just beside it: the gradient differs."""
    grids = [
        lib.nn.functional.affine_grid(lib.eye(2, 3)[None], (1, 1, *size), aligned).tolist()
        for lib in (tc, torch)
        if not (aligned and 1 in size)
    ]
    assert grids[:1] == grids[1:]
