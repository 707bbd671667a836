"""``x[index]`` and ``x[index] = value`` against torch, for every kind of index."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyconv as tc

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using a non-tuple sequence",
    "ignore:indexing with dtype",
    "ignore:.*will be removed in a future version",
)
BOTH = pytest.mark.parametrize("lib", [torch, tc], ids=["torch", "tinyconv"])
S = slice


class T:
    """An index tensor, made anew in each library."""

    def __init__(self, data, dtype=None):
        self.data, self.dtype = data, dtype

    def __repr__(self):
        return f"T({self.data}{', ' + self.dtype if self.dtype else ''})"


def made(index, lib):
    """Replace each T in an index by a tensor."""
    if isinstance(index, T):
        return lib.tensor(index.data, dtype=getattr(lib, index.dtype) if index.dtype else None)
    if isinstance(index, (list, tuple)):
        return type(index)(made(i, lib) for i in index)
    return index


def source(lib, shape, dtype="float64"):
    data = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    x = torch.from_numpy(data) if lib is torch else tc.from_numpy(data)
    return x.requires_grad_() if x.is_floating_point() else x


def weights(lib, shape):
    data = np.cos(np.arange(int(np.prod(shape)), dtype=float)).reshape(tuple(shape))
    return torch.from_numpy(data) if lib is torch else tc.from_numpy(data)


def attempt(f, *args):
    try:
        return f(*args), None
    except Exception as error:
        return None, error


def same_error(ours, theirs, words=25):
    assert ours is not None, f"torch raises {theirs!r}"
    assert isinstance(ours, type(theirs)), f"{ours!r} for {theirs!r}"
    assert str(ours).replace("tinyconv", "torch")[:words] == str(theirs)[:words]


def same_array(ours, theirs):
    theirs = theirs.detach().numpy()
    ours = ours.detach().numpy()
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, 1e-12, 1e-12, strict=True)


def get(lib, shape, index):
    """The value, whether it is a view, and the gradient."""
    x = source(lib, shape)
    y = x[made(index, lib)]
    (y * weights(lib, y.shape)).sum().backward()
    return y, y._is_view(), x.grad


def check_get(shape, index):
    theirs, their_error = attempt(get, torch, shape, index)
    ours, our_error = attempt(get, tc, shape, index)
    if their_error is not None:
        same_error(our_error, their_error)
        return
    if our_error is not None:
        raise our_error
    same_array(ours[0], theirs[0])
    assert ours[1] == theirs[1]
    same_array(ours[2], theirs[2])


def put(lib, shape, index, kind):
    """The tensor after a write, and the gradients of what was there and of what was written."""
    x = source(lib, shape)
    y = x * 1
    index = made(index, lib)
    v = None
    if kind == "number":
        y[index] = 7
    else:
        wanted = list(x.detach()[index].shape)
        if kind == "stretched":
            wanted = [1 if i % 2 == 0 else n for i, n in enumerate(wanted)][-2:]
        v = (weights(lib, wanted) * 3).requires_grad_()
        y[index] = v
    (y * weights(lib, y.shape)).sum().backward()
    return y, x.grad, v if v is None else v.grad


def check_put(shape, index, kind):
    theirs, their_error = attempt(put, torch, shape, index, kind)
    ours, our_error = attempt(put, tc, shape, index, kind)
    if their_error is not None:
        same_error(our_error, their_error)
        return
    if our_error is not None:
        raise our_error
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            same_array(a, b)


# (shape, index)
INDICES = [
    # integers
    ((5,), 0),
    ((5,), -1),
    ((5,), -5),
    ((3, 4), 1),
    ((3, 4), (1, -2)),
    ((3, 4), (-1,)),
    ((2, 3, 4), (0, 1, 2)),
    ((3, 4), np.int64(1)),
    ((3, 4), np.uint8(2)),
    ((3, 4), (np.int32(1), 2)),
    ((3, 4), True),
    ((3, 4), False),
    ((3, 4), (True, 1)),
    ((3, 4), (1, True)),
    ((3, 4), (False, 1)),
    ((3, 4), (True, [0, 2])),
    ((), True),
    ((), False),
    ((), None),
    ((), ...),
    ((), ()),
    ((3,), ()),
    # slices
    ((5,), S(None)),
    ((5,), S(1, 4)),
    ((5,), S(1, None, 2)),
    ((5,), S(-3, -1)),
    ((5,), S(None, 100)),
    ((5,), S(-100, 2)),
    ((5,), S(3, 1)),
    ((5,), S(7, 9)),
    ((5,), S(0, 0)),
    ((5,), S(T(1), T(4))),
    ((5,), S(np.int64(1), np.int64(3))),
    ((3, 4), (S(None, None, 2), S(1, None, 2))),
    ((3, 4), (S(0, 2), 1)),
    ((2, 3, 4), (1, S(None), S(1, 3))),
    # None and ...
    ((3, 4), None),
    ((3, 4), (None, S(None), None)),
    ((3, 4), (1, None, 2)),
    ((3, 4), (..., None)),
    ((3, 4), (..., 1)),
    ((3, 4), (1, ...)),
    ((2, 3, 4), (0, ..., 1)),
    ((2, 3, 4), (..., S(1, 2), None, 0)),
    ((3, 4), (1, 2, ...)),
    ((3, 4), (..., 1, 2)),
    # lists, nested lists, ranges, arrays
    ((5,), [0, 2]),
    ((5,), [0]),
    ((5,), []),
    ((5,), [0, -1, 0]),
    ((5,), [[0, 1], [2, 3]]),
    ((5,), range(2, 4)),
    ((3, 4), [0, 2]),
    ((3, 4), ([0, 2], [1, 3])),
    ((3, 4), ([0, 2], 1)),
    ((3, 4), (1, [0, 2])),
    ((3, 4), (S(None), [0, 2, 2])),
    ((3, 4), ([0, 2], S(1, 3))),
    ((3, 4), ([[0], [2]], [1, 3])),
    ((3, 4), [True, False, True]),
    ((3, 4), (S(None), [True, False, True, False])),
    ((3, 4), np.array([0, 2])),
    ((3, 4), np.array([True, False, True])),
    ((3, 4), (np.array([2, 1]), np.array([[0], [3]]))),
    ((4,), ([1, 2],)),
    # tensors
    ((5,), T([0, 2])),
    ((5,), T(3)),
    ((5,), T(-1)),
    ((5,), T([[1, 0], [4, 4]])),
    ((5,), T([1, 2], "int32")),
    ((5,), T([], "int64")),
    ((3, 4), T([2, 0, 0])),
    ((3, 4), (T([0, 2]), T([1, 1]))),
    ((3, 4), (T(1), T([1, 1]))),
    ((3, 4), (T(1), S(None))),
    ((3, 4), (S(None), T(1))),
    ((3, 4), (T(1), T(2))),
    ((3, 4), [T(0), T(2)]),
    ((3, 4), (T([[0], [1]]), T([1, 2, 3]))),
    ((3, 4), (T([0, 1]), None)),
    ((3, 4), (None, T([0, 1]))),
    ((3, 4), (..., T([0, 1]))),
    ((3, 4), (T([0, 1]), ...)),
    # masks
    ((3,), T([True, False, True])),
    ((3,), T([False, False, False])),
    ((2, 3), T([[True, False, True], [False, True, False]])),
    ((2, 3), T([True, False])),
    ((2, 3), (S(None), T([True, False, True]))),
    ((2, 3), (T([True, False]), 1)),
    ((2, 3), (T([True, True]), T([0, 2]))),
    ((2, 3), (T([True, True]), T([True, True, False]))),
    ((2, 3, 4), (T([[True, False, True], [False, True, False]]), 1)),
    ((2, 3, 4), (1, T([[True, False, True, True]] * 3))),
    ((2, 3, 4), (S(None), T([True, False, True]), S(1, 3))),
    ((2, 3, 4), T([[True] * 3] * 2)),
    ((2, 3), T(True)),
    ((2, 3), T(False)),
    ((2, 3), (T(True), 1)),
    ((), T(True)),
    # advanced indices, together or apart
    ((2, 3, 4), ([0, 1], S(None), [1, 2])),
    ((2, 3, 4), ([0, 1], [0, 2], S(None))),
    ((2, 3, 4), (S(None), [0, 1], [0, 2])),
    ((2, 3, 4), (S(None), [0, 1], S(1, 3))),
    ((2, 3, 4), ([0, 1], None, [1, 2])),
    ((2, 3, 4), ([0, 1], ..., [1, 2])),
    ((2, 3, 4), (1, S(None), [1, 2])),
    ((2, 3, 4), (1, [0, 2], S(None))),
    ((2, 3, 4), (S(None), 1, [1, 2])),
    ((2, 3, 4), ([1, 0], S(None), 2)),
    ((2, 3, 4), ([1, 0], S(None), T(2))),
    ((2, 3, 4), (0, None, [1, 2])),
    ((2, 3, 4), (S(None), T([[0], [2]]), None, T([1, 3]))),
    ((2, 3, 4, 5), (S(None), [0, 1], S(1, 3), [2, 3])),
    ((2, 3, 4, 5), (1, [0, 1], S(1, 3), 2)),
    ((2, 3, 4, 5), ([1], [0, 1], 2)),
    ((2, 3, 4, 5), (..., [0, 1], S(None, None, 2))),
    # nothing there
    ((0,), S(None)),
    ((0, 3), S(0, 1)),
    ((3, 0), 1),
    ((3, 0), [0, 2]),
    ((0, 3), []),
    ((3, 0), (S(None), [])),
    ((2, 3), (T([], "int64"), 1)),
]

ERRORS = [
    ((3, 4), np.bool_(True)),
    ((5,), 5),
    ((5,), -6),
    ((3, 4), (1, 4)),
    ((3, 4), (0, 0, 0)),
    ((3, 4), (S(None), S(None), S(None))),
    ((3, 4), (None, 0, 0, 0)),
    ((), 0),
    ((), S(None)),
    ((0,), 0),
    ((5,), S(None, None, 0)),
    ((5,), S(None, None, -1)),
    ((5,), [5]),
    ((5,), [-6]),
    ((5,), T([0, 5])),
    ((5,), T(5)),
    ((3, 4), ([0, 1], [0, 1, 2])),
    ((3, 4), (T([0, 1]), T([0, 1, 2]))),
    ((3, 4), T([True, False])),
    ((3, 4), T([[True, False]])),
    ((3, 4), (S(None), T([True, False]))),
    ((5,), T([0.5])),
    ((5,), T(0.5)),
    ((5,), 1.5),
    ((5,), "a"),
    ((5,), S("a", 2)),
    ((5,), S(0.5, 2)),
    ((3,), ([0], [0])),
    ((0, 3), [0]),
]


@pytest.mark.parametrize(("shape", "index"), INDICES + ERRORS, ids=str)
def test_get(shape, index):
    check_get(shape, index)


@pytest.mark.parametrize("kind", ["number", "full", "stretched"])
@pytest.mark.parametrize(("shape", "index"), INDICES + ERRORS, ids=str)
def test_set(shape, index, kind):
    check_put(shape, index, kind)


@pytest.mark.parametrize(
    ("shape", "index", "value"),
    [
        ((5,), S(0, 2), [1.0, 2.0, 3.0]),
        ((5,), [0, 1], [1.0, 2.0, 3.0]),
        ((5,), 0, [1.0, 2.0]),
        ((2, 3), 0, [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
        ((2, 3), S(0, 1), [1.0, 2.0]),
        ((2, 3), T([[True, False, True], [False, True, False]]), [1.0, 2.0]),
        ((2, 3), T([True, False]), [[1.0, 2.0]]),
    ],
    ids=str,
)
def test_set_too_much(shape, index, value):
    def write(lib):
        source(lib, shape).detach()[made(index, lib)] = lib.tensor(value, dtype=lib.float64)

    same_error(attempt(write, tc)[1], attempt(write, torch)[1])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (dtype, value)
        for dtype in ("bool", "uint8", "int64", "float16", "float32")
        for value in (
            True,
            2,
            2.7,
            -3.5,
            T([1.5, 2.5]),
            T([1, 2]),
            T([True, False]),
            T(2.5),
            T([300, 2]),
        )
        if not (
            dtype == "uint8" and value == -3.5
        )  # C leaves negative floats to unsigned undefined
    ],
)
@pytest.mark.parametrize("index", [S(1, 3), [0, 2], T([True, False, True])], ids=str)
def test_set_converts(dtype, index, value):
    def write(lib):
        x = lib.tensor([3, 4, 5]).to(getattr(lib, dtype))
        x[made(index, lib)] = made(value, lib)
        return x

    (theirs, their_error), (ours, our_error) = attempt(write, torch), attempt(write, tc)
    if their_error is not None:
        same_error(our_error, their_error)
    else:
        assert our_error is None, our_error
        same_array(ours, theirs)


@pytest.mark.parametrize(
    "value", [[1.0, 2.0], np.ones(2), np.float32(1), None, "a"], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("index", [S(1, 3), [0, 2]], ids=str)
def test_set_takes_numbers_and_tensors_only(index, value):
    def write(lib):
        lib.zeros(3)[index] = value

    same_error(attempt(write, tc)[1], attempt(write, torch)[1], 15)


@pytest.mark.parametrize(("shape", "index"), [i for i in INDICES if len(i[0]) == 2], ids=str)
def test_get_of_a_transposed_tensor(shape, index):
    def turned(lib):
        x = source(lib, shape[::-1])
        y = x.t()[made(index, lib)]
        (y * weights(lib, y.shape)).sum().backward()
        return y, x.grad

    for a, b in zip(turned(tc), turned(torch), strict=True):
        same_array(a, b)


@pytest.mark.parametrize(
    "index",
    [1, S(0, 2), [0, 2, 0], T([True, False, True]), (S(None), [1, 1]), (..., None)],
    ids=str,
)
def test_second_gradients(index):
    def twice(lib):
        x = source(lib, (3, 4))
        y = (x**3)[made(index, lib)]
        (g,) = lib.autograd.grad((y * weights(lib, y.shape)).sum(), x, create_graph=True)
        return g, *lib.autograd.grad((g * g).sum(), x)

    for a, b in zip(twice(tc), twice(torch), strict=True):
        same_array(a, b)


def test_integers_and_bools_are_indexed_too():
    for dtype in ("int64", "bool", "uint8"):
        x, y = source(tc, (3, 4), dtype), source(torch, (3, 4), dtype)
        same_array(x[[0, 2], 1:], y[[0, 2], 1:])
        same_array(x[x > 0], y[y > 0])
        assert not x[0].requires_grad


@BOTH
def test_bytes_are_masks(lib):
    with pytest.warns(UserWarning, match="indexing with dtype"):
        assert lib.arange(3)[lib.tensor([1, 0, 1], dtype=lib.uint8)].tolist() == [0, 2]


@BOTH
def test_a_list_of_lists_is_a_tuple_for_now(lib):
    x = lib.arange(12).reshape(3, 4)
    with pytest.warns(UserWarning, match="Using a non-tuple sequence"):
        assert x[[[0, 1], [2, 3]]].tolist() == [2, 7]


def test_errors_say_what_to_do():
    x = tc.ones(3, 4)
    with pytest.raises(
        IndexError, match=r"index 5 is out of bounds for dimension 0 with size 3\n.*\[3, 4\]"
    ):
        x[5]
    with pytest.raises(ValueError, match=r"step must be greater than zero\n.*flip"):
        x[::-1]
    with pytest.raises(IndexError, match=r"tensors used as indices must be long.*\n.*\.long\(\)"):
        x[tc.tensor([1.0])]


# ── any index of any shape ────────────────────────────────────────────────────────────────────


@st.composite
def indexed(draw):
    """A shape, and an index that fits it (or nearly)."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    together = draw(st.lists(st.integers(1, 3), max_size=2))  # the shape of index arrays
    parts = []
    advanced = draw(st.booleans())
    dots = draw(st.booleans())
    left = list(shape)
    while left and draw(st.integers(0, 4)):
        if draw(st.integers(0, 5)) == 0:
            parts.append(None)
            continue
        if dots and draw(st.integers(0, 3)) == 0:
            parts.append(...)
            skip = draw(st.integers(0, len(left)))
            keep = draw(st.integers(0, len(left) - skip))
            left = left[len(left) - keep :] if keep else []
            dots = False
            continue
        n = left.pop(0)
        kind = draw(
            st.sampled_from(["int", "slice", "array", "mask"] if advanced else ["int", "slice"])
        )
        if kind == "int":
            parts.append(draw(st.integers(-n, max(n - 1, 0))))
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 1, n + 1)
            parts.append(S(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
        elif kind == "array":
            count = int(np.prod(together))
            flat = draw(st.lists(st.integers(-n, max(n - 1, 0)), min_size=count, max_size=count))
            parts.append(T(np.array(flat, dtype="int64").reshape(together).tolist(), "int64"))
        else:
            parts.append(T(draw(st.lists(st.booleans(), min_size=n, max_size=n)), "bool"))
    return shape, tuple(parts)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(indexed())
def test_get_property(case):
    check_get(*case)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(indexed(), st.sampled_from(["number", "full", "stretched"]))
def test_set_property(case, kind):
    check_put(*case, kind)
