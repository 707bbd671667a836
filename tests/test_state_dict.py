"""Saving and loading the state of modules: all or nothing."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from both_libraries import (
    both,
    build,
    cases,
    each,
    outcome,
    pair,
    plain,
)

import tinyconv as tc

LOADS = {
    "same": lambda lib, n: n.load_state_dict(n.state_dict()),
    "keys": lambda lib, n: list(n.state_dict()),
    "prefix": lambda lib, n: list(n.state_dict(prefix="p.")),
    "metadata": lambda lib, n: dict(n.state_dict()._metadata),
    "vars": lambda lib, n: [v is n.scale for v in n.state_dict(keep_vars=True).values()],
    "no-vars": lambda lib, n: [v.requires_grad for v in n.state_dict().values()],
    "destination": lambda lib, n: n.stem.state_dict(destination=OrderedDict(a=1), prefix="x."),
    "not-a-dict": lambda lib, n: n.load_state_dict(3),
    "empty": lambda lib, n: n.load_state_dict({}),
    "empty-lax": lambda lib, n: n.load_state_dict({}, strict=False),
    "unexpected": lambda lib, n: n.load_state_dict(
        {**n.state_dict(), "q": 1, "stem.x.y": 2, "mean.z": 3}
    ),
    "unexpected-lax": lambda lib, n: n.load_state_dict(
        {"q": 1, "blocks.0.fc.q": lib.ones(1)}, strict=False
    ),
    "shape": lambda lib, n: n.load_state_dict({**n.state_dict(), "stem.weight": lib.ones(2)}),
    "shape-lax": lambda lib, n: n.load_state_dict({"scale": lib.ones(2, 3)}, strict=False),
    "no-tensor": lambda lib, n: n.load_state_dict({**n.state_dict(), "mean": [1, 2, 3, 4]}),
    "everything": lambda lib, n: n.load_state_dict({"mean": 3, "scale": lib.ones(3), "q": 1}),
    "dtype": lambda lib, n: [
        n.load_state_dict({k: v.double() for k, v in n.state_dict().items()}),
        n.state_dict(),
    ],
    "old-scalar": lambda lib, n: lib.nn.BatchNorm1d(1).load_state_dict(
        {"num_batches_tracked": lib.tensor([3])}, False
    ),
    "assign": lambda lib, n: [
        n.load_state_dict(
            {"scale": lib.ones(4, dtype=lib.float64), "mean": lib.ones(4)},
            strict=False,
            assign=True,
        ),
        [n.scale, n.mean, isinstance(n.scale, lib.nn.Parameter)],
    ],
}


@cases(LOADS)
def test_state(script):
    ours, theirs = pair()
    a, b = outcome(script, tc, ours), outcome(script, torch, theirs)
    if isinstance(b, tuple):
        assert a[0] is b[0]
        assert a[1].startswith(b[1]), (a[1], b[1])
    else:
        assert a == b


def everything(net):
    return [(k, id(v), v.tolist()) for k, v in [*net.named_parameters(), *net.named_buffers()]]


FAILURES = {
    "missing": lambda s: s.pop("list.1.bias"),
    "unexpected": lambda s: s.update(q=tc.ones(1)),
    "shape of the last": lambda s: s.update({"list.1.bias": tc.ones(3)}),
    "no tensor": lambda s: s.update({"list.1.bias": "text"}),
}


@pytest.mark.parametrize("assign", [True, False])
@cases(FAILURES)
def test_a_failed_load_changes_nothing(script, assign):
    net = build(tc)
    state = OrderedDict((k, v + 1) for k, v in net.state_dict().items())
    script(state)
    before = everything(net)
    with pytest.raises(RuntimeError, match="Error"):
        net.load_state_dict(state, assign=assign)
    assert everything(net) == before


def test_a_failed_hook_changes_nothing_either():
    net = build(tc)
    before = everything(net)
    net.register_load_state_dict_post_hook(lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})
    assert everything(net) == before


def test_a_failed_load_does_not_break_a_graph():
    net = tc.nn.Linear(2, 2)
    y = net(tc.ones(1, 2, requires_grad=True))
    with pytest.raises(RuntimeError):
        net.load_state_dict({"weight": tc.ones(2, 2)})
    y.sum().backward()
    net(tc.ones(1, 2, requires_grad=True))


ADVICE = {
    "All keys start with 'module.'": lambda n: {
        f"module.{k}": v for k, v in n.state_dict().items()
    },
    "is that of the part 'blocks'": lambda n: n.blocks.state_dict(),
    "The value of 'model' is itself a dict": lambda n: {"model": n.state_dict(), "epoch": 3},
    "Build the model with the sizes": lambda n: {**n.state_dict(), "scale": tc.ones(7)},
    "With strict=False, what matches": lambda n: {**n.state_dict(), "q": tc.ones(7)},
}


@pytest.mark.parametrize("text", list(ADVICE))
def test_advice(text):
    net = build(tc)
    if text.startswith("is that"):
        net = tc.nn.Sequential(OrderedDict(blocks=net.blocks))
    with pytest.raises(RuntimeError) as info:
        net.load_state_dict(
            ADVICE[text](
                net if text[0] != "i" else tc.nn.Sequential(OrderedDict(blocks=net.blocks))
            )
        )
    assert text in str(info.value).splitlines()[-1]


def test_state_hooks_and_extra_state():
    def run(lib):

        class Extra(lib.nn.Module):
            _version = 3

            def __init__(self):
                super().__init__()
                self.fc = lib.nn.Linear(1, 1)
                self.extra = 1

            def get_extra_state(self):
                return self.extra

            def set_extra_state(self, state):
                self.extra = state

        log = []
        m = Extra()
        m.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("save", prefix, keep)))
        m.register_state_dict_post_hook(
            lambda m, d, prefix, meta: log.append((list(d), prefix, meta["version"]))
        )
        m.register_load_state_dict_pre_hook(
            lambda m, d, prefix, meta, strict, missing, unexpected, errors: log.append(
                [prefix, meta.get("version"), strict, d.pop("old"), missing, unexpected, errors]
            )
        )
        m.fc.register_load_state_dict_post_hook(
            lambda m, keys: log.append(keys.missing_keys.clear())
        )
        state = m.state_dict()
        state["_extra_state"], state["old"] = 5, 6
        del state["fc.bias"]
        log += [m.load_state_dict(state), m.extra, m.state_dict()._metadata[""]]
        with pytest.raises(RuntimeError, match=r"Missing.*_extra_state"):
            Extra().load_state_dict(m.fc.state_dict(prefix="fc."))
        return plain(log)

    both(run)


@each
def test_post_hooks_return_nothing(lib):
    m = lib.nn.Linear(1, 1)
    m.register_load_state_dict_post_hook(lambda m, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return new"):
        m.load_state_dict(m.state_dict())
    m.register_state_dict_post_hook(lambda *a: 1)
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        m.state_dict()
