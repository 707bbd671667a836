"""User-written operations: the same classes on torch and on tinyconv."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

import tinyconv as tc

BOTH = pytest.mark.parametrize("lib", [torch, tc], ids=["torch", "tinyconv"])


def leaf(lib, *data, dtype=None):
    return lib.tensor(list(data), requires_grad=True, dtype=dtype)


def values(t):
    return None if t is None else t.tolist()


@pytest.fixture
def no_collector():
    """Memory must go by counting references alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ── user-written functions ────────────────────────────────────────────────────────────────────────


def _classes(lib):
    F = lib.autograd.Function
    once_differentiable = (
        tc.autograd if lib is tc else torch.autograd.function
    ).once_differentiable

    class Exp(F):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    class Scale(F):
        """Arguments that are no tensors, and a keepsake that is none."""

        @staticmethod
        def forward(ctx, x, factor, name=None):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None, None

    class SinCos(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin(), x.cos()

        @staticmethod
        def backward(ctx, gs, gc):
            (x,) = ctx.saved_tensors
            return gs * x.cos() - gc * x.sin()

    class ExpTwice(F):
        """Saves both its outputs."""

        @staticmethod
        def forward(ctx, x):
            a, b = x.exp(), (2 * x).exp()
            ctx.save_for_backward(a, b)
            return a, b

        @staticmethod
        def backward(ctx, ga, gb):
            a, b = ctx.saved_tensors
            return ga * a + gb * b * 2

    class Product(F):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            needs = ctx.needs_input_grad
            return g * y if needs[0] else None, g * x if needs[1] else None

    class Split(F):
        """The style without ctx in forward."""

        @staticmethod
        def forward(x, n):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, n = inputs
            ctx.save_for_backward(x, output)
            ctx.n = n

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * ctx.n * y / x, None

    class Increment(F):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    class Sorted(F):
        @staticmethod
        def forward(ctx, x):
            values, order = x.sort()
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(order)
            return values, order

        @staticmethod
        def backward(ctx, g, _):
            (order,) = ctx.saved_tensors
            return lib.zeros(g.shape).index_put((order,), g)

    class Same(F):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    class Once(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * 2

    class Stingy(F):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return (0 if a is None else a * 2) + (0 if b is None else b * 3)

    class Few(F):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    class Many(Few):
        @staticmethod
        def backward(ctx, g):
            return g, g, None, None

    class Misshapen(Few):
        @staticmethod
        def backward(ctx, g):
            return lib.ones(5), None

    class Broad(Few):
        @staticmethod
        def backward(ctx, g):
            return lib.ones(4, 2) * g, None

    class Surprising(F):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g, g

    class Silent(F):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    class Careless(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 1

    return {k: v for k, v in locals().items() if isinstance(v, type) and v is not F}


CUSTOM = {}


def custom(tell):
    CUSTOM[tell.__name__] = tell
    return tell


@custom
def saves_its_output(f, lib):
    x = leaf(lib, 1.0, 2.0)
    y = f["Exp"].apply(x)
    y.sum().backward()
    return [y, x.grad, type(y.grad_fn).__name__.replace("Call", "ExpBackward"), repr(y)]


@custom
def takes_numbers(f, lib):
    x = leaf(lib, 1.0, 2.0)
    y = f["Scale"].apply(x, 3)
    f["Scale"].apply(y, 2, "name").sum().backward()
    return [y, x.grad]


@custom
def has_two_outputs(f, lib):
    x = leaf(lib, 1.0, 2.0)
    s, c = f["SinCos"].apply(x)
    (s * 2 + c * c).sum().backward()
    return [s, c, x.grad]


@custom
def has_one_output_used(f, lib):
    x = leaf(lib, 1.0, 2.0)
    _, c = f["SinCos"].apply(x)
    c.sum().backward()
    return [x.grad]


@custom
def knows_what_is_needed(f, lib):
    x, y = leaf(lib, 2.0), lib.tensor([3.0])
    f["Product"].apply(x, y).sum().backward()
    f["Product"].apply(y, x).sum().backward()
    return [x.grad, y.grad]


@custom
def takes_one_tensor_twice(f, lib):
    x = leaf(lib, 2.0)
    f["Product"].apply(x, x).sum().backward()
    return [x.grad]


@custom
def sets_up_its_context_apart(f, lib):
    x = leaf(lib, 2.0)
    y = f["Split"].apply(x, 3)
    y.sum().backward()
    return [y, x.grad]


@custom
def writes_to_its_input(f, lib):
    x = leaf(lib, 2.0)
    y = x * 2
    z = f["Increment"].apply(y)
    z.sum().backward()
    return [z is y, y, x.grad]


@custom
def writes_to_a_view(f, lib):
    x = leaf(lib, 2.0, 3.0)
    y = x * 2
    f["Increment"].apply(y[1:])
    y.sum().backward()
    return [y, x.grad]


@custom
def writes_to_a_leaf(f, lib):
    f["Increment"].apply(leaf(lib, 2.0))


@custom
def writes_to_what_was_saved(f, lib):
    x = leaf(lib, 2.0)
    y = x * 2
    z = y * y
    f["Increment"].apply(y)
    z.sum().backward()


@custom
def has_an_output_without_gradient(f, lib):
    x = leaf(lib, 2.0, 1.0, 3.0)
    v, order = f["Sorted"].apply(x)
    (v * lib.tensor([1.0, 2.0, 3.0])).sum().backward()
    return [v, order, order.requires_grad, x.grad]


@custom
def returns_its_input(f, lib):
    x = leaf(lib, 2.0)
    y = f["Same"].apply(x)
    y.sum().backward()
    return [y is x, y, x.grad]


@custom
def returns_its_input_which_is_written(f, lib):
    y = f["Same"].apply(leaf(lib, 2.0) * 1)
    y.mul_(2)


@custom
def is_not_recorded(f, lib):
    with lib.no_grad():
        y = f["Exp"].apply(leaf(lib, 2.0))
    return [y, y.requires_grad]


@custom
def takes_constants(f, lib):
    y = f["Exp"].apply(lib.ones(2))
    return [y, y.requires_grad]


@custom
def is_differentiated_twice(f, lib):
    x = leaf(lib, 2.0)
    y = f["Exp"].apply(x * 2)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = lib.autograd.grad(g.sum(), x)
    return [g, gg]


@custom
def is_differentiated_twice_with_two_operands(f, lib):
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    z = f["Product"].apply(x, f["Product"].apply(x, y))
    gx, gy = lib.autograd.grad(z.sum(), [x, y], create_graph=True)
    return [gx, gy, *lib.autograd.grad((gx * gy).sum(), [x, y])]


@custom
def is_differentiated_twice_with_two_outputs(f, lib):
    x = leaf(lib, 2.0)
    s, c = f["SinCos"].apply(x)
    (g,) = lib.autograd.grad((s * c).sum(), x, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), x)]


@custom
def is_differentiated_twice_through_two_saved_outputs(f, lib):
    x = leaf(lib, 0.5)
    a, b = f["ExpTwice"].apply(x)
    (g,) = lib.autograd.grad((a * b).sum(), x, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), x)]


