"""The documents keep their word: snippets run, links lead somewhere, names are explained and called as in PyTorch."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import tinyconv as tc
from tinyconv.vision import datasets, transforms

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# ── pages ─────────────────────────────────────────────────────────────────────────────────────


def snippets(page: Path) -> list[str]:
    """The blocks of Python on a page that are no doctests: pytest runs those."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    return [block for block in blocks if ">>>" not in block]


SNIPPETS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(snippets(page), 1)
]


@pytest.mark.parametrize("source", SNIPPETS)
def test_snippet(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it stands, on 128 images instead of 10,000."""
    monkeypatch.setattr(datasets, "Shapes10", partial(datasets.Shapes10, size=128))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(source, "snippet", "exec"), names)
    if "loss" in names:
        assert 0 < names["loss"].item() < 10


def test_the_readme_begins_with_a_snippet() -> None:
    assert "loss.backward()" in snippets(PAGES[0])[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    missing += [
        t for t in re.findall(r"\b(?:examples|tests)/[\w/]+\.py", text) if not (ROOT / t).exists()
    ]
    assert not missing


# ── names ─────────────────────────────────────────────────────────────────────────────────────

NAMESPACES: list[Any] = [
    tc, tc.autograd, tc.cuda, tc.nn, tc.nn.functional, tc.nn.init, tc.nn.utils, tc.optim, tc.optim.lr_scheduler,
    tc.utils, tc.utils.data, tc.vision, datasets, transforms, transforms.functional, tc.Tensor, tc.nn.Module,
    tc.optim.Optimizer,
]  # fmt: skip
IMPORTED = {"annotations", "Any", "Callable", "Sequence"}  # for the module's own use


def public(namespace: Any) -> dict[str, Any]:
    """The public names of a module or class, and what they mean."""
    names = getattr(namespace, "__all__", None) or [
        n for n in dir(namespace) if not n.startswith("_")
    ]
    return {n: getattr(namespace, n) for n in names if n not in IMPORTED}


def documented(value: Any) -> bool:
    return bool((value.__doc__ or "").strip())


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda n: n.__name__)
def test_every_public_name_has_a_docstring(namespace: Any) -> None:
    silent = [
        name
        for name, value in public(namespace).items()
        if (callable(value) or isinstance(value, (ModuleType, property))) and not documented(value)
    ]
    assert not silent


# ── signatures ────────────────────────────────────────────────────────────────────────────────

Parameters = list[tuple[str, Any]]  # name and default
NONE = inspect.Parameter.empty


def from_signature(function: Any) -> Parameters | None:
    """Names and defaults; None where Python does not know them, or only ``*args``."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return None
    if (
        any(p.kind is p.VAR_POSITIONAL for p in parameters)
        and parameters[0].kind is parameters[0].VAR_POSITIONAL
    ):
        return None
    return [(p.name, p.default) for p in parameters]


def from_docstring(function: Any) -> Parameters | None:
    """The same from the first line of a docstring, ``f(x, y=1) -> Tensor`` or without the arrow."""
    found = re.match(r"\s*(\w+\(.*?\))( *->|\n)", function.__doc__ or "", re.S)
    if not found:
        return None
    (statement,) = ast.parse(f"def {found[1]}: pass").body
    assert isinstance(statement, ast.FunctionDef)
    arguments = statement.args
    positional: Parameters = [(a.arg, NONE) for a in arguments.args]
    for i, default in enumerate(reversed(arguments.defaults), 1):
        positional[-i] = positional[-i][0], _number(default)
    values = [NONE if d is None else _number(d) for d in arguments.kw_defaults]
    return positional + [(a.arg, d) for a, d in zip(arguments.kwonlyargs, values, strict=True)]


def _number(default: ast.expr) -> Any:
    """A constant, or the quotient of two, as in ``lower=1./8``."""
    if isinstance(default, ast.BinOp) and isinstance(default.op, ast.Div):
        return ast.literal_eval(default.left) / ast.literal_eval(default.right)
    return ast.literal_eval(default)


def parameters(function: Any) -> Parameters | None:
    found = from_signature(function)
    return from_docstring(function) if found is None else found


# Parameters of torch that we leave out, and why.
LEFT_OUT: dict[str, set[str]] = {
    "nn.Hardtanh": {"min_value", "max_value"},  # second names of min_val and max_val, deprecated
    "nn.functional.softmax": {"_stacklevel"},  # torch's own business
    "nn.functional.softmin": {"_stacklevel"},
    "nn.functional.log_softmax": {"_stacklevel"},
    "nn.functional.normalize": {"out"},  # results are returned
}
# Calls that differ on purpose, and why.
OTHERWISE = {
    "utils.data.random_split",  # generator=None means the default generator, which torch's default names
}
TWINS: list[tuple[str, Any, Any]] = [
    ("nn", torch.nn, tc.nn),
    ("nn.functional", torch.nn.functional, tc.nn.functional),
    ("nn.init", torch.nn.init, tc.nn.init),
    ("nn.utils", torch.nn.utils, tc.nn.utils),
    ("optim", torch.optim, tc.optim),
    ("optim.lr_scheduler", torch.optim.lr_scheduler, tc.optim.lr_scheduler),
    ("utils.data", torch.utils.data, tc.utils.data),
]


def own(value: Any, library: str) -> bool:
    """Whether a function or class is the library's, not something that it imports."""
    module = getattr(value, "__module__", None) or library
    return callable(value) and not isinstance(value, ModuleType) and module.split(".")[0] == library


PAIRS = [
    pytest.param(f"{where}.{name}", getattr(theirs, name), value, id=f"{where}.{name}")
    for where, theirs, ours in TWINS
    for name, value in public(ours).items()
    if hasattr(theirs, name) and own(value, "tinyconv") and value is not tc.Tensor
]


@pytest.mark.parametrize(("name", "theirs", "ours"), PAIRS)
def test_called_as_in_torch(
    name: str, theirs: Callable[..., Any], ours: Callable[..., Any]
) -> None:
    """The same parameters in the same order with the same defaults."""
    expected, found = parameters(theirs), parameters(ours)
    if expected is None:  # torch does not say; a layer without settings
        assert not found or theirs.__init__ is torch.nn.Module.__init__
        return
    if name in OTHERWISE:
        assert [n for n, _ in found or []] == [n for n, _ in expected]
        return
    if name.endswith("_") and [n for n, _ in found or []] == ["x", "args", "kwargs"]:
        # Made from the function without the underscore, to which the arguments go.
        plain = parameters(getattr(tc.nn.functional, name.split(".")[-1].rstrip("_")))
        found = [p for p in plain or [] if p[0] != "inplace"]
    assert found == [(n, default) for n, default in expected if n not in LEFT_OUT.get(name, ())]


def test_exceptions_are_still_needed() -> None:
    """What is excused above exists, and does differ."""
    calls = {case.values[0]: case.values[1:] for case in PAIRS}
    for name, missing in LEFT_OUT.items():
        theirs, ours = ({n for n, _ in parameters(f) or []} for f in calls[name])
        assert missing <= theirs, name
        assert not missing & ours, name
    for name in OTHERWISE:
        expected, found = (parameters(f) for f in calls[name])
        assert found != expected, name
