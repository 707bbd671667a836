"""Parametrized tensors, weight norm and spectral norm in both styles: the same scripts in both libraries."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from both_libraries import LIBRARIES, cases, each

import tinyconv as tc
import tinyconv.nn.utils.parametrize as P
from tinyconv.nn.utils import parametrize


def plain(x):
    """What two libraries can be compared by; numbers stay numbers."""
    if isinstance(x, (tc.Tensor, torch.Tensor)):
        return [
            str(x.dtype).rpartition(".")[2],
            x.requires_grad,
            x.is_leaf,
            np.array(x.tolist(), "float64"),
        ]
    if isinstance(x, dict) or hasattr(x, "items"):
        return [[k, plain(v)] for k, v in x.items()]
    if isinstance(x, (list, tuple)) or hasattr(x, "__next__"):
        return [plain(v) for v in x]
    return repr(x).replace("torch.", "tinyconv.").replace("_ConvNd", "Conv")


def outcome(script, lib):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            lib.manual_seed(3)
            return plain(script(lib))
    except Exception as error:
        kind = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        opening = str(error.args[0]).split("\n")[0].split(", unless")[0].split(". See:")[0]
        return kind.__name__, opening.replace("torch.", "tinyconv.").rstrip(".")


def assert_close(ours, theirs, rtol=1e-10):
    if isinstance(theirs, np.ndarray):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), (ours, theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, b, rtol)
    else:
        assert ours == theirs


def functions(lib):
    """Parametrizations of one's own."""

    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x):
            return x.triu()

    class Exp(lib.nn.Module):
        def forward(self, x):
            return x.exp()

        def right_inverse(self, x):
            return x.log()

    class Square(lib.nn.Module):
        def forward(self, x):
            return x * x

    class Sum(lib.nn.Module):
        """Of two tensors, the second of which is a trainable share of the first."""

        def forward(self, a, b):
            return a + b

        def right_inverse(self, x):
            return 0.25 * x, 0.75 * x

    class Unknown(Square):
        def right_inverse(self, x):
            raise NotImplementedError

    class Returns(lib.nn.Module):
        def __init__(self, forward, inverse=None):
            super().__init__()
            self.f = forward
            if inverse is not None:
                self.right_inverse = inverse

        def forward(self, *xs):
            return self.f(*xs)

    return {c.__name__: c for c in (Symmetric, Exp, Square, Sum, Unknown, Returns)}


class Kit:
    """One library, with the names that the scripts use."""

    def __init__(self, lib):
        self.lib, self.nn = lib, lib.nn
        self.utils = lib.nn.utils
        self.P = lib.nn.utils.parametrize
        self.new = lib.nn.utils.parametrizations
        vars(self).update(functions(lib))
        lib.set_default_dtype(lib.float64)

    def linear(self, *names, n=3, m=3):
        layer = self.nn.Linear(m, n)
        with self.lib.no_grad():
            layer.weight.abs_()
        for name in names:
            self.P.register_parametrization(layer, "weight", getattr(self, name)())
        return layer

    def params(self, layer):
        return dict(layer.named_parameters())


@pytest.fixture(autouse=True)
def _defaults():
    yield
    for lib in LIBRARIES:
        lib.set_default_dtype(lib.float32)


def compare(script, rtol=1e-10):
    ours, theirs = (outcome(lambda lib: script(Kit(lib)), lib) for lib in LIBRARIES)
    assert_close(ours, theirs, rtol)
    return theirs


# ── parametrize ───────────────────────────────────────────────────────────────────────────────


def assigned(k, layer, value):
    layer.weight = value(k)
    return layer.weight, k.params(layer)


def both_tensors(k):
    layer = k.linear("Exp")
    k.P.register_parametrization(layer, "bias", k.Square())
    return layer, layer.state_dict(), k.P.is_parametrized(layer), layer.bias


