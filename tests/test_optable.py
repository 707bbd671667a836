"""The table of operations on the CPU, against torch: the same cases that `cuda/` and `gpu/` run on a device."""

from __future__ import annotations

import warnings

import optable
import pytest
import torch

import tinyconv as tc

CLOSE = {"float32": (1e-4, 1e-5), "float64": (1e-10, 1e-10)}


@pytest.mark.parametrize("case", [c for c in optable.CASES.values() if c.torch], ids=str)
def test_table(case):
    for kind in optable.kinds_of(case, "float32 float64"):
        ours = optable.run(case, tc, kind, "cpu")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own plans
            theirs = optable.run(case, torch, kind, "cpu", case.second)
        rtol, atol = CLOSE.get(kind, (0, 0))
        if case.name in optable.COARSE_IN_TORCH:
            rtol = max(rtol, 1e-6)
        optable.assert_close(ours, theirs, rtol, atol)


def test_a_fault_is_found():
    def wrong(t, x):
        return t.exp(x) if t is torch else t.exp(x) + (x - x.detach()) * 1e-3

    with pytest.raises(AssertionError, match="gradient"):
        test_table(optable.Case("exp", wrong, ("3 4",)))
