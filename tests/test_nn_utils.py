"""Clipping of gradients, and parameters as a vector, compared with torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import tinyconv as tc

SHAPES = [(3, 4), (5,), (), (2, 1, 3), (2,)]
LIBRARIES = (tc, torch)


def parameters(lib, scale=1.0):
    """Parameters with gradients, of which the last has none."""
    rng = np.random.default_rng(0)
    result = []
    for shape in SHAPES:
        p = lib.nn.Parameter(lib.tensor(rng.standard_normal(shape).astype("float32")))
        p.grad = lib.tensor((scale * rng.standard_normal(shape)).astype("float32"))
        result.append(p)
    result[-1].grad = None
    return result


def grads(ps):
    return np.concatenate([p.grad.numpy().ravel() for p in ps if p.grad is not None])


@pytest.mark.parametrize("max_norm", [0.5, 100, 3])
@pytest.mark.parametrize("norm_type", [2, 2.0, 1, 0.5, 3, math.inf, "inf"])
def test_clip_grad_norm(norm_type, max_norm):
    ours, theirs = map(parameters, LIBRARIES)
    a = tc.nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-6)
    assert a.dtype == tc.float32
    np.testing.assert_allclose(grads(ours), grads(theirs), rtol=2e-6)


def test_clip_of_tiny_gradients():
    ours, theirs = parameters(tc, 1e-6), parameters(torch, 1e-6)
    tc.nn.utils.clip_grad_norm_(ours, 1e-6)
    torch.nn.utils.clip_grad_norm_(theirs, 1e-6)
    np.testing.assert_allclose(grads(ours), grads(theirs), rtol=2e-6)


def test_clip_takes_generators_single_tensors_and_foreach():
    for lib in LIBRARIES:
        ps = parameters(lib)
        before = grads(ps)
        lib.nn.utils.clip_grad_norm_((p for p in ps), 1.0, foreach=False)
        assert np.linalg.norm(grads(ps)) == pytest.approx(1.0, rel=1e-5)
        assert abs(before).max() > 1
        lib.nn.utils.clip_grad_norm_(ps[0], 1e-3)
        assert np.linalg.norm(ps[0].grad.numpy()) == pytest.approx(1e-3, rel=1e-2)
        total = lib.nn.utils.get_total_norm([p.grad for p in ps[:-1]])
        lib.nn.utils.clip_grads_with_norm_(ps, 0.1, total)
        assert np.linalg.norm(grads(ps)) == pytest.approx(0.1, rel=1e-4)


def test_nothing_to_clip():
    for lib in LIBRARIES:
        for empty in ([], [lib.ones(2)]):
            assert lib.nn.utils.clip_grad_norm_(empty, 1.0).item() == 0
        with pytest.warns(
            UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur"
        ):
            assert lib.nn.utils.clip_grad_norm_((p for p in ()), 1.0).item() == 0
        assert lib.nn.utils.get_total_norm([]).item() == 0


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_nonfinite(bad):
    results = []
    for lib in LIBRARIES:
        ps = parameters(lib)
        with lib.no_grad():
            ps[0].grad[0, 0] = bad
        before = grads(ps)
        with pytest.raises(
            RuntimeError,
            match=r"The total norm of order 2\.0 for gradients from `parameters` is non-f",
        ):
            lib.nn.utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
        np.testing.assert_array_equal(grads(ps), before)
        lib.nn.utils.clip_grad_norm_(ps, 1.0)
        results.append(grads(ps))
    np.testing.assert_array_equal(*results)


def test_clip_grad_value():
    ours, theirs = map(parameters, LIBRARIES)
    tc.nn.utils.clip_grad_value_(ours, 0.5)
    torch.nn.utils.clip_grad_value_(theirs, 0.5)
    np.testing.assert_array_equal(grads(ours), grads(theirs))
    assert abs(grads(ours)).max() == 0.5
    tc.nn.utils.clip_grad_value_(ours[0], 0.25)
    assert ours[0].grad.abs().max() == 0.25


def test_clipping_keeps_the_gradient_tensors():
    ps = parameters(tc)
    same = [p.grad for p in ps]
    tc.nn.utils.clip_grad_norm_(ps, 0.1)
    tc.nn.utils.clip_grad_value_(ps, 0.01)
    assert all(p.grad is g for p, g in zip(ps, same, strict=True))


def test_vectors():
    results = []
    for lib in LIBRARIES:
        ps = parameters(lib)
        v = lib.nn.utils.parameters_to_vector(ps)
        assert v.requires_grad
        lib.nn.utils.vector_to_parameters(v.detach() * 2, iter(ps))
        assert all(isinstance(p, lib.nn.Parameter) and p.requires_grad for p in ps)
        results.append([v.tolist(), [p.tolist() for p in ps]])
    assert results[0] == results[1]


def test_vectors_that_do_not_fit():
    for lib in LIBRARIES:
        with pytest.raises(TypeError, match=rf"expected {lib.__name__}.Tensor, but got: list"):
            lib.nn.utils.vector_to_parameters([1, 2], parameters(lib))
        ps = parameters(lib)
        with pytest.raises(RuntimeError, match="is invalid for input of size 4"):
            lib.nn.utils.vector_to_parameters(lib.zeros(4), ps)
    ps = parameters(tc)
    before = [p.tolist() for p in ps]
    with pytest.raises(RuntimeError, match="The parameters hold 26 numbers"):
        tc.nn.utils.vector_to_parameters(tc.zeros(20), ps)
    assert [p.tolist() for p in ps] == before


PADDED = [{}, {"batch_first": True}, {"padding_value": -1.5}, {"padding_side": "left"}]


@pytest.mark.parametrize("settings", PADDED)
@pytest.mark.parametrize("rest", [(), (2,), (2, 1)])
def test_sequences_of_different_lengths(settings, rest):
    both = []
    for lib in LIBRARIES:
        parts = [lib.arange(float(n)).reshape(n, *rest[1:], *[1] * bool(rest)) for n in (2, 4, 1)]
        parts = [(p + lib.ones(len(p), *rest)).requires_grad_() for p in parts] if rest else parts
        y = lib.nn.utils.rnn.pad_sequence(parts, **settings)  # which torch's unpad turns in place
        first, shown = settings.get("batch_first", False), y.tolist()
        again = lib.nn.utils.rnn.unpad_sequence(y, lib.tensor([2, 4, 1]), first)
        both.append([shown, [a.tolist() for a in again]])
        if rest:
            (y * y).sum().backward()
            both[-1].append([p.grad.tolist() for p in parts])
    assert both[0] == both[1]


@pytest.mark.parametrize(("given", "settings"), [(3, {}), ([], {}), ([1], {"padding_side": "up"})])
def test_sequences_that_are_none(given, settings):
    with pytest.raises(RuntimeError) as ours:
        tc.nn.utils.rnn.pad_sequence(given, **settings)
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        torch.nn.utils.rnn.pad_sequence(given, **settings)
    if isinstance(theirs.value, RuntimeError):
        assert str(ours.value)[:35] == str(theirs.value)[:35]
