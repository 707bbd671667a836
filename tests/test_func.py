"""Derivatives of functions: ``autograd.functional`` and ``func``, on both libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinyconv as tc
import tinyconv.autograd.functional
import tinyconv.func

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of itself


def t(lib, *values):
    return lib.tensor(values, dtype=lib.float64)


def plain(value):
    """Numbers and structure of a result."""
    if isinstance(value, (tc.Tensor, torch.Tensor)):
        return value.shape, value.requires_grad, np.asarray(value.detach().tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value


def same(a, b):
    if isinstance(a, np.ndarray):
        np.testing.assert_allclose(a, b, 1e-10, 1e-12)
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            same(a[k], b[k])
    else:
        assert a == b


def both(case):
    """Run on both libraries; the same results, or the same errors."""
    outcomes = []
    for lib in (torch, tc):
        try:
            outcomes.append(plain(case(lib)))
        except Exception as error:
            outcomes.append(error)
    theirs, ours = outcomes
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), ours
        opening = str(theirs).replace("torch.Size", "tinyconv.Size").splitlines()[0][:60]
        assert str(ours).startswith(opening), f"{ours}\ninstead of\n{theirs}"
    else:
        if isinstance(ours, Exception):
            raise ours
        same(ours, theirs)


def cube(x):
    return x * x * x


def mixed(x, y):
    return x.sum() * y, (x * x)[:1] + 0 * y.sum()


def AF(lib):
    return lib.autograd.functional


WHOLE = {
    "jacobian": lambda m: AF(m).jacobian(cube, t(m, 1.0, 2.0, 3.0)),
    "jacobian of several": lambda m: AF(m).jacobian(mixed, (t(m, 1.0, 2.0), t(m, 3.0, 4.0, 5.0))),
    "jacobian of a matrix": lambda m: AF(m).jacobian(lambda x: x @ x, t(m, 1.0, 2.0, 3.0, 4.0).reshape(2, 2)),
    "jacobian of a number": lambda m: AF(m).jacobian(lambda x: x.sum() ** 2, t(m, 1.0, 2.0)),
    "recorded": lambda m: AF(m).jacobian(cube, t(m, 1.0, 2.0).requires_grad_(), create_graph=True),
    "independent": lambda m: AF(m).jacobian(lambda x: m.ones(2, dtype=m.float64), t(m, 1.0, 2.0)),
    "hessian": lambda m: AF(m).hessian(lambda x: cube(x).sum() * x[0], t(m, 1.0, 2.0)),
    "hessian of several": lambda m: AF(m).hessian(lambda x, y: (x * y).sum() ** 2, (t(m, 1.0, 2.0), t(m, 3.0, 4.0))),
    "hessian, recorded": lambda m: AF(m).hessian(lambda x: (x**4).sum(), t(m, 1.0, 2.0).requires_grad_(), create_graph=True),
    "flat hessian": lambda m: AF(m).hessian(lambda x: x.sum(), t(m, 1.0, 2.0)),
    "vjp": lambda m: AF(m).vjp(cube, t(m, 1.0, 2.0), t(m, 1.0, 10.0)),
    "vjp of several": lambda m: AF(m).vjp(mixed, (t(m, 1.0, 2.0), t(m, 3.0)), (t(m, 2.0), t(m, 5.0))),
    "vjp of a number": lambda m: AF(m).vjp(lambda x: x.sum() ** 2, t(m, 1.0, 2.0)),
    "jvp": lambda m: AF(m).jvp(cube, t(m, 1.0, 2.0), t(m, 1.0, 10.0)),
    "jvp of several": lambda m: AF(m).jvp(mixed, (t(m, 1.0, 2.0), t(m, 3.0)), (t(m, 1.0, 1.0), t(m, 2.0))),
    "jvp, recorded": lambda m: AF(m).jvp(cube, t(m, 1.0, 2.0).requires_grad_(), t(m, 1.0, 10.0), create_graph=True),
    "jvp of a number": lambda m: AF(m).jvp(lambda x: m.stack([x, x * x]), m.tensor(3.0)),
    "hvp": lambda m: AF(m).hvp(lambda x: cube(x).sum() * x[0], t(m, 1.0, 2.0), t(m, 1.0, 10.0)),
    "vhp": lambda m: AF(m).vhp(lambda x: cube(x).sum() * x[0], t(m, 1.0, 2.0), t(m, 1.0, 10.0)),
    "vhp of several": lambda m: AF(m).vhp(lambda x, y: (x * y).sum() ** 2, (t(m, 1.0), t(m, 3.0)), (t(m, 1.0), t(m, 3.0))),
}  # fmt: skip
REFUSED = {
    "an output of another kind": lambda m: AF(m).jacobian(lambda x: (x, 3), t(m, 1.0)),
    "one output of another kind": lambda m: AF(m).jacobian(lambda x: 3.0, t(m, 1.0)),
    "a list": lambda m: AF(m).jacobian(cube, [1, 2]),
    "a number": lambda m: AF(m).jacobian(cube, 3.0),
    "no v": lambda m: AF(m).vjp(cube, t(m, 1.0, 2.0)),
    "a longer v": lambda m: AF(m).vjp(cube, t(m, 1.0, 2.0), t(m, 1.0, 1.0, 1.0)),
    "two v": lambda m: AF(m).vjp(cube, t(m, 1.0, 2.0), (t(m, 1.0), t(m, 1.0))),
    "no direction": lambda m: AF(m).jvp(cube, t(m, 1.0, 2.0)),
    "no scalar": lambda m: AF(m).hvp(cube, t(m, 1.0, 2.0), t(m, 1.0, 2.0)),
    "no scalar, again": lambda m: AF(m).hessian(cube, t(m, 1.0, 2.0)),
    "strict": lambda m: AF(m).jacobian(lambda x: m.ones(2), t(m, 1.0), strict=True),
    "strict, one": lambda m: AF(m).jacobian(lambda x, y: x * 2, (t(m, 1.0), t(m, 1.0)), strict=True),
    "strict, twice": lambda m: AF(m).hessian(lambda x: (x * 2).sum(), t(m, 1.0), strict=True),
    "strict vjp": lambda m: AF(m).vjp(lambda x: m.ones(1), t(m, 1.0), t(m, 1.0), strict=True),
    "a strategy": lambda m: AF(m).jacobian(cube, t(m, 1.0), strategy="f"),
    "forward alone": lambda m: AF(m).jacobian(cube, t(m, 1.0), strategy="forward-mode"),
}  # fmt: skip


def captured(m):
    """A tensor of the caller's takes part in a gradient."""
    w = t(m, 2.0, 3.0).requires_grad_()
    g = m.func.grad(lambda x: (w * x * x).sum())(t(m, 1.0, 2.0))
    g.sum().backward()
    return g, w.grad