def removed(k, leave, *names, tensor="weight"):
    layer = k.linear(*names)
    kept = layer.parametrizations.weight
    k.P.remove_parametrizations(layer, tensor, leave)
    same = kept.is_tensor and layer.weight is kept.original
    return layer, k.params(layer), same, type(layer) is k.nn.Linear, k.P.is_parametrized(layer)


def one_of_two_removed(k):
    layer = k.linear("Exp")
    k.P.register_parametrization(layer, "bias", k.Square())
    k.P.remove_parametrizations(layer, "weight")
    return layer, layer.state_dict(), layer.bias


def a_buffer(k):
    bn = k.nn.BatchNorm1d(2)
    k.P.register_parametrization(bn, "running_mean", k.Exp())
    state = bn.state_dict()
    k.P.remove_parametrizations(bn, "running_mean")
    return state, bn.state_dict(), bn


def transferred(k, name=None):
    source = k.linear("Exp", "Square")
    k.P.register_parametrization(source, "bias", k.Square())
    target = k.nn.Linear(3, 3)
    k.P.transfer_parametrizations_and_params(source, target, name)
    shared = target.parametrizations.weight.original is source.parametrizations.weight.original
    return target, target.state_dict(), shared, target.weight


def transferred_parts(k):
    source, target = k.linear("Sum"), k.nn.Module()
    k.P.transfer_parametrizations_and_params(source, target)
    return target.state_dict(), target.weight


def cached(k):
    layer = k.linear("Exp")
    calls = []
    layer.parametrizations.weight[0].register_forward_hook(lambda m, i, o: calls.append(1))
    with k.P.cached():
        with k.P.cached():
            a = layer.weight
        b = layer.weight
        y = layer(k.lib.ones(1, 3))
    layer.weight  # noqa: B018  # the reading is what is counted
    return a is b, len(calls), y, layer.weight is layer.weight


def copied(k):
    layer = k.linear("Exp")
    other = copy.deepcopy(layer)
    with k.lib.no_grad():
        other.parametrizations.weight.original.add_(1)
    nested = copy.deepcopy(k.nn.Sequential(layer, layer))
    return layer.weight, other.weight, nested[0] is nested[1], type(other).__name__


def trained(k, layer):
    optimizer = k.lib.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    x = k.lib.randn(4, 3)
    for _ in range(4):
        optimizer.zero_grad()
        (layer(x) ** 2).sum().backward()
        optimizer.step()
    return layer.weight, k.params(layer), [p.grad for p in layer.parameters()]


def reassigned_by_parameter(k):
    layer = k.linear("Exp")
    layer.weight = k.nn.Parameter(k.lib.ones(3, 3))


def evaluated(k):
    layer = k.linear().eval()
    k.P.register_parametrization(layer, "weight", k.nn.Dropout(0.5))
    return layer.parametrizations.weight[0].training, layer.train().weight.shape


def second_order(k):
    layer = k.linear("Exp", "Square")
    (g,) = k.lib.autograd.grad(
        layer.weight.sum(), layer.parametrizations.weight.original, create_graph=True
    )
    return k.lib.autograd.grad((g**2).sum(), layer.parametrizations.weight.original)


