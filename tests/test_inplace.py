"""Writes, told as stories: each is run on torch and on tinyconv, and must end the same way.

A story takes the module to use and returns tensors and numbers; a list in it is compared element by element. It ends
with the same values, or with exceptions that start with the same words (and ours is a subclass of torch's).
"""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

import tinyconv as tc

WORDS = 40  # letters of a message that must agree
STORIES = {}


def story(function):
    STORIES[function.__name__] = function
    return function


def leaf(lib, *shape, start=1.0):
    """A leaf with elements start, start + 0.5, ..."""
    n = int(np.prod(shape))
    data = (np.arange(n) * 0.5 + start).reshape(shape)
    return lib.tensor(data.tolist(), requires_grad=True)


def weights(lib, *shape):
    """Uneven weights, so that a gradient in the wrong place shows."""
    n = int(np.prod(shape))
    return lib.tensor((np.cos(np.arange(n)) + 2).reshape(shape).tolist())


def ends(y, lib, *leaves):
    """Back through a weighted sum; the value and the gradients."""
    (y * weights(lib, *y.shape)).sum().backward()
    return [y, *(x.grad for x in leaves)]


# ── writes to results and operands of common functions ────────────────────────────────────────


def _written_result(name, legal):
    def tell(lib):
        x = leaf(lib, 3)
        y = getattr(x, name)()
        y += 1
        return ends(y, lib, x)

    tell.__name__ = f"result_of_{name}_{'may' if legal else 'may_not'}_be_written"
    story(tell)


for _name in ("exp", "relu", "sigmoid", "tanh", "sqrt", "reciprocal"):
    _written_result(_name, False)
for _name in ("square", "sin", "log", "neg", "abs", "clone"):
    _written_result(_name, True)


def _written_operand(name):
    def tell(lib):
        x = leaf(lib, 3)
        h = x * 2
        y = getattr(h, name)()
        h.mul_(2)
        return ends(y + h, lib, x)

    tell.__name__ = f"operand_of_{name}_written"
    story(tell)


for _name in ("exp", "relu", "sigmoid", "square", "sin", "log", "abs", "neg", "sum"):
    _written_operand(_name)


def _in_place(name):
    def tell(lib):
        x = leaf(lib, 3, start=0.25)
        y = x * 0.5
        z = getattr(y, name)()
        same = z is y
        return [same, *ends(y, lib, x)]

    tell.__name__ = f"in_place_{name}"
    story(tell)


for _name in "exp_ relu_ sigmoid_ tanh_ sqrt_ square_ log_ sin_ neg_ abs_ reciprocal_ rsqrt_ zero_ floor_".split():
    _in_place(_name)


@story
def product_then_operand_written(lib):
    x = leaf(lib, 3)
    a = x * 1
    y = a * a
    a += 1
    return ends(y, lib, x)


@story
def sum_then_operand_written(lib):
    x = leaf(lib, 3)
    a = x * 1
    y = a + a
    a += 1
    return ends(y + a, lib, x)


@story
def product_with_a_written_constant(lib):
    x, c = leaf(lib, 3), lib.ones(3)
    y = x * c
    c.mul_(2)
    return ends(y, lib, x)


@story
def plus_one_after_use(lib):
    x = leaf(lib, 3)
    y = x * 3
    z = y.sum() * 2
    y += 1
    return ends(y * z, lib, x)


@story
def a_chain_of_writes(lib):
    x = leaf(lib, 4)
    y = x * 1
    y.mul_(3).add_(1).pow_(2).div_(7).sub_(x)
    return ends(y, lib, x)


@story
def every_operator(lib):
    x = leaf(lib, 4)
    y = x * 1
    y += x
    y -= 2 * x
    y *= x
    y /= x + 1
    y **= 2
    return ends(y, lib, x)


@story
def identity_is_kept(lib):
    x = leaf(lib, 2)
    y = x * 1
    same = y
    y += 1
    return [same is y, y.add_(1) is y, *ends(same, lib, x)]


@story
def added_to_itself(lib):
    x = leaf(lib, 3)
    y = x * 1
    y.add_(y)
    return ends(y, lib, x)


@story
def multiplied_by_itself(lib):
    x = leaf(lib, 3)
    y = x * 1
    y.mul_(y)
    return ends(y, lib, x)


@story
def divided_by_itself(lib):
    x = leaf(lib, 3)
    y = x * 1
    y.div_(y)
    return ends(y, lib, x)


