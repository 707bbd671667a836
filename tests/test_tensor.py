"""Tensor as a Python object: protocols, copies, the border to NumPy, what it says of itself."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

import tinyconv as tc

# What torch warns of, or NumPy because of torch.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Converting a tensor", "ignore:__array_wrap__ must accept"
)


def told(f, lib):
    """What a question is answered with: plain values, or the exception."""
    try:
        return plain(f(lib))
    except Exception as error:
        return error


def plain(v):
    if isinstance(v, (tc.Tensor, torch.Tensor)):
        return repr(v).replace("tinyconv.", "torch."), v.requires_grad
    if isinstance(v, (tc.Size, torch.Size)):
        return repr(v).replace("tinyconv.", "torch.")
    if isinstance(v, (list, tuple)):
        return type(v)(map(plain, v))
    return v


def matrix(lib):
    return lib.tensor([[1.0, 2.0], [3.0, 4.0]])


def leaf(lib):
    return lib.tensor([1.0, 2.0], requires_grad=True)


def attributed(lib):
    x = leaf(lib)
    (x * x).sum().backward()
    x.note = ["kept"]
    return x


ASK = {
    # iteration and length
    "list of rows": lambda lib: list(matrix(lib)),
    "list of a scalar": lambda lib: list(lib.tensor(1.0)),
    "rows have a past": lambda lib: [r.requires_grad for r in leaf(lib)],
    "unpacking": lambda lib: (lambda a, b: [b, a])(*lib.tensor([1, 2])),
    "zip": lambda lib: [(a.item(), b.item()) for a, b in zip(lib.tensor([1, 2]), lib.tensor([3, 4]), strict=True)],
    "reversed": lambda lib: list(reversed(lib.tensor([1, 2]))),
    "sorted": lambda lib: sorted(lib.tensor([3, 1, 2])),
    "sum": lambda lib: sum(lib.tensor([3, 1, 2])),
    "max": lambda lib: max(lib.tensor([3, 1, 2])),
    "len": lambda lib: [len(matrix(lib)), len(lib.zeros(0, 3))],
    "len of a scalar": lambda lib: len(lib.tensor(1.0)),
    # numbers
    "bool": lambda lib: [bool(lib.tensor(v)) for v in (0, 0.5, True, math.nan, [[0.0]])],
    "bool of many": lambda lib: bool(matrix(lib)),
    "bool of none": lambda lib: bool(lib.zeros(0)),
    "is_nonzero": lambda lib: lib.tensor([2.0]).is_nonzero(),
    "int": lambda lib: [int(lib.tensor(v)) for v in (2, -2.7, True, [[3]])],
    "int of many": lambda lib: int(matrix(lib)),
    "float": lambda lib: [float(lib.tensor(v)) for v in (2, -2.5, True, [[3]])],
    "float of many": lambda lib: float(matrix(lib)),
    "float of a leaf": lambda lib: float(leaf(lib)[0]),
    "complex": lambda lib: complex(lib.tensor(2.5)),
    "index": lambda lib: ["a", "b", "c"][lib.tensor(1)],
    "index of one": lambda lib: ["a", "b", "c"][lib.tensor([[2]])],
    "index of a bool": lambda lib: ["a", "b"][lib.tensor(True)],
    "index of a float": lambda lib: ["a"][lib.tensor(0.0)],
    "index of many": lambda lib: ["a"][lib.tensor([0, 0])],
    "range": lambda lib: list(range(lib.tensor(3))),
    "math": lambda lib: [math.sqrt(lib.tensor(4.0)), math.floor(lib.tensor(2.5)), math.isnan(lib.tensor(math.nan))],
    "item": lambda lib: [lib.tensor(v).item() for v in (2, 2.5, True, [[3]])],
    "item of many": lambda lib: matrix(lib).item(),
    "item of none": lambda lib: lib.zeros(0).item(),
    "tolist": lambda lib: [matrix(lib).tolist(), lib.tensor(2.5).tolist(), lib.zeros(0, 3).tolist()],
    "format": lambda lib: [f"{lib.tensor(2.5):.3f}", f"{lib.tensor(3):04d}", f"{lib.tensor(2.5)}", f"{matrix(lib)}"],
    "format of an element": lambda lib: f"{leaf(lib)[0]:.2f}",
    "format of many": lambda lib: f"{matrix(lib):.2f}",
    "format of a parameter": lambda lib: f"{lib.nn.Parameter(lib.tensor(1.0)):.2f}",
    "percent": lambda lib: "%d %.1f" % (lib.tensor(3), lib.tensor(2.5)),  # noqa: UP031  # what is asked
    # operators
    "comparison with None": lambda lib: [matrix(lib) == None, matrix(lib) != None],  # noqa: E711  # what is asked
    "comparison with others": lambda lib: [matrix(lib) == "a", matrix(lib) != [1, 2]],
    "reflected": lambda lib: [2 - matrix(lib), 2 / matrix(lib), 2**matrix(lib), 7 // matrix(lib), 7 % matrix(lib)],
    "unary": lambda lib: [-matrix(lib), +matrix(lib), abs(-matrix(lib)), ~lib.tensor([True]), ~lib.tensor([5])],
    "bits": lambda lib: [lib.tensor([6]) & 3, lib.tensor([6]) | 3, lib.tensor([6]) ^ 3],
    "in": lambda lib: [3.0 in matrix(lib), 7 in matrix(lib), lib.tensor(2.0) in matrix(lib)],
    "in, of a word": lambda lib: "a" in matrix(lib),
    "deletion": lambda lib: matrix(lib).__delitem__(0),
    "an unknown attribute": lambda lib: matrix(lib).foo,
    # NumPy
    "asarray": lambda lib: [np.asarray(matrix(lib)).dtype, np.asarray(matrix(lib), dtype="int64").tolist()],
    "array of scalars": lambda lib: np.array([lib.tensor(1), lib.tensor(2)]).tolist(),
    "asarray of a leaf": lambda lib: np.asarray(leaf(lib)),
    "numpy of a leaf": lambda lib: leaf(lib).numpy(),
    "numpy by force": lambda lib: leaf(lib).numpy(force=True).tolist(),
    "numpy shares": lambda lib: _written_through(matrix(lib)),
    "from_numpy shares": lambda lib: _written_into(lib),
    "from_numpy of a list": lambda lib: lib.from_numpy([1]),
    "np.add": lambda lib: np.add(matrix(lib), 1),
    "np.exp": lambda lib: np.exp(matrix(lib)),
    "tensor + array": lambda lib: matrix(lib) + np.ones(2, dtype="float32"),
    "tensor * NumPy scalar": lambda lib: [matrix(lib) * np.float64(2), matrix(lib) * np.float32(2)],
    "NumPy scalar * tensor": lambda lib: [np.float64(2) * matrix(lib), np.float32(2) * matrix(lib)],
    "np.stack": lambda lib: np.stack([matrix(lib), matrix(lib)]).shape,
    "np.allclose": lambda lib: np.allclose(matrix(lib), matrix(lib)),
    "np.argmax": lambda lib: np.argmax(matrix(lib)),
    "dlpack from NumPy": lambda lib: lib.from_dlpack(np.arange(3.0)),
    "dlpack to NumPy": lambda lib: np.from_dlpack(matrix(lib)).tolist(),
    "dlpack of a leaf": lambda lib: np.from_dlpack(leaf(lib)),
    # copies
    "copy": lambda lib: [(c := copy.copy(x := leaf(lib))).data_ptr() == x.data_ptr(), c.requires_grad],
    "deepcopy": lambda lib: [c := copy.deepcopy(attributed(lib)), c.grad, c.note, c.is_leaf],
    "deepcopy is apart": lambda lib: _apart(attributed(lib), copy.deepcopy),
    "deepcopy of a list": lambda lib: (lambda x: (lambda a, b: a is b)(*copy.deepcopy([x, x])))(leaf(lib)),
    "deepcopy of a result": lambda lib: copy.deepcopy(leaf(lib) * 2),
    "deepcopy of a parameter": lambda lib: copy.deepcopy(lib.nn.Parameter(matrix(lib))),
    "pickle": lambda lib: [c := pickle.loads(pickle.dumps(attributed(lib))), c.grad, c.note],
    "pickle of a result": lambda lib: [c := pickle.loads(pickle.dumps(leaf(lib) * 2)), c.is_leaf],
    "pickle of a parameter": lambda lib: pickle.loads(pickle.dumps(lib.nn.Parameter(matrix(lib)))),
    "pickle of a view": lambda lib: pickle.loads(pickle.dumps(matrix(lib).t())),
    # Size
    "size": lambda lib: [matrix(lib).size(), matrix(lib).size(-1), matrix(lib).shape],
    "size of a dimension that is not": lambda lib: matrix(lib).size(2),
    "size, sliced": lambda lib: [matrix(lib).shape[1:], matrix(lib).shape[0], matrix(lib).shape[-1]],
    "size, added": lambda lib: [matrix(lib).shape + (3,), (3,) + matrix(lib).shape],  # noqa: RUF005  # what is asked
    "size, added to a list": lambda lib: matrix(lib).shape + [3],  # noqa: RUF005  # what is asked
    "size, multiplied": lambda lib: [matrix(lib).shape * 2, 2 * matrix(lib).shape],
    "size, counted": lambda lib: [matrix(lib).shape.numel(), lib.Size().numel(), matrix(lib).shape.count(2)],
    "size is a tuple": lambda lib: [matrix(lib).shape == (2, 2), {matrix(lib).shape: 1}[2, 2], *matrix(lib).shape],
    "size, made": lambda lib: [lib.Size([1, 2]), lib.Size(range(2)), lib.Size(), lib.Size(lib.Size([3]))],
    "size of words": lambda lib: lib.Size(["a"]),
    "size, copied": lambda lib: [pickle.loads(pickle.dumps(lib.Size([1, 2]))), copy.deepcopy(lib.Size([3]))],
    # Tensor and Parameter
    "Tensor of sizes": lambda lib: [lib.Tensor(2, 3).shape, lib.Tensor(lib.Size([4])).shape, lib.Tensor().shape],
    "Tensor of data": lambda lib: [lib.Tensor([1.0, 2.0]), lib.Tensor([[1], [2]]), lib.Tensor(matrix(lib))],
    "Tensor of a float": lambda lib: lib.Tensor(1.5),
    "Tensor of a word": lambda lib: lib.Tensor("a"),
    "Parameter": lambda lib: [lib.nn.Parameter(matrix(lib)), lib.nn.Parameter(matrix(lib), requires_grad=False)],
    "Parameter of nothing": lambda lib: lib.nn.Parameter(),
    "Parameter of integers": lambda lib: lib.nn.Parameter(lib.tensor([1])),
    "Parameter is a tensor": lambda lib: isinstance(lib.nn.Parameter(matrix(lib)), lib.Tensor),
    "Parameter, computed with": lambda lib: [
        type(p).__name__ for p in (lib.nn.Parameter(matrix(lib)) * 2, lib.nn.Parameter(matrix(lib)).data)
    ],
    "Parameter shares": lambda lib: (lambda x: lib.nn.Parameter(x).data_ptr() == x.data_ptr())(matrix(lib)),
    # what it says of itself
    "stride": lambda lib: [matrix(lib).stride(), matrix(lib).t().stride(), matrix(lib).stride(0), lib.ones(2, 3, 4).stride()],
    "is_contiguous": lambda lib: [(x := matrix(lib)).is_contiguous(), x.t().is_contiguous(), x[:, :1].is_contiguous()],
    "bytes": lambda lib: [(x := matrix(lib)).element_size(), x.itemsize, x.nbytes, lib.tensor([True]).element_size()],
    "dimensions": lambda lib: [(x := matrix(lib)).ndim, x.dim(), x.numel(), x.nelement()],
    "T": lambda lib: [matrix(lib).T, matrix(lib).mT, lib.ones(2, 3, 4).mT.shape],
    "mT of a vector": lambda lib: leaf(lib).mT,
    "device": lambda lib: [str(matrix(lib).device), matrix(lib).is_cuda],
    "kind": lambda lib: [matrix(lib).is_floating_point(), lib.tensor([1]).is_floating_point()],
    "type": lambda lib: [matrix(lib).type().split(".")[1], lib.tensor([1]).type().split(".")[1]],
    "leaves": lambda lib: [matrix(lib).is_leaf, (x := leaf(lib)).is_leaf, (x * 2).is_leaf, x.detach().is_leaf],
    "data": lambda lib: [(x := leaf(lib)).data, x.data.data_ptr() == x.data_ptr()],
    "data, replaced": lambda lib: _with_data(leaf(lib), lib.tensor([5.0, 6.0])),
    "data, replaced by a number": lambda lib: _with_data(leaf(lib), 3),
    "new tensors": lambda lib: [
        (x := lib.ones(2, dtype=lib.float64)).new_zeros(2), x.new_ones((1, 2)), x.new_full((2,), 3),
        x.new_tensor([1.0, 2.0]).dtype == lib.float64, x.new_empty(2, 3).shape, x.new_zeros(2, dtype=lib.int64),
    ],
}  # fmt: skip


def _written_through(x):
    x.numpy()[0, 0] = 9
    return x


def _written_into(lib):
    a = np.zeros(3)
    x = lib.from_numpy(a)
    a[0] = 1
    x[1] = 2
    return [x, a.tolist()]


def _apart(x, how):
    y = how(x)
    with (torch if isinstance(x, torch.Tensor) else tc).no_grad():
        y.add_(1)
        y.grad.zero_()
    return [x, x.grad, y, y.grad]


def _with_data(x, data):
    x.data = data
    return [x, x.is_leaf]


@pytest.mark.parametrize("question", ASK)
def test_as_torch(question):
    theirs, ours = told(ASK[question], torch), told(ASK[question], tc)
    if isinstance(theirs, Exception):
        if isinstance(theirs, AttributeError):
            theirs = AttributeError(str(theirs))
        assert isinstance(ours, type(theirs)), ours
        assert str(ours).lower().replace("tinyconv", "torch")[:25] == str(theirs).lower()[:25]
    else:
        if isinstance(ours, Exception):
            raise ours
        assert ours == theirs


# ── where tinyconv gives more ─────────────────────────────────────────────────────────────────


def test_arrays_on_the_left():
    """torch refuses some of these since NumPy 2."""
    x, a = matrix(tc), np.ones(2, dtype="float32")
    for y in (a + x, a * x, np.add(a, x)):
        assert type(y) is tc.Tensor
    assert (a - leaf(tc)).requires_grad
    assert (np.ones((2, 2), dtype="float32") @ x).tolist() == [[4, 6], [4, 6]]


def test_reductions_of_numpy():
    x = matrix(tc)
    assert np.sum(x).item() == 10
    assert np.sum(x, axis=0).tolist() == [4, 6]
    assert np.mean(x).item() == 2.5
    assert np.max(x).item() == 4


def test_dlpack_both_ways():
    x, y = matrix(tc), matrix(torch)
    to, back = torch.from_dlpack(x), tc.from_dlpack(y)
    assert type(to) is torch.Tensor
    assert type(back) is tc.Tensor
    x[0, 0], y[0, 0] = 7, 8  # the memory is shared
    assert (to[0, 0].item(), back[0, 0].item()) == (7, 8)
    array = np.arange(3.0)
    shared = tc.from_dlpack(array)
    array[0] = 5
    assert shared.tolist() == [5, 1, 2]


def test_hashes_tell_tensors_apart():
    x, y = matrix(tc), matrix(tc)
    assert {x: 1, y: 2}[x] == 1
    assert len({x, y, x}) == 2
    assert any(t is x for t in [y, x])


def test_unsupported_arrays_are_refused():
    for bad in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError):
            tc.from_numpy(bad)


@pytest.mark.parametrize(
    "make", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_have_no_past_writes(make):
    """A copy is no view, has its own version and its own hooks."""
    x = leaf(tc)
    x.register_hook(lambda g: g * 100)
    with tc.no_grad():
        x[0] = 5
    y = make(x)
    assert (y._version, y._base, y.tolist()) == (0, None, [5, 2])
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]


# ── names of nodes ────────────────────────────────────────────────────────────────────────────

NODES = {
    "x * 2": lambda x, lib: x * 2,
    "x + x": lambda x, lib: x + x,
    "x - 1": lambda x, lib: x - 1,
    "x / 2": lambda x, lib: x / 2,
    "-x": lambda x, lib: -x,
    "x ** 2": lambda x, lib: x**2,
    "x.exp()": lambda x, lib: x.exp(),
    "x.log()": lambda x, lib: x.log(),
    "x.sqrt()": lambda x, lib: x.sqrt(),
    "x.abs()": lambda x, lib: x.abs(),
    "x.relu()": lambda x, lib: x.relu(),
    "x.sigmoid()": lambda x, lib: x.sigmoid(),
    "x.tanh()": lambda x, lib: x.tanh(),
    "x.clamp(0, 1)": lambda x, lib: x.clamp(0, 1),
    "where": lambda x, lib: lib.where(x > 0, x, -x),
    "x.sum()": lambda x, lib: x.sum(),
    "x.sum(1)": lambda x, lib: x.sum(1),
    "x.mean()": lambda x, lib: x.mean(),
    "x.mean(0)": lambda x, lib: x.mean(0),
    "x.max()": lambda x, lib: x.max(),
    "x.max(1)": lambda x, lib: x.max(1).values,
    "x.var()": lambda x, lib: x.var(),
    "x.std()": lambda x, lib: x.std(),
    "x.norm()": lambda x, lib: x.norm(),
    "x.softmax(1)": lambda x, lib: x.softmax(1),
    "x.log_softmax(1)": lambda x, lib: x.log_softmax(1),
    "x.view": lambda x, lib: x.view(3, 2),
    "x.reshape": lambda x, lib: x.reshape(3, 2),
    "x.t().reshape": lambda x, lib: x.t().reshape(6),
    "x.flatten()": lambda x, lib: x.flatten(),
    "x.squeeze()": lambda x, lib: x[:1].squeeze(),
    "x.squeeze(0)": lambda x, lib: x[:1].squeeze(0),
    "x.squeeze((0, 1))": lambda x, lib: x[:1].squeeze((0, 1)),
    "x.unsqueeze(0)": lambda x, lib: x.unsqueeze(0),
    "x.permute": lambda x, lib: x.permute(1, 0),
    "x.transpose": lambda x, lib: x.transpose(0, 1),
    "x.t()": lambda x, lib: x.t(),
    "x.T": lambda x, lib: x.T,
    "x.expand": lambda x, lib: x[None].expand(4, 2, 3),
    "x.split": lambda x, lib: x.split(1)[0],
    "x.split, sizes": lambda x, lib: x.split([1, 1])[0],
    "x.chunk": lambda x, lib: x.chunk(2)[1],
    "x.unbind": lambda x, lib: x.unbind()[0],
    "x.diagonal()": lambda x, lib: x.diagonal(),
    "x[0]": lambda x, lib: x[0],
    "x[0, 1]": lambda x, lib: x[0, 1],
    "x[1:]": lambda x, lib: x[1:],
    "x[:, 0]": lambda x, lib: x[:, 0],
    "x[:]": lambda x, lib: x[:],
    "x[...]": lambda x, lib: x[...],
    "x[None]": lambda x, lib: x[None],
    "x[[0]]": lambda x, lib: x[[0]],
    "x[x > 0]": lambda x, lib: x[x > 0],
    "cat": lambda x, lib: lib.cat([x, x]),
    "stack": lambda x, lib: lib.stack([x, x]),
    "flip": lambda x, lib: x.flip(0),
    "roll": lambda x, lib: x.roll(1),
    "repeat": lambda x, lib: x.repeat(2, 1),
    "gather": lambda x, lib: x.gather(1, lib.tensor([[0], [1]])),
    "scatter": lambda x, lib: x.scatter(1, lib.tensor([[0], [1]]), 1.0),
    "index_select": lambda x, lib: x.index_select(0, lib.tensor([0])),
    "masked_fill": lambda x, lib: x.masked_fill(x > 0, 0.0),
    "sort": lambda x, lib: x.sort().values,
    "topk": lambda x, lib: x.topk(1).values,
    "x @ w": lambda x, lib: x @ x.t(),
    "x @ v": lambda x, lib: x @ x[0],
    "v @ v": lambda x, lib: x[0] @ x[0],
    "bmm": lambda x, lib: lib.bmm(x[None], x.t()[None]),
    "batch @ batch": lambda x, lib: x[None] @ x.t()[None],
    "batch @ matrix": lambda x, lib: x[None] @ x.t(),
    "addmm": lambda x, lib: lib.addmm(x[:, :2], x, x.t()),
    "linear": lambda x, lib: lib.nn.functional.linear(x, x, x[:, 0]),
    "cross_entropy": lambda x, lib: lib.nn.functional.cross_entropy(x, lib.tensor([0, 1])),
    "mse_loss": lambda x, lib: lib.nn.functional.mse_loss(x, x * 2),
    "clone": lambda x, lib: x.clone(),
    "contiguous": lambda x, lib: x.t().contiguous(),
    "double": lambda x, lib: x.double(),
    "add_": lambda x, lib: x.clone().add_(1),
    "zero_": lambda x, lib: x.clone().zero_(),
    "y[0] = 1": lambda x, lib: [y := x.clone(), y[0].fill_(1)][0],
}


@pytest.mark.parametrize("expression", NODES)
def test_names_of_nodes(expression):
    def name(lib):
        x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
        return repr(NODES[expression](x, lib).grad_fn).split()[0]

    assert name(tc) == name(torch)


def test_constructor_converts_as_torch_does():
    for data in (np.arange(3.0), np.arange(3), [1, 2], (1.5, 2.5)):
        ours, theirs = tc.Tensor(data), torch.Tensor(data)
        assert repr(ours) == repr(theirs)
    a = np.zeros(2, np.float32)
    assert not np.shares_memory(tc.Tensor(a).array, a)
