"""gradcheck passes what is right, and catches what is planted."""

from __future__ import annotations

import pytest

import tinyconv as tc
from tinyconv.autograd.function import Function, op


@op
class Wrong(Function):
    """The square, whose derivative is slightly off."""

    def forward(self, x):
        self.save(x)
        return x * x

    def backward(self, g):
        (x,) = self.saved
        return (g * x * 2.01,)


@op
class WrongTwice(Function):
    """The square, whose gradient is right and has none itself."""

    def forward(self, x):
        self.kept = x
        return x * x

    def backward(self, g):
        return (g * (self.kept * 2),)


def doubles(*shape):
    return tc.rand(*shape, dtype=tc.float64, requires_grad=True)


def test_gradcheck_passes():
    assert tc.autograd.gradcheck(lambda x, y: (x @ y, x.sum()), (doubles(2, 3), doubles(3, 2)))
    assert tc.autograd.gradcheck(lambda x, n: x**n, (doubles(3), 3))
    assert tc.autograd.gradgradcheck(lambda x, y: (x @ y).tanh(), (doubles(2, 3), doubles(3, 2)))


def test_gradcheck_of_memory_with_gaps():
    x = doubles(4, 6).detach()[:, ::2].requires_grad_()
    assert tc.autograd.gradcheck(lambda x: x.exp(), x)


def test_gradcheck_catches():
    with pytest.raises(
        tc.autograd.GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        tc.autograd.gradcheck(lambda x: Wrong()(x), doubles(3))
    assert not tc.autograd.gradcheck(lambda x: Wrong()(x), doubles(3), raise_exception=False)


def test_gradgradcheck_catches():
    assert tc.autograd.gradcheck(lambda x: WrongTwice()(x), doubles(3))
    with pytest.raises(tc.autograd.GradcheckError):
        tc.autograd.gradgradcheck(lambda x: WrongTwice()(x), doubles(3))
    assert not tc.autograd.gradgradcheck(
        lambda x: WrongTwice()(x), doubles(3), raise_exception=False
    )


def test_gradcheck_needs_something_to_check():
    with pytest.raises(
        ValueError, match="gradcheck expects at least one input tensor to require gradient"
    ):
        tc.autograd.gradcheck(lambda x: x, tc.ones(2))


def test_gradcheck_hints_at_single_precision():
    with pytest.raises(tc.autograd.GradcheckError, match="float64"):
        tc.autograd.gradcheck(lambda x: x.exp(), tc.rand(3, requires_grad=True))
