"""What an operation costs in Python calls: counted, not timed, so a busy machine cannot fail it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyconv as tc
from tinyconv.nn import functional as F

HERE = next(iter(tc.__path__))


def calls(run: Callable[[], Any]) -> int:
    """The number of Python functions of tinyconv that ``run()`` enters, once everything is warm."""
    entered = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal entered
        code = frame.f_code
        named = not code.co_name.startswith("<")  # comprehensions are frames up to Python 3.11 only
        entered += event == "call" and named and code.co_filename.startswith(HERE)

    run()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return entered


def inputs() -> dict[str, Any]:
    tc.manual_seed(0)
    parameters = [tc.ones(3, requires_grad=True) for _ in range(20)]
    for p in parameters:
        p.grad = tc.ones(3)
    return {
        "x": tc.randn(2, 3, 8, 8, requires_grad=True),
        "w": tc.randn(4, 3, 3, 3, requires_grad=True),
        "s": tc.tensor(2.0, requires_grad=True),
        "layer": tc.nn.Linear(8, 8),
        "adam": tc.optim.Adam(parameters),
        "net": tc.nn.Sequential(tc.nn.Conv2d(3, 4, 3), tc.nn.BatchNorm2d(4), tc.nn.MaxPool2d(2)),
    }


BUDGET = [
    ("multiplication", 7, lambda x, s, **_: s * s),
    ("addition with a number", 5, lambda x, s, **_: s + 1),
    ("sum", 11, lambda x, **_: x.sum()),
    ("index", 6, lambda x, **_: x[0]),
    ("conv2d", 45, lambda x, w, **_: F.conv2d(x, w)),
    ("max_pool2d", 30, lambda x, **_: F.max_pool2d(x, 2)),
    ("a layer", 15, lambda x, layer, **_: layer(x)),
    ("three layers", 141, lambda x, net, **_: net(x)),
    ("backward of a product", 29, lambda x, s, **_: (s * s).backward()),
    ("a step with 20 parameters", 360, lambda adam, **_: adam.step()),
    ("forgetting 20 gradients", 24, lambda adam, **_: adam.zero_grad()),
]


@pytest.mark.parametrize(("name", "budget", "run"), BUDGET, ids=[b[0] for b in BUDGET])
def test_calls(name, budget, run):
    given = inputs()
    n = calls(lambda: run(**given))
    assert n <= budget, f"{name}: {n} calls"


def test_views_and_detach_copy_nothing():
    x = tc.zeros(4, 6)
    for view in (
        x.t(),
        x[1:],
        x.reshape(2, 12),
        x.detach(),
        x.data,
        x.unsqueeze(0),
        x.expand(3, 4, 6),
        x.flatten(),
        x.view(-1),
    ):
        assert np.shares_memory(view.array, x.array)
    assert np.shares_memory(tc.from_numpy(x.array).array, x.array)


def test_an_activation_nobody_saved_is_freed_at_once():
    gc.disable()
    try:
        x = tc.ones(1000, requires_grad=True)
        y = x + 1
        array = y.array
        z = y + 1
        count = sys.getrefcount(array)
        del y
        assert sys.getrefcount(array) == count - 1
        assert sys.getrefcount(array) == 2  # this name and getrefcount's argument
        z.sum().backward()
    finally:
        gc.enable()


def test_importing_loads_neither_numba_nor_torch_nor_matplotlib():
    code = "import sys, tinyconv; print([m for m in ('numba', 'torch', 'matplotlib', 'PIL', 'cupy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