def ensemble(m):
    weights = {"w": m.arange(6.0).reshape(3, 2), "b": m.ones(3)}
    return m.func.vmap(lambda p, x: (p["w"] * x).sum() + p["b"], in_dims=(0, None))(
        weights, m.tensor([1.0, 2.0])
    )


FUNC = {
    "grad": lambda m: m.func.grad(lambda x: cube(x).sum())(t(m, 1.0, 2.0)),
    "of a gradient": lambda m: m.func.grad(lambda x: m.func.grad(lambda y: y**3)(x) * x)(m.tensor(2.0)),
    "by the second": lambda m: m.func.grad(lambda x, y: (x * y).sum(), argnums=1)(t(m, 1.0), t(m, 2.0)),
    "by both": lambda m: m.func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(t(m, 1.0), t(m, 2.0)),
    "by a dict": lambda m: m.func.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": t(m, 1.0), "b": [t(m, 2.0)]}),
    "with more": lambda m: m.func.grad(lambda x: (x.sum(), x * 2), has_aux=True)(t(m, 1.0)),
    "unused": lambda m: m.func.grad(lambda x, y: y.sum())(t(m, 1.0), t(m, 2.0)),
    "and value": lambda m: m.func.grad_and_value(lambda x: cube(x).sum())(t(m, 1.0, 2.0)),
    "captured": captured,
    "vjp": lambda m: (lambda y, f: (y, f(t(m, 1.0, 10.0))))(*m.func.vjp(cube, t(m, 1.0, 2.0))),
    "vjp of several": lambda m: m.func.vjp(lambda x, y: {"a": x * y, "b": x}, t(m, 2.0), t(m, 3.0))[1]({"a": t(m, 1.0), "b": t(m, 1.0)}),
    "jvp": lambda m: m.func.jvp(cube, (t(m, 1.0, 2.0),), (t(m, 1.0, 10.0),)),
    "jvp with more": lambda m: m.func.jvp(lambda x: (cube(x), x), (t(m, 1.0),), (t(m, 1.0),), has_aux=True),
    "jacrev": lambda m: m.func.jacrev(cube)(t(m, 1.0, 2.0)),
    "jacrev by both": lambda m: m.func.jacrev(mixed, argnums=(0, 1))(t(m, 1.0, 2.0), t(m, 3.0)),
    "jacfwd": lambda m: m.func.jacfwd(lambda x: x @ x)(t(m, 1.0, 2.0, 3.0, 4.0).reshape(2, 2)),
    "hessian": lambda m: m.func.hessian(lambda x: cube(x).sum() * x[0])(t(m, 1.0, 2.0)),
    "vmap": lambda m: m.func.vmap(m.dot)(m.arange(6.0).reshape(3, 2), m.ones(3, 2)),
    "vmap of columns": lambda m: m.func.vmap(lambda x: x * x[0], in_dims=1, out_dims=1)(m.arange(6.0).reshape(3, 2)),
    "vmap of a dict": ensemble,
    "vmap twice": lambda m: m.func.vmap(m.func.vmap(lambda x, y: x * y, (0, None)), (None, 0))(t(m, 1.0, 2.0), t(m, 3.0, 4.0, 5.0)),
    "gradients of examples": lambda m: m.func.vmap(m.func.grad(lambda x: cube(x).sum()))(m.arange(6.0).reshape(3, 2)),
    "two results": lambda m: m.func.vmap(lambda x: (x, x.sum()), out_dims=(1, 0))(m.arange(6.0).reshape(3, 2)),
    # refused
    "no number": lambda m: m.func.grad(cube)(t(m, 1.0, 2.0)),
    "no tensor": lambda m: m.func.grad(lambda x: 3.0)(t(m, 1.0)),
    "of no tensor": lambda m: m.func.grad(lambda x: x.sum())(3.0),
    "by the third": lambda m: m.func.grad(lambda x: x.sum(), argnums=2)(t(m, 1.0)),
    "nothing more": lambda m: m.func.grad(lambda x: x.sum(), has_aux=True)(t(m, 1.0)),
    "jvp of no tuple": lambda m: m.func.jvp(cube, t(m, 1.0), t(m, 1.0)),
    "jvp of two": lambda m: m.func.jvp(cube, (t(m, 1.0),), (t(m, 1.0), t(m, 1.0))),
    "a longer tangent": lambda m: m.func.jvp(cube, (t(m, 1.0),), (t(m, 1.0, 2.0),)),
    "jacrev of a number": lambda m: m.func.jacrev(lambda x: 3)(t(m, 1.0)),
    "vmap to a number": lambda m: m.func.vmap(lambda x: 3)(t(m, 1.0)),
    "sizes": lambda m: m.func.vmap(lambda x, y: x)(t(m, 1.0), t(m, 1.0, 2.0)),
    "too few dimensions": lambda m: m.func.vmap(cube, in_dims=1)(t(m, 1.0)),
    "no dimension": lambda m: m.func.vmap(cube, in_dims=None)(t(m, 1.0)),
    "too many": lambda m: m.func.vmap(cube, in_dims=(0, 0))(t(m, 1.0)),
    "vmap of a number": lambda m: m.func.vmap(cube)(3.0),
    "vmap of nothing": lambda m: m.func.vmap(lambda: 3.0)(),
    "results": lambda m: m.func.vmap(lambda x: (x, x), out_dims=(0,))(t(m, 1.0)),
    "random": lambda m: m.func.vmap(lambda x: m.rand(2))(t(m, 1.0)),
    "randomness": lambda m: m.func.vmap(cube, randomness="a")(t(m, 1.0)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", WHOLE)
def test_derivatives(case):
    both(WHOLE[case])


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    both(REFUSED[case])


@pytest.mark.parametrize("case", FUNC)
def test_transforms(case):
    both(FUNC[case])


def test_randomness():
    draw = lambda x: tc.rand(1) + 0 * x  # noqa: E731  # a name for two uses
    same = tc.func.vmap(draw, randomness="same")(tc.zeros(3))
    different = tc.func.vmap(draw, randomness="different")(tc.zeros(3))
    assert len(set(same.flatten().tolist())) == 1
    assert len(set(different.flatten().tolist())) == 3


def model(lib):
    lib.manual_seed(0)
    return lib.nn.Sequential(
        lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3), lib.nn.Tanh(), lib.nn.Linear(3, 1)
    )


def test_a_module_as_a_function():
    def run(lib):
        net = model(lib).double().eval()
        before = {k: v.clone() for k, v in net.state_dict().items()}
        weights = {k: v * 2 for k, v in net.named_parameters()}
        x = lib.arange(8.0).reshape(4, 2).double()
        loss = lambda w: lib.func.functional_call(net, w, (x,)).pow(2).mean()  # noqa: E731  # as above
        g = lib.func.grad(loss)({k: v.detach() for k, v in weights.items()})
        assert all((net.state_dict()[k] == v).all() for k, v in before.items())
        return g, loss(weights)

    both(run)


def test_tied_weights_are_exchanged_together():
    def run(lib):
        net = lib.nn.ModuleDict({"a": lib.nn.Linear(2, 2), "b": lib.nn.Linear(2, 2)})
        net["b"].weight = net["a"].weight

        class Both(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = net

            def forward(self, x):
                return self.parts["b"](self.parts["a"](x))

        both = Both()
        zero = {"parts.a.bias": lib.zeros(2), "parts.b.bias": lib.zeros(2)}
        return lib.func.functional_call(
            both, ({"parts.a.weight": 2 * lib.eye(2)}, zero), lib.ones(1, 2)
        )

    both(run)


@pytest.mark.parametrize("strict", [False, True])
def test_a_name_that_is_not_there(strict):
    with pytest.raises((KeyError, RuntimeError), match="there"):
        tc.func.functional_call(
            tc.nn.Linear(2, 1), {"there": tc.ones(1)}, tc.ones(1, 2), strict=strict
        )


def test_an_ensemble():
    def run(lib):
        nets = [lib.nn.Linear(2, 1) for _ in range(3)]
        for i, net in enumerate(nets):
            lib.nn.init.constant_(net.weight, i)
            lib.nn.init.zeros_(net.bias)
        weights, buffers = lib.func.stack_module_state(nets)
        call = lambda p, b, x: lib.func.functional_call(nets[0], (p, b), (x,))  # noqa: E731  # as above
        return lib.func.vmap(call, in_dims=(0, 0, None))(weights, buffers, lib.ones(4, 2))

    both(run)