PARAMETRIZED = {
    "one": lambda k: (k.linear("Symmetric"), k.linear("Symmetric").state_dict()),
    "two in a row": lambda k: (
        (m := k.linear("Symmetric", "Exp")),
        m.weight,
        m.parametrizations.weight.original,
        len(m.parametrizations.weight),
    ),
    "two tensors": both_tensors,
    "several originals": lambda k: (
        (m := k.linear("Sum")),
        m.state_dict(),
        m.weight,
        m.parametrizations.weight.ntensors,
    ),
    "no inverse": lambda k: ((m := k.linear("Unknown")), m.weight, m.state_dict()),
    "a buffer": a_buffer,
    "assigned": lambda k: assigned(k, k.linear("Exp", "Symmetric"), lambda k: k.lib.eye(3) + 1),
    "assigned, several": lambda k: assigned(k, k.linear("Sum"), lambda k: k.lib.ones(3, 3)),
    "assigned, no inverse": lambda k: assigned(k, k.linear("Square"), lambda k: k.lib.ones(3, 3)),
    "assigned a parameter": reassigned_by_parameter,
    "removed": lambda k: removed(k, True, "Symmetric", "Exp"),
    "removed, original": lambda k: removed(k, False, "Symmetric", "Exp"),
    "removed, several": lambda k: removed(k, True, "Sum"),
    "removed, several, original": lambda k: removed(k, False, "Sum"),
    "removed what is not": lambda k: removed(k, True, "Exp", tensor="bias"),
    "one of two removed": one_of_two_removed,
    "types": lambda k: [
        k.P.type_before_parametrizations(m).__name__
        for m in (k.linear(), k.linear("Exp"), k.linear("Sum", "Square"))
    ],
    "asked": lambda k: [
        k.P.is_parametrized(m, *names)
        for m in (k.linear(), k.linear("Exp"))
        for names in ((), ("weight",), ("bias",))
    ],
    "transferred": transferred,
    "transferred, one": lambda k: transferred(k, "weight"),
    "transferred, several": transferred_parts,
    "transferred nothing": lambda k: k.P.transfer_parametrizations_and_params(
        k.linear(), k.linear()
    ),
    "cached": cached,
    "copied": copied,
    "pickled": lambda k: pickle.dumps(k.linear("Exp")),
    "shallow copy": lambda k: copy.copy(k.linear("Exp")),
    "trained": lambda k: trained(k, k.linear("Symmetric", "Exp")),
    "trained, several": lambda k: trained(k, k.linear("Sum")),
    "frozen": lambda k: (
        (m := k.linear().requires_grad_(False)),
        k.P.register_parametrization(m, "weight", k.Sum()),
        m.state_dict(),
        m.weight,
    )[2:],
    "evaluated": evaluated,
    "second order": second_order,
    "other class": lambda k: (
        type(k.P.register_parametrization(k.nn.Conv2d(1, 1, 1), "bias", k.Exp())).__name__
    ),
    "doubled": lambda k: k.linear("Exp").float().state_dict(),
}


@cases(PARAMETRIZED)
def test_parametrized(script):
    compare(script)


def refused(*parametrizations, name="weight", **settings):
    def script(k):
        layer = k.linear()
        for make in parametrizations:
            k.P.register_parametrization(layer, name, make(k), **settings)
        return layer.weight, layer.state_dict()

    return script


def assigned_otherwise(first, later):
    """An inverse that returns something else at its second call."""

    def script(k):
        answers = [first, later]
        layer = k.linear()
        inverse = k.Returns(lambda *xs: xs[0], lambda x: answers.pop(0)(x))
        k.P.register_parametrization(layer, "weight", inverse)
        layer.weight = k.lib.ones(3, 3)

    return script


