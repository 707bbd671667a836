"""Functions that write, what does not fit, second gradients through writes."""

from __future__ import annotations

import pytest
from stories import Stories, check, ends, leaf, weights

story = Stories()

# ── copy_ fill_ zero_ and the functions that put ──────────────────────────────────────────────────


@story
def copied(lib):
    x, v = leaf(lib, 2, 3), leaf(lib, 3)
    y = x * 1
    y.copy_(v)
    return ends(y, lib, x, v)


@story
def copied_from_another_type(lib):
    x, v = leaf(lib, 3), lib.arange(3)
    y = x * 1
    y[1:].copy_(v[1:])
    return [y.dtype == lib.float32, *ends(y, lib, x)]


@story
def copied_from_doubles(lib):
    x = leaf(lib, 3)
    v = lib.ones(3, dtype=lib.float64, requires_grad=True)
    y = x * 1
    y.copy_(v)
    return [*ends(y, lib, x, v), v.grad.dtype == lib.float64]


@story
def multiplied_by_doubles(lib):
    x = leaf(lib, 3)
    v = lib.ones(3, dtype=lib.float64, requires_grad=True)
    y = x * 1
    y.mul_(v)
    return [y.dtype == lib.float32, *ends(y, lib, x, v), v.grad.dtype == lib.float64]


@story
def gradients_keep_the_type_of_their_tensor(lib):
    kinds = []
    v = lib.ones(3, dtype=lib.float64, requires_grad=True)
    doubled = v * 2
    doubled.register_hook(lambda g: kinds.append(g.dtype == lib.float64))
    y = lib.ones(3)
    y.add_(doubled)
    y.register_hook(lambda g: kinds.append(g.dtype == lib.float32))
    return [*ends(y, lib, v), kinds]


@story
def copied_does_not_fit(lib):
    lib.ones(2, 3).copy_(lib.ones(2))


@story
def copied_is_too_large(lib):
    lib.ones(3).copy_(lib.ones(2, 3))


@story
def filled(lib):
    x = leaf(lib, 3)
    y = x * 1
    y.fill_(2.5)
    return ends(y, lib, x)


@story
def filled_with_a_tensor(lib):
    x, v = leaf(lib, 3), leaf(lib)
    y = x * 1
    y.fill_(v)
    return ends(y, lib, x, v)


@story
def filled_with_several(lib):
    lib.ones(3).fill_(lib.ones(2))


@story
def zeroed_in_part(lib):
    x = leaf(lib, 3, 3)
    y = x * 1
    y[1].zero_()
    return ends(y * y, lib, x)


@story
def masked_filled(lib):
    x, v = leaf(lib, 4), leaf(lib)
    y = x * 1
    y.masked_fill_(y > 2, 0.0)
    y.masked_fill_(y == 0, v)
    return ends(y, lib, x, v)


@story
def put_by_index(lib):
    x, v = leaf(lib, 4), leaf(lib, 2)
    y = x * 1
    y.index_put_((lib.tensor([3, 0]),), v)
    return ends(y, lib, x, v)


@story
def added_by_index(lib):
    x, v = leaf(lib, 4), leaf(lib, 3)
    y = x * 1
    y.index_put_((lib.tensor([3, 0, 3]),), v, accumulate=True)
    return ends(y, lib, x, v)


@story
def scattered(lib):
    x, v = leaf(lib, 2, 3), leaf(lib, 2, 2)
    y = x * 1
    y.scatter_(1, lib.tensor([[0, 2], [1, 0]]), v)
    return ends(y, lib, x, v)


@story
def scattered_number(lib):
    x = leaf(lib, 2, 3)
    y = x * 1
    y.scatter_(1, lib.tensor([[0], [2]]), 4.0)
    return ends(y, lib, x)


@story
def scatter_added(lib):
    x, v = leaf(lib, 2, 3), leaf(lib, 2, 2)
    y = x * 1
    y.scatter_add_(1, lib.tensor([[0, 0], [1, 0]]), v)
    return ends(y, lib, x, v)


@story
def clamped(lib):
    x = leaf(lib, 4)
    y = x * 1
    y.clamp_(1.2, 2.2)
    return ends(y, lib, x)


# ── what does not fit ─────────────────────────────────────────────────────────────────────────────


@story
def a_float_into_integers(lib):
    lib.arange(3).add_(1.5)


@story
def a_quotient_into_integers(lib):
    x = lib.arange(3)
    x /= 2


@story
def an_integer_into_bools(lib):
    (lib.arange(3) > 1).add_(1)


@story
def a_function_into_integers(lib):
    lib.arange(3).exp_()


@story
def floats_assigned_to_integers_are_cut(lib):
    x = lib.arange(3)
    x[1] = 7.9
    x[2:] = lib.tensor([-2.5])
    return x


@story
def a_result_that_is_larger(lib):
    lib.ones(3).add_(lib.ones(2, 3))


@story
def shapes_that_do_not_broadcast(lib):
    lib.ones(3).add_(lib.ones(4))


@story
def too_much_for_a_slice(lib):
    lib.ones(4)[0:2] = lib.ones(3)


@story
def too_much_for_indices(lib):
    lib.ones(4)[[0, 1]] = lib.ones(3)


@story
def too_much_for_a_mask(lib):
    x = lib.ones(4)
    x[x > 0] = lib.ones(3)


@story
def a_gradient_of_another_size(lib):
    leaf(lib, 3).grad = lib.ones(2)


@story
def a_gradient_of_another_type(lib):
    leaf(lib, 3).grad = lib.ones(3, dtype=lib.float64)


@story
def a_gradient_that_is_no_tensor(lib):
    leaf(lib, 3).grad = 1.0


# ── second gradients ──────────────────────────────────────────────────────────────────────────────


def _twice(y, lib, *xs):
    firsts = lib.autograd.grad((y * weights(lib, *y.shape)).sum(), xs, create_graph=True)
    total = sum((g * g * weights(lib, *g.shape)).sum() for g in firsts)
    return [*firsts, *lib.autograd.grad(total, xs, allow_unused=True)]


@story
def twice_through_a_chain(lib):
    x = leaf(lib, 3)
    y = x * x
    y.mul_(x).exp_()
    return _twice(y, lib, x)


@story
def twice_through_a_slice(lib):
    x, v = leaf(lib, 4), leaf(lib, 2)
    y = x * x
    y[1:3] *= v * v
    y[0] = x[1] ** 3
    return _twice(y, lib, x, v)


@story
def twice_through_indices(lib):
    x, v = leaf(lib, 4), leaf(lib, 2)
    y = x**3
    y[[2, 0]] = v**3
    return _twice(y, lib, x, v)


@story
def twice_through_a_written_base(lib):
    x = leaf(lib, 2, 3)
    y = x**2
    v = y.t()[1:]
    y.mul_(x)
    v.add_(x.t()[1:] ** 2)
    return _twice(v * v, lib, x)


@story
def twice_through_scatter(lib):
    x, v = leaf(lib, 2, 3), leaf(lib, 2, 2)
    y = x**3
    y.scatter_(1, lib.tensor([[0, 2], [1, 0]]), v**3)
    y.masked_fill_(y > 20, 0.0)
    return _twice(y, lib, x, v)


@story
def twice_where_the_result_was_written(lib):
    x = leaf(lib, 3)
    y = x * x
    y.sigmoid_()
    y.mul_(x)
    return _twice(y, lib, x)


# ── the tests ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", story)
def test_story(name):
    check(story[name])