@custom
def is_differentiated_twice_through_a_saved_output(f, lib):
    x = leaf(lib, 2.0)
    y = f["Split"].apply(x, 3)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), x)]


@custom
def is_differentiable_once(f, lib):
    x = leaf(lib, 2.0)
    y = f["Once"].apply(x)
    y.sum().backward(retain_graph=True)
    (g,) = lib.autograd.grad((y * x).sum(), x, create_graph=True)
    return [x.grad, g]


@custom
def is_differentiable_only_once(f, lib):
    x = leaf(lib, 2.0)
    (g,) = lib.autograd.grad((f["Once"].apply(x) * x).sum(), x, create_graph=True)
    g.sum().backward()


@custom
def gets_none_instead_of_zeros(f, lib):
    x = leaf(lib, 2.0)
    f["Stingy"].apply(x)[1].sum().backward()
    return [x.grad]


@custom
def returns_too_few_gradients(f, lib):
    f["Few"].apply(leaf(lib, 2.0), leaf(lib, 2.0)).sum().backward()


@custom
def returns_more_nones_than_needed(f, lib):
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    f["Many"].apply(x, y).sum().backward()
    return [x.grad, y.grad]


@custom
def returns_a_misshapen_gradient(f, lib):
    f["Misshapen"].apply(leaf(lib, 2.0, 3.0), leaf(lib, 2.0)).sum().backward()


@custom
def returns_a_gradient_to_be_summed(f, lib):
    x = leaf(lib, 2.0, 3.0)
    f["Broad"].apply(x, leaf(lib, 2.0)).sum().backward()
    return [x.grad]


@custom
def returns_a_gradient_for_a_number(f, lib):
    f["Surprising"].apply(leaf(lib, 2.0), 3).sum().backward()


@custom
def has_no_backward(f, lib):
    f["Silent"].apply(leaf(lib, 2.0)).sum().backward()


@custom
def saves_a_number(f, lib):
    f["Careless"].apply(leaf(lib, 2.0))


@custom
def is_walked_twice(f, lib):
    y = f["Exp"].apply(leaf(lib, 2.0)).sum()
    y.backward()
    y.backward()


@custom
def has_its_saved_input_overwritten(f, lib):
    x = leaf(lib, 2.0)
    h = x * 1
    y = f["Product"].apply(h, x)
    h.add_(1)
    y.sum().backward()


@custom
def has_its_saved_output_overwritten(f, lib):
    y = f["Exp"].apply(leaf(lib, 2.0))
    y.add_(1)
    y.sum().backward()


@custom
def is_in_the_middle(f, lib):
    x = leaf(lib, 0.5)
    y = f["Exp"].apply(x * 2) * 3
    z = f["Scale"].apply(y + x, 2.0)
    z.sum().backward()
    return [z, x.grad]


def _told(tell, lib):
    try:
        out = tell(_classes(lib), lib)
    except Exception as error:
        return error
    return [values(o) if hasattr(o, "tolist") else o for o in out]


@pytest.mark.parametrize("name", CUSTOM)
def test_a_user_written_function(name):
    theirs, ours = _told(CUSTOM[name], torch), _told(CUSTOM[name], tc)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), ours
        assert str(ours).startswith(str(theirs)[:35]), (str(ours), str(theirs))
        return
    if isinstance(ours, Exception):
        raise ours
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a == (
            pytest.approx(b, rel=1e-5) if not isinstance(b, (str, bool, type(None))) else b
        )


@pytest.mark.usefixtures("no_collector")
def test_a_user_written_function_holds_no_cycle():
    f = _classes(tc)
    x = leaf(tc, 1.0, 2.0)
    for name in ("Exp", "SinCos", "Once"):
        y = f[name].apply(x)
        y = y if isinstance(y, tuple) else (y,)
        ref, node = weakref.ref(y[0]), weakref.ref(y[0].grad_fn)
        y[0].sum().backward()
        del y
        assert ref() is None
        assert node() is None


def test_outputs_of_several_print_as_their_function():
    class Two(tc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            return g + 2 * h

    x = tc.ones(1, requires_grad=True)
    assert [y.grad_fn.name() for y in Two.apply(x)] == ["TwoBackward"] * 2
