"""Writes through views, detached memory, what was saved, hooks."""

from __future__ import annotations

import pytest
from stories import Stories, check, ends, leaf

story = Stories()

# ── views ─────────────────────────────────────────────────────────────────────────────────────────


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
def a_view_expanded_by_dimensions_of_one(lib):
    x = leaf(lib, 3)
    y = x * 1
    y.expand(1, 1, 3)[0].mul_(2)
    return [lib.zeros(0, 1).expand(0, 3).shape[1], *ends(y, lib, x)]


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
def a_view_first_asked_where_nothing_is_recorded(lib):
    x = leaf(lib, 4)
    y = x * 1
    v = y[1:]
    y.mul_(x)
    with lib.no_grad():
        aside = v * 2
    return [aside, v.is_leaf, *ends(v, lib, x)]


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


# ── detach ────────────────────────────────────────────────────────────────────────────────────────


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


# ── overwritten saved tensors ─────────────────────────────────────────────────────────────────────


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


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────────


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


# ── the tests ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", story)
def test_story(name):
    check(story[name])
