"""Linear algebra on the samples of torch's own tests; what depends on signs that are arbitrary is multiplied out first."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import opinfo
import pytest
import torch
from opinfo import Op, Outcome, assert_same, assert_same_gradients, assert_same_refusal

import tinyconv as tc

OPS = """linalg.norm linalg.vector_norm linalg.matrix_norm linalg.inv linalg.pinv linalg.pinv-hermitian linalg.pinv-singular
linalg.det linalg.slogdet linalg.solve linalg.qr linalg.svdvals linalg.cholesky linalg.eigvalsh linalg.matrix_power
linalg.multi_dot linalg.cross linalg.diagonal linalg.vecdot logdet pinverse qr cholesky norm-nuc"""
REFUSING = "linalg.cross linalg.diagonal"


def ops(names):
    return [Op(*n.split("-", 1)) for n in names.split()]


@pytest.mark.parametrize("op", ops(OPS), ids=str)
def test_samples(op):
    for dtype, tolerance in (("float64", (1e-8, 1e-8)), ("int64", None)):
        if opinfo.supports(op, dtype):
            opinfo.check_samples(op, dtype, tolerance=tolerance)


@pytest.mark.parametrize("op", ops(REFUSING), ids=str)
def test_refused_arguments(op):
    opinfo.check_errors(op)


# ── factors, up to signs ──────────────────────────────────────────────────────────────────────


def matrices(*shape, symmetric=False, positive=False):
    a = np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)
    if symmetric:
        a = a + np.swapaxes(a, -1, -2)
    if positive:
        a = a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])
    return a


def svd(t, a, **full):
    U, S, Vh = t.linalg.svd(a, **full)
    k = S.shape[-1]
    U, Vh = U[..., :k], Vh[..., :k, :]
    return [S, U.abs(), Vh.abs(), (U * S.unsqueeze(-2).sqrt()) @ Vh]


def old_svd(t, a):
    U, S, V = a.svd()
    return [S, U.abs(), (U / (1 + S.unsqueeze(-2))) @ V.mT]


def eigh(t, a, **which):
    values, V = t.linalg.eigh(a, **which)
    return [values, V.abs(), V @ t.diag_embed(values**3) @ V.mT]


def values_only(t, a):
    return [
        t.linalg.svdvals(a),
        t.linalg.matrix_norm(a, 2),
        t.linalg.matrix_norm(a, -2),
        t.norm(a, "nuc", dim=(-2, -1)),
    ]


SIGNLESS = {
    "svd": (svd, matrices(4, 4)),
    "svd of tall": (svd, matrices(2, 5, 3)),
    "svd of wide": (svd, matrices(3, 5)),
    "svd, reduced": (lambda t, a: svd(t, a, full_matrices=False), matrices(2, 2, 3, 5)),
    "former svd": (old_svd, matrices(2, 5, 3)),
    "eigh": (eigh, matrices(2, 4, 4, symmetric=True)),
    "eigh of the upper triangle": (lambda t, a: eigh(t, a, UPLO="U"), matrices(4, 4)),
    "singular values": (values_only, matrices(2, 3, 4)),
    "qr": (lambda t, a: t.linalg.qr(a), matrices(2, 4, 4)),
    "qr of tall": (lambda t, a: t.linalg.qr(a), matrices(5, 3)),
    "qr of wide": (lambda t, a: t.linalg.qr(a), matrices(2, 3, 5)),
    "complete qr of wide": (lambda t, a: t.linalg.qr(a, "complete"), matrices(3, 5)),
    "cholesky": (lambda t, a: t.linalg.cholesky(a), matrices(2, 3, 3, positive=True)),
    "cholesky, upper": (lambda t, a: t.linalg.cholesky(a, upper=True), matrices(3, 3, positive=True)),
    "solve from the right": (lambda t, a: t.linalg.solve(a[0], a[1:], left=False), matrices(3, 3, 3)),
    "solve for vectors": (lambda t, a: t.linalg.solve(a[:2], a[2, :2]), matrices(3, 3, 3)),
    "powers": (lambda t, a: [t.matrix_power(a, n) for n in (-3, -1, 0, 1, 6)], matrices(3, 3)),
    "pinv": (lambda t, a: [t.linalg.pinv(a), t.linalg.pinv(a, rtol=0.3), t.pinverse(a)], matrices(3, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNLESS)
def test_factors(name):
    """Values, gradients and second gradients."""
    story, numbers = SIGNLESS[name]

    b, a = (t.tensor(numbers, requires_grad=True) for t in (torch, tc))
    theirs, ours = story(torch, b), story(tc, a)
    assert_same(list(ours) if isinstance(theirs, list) else ours, theirs, (1e-9, 1e-9))
    leaves = SimpleNamespace(theirs=[b], ours=[a])
    assert_same_gradients(ours, theirs, leaves, second=True, tolerance=(1e-7, 1e-7))


def test_the_gradient_of_a_singular_determinant():
    """The cofactors, where torch answers zeros."""
    numbers = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [2.0, 4.0, 6.0]])
    a = tc.tensor(numbers, requires_grad=True)
    (g,) = tc.autograd.grad(tc.det(a), a)
    cofactors = [[6, -12, 6], [0, 0, 0], [-3, 6, -3]]
    np.testing.assert_allclose(g.array, cofactors, atol=1e-12)


def test_gradients_where_nothing_depends_on_the_vectors():
    """Equal and vanishing singular values do no harm."""
    for numbers in (np.eye(3), np.diag([2.0, 2.0, 0.0]), np.zeros((2, 3))):
        a = tc.tensor(numbers, requires_grad=True)
        tc.linalg.svdvals(a).sum().backward()
        assert np.isfinite(a.grad.array).all()
    a = tc.tensor(np.eye(3), requires_grad=True)
    tc.linalg.eigvalsh(a).sum().backward()
    np.testing.assert_allclose(a.grad.array, np.eye(3), atol=1e-14)


def test_the_factors_multiply_to_the_matrix():
    for shape in ((5, 3), (3, 5), (2, 4, 4)):
        a = tc.tensor(matrices(*shape))
        U, S, Vh = tc.linalg.svd(a, full_matrices=False)
        Q, R = tc.linalg.qr(a)
        for product in (U * S.unsqueeze(-2) @ Vh, Q @ R):
            np.testing.assert_allclose(product.array, a.array, atol=1e-12)
        full = tc.linalg.svd(a)
        for square in (full.U, full.Vh):
            eye = np.broadcast_to(np.eye(square.shape[-1]), square.shape)
            np.testing.assert_allclose((square @ square.mT).array, eye, atol=1e-12)


@pytest.mark.parametrize("name", ["svd", "qr", "eigh", "slogdet"])
def test_results_have_names(name):
    ours, theirs = (getattr(t.linalg, name)(2 * t.eye(1)) for t in (tc, torch))
    assert ours._fields == type(theirs).__match_args__
    assert repr(ours).splitlines()[0].replace("tinyconv", "torch") == repr(theirs).splitlines()[0]


# ── refusals ──────────────────────────────────────────────────────────────────────────────────

A = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 5.0]]).tolist()
REFUSED = """inv(zeros(2, 2)) | inv(zeros(3, 2, 2)) | inv(A) | inv(ones(2, 3)) | inv(ones(2)) | inv(eye(2).long()) | inv(eye(2).half())
cholesky(-eye(3)) | cholesky(-eye(3).repeat(2, 1, 1)) | cholesky(diag(tensor([1.0, 2.0, -1.0]))) | cholesky(ones(2, 3))
cholesky(eye(2).long()) | cholesky(eye(2).half()) | solve(zeros(2, 2), ones(2)) | solve(eye(2), ones(3)) | solve(eye(2), ones(3, 3))
solve(ones(2, 3), ones(3, 3)) | solve(eye(2), ones(2).double()) | solve(eye(2), tensor(1.0)) | solve(eye(2).half(), ones(2).half())
solve(eye(2).long(), ones(2).long()) | solve(eye(2), ones(2), left=False) | svd(full((2, 2), nan)) | svd(eye(2).half()) | svd(ones(2))
svd(eye(2).long()) | svdvals(ones(2)) | det(eye(2).long()) | det(ones(2, 3)) | det(eye(2).half()) | slogdet(ones(2, 3))
matrix_power(eye(2).long(), -1) | matrix_power(ones(2, 3), 2) | matrix_power(ones(2), 2) | matrix_power(zeros(2, 2), -1)
qr(ones(2)) | qr(eye(2).long()) | qr(eye(2).half()) | qr(eye(2), "no") | eigh(ones(2, 3)) | eigh(eye(2).long()) | eigh(eye(2).half())
eigh(eye(2), UPLO="X") | eigh(ones(2)) | pinv(ones(2)) | pinv(eye(2).long()) | norm(ones(2, 2, 2), "nuc") | norm(ones(2, 2, 2), 2)
norm(ones(2, 2), 3) | norm(ones(2), "fro") | norm(ones(2, 2), ord=2, dim=(0, 1, 2)) | matrix_norm(ones(2, 2), 3) | matrix_norm(ones(2))
matrix_norm(ones(2, 2), dim=(0, 0)) | matrix_norm(ones(2, 2), "no") | matrix_norm(eye(2).long()) | matrix_norm(ones(2, 2), dim=0)
matrix_norm(ones(0, 3), -inf) | matrix_norm(ones(3, 0), -1) | matrix_norm(ones(2, 0, 3), -inf) | matrix_norm(ones(0, 3), -2)
norm(eye(2).long()) | vector_norm(eye(2).long()) | vector_norm(eye(2), "fro") | vector_norm(ones(2, 0), inf)
torch.norm(ones(2), "nuc") | torch.norm(ones(2, 2, 2), "nuc") | torch.norm(ones(2, 2), "nuc", dim=0) | torch.norm(ones(2, 2), "no")
torch.linalg.qr(torch.ones(3, 2).requires_grad_(), "r")[1].sum().backward()
torch.linalg.qr(torch.ones(3, 2).requires_grad_(), "complete")[1].sum().backward()"""


@pytest.mark.parametrize(
    "text", [c.strip() for line in REFUSED.splitlines() for c in line.split("|")]
)
def test_refusals(text):
    def run(t):
        return eval(
            text,
            {
                **vars(t),
                **{k: getattr(t.linalg, k) for k in tc.linalg.__all__},
                "torch": t,
                "A": t.tensor(A),
            },
        )

    theirs, ours = (Outcome.of(run, ((t,), {})) for t in (torch, tc))
    if type(theirs.error).__name__ == "_LinAlgError":
        assert isinstance(ours.error, tc.linalg.LinAlgError)
        theirs.error = RuntimeError(*theirs.error.args)
        assert str(ours.error).splitlines()[0] == str(theirs.error).splitlines()[0]
    assert_same_refusal(ours, theirs)


def test_no_number_goes_through():
    """An inverse of NaN is NaN; so are its gradients."""
    assert tc.linalg.inv(tc.full((2, 2), math.nan)).isnan().all()