ERRORS = {
    "no such tensor": refused(lambda k: k.Exp(), name="weigth"),
    "no tensor": refused(lambda k: k.Returns(lambda x: 3)),
    "another dtype": refused(lambda k: k.Returns(lambda x: x.float())),
    "another shape": refused(lambda k: k.Returns(lambda x: x[:2])),
    "another shape, unsafe": refused(lambda k: k.Returns(lambda x: x[:2]), unsafe=True),
    "another dtype, unsafe": refused(lambda k: k.Returns(lambda x: x.float()), unsafe=True),
    "inverse, another dtype": refused(lambda k: k.Returns(lambda x: x, lambda x: x.float())),
    "inverse, no tensor": refused(lambda k: k.Returns(lambda x: x, lambda x: 3)),
    "inverse, a list of others": refused(lambda k: k.Returns(lambda x: x, lambda x: [x, 3])),
    "second, no tensor": refused(lambda k: k.Exp(), lambda k: k.Returns(lambda x: 3)),
    "second, another dtype": refused(lambda k: k.Exp(), lambda k: k.Returns(lambda x: x.float())),
    "second, another shape": refused(lambda k: k.Exp(), lambda k: k.Returns(lambda x: x[:2])),
    "second inverse, no tensor": refused(
        lambda k: k.Exp(), lambda k: k.Returns(lambda x: x, lambda x: 3)
    ),
    "second inverse, another dtype": refused(
        lambda k: k.Exp(), lambda k: k.Returns(lambda x: x, lambda x: x.float())
    ),
    "second inverse, another shape": refused(
        lambda k: k.Exp(), lambda k: k.Returns(lambda x: x, lambda x: x[:2])
    ),
    "second inverse, unknown": refused(lambda k: k.Exp(), lambda k: k.Unknown()),
    "assigned, no tensor": assigned_otherwise(lambda x: x, lambda x: 3),
    "assigned, another dtype": assigned_otherwise(lambda x: x, lambda x: x.float()),
    "assigned, no sequence": assigned_otherwise(lambda x: (x, x), lambda x: {1}),
    "assigned, fewer": assigned_otherwise(lambda x: (x, x), lambda x: (x,)),
    "assigned, others": assigned_otherwise(lambda x: (x, x), lambda x: (x, 3)),
    "assigned, another dtype of one": assigned_otherwise(
        lambda x: (x, x), lambda x: (x, x.float())
    ),
    "an empty list": lambda k: k.P.ParametrizationList([], k.lib.ones(1)),
    "weight norm of nothing": lambda k: k.new.weight_norm(k.linear(), "nothing"),
    "spectral norm of nothing": lambda k: k.new.spectral_norm(k.linear(), "nothing"),
    "spectral norm without steps": lambda k: k.new.spectral_norm(k.linear(), n_power_iterations=0),
    "spectral norm, wrong dimension": lambda k: k.new.spectral_norm(k.linear(), dim=2),
    "orthogonal nothing": lambda k: k.new.orthogonal(k.linear(), "nothing"),
    "orthogonal vector": lambda k: k.new.orthogonal(k.linear(), "bias"),
    "orthogonal in no such way": lambda k: k.new.orthogonal(k.linear(), "weight", "polar"),
    "orthogonal of another shape": lambda k: setattr(
        k.new.orthogonal(k.linear()), "weight", k.lib.ones(2, 3)
    ),
    "old spectral norm without steps": lambda k: k.utils.spectral_norm(
        k.linear(), n_power_iterations=0
    ),
    "weight norm twice": lambda k: k.utils.weight_norm(k.utils.weight_norm(k.linear())),
    "spectral norm twice": lambda k: k.utils.spectral_norm(k.utils.spectral_norm(k.linear())),
    "no weight norm to remove": lambda k: k.utils.remove_weight_norm(k.linear()),
    "no spectral norm to remove": lambda k: k.utils.remove_spectral_norm(k.linear()),
    "spectral norm of None": lambda k: k.utils.spectral_norm(k.nn.Linear(2, 2, bias=False), "bias"),
    "weight norm of what is to come": lambda k: k.utils.weight_norm(k.nn.LazyLinear(2)),
    "spectral norm of what is to come": lambda k: k.utils.spectral_norm(k.nn.LazyLinear(2)),
}


@cases(ERRORS)
def test_what_is_refused(script):
    compare(script)


# ── weight norm and spectral norm ─────────────────────────────────────────────────────────────

