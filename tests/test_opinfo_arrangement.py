"""Triangles, windows, stacks, places and products on the samples of torch's own tests, and what they refuse."""

from __future__ import annotations

import opinfo
import pytest
import torch
from opinfo import Op, Outcome, assert_same, assert_same_refusal

import tinyconv as tc

OPS = """tril triu diag diag_embed diagflat trace block_diag rot90 fliplr flipud narrow_copy unfold atleast_1d atleast_2d atleast_3d
dstack column_stack meshgrid-variadic_tensors meshgrid-list_of_tensors cartesian_prod combinations tensor_split hsplit vsplit
dsplit split_with_sizes broadcast_tensors broadcast_shapes sum_to_size resize_ resize_as_
index_add index_copy index_fill put take masked_scatter argwhere select_scatter slice_scatter diagonal_scatter
scatter_reduce-sum scatter_reduce-prod scatter_reduce-mean scatter_reduce-amax scatter_reduce-amin tril_indices triu_indices
kron tensordot cdist baddbmm addmv addr inner vdot cross mH H real"""
REFUSING = """tril triu diag diag_embed trace masked_scatter narrow_copy fliplr flipud rot90 hsplit vsplit dsplit dstack
index_add sum_to_size"""


def ops(names):
    return [Op(*n.split("-", 1)) for n in names.split()]


@pytest.mark.parametrize("op", ops(OPS), ids=str)
def test_samples(op):
    for dtype in ("float64", "int64", "bool"):
        if opinfo.supports(op, dtype):
            opinfo.check_samples(op, dtype, tolerance={"float64": (1e-10, 1e-10)}.get(dtype))


@pytest.mark.parametrize("op", ops(REFUSING), ids=str)
def test_refused_arguments(op):
    opinfo.check_errors(op)


@pytest.mark.parametrize("op", ops("as_strided as_strided-partial_views"), ids=str)
def test_any_strides(op):
    """Not on operands with gaps: what lies in these is anybody's."""
    for call in opinfo.samples(op, "float64"):
        opinfo.check_call(call, op.entry.op, op.ours, gradients=True, second=True)


# ── what torch's samples leave out ────────────────────────────────────────────────────────────


def x(t, *shape):
    """Numbers that both libraries make alike."""
    size = 1
    for n in shape:
        size *= n
    return ((t.arange(size, dtype=t.float64) * 7 + 3) % 11 - 5).reshape(shape)


def i(t, *numbers):
    return t.tensor(numbers)