@story
def second_operand_gets_its_gradient(lib):
    x, w = leaf(lib, 3), leaf(lib, 3, start=2.0)
    y = x * 1
    y.mul_(w).div_(w + 1)
    return ends(y, lib, x, w)


@story
def a_broadcast_operand(lib):
    x, w = leaf(lib, 2, 3), leaf(lib, 3)
    y = x * 1
    y.mul_(w)
    return ends(y, lib, x, w)


# ── leaves ────────────────────────────────────────────────────────────────────────────────────


@story
def a_leaf(lib):
    leaf(lib, 3).add_(1)


@story
def a_leaf_by_operator(lib):
    x = leaf(lib, 3)
    x += 1


@story
def a_view_of_a_leaf(lib):
    leaf(lib, 4).view(2, 2).add_(1)


@story
def elements_of_a_leaf(lib):
    leaf(lib, 4)[1] = 5.0


@story
def a_leaf_without_recording(lib):
    x = leaf(lib, 3)
    with lib.no_grad():
        x += 1
        x[0] = 10.0
    return [x.is_leaf, *ends(x * x, lib, x)]


@story
def a_leaf_detached(lib):
    x = leaf(lib, 3)
    x.detach().mul_(2)
    return ends(x * x, lib, x)


@story
def a_leaf_that_wants_no_gradient(lib):
    x = lib.ones(3)
    x.mul_(leaf(lib, 3))
    return [x.is_leaf, x.requires_grad, x]


@story
def a_leaf_becomes_a_result(lib):
    buffer, x = lib.zeros(3), leaf(lib, 3)
    buffer.add_(x)
    return [buffer.is_leaf, *ends(buffer, lib, x)]


@story
def asked_for_a_gradient_after_a_write(lib):
    x = lib.ones(3)
    x += 1
    x.requires_grad_()
    return ends(x * x, lib, x)


@story
def a_leaf_used_then_written(lib):
    x = leaf(lib, 3)
    y = x * x
    with lib.no_grad():
        x.add_(1)
    return ends(y, lib, x)


@story
def a_shape_error_of_a_leaf_is_a_leaf_error(lib):
    leaf(lib, 3).add_(lib.ones(2, 3))


# ── training by hand ──────────────────────────────────────────────────────────────────────────


@story
def descent_through_data(lib):
    w, x = leaf(lib, 3), weights(lib, 3)
    for _ in range(3):
        w.grad = None
        ((w * x).sum() - 1).pow(2).backward()
        w.data[:] -= 0.01 * w.grad
    return [w, w.grad, w.is_leaf]


@story
def descent_without_recording(lib):
    w, x = leaf(lib, 3), weights(lib, 3)
    for _ in range(3):
        ((w * x).sum() - 1).pow(2).backward()
        with lib.no_grad():
            w -= 0.01 * w.grad
            w.grad.zero_()
    return [w, w.grad, w.requires_grad]


@story
def descent_through_data_sub(lib):
    w = leaf(lib, 3)
    w.square().sum().backward()
    w.data.sub_(w.grad, alpha=0.1)
    w.data = w.data * 2
    return [w, w.grad]


@story
def an_update_between_forward_and_backward(lib):
    w, x = leaf(lib, 2, 3), leaf(lib, 3, 2)
    loss = (x @ w).square().sum()
    with lib.no_grad():
        w -= 0.1
    loss.backward()


@story
def an_update_of_data_between_goes_unnoticed(lib):
    w, x = leaf(lib, 3), leaf(lib, 3)
    loss = (x * w).sum()
    w.data -= 0.1
    loss.backward()
    return [w.grad, x.grad]


@story
def gradients_are_added_in_place(lib):
    x = leaf(lib, 3)
    x.sum().backward()
    first = x.grad
    (2 * x).sum().backward()
    return [first is x.grad, first]


# ── slices ────────────────────────────────────────────────────────────────────────────────────


@story
def a_column(lib):
    x = leaf(lib, 3, 2)
    y = x * 2
    y[:, 1] += 1
    return ends(y * y, lib, x)


@story
def a_column_of_a_saved_operand(lib):
    x = leaf(lib, 3, 2)
    y = x * 2
    z = y * y
    y[:, 1] += 1
    return ends(z, lib, x)


@story
def a_row_times_another(lib):
    x = leaf(lib, 3, 2)
    y = x * 1
    y[0] *= y[1].clone()
    return ends(y, lib, x)


@story
def a_row_times_another_view(lib):
    x = leaf(lib, 3, 2)
    y = x * 1
    y[0] *= y[1]
    return ends(y, lib, x)