LAYERS = {
    "linear": (lambda nn: nn.Linear(4, 5), (3, 4)),
    "linear of many": (lambda nn: nn.Linear(40, 17), (3, 40)),
    "conv1d": (lambda nn: nn.Conv1d(4, 3, 3), (2, 4, 8)),
    "conv2d": (lambda nn: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 5, 5)),
    "transpose": (lambda nn: nn.ConvTranspose2d(4, 3, 2), (2, 4, 5, 5)),
    "batchnorm": (lambda nn: nn.BatchNorm1d(4), (3, 4)),
    "layernorm": (lambda nn: nn.LayerNorm(4), (3, 4)),
}
WAYS = {
    "weight_norm": lambda k, m: k.new.weight_norm(m),
    "weight_norm of all": lambda k, m: k.new.weight_norm(m, dim=None),
    "weight_norm of the second": lambda k, m: k.new.weight_norm(m, dim=1),
    "weight_norm of the last": lambda k, m: k.new.weight_norm(m, dim=m.weight.ndim - 1),
    "spectral_norm": lambda k, m: k.new.spectral_norm(m),
    "spectral_norm in steps": lambda k, m: k.new.spectral_norm(m, "weight", 3, 1e-6, 1),
    "spectral_norm from the end": lambda k, m: k.new.spectral_norm(m, dim=-1),
    "old weight_norm": lambda k, m: k.utils.weight_norm(m),
    "old weight_norm of all": lambda k, m: k.utils.weight_norm(m, dim=None),
    "old spectral_norm": lambda k, m: k.utils.spectral_norm(m),
    "old spectral_norm in steps": lambda k, m: k.utils.spectral_norm(m, "weight", 2, dim=1),
}


def story(k, way, layer, shape):
    """Training, the state, evaluation, removal."""
    m = WAYS[way](k, LAYERS[layer][0](k.nn))
    optimizer = k.lib.optim.SGD(m.parameters(), 0.1, momentum=0.9)
    told = [repr(m).replace("torch", "tinyconv"), m.state_dict()]
    for _ in range(4):
        x = k.lib.randn(*shape)
        optimizer.zero_grad()
        loss = (m(x) ** 2).mean() + (m(2 * x) ** 4).mean()  # two passes before backward
        loss.backward()
        told += [loss.detach(), [p.grad for p in m.parameters()]]
        optimizer.step()
    m.eval()
    told += [m(x).detach(), m.weight.detach(), m.weight.detach(), m.state_dict(), k.lib.randn(2)]
    if way == "old weight_norm" or way.startswith("old weight"):
        k.utils.remove_weight_norm(m)
    elif way.startswith("old"):
        k.utils.remove_spectral_norm(m)
    else:
        k.P.remove_parametrizations(m, "weight")
    return [*told, repr(m), m.state_dict(), m(x).detach(), len(m.state_dict())]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("way", WAYS)
def test_norms(way, layer):
    shape = LAYERS[layer][1]
    theirs = compare(lambda k: story(k, way, layer, shape), 1e-9)
    assert isinstance(theirs, list) or (len(shape) == 2 and layer.endswith("norm"))


SHAPES = {"square": (4, 4), "tall": (6, 3), "wide": (3, 7), "one": (1, 1), "column": (5, 1)}


