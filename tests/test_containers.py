"""Containers: one script, run by both libraries, must end the same way."""

from __future__ import annotations

import operator
from collections import OrderedDict

import torch
from both_libraries import (
    assert_same,
    cases,
    outcome,
)

import tinyconv as tc


def row(lib, *sizes):
    return [lib.nn.Linear(n, n) for n in sizes]


def seq(lib, *sizes):
    return lib.nn.Sequential(*row(lib, *sizes))


def lst(lib, *sizes):
    return lib.nn.ModuleList(row(lib, *sizes))


def named(lib):
    return lib.nn.Sequential(
        OrderedDict(a=lib.nn.Linear(1, 1), b=lib.nn.Linear(2, 2), c=lib.nn.Linear(3, 3))
    )


def after(x, *actions):
    return [*(f(x) for f in actions), x, len(x)]


CONTAINERS = {
    "seq": lambda lib: [seq(lib, 1, 2), len(seq(lib, 1, 2)), seq(lib)],
    "seq-int": lambda lib: lib.nn.Sequential(3),
    "seq-index": lambda lib: [seq(lib, 1, 2)[-1], named(lib)[1]],
    "seq-out-of-range": lambda lib: seq(lib, 1)[5],
    "seq-slice": lambda lib: [seq(lib, 1, 2, 3)[1:], named(lib)[::2]],
    "seq-set": lambda lib: after(named(lib), lambda s: operator.setitem(s, 1, lib.nn.Linear(9, 9))),
    "seq-del": lambda lib: after(named(lib), lambda s: operator.delitem(s, 1)),
    "seq-del-slice": lambda lib: after(
        seq(lib, 1, 2, 3), lambda s: operator.delitem(s, slice(0, 2))
    ),
    "seq-append": lambda lib: after(seq(lib, 1), lambda s: s.append(lib.nn.Linear(2, 2))),
    "seq-extend": lambda lib: after(seq(lib, 1), lambda s: s.extend(seq(lib, 2, 3))),
    "seq-insert": lambda lib: after(seq(lib, 1, 2), lambda s: s.insert(-1, lib.nn.Linear(3, 3))),
    "seq-insert-end": lambda lib: after(seq(lib, 1, 2), lambda s: s.insert(2, lib.nn.Linear(3, 3))),
    "seq-insert-far": lambda lib: seq(lib, 1).insert(4, lib.nn.Linear(3, 3)),
    "seq-insert-int": lambda lib: isinstance(seq(lib, 1).insert(0, 3), int),
    "seq-pop": lambda lib: after(seq(lib, 1, 2, 3), lambda s: s.pop(1)),
    "seq-add": lambda lib: seq(lib, 1) + seq(lib, 2),
    "seq-add-list": lambda lib: operator.add(seq(lib, 1), [1]),
    "seq-iadd": lambda lib: operator.iadd(seq(lib, 1), seq(lib, 2)),
    "seq-mul": lambda lib: [seq(lib, 1, 2) * 2, 2 * seq(lib, 1)],
    "seq-imul": lambda lib: operator.imul(seq(lib, 1, 2), 3),
    "seq-mul-zero": lambda lib: seq(lib, 1) * 0,
    "seq-mul-float": lambda lib: seq(lib, 1) * 1.5,
    "seq-state": lambda lib: list((seq(lib, 1) * 2).state_dict()),
    "list": lambda lib: [lst(lib, 1, 1, 2), len(lst(lib, 1)), lst(lib), lst(lib, 2, 1, 1)],
    "list-nested": lambda lib: lib.nn.ModuleList([seq(lib, 1), seq(lib, 1), seq(lib, 2)]),
    "list-int": lambda lib: lib.nn.ModuleList([1]),
    "list-index": lambda lib: [lst(lib, 1, 2)[-1], lst(lib, 1, 2, 3)[::2]],
    "list-out-of-range": lambda lib: lst(lib, 1)[-2],
    "list-set": lambda lib: after(
        lst(lib, 1, 2), lambda s: operator.setitem(s, -1, lib.nn.Linear(9, 9))
    ),
    "list-del": lambda lib: after(lst(lib, 1, 2, 3), lambda s: operator.delitem(s, 0)),
    "list-append": lambda lib: after(lst(lib, 1), lambda s: s.append(lib.nn.Linear(2, 2))),
    "list-extend": lambda lib: after(lst(lib, 1), lambda s: s.extend(row(lib, 2, 3))),
    "list-extend-int": lambda lib: lst(lib, 1).extend(3),
    "list-insert": lambda lib: after(lst(lib, 1, 2), lambda s: s.insert(1, lib.nn.Linear(3, 3))),
    "list-pop": lambda lib: after(lst(lib, 1, 2), lambda s: s.pop(0)),
    "list-add": lambda lib: lst(lib, 1) + row(lib, 2),
    "list-iadd": lambda lib: operator.iadd(lst(lib, 1), row(lib, 2)),
    "list-call": lambda lib: lst(lib, 1)(3),
    "dict": lambda lib: lib.nn.ModuleDict({"b": seq(lib, 1), "a": seq(lib, 2)}),
    "dict-pairs": lambda lib: lib.nn.ModuleDict([("b", seq(lib, 1)), ["a", seq(lib, 2)]]),
    "dict-missing": lambda lib: lib.nn.ModuleDict()["a"],
    "dict-reserved": lambda lib: lib.nn.ModuleDict({"type": seq(lib)}),
    "dict-dot": lambda lib: lib.nn.ModuleDict({"a.b": seq(lib)}),
    "dict-int": lambda lib: lib.nn.ModuleDict(5),
    "dict-short": lambda lib: lib.nn.ModuleDict([(1,)]),
    "dict-no-pair": lambda lib: lib.nn.ModuleDict([1]),
    "dict-methods": lambda lib: after(
        lib.nn.ModuleDict({"a": seq(lib, 1), "b": seq(lib, 2)}),
        lambda d: [list(d), list(d.keys()), list(d.values()), dict(d.items()), "a" in d, "z" in d],
        lambda d: d.pop("a"),
        lambda d: d.update({"c": seq(lib, 3)}),
        lambda d: operator.delitem(d, "b"),
    ),
    "dict-clear": lambda lib: after(lib.nn.ModuleDict({"a": seq(lib, 1)}), lambda d: d.clear()),
    "plist": lambda lib: lib.nn.ParameterList(
        [lib.ones(2, 3), lib.nn.Parameter(lib.tensor(1.0)), 5]
    ),
    "plist-one": lambda lib: lib.nn.ParameterList([lib.ones(2, 3)]),
    "plist-index": lambda lib: [
        p := lib.nn.ParameterList([lib.ones(2), lib.ones(1)]),
        p[-1],
        p[:1],
        p.state_dict(),
    ],
    "plist-out-of-range": lambda lib: lib.nn.ParameterList([lib.ones(2)])[3],
    "plist-set": lambda lib: after(
        lib.nn.ParameterList([lib.ones(2)]), lambda p: operator.setitem(p, 0, lib.zeros(1))
    ),
    "plist-set-far": lambda lib: operator.setitem(lib.nn.ParameterList(), 0, lib.zeros(1)),
    "plist-extend": lambda lib: after(
        lib.nn.ParameterList(), lambda p: p.extend([lib.ones(1)]), lambda p: p.append(4)
    ),
    "plist-extend-int": lambda lib: lib.nn.ParameterList().extend(3),
    "plist-call": lambda lib: lib.nn.ParameterList()(1),
    "plist-list": lambda lib: [
        list(p := operator.iadd(lib.nn.ParameterList(), [lib.ones(1)])),
        p.parameters(),
    ],
    "pdict": lambda lib: lib.nn.ParameterDict(
        {"b": lib.ones(2, 3), "a": lib.nn.Parameter(lib.zeros(())), "c": 5}
    ),
    "pdict-order": lambda lib: [
        list(lib.nn.ParameterDict(kind(b=lib.ones(1), a=lib.ones(2))).state_dict())
        for kind in (dict, OrderedDict)
    ],
    "pdict-int": lambda lib: lib.nn.ParameterDict({1: 2}),
    "pdict-missing": lambda lib: lib.nn.ParameterDict()["a"],
    "pdict-update-int": lambda lib: lib.nn.ParameterDict([1]),
    "pdict-call": lambda lib: lib.nn.ParameterDict()(1),
    "pdict-methods": lambda lib: after(
        lib.nn.ParameterDict({"a": lib.ones(1), "b": lib.ones(2)}),
        lambda d: [
            list(d),
            list(d.keys()),
            list(d.values()),
            dict(d.items()),
            "a" in d,
            list(reversed(d)),
        ],
        lambda d: [d.get("a"), d.get("z"), d.setdefault("y", lib.zeros(1)), d.setdefault("a", 3)],
        lambda d: [d.pop("a"), list(d.popitem())],
        lambda d: d | lib.nn.ParameterDict({"q": lib.ones(1)}),
        lambda d: d.copy(),
        lambda d: d.fromkeys(["k", "l"], 3),
        lambda d: operator.delitem(d, "b"),
    ),
    "pdict-clear": lambda lib: after(lib.nn.ParameterDict({"a": lib.ones(1)}), lambda d: d.clear()),
    "pdict-ior": lambda lib: operator.ior(
        lib.nn.ParameterDict({"a": lib.ones(1)}), lib.nn.ParameterDict({"b": 1})
    ),
}


@cases(CONTAINERS)
def test_container(script):
    tc.manual_seed(0)
    torch.manual_seed(0)
    assert_same(outcome(script, tc), outcome(script, torch))


def test_sequential_shares_modules_when_multiplied():
    net = tc.nn.Sequential(tc.nn.Linear(2, 2)) * 3
    assert net[0] is net[2]
    assert len(list(net.parameters())) == 2
    assert net(tc.ones(1, 2)).shape == (1, 2)
