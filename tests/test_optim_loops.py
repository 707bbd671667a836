"""The loops of optimizers: the bits of their definitions, however memory lies and threads cut it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from test_optim import GRID, ids

import tinyconv as tc
from tinyconv.backend import Kernel, parallel
from tinyconv.optim import update

SHAPES = [(70, 3), (), (2, 0), (5,), (301,)]
DTYPES = ["float16", "float32", "float64"]


def trained(name, settings, dtype="float32", shapes=SHAPES, alter=lambda ps: None):
    """The bits of parameters and state after some steps, zeros, infinities and NaN among the gradients."""
    rng = np.random.default_rng(0)
    ps = [tc.tensor(np.array(rng.standard_normal(s), dtype), requires_grad=True) for s in shapes]
    alter(ps)
    optimizer = getattr(tc.optim, name)(ps, **settings)
    for step in range(4):
        for p in ps:
            g = np.array(rng.standard_normal(p.shape), dtype)
            g.reshape(-1)[:2] = (-0.0, 0.0)[: g.size]
            if step == 2:
                g.reshape(-1)[2:5] = (np.inf, -np.inf, np.nan)[: max(g.size - 2, 0)]
            p.grad = tc.tensor(g)
        optimizer.step()
    arrays = [p.array for p in ps]
    arrays += [t.array for state in optimizer.state.values() for t in state.values()]
    return [np.where(a != a, np.array(np.nan, a.dtype), a).tobytes() for a in arrays]


def by_definition(monkeypatch, *args, **kwargs):
    with monkeypatch.context() as patch:
        patch.setattr(Kernel, "__call__", lambda self, *given: self.definition(np, *given))
        return trained(*args, **kwargs)


def threads(monkeypatch, count):
    monkeypatch.setattr(parallel, "_team", parallel._Team(count))
    monkeypatch.setattr(parallel, "GRAIN", 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "settings"), GRID, ids=ids)
def test_loops_and_definitions_agree_to_the_bit(name, settings, dtype, monkeypatch):
    expected = by_definition(monkeypatch, name, settings, dtype)
    assert trained(name, settings, dtype) == expected
    threads(monkeypatch, 3)
    assert trained(name, settings, dtype) == expected


def test_a_step_is_cut_once(monkeypatch):
    threads(monkeypatch, 2)
    cuts, inner = [], []

    def share(n, work, size):
        bounds = [0, n // 2, n]
        for a, b in pairwise(bounds):
            inner.append((a, b))
            work(a, b)
        cuts.append(size)

    expected = trained("Adam", {})
    monkeypatch.setattr(update, "share", share)
    assert trained("Adam", {}) == expected
    assert cuts == [70 * 3 + 1 + 5 + 301] * 4
    assert inner[:2] == [(0, 258), (258, 517)]


def strided(ps):
    ps[0].array = np.asfortranarray(ps[0].array)


def views(ps):
    base = np.concatenate([p.array.reshape(-1) for p in ps])
    at = 0
    for p in ps:
        p.array = base[at : at + p.array.size].reshape(p.shape)
        at += p.array.size


@pytest.mark.parametrize("layout", [strided, views])
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "NAdam", "Rprop", "ASGD"])
def test_the_layout_changes_nothing(name, layout, monkeypatch):
    expected = trained(name, {})
    assert trained(name, {}, alter=layout) == expected
    threads(monkeypatch, 2)
    assert trained(name, {}, alter=layout) == expected


def test_a_gradient_may_be_strided_or_another_parameter():
    p, q = tc.ones(3, 4, requires_grad=True), tc.full((4, 3), 3.0, requires_grad=True)
    p.grad, q.grad = q.detach().t(), tc.ones(4, 3)
    tc.optim.SGD([p, q], lr=0.5).step()
    assert (p.array == -0.5).all()
    assert (q.array == 2.5).all()


def test_parameters_that_share_memory_are_updated_in_turn(monkeypatch):
    def backwards(n, work, size):  # parts that have nothing in common may come in any order
        work(n // 2, n)
        work(0, n // 2)

    monkeypatch.setattr(update, "share", backwards)
    p, q = tc.zeros(4, requires_grad=True), tc.zeros(4, requires_grad=True)
    q.array = p.array[::-1]
    p.grad, q.grad = tc.ones(4), tc.full((4,), 4.0)
    tc.optim.SGD([p, q], lr=1.0, weight_decay=0.5).step()
    assert (p.array == (0 - 1) - (4 + 0.5 * -1)).all()
    p.array[...] = 0
    with pytest.warns(UserWarning, match="duplicate"):
        optimizer = tc.optim.SGD([p, p], lr=1.0, momentum=1.0, dampening=0.5)
    optimizer.step()
    assert (p.array == -1 - 1.5).all()


def test_the_first_momentum_is_the_gradient_with_its_zeros():
    p, q = tc.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    p.grad, q.grad = tc.tensor([0.0, -0.0]), torch.tensor([0.0, -0.0])
    a, b = tc.optim.SGD([p], momentum=0.9), torch.optim.SGD([q], momentum=0.9)
    a.step()
    b.step()
    ours, theirs = a.state[p]["momentum_buffer"].array, b.state[q]["momentum_buffer"].numpy()
    assert np.signbit(ours).tolist() == np.signbit(theirs).tolist() == [False, True]


def test_a_number_too_large_for_its_type_is_infinite_and_silent():
    p = tc.ones(2, requires_grad=True)
    p.grad = tc.ones(2)
    tc.optim.SGD([p], lr=1e300).step()
    assert (p.array == -np.inf).all()