@story
def a_loop_fills_a_matrix(lib):
    x, k = leaf(lib, 4, 4), leaf(lib, 2, 2, start=-1.0)
    y = lib.zeros(3, 3)
    for i in range(3):
        for j in range(3):
            y[i, j] = (x[i : i + 2, j : j + 2] * k).sum()
    return ends(y, lib, x, k)


@story
def a_loop_over_rows(lib):
    x = leaf(lib, 3, 2)
    y = x * 1
    for i in range(1, 3):
        y[i] = y[i - 1] * 2 + y[i]
    return ends(y, lib, x)


@story
def a_number_into_a_slice(lib):
    x = leaf(lib, 5)
    y = x * 1
    y[1:4:2] = 7.0
    return ends(y, lib, x)


@story
def a_tensor_into_a_slice(lib):
    x, v = leaf(lib, 5), leaf(lib, 2)
    y = x * 1
    y[1:4:2] = v * v
    return ends(y, lib, x, v)


@story
def a_tensor_is_stretched_into_a_slice(lib):
    x, v = leaf(lib, 3, 2), leaf(lib, 3, 1)
    y = x * 1
    y[:] = v
    return ends(y, lib, x, v)


@story
def leading_ones_are_dropped(lib):
    x, v = leaf(lib, 3), leaf(lib, 1, 1, 3)
    y = x * 1
    y[:] = v
    return ends(y, lib, x, v)


@story
def a_mask(lib):
    x = leaf(lib, 5)
    y = x * 1
    y[y > 2] = 0.0
    return ends(y, lib, x)


@story
def a_mask_with_values(lib):
    x, v = leaf(lib, 5), leaf(lib, 3)
    y = x * 1
    y[y > 1.5] = v
    return ends(y, lib, x, v)


@story
def a_mask_is_added_to(lib):
    x = leaf(lib, 5)
    y = x * 1
    y[y > 2] += x[:2]
    return ends(y, lib, x)


@story
def indices_with_duplicates(lib):
    x = leaf(lib, 4)
    y = x * 1
    y[[0, 2, 0]] = 9.0
    return ends(y, lib, x)


@story
def indices_with_duplicates_add_once(lib):
    x = leaf(lib, 4)
    y = x * 1
    y[lib.tensor([0, 2, 0])] += 1
    return ends(y, lib, x)


@story
def rows_by_index(lib):
    x, v = leaf(lib, 4, 2), leaf(lib, 2)
    y = x * 1
    y[lib.tensor([3, 1])] = v
    return ends(y, lib, x, v)


@story
def indices_and_slices(lib):
    x, v = leaf(lib, 2, 3, 4), leaf(lib, 2, 3)
    y = x * 1
    y[:, :, [2, 0]] = v[:, :, None]
    return ends(y, lib, x, v)


@story
def an_element_to_its_neighbour(lib):
    x = leaf(lib, 5)
    y = x * 1
    y[1:] = y[:-1]
    return ends(y, lib, x)


@story
def a_clone_to_its_neighbour(lib):
    x = leaf(lib, 5)
    y = x * 1
    y[1:] = y[:-1].clone()
    return ends(y, lib, x)


@story
def neighbours_are_added(lib):
    y = lib.arange(5.0)
    y[1:] += y[:-1]
    return y


@story
def two_halves(lib):
    x = leaf(lib, 6)
    y = x * 1
    y[:3] *= y[3:]
    return ends(y, lib, x)


@story
def two_halves_added(lib):
    x = leaf(lib, 6)
    y = x * 1
    y[:3] += y[3:]
    return ends(y, lib, x)


@story
def a_matrix_and_its_transpose(lib):
    y = lib.ones(3, 3)
    y += y.t()
    return y


# ── views ─────────────────────────────────────────────────────────────────────────────────────


@story
def chained_views(lib):
    x = leaf(lib, 3, 6)
    y = x * 1
    y[1:][0][::2].mul_(3)
    return ends(y, lib, x)


@story
def a_chain_of_unlike_views(lib):
    x = leaf(lib, 2, 3, 4)
    y = x * 1
    y.permute(2, 0, 1)[1:3].transpose(0, 2)[..., None].squeeze(-1)[0].mul_(x[:, 0, :2])
    return ends(y, lib, x)


@story
def a_transposed_view(lib):
    x = leaf(lib, 2, 3)
    y = x * 1
    y.t()[0].add_(x[:, 1])
    return ends(y, lib, x)