RESULTS = {
    "trace of integers": lambda t: t.tensor([[1, 2], [3, 4]], dtype=t.int32).trace(),
    "diag is a copy": lambda t: t.diag(x(t, 3, 3)).add_(1),
    "fill_diagonal_": lambda t: x(t, 3, 4).fill_diagonal_(9),
    "fill_diagonal_ of a tall matrix": lambda t: x(t, 7, 3).fill_diagonal_(9),
    "fill_diagonal_, wrapped": lambda t: x(t, 8, 3).fill_diagonal_(9, wrap=True),
    "fill_diagonal_ of a cube": lambda t: x(t, 3, 3, 3).fill_diagonal_(9),
    "fill_diagonal_ cuts": lambda t: t.zeros(2, 2, dtype=t.int64).fill_diagonal_(1.7),
    "windows overlap": lambda t: x(t, 3, 7).unfold(1, 3, 2),
    "windows of windows": lambda t: x(t, 5, 6).unfold(0, 2, 1).unfold(1, 3, 3),
    "as_strided of a view": lambda t: x(t, 3, 4)[1:].as_strided((2, 2), (1, 2)),
    "as_strided from elsewhere": lambda t: x(t, 3, 4)[1:].as_strided((2, 2), (1, 2), 1),
    "storage_offset": lambda t: [x(t, 3, 4)[1:, 2].storage_offset(), x(t, 3).storage_offset()],
    "meshgrid, xy": lambda t: t.meshgrid(x(t, 2), x(t, 3), x(t, 4), indexing="xy"),
    "combinations again": lambda t: t.combinations(x(t, 4), 3, with_replacement=True),
    "no combination": lambda t: [t.combinations(x(t, 2), r).shape for r in (0, 3)],
    "tensor_split by a tensor": lambda t: x(t, 5).tensor_split(i(t, 1, 3)),
    "tensor_split by negative indices": lambda t: x(t, 5).tensor_split((-2, 1)),
    "split_with_sizes": lambda t: t.split_with_sizes(x(t, 5), [2, 0, 3]),
    "block_diag of kinds": lambda t: t.block_diag(x(t, 2), i(t, 1), t.tensor(2)),
    "row_stack": lambda t: t.row_stack((x(t, 2), x(t, 2))),
    "atleast of several": lambda t: [t.atleast_2d(x(t, 2), i(t, 3)), t.atleast_3d([x(t, 2)])],
    "index_add of integers": lambda t: i(t, 1, 2).index_add(0, i(t, 0, 0, 1), i(t, 3, 3, 3), alpha=2),
    "index_copy again": lambda t: x(t, 3).index_copy(0, i(t, 1), t.tensor(5.0, dtype=t.float64)),
    "put adds": lambda t: x(t, 2, 3).put(i(t, 1, 1, -1), x(t, 3), accumulate=True),
    "mean of integers": lambda t: i(t, 5, -5).scatter_reduce(0, i(t, 0, 1), i(t, 2, 2), "mean"),
    "int32 places": lambda t: x(t, 3).scatter_reduce(0, i(t, 0, 1).to(t.int32), x(t, 2), "amax"),
    "resize_": lambda t: t.arange(6).resize_(2, 2),
    "is_same_size": lambda t: [t.is_same_size(x(t, 2), i(t, 1, 2)), x(t, 2).is_same_size(x(t, 3))],
    "adjoint": lambda t: [x(t, 2, 3).adjoint(), t.adjoint(x(t, 2, 3, 4)), t.tensor(1.0).mH],
    "tensordot by lists": lambda t: t.tensordot(x(t, 2, 3, 4), x(t, 4, 3), ([2, 1], [0, 1])),
    "chain_matmul": lambda t: t.linalg.multi_dot([x(t, 2, 5), x(t, 5, 3), x(t, 3, 4), x(t, 4, 2)]),
    "multi_dot of vectors": lambda t: t.linalg.multi_dot([x(t, 5), x(t, 5, 3), x(t, 3)]),
    "cdist of many": lambda t: t.cdist(x(t, 30, 4), x(t, 26, 4)),
    "cdist, p": lambda t: [t.cdist(x(t, 3, 2), x(t, 4, 2), p) for p in (0.0, 1.0, 3.0, float("inf"))],
    "addbmm": lambda t: t.addbmm(x(t, 2, 4), x(t, 3, 2, 5), x(t, 3, 5, 4), beta=2, alpha=3),
    "addmm_": lambda t: x(t, 2, 2).addmm_(x(t, 2, 3), x(t, 3, 2)),
    "ger": lambda t: t.ger(x(t, 2), x(t, 3)),
    "attributes": lambda t: [x(t, 2).is_cpu, x(t, 2).get_device(), x(t, 2, 1).ndimension(), x(t, 2).is_signed(),
                             x(t, 2).is_complex(), str(x(t, 2).layout)[-7:], t.is_signed(t.tensor(True)),
                             t.is_floating_point(i(t, 1)), t.is_complex(i(t, 1)), t.is_nonzero(i(t, 1)),
                             x(t, 2).layout is t.strided, t.numel(x(t, 2, 3))],
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results(name):
    theirs, ours = (Outcome.of(lambda t=t: RESULTS[name](t), ((), {})) for t in (torch, tc))
    assert_same(ours.get(), theirs.get(), (1e-9, 1e-9))


REFUSED = """tril(x(3)) | trace(x(3)) | trace(x(2, 2) > 0) | tensordot(x(2, 3), x(2, 3), 1) | tensordot(x(2, 3), x(2, 3), 3)
tensordot(x(2, 3), x(3, 2), -1) | tensordot(x(2, 3), x(3, 2), ([1], [0, 1])) | tensordot(x(2, 3), x(3, 2).float(), 1)
cdist(x(2), x(3, 2)) | cdist(x(2, 2), x(3, 3)) | cdist(x(2, 2), x(3, 2).float()) | cdist(x(2, 2), x(3, 2), p=-1.0)
cdist(x(2, 2).long(), x(3, 2).long()) | cdist(x(2, 2), x(3, 2), compute_mode="no") | baddbmm(x(1), x(2, 3), x(2, 3, 3))
baddbmm(x(1), x(2, 3, 4), x(2, 3, 3)) | addmv(x(2), x(2, 3), x(2)) | addmv(x(2), x(2, 3), x(3).float())
addr(x(2), x(2, 3), x(3)) | addr(x(2).long(), x(2).long(), x(2).long(), beta=1.5) | x(2).addr_(x(2), x(3))
inner(x(2), x(3)) | inner(x(2), x(2).float()) | vdot(x(2, 2), x(3)) | chain_matmul(x(2), x(3, 3))
linalg.multi_dot([x(2, 2)]) | linalg.multi_dot([x(2, 2), x(3, 3)]) | linalg.multi_dot([x(2, 2), x(2, 2).float()])
linalg.multi_dot([x(2, 2, 2), x(3, 3), x(2)]) | linalg.multi_dot([x(2, 2), x(2, 2, 2), x(2)]) | cross(x(2), x(2))
cross(x(3), x(2, 3)) | cross(x(3), x(2)) | cross(x(3, 3), x(3, 3).float(), dim=0) | x(5).unfold(0, 6, 1)
x(5).unfold(0, -1, 1) | x(5).unfold(0, 2, 0) | x(5).unfold(1, 2, 1) | x(5).as_strided((3, 3), (2, 2))
x(5).as_strided((3,), (2, 1)) | x(5).as_strided((3,), (-1,)) | x(5).as_strided((3,), (1,), -1) | dstack([]) | column_stack([])
meshgrid(x(2), x(2).float()) | meshgrid(x(2), x(3), indexing="ab") | meshgrid([]) | cartesian_prod(x(2, 2)) | combinations(x(2, 2))
combinations(x(2), r=-1) | block_diag(x(2, 2, 2)) | broadcast_tensors(x(2), x(3)) | broadcast_shapes((2,), (3,))
broadcast_shapes((2, -1), (3, 1)) | tensor_split(x(4), 0) | tensor_split(x(4), "a") | tensor_split(x(4), x(2))
tensor_split(x(4), i([[1]])) | split_with_sizes(x(4), [1, 2]) | index_copy(x(3), 0, i([0, 5]), x(2))
index_copy(x(3), 0, i([0, 1]), x(3)) | index_copy(x(3), 0, x(2), x(2)) | index_copy(x(3), 0, i([0, 1]), x(2).float())
index_copy(x(3), 0, i([[0, 1]]), x(2)) | index_copy(x(3, 2), 0, i([0, 1]), x(2)) | index_copy(x(3, 2), 0, i([0, 1]), x(2, 3))
index_copy(x(3), 0, i([0, 1]), x()) | index_fill(x(3), 0, i([0, 5]), 1.0) | index_fill(x(3), 0, x(2), 1.0)
index_fill(x(3), 0, i([[0, 1]]), 1.0) | index_fill(x(3), 0, i([0, 1]), x(2)) | index_add(x(3), 0, i([0, 5]), x(2))
index_add(x(3), 0, i([0, -1]), x(2)) | index_add(x(3), 0, i([0, 1]), x(2).float()) | index_add(x(3), 0, x(2), x(2))
index_add(x(3), 0, i([[0, 1]]), x(2)) | index_add(x(3), 0, i([0, 1]), x(3)) | index_add(x(3), 0, i([0, 1]), x())
scatter_reduce(x(3), 0, i([0, 5]), x(2), "sum") | scatter_reduce(x(3), 0, i([0, 1]), x(2), "no")
scatter_reduce(x(3), 0, i([0, 1]), x(2).float(), "sum") | scatter_reduce(x(3), 0, i([0, 1, 2]), x(2), "sum")
put(x(3), i([0, 5]), x(2)) | put(x(3), i([0, 1]), x(3)) | put(x(3), x(2), x(2)) | put(x(3), i([0, 1]), x(2).float())
take(x(3), i([0, 5])) | take(x(3), x(2)) | take(x(0), i([0, 1])) | masked_scatter(x(3), i([1, 1, 0]), x(3))
masked_scatter(x(3), x(3) < 9, x(1)) | masked_scatter(x(3), x(3) < 9, x(3).float()) | select_scatter(x(3, 2), x(3), 0, 0)
select_scatter(x(3, 2), x(2), 0, 5) | slice_scatter(x(3, 2), x(3), 0, 0) | slice_scatter(x(3, 2), x(1, 2), 0, 0, 1, 0)
diagonal_scatter(x(3, 3), x(2)) | x(3).fill_diagonal_(1) | x(3, 3, 2).fill_diagonal_(1) | x(3, 3).squeeze_(5)
x(3, 3, 3).t_() | adjoint(x(2)) | x(2).mH | x(2, 2, 2).H | x(2).H | tril_indices(-1, 2) | triu_indices(2, 2, dtype=float32)
x(3).requires_grad_().resize_(2) | (x(2, 2) * 1).requires_grad_().t_() | x(2).addmm_(x(3, 2), x(2, 2))"""


@pytest.mark.parametrize(
    "text", [c.strip() for line in REFUSED.splitlines() for c in line.split("|")]
)
def test_refusals(text):
    def run(t):
        names = {**vars(t), "x": lambda *s: x(t, *s), "i": t.tensor}
        return eval(text, names)

    theirs, ours = (Outcome.of(run, ((t,), {})) for t in (torch, tc))
    assert_same_refusal(ours, theirs)


def test_a_view_is_not_resized():
    with pytest.raises(tc.errors.InplaceError, match="memory of its own"):
        tc.zeros(4)[1:].resize_(2)


def test_a_view_of_what_was_resized_has_no_history():
    base = tc.zeros(4)
    part = base[:2]
    base.resize_(6)
    with pytest.raises(tc.errors.InplaceError, match="resized"):
        part.mul_(tc.ones(2, requires_grad=True))
