"""Writes to results and operands, to leaves, in training by hand, to slices."""

from __future__ import annotations

import gc
import weakref

import pytest
from stories import Stories, check, ends, leaf, weights

import tinyconv as tc

story = Stories()

# ── writes to results and operands of common functions ────────────────────────────────────────────


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


for _name in [
    "exp_",
    "relu_",
    "sigmoid_",
    "tanh_",
    "sqrt_",
    "square_",
    "log_",
    "sin_",
    "neg_",
    "abs_",
    "reciprocal_",
    "rsqrt_",
    "zero_",
    "floor_",
]:
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


# ── leaves ────────────────────────────────────────────────────────────────────────────────────────


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


# ── training by hand ──────────────────────────────────────────────────────────────────────────────


@story
def descent_through_data(lib):
    w, x = leaf(lib, 3), weights(lib, 3)
    for _ in range(3):
        w.grad = None
        ((w * x).sum() - 1).pow(2).backward()
        w.data[:] -= 0.01 * w.grad
    return [w, w.grad, w.is_leaf]


@story
def descent_through_data_of_one_row(lib):
    w = leaf(lib, 1, 2)
    w.square().sum().backward()
    w.data[:] -= 0.1 * w.grad
    w.data[0] += w.data[0]
    return [w, w.grad]


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


# ── slices ────────────────────────────────────────────────────────────────────────────────────────


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


# ── the tests ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", story)
def test_story(name):
    check(story[name])


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
