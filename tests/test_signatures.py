"""Names and defaults of arguments are those of torch's schemas, and NumPy's names work too."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from test_opinfo import ARBITRARY, COMPARISON, CREATION, ELEMENTWISE, REDUCTION

import tinyconv as tc

TABLES = (*ELEMENTWISE, *COMPARISON, *REDUCTION, *CREATION, *ARBITRARY)
ALIASES = """absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh clip divide fix greater greater_equal
    less less_equal multiply negative not_equal relu subtract"""
RANDOM = (
    "bernoulli multinomial normal rand rand_like randint randint_like randn randn_like randperm"
)
OF_TORCH = {name.split("-")[0] for name in TABLES if not name.startswith(("__", "nn."))}
FUNCTIONS = sorted({*OF_TORCH, *ALIASES.split(), *RANDOM.split()})

# torch's own names for what there is no second kind of here
MEANT_OTHERWISE = {
    "out": "results are assigned",
    "layout": "there is one layout",
    "pin_memory": "write x.pin_memory()",
}


def schemas(name):
    """The argument names of every overload that torch's Python functions accept."""
    packet = getattr(torch.ops.aten, name)
    for overload in packet.overloads():
        arguments = getattr(packet, overload)._schema.arguments
        kinds = " ".join(str(a.type) for a in arguments)
        scripted = {a.name for a in arguments} & {"a", "l"}  # numbers and lists of TorchScript
        if not scripted and "out" not in overload and "Dimname" not in kinds:
            yield overload, arguments


def accepts(function, name):
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_of_torch_is_taken_by_name(name):
    function = getattr(tc, name)
    seen = 0
    for overload, arguments in schemas(name):
        for argument in arguments:
            wanted = {"self": "input"}.get(argument.name, argument.name)
            if wanted not in MEANT_OTHERWISE:
                assert accepts(function, wanted), f"{name}.{overload} has {wanted}"
                seen += 1
    assert seen


BY_NAME = {
    "add": lambda m, x: m.add(input=x, other=x, alpha=2),
    "pow": lambda m, x: m.pow(input=x, exponent=2),
    "clamp": lambda m, x: m.clamp(input=x, min=0, max=2),
    "where": lambda m, x: m.where(condition=x > 1, input=x, other=0.0),
    "sum": lambda m, x: m.sum(input=x, dim=1, keepdim=True, dtype=m.float64),
    "sum by axis": lambda m, x: m.sum(x, axis=1, keepdims=True),
    "mean by axis": lambda m, x: m.mean(x, axis=(0, 1)),
    "max": lambda m, x: m.max(input=x, dim=1, keepdim=True)[0],
    "max of two": lambda m, x: m.max(input=x, other=-x),
    "max by axis": lambda m, x: x.max(axis=0)[1],
    "min": lambda m, x: x.min(dim=-1).indices,
    "amax": lambda m, x: x.amax(axis=0, keepdims=True),
    "argmax": lambda m, x: x.argmax(dim=1, keepdim=True),
    "argmin by axis": lambda m, x: x.argmin(axis=0),
    "var": lambda m, x: x.var(dim=0, correction=0, keepdim=True),
    "std": lambda m, x: x.std(dim=0, unbiased=False),
    "std by axis": lambda m, x: x.std(axis=1),
    "prod by axis": lambda m, x: x.prod(axis=1),
    "norm": lambda m, x: m.norm(input=x, p=1, dim=1, keepdim=True),
    "logsumexp": lambda m, x: x.logsumexp(dim=(0, 1)),
    "cumsum by axis": lambda m, x: x.cumsum(axis=1),
    "any by axis": lambda m, x: x.any(axis=1),
    "softmax": lambda m, x: m.softmax(input=x, dim=1, dtype=m.float64),
    "isclose": lambda m, x: m.isclose(input=x, other=x + 1, rtol=0.5, atol=0.0, equal_nan=True),
    "full": lambda m, x: m.full(size=(2,), fill_value=1.0),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_calls_by_name(name):
    ours, theirs = (
        BY_NAME[name](m, m.tensor([[1.0, 3.0, 0.0], [2.0, 5.0, 4.0]])) for m in (tc, torch)
    )
    assert isinstance(ours, tc.Tensor) == isinstance(theirs, torch.Tensor)
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6)
    assert str(ours.dtype).partition(".")[2] == str(theirs.dtype).partition(".")[2]


@pytest.mark.parametrize("call", ["x.add(x, out=x)", "x.sum(out=x)", "relu(x, out=x)"])
def test_out_is_for_functions_of_which_torch_has_it(call):
    with pytest.raises(TypeError, match="out"):
        eval(call, {"x": tc.ones(2)} | vars(tc))


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "any", "all", "argmax"])
def test_numpy_reduces_tensors(name, axis):
    """NumPy calls the method of its own name, with names of its own."""
    a = np.array([[1.0, 3.0, 0.0], [2.0, 5.0, 4.0]])
    ours = getattr(np, name)(tc.tensor(a), axis=axis)
    ours = ours[0] if isinstance(ours, tuple) else ours
    np.testing.assert_allclose(np.asarray(ours), getattr(np, name)(a, axis=axis))