@story
def a_reshaped_view(lib):
    x = leaf(lib, 2, 3)
    y = x * 1
    y.view(-1)[2:4].mul_(5)
    return ends(y, lib, x)


@story
def a_view_of_a_result_that_lies_in_columns(lib):
    x = leaf(lib, 2, 3)
    y = x.t().clone()
    v = y.t().reshape(-1)
    v[1:3].mul_(5)
    return [y, *ends(y * y, lib, x)]


@story
def a_base_in_columns(lib):
    x = leaf(lib, 4, 3)
    y = x.t() * 1
    y.t().view(2, 2, 3)[1].mul_(4)
    return [y.stride(), *ends(y, lib, x)]


@story
def an_unfolded_diagonal(lib):
    x = leaf(lib, 3, 3)
    y = x * 1
    y.diagonal().zero_()
    y.diagonal(1).mul_(3)
    return ends(y, lib, x)


@story
def an_expanded_view(lib):
    y = lib.ones(3)
    y[:1].expand(3).add_(1)


@story
def an_expanded_result(lib):
    x = leaf(lib, 3, 1)
    y = x.expand(3, 4)
    y.mul_(2)


@story
def views_along_different_paths(lib):
    x = leaf(lib, 4, 4)
    y = x * 1
    rows, columns = y[1:3], y[:, 1:3]
    rows.mul_(2)
    columns.add_(x[:, :2])
    rows[0].mul_(columns[0, 0])
    return [*ends(rows * rows, lib, x), columns]


@story
def a_view_before_and_after(lib):
    x = leaf(lib, 4)
    y = x * 1
    before = y[1:]
    y.mul_(3)
    after = y[1:]
    return ends(before * after, lib, x)


@story
def a_view_sees_the_base_written(lib):
    x = leaf(lib, 2, 3)
    y = x * 1
    row = y[1]
    y.mul_(x)
    return [row, *ends(row, lib, x)]


@story
def a_view_saved_before_the_base_is_written(lib):
    x = leaf(lib, 4)
    y = x * 1
    v = y[1:]
    z = v * v
    y.mul_(3)
    return ends(z, lib, x)


@story
def a_view_used_before_the_base_is_written(lib):
    x = leaf(lib, 4)
    y = x * 1
    v = y[1:]
    z = v * 2
    y.mul_(3)
    return ends(z + v, lib, x)


@story
def a_base_sees_its_view_written(lib):
    x = leaf(lib, 4)
    y = x * 1
    v = y[1:]
    v.mul_(3)
    z = y * 2
    v.add_(1)
    return ends(y + z, lib, x)


@story
def a_sibling_sees_a_view_written(lib):
    x = leaf(lib, 4)
    y = x * 1
    a, b = y[:3], y[1:]
    a.mul_(x[:3])
    return ends(b * b, lib, x)


@story
def requires_grad_reaches_the_base(lib):
    y, x = lib.zeros(4), leaf(lib, 2)
    v = y[1:3]
    before = y.requires_grad
    v.copy_(x)
    return [before, y.requires_grad, v.requires_grad, y[0].requires_grad, *ends(y, lib, x)]


@story
def requires_grad_reaches_the_views(lib):
    y, x = lib.ones(4), leaf(lib, 4)
    v = y[1:3]
    y.mul_(x)
    return [v.requires_grad, v.is_leaf, *ends(v, lib, x)]


@story
def requires_grad_reaches_a_sibling(lib):
    y, x = lib.ones(4), leaf(lib, 2)
    a, b = y[:2], y[1:]
    a.mul_(x)
    return [b.requires_grad, *ends(b, lib, x)]


@story
def names_after_a_write(lib):
    x = leaf(lib, 4)
    y = x * 1
    v = y[1:]
    v.mul_(2)
    return [repr(y), repr(v), repr(y[0])]


@story
def split_views_are_not_written(lib):
    (leaf(lib, 4) * 1).split(2)[0].mul_(2)


@story
def split_views_by_sizes_are_not_written(lib):
    (leaf(lib, 4) * 1).split([1, 3])[1].mul_(2)


@story
def chunks_are_not_written(lib):
    (leaf(lib, 4) * 1).chunk(2)[0].mul_(2)


@story
def unbound_rows_are_not_written(lib):
    for row in leaf(lib, 2, 2) * 1:
        row.mul_(2)


@story
def a_view_of_an_unbound_row_is_not_written(lib):
    (leaf(lib, 2, 2) * 1).unbind()[0][0:1].mul_(2)


