"""Shapes changed in place: the same story in both libraries, with writes and gradients through what was there before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinyconv as tc


def x(t):
    return ((t.arange(6, dtype=t.float64) * 5 + 2) % 7 - 3).reshape(2, 3).requires_grad_()


def turned(t, a):
    y = a * 1
    y.t_()
    return y * y


def all_kinds(t, a):
    y = a * 1
    y.unsqueeze_(0).transpose_(0, 2).squeeze_(1)
    y.unsqueeze_(1).squeeze_().swapaxes_(0, 1).swapdims_(0, -1)
    return y * t.arange(6, dtype=t.float64).reshape(y.shape)


def view_of_before(t, a):
    y = a * 1
    row = y[0]
    y.t_()
    row.mul_(3)
    return y * y


def view_of_both(t, a):
    y = a * 1
    before = y[0]
    y.t_()
    after = y[0]
    before.mul_(3)
    after.add_(before[:2] * 1)
    return [y * y, before, after * 2]


def write_after(t, a):
    y = a * 1
    column = y[:, 0]
    y.transpose_(0, 1).unsqueeze_(0)
    y[0, 1] = 5
    y.mul_(2)
    return [y, column]


def turned_view(t, a):
    y = a * 1
    part = y[:, 1:]
    part.t_()
    part.mul_(4)
    return [y * y, part]


def turned_late(t, a):
    y = t.zeros(2, 3, dtype=t.float64)
    part = y[1]
    y.t_()
    part.add_(a[0])
    return y * y


def windows_written(t, a):
    y = a * 1
    y.view(-1).unfold(0, 2, 2)[1].mul_(3)
    return y * y


def strides_written(t, a):
    y = a * 1
    y.as_strided((2, 2), (1, 3), 1).mul_(3)
    return y * y


def strides_of_a_part(t, a):
    y = (a * 1)[1:]
    return [y.as_strided((2, 2), (1, 1)) * 2, y.as_strided((1, 2), (1, 2)) ** 2]


def pieces_replaced(t, a):
    y = a * 1
    return [
        y.select_scatter(a[0, :2] * 2, 1, 1),
        y.slice_scatter(a[:, :2] * 3, 1, 0, 3, 2),
        y.diagonal_scatter(a[0, :2], 1),
        y.T.diagonal_scatter(a[1, :2]),
    ]


STORIES = [turned, all_kinds, view_of_before, view_of_both, write_after, turned_view, turned_late, windows_written,
           strides_written, strides_of_a_part, pieces_replaced]  # fmt: skip


def told(t, story):
    a = x(t)
    out = story(t, a)
    values = list(out) if isinstance(out, (list, tuple)) else [out]
    if not any(v.requires_grad for v in values):
        return [v.tolist() for v in values]
    weighted = [
        (v * (t.arange(v.numel(), dtype=t.float64) + 1).reshape(v.shape)).sum() for v in values
    ]
    total = sum(weighted[1:], weighted[0])
    (g,) = t.autograd.grad(total, a, create_graph=True)
    if g.requires_grad:
        (h,) = t.autograd.grad((g * g).sum(), a)
        return [v.tolist() for v in (*values, g, h)]
    return [v.tolist() for v in (*values, g)]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.__name__)
def test_same_story(story):
    theirs, ours = told(torch, story), told(tc, story)
    assert len(theirs) == len(ours)
    for b, a in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-12, 1e-12)


def test_without_gradients_the_way_back_is_kept():
    """torch records nothing, and its backward fails."""
    a = x(tc)
    y = a * 1
    with tc.no_grad():
        y.t_()
    (y * tc.arange(6.0).double().reshape(3, 2)).sum().backward()
    assert a.grad.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_a_view_that_a_leaf_had_before_leads_to_it():
    b = x(tc).detach().clone().requires_grad_()
    part = b[0]
    with tc.no_grad():
        b.t_()
        b.mul_(2)
    ((b * b).sum() + part.sum()).backward()
    expected = (2 * b).detach()
    expected[:, 0] += 1
    assert b.grad.tolist() == expected.tolist()


def test_what_was_saved_before_is_not_used_after():
    for t in (torch, tc):
        a = x(t)
        b = a * 1
        y = b * b
        b.t_()
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            y.sum().backward()


def test_a_leaf_is_not_turned_while_gradients_are_recorded():
    for t in (torch, tc):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            x(t).t_()


def test_it_stays_no_view():
    y = tc.zeros(2, 3)
    assert y.t_() is y
    assert not y._is_view()
    assert y.stride() == (1, 3)
    assert y._version == 1
