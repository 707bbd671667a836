"""Views, joins, indexing, order and matrix products on the samples of torch's own tests."""

from __future__ import annotations

import opinfo
import pytest
import torch
from opinfo import Op

import tinyconv as tc

VIEWS = """reshape reshape_as view view_as flatten ravel unflatten squeeze squeeze-multiple unsqueeze permute transpose t T
mT movedim expand expand_as broadcast_to select narrow split split-list_args chunk unbind diagonal contiguous"""
JOINS = "cat stack hstack vstack flip roll repeat tile repeat_interleave"
PLACES = """__getitem__ gather scatter scatter_add take_along_dim index_select index_put masked_fill masked_select nonzero
sort argsort topk unique bincount"""
PRODUCTS = "matmul mm bmm mv dot outer addmm addmm-decomposed einsum __rmatmul__"
REFUSING = """reshape reshape_as view view_as t movedim narrow unbind diagonal T cat hstack vstack roll gather scatter
scatter_add index_select masked_fill masked_select dot"""


def ops(names):
    return [Op(*n.split("-")) for n in names.split()]


def test_the_tables_are_complete():
    """Every variant torch has of these names, and every one that comes with refused arguments."""
    table = ops(" ".join((VIEWS, JOINS, PLACES, PRODUCTS)))
    known = {v for op in table for v in opinfo.variants(op.name)} - {Op("bmm", "triton_optimized")}
    assert known == set(table)
    assert {v for v in known if v.entry.error_inputs_func} == set(ops(REFUSING))


@pytest.mark.parametrize("op", ops(f"{VIEWS} {JOINS} {PLACES}"), ids=str)
def test_samples(op):
    """In the dtypes that torch takes; which of several equal integers topk takes is anybody's choice."""
    for dtype in ("float64",) if op.name == "topk" else ("float64", "int64"):
        if opinfo.supports(op, dtype):
            opinfo.check_samples(op, dtype)


@pytest.mark.parametrize("descending", [False, True])
def test_equals_keep_their_order(descending):
    data = [2.0, 1.0, 2.0, float("nan"), 1.0, float("nan"), float("inf"), 2.0]
    ours = tc.tensor(data).sort(descending=descending, stable=True)
    theirs = torch.tensor(data).sort(descending=descending, stable=True)
    assert ours.indices.tolist() == theirs.indices.tolist()
    assert repr(ours) == repr(theirs).replace("torch.", "tinyconv.")


@pytest.mark.parametrize("op", ops(PRODUCTS), ids=str)
def test_products(op):
    """Sums in another order: the error grows with their length."""
    loose = {"float32": (1e-5, 2e-5), "float16": (1e-2, 1e-1)}
    for dtype in ("float64", "float32", "float16", "int64", "bool"):
        if opinfo.supports(op, dtype):
            opinfo.check_samples(op, dtype, tolerance=loose.get(dtype))


# Sums promote, products of matrices do not; what is not summed is multiplied, and that promotes.
MIXED = """ik,j->ij: 2 3 int8, 3 int8 | ik,j->ij: 2 3 int8, 3 int32 | ik,ik->ik: 2 3 float32, 2 3 int8 | i,j->ij: 2 bool, 3 bool
ik,jl->: 2 3 int8, 2 3 int8 | ik,kj->ij: 2 3 int8, 3 2 int8 | ij->j: 2 3 uint8 | i,i->i: 0 int8, 1 int8 | i,i->i: 1 int8, 0 int8
iji->j: 0 4 1 int8 | iij->j: 2 3 4 int8 | iii->i: 2 2 3 int8 | i,i->: 2 int8, 0 int8"""


@pytest.mark.parametrize(
    "case", [c.strip() for line in MIXED.splitlines() for c in line.split("|")]
)
def test_einsum_of_other_types_and_sizes(case):
    def run(t):
        equation, _, shapes = case.partition(":")
        xs = []
        for *sizes, dtype in map(str.split, shapes.split(",")):
            xs.append(t.ones([int(n) for n in sizes], dtype=getattr(t, dtype)))
        try:
            y = t.einsum(equation, *xs)
        except RuntimeError as error:
            return str(error)
        return str(y.dtype).rpartition(".")[2], y.tolist()

    assert run(tc) == run(torch)


@pytest.mark.parametrize("op", ops(REFUSING), ids=str)
def test_refused_arguments(op):
    opinfo.check_errors(op)