@story
def split_views_of_a_plain_tensor_are_written(lib):
    y = lib.arange(4.0)
    y.split(2)[0].mul_(2)
    return y


@story
def split_views_die_when_the_base_is_written(lib):
    y = leaf(lib, 4) * 1
    a, _ = y.split(2)
    y.mul_(2)
    return a * 2


@story
def split_views_without_recording(lib):
    x = leaf(lib, 4)
    y = x * 1
    a, _ = y.split(2)
    with lib.no_grad():
        a.mul_(2)
    return y


@story
def a_view_made_without_recording_is_not_written(lib):
    x = leaf(lib, 4)
    with lib.no_grad():
        v = x.view(2, 2)
    v.mul_(2)


@story
def a_view_of_a_result_made_without_recording_is_not_written(lib):
    y = leaf(lib, 4) * 1
    with lib.no_grad():
        v = y[:2]
    v.mul_(2)


@story
def a_view_made_without_recording_dies_with_a_write(lib):
    y = leaf(lib, 4) * 1
    with lib.no_grad():
        v = y[:2]
    y.mul_(2)
    return v * 2


@story
def a_view_made_and_written_without_recording(lib):
    x = leaf(lib, 4)
    with lib.no_grad():
        x.view(2, 2)[0].mul_(2)
    return ends(x * x, lib, x)


@story
def a_view_of_inference_is_not_written(lib):
    x = leaf(lib, 4)
    with lib.inference_mode():
        v = x.view(2, 2)
    v.add_(1)


@story
def an_inference_tensor_is_not_written(lib):
    with lib.inference_mode():
        x = lib.ones(3) * 2
    x.add_(1)


@story
def an_inference_tensor_is_not_saved(lib):
    with lib.inference_mode():
        c = lib.ones(3) * 2
    return leaf(lib, 3) * c


@story
def an_inference_tensor_is_used(lib):
    with lib.inference_mode():
        c = lib.ones(3) * 2
    x = leaf(lib, 3)
    return ends(x + c, lib, x)


# ── detach ────────────────────────────────────────────────────────────────────────────────────


@story
def detached_memory_is_shared(lib):
    x = leaf(lib, 3)
    y = x * 2
    d = y.detach()
    d.zero_()
    return [y, d.requires_grad, *ends(y, lib, x)]


@story
def a_write_to_the_detached_is_noticed(lib):
    x = leaf(lib, 3)
    y = x.exp()
    y.detach().zero_()
    return ends(y, lib, x)


@story
def a_write_to_data_is_not_noticed(lib):
    x = leaf(lib, 3)
    y = x.exp()
    y.data.zero_()
    return ends(y, lib, x)


@story
def detached_in_place(lib):
    x = leaf(lib, 3)
    y = x * 2
    y.detach_()
    y.mul_(2)
    return [y, y.requires_grad, y.is_leaf]


@story
def a_view_is_not_detached_in_place(lib):
    (leaf(lib, 3) * 2)[0].detach_()


@story
def the_detached_grows_a_history_of_its_own(lib):
    x, w = leaf(lib, 3), leaf(lib, 3)
    y = x * 2
    d = y.detach()
    d.mul_(w)
    return [*ends(d, lib, w), y.grad_fn is d.grad_fn]


# ── overwritten saved tensors ─────────────────────────────────────────────────────────────────


@story
def a_matrix_product_whose_input_is_written(lib):
    x, w = leaf(lib, 2, 3), leaf(lib, 3, 2)
    h = x * 1
    y = h @ w
    h.zero_()
    return ends(y, lib, x, w)


@story
def a_matrix_product_whose_weight_is_written(lib):
    x, w = leaf(lib, 2, 3), leaf(lib, 3, 2)
    v = w * 1
    y = x @ v
    v.zero_()
    return ends(y, lib, x, w)


@story
def a_matrix_product_whose_result_is_written(lib):
    x, w = leaf(lib, 2, 3), leaf(lib, 3, 2)
    y = x @ w
    y += 1
    return ends(y, lib, x, w)


@story
def what_nobody_needs_may_be_written(lib):
    x, w = lib.ones(3), leaf(lib, 3)
    y = x * w
    w.data.add_(1)
    z = w * 2
    z.zero_()
    return ends(y, lib, w)


@story
def a_write_that_is_undone_is_still_an_error(lib):
    x = leaf(lib, 3)
    h = x * 1
    y = h * h
    h += 1
    h -= 1
    return ends(y, lib, x)


@story
def backward_twice(lib):
    x = leaf(lib, 3)
    y = (x * x).sum()
    y.backward()
    y.backward()


