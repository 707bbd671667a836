"""``out=``: the result lands in the tensor that was given, as in torch."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from opinfo_calls import Op, Pair, all_samples, database

import tinyconv as tc
from tinyconv.out import NAMES

FUNCTIONS = NAMES.split()
DRAWS = ("bernoulli", "multinomial")


def entries():
    """The entry of torch's database for each function; some are there as aliases of others."""
    found = {}
    for several in database().values():
        for entry in several:
            for name in (entry.name, *(alias.name for alias in entry.aliases)):
                found.setdefault(name, Op(entry.name, entry.variant_test_name))
    return found


def parts(x):
    return list(x) if isinstance(x, (tuple, list)) else [x]


def empty(lib, results, shape=None):
    """Somewhere to put results; of another shape than they have, perhaps."""
    made = [
        lib.zeros(tuple(r.shape) if shape is None else shape, dtype=r.dtype) for r in parts(results)
    ]
    return tuple(made) if isinstance(results, (tuple, list)) else made[0]


def call(lib, name, arguments, out=None):
    lib.manual_seed(0)
    args, names = arguments
    if name == "where":  # its sample begins with the second argument
        args = (args[1], args[0], *args[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("error" if lib is tc else "ignore")
        return getattr(lib, name)(*args, **names, **({} if out is None else {"out": out}))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_land_there(name):
    op = entries()[name]
    dtype = "float64" if op.entry.supports_dtype(torch.float64, "cpu") else "int64"
    tried = 0
    for sample in all_samples(op, dtype)[:6]:
        pair = Pair(
            sample.to(getattr(torch, dtype))
            if dtype == "int64"
            else sample.map(torch.Tensor.detach)
        )
        try:
            plain = call(torch, name, pair.torch_args)
            theirs = empty(torch, plain)
            call(torch, name, pair.torch_args, theirs)
        except TypeError:  # these arguments are those of a method
            continue
        tried += 1
        ours = empty(tc, call(tc, name, pair.tiny_args))
        result = call(tc, name, pair.tiny_args, ours)
        for a, b, c in zip(parts(ours), parts(theirs), parts(result), strict=True):
            assert c is a
            np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-10, 1e-10)
    assert tried


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 3)])
def test_another_shape_is_made_right(shape):
    for run in (
        lambda lib, x: lib.add(x, 1, out=empty(lib, x, shape)),
        lambda lib, x: lib.max(x, 1, out=empty(lib, x.max(1), shape)),
    ):
        results = []
        for lib in (torch, tc):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                out = run(lib, lib.arange(6.0).reshape(2, 3))
            texts = [str(w.message).split(". ")[0].rstrip(".") for w in said]
            results.append(([p.tolist() for p in parts(out)], texts))
        assert results[0] == results[1]


def test_names_of_several_results_stay():
    values, indices = tc.empty(2), tc.empty(2, dtype=tc.int64)
    found = tc.sort(tc.tensor([3.0, 1.0]), out=(values, indices))
    assert found.values is values
    assert found.indices.tolist() == [1, 0]


def test_out_may_be_an_argument():
    x = tc.tensor([1.0, 2.0])
    y = x.view(2)
    assert tc.mul(x, x, out=x) is x
    assert y.tolist() == [1.0, 4.0]


REFUSALS = [
    lambda lib: lib.add(lib.ones(2), 1, out=lib.zeros(2, dtype=lib.int64)),
    lambda lib: lib.add(lib.ones(2, requires_grad=True), 1, out=lib.zeros(2)),
    lambda lib: lib.add(lib.ones(2), 1, out=lib.zeros(2, requires_grad=True)),
    lambda lib: lib.max(lib.ones(2, 2), 1, out=lib.zeros(2)),
]


@pytest.mark.parametrize("story", REFUSALS, ids=range(len(REFUSALS)))
def test_refusals(story):
    with pytest.raises(Exception) as theirs:  # whatever torch raises
        story(torch)
    first = str(theirs.value).splitlines()[0].split(". ")[0]
    with pytest.raises(theirs.type) as ours:
        story(tc)
    assert str(ours.value).startswith(first.split(" (")[0].split(" - got")[0]), (
        str(ours.value),
        first,
    )


def test_a_gradient_and_the_memory_stay_as_they_were():
    x, out = tc.ones(2, requires_grad=True), tc.zeros(2)
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        tc.exp(x, out=out)
    assert out.tolist() == [0, 0]
    with tc.no_grad():
        assert tc.exp(x, out=out) is out


def test_functions_can_be_pickled():
    assert pickle.loads(pickle.dumps(tc.add)) is tc.add