def orthogonal_story(k, shape, which, trivial):
    n, m = shape
    layer = k.new.orthogonal(k.nn.Linear(m, n), "weight", which, use_trivialization=trivial)
    optimizer = k.lib.optim.SGD(layer.parameters(), 0.1)
    told = [repr(layer), layer.state_dict(), layer.weight]
    for _ in range(4):
        optimizer.zero_grad()
        ((layer(k.lib.randn(5, m)) - 1) ** 2).sum().backward()
        told.append([p.grad for p in layer.parameters()])
        optimizer.step()
    told += [layer.weight, layer.weight.T @ layer.weight, k.lib.randn(2)]
    layer.weight = k.lib.nn.init.orthogonal_(k.lib.empty(n, m))
    return [*told, layer.weight, layer.state_dict()]


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("which", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal(shape, which, trivial):
    compare(lambda k: orthogonal_story(k, SHAPES[shape], which, trivial), 1e-9)


def test_orthogonal_kernels_are_batches_of_matrices():
    compare(lambda k: k.new.orthogonal(k.nn.Conv2d(2, 3, 3)).weight)
    compare(lambda k: k.new.orthogonal(k.nn.Conv1d(2, 5, 3), orthogonal_map="householder").weight)


@each
def test_old_states_of_weight_norm_are_read(lib):
    k = Kit(lib)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        old = k.utils.weight_norm(k.nn.Linear(2, 3))
    new = k.new.weight_norm(k.nn.Linear(2, 3))
    new.load_state_dict(old.state_dict())
    x = lib.ones(1, 2)
    assert (old(x) - new(x)).abs().max() < 1e-12


@each
def test_the_old_weight_norm_says_that_it_is_old(lib):
    with pytest.warns(FutureWarning, match=f"`{lib.__name__}.nn.utils.weight_norm` is deprecated"):
        lib.nn.utils.weight_norm(lib.nn.Linear(2, 3))


@pytest.mark.parametrize("way", WAYS)
def test_states_are_exchanged(way):
    """A state goes to torch and back, and gives the same numbers on the way."""
    ours, theirs = (outcome(lambda lib: [Kit(lib)], lib) and Kit(lib) for lib in LIBRARIES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        a, back = (WAYS[way](ours, ours.nn.Linear(3, 4)).eval() for _ in range(2))
        b = WAYS[way](theirs, theirs.nn.Linear(3, 4)).eval()
    b.load_state_dict({k: torch.tensor(v.numpy()) for k, v in a.state_dict().items()})
    back.load_state_dict({k: tc.tensor(v.numpy()) for k, v in b.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 3))
    results = [m(lib.tensor(x)).detach().numpy() for m, lib in ((a, tc), (b, torch), (back, tc))]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("way", [w for w in WAYS if w.startswith("old")])
def test_hooks_survive_pickling(way):
    for lib in LIBRARIES:
        k = Kit(lib)
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            m = WAYS[way](k, k.nn.Linear(3, 4))
        other = pickle.loads(pickle.dumps(m))
        x = lib.randn(2, 3)
        assert (m.eval()(x) - other.eval()(x)).abs().max() == 0
        other.train()(x).sum().backward()
        assert all(p.grad is not None for p in other.parameters())


def test_saved_files_hold_the_state(tmp_path):
    m = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(3, 4))
    tc.save(m.state_dict(), tmp_path / "m.pt")
    other = tc.nn.utils.parametrizations.weight_norm(tc.nn.Linear(3, 4))
    other.load_state_dict(tc.load(tmp_path / "m.pt"))
    assert tc.equal(m.weight, other.weight)


def test_a_copy_keeps_what_the_original_loses():
    layer = P.register_parametrization(tc.nn.Linear(2, 2), "weight", functions(tc)["Square"]())
    twin = copy.deepcopy(layer)
    P.remove_parametrizations(layer, "weight")
    assert P.is_parametrized(twin)
    assert tc.equal(twin.weight, layer.weight)
    with pytest.raises(AttributeError, match="has no deleter"):
        del twin.weight


def test_names():
    assert P is parametrize is tc.nn.utils.parametrize
    ours, theirs = set(P.__all__), set(torch.nn.utils.parametrize.__all__)
    assert ours == theirs


def test_spectral_norm_in_a_row_of_fused_layers():
    """A convolution with a class of its own, or a hook, is called as it is."""
    for name in ("new", "utils"):
        results = []
        for lib in LIBRARIES:
            k = Kit(lib)
            lib.manual_seed(0)
            conv = getattr(k, name).spectral_norm(k.nn.Conv2d(2, 3, 3))
            net = k.nn.Sequential(conv, k.nn.BatchNorm2d(3), k.nn.ReLU()).eval()
            with lib.no_grad():
                results.append(net(lib.randn(1, 2, 6, 6)).numpy())
        np.testing.assert_allclose(*results, rtol=1e-10)