@story
def backward_twice_where_nothing_was_saved(lib):
    x = leaf(lib, 3)
    y = x.sum()
    y.backward()
    y.backward()
    return x.grad


@story
def backward_twice_with_the_graph_retained(lib):
    x = leaf(lib, 3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@story
def a_retained_graph_and_a_write_between(lib):
    x = leaf(lib, 3)
    h = x * 1
    y = (h * h).sum()
    y.backward(retain_graph=True)
    h.add_(1)
    y.backward()


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────


@story
def a_retained_gradient_is_that_of_the_last_value(lib):
    x = leaf(lib, 3)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    return [*ends(y, lib, x), y.grad]


@story
def a_retained_gradient_of_a_view(lib):
    x = leaf(lib, 3)
    y = x * 2
    v = y[1:]
    v.retain_grad()
    y.mul_(3)
    (v * 5).sum().backward()
    return [v.grad, x.grad]


@story
def a_retained_gradient_of_a_base(lib):
    x = leaf(lib, 3)
    y = x * 2
    y.retain_grad()
    y[1:].mul_(3)
    (y * 5).sum().backward()
    return [y.grad, x.grad]


@story
def hooks_stay_with_the_value_they_were_given_to(lib):
    x, seen = leaf(lib, 3), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.clone()))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(g * 10))
    return [*ends(y, lib, x), seen]


@story
def a_hook_writes_to_its_gradient(lib):
    x = leaf(lib, 3)
    x.register_hook(lambda g: g.mul_(2))
    (x * 3).sum().backward()
    return x.grad


@story
def a_gradient_written_between_passes(lib):
    x = leaf(lib, 3)
    x.sum().backward()
    x.grad[1:] = 0
    x.sum().backward()
    return x.grad


# ── copy_ fill_ zero_ and the functions that put ──────────────────────────────────────────────


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


# ── what does not fit ─────────────────────────────────────────────────────────────────────────


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


# ── second gradients ──────────────────────────────────────────────────────────────────────────


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


# ── the tests ─────────────────────────────────────────────────────────────────────────────────


def same(ours, theirs):
    """Compare what two tellings returned."""
    if isinstance(theirs, torch.Tensor):
        assert type(ours) is tc.Tensor
        assert ours.requires_grad == theirs.requires_grad
        assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-5, 1e-6)
        assert ours.shape == theirs.shape
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    else:
        assert ours == theirs


def outcome(tell, lib):
    try:
        return tell(lib), None
    except Exception as error:
        return None, error


@pytest.mark.parametrize("name", STORIES)
def test_story(name):
    theirs, their_error = outcome(STORIES[name], torch)
    ours, our_error = outcome(STORIES[name], tc)
    if their_error is None:
        if our_error is not None:
            raise our_error
        same(ours, theirs)
    else:
        assert our_error is not None, f"torch raises {their_error!r}"
        assert isinstance(our_error, type(their_error)), f"{our_error!r} for {their_error!r}"
        words = str(their_error)[:WORDS].replace("torch.", "tinyconv.")
        assert str(our_error).startswith(words), f"{our_error}\nfor {their_error}"


def test_a_written_result_keeps_one_copy():
    """In-place on a result that the op saved: the op shares the memory with the operand."""
    x = leaf(tc, 1000)
    y = (x * 1).exp_()
    assert y.grad_fn._saved[0] is y.array


def test_an_expanded_tensor_may_be_filled_elsewhere_but_not_written():
    with pytest.raises(RuntimeError, match=r"more than one element.*\n.*share"):
        tc.ones(1).expand(3).mul_(2)


def test_overlap_is_judged_by_memory_not_by_shape():
    """Rows with gaps between them: torch reads what it has just written, tinyconv what was there."""
    x = tc.arange(16.0).reshape(4, 4)
    x[:, 1:] = x[:, :-1]
    assert x.tolist()[0] == [0, 0, 1, 2]


def test_error_names_the_node_and_the_way_out():
    x = leaf(tc, 3)
    y = x.exp()
    y += 1
    with pytest.raises(
        RuntimeError, match=r"FloatTensor \[3\]\], which is output 0 of Exp, is at version 1"
    ) as info:
        y.sum().backward()
    assert "clone()" in str(info.value)


def test_writes_leave_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf(tc, 4)
        y = x * 1
        v = y[1:]
        v.mul_(2)
        y.exp_()
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y, v
        assert node() is None
    finally:
        gc.enable()
